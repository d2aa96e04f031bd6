//! Appending to packs: one writer, at the end of the newest segment, one transaction at a time.

use std::io;
use std::sync::Arc;

use pillarbox_core::effect::{ErrorKind, StoreError};

use super::aside::{Aside, Part};
use super::output::{Opener, Output};
use super::{BLOCK, CRC, Entry, Files, Place, SEGMENT_HEAD, TAIL, record, scan};
use crate::error;
use crate::table::Result;

/// The octets of a message that is to be written.
pub(crate) trait Body {
    fn size(&self) -> u64;
    /// Hands all of them over in blocks of a pack.
    fn each_window(&mut self, window: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()>;
}

/// The end of the log. Octets are kept until there are many or the transaction is committed.
pub(crate) struct Writer {
    files: Arc<Files>,
    opener: Opener,
    file: Box<dyn Output>,
    segment: u64,
    /// Octets after which the next one is begun.
    limit: u64,
    /// Octets in the file, and those that go behind them.
    written: u64,
    kept: Vec<u8>,
    /// The file's length: zeros stand from `written` up to it.
    ready: u64,
    /// Where the present transaction began, and what its commit will say.
    start: u64,
    sum: Sum,
    /// The checksums of bodies that were in its segment before it began.
    parts: Vec<u32>,
    /// A sync failed: nothing is written to this segment any more.
    suspect: bool,
    /// Octets of no transaction may stand behind the end: nothing has made durable that they were cut off.
    littered: bool,
    /// Ends of segments that hold more than was acknowledged, to be written in the next transaction.
    cuts: Vec<(u64, u64)>,
    /// Those that the present transaction wrote: it may be taken back yet.
    told: Vec<(u64, u64)>,
}

/// A place within a transaction that one can go back to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Mark {
    end: u64,
    sum: Sum,
}

/// Records that were appended, and the checksum of their checksums: one command may have very many.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Sum {
    records: u32,
    check: u32,
}

impl Sum {
    fn add(&mut self, whole: u32) -> Result<()> {
        self.records = self.records.checked_add(1).ok_or_else(too_many)?;
        self.check = scan::add(self.check, whole);
        Ok(())
    }

    /// With these before them.
    fn behind(self, parts: &[u32]) -> Result<Self> {
        if parts.is_empty() {
            return Ok(self);
        }
        let mut all = Self::default();
        for whole in parts {
            all.add(*whole)?;
        }
        let octets = self.records as usize * CRC;
        Ok(Self {
            records: all.records.checked_add(self.records).ok_or_else(too_many)?,
            check: crc32c::crc32c_combine(all.check, self.check, octets),
        })
    }
}

impl Writer {
    /// Goes on behind the last transaction of a segment, or begins a new one.
    pub(crate) fn open(
        files: Arc<Files>,
        opener: Opener,
        segment: u64,
        end: Option<u64>,
        limit: u64,
    ) -> io::Result<Self> {
        let file = match end {
            Some(_) => opener(&files.path(segment), false)?,
            None => create(&files, &opener, segment)?,
        };
        // A head alone is written again: the sync of it may have failed, and only the cache has it.
        let written = end.filter(|end| *end > SEGMENT_HEAD as u64).unwrap_or(0);
        let mut writer = Self {
            files,
            opener,
            file,
            segment,
            limit,
            written,
            kept: Vec::new(),
            ready: written,
            start: 0,
            sum: Sum::default(),
            parts: Vec::new(),
            suspect: false,
            littered: false,
            cuts: Vec::new(),
            told: Vec::new(),
        };
        writer.head();
        Ok(writer)
    }

    /// A segment's head goes out with its first transaction.
    fn head(&mut self) {
        if self.written == 0 {
            self.kept = record::segment_head(self.files.secret);
        }
        self.start = self.end();
    }

    fn end(&self) -> u64 {
        self.written + self.kept.len() as u64
    }

    /// Begins a transaction; in a new segment when this one is full or cannot be trusted.
    pub(crate) fn begin(&mut self) -> Result<()> {
        if !self.goes_on() {
            self.next_segment()?;
        }
        self.start = self.end();
        self.sum = Sum::default();
        self.parts.clear();
        self.tell_cuts()
    }

