//! A segment that is made aside: large bodies are in it and synced before the one who writes hears of them, so that nobody waits meanwhile.
//!
//! Their records have room for a head, whose entry is known only in the transaction that takes the segment in. Until it is in its place the
//! file has a name of its own, and what a crash leaves of it is removed.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pillarbox_core::id::{AccountId, EmailId, ThreadId};

use super::output::{Opener, Output};
use super::write::Body;
use super::{BLOCK, CRC, Entry, Files, SEGMENT_HEAD, Secret, TAIL, record, stored};
use crate::error;
use crate::table::Result;

/// The next segment of the log, on its way. Dropped before it is taken in, it is removed.
pub(crate) struct Aside {
    files: Arc<Files>,
    path: PathBuf,
    file: Option<Box<dyn Output>>,
    /// Octets in the file, and how many of them were not synced yet.
    len: u64,
    loose: u64,
    parts: usize,
    block: Vec<u8>,
}

/// One body in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Part {
    /// Which of its records it is.
    pub number: usize,
    /// Where the record begins.
    pub at: u64,
    pub size: u64,
    /// The checksum of the blocks' checksums.
    blocks: u32,
}

impl Aside {
    pub(crate) fn create(files: &Arc<Files>, opener: &Opener) -> Result<Self> {
        let name = files.next_aside();
        let path = files.dir().join(format!("{name:016x}{UNFINISHED}"));
        let file = opener(&path, true).map_err(failed)?;
        let aside = Self {
            files: files.clone(),
            path,
            file: Some(file),
            len: SEGMENT_HEAD as u64,
            loose: 0,
            parts: 0,
            block: Vec::with_capacity(BLOCK + CRC),
        };
        let head = record::segment_head(files.secret);
        aside.write(&head, 0).map(|()| aside)
    }

    fn write(&self, octets: &[u8], at: u64) -> Result<()> {
        let file = self.file.as_ref();
        file.map_or(Ok(()), |file| file.write(octets, at))
            .map_err(failed)
    }

    /// Writes one more body.
    pub(crate) fn add(&mut self, body: &mut dyn Body) -> Result<Part> {
        let mut part = self.begin(body.size());
        body.each_window(&mut |window| self.push(&mut part, window))?;
        self.end();
        Ok(part)
    }

    /// Begins one more body, of so many octets.
    pub(crate) fn begin(&mut self, size: u64) -> Part {
        let part = Part {
            number: self.parts,
            at: self.len,
            size,
            blocks: 0,
        };
        self.len = part.body();
        part
    }

    /// Writes its next block.
    pub(crate) fn push(&mut self, part: &mut Part, window: &[u8]) -> Result<()> {
        let crc = crc32c::crc32c(window).to_le_bytes();
        part.blocks = crc32c::crc32c_append(part.blocks, &crc);
        self.block.clear();
        self.block.extend_from_slice(window);
        self.block.extend(crc);
        self.write(&self.block, self.len)?;
        self.len += self.block.len() as u64;
        self.loose += self.block.len() as u64;
        if self.loose >= LOOSE {
            self.sync()?;
        }
        Ok(())
    }

    /// Ends it, with all its blocks.
    pub(crate) fn end(&mut self) {
        self.len += (TAIL.len() + CRC) as u64;
        self.parts += 1;
    }

    /// Makes what was added durable: a little at a time, since others' syncs wait for this one's octets.
    pub(crate) fn sync(&mut self) -> Result<()> {
        self.loose = 0;
        let file = self.file.as_ref();
        file.map_or(Ok(()), |file| file.sync()).map_err(failed)
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn parts(&self) -> usize {
        self.parts
    }

    /// Puts it in its place among the others.
    pub(super) fn place(mut self, segment: u64) -> io::Result<Box<dyn Output>> {
        let path = self.files.path(segment);
        std::fs::rename(&self.path, &path)?;
        self.path = path;
        self.files.sync_folder()?;
        self.file
            .take()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        if self.file.is_some() {
            // What cannot be removed now is removed when the store is opened, or is a segment without a transaction.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Part {
    /// The record's head and tail, and its whole checksum.
    pub(super) fn frame(&self, entry: &Entry, secret: Secret) -> (Vec<u8>, Vec<u8>, u32) {
        let (head, check) = record::encode(entry, self.size, secret);
        let whole = self.whole(check);
        let mut tail = TAIL.to_vec();
        tail.extend(whole.to_le_bytes());
        (head, tail, whole)
    }

    /// The checksum of a record with this body, whose head has that one.
    pub(super) fn whole(&self, head: u32) -> u32 {
        let blocks = self.size.div_ceil(BLOCK as u64) * CRC as u64;
        let blocks_len = usize::try_from(blocks)
            .expect("an address space has room for a checksum of each block");
        crc32c::crc32c_combine(head, self.blocks, blocks_len)
    }

    /// Where its octets begin.
    pub(super) fn body(&self) -> u64 {
        self.at + head_len()
    }

    /// Where its tail stands.
    pub(super) fn tail(&self) -> u64 {
        self.body() + stored(self.size)
    }
}

/// Removes what a crash left of segments that were being made.
pub(crate) fn remove_unfinished(packs: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(packs)? {
        let path = entry?.path();
        if path.to_str().is_some_and(|p| p.ends_with(UNFINISHED)) {
            std::fs::remove_file(path)?;
        }
    }
    File::open(packs)?.sync_all()
}

/// Of a body's record: its entry has the same length whatever it says.
fn head_len() -> u64 {
    let entry = Entry::Body(AccountId(0), EmailId(0), ThreadId(0));
    record::stored_len(&entry, 0) - (TAIL.len() + CRC) as u64
}

fn failed(e: io::Error) -> pillarbox_core::effect::StoreError {
    error::io("new segment", &e)
}

const UNFINISHED: &str = ".new";
/// Octets that may wait to be synced.
const LOOSE: u64 = 4 << 20;
