//! Whole segments, transaction by transaction.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::aside::Part;
use super::record::{self, Record};
use super::{BLOCK, Entry, Files, MAGIC, Place, SEGMENT_HEAD, Secret, V1, V2};

/// Goes through one segment.
pub(crate) struct Scan {
    file: Arc<File>,
    segment: u64,
    version: u8,
    secret: Secret,
    len: u64,
    at: u64,
    /// The end of the last transaction, or where the scan began.
    end: u64,
    has_head: bool,
    /// Where something stands that is no record.
    junk: Vec<u64>,
}

/// One transaction.
pub(crate) struct Batch {
    records: Vec<Record>,
    /// The offset behind it.
    pub end: u64,
    /// All its records are there, by what the commit says; blocks were not read.
    pub complete: bool,
    file: Arc<File>,
}

impl Scan {
    /// Where a segment's first record begins.
    pub(crate) const FIRST: u64 = SEGMENT_HEAD as u64;

    pub(crate) fn new(files: &Files, segment: u64, from: u64) -> io::Result<Self> {
        let file = files.file(segment)?;
        let len = file.metadata()?.len();
        let mut scan = Self {
            file,
            segment,
            version: V2,
            secret: files.secret,
            len,
            at: from,
            end: from,
            has_head: false,
            junk: Vec::new(),
        };
        scan.begin(from, files.guess)?;
        Ok(scan)
    }

    fn begin(&mut self, from: u64, guess: bool) -> io::Result<()> {
        let mut head = vec![0; SEGMENT_HEAD.min(usize::try_from(self.len).unwrap_or(SEGMENT_HEAD))];
        self.file.read_exact_at(&mut head, 0)?;
        if let Some(secret) = record::secret(&head) {
            self.secret = secret;
            self.has_head = true;
            self.at = from.max(SEGMENT_HEAD as u64);
            self.end = self.at;
        } else if !head.is_empty() {
            // Version 1 had no head; else it is damaged, and the first record tells.
            let first = next_magic(&self.file, 0, self.len)?;
            let is_one = |first: &u64| first + 5 <= self.len && (guess || *first == 0);
            if let Some(first) = first.filter(is_one) {
                let mut version = [0];
                self.file.read_exact_at(&mut version, first + 4)?;
                self.version = if version[0] == V1 { V1 } else { V2 };
            }
        }
        Ok(())
    }

    /// The next transaction; damaged places are passed over and noted.
    pub(crate) fn next(&mut self) -> io::Result<Option<Batch>> {
        let start = self.end;
        let (mut records, mut good) = (Vec::new(), true);
        loop {
            let at = (self.segment, self.at);
            let Some(found) = record::read(&self.file, at, self.len, self.version, self.secret)?
            else {
                if self.at >= self.len {
                    return Ok(None);
                }
                good = false;
                self.junk.push(self.at);
                let next = next_magic(&self.file, self.at + 1, self.len)?;
                self.at = next.unwrap_or(self.len);
                continue;
            };
            self.at = found.end;
            let commit = match found.entry {
                Entry::Commit {
                    start,
                    count,
                    check,
                } => Some((start, count as usize, check)),
                _ => None,
            };
            if commit.is_none() {
                records.push(found);
                if self.version == V2 {
                    continue;
                }
            }
            self.end = self.at;
            let complete = commit.is_none_or(|c| c == (start, records.len(), check(&records)));
            return Ok(Some(Batch {
                records,
                end: self.end,
                complete: complete && good,
                file: self.file.clone(),
            }));
        }
    }

    /// Where the last transaction ended; behind it is nothing that was acknowledged.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Whether the segment's own head is whole; those of version 1 have none, and one that was never written to lacks it.
    pub(crate) fn has_head(&self) -> bool {
        self.has_head || self.len == 0 || self.is_v1()
    }

    pub(crate) fn is_v1(&self) -> bool {
        self.version == V1
    }

    /// Offsets of damage before the end of the last transaction.
    pub(crate) fn damage(&self) -> impl Iterator<Item = u64> {
        self.junk.iter().copied().filter(|at| *at < self.end)
    }
}

impl Batch {
    /// Its entries, and where the octets of those that are messages stand.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&Entry, Place)> {
        self.records.iter().map(|r| (&r.entry, r.place))
    }

    /// Whether every block of the message there is right.
    pub(crate) fn is_whole_at(&self, place: Place) -> io::Result<bool> {
        let record = self.records.iter().find(|r| r.place == place);
        record.map_or(Ok(false), |r| r.is_whole(&self.file))
    }

    /// Whether that is a copy of the message there, and every block of it right.
    pub(crate) fn is_whole_in(&self, place: Place, copy: &Part) -> bool {
        let record = self.records.iter().find(|r| r.place == place);
        record.is_some_and(|r| r.whole == copy.whole(r.head_check))
    }

    /// Reads every block: the places of records that are damaged.
    pub(crate) fn damage(&self) -> io::Result<Vec<Place>> {
        let mut damaged = Vec::new();
        for record in &self.records {
            if !record.is_whole(&self.file)? {
                damaged.push(record.place);
            }
        }
        Ok(damaged)
    }
}

/// The checksum that a commit has of its records.
fn check(records: &[Record]) -> u32 {
    records.iter().fold(0, |check, r| add(check, r.whole))
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