    /// Begins a transaction in this new segment, with the bodies that are in it.
    pub(crate) fn begin_in(&mut self, aside: Aside) -> Result<()> {
        let next = self.segment + 1;
        let (len, parts) = (aside.len(), aside.parts());
        let file = aside.place(next);
        self.turn_to(file.map_err(|e| error::io("new segment", &e))?, next);
        (self.written, self.ready) = (len, len);
        self.start = SEGMENT_HEAD as u64;
        // Each is claimed, or the transaction is taken back.
        self.sum = Sum::default();
        self.parts = vec![0; parts];
        self.tell_cuts()
    }

    /// A segment that can be begun in later.
    pub(crate) fn aside(&self) -> Result<Aside> {
        Aside::create(&self.files, &self.opener)
    }

    fn tell_cuts(&mut self) -> Result<()> {
        self.told.clear();
        let cuts = self.cuts.clone();
        let told = cuts.iter().try_for_each(|(segment, end)| {
            self.append(&Entry::Cut(*segment, *end), None).map(drop)
        });
        told.inspect_err(|_| self.cut(self.begun()))
    }

    /// Begins a new segment between two transactions; nothing is written to the present one any more.
    pub(crate) fn next_segment(&mut self) -> Result<()> {
        let next = self.segment + 1;
        let file = create(&self.files, &self.opener, next);
        self.turn_to(file.map_err(|e| error::io("new segment", &e))?, next);
        self.head();
        Ok(())
    }

    fn turn_to(&mut self, file: Box<dyn Output>, next: u64) {
        if self.littered && !self.suspect {
            self.cuts.push((self.segment, self.written));
        }
        self.give_back();
        (self.file, self.segment) = (file, next);
        (self.written, self.ready) = (0, 0);
        self.kept.clear();
        (self.suspect, self.littered) = (false, false);
    }

    /// Whether the next transaction is written to this segment too.
    pub(crate) fn goes_on(&self) -> bool {
        !self.suspect && self.end() < self.limit
    }

