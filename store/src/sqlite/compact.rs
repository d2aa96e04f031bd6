//! Gives back at once all room that a store does not need.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::columns::number;
use super::ledger::Ledger;
use super::tidy::Ages;
use super::upkeep::{Rules, Upkeep};
use super::{Fault, Folder, OpenError, Options, at};
use crate::pack;
use crate::reserve::Reserve;

/// What a store took up before and after, in octets of packs and index; what opening it did, as after a crash or an upgrade, was before.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct Compacted {
    /// Before.
    pub before: u64,
    /// After.
    pub after: u64,
}

/// Gives back the room of expunged mail, of a store that is not in use: what is past its time goes from the index, every segment of which a tenth
/// is dead is written anew, and the index is packed. Stopped at any moment it leaves a good store.
///
/// # Errors
/// When the store is in use, or its folder or index cannot be used.
pub fn compact(path: impl AsRef<Path>) -> Result<Compacted, OpenError> {
    Ok(give_back(path.as_ref())?)
}

fn give_back(path: &Path) -> Result<Compacted, Fault> {
    let folder = Folder::new(path, false)?;
    let mut ledger = folder.ledger(path, pack::open_files(), Options::default().segment)?;
    let before = folder.octets(&mut ledger)?;
    let reserve = Arc::new(Reserve::new(path.join("reserve"), 0));
    let mut upkeep = Upkeep::new(rules(), reserve);
    while upkeep.step(&mut ledger)? {}
    if let Err(e) = ledger.conn.execute_batch("VACUUM") {
        // It needs as much room again, and is no need.
        use rusqlite::ErrorCode::DiskFull;
        if e.sqlite_error_code() != Some(DiskFull) {
            return Err(e.into());
        }
    }
    let after = folder.octets(&mut ledger)?;
    Ok(Compacted { before, after })
}

impl Folder {
    /// What packs and index take up. The index's own log is not counted: what is in it comes to the index, or is there already.
    fn octets(&self, ledger: &mut Ledger) -> Result<u64, Fault> {
        ledger.pack.give_back();
        let sql = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
        let mut sum = ledger.conn.query_row(sql, [], |r| number(r, 0))?;
        for entry in std::fs::read_dir(&self.packs).map_err(at(&self.packs))? {
            let size = entry.and_then(|e| e.metadata()).map(|m| m.len());
            sum += size.map_err(at(&self.packs))?;
        }
        Ok(sum)
    }
}

/// No session is there to be spared anything.
fn rules() -> Rules {
    Rules {
        ages: Ages {
            grave: 0,
            ..Ages::USUAL
        },
        dead: 10,
        newest: 1,
        large: Options::default().large,
        pause: Duration::MAX,
    }
}
