//! Reading packs: ranges with their checksums, and whole segments record by record.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use pillarbox_core::effect::{ErrorKind, StoreError};

use super::{BLOCK, CRC, HEAD, Kind, MAGIC, Meta, Place, TAIL, VERSION, file_name, stored};
use crate::error::{self, lock};
use crate::table::Result;

/// The segment files of a store.
pub(crate) struct Files {
    dir: PathBuf,
    open: Mutex<BTreeMap<u64, Arc<File>>>,
}

/// A whole record.
pub(crate) struct Found {
    pub kind: Kind,
    pub meta: Meta,
    pub place: Place,
}

impl Files {
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            open: Mutex::default(),
        }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Every segment's number, ascending.
    pub(crate) fn segments(&self) -> io::Result<Vec<u64>> {
        let mut segments = Vec::new();
        for entry in std::fs::read_dir(&self.dir)? {
            let name = entry?.file_name();
            let stem = name.to_str().and_then(|n| n.strip_suffix(".pack"));
            segments.extend(stem.and_then(|s| u64::from_str_radix(s, 16).ok()));
        }
        segments.sort_unstable();
        Ok(segments)
    }

    fn file(&self, segment: u64) -> io::Result<Arc<File>> {
        let mut open = lock(&self.open);
        if let Some(file) = open.get(&segment) {
            return Ok(file.clone());
        }
        if open.len() >= OPEN_FILES {
            open.pop_first();
        }
        let file = Arc::new(File::open(self.dir.join(file_name(segment)))?);
        open.insert(segment, file.clone());
        Ok(file)
    }

    /// At most `max` octets from `offset` on, checked.
    pub(crate) fn read(&self, place: Place, offset: u64, max: usize) -> Result<Bytes> {
        let end = offset.saturating_add(max as u64).min(place.size);
        if offset >= end {
            return Ok(Bytes::new());
        }
        let file = self.file(place.segment).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => damaged(place),
            _ => error::io("pack", &e),
        })?;
        let mut out = Vec::with_capacity(usize::try_from(end - offset).unwrap_or(0));
        for number in offset / BLOCK as u64..end.div_ceil(BLOCK as u64) {
            let start = number * BLOCK as u64;
            let block = block(&file, place, number).map_err(|e| match e.kind() {
                io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => damaged(place),
                _ => error::io("pack", &e),
            })?;
            let from = usize::try_from(offset.saturating_sub(start)).unwrap_or(0);
            let to = usize::try_from(end - start)
                .unwrap_or(BLOCK)
                .min(block.len());
            out.extend_from_slice(&block[from..to]);
        }
        Ok(out.into())
    }

    /// Hands every whole record from `offset` on to `visit`, passing over what is damaged or torn.
    pub(crate) fn scan(
        &self,
        segment: u64,
        mut offset: u64,
        mut visit: impl FnMut(Found) -> Result<()>,
    ) -> Result<()> {
        let file = self.file(segment).map_err(|e| error::io("pack", &e))?;
        let len = file.metadata().map_err(|e| error::io("pack", &e))?.len();
        while offset + HEAD as u64 <= len {
            match record(&file, segment, offset, len) {
                Ok(Some((found, end))) => {
                    visit(found)?;
                    offset = end;
                }
                Ok(None) => match next_magic(&file, offset + 1, len) {
                    Ok(Some(next)) => offset = next,
                    Ok(None) => break,
                    Err(e) => return Err(error::io("pack", &e)),
                },
                Err(e) => return Err(error::io("pack", &e)),
            }
        }
        Ok(())
    }
}

fn block(file: &File, place: Place, number: u64) -> io::Result<Vec<u8>> {
    let start = number * BLOCK as u64;
    let len = usize::try_from(place.size - start)
        .unwrap_or(BLOCK)
        .min(BLOCK);
    let mut block = vec![0; len + CRC];
    file.read_exact_at(&mut block, place.offset + number * (BLOCK + CRC) as u64)?;
    let crc = block.split_off(len);
    if crc32c::crc32c(&block).to_le_bytes() != crc[..] {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(block)
}

/// The record at `offset` and where it ends, if there is a whole one: head, tail and length right. Blocks are checked when they are read.
fn record(file: &File, segment: u64, offset: u64, len: u64) -> io::Result<Option<(Found, u64)>> {
    let mut head = [0; HEAD];
    file.read_exact_at(&mut head, offset)?;
    let meta_len = u32::from_le_bytes([head[8], head[9], head[10], head[11]]);
    let size = head[12..20]
        .iter()
        .rev()
        .fold(0, |n, b| n << 8 | u64::from(*b));
    let body = offset + HEAD as u64 + u64::from(meta_len);
    if !head.starts_with(MAGIC) || head[4] != VERSION || body > len || size > len {
        return Ok(None);
    }
    let tail = body + stored(size);
    if tail + 8 > len {
        return Ok(None);
    }
    let mut meta = vec![0; meta_len as usize];
    file.read_exact_at(&mut meta, offset + HEAD as u64)?;
    let crc = crc32c::crc32c_append(crc32c::crc32c(&head[..20]), &meta);
    let mut end = [0; 8];
    file.read_exact_at(&mut end, tail)?;
    if crc.to_le_bytes() != head[20..] || !end.starts_with(TAIL) {
        return Ok(None);
    }
    let (Some(kind), Some(meta)) = (Kind::from_number(head[5]), Meta::decode(&meta)) else {
        return Ok(None);
    };
    let place = Place {
        segment,
        offset: body,
        size,
    };
    Ok(Some((Found { kind, meta, place }, tail + 8)))
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

fn damaged(place: Place) -> StoreError {
    StoreError::new(
        ErrorKind::Corruption,
        "The message is damaged on the server's disk; the others are not touched",
    )
    .detail(format!("segment {:x} at {}", place.segment, place.offset))
}

const OPEN_FILES: usize = 64;