    /// Whether the present transaction has nothing yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.end() == self.start
    }

    /// Where the present transaction began.
    pub(crate) fn start(&self) -> u64 {
        self.start
    }

    /// Octets of the log in the present segment.
    pub(crate) fn len(&self) -> u64 {
        self.end()
    }

    /// The segment that is written to.
    pub(crate) fn segment(&self) -> u64 {
        self.segment
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark {
            end: self.end(),
            sum: self.sum,
        }
    }

    /// The beginning of the present transaction.
    pub(crate) fn begun(&self) -> Mark {
        Mark {
            end: self.start,
            sum: Sum::default(),
        }
    }

    /// Makes a record of a body that is in this segment already.
    pub(crate) fn claim(&mut self, entry: &Entry, part: Part) -> Result<Place> {
        let (head, tail, whole) = part.frame(entry, self.files.secret);
        for (octets, at) in [(head, part.at), (tail, part.tail())] {
            let written = self.file.write(&octets, at);
            written.map_err(|e| error::io("pack", &e))?;
        }
        self.parts[part.number] = whole;
        Ok(Place {
            segment: self.segment,
            offset: part.body(),
            size: part.size,
        })
    }

    pub(crate) fn append(&mut self, entry: &Entry, body: Option<&mut dyn Body>) -> Result<Place> {
        let size = body.as_ref().map_or(0, |b| b.size());
        let (head, check) = record::encode(entry, size, self.files.secret);
        self.put(&head)?;
        let place = Place {
            segment: self.segment,
            offset: self.end(),
            size,
        };
        let mut whole = check;
        if let Some(body) = body {
            let mut block =
                Vec::with_capacity(usize::try_from(size).unwrap_or(BLOCK).min(BLOCK) + CRC);
            body.each_window(&mut |window| {
                let crc = crc32c::crc32c(window);
                whole = crc32c::crc32c_append(whole, &crc.to_le_bytes());
                block.clear();
                block.extend_from_slice(window);
                block.extend(crc.to_le_bytes());
                self.put(&block)
            })?;
        }
        self.put(TAIL)?;
        self.put(&whole.to_le_bytes())?;
        self.sum.add(whole)?;
        Ok(place)
    }

    fn put(&mut self, octets: &[u8]) -> Result<()> {
        self.kept.extend_from_slice(octets);
        if self.kept.len() < KEPT {
            return Ok(());
        }
        self.flush()
    }

    /// Hands what is kept to the file, where it can be read.
    pub(crate) fn flush(&mut self) -> Result<()> {
        if let Err(e) = self.file.write(&self.kept, self.written) {
            // Half of it may stand there; the room is given back.
            self.litter();
            return Err(error::io("pack", &e));
        }
        self.written += self.kept.len() as u64;
        self.ready = self.ready.max(self.written);
        self.kept.clear();
        Ok(())
    }

    /// Puts zeros behind the end while transactions are small. A sync that finds the file as long as before has no journal to wait for,
    /// which is most of what it costs.
    fn reach_ahead(&mut self) {
        let last = self.written - self.start;
        let to = self.written + self.written.clamp(AHEAD / 16, AHEAD);
        let to = to.min(self.limit);
        if last > AHEAD / 16 || self.written + last <= self.ready || to <= self.ready {
            return;
        }
        while self.ready < to {
            let left = usize::try_from(to - self.ready).unwrap_or(usize::MAX);
            let zeros = &ZEROS[..left.min(ZEROS.len())];
            let at = self.ready;
            self.ready += zeros.len() as u64;
            if self.file.write(zeros, at).is_err() {
                // Where there is no room for zeros, what matters may still find some.
                return self.give_back();
            }
        }
    }

    /// Whether a transaction of so many octets, and one like it, find zeros behind the end.
    pub(crate) fn reaches(&self, octets: u64) -> bool {
        self.end() + 2 * octets <= self.ready
    }

    /// Gives back the room behind the end.
    pub(crate) fn give_back(&mut self) {
        if self.ready > self.written && !self.suspect {
            // It does no harm where it cannot be cut.
            let _ = self.file.cut(self.written);
            self.ready = self.written;
        }
    }

    /// Cuts off what stands behind the end and is in no transaction. What stays is written over, and no commit names it.
    fn litter(&mut self) {
        self.littered = true;
        let _ = self.file.cut(self.written);
        self.ready = self.written;
    }

    /// Takes back what was appended since the mark.
    pub(crate) fn cut(&mut self, to: Mark) {
        self.sum = to.sum;
        if to.end == self.start {
            self.parts.clear();
        }
        if to.end >= self.written {
            let keep = usize::try_from(to.end - self.written).unwrap_or(0);
            self.kept.truncate(keep);
            return;
        }
        self.kept.clear();
        self.written = to.end;
        self.litter();
    }

    /// Makes the transaction durable. Returns the end of the log, or `None` when there was nothing to write. After an error nothing of the
    /// transaction counts; after a failed sync nothing is written to this segment any more.
    pub(crate) fn commit(&mut self) -> Result<Option<(u64, u64)>> {
        let all = self.sum.behind(&self.parts)?;
        if all.records == 0 {
            return Ok(None);
        }
        let commit = Entry::Commit {
            start: self.start,
            count: all.records,
            check: all.check,
        };
        let written = self.append(&commit, None).and_then(|_| self.flush());
        if let Err(e) = written {
            self.cut(self.begun());
            return Err(e);
        }
        self.reach_ahead();
        if let Err(e) = self.file.sync() {
            self.distrust();
            return Err(error::io("pack sync", &e));
        }
        self.told = std::mem::take(&mut self.cuts);
        Ok(Some((self.segment, self.written)))
    }

    /// Takes back the present transaction, which may have been committed: the index could not follow.
    pub(crate) fn roll_back(&mut self) {
        self.cuts.append(&mut self.told);
        let flushed = self.start < self.written;
        self.cut(self.begun());
        if flushed && (self.file.cut(self.start).is_err() || self.file.sync().is_err()) {
            self.distrust();
        }
    }

    fn distrust(&mut self) {
        self.suspect = true;
        self.cuts.push((self.segment, self.start));
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.give_back();
    }
}

fn too_many() -> StoreError {
    let text = "One command changed more than the log can tell of at once; nothing was changed";
    StoreError::new(ErrorKind::Limit, text)
}

fn create(files: &Files, opener: &Opener, segment: u64) -> io::Result<Box<dyn Output>> {
    let path = files.path(segment);
    let output = opener(&path, true)?;
    let synced = files.sync_folder();
    if synced.is_err() {
        // It will be tried again.
        let _ = std::fs::remove_file(&path);
    }
    synced.map(|()| output)
}

/// Octets kept before they are written.
const KEPT: usize = 256 << 10;
/// Octets of zeros behind the end of a segment that has as many; fewer while it is small.
const AHEAD: u64 = 1 << 20;
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
