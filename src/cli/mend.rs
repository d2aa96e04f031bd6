//! Opens the store of a server: one whose index does not work gets another, made from the packs.

use std::error::Error;
use std::path::Path;

use pillarbox::store::{Embedded, OpenError, Options, rebuild};

use super::log::{Level, Line, Log};
use super::serve::patiently;

/// Opens the store in this folder. An index that is damaged or gone is made anew, once: one that is set aside already is for people to look at.
pub fn open(folder: &Path, log: &Log) -> Result<Embedded, Box<dyn Error>> {
    let open = || Embedded::open(folder, Options::default());
    let why = match patiently(open, |e| matches!(e, OpenError::InUse(_))) {
        Err(e @ (OpenError::Index(_) | OpenError::NoIndex(_))) => e,
        opened => return Ok(opened?),
    };
    if folder.join(SET_ASIDE).exists() {
        let folder = folder.display();
        return Err(format!(
            "{why}: pillarbox store rebuild {folder}; it is not done again by itself while {SET_ASIDE}, which an earlier one left, is there"
        )
        .into());
    }
    log.write(Line::new(Level::Error, "index_rebuild").field("why", why));
    // It may take long, and people are to know why.
    log.flush();
    let made = rebuild(folder)?;
    let line = Line::new(Level::Warn, "index_rebuilt")
        .field("mailboxes", made.mailboxes)
        .field("messages", made.messages)
        .field("damaged", made.damaged)
        .field("flags_lost", made.flags_lost);
    log.write(line);
    Ok(open()?)
}

/// What the first rebuild sets aside.
const SET_ASIDE: &str = "index.old.1";
