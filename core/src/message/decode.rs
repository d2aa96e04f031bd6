//! Content-Transfer-Encoding undone, octet by octet (RFC 2045 §6).

use alloc::vec::Vec;

/// How a part is encoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encoding {
    /// 7bit, 8bit, binary.
    Identity,
    /// base64.
    Base64,
    /// quoted-printable.
    QuotedPrintable,
    /// One that is not known: its content cannot be decoded.
    Unknown,
}

impl Encoding {
    /// The encoding of this name, in any case (RFC 2045 §6.1).
    pub(super) fn named(name: &[u8]) -> Self {
        let is = |n: &[u8]| name.eq_ignore_ascii_case(n);
        if is(b"7bit") || is(b"8bit") || is(b"binary") {
            Self::Identity
        } else if is(b"base64") {
            Self::Base64
        } else if is(b"quoted-printable") {
            Self::QuotedPrintable
        } else {
            Self::Unknown
        }
    }
}

/// The content is not in the encoding it claims (RFC 3516 §4.3: `NO [UNKNOWN-CTE]`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("The part cannot be decoded")]
pub struct DecodeError;

/// Undoes an encoding in any chunking.
#[derive(Clone, Debug)]
pub struct Decoder {
    encoding: Encoding,
    lenient: bool,
    bits: u32,
    held: u32,
    /// Octets of a quoted-printable escape, or white space that may be at the end of a line.
    pending: Vec<u8>,
}

impl Decoder {
    /// A decoder, if the encoding is known.
    #[must_use]
    pub fn new(encoding: Encoding) -> Option<Self> {
        (encoding != Encoding::Unknown).then(|| Self {
            encoding,
            lenient: false,
            bits: 0,
            held: 0,
            pending: Vec::new(),
        })
    }

    /// A decoder that passes over damage, as RFC 2045 §6.8 wants of readers, and has no errors.
    #[must_use]
    pub fn lenient(encoding: Encoding) -> Option<Self> {
        Self::new(encoding).map(|decoder| Self {
            lenient: true,
            ..decoder
        })
    }

    /// Decodes the next octets.
    ///
    /// # Errors
    /// They are not in this encoding.
    pub fn feed(&mut self, octets: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
        match self.encoding {
            Encoding::Identity | Encoding::Unknown => out.extend_from_slice(octets),
            Encoding::Base64 => return self.base64(octets, out),
            Encoding::QuotedPrintable => self.quoted_printable(octets, out),
        }
        Ok(())
    }

