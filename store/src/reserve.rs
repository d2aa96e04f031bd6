//! Room that is set aside, so that mail can be deleted when the disk is full.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pillarbox_core::effect::{ErrorKind, StoreError};

use crate::error::lock;

/// A file of zeros that is given up when little else is left.
pub(crate) struct Reserve {
    path: PathBuf,
    size: u64,
    there: AtomicBool,
    /// When it was given up, or could not be set aside.
    missed: Mutex<Option<Instant>>,
}

impl Reserve {
    /// Of `size` octets; none is kept when that is zero.
    pub(crate) fn new(path: PathBuf, size: u64) -> Self {
        let there = size == 0 || path.metadata().is_ok_and(|m| m.len() >= size);
        Self {
            path,
            size,
            there: AtomicBool::new(there),
            missed: Mutex::new(None),
        }
    }

    /// Octets that are set aside when there is room.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Whether it is set aside, as far as is known.
    pub(crate) fn is_there(&self) -> bool {
        self.there.load(Ordering::Relaxed)
    }

    /// Sets the room aside while there is enough besides, and gives it up when there is not.
    pub(crate) fn tend(&self) {
        let Some(free) = self.free() else {
            return;
        };
        let there = self.there.load(Ordering::Relaxed);
        if there && free < self.size / 2 {
            self.release();
        } else if !there && free > self.size * 5 / 2 && self.may_fill() {
            let made = self.fill();
            if made.is_err() {
                // Half of it helps nobody.
                let _ = std::fs::remove_file(&self.path);
                *lock(&self.missed) = Some(Instant::now());
            }
            self.there.store(made.is_ok(), Ordering::Relaxed);
        }
    }

    /// Not at once: where there is a quota the disk tells of room that nobody gets.
    fn may_fill(&self) -> bool {
        lock(&self.missed).is_none_or(|at| at.elapsed() > PAUSE)
    }

    /// Octets left on the disk; `None` where it does not tell.
    fn free(&self) -> Option<u64> {
        let folder = self.path.parent().filter(|_| self.size > 0)?;
        let disk = rustix::fs::statvfs(folder).ok()?;
        Some(disk.f_bavail.saturating_mul(disk.f_frsize))
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

    /// Gives the room up.
    pub(crate) fn release(&self) {
        if self.size > 0 && self.there.swap(false, Ordering::Relaxed) {
            // What cannot be removed is no room.
            let _ = std::fs::remove_file(&self.path);
            *lock(&self.missed) = Some(Instant::now());
        }
    }

    /// Refuses a message that the disk has no room for, on its way in and in the packs.
    pub(crate) fn check_upload(&self, size: u64) -> Result<(), StoreError> {
        self.check()?;
        let needed = size.saturating_mul(2).saturating_add(self.size / 2);
        match self.free() {
            Some(free) if free < needed => Err(full()),
            _ => Ok(()),
        }
    }

    /// Refuses what brings mail in while the room is not there: it is for taking mail out.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        if self.there.load(Ordering::Relaxed) {
            return Ok(());
        }
        Err(full())
    }
}

fn full() -> StoreError {
    StoreError::new(
        ErrorKind::OverQuota,
        "The server has no room; nothing was stored. Deleting still works",
    )
}

const CHUNK: usize = 64 << 10;
const PAUSE: Duration = Duration::from_secs(10);
