//! Gives back at once all room that a store does not need.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::tidy::Ages;
use super::upkeep::{Rules, Upkeep};
use super::{Fault, Folder, OpenError, Options, at};
use crate::pack;
use crate::reserve::Reserve;

/// What a store took up before and after, in octets of packs and index.
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
    let before = folder.octets()?;
    let mut ledger = folder.ledger(path, pack::open_files(), Options::default().segment)?;
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
    drop(ledger);
    let after = folder.octets()?;
    Ok(Compacted { before, after })
}

impl Folder {
    /// What packs and index take up.
    fn octets(&self) -> Result<u64, OpenError> {
        let mut sum = 0;
        for entry in std::fs::read_dir(&self.packs).map_err(at(&self.packs))? {
            let size = entry.and_then(|e| e.metadata()).map(|m| m.len());
            sum += size.map_err(at(&self.packs))?;
        }
        for suffix in ["", "-wal"] {
            let path = self.index.with_extension(format!("sqlite{suffix}"));
            sum += path.metadata().map_or(0, |m| m.len());
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
