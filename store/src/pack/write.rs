//! Appending to packs: one writer, at the end of the newest segment.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::{BLOCK, Files, HEAD, Kind, MAGIC, Meta, Place, TAIL, VERSION, file_name};
use crate::error;
use crate::table::Result;
use crate::upload::Upload;

/// The end of the log.
pub(crate) struct Writer {
    files: Arc<Files>,
    file: Arc<File>,
    segment: u64,
    end: u64,
    unsynced: bool,
    suspect: bool,
}

impl Writer {
    /// Begins a segment of its own above all others.
    pub(crate) fn begin(files: Arc<Files>, segment: u64) -> io::Result<Self> {
        let file = create(&files, segment)?;
        Ok(Self {
            files,
            file,
            segment,
            end: 0,
            unsynced: false,
            suspect: false,
        })
    }

    /// Where the next record goes.
    pub(crate) fn position(&self) -> (u64, u64) {
        (self.segment, self.end)
    }

    pub(crate) fn append(
        &mut self,
        kind: Kind,
        meta: &Meta,
        upload: Option<&mut Upload>,
    ) -> Result<Place> {
        self.unsynced = true;
        let start = self.end;
        let result = self.write(kind, &meta.encode(), upload);
        if result.is_err() {
            self.cut((self.segment, start));
        }
        result
    }

    fn write(&mut self, kind: Kind, meta: &[u8], upload: Option<&mut Upload>) -> Result<Place> {
        let size = upload.as_ref().map_or(0, |u| u.size());
        let mut head = Vec::with_capacity(HEAD + meta.len());
        head.extend(MAGIC);
        head.extend([VERSION, kind as u8, 0, 0]);
        let len = u32::try_from(meta.len()).expect("meta data is bounded far below 4 GB");
        head.extend(len.to_le_bytes());
        head.extend(size.to_le_bytes());
        let crc = crc32c::crc32c_append(crc32c::crc32c(&head), meta);
        head.extend(crc.to_le_bytes());
        head.extend(meta);
        self.put(&head)?;
        let place = Place {
            segment: self.segment,
            offset: self.end,
            size,
        };
        let mut whole = crc;
        if let Some(upload) = upload {
            let mut block = Vec::with_capacity(BLOCK + 4);
            upload.for_each(|window| {
                let crc = crc32c::crc32c(window);
                whole = crc32c::crc32c_append(whole, &crc.to_le_bytes());
                block.clear();
                block.extend_from_slice(window);
                block.extend(crc.to_le_bytes());
                self.put(&block)
            })?;
        }
        let mut tail = TAIL.to_vec();
        tail.extend(whole.to_le_bytes());
        self.put(&tail)?;
        Ok(place)
    }

    fn put(&mut self, octets: &[u8]) -> Result<()> {
        let written = self.file.write_all_at(octets, self.end);
        written.map_err(|e| error::io("pack", &e))?;
        self.end += octets.len() as u64;
        Ok(())
    }

    /// Takes back what was appended since; none of it was acknowledged.
    pub(crate) fn cut(&mut self, to: (u64, u64)) {
        if to.0 == self.segment && to.1 < self.end {
            self.suspect = self.suspect || self.file.set_len(to.1).is_err();
            self.end = to.1;
        }
    }

    /// Makes all that was appended durable. After a failure nothing is written to this segment any more.
    pub(crate) fn sync(&mut self) -> Result<()> {
        if !self.unsynced {
            return Ok(());
        }
        let synced = self.file.sync_data();
        self.unsynced = false;
        self.suspect = self.suspect || synced.is_err();
        synced.map_err(|e| error::io("pack sync", &e))
    }

    /// Goes on in a new segment when this one is full or cannot be trusted.
    pub(crate) fn rotate_if_needed(&mut self) -> Result<()> {
        if !self.suspect && self.end < SEGMENT {
            return Ok(());
        }
        let next = self.segment + 1;
        let file = create(&self.files, next).map_err(|e| error::io("new segment", &e))?;
        self.file = file;
        self.segment = next;
        self.end = 0;
        self.unsynced = false;
        self.suspect = false;
        Ok(())
    }
}

fn create(files: &Files, segment: u64) -> io::Result<Arc<File>> {
    let path = files.dir().join(file_name(segment));
    let file = File::options()
        .create_new(true)
        .read(true)
        .write(true)
        .open(path)?;
    File::open(files.dir())?.sync_all()?;
    Ok(Arc::new(file))
}

const SEGMENT: u64 = 256 << 20;
