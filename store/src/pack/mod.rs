//! Packs: append-only segment files of self-describing records. Together they are the log of all changes, and the truth about them: the
//! index can be made from it.
//!
//! A segment begins with a head that holds the store's secret. A record is a head, an entry, for a message blocks of 64 KB each followed by
//! its CRC32C, and a tail. The checksum of a record begins with the secret, so that no message can hold octets that pass for a record.
//! Records up to a commit record are one transaction; what follows the last commit was never acknowledged.
//!
//! Segments of version 1 have no head, no secret and no commits: each record stands for itself.

mod aside;
mod codec;
mod output;
mod read;
mod record;
mod scan;
mod window;
mod write;

pub(crate) use aside::{Aside, Part, remove_unfinished};
pub(crate) use codec::{Counters, Entry, Home, Named};
#[cfg(all(test, feature = "conformance"))]
pub(crate) use output::Output;
pub(crate) use output::{Opener, files as open_files};
pub(crate) use read::{Files, Stored, find_secret, segments};
pub(crate) use record::{Frame, stored_len};
pub(crate) use scan::{Batch, Records, Scan};
pub(crate) use window::Window;
pub(crate) use write::{Body, Mark, Writer};

pub(crate) use crate::record::Place;
use crate::upload::WINDOW;

/// What makes this store's records its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Secret(pub u64);

impl Secret {
    fn seed(self, version: u8) -> u32 {
        match version {
            V1 => 0,
            _ => crc32c::crc32c(&self.0.to_le_bytes()),
        }
    }
}

const MAGIC: &[u8; 4] = b"PBXR";
const TAIL: &[u8; 4] = b"RXBP";
const SEGMENT_MAGIC: &[u8; 4] = b"PBXS";
const V1: u8 = 1;
const V2: u8 = 2;
/// Octets of a record's head, of a segment's, and of a checksum.
const HEAD: usize = 24;
const SEGMENT_HEAD: usize = 20;
const CRC: usize = 4;
const BLOCK: usize = WINDOW;

/// Octets on disk of a body with its checksums.
fn stored(size: u64) -> u64 {
    size + size.div_ceil(BLOCK as u64) * CRC as u64
}

fn file_name(segment: u64) -> String {
    format!("{segment:016x}.pack")
}
