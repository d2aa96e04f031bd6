//! Headers that were read last. Clients list and search the same messages again and again, and for a header all of the block it stands in has to be
//! read and checked.

use std::collections::HashMap;
use std::sync::Mutex;

use bytes::Bytes;
use pillarbox_core::id::EmailId;

use crate::error::lock;
use crate::table::Result;

/// Some of them, in so many octets at most. What a message says never changes, so that nothing in here can be old.
pub(super) struct Headers {
    most: u64,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    /// Those asked for since the others were put aside.
    new: HashMap<EmailId, Bytes>,
    /// Those from before: what is not asked for again goes with the next that are put aside.
    old: HashMap<EmailId, Bytes>,
    /// Octets of the new ones.
    octets: u64,
}

impl Headers {
    pub(super) fn new(most: u64) -> Self {
        let held = Mutex::default();
        Self { most, held }
    }

    /// A message's header; what is not held is read.
    pub(super) fn get(
        &self,
        email: EmailId,
        read: impl FnOnce() -> Result<Bytes>,
    ) -> Result<Bytes> {
        let held = lock(&self.held).get(email, self.most);
        if let Some(header) = held {
            return Ok(header);
        }
        let header = read()?;
        if header.len() <= LARGEST {
            lock(&self.held).keep(email, header.clone(), self.most);
        }
        Ok(header)
    }
}

impl Held {
    fn get(&mut self, email: EmailId, most: u64) -> Option<Bytes> {
        if let Some(header) = self.new.get(&email) {
            return Some(header.clone());
        }
        let header = self.old.remove(&email)?;
        self.keep(email, header.clone(), most);
        Some(header)
    }

    fn keep(&mut self, email: EmailId, header: Bytes, most: u64) {
        let octets = header.len() as u64 + ENTRY;
        if self.octets + octets > most / 2 {
            self.old = std::mem::take(&mut self.new);
            self.octets = 0;
        }
        if octets <= most / 2 && self.new.insert(email, header).is_none() {
            self.octets += octets;
        }
    }
}

/// Octets of a header that is kept.
const LARGEST: usize = 16 << 10;
/// What an entry takes besides, about.
const ENTRY: u64 = 128;

#[cfg(test)]
mod tests {
    use super::*;

    /// Of messages of 1,000 octets each, those that had to be read.
    fn read(headers: &Headers, emails: impl Iterator<Item = u64>) -> Vec<u64> {
        let mut read = Vec::new();
        for email in emails {
            let header = headers.get(EmailId(email), || {
                read.push(email);
                Ok(Bytes::from(vec![email as u8; 1000]))
            });
            assert_eq!(header.unwrap(), vec![email as u8; 1000]);
        }
        read
    }

    fn octets(headers: &Headers) -> usize {
        let held = lock(&headers.held);
        let all = held.new.values().chain(held.old.values());
        all.map(|h| h.len() + ENTRY as usize).sum()
    }

    #[test]
    fn what_is_asked_for_again_stays_and_the_bound_holds() {
        let headers = Headers::new(100_000);
        assert_eq!(read(&headers, 0..40).len(), 40);
        assert_eq!(read(&headers, 0..40), [0; 0]);
        for n in 100..2000 {
            read(&headers, [0, n].into_iter());
            assert!(octets(&headers) <= 100_000, "{n}");
        }
        assert_eq!(read(&headers, [0, 1].into_iter()), [1]);
    }

    #[test]
    fn without_room_nothing_is_kept() {
        let headers = Headers::new(0);
        for _ in 0..2 {
            assert_eq!(read(&headers, 0..3), [0, 1, 2]);
            assert_eq!(octets(&headers), 0);
        }
    }

    #[test]
    fn what_cannot_be_read_is_not_kept() {
        let headers = Headers::new(100_000);
        let failed = headers.get(EmailId(1), || Err(crate::error::expunged()));
        assert!(failed.is_err());
        assert_eq!(read(&headers, 1..2), [1]);
    }
}
