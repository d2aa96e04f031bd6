//! Dropping a command that broke a bound, with the literals that come unasked, up to where the next one begins (RFC 7888 §4).

use bytes::Bytes;

use super::{Bounds, Frame, Framer, Mode, Refusal, Step};
use crate::wire::announce::{Announced, announcement};

impl Framer {
    /// Skips a line that began at `start`, of which the octets up to `seen` are here, its LF not among them.
    pub(super) fn refuse(&mut self, refusal: Refusal, start: usize, seen: usize) -> Step {
        self.begin_skipping(self.head(), refusal, seen);
        let command = self.buffer.split_to(seen);
        self.remember(&command[start..]);
        self.scanned = 0;
        self.mode = Mode::SkipLine;
        Step::Again
    }

    pub(super) fn begin_skipping(&mut self, head: Bytes, refusal: Refusal, seen: usize) {
        self.refused = Some((head, refusal));
        self.skipped = seen as u64;
        self.swallowed = 0;
        self.tail_len = 0;
    }

    pub(super) fn swallow(&mut self, size: u64) {
        self.swallowed = self.swallowed.saturating_add(size);
        self.mode = Mode::SkipLiteral { left: size };
    }

    fn remember(&mut self, octets: &[u8]) {
        for &octet in &octets[octets.len().saturating_sub(self.tail.len())..] {
            if self.tail_len == self.tail.len() {
                self.tail.copy_within(1.., 0);
                self.tail_len -= 1;
            }
            self.tail[self.tail_len] = octet;
            self.tail_len += 1;
        }
    }

    pub(super) fn skip_line(&mut self, bounds: Bounds) -> Step {
        loop {
            let Some(lf) = memchr::memchr(b'\n', &self.buffer) else {
                let rest = core::mem::take(&mut self.buffer);
                self.skipped += rest.len() as u64;
                self.remember(&rest);
                return if self.skipped > bounds.skip {
                    self.skipped_too_much()
                } else {
                    Step::More
                };
            };
            let line = self.buffer.split_to(lf + 1);
            self.skipped += line.len() as u64;
            self.remember(&line[..lf]);
            if self.skipped > bounds.skip {
                return self.skipped_too_much();
            }
            if self.tail[..self.tail_len].last() == Some(&b'\r') {
                return self.skipped_line(bounds);
            }
            self.remember(b"\n");
        }
    }

    /// A whole line was skipped: the refused command ends here, unless a literal follows.
    fn skipped_line(&mut self, bounds: Bounds) -> Step {
        let announced = announcement(&self.tail[..self.tail_len - 1]);
        self.tail_len = 0;
        match announced {
            Announced::Literal(literal, _) if !literal.synchronizing => {
                self.swallow(literal.size);
                if literal.size > bounds.swallow || self.swallowed > bounds.literals {
                    return self.skipped_too_much();
                }
                Step::Again
            }
            Announced::Lost => self.skipped_too_much(),
            Announced::Literal(..) | Announced::None => {
                self.mode = Mode::Line { start: 0 };
                self.skipped = 0;
                let (head, refusal) = self.refused.take().unwrap_or((Bytes::new(), Refusal::Line));
                Step::Frame(Frame::Refused(head, refusal))
            }
        }
    }

    fn skipped_too_much(&mut self) -> Step {
        let (head, refusal) = self.refused.take().unwrap_or((Bytes::new(), Refusal::Line));
        Step::Frame(Frame::Lost(head, refusal))
    }
}
