//! Octets for the client: small ones are gathered, bodies are spliced in as they are. The only place that quotes.

use alloc::collections::VecDeque;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use core::fmt;

/// Bodies from this size on are spliced, not copied.
const SPLICE: usize = 2048;

/// What is to be sent.
#[derive(Debug, Default)]
pub(crate) struct Output {
    ready: VecDeque<Bytes>,
    tail: BytesMut,
    ready_len: usize,
}

impl Output {
    pub(crate) fn len(&self) -> usize {
        self.ready_len + self.tail.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Gives memory back when nothing is held.
    pub(crate) fn relax(&mut self) {
        if self.is_empty() {
            *self = Self::default();
        }
    }

    #[inline]
    pub(crate) fn put(&mut self, octets: &[u8]) {
        self.tail.put_slice(octets);
    }

    pub(crate) fn put_str(&mut self, text: &str) {
        self.put(text.as_bytes());
    }

    /// Octets that need no quoting, without copying large ones. Small ones stay whose they are: to share them costs more than a copy.
    pub(crate) fn splice(&mut self, octets: &Bytes) {
        if octets.len() < SPLICE {
            self.put(octets);
            return;
        }
        self.seal();
        self.ready_len += octets.len();
        self.ready.push_back(octets.clone());
    }

    /// A decimal number.
    pub(crate) fn number(&mut self, n: u64) {
        self.put(decimal(n, &mut [0; 20]));
    }

    /// `string` of RFC 9051 §9: quoted if it can be, else a literal. `utf8`: quoted strings may hold UTF-8.
    pub(crate) fn string(&mut self, octets: &[u8], utf8: bool) {
        let quotable = octets.len() <= 1000
            && octets
                .iter()
                .all(|&b| b != 0 && b != b'\r' && b != b'\n' && (b < 0x80 || utf8))
            && (!utf8 || core::str::from_utf8(octets).is_ok());
        if !quotable {
            self.literal_head(octets.len() as u64);
            self.put(octets);
            return;
        }
        self.tail.put_u8(b'"');
        for &b in octets {
            if b == b'"' || b == b'\\' {
                self.tail.put_u8(b'\\');
            }
            self.tail.put_u8(b);
        }
        self.tail.put_u8(b'"');
    }

    /// `astring`: an atom if it can be, else a string.
    pub(crate) fn astring(&mut self, octets: &[u8]) {
        let atom = !octets.is_empty()
            && octets
                .iter()
                .all(|&b| b > 0x20 && b < 0x7f && !b"(){%*\"\\]".contains(&b))
            && !octets.eq_ignore_ascii_case(b"NIL");
        if atom {
            self.put(octets);
        } else {
            self.string(octets, false);
        }
    }

    /// The announcement of a literal of this size.
    pub(crate) fn literal_head(&mut self, size: u64) {
        self.put(b"{");
        self.number(size);
        self.put(b"}\r\n");
    }

    /// The chunks in order.
    pub(crate) fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        self.ready
            .iter()
            .map(|b| &b[..])
            .chain((!self.tail.is_empty()).then_some(&self.tail[..]))
    }

    pub(crate) fn chunk(&self) -> &[u8] {
        match self.ready.front() {
            Some(front) => front,
            None => &self.tail,
        }
    }

    pub(crate) fn advance(&mut self, mut n: usize) {
        while n > 0 {
            let Some(front) = self.ready.front_mut() else {
                self.tail.advance(n.min(self.tail.len()));
                return;
            };
            let step = n.min(front.len());
            front.advance(step);
            self.ready_len -= step;
            n -= step;
            if front.is_empty() {
                self.ready.pop_front();
            }
        }
    }

    fn seal(&mut self) {
        if !self.tail.is_empty() {
            let tail = self.tail.split().freeze();
            self.ready_len += tail.len();
            self.ready.push_back(tail);
        }
    }
}

impl fmt::Write for Output {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put_str(text);
        Ok(())
    }
}

/// `number64` (RFC 9051 §9), without the formatting machinery: FETCH writes millions.
pub(crate) fn decimal(mut n: u64, digits: &mut [u8; 20]) -> &[u8] {
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            return &digits[at..];
        }
    }
}
