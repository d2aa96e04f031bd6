//! Packs: append-only segment files of self-describing records, the log of deliveries.
//!
//! A record is a head, its meta data, blocks of 64 KB each followed by its CRC32C, and a tail. What follows the last whole record of a
//! segment was never acknowledged; it is skipped, not cut, and writing goes on in a new segment.

mod codec;
mod read;
mod write;

pub(crate) use codec::{Kind, Meta};
pub(crate) use read::Files;
pub(crate) use write::Writer;

use crate::upload::WINDOW;

/// Where a record's octets are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Place {
    pub segment: u64,
    pub offset: u64,
    pub size: u64,
}

const MAGIC: &[u8; 4] = b"PBXR";
const TAIL: &[u8; 4] = b"RXBP";
const VERSION: u8 = 1;
const HEAD: usize = 24;
const CRC: usize = 4;
const BLOCK: usize = WINDOW;

/// Octets on disk of a body with its checksums.
fn stored(size: u64) -> u64 {
    size + size.div_ceil(BLOCK as u64) * CRC as u64
}

fn file_name(segment: u64) -> String {
    format!("{segment:016x}.pack")
}
