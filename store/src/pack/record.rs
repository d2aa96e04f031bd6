//! One record or segment head as octets.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::{
    BLOCK, CRC, Entry, Files, HEAD, MAGIC, Part, Place, SEGMENT_HEAD, SEGMENT_MAGIC, Secret, TAIL,
    V2, stored,
};

/// A record whose head, entry and end are whole.
pub(crate) struct Record {
    pub entry: Entry,
    pub frame: Frame,
    /// Where the next one begins.
    pub(super) end: u64,
}

/// Where a record's body stands, and what its checksums are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Frame {
    pub place: Place,
    /// The checksum of its checksums, as it says.
    pub(super) whole: u32,
    head_check: u32,
}

/// A record's head and entry; the octets of `size` follow.
pub(super) fn encode(entry: &Entry, size: u64, secret: Secret) -> (Vec<u8>, u32) {
    let entry_octets = entry.encode();
    let mut head = Vec::with_capacity(HEAD + entry_octets.len());
    head.extend(MAGIC);
    head.extend([V2, entry.kind(), 0, 0]);
    let len = u32::try_from(entry_octets.len()).expect("an entry is bounded far below 4 GB");
    head.extend(len.to_le_bytes());
    head.extend(size.to_le_bytes());
    let check = crc32c::crc32c_append(secret.seed(V2), &head);
    let check = crc32c::crc32c_append(check, &entry_octets);
    head.extend(check.to_le_bytes());
    head.extend(entry_octets);
    (head, check)
}

/// Octets on disk of a record.
pub(crate) fn stored_len(entry: &Entry, size: u64) -> u64 {
    (HEAD + entry.encode().len() + TAIL.len() + CRC) as u64 + stored(size)
}

pub(super) fn segment_head(secret: Secret) -> Vec<u8> {
    let mut head = SEGMENT_MAGIC.to_vec();
    head.extend([V2, 0, 0, 0]);
    head.extend(secret.0.to_le_bytes());
    head.extend(crc32c::crc32c(&head).to_le_bytes());
    head
}

/// The secret in a segment's head, if the head is there and whole.
pub(super) fn secret(head: &[u8]) -> Option<Secret> {
    let (body, check) = head.get(..SEGMENT_HEAD)?.split_at(SEGMENT_HEAD - CRC);
    let good = body.starts_with(SEGMENT_MAGIC)
        && body[4] == V2
        && crc32c::crc32c(body).to_le_bytes() == *check;
    let secret = body[8..].first_chunk().map(|b| u64::from_le_bytes(*b));
    secret.filter(|_| good).map(Secret)
}

/// Where the parts of a record stand.
pub(super) struct Shape {
    body: u64,
    size: u64,
    tail: u64,
}

impl Shape {
    /// Octets of the entry of a record at `offset`.
    pub(super) fn entry(&self, offset: u64) -> u64 {
        self.body - offset - HEAD as u64
    }
}

/// What the head at `offset` says in a file of `len` octets, if it may be one.
pub(super) fn shape(head: &[u8; HEAD], offset: u64, len: u64, version: u8) -> Option<Shape> {
    let entry_len = u32::from_le_bytes([head[8], head[9], head[10], head[11]]);
    let size = head[12..20]
        .iter()
        .rev()
        .fold(0, |n, b| n << 8 | u64::from(*b));
    let body = offset + HEAD as u64 + u64::from(entry_len);
    if !head.starts_with(MAGIC) || head[4] != version || body > len || size > len {
        return None;
    }
    let tail = body + stored(size);
    (tail + 8 <= len).then_some(Shape { body, size, tail })
}

/// The record at `offset` in a file of `len` octets, if there is one; its blocks are not read.
pub(super) fn read(
    file: &File,
    at: (u64, u64),
    len: u64,
    version: u8,
    secret: Secret,
) -> io::Result<Option<Record>> {
    let (segment, offset) = at;
    if offset + HEAD as u64 > len {
        return Ok(None);
    }
    let mut head = [0; HEAD];
    file.read_exact_at(&mut head, offset)?;
    let Some(shape) = shape(&head, offset, len, version) else {
        return Ok(None);
    };
    let Shape { body, size, tail } = shape;
    let mut end = [0; 8];
    file.read_exact_at(&mut end, tail)?;
    if !end.starts_with(TAIL) {
        return Ok(None);
    }
    let mut entry = vec![0; usize::try_from(body - offset).unwrap_or(HEAD) - HEAD];
    file.read_exact_at(&mut entry, offset + HEAD as u64)?;
    let check = crc32c::crc32c_append(secret.seed(version), &head[..20]);
    let check = crc32c::crc32c_append(check, &entry);
    let whole = u32::from_le_bytes([end[4], end[5], end[6], end[7]]);
    if check.to_le_bytes() != head[20..] || size == 0 && whole != check {
        return Ok(None);
    }
    let entry = Entry::decode(version, head[5], &entry);
    let place = Place {
        segment,
        offset: body,
        size,
    };
    Ok(entry.map(|entry| Record {
        entry,
        frame: Frame {
            place,
            whole,
            head_check: check,
        },
        end: tail + 8,
    }))
}

impl Frame {
    /// Whether every block and the checksum of all is right.
    pub(crate) fn is_whole(&self, files: &Files) -> io::Result<bool> {
        self.is_whole_in(&*files.file(self.place.segment)?)
    }

    /// Whether that is a copy of the body there, and every block of it right.
    pub(crate) fn is_copied_in(&self, copy: &Part) -> bool {
        self.whole == copy.whole(self.head_check)
    }

    pub(super) fn is_whole_in(&self, file: &File) -> io::Result<bool> {
        let mut whole = self.head_check;
        for number in 0..self.place.size.div_ceil(BLOCK as u64) {
            match block(file, self.place, number) {
                Ok(block) => {
                    let check = crc32c::crc32c(&block).to_le_bytes();
                    whole = crc32c::crc32c_append(whole, &check);
                }
                Err(e) if is_damage(&e) => return Ok(false),
                Err(e) => return Err(e),
            }
        }
        Ok(whole == self.whole)
    }
}

pub(super) fn is_damage(e: &io::Error) -> bool {
    matches!(
        e.kind(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData
    )
}

/// One block, checked.
fn block(file: &File, place: Place, number: u64) -> io::Result<Vec<u8>> {
    let (at, len) = stand(place, number);
    let mut block = vec![0; len];
    file.read_exact_at(&mut block, at)?;
    let octets = checked(&block)?.len();
    block.truncate(octets);
    Ok(block)
}

/// Where a block stands, and how many octets it takes with its checksum.
pub(super) fn stand(place: Place, number: u64) -> (u64, usize) {
    let len = usize::try_from(place.size - number * BLOCK as u64)
        .unwrap_or(BLOCK)
        .min(BLOCK);
    (place.offset + number * (BLOCK + CRC) as u64, len + CRC)
}

/// A block's octets, if they are what its checksum says.
pub(super) fn checked(block: &[u8]) -> io::Result<&[u8]> {
    let (octets, crc) = block.split_at(block.len() - CRC);
    match crc32c::crc32c(octets).to_le_bytes() == crc[..] {
        true => Ok(octets),
        false => Err(io::ErrorKind::InvalidData.into()),
    }
}
