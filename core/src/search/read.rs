//! Octets of a message for a search, in windows, decoded.

use alloc::vec::Vec;

use bytes::Bytes;

use super::eval::Candidate;
use super::header;
use super::text::{Folded, Needle};
use crate::effect::StoreError;
use crate::message::{CharsetDecoder, Decoder, Encoding, TextPart};

const WINDOW: usize = 64 << 10;

/// Reads a message through one window, so that many small parts do not cost a read each.
pub(super) struct Reader<'a> {
    candidate: &'a mut dyn Candidate,
    window: Bytes,
    /// Where the window begins.
    at: u64,
    /// Octets looked through of one header.
    header: u64,
}

impl<'a> Reader<'a> {
    pub(super) fn new(candidate: &'a mut dyn Candidate, header: u64) -> Self {
        Self {
            candidate,
            window: Bytes::new(),
            at: 0,
            header,
        }
    }

    pub(super) fn text_parts(&mut self) -> Result<Vec<TextPart>, StoreError> {
        self.candidate.text_parts()
    }

    /// The message's header.
    pub(super) fn header(&mut self) -> Result<Vec<u8>, StoreError> {
        let end = self.candidate.header_len();
        self.gather(0, end)
    }

    /// Looks for texts in one part.
    pub(super) fn look_through(
        &mut self,
        part: &TextPart,
        needles: &mut [&mut Needle<'_>],
    ) -> Result<(), StoreError> {
        needles.iter_mut().for_each(|n| n.begin());
        if part.header {
            let octets = self.gather(part.span.start, part.span.end)?;
            let lines = header::lines(&octets);
            needles.iter_mut().for_each(|n| n.feed(&lines));
            return Ok(());
        }
        let mut charset = CharsetDecoder::new(part.charset.as_deref());
        // What is in no known encoding is looked through as it is.
        let mut transfer =
            Decoder::lenient(part.encoding).or_else(|| Decoder::lenient(Encoding::Identity));
        let mut folded = Folded::default();
        let mut at = part.span.start;
        while let Some(octets) = self.read(at, part.span.end)? {
            at += octets.len() as u64;
            let mut decoded = Vec::new();
            if let Some(transfer) = &mut transfer {
                // A lenient decoder has no errors.
                let _ = transfer.feed(&octets, &mut decoded);
                if at >= part.span.end {
                    let _ = transfer.finish(&mut decoded);
                }
            }
            let text = folded.feed(&charset.feed(&decoded));
            needles.iter_mut().for_each(|n| n.feed(text.as_bytes()));
            if needles.iter().all(|n| n.found()) {
                return Ok(());
            }
        }
        let text = folded.feed(&charset.finish()) + &folded.finish();
        needles.iter_mut().for_each(|n| n.feed(text.as_bytes()));
        Ok(())
    }

    /// At most the octets of a header that are looked through, whole: its fields are decoded and folded as one.
    fn gather(&mut self, from: u64, to: u64) -> Result<Vec<u8>, StoreError> {
        let to = to.min(from.saturating_add(self.header));
        let mut octets = Vec::new();
        while let Some(more) = self.read(from + octets.len() as u64, to)? {
            octets.extend_from_slice(&more);
        }
        Ok(octets)
    }

    /// Some octets between two places; none at the end.
    fn read(&mut self, from: u64, to: u64) -> Result<Option<Bytes>, StoreError> {
        if from >= to {
            return Ok(None);
        }
        let held = self.at..self.at + self.window.len() as u64;
        if !held.contains(&from) {
            self.window = self.candidate.read(from, WINDOW)?;
            self.at = from;
        }
        // Both are at most the length of the window, a usize.
        let begin = usize::try_from(from - self.at).unwrap_or(usize::MAX);
        let end = usize::try_from(to - self.at)
            .unwrap_or(usize::MAX)
            .min(self.window.len());
        Ok((begin < end).then(|| self.window.slice(begin..end)))
    }
}
