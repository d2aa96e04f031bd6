//! Whole segments, transaction by transaction.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::record::{self, Record};
use super::{BLOCK, Entry, Files, HEAD, MAGIC, Place, SEGMENT_HEAD, Secret, V1, V2};

/// Goes through one segment.
pub(crate) struct Scan {
    source: Source,
    at: u64,
    /// The end of the last transaction, or where the scan began.
    end: u64,
    has_head: bool,
    /// Where something begins that is no record.
    junk: Vec<u64>,
    seek: Seek,
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
    seek: Seek,
}

/// Octets in which a record is looked for. A message may be full of what looks like the beginning of one: no octet is read for each of them.
#[derive(Default)]
struct Seek {
    at: u64,
    octets: Vec<u8>,
}

impl Seek {
    /// Octets from there on, as many as a head has at least.
    fn window(&mut self, file: &File, at: u64, len: u64) -> io::Result<&[u8]> {
        let end = self.at + self.octets.len() as u64;
        if at < self.at || at + HEAD as u64 > end {
            let here = usize::try_from(len - at).unwrap_or(BLOCK).min(BLOCK);
            self.octets.resize(here, 0);
            file.read_exact_at(&mut self.octets, at)?;
            self.at = at;
        }
        // It is within the window, which a usize counts.
        Ok(&self.octets[usize::try_from(at - self.at).unwrap_or(0)..])
    }
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
    fn skip(&self, seek: &mut Seek, at: u64) -> io::Result<u64> {
        let mut at = at + 1;
        while at + HEAD as u64 <= self.len {
            let window = seek.window(&self.file, at, self.len)?;
            let found = (at..).zip(window.array_windows()).find(|(at, head)| {
                // Its checksum may have to be looked at: heads of large entries, one in the other, are for those who want it to take long.
                let shape = || record::shape(head, *at, self.len, self.version);
                head.starts_with(MAGIC) && shape().is_some_and(|s| s.entry(*at) <= SOUGHT)
            });
            if let Some((found, _)) = found {
                return Ok(found);
            }
            at += (window.len() - HEAD) as u64 + 1;
        }
        Ok(self.len)
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
            seek: Seek::default(),
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
        let (mut count, mut check) = (0, 0);
        let (mut good, mut lost) = (true, false);
        loop {
            let Some(found) = self.source.read(self.at)? else {
                if self.at >= self.source.len {
                    return Ok(None);
                }
                good = false;
                if !lost {
                    self.junk.push(self.at);
                }
                lost = true;
                self.at = self.source.skip(&mut self.seek, self.at)?;
                continue;
            };
            lost = false;
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
            seek: Seek::default(),
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
                self.at = self.source.skip(&mut self.seek, self.at)?;
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

/// Octets of the largest entry that is found behind what is no record: as large as all that are written but for flags of very many messages. What
/// follows it is read whatever its size.
const SOUGHT: u64 = 40 << 10;

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;
    use std::time::Duration;

    use pillarbox_core::id::AccountId;
    use pillarbox_core::mailbox::MailboxName;

    use super::*;
    use crate::pack::{Writer, open_files};

    /// CPU time of this thread so far: what others do is not in it.
    fn cpu() -> Duration {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        let nanoseconds = u32::try_from(time.tv_nsec).unwrap();
        Duration::new(time.tv_sec.cast_unsigned(), nanoseconds)
    }

    /// One transaction at the end of segment 0.
    fn append(files: &Arc<Files>, end: Option<u64>) {
        let mut writer = Writer::open(files.clone(), open_files(), 0, end, u64::MAX).unwrap();
        writer.begin().unwrap();
        let entry = Entry::subscribed(AccountId(1), &MailboxName::inbox(), true);
        writer.append(&entry, None).unwrap();
        writer.commit().unwrap();
    }

    /// Heads without the right checksum, one in the other, each of an entry that reaches to the one tail at the end.
    fn heads(octets: usize) -> Vec<u8> {
        let (mut all, end) = (Vec::new(), octets - octets % HEAD);
        while all.len() < end {
            let entry = u32::try_from(end - all.len() - HEAD).unwrap();
            all.extend(MAGIC);
            all.extend([V2, 7, 0, 0]);
            all.extend(entry.to_le_bytes());
            all.extend([0; 12]);
        }
        all.extend(b"RXBP");
        all.extend([0; 4]);
        all
    }

    /// As when the head of a message's record is gone that is full of beginnings of records.
    #[test]
    fn what_looks_like_records_is_passed_over_in_one_go() {
        let dir = std::env::temp_dir().join(format!("pillarbox-junk-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        for junk in [MAGIC.repeat(1 << 20), heads(4 << 20)] {
            let files = Arc::new(Files::new(dir.clone(), Secret(7)));
            append(&files, None);
            let mut file = File::options().append(true).open(files.path(0)).unwrap();
            let at = file.metadata().unwrap().len();
            file.write_all(&junk).unwrap();
            append(&files, Some(file.metadata().unwrap().len()));
            let begun = cpu();
            let mut scan = Scan::new(&files, 0, 0).unwrap();
            let first = scan.next().unwrap().unwrap();
            assert!(first.complete && first.end == at && first.records().count() == 1);
            let second = scan.next().unwrap().unwrap();
            assert!(!second.complete && second.records().count() == 1);
            assert!(scan.next().unwrap().is_none());
            assert_eq!(scan.damage().collect::<Vec<_>>(), [at]);
            let took = cpu() - begun;
            assert!(took < Duration::from_secs(4), "{took:?}");
            std::fs::remove_file(files.path(0)).unwrap();
        }
        std::fs::remove_dir_all(dir).unwrap();
    }
}
