//! The segment files, and ranges of bodies with their checksums.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use bytes::Bytes;
use pillarbox_core::effect::{ErrorKind, StoreError};

use super::{BLOCK, Body, Place, SEGMENT_HEAD, Secret, Window, file_name, record};
use crate::error::{self, lock};
use crate::table::Result;

/// The segment files of a store.
pub(crate) struct Files {
    dir: PathBuf,
    pub(super) secret: Secret,
    /// A segment whose beginning is damaged may be one of version 1.
    pub(super) guess: bool,
    open: Mutex<BTreeMap<u64, Arc<File>>>,
    readers: RwLock<()>,
    /// How many segments were begun aside.
    asides: AtomicU64,
}

impl Files {
    pub(crate) fn new(dir: PathBuf, secret: Secret) -> Self {
        Self {
            dir,
            secret,
            guess: false,
            open: Mutex::default(),
            readers: RwLock::default(),
            asides: AtomicU64::new(0),
        }
    }

    /// Held by who reads the index and then what it refers to.
    pub(crate) fn reading(&self) -> RwLockReadGuard<'_, ()> {
        self.readers.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until nobody reads by an index older than it is now.
    pub(crate) fn wait_for_readers(&self) {
        drop(self.readers.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// For finding what can be found, and for stores of format 1. Elsewhere a message in a segment that a crash tore could pass for records of version 1.
    pub(crate) fn guessing(mut self) -> Self {
        self.guess = true;
        self
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn path(&self, segment: u64) -> PathBuf {
        self.dir.join(file_name(segment))
    }

    /// A number that no other segment made aside has.
    pub(super) fn next_aside(&self) -> u64 {
        self.asides.fetch_add(1, Ordering::Relaxed)
    }

    /// Every segment's number, ascending.
    pub(crate) fn segments(&self) -> io::Result<Vec<u64>> {
        segments(&self.dir)
    }

    /// Removes a segment that nobody refers to any more. That it stays away after a crash is not sure before [`Self::sync_folder`].
    pub(crate) fn remove(&self, segment: u64) -> io::Result<()> {
        lock(&self.open).remove(&segment);
        std::fs::remove_file(self.path(segment))
    }

    /// Makes durable which segments there are.
    pub(crate) fn sync_folder(&self) -> io::Result<()> {
        File::open(&self.dir)?.sync_all()
    }

    pub(super) fn file(&self, segment: u64) -> io::Result<Arc<File>> {
        if let Some(file) = lock(&self.open).get(&segment) {
            return Ok(file.clone());
        }
        // Others read meanwhile.
        let file = Arc::new(File::open(self.path(segment))?);
        let mut open = lock(&self.open);
        if open.len() >= OPEN_FILES {
            open.pop_first();
        }
        open.insert(segment, file.clone());
        Ok(file)
    }

    /// At most `max` octets from `offset` on, checked.
    pub(crate) fn read(&self, place: Place, offset: u64, max: usize) -> Result<Bytes> {
        self.read_in(&mut Window::default(), place, (offset, max), 0)
    }

    /// The same through a window, into which so many octets at most are read ahead.
    pub(crate) fn read_in(
        &self,
        window: &mut Window,
        place: Place,
        (offset, max): (u64, usize),
        ahead: usize,
    ) -> Result<Bytes> {
        let end = offset.saturating_add(max as u64).min(place.size);
        if offset >= end {
            return Ok(Bytes::new());
        }
        let mut out = Vec::with_capacity(usize::try_from(end - offset).unwrap_or(0));
        for number in offset / BLOCK as u64..end.div_ceil(BLOCK as u64) {
            let (at, len) = record::stand(place, number);
            let block = window.get(self, (place.segment, at), len, ahead);
            let block = block.and_then(record::checked).map_err(|e| {
                let gone = e.kind() == io::ErrorKind::NotFound;
                match gone || record::is_damage(&e) {
                    true => damaged(place),
                    false => error::io("pack", &e),
                }
            })?;
            let start = number * BLOCK as u64;
            let from = usize::try_from(offset.saturating_sub(start)).unwrap_or(0);
            let to = usize::try_from(end - start)
                .unwrap_or(BLOCK)
                .min(block.len());
            out.extend_from_slice(&block[from..to]);
        }
        Ok(out.into())
    }
}

/// A body that is in the packs, to be written once more.
pub(crate) struct Stored<'a> {
    pub files: &'a Files,
    pub place: Place,
}

impl Body for Stored<'_> {
    fn size(&self) -> u64 {
        self.place.size
    }

    fn each_window(&mut self, window: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let mut offset = 0;
        while offset < self.place.size {
            let octets = self.files.read(self.place, offset, BLOCK)?;
            window(&octets)?;
            offset += octets.len() as u64;
        }
        Ok(())
    }
}

/// Every segment's number in this folder, ascending.
pub(crate) fn segments(dir: &Path) -> io::Result<Vec<u64>> {
    let mut segments = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let name = entry?.file_name();
        let stem = name.to_str().and_then(|n| n.strip_suffix(".pack"));
        segments.extend(stem.and_then(|s| u64::from_str_radix(s, 16).ok()));
    }
    segments.sort_unstable();
    Ok(segments)
}

/// The secret that the newest segment with a whole head tells.
pub(crate) fn find_secret(dir: &Path) -> io::Result<Option<Secret>> {
    for segment in segments(dir)?.into_iter().rev() {
        let mut head = Vec::new();
        let file = File::open(dir.join(file_name(segment)))?;
        io::Read::read_to_end(&mut io::Read::take(file, SEGMENT_HEAD as u64), &mut head)?;
        if let Some(secret) = record::secret(&head) {
            return Ok(Some(secret));
        }
    }
    Ok(None)
}

fn damaged(place: Place) -> StoreError {
    StoreError::new(
        ErrorKind::Corruption,
        "The message is damaged on the server's disk; the others are not touched",
    )
    .detail(format!("segment {:x} at {}", place.segment, place.offset))
}

const OPEN_FILES: usize = 64;
