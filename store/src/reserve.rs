//! Room that is set aside, so that mail can be deleted when the disk is full.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use pillarbox_core::effect::{ErrorKind, StoreError};

/// A file of zeros that is given up when nothing else is left.
pub(crate) struct Reserve {
    path: PathBuf,
    size: u64,
    there: AtomicBool,
}

impl Reserve {
    /// Of `size` octets; none is kept when that is zero.
    pub(crate) fn new(path: PathBuf, size: u64) -> Self {
        let there = size == 0 || path.metadata().is_ok_and(|m| m.len() >= size);
        Self {
            path,
            size,
            there: AtomicBool::new(there),
        }
    }

    /// Sets the room aside, if there is so much.
    pub(crate) fn restore(&self) {
        if self.there.load(Ordering::Relaxed) {
            return;
        }
        let made = self.fill();
        if made.is_err() {
            // Half of it helps nobody.
            let _ = std::fs::remove_file(&self.path);
        }
        self.there.store(made.is_ok(), Ordering::Relaxed);
    }

    fn fill(&self) -> std::io::Result<()> {
        let mut file = File::create(&self.path)?;
        let zeros = vec![0; CHUNK];
        let mut left = self.size;
        while left > 0 {
            let now = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
            file.write_all(&zeros[..now])?;
            left -= now as u64;
        }
        file.sync_data()
    }

    /// Gives the room up. `false`: there was none.
    pub(crate) fn release(&self) -> bool {
        self.size > 0
            && self.there.swap(false, Ordering::Relaxed)
            && std::fs::remove_file(&self.path).is_ok()
    }

    /// Refuses what brings mail in while the room is not there: it is for taking mail out.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        if self.there.load(Ordering::Relaxed) {
            return Ok(());
        }
        Err(StoreError::new(
            ErrorKind::OverQuota,
            "The server has no room; nothing was stored. Deleting still works",
        ))
    }
}

const CHUNK: usize = 64 << 10;