    /// Ends the content; missing padding is forgiven.
    ///
    /// # Errors
    /// A lone sextet is left.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), DecodeError> {
        match self.encoding {
            Encoding::Base64 if self.held >= 6 && !self.lenient => Err(DecodeError),
            Encoding::QuotedPrintable => {
                if self.pending.first() == Some(&b'=') {
                    out.append(&mut self.pending);
                }
                self.pending.clear();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn base64(&mut self, octets: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
        let (mut bits, mut held) = (self.bits, self.held);
        out.reserve(octets.len() / 4 * 3 + 3);
        for &b in octets {
            match SEXTETS[usize::from(b)] {
                PASSED_OVER => continue,
                // Some join padded pieces: after padding a new one may begin.
                PADDING => (bits, held) = (0, 0),
                NONE if self.lenient => continue,
                NONE => return Err(DecodeError),
                sextet => {
                    bits = bits << 6 | u32::from(sextet);
                    held += 6;
                }
            }
            if held >= 8 {
                held -= 8;
                // Eight bits.
                out.push((bits >> held & 0xff) as u8);
                bits &= (1 << held) - 1;
            }
        }
        (self.bits, self.held) = (bits, held);
        Ok(())
    }

    /// What is no escape stands for itself (RFC 2045 §6.7: robust implementations).
    fn quoted_printable(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        let mut rest = octets;
        while let Some(&first) = rest.first() {
            if self.pending.first() == Some(&b'=') {
                self.escape(first, out);
                rest = &rest[1..];
                continue;
            }
            let plain = memchr::memchr3(b'=', b'\r', b'\n', rest).unwrap_or(rest.len());
            self.plain(&rest[..plain], out);
            rest = &rest[plain..];
            let taken = match *rest {
                [] => return,
                [b'=', ..] => self.begin_escape(rest, out),
                [b, ..] => {
                    self.pending.clear();
                    out.push(b);
                    1
                }
            };
            rest = &rest[taken..];
        }
    }

    /// An escape that is whole is taken at once; how many octets that is.
    fn begin_escape(&mut self, rest: &[u8], out: &mut Vec<u8>) -> usize {
        out.append(&mut self.pending);
        match *rest {
            [_, first, second, ..] if first.is_ascii_hexdigit() && second.is_ascii_hexdigit() => {
                out.push(hex(first) << 4 | hex(second));
                3
            }
            // Neither an escape nor the end of a line.
            [_, b' ' | b'\t', next, ..] if !matches!(next, b' ' | b'\t' | b'\r' | b'\n') => {
                out.extend_from_slice(&rest[..2]);
                2
            }
            _ => {
                self.pending.push(b'=');
                1
            }
        }
    }

    /// White space waits for what comes behind it.
    fn plain(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        let white = |b: &u8| matches!(b, b' ' | b'\t');
        let text = octets
            .iter()
            .rposition(|b| !white(b))
            .map_or(0, |at| at + 1);
        if text > 0 {
            out.append(&mut self.pending);
            out.extend_from_slice(&octets[..text]);
        }
        for &b in &octets[text..] {
            self.pending.push(b);
            if self.pending.len() > 1024 {
                out.append(&mut self.pending);
            }
        }
    }

    fn escape(&mut self, b: u8, out: &mut Vec<u8>) {
        self.pending.push(b);
        match self.pending[1..] {
            [b'\n'] => self.pending.clear(),
            [b'\r'] | [b' ' | b'\t'] => {}
            [b'\r', b'\n'] => self.pending.clear(),
            [first] if first.is_ascii_hexdigit() => {}
            [first, second] if first.is_ascii_hexdigit() && second.is_ascii_hexdigit() => {
                out.push(hex(first) << 4 | hex(second));
                self.pending.clear();
            }
            // White space between "=" and the end of the line was added on the way.
            [b' ' | b'\t', b'\n'] => self.pending.clear(),
            [b' ' | b'\t', b' ' | b'\t' | b'\r'] => {
                self.pending.pop();
            }
            _ => {
                // No escape: it stands for itself, and the last octet may begin another.
                self.pending.pop();
                out.append(&mut self.pending);
                self.quoted_printable(&[b], out);
            }
        }
    }
}

/// No octet of base64.
const NONE: u8 = 0xff;
/// White space, which is passed over.
const PASSED_OVER: u8 = 0xfe;
/// `=`.
const PADDING: u8 = 0xfd;

/// What each octet stands for in base64 (RFC 4648 §4).
const SEXTETS: [u8; 256] = {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut table = [NONE; 256];
    let mut n = 0;
    while n < 64 {
        table[alphabet[n as usize] as usize] = n;
        n += 1;
    }
    table[b' ' as usize] = PASSED_OVER;
    table[b'\t' as usize] = PASSED_OVER;
    table[b'\r' as usize] = PASSED_OVER;
    table[b'\n' as usize] = PASSED_OVER;
    table[b'=' as usize] = PADDING;
    table
};

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit.wrapping_sub(b'A').wrapping_add(10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode(encoding: Encoding, text: &[u8]) -> Result<Vec<u8>, DecodeError> {
        let mut out = Vec::new();
        let mut decoder = Decoder::new(encoding).unwrap();
        decoder.feed(text, &mut out)?;
        decoder.finish(&mut out)?;
        Ok(out)
    }

    #[test]
    fn quoted_printable() {
        let qp = |text: &[u8]| decode(Encoding::QuotedPrintable, text).unwrap();
        assert_eq!(qp(b"a=3D=\r\nb"), b"a=b");
        assert_eq!(qp(b"line  \r\nx"), b"line\r\nx");
        assert_eq!(qp(b"soft= \r\nx"), b"softx");
        assert_eq!(qp(b"50=% =ZZ ="), b"50=% =ZZ =");
        assert_eq!(qp(b"=4=41==42=\r=43"), b"=4A=B=\rC");
    }

    #[test]
    fn base64() {
        assert_eq!(decode(Encoding::Base64, b"aGVs\r\nbG8=").unwrap(), b"hello");
        assert_eq!(decode(Encoding::Base64, b"aGVsbG8").unwrap(), b"hello");
        assert_eq!(decode(Encoding::Base64, b"").unwrap(), b"");
        assert!(decode(Encoding::Base64, b"a!b").is_err());
        assert!(decode(Encoding::Base64, b"aGVsb").is_err());
    }

    proptest! {
        #[test]
        fn chunking_does_not_matter(text in "[ \t=0-9A-F\r\nxyz]{0,60}", cut in 0usize..60) {
            let text = text.as_bytes();
            let cut = cut.min(text.len());
            let mut out = Vec::new();
            let mut decoder = Decoder::new(Encoding::QuotedPrintable).unwrap();
            decoder.feed(&text[..cut], &mut out).unwrap();
            decoder.feed(&text[cut..], &mut out).unwrap();
            decoder.finish(&mut out).unwrap();
            let mut slow = Vec::new();
            let mut decoder = Decoder::new(Encoding::QuotedPrintable).unwrap();
            for octet in text.chunks(1) {
                decoder.feed(octet, &mut slow).unwrap();
            }
            decoder.finish(&mut slow).unwrap();
            prop_assert_eq!(&out, &slow);
            prop_assert_eq!(out, decode(Encoding::QuotedPrintable, text).unwrap());
        }

        #[test]
        fn base64_of_anything(octets in proptest::collection::vec(any::<u8>(), 0..80)) {
            prop_assert_eq!(decode(Encoding::Base64, data_encoding::BASE64.encode(&octets).as_bytes()).unwrap(), octets);
        }
    }
}
