//! A message for searches.

use bytes::Bytes;
use pillarbox_core::date::DateTime;
use pillarbox_core::effect::StoreError;
use pillarbox_core::flag::{Flags, SystemFlags};
use pillarbox_core::id::{EmailId, ModSeq, ThreadId, Uid};
use pillarbox_core::message::{Structure, TextPart};
use pillarbox_core::search::Candidate;

/// A message in memory that gives at most so many octets at once.
pub struct Mail<'a> {
    pub octets: Bytes,
    pub structure: &'a Structure,
    pub most: usize,
}

impl Candidate for Mail<'_> {
    fn uid(&self) -> Uid {
        Uid::new(1).unwrap()
    }
    fn flags(&self) -> Flags {
        Flags {
            system: SystemFlags::SEEN,
            keywords: 0,
        }
    }
    fn keywords(&self) -> &[std::sync::Arc<str>] {
        &[]
    }
    fn modseq(&self) -> ModSeq {
        ModSeq(1)
    }
    fn size(&self) -> u64 {
        self.octets.len() as u64
    }
    fn internal_date(&self) -> DateTime {
        DateTime {
            unix: 0,
            zone_minutes: 0,
        }
    }
    fn save_date(&self) -> i64 {
        0
    }
    fn email_id(&self) -> EmailId {
        EmailId(1)
    }
    fn thread_id(&self) -> ThreadId {
        ThreadId(1)
    }
    fn header_len(&self) -> u64 {
        self.structure.header_len()
    }
    fn text_parts(&mut self) -> Result<Vec<TextPart>, StoreError> {
        Ok(self.structure.text_parts().collect())
    }
    fn read(&mut self, offset: u64, max: usize) -> Result<Bytes, StoreError> {
        let from = usize::try_from(offset).unwrap().min(self.octets.len());
        Ok(self
            .octets
            .slice(from..(from + max.min(self.most)).min(self.octets.len())))
    }
}
