//! Whole segments, transaction by transaction.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::record::{self, Record};
use super::{BLOCK, Entry, Files, MAGIC, Place, SEGMENT_HEAD, Secret, V1, V2};

/// Goes through one segment.
pub(crate) struct Scan {
    source: Source,
    at: u64,
    /// The end of the last transaction, or where the scan began.
    end: u64,
    has_head: bool,
    /// Where something stands that is no record.
    junk: Vec<u64>,
}

/// One transaction, by where it stands: its records are read when they are asked for, since one command may have very many.
pub(crate) struct Batch {
    source: Source,
    start: u64,
    /// The offset behind it.
    pub end: u64,
    /// All its records are there, by what the commit says; blocks were not read.
    pub complete: bool,
}

/// Records of a transaction, from some offset on. What is no record is passed over.
pub(crate) struct Records {
    source: Source,
    at: u64,
    end: u64,
}

/// A segment that records are read from.
#[derive(Clone)]
struct Source {
    file: Arc<File>,
    segment: u64,
    version: u8,
    secret: Secret,
    len: u64,
}

impl Source {
    fn read(&self, at: u64) -> io::Result<Option<Record>> {
        let place = (self.segment, at);
        record::read(&self.file, place, self.len, self.version, self.secret)
    }

    /// Where a record may stand next, behind something that is none.
    fn skip(&self, at: u64) -> io::Result<u64> {
        Ok(next_magic(&self.file, at + 1, self.len)?.unwrap_or(self.len))
    }
}

impl Scan {
    /// Where a segment's first record begins.
    pub(crate) const FIRST: u64 = SEGMENT_HEAD as u64;

    pub(crate) fn new(files: &Files, segment: u64, from: u64) -> io::Result<Self> {
        let file = files.file(segment)?;
        let len = file.metadata()?.len();
        let source = Source {
            file,
            segment,
            version: V2,
            secret: files.secret,
            len,
        };
        let mut scan = Self {
            source,
            at: from,
            end: from,
            has_head: false,
            junk: Vec::new(),
        };
        scan.begin(from, files.guess)?;
        Ok(scan)
    }

    fn begin(&mut self, from: u64, guess: bool) -> io::Result<()> {
        let mut head =
            vec![0; SEGMENT_HEAD.min(usize::try_from(self.source.len).unwrap_or(SEGMENT_HEAD))];
        self.source.file.read_exact_at(&mut head, 0)?;
        if let Some(secret) = record::secret(&head) {
            self.source.secret = secret;
            self.has_head = true;
            self.at = from.max(SEGMENT_HEAD as u64);
            self.end = self.at;
        } else if !head.is_empty() {
            // Version 1 had no head; else it is damaged, and the first record tells.
            let first = next_magic(&self.source.file, 0, self.source.len)?;
            let is_one = |first: &u64| first + 5 <= self.source.len && (guess || *first == 0);
            if let Some(first) = first.filter(is_one) {
                let mut version = [0];
                self.source.file.read_exact_at(&mut version, first + 4)?;
                self.source.version = if version[0] == V1 { V1 } else { V2 };
            }
        }
        Ok(())
    }

    /// The next transaction; damaged places are passed over and noted.
    pub(crate) fn next(&mut self) -> io::Result<Option<Batch>> {
        let start = self.end;
        let (mut count, mut check, mut good) = (0, 0, true);
        loop {
            let Some(found) = self.source.read(self.at)? else {
                if self.at >= self.source.len {
                    return Ok(None);
                }
                good = false;
                self.junk.push(self.at);
                self.at = self.source.skip(self.at)?;
                continue;
            };
            self.at = found.end;
            let commit = match found.entry {
                Entry::Commit {
                    start,
                    count,
                    check,
                } => Some((start, count, check)),
                _ => None,
            };
            if commit.is_none() {
                count += 1;
                check = add(check, found.frame.whole);
                if self.source.version == V2 {
                    continue;
                }
            }
            self.end = self.at;
            let complete = commit.is_none_or(|c| c == (start, count, check));
            return Ok(Some(Batch {
                source: self.source.clone(),
                start,
                end: self.end,
                complete: complete && good,
            }));
        }
    }

    /// Where the last transaction ended; behind it is nothing that was acknowledged.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    pub(crate) fn len(&self) -> u64 {
        self.source.len
    }

    /// Whether the segment's own head is whole; those of version 1 have none, and one that was never written to lacks it.
    pub(crate) fn has_head(&self) -> bool {
        self.has_head || self.source.len == 0 || self.is_v1()
    }

    pub(crate) fn is_v1(&self) -> bool {
        self.source.version == V1
    }

    /// Offsets of damage before the end of the last transaction.
    pub(crate) fn damage(&self) -> impl Iterator<Item = u64> {
        self.junk.iter().copied().filter(|at| *at < self.end)
    }
}

impl Batch {
    /// Its records.
    pub(crate) fn records(&self) -> Records {
        self.records_from(self.start)
    }

    /// Those from an offset on that [`Records::at`] told.
    pub(crate) fn records_from(&self, at: u64) -> Records {
        Records {
            source: self.source.clone(),
            at,
            end: self.end,
        }
    }

    /// Reads every block: the places of records that are damaged.
    pub(crate) fn damage(&self) -> io::Result<Vec<Place>> {
        let mut damaged = Vec::new();
        for record in self.records() {
            let frame = record?.frame;
            if !frame.is_whole_in(&self.source.file)? {
                damaged.push(frame.place);
            }
        }
        Ok(damaged)
    }
}

impl Records {
    /// Where the next one is looked for; `None`: there is none.
    pub(crate) fn at(&self) -> Option<u64> {
        Some(self.at).filter(|at| *at < self.end)
    }

    fn read(&mut self) -> io::Result<Option<Record>> {
        while self.at < self.end {
            let Some(found) = self.source.read(self.at)? else {
                self.at = self.source.skip(self.at)?;
                continue;
            };
            self.at = found.end;
            if !matches!(found.entry, Entry::Commit { .. }) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

impl Iterator for Records {
    type Item = io::Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        let read = self.read();
        if read.is_err() {
            self.at = self.end;
        }
        read.transpose()
    }
}

pub(super) fn add(check: u32, whole: u32) -> u32 {
    crc32c::crc32c_append(check, &whole.to_le_bytes())
}

fn next_magic(file: &File, from: u64, len: u64) -> io::Result<Option<u64>> {
    let mut at = from;
    let mut window = vec![0; BLOCK];
    while at + 4 <= len {
        let here = usize::try_from(len - at).unwrap_or(BLOCK).min(BLOCK);
        file.read_exact_at(&mut window[..here], at)?;
        if let Some(found) = window[..here].windows(4).position(|w| w == MAGIC) {
            return Ok(Some(at + found as u64));
        }
        at += here as u64 - 3;
    }
    Ok(None)
}
