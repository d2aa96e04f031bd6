//! UTF-7 (RFC 2152) as text. It is strict: what the RFC does not allow is U+FFFD. Mailbox names have another form of it.

use alloc::string::String;
use core::char::REPLACEMENT_CHARACTER as BROKEN;

/// Undoes UTF-7 in any chunking; it holds less than one character.
#[derive(Debug, Default)]
pub(super) struct Utf7(Place);

#[derive(Debug, Default)]
enum Place {
    /// Characters stand for themselves.
    #[default]
    Direct,
    /// Behind `+`.
    Begun,
    /// Among base64.
    Shifted(Units),
}

/// UTF-16 as base64.
#[derive(Debug, Default)]
struct Units {
    bits: u32,
    held: u32,
    high: Option<u16>,
}

impl Utf7 {
    /// Whether the charset of this name is UTF-7 (RFC 2152, and the names IANA has for it).
    pub(super) fn is_named(label: &str) -> bool {
        const NAMES: [&str; 4] = ["utf-7", "unicode-1-1-utf-7", "csunicode11utf7", "csutf7"];
        let label = label.trim();
        NAMES.iter().any(|name| label.eq_ignore_ascii_case(name))
    }

    /// Appends the text of the next octets.
    pub(super) fn feed(&mut self, octets: &[u8], out: &mut String) {
        for &octet in octets {
            self.octet(octet, out);
        }
    }

    /// Appends what is left at the end.
    pub(super) fn finish(&mut self, out: &mut String) {
        match core::mem::take(&mut self.0) {
            Place::Direct => {}
            Place::Begun => out.push(BROKEN),
            Place::Shifted(units) => units.finish(out),
        }
    }

    fn octet(&mut self, octet: u8, out: &mut String) {
        match (&mut self.0, sextet(octet)) {
            (Place::Direct, _) if octet == b'+' => self.0 = Place::Begun,
            (Place::Direct, _) => out.push(direct(octet)),
            (Place::Begun, _) if octet == b'-' => {
                self.0 = Place::Direct;
                out.push('+');
            }
            (Place::Begun, Some(sextet)) => {
                let mut units = Units::default();
                units.sextet(sextet, out);
                self.0 = Place::Shifted(units);
            }
            (Place::Shifted(units), Some(sextet)) => units.sextet(sextet, out),
            (Place::Begun | Place::Shifted(_), None) => {
                self.finish(out);
                // It is not absorbed if it is anything but "-".
                if octet != b'-' {
                    out.push(direct(octet));
                }
            }
        }
    }
}

impl Units {
    fn sextet(&mut self, sextet: u8, out: &mut String) {
        self.bits = self.bits << 6 | u32::from(sextet);
        self.held += 6;
        if self.held >= 16 {
            self.held -= 16;
            // Sixteen bits.
            self.unit((self.bits >> self.held & 0xffff) as u16, out);
            self.bits &= (1 << self.held) - 1;
        }
    }

    fn unit(&mut self, unit: u16, out: &mut String) {
        let units = self.high.take().into_iter().chain([unit]);
        for decoded in char::decode_utf16(units) {
            match decoded {
                Ok(character) => out.push(character),
                Err(lone) if lone.unpaired_surrogate() == unit && unit < 0xdc00 => {
                    self.high = Some(unit);
                }
                Err(_) => out.push(BROKEN),
            }
        }
    }

    /// Base64 ends with fewer than six bits, all zero (RFC 2152, rule 2).
    fn finish(self, out: &mut String) {
        if self.high.is_some() || self.held >= 6 || self.bits != 0 {
            out.push(BROKEN);
        }
    }
}

/// Characters that RFC 2152 wants encoded stand for themselves all the same, if they are ASCII.
fn direct(octet: u8) -> char {
    match octet {
        0..=0x7f => char::from(octet),
        _ => BROKEN,
    }
}

fn sextet(octet: u8) -> Option<u8> {
    match octet {
        b'A'..=b'Z' => Some(octet - b'A'),
        b'a'..=b'z' => Some(octet - b'a' + 26),
        b'0'..=b'9' => Some(octet - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn decode(pieces: &[&[u8]]) -> String {
        let (mut decoder, mut out) = (Utf7::default(), String::new());
        for piece in pieces {
            decoder.feed(piece, &mut out);
        }
        decoder.finish(&mut out);
        out
    }

    #[test]
    fn as_the_rfc_says() {
        for (octets, text) in [
            // The examples of RFC 2152.
            ("A+ImIDkQ.", "A\u{2262}\u{391}."),
            ("Hi Mom -+Jjo--!", "Hi Mom -\u{263A}-!"),
            ("+ZeVnLIqe-", "日本語"),
            ("Item 3 is +AKM-1.", "Item 3 is £1."),
            ("2 +- 2 = 4", "2 + 2 = 4"),
            // Absorbed or not, encoded plus and pairs.
            ("+AOk-+AOk.", "éé."),
            ("+ACs-+2D3eAA-", "+\u{1F600}"),
            ("~\\", "~\\"),
            // Nothing in base64, half a character, bits that are not zero, half a pair, octets that are not ASCII.
            ("+", "\u{FFFD}"),
            ("a+ b", "a\u{FFFD} b"),
            ("+AO-", "\u{FFFD}"),
            ("+AOl-x", "é\u{FFFD}x"),
            ("+2D0-", "\u{FFFD}"),
            ("+2D0AOQ-", "\u{FFFD}9"),
            ("+3gA-", "\u{FFFD}"),
        ] {
            assert_eq!(decode(&[octets.as_bytes()]), text, "{octets}");
        }
        assert_eq!(decode(&[b"a\xe9b"]), "a\u{FFFD}b");
    }

    /// All of the text that is not in ASCII, or is "+", in base64.
    fn encode(text: &str) -> String {
        let mut out = String::new();
        for character in text.chars() {
            if character.is_ascii() && character != '+' {
                out.push(character);
                continue;
            }
            let mut units = [0; 2];
            let units = character.encode_utf16(&mut units).iter();
            let octets: Vec<u8> = units.flat_map(|unit| unit.to_be_bytes()).collect();
            out.push('+');
            out.push_str(&data_encoding::BASE64_NOPAD.encode(&octets));
            out.push('-');
        }
        out
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(text in "\\PC{0,20}") {
            prop_assert_eq!(decode(&[encode(&text).as_bytes()]), text);
        }

        #[test]
        fn chunking_does_not_matter(octets in "[-+A-Ca/9 .é]{0,40}", cut in 0usize..40) {
            let octets = octets.as_bytes();
            let (head, tail) = octets.split_at(cut.min(octets.len()));
            let text = decode(&[octets]);
            prop_assert!(text.len() <= 3 * octets.len());
            prop_assert_eq!(decode(&[head, tail]), text);
        }
    }
}
