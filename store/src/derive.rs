//! What is computed once from a message when it is stored.

use bytes::Bytes;
use pillarbox_core::message::{Scanner, thread_ids};

#[cfg(feature = "sqlite")]
use crate::pack::{Files, Place};
use crate::record::Derived;
use crate::table::Result;
use crate::upload::{Upload, WINDOW};

/// Scans an upload in windows.
pub(crate) fn derive(upload: &mut Upload) -> Result<Derived> {
    let mut scan = Scan::default();
    upload.for_each(|window| {
        scan.feed(window);
        Ok(())
    })?;
    Ok(scan.finish())
}

/// Scans a body that is in the packs.
#[cfg(feature = "sqlite")]
pub(crate) fn derive_stored(files: &Files, place: Place) -> Result<Derived> {
    let mut scan = Scan::default();
    let mut offset = 0;
    while offset < place.size {
        let window = files.read(place, offset, WINDOW)?;
        scan.feed(&window);
        offset += window.len() as u64;
    }
    Ok(scan.finish())
}

/// Scans the structure, and collects the header up to a bound for the thread keys.
#[derive(Default)]
struct Scan {
    scanner: Scanner,
    header: Vec<u8>,
}

impl Scan {
    fn feed(&mut self, octets: &[u8]) {
        self.scanner.feed(octets);
        let end = self.scanner.header_len();
        let end = end.map_or(HEADER, |end| end.min(HEADER as u64) as usize);
        let keep = octets.len().min(end - self.header.len());
        self.header.extend_from_slice(&octets[..keep]);
    }

    fn finish(self) -> Derived {
        let structure = self.scanner.finish();
        Derived {
            header_len: structure.header_len(),
            envelope: exact(structure.envelope()),
            body: exact(structure.body()),
            body_structure: exact(structure.body_structure()),
            structure: exact(structure.encode()),
            threads: thread_ids(&self.header).into_iter().map(fnv).collect(),
        }
    }
}

/// Without the room to grow that it was written in: it is kept as long as an upload is, or the message.
fn exact(octets: Vec<u8>) -> Bytes {
    octets.into_boxed_slice().into()
}

/// FNV-1a: stable across versions, since it is kept on disk.
fn fnv(octets: &[u8]) -> u64 {
    octets.iter().fold(0xcbf2_9ce4_8422_2325, |hash, b| {
        (hash ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3)
    })
}

const HEADER: usize = 4 * WINDOW;
