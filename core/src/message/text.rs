//! Text for SEARCH: encoded words, charsets, case (RFC 2047, RFC 5051).

use alloc::string::String;
use alloc::vec::Vec;
use unicode_normalization::UnicodeNormalization;

use super::decode::{Decoder, Encoding};
use super::utf7::Utf7;

/// A field's value for people: on one line, encoded words decoded, UTF-8 kept (RFC 6532), what is broken replaced.
#[must_use]
pub fn decode_header(value: &[u8]) -> String {
    let line = one_line(value);
    let mut out = String::with_capacity(line.len());
    let mut rest = &line[..];
    let mut words: Option<(&[u8], Vec<u8>)> = None;
    while let Some(at) = memchr::memmem::find(rest, b"=?") {
        let (plain, tail) = rest.split_at(at);
        let Some(word) = encoded_word(tail) else {
            flush(&mut out, &mut words);
            out.push_str(&String::from_utf8_lossy(&rest[..at + 2]));
            rest = &rest[at + 2..];
            continue;
        };
        rest = &tail[word.length..];
        // White space between two encoded words is none (RFC 2047 §6.2); some split a character between words of one charset.
        let joined = plain.iter().all(u8::is_ascii_whitespace);
        match &mut words {
            Some((charset, octets)) if joined && charset.eq_ignore_ascii_case(word.charset) => {
                octets.extend_from_slice(&word.octets);
            }
            _ => {
                let apart = words.is_none() || !joined;
                flush(&mut out, &mut words);
                if apart {
                    out.push_str(&String::from_utf8_lossy(plain));
                }
                words = Some((word.charset, word.octets));
            }
        }
    }
    flush(&mut out, &mut words);
    out.push_str(&String::from_utf8_lossy(rest));
    out
}

/// A fold is one space, whatever white space it was made with: nobody who looks for a phrase knows where it was folded.
fn one_line(value: &[u8]) -> Vec<u8> {
    let mut line = Vec::with_capacity(value.len());
    for (i, piece) in value.split_inclusive(|b| *b == b'\n').enumerate() {
        let text = piece.strip_suffix(b"\n");
        let text = text.map_or(piece, |t| t.strip_suffix(b"\r").unwrap_or(t));
        if i == 0 {
            line.extend_from_slice(text);
            continue;
        }
        line.truncate(line.trim_ascii_end().len());
        line.push(b' ');
        line.extend_from_slice(text.trim_ascii_start());
    }
    line.trim_ascii().to_vec()
}

fn flush(out: &mut String, words: &mut Option<(&[u8], Vec<u8>)>) {
    if let Some((charset, octets)) = words.take() {
        out.push_str(&decode_text(&octets, core::str::from_utf8(charset).ok()));
    }
}

struct EncodedWord<'a> {
    charset: &'a [u8],
    octets: Vec<u8>,
    /// Octets of the word as it is written.
    length: usize,
}

/// `=?charset?encoding?text?=` at the start.
fn encoded_word(text: &[u8]) -> Option<EncodedWord<'_>> {
    let inner = text.strip_prefix(b"=?")?;
    let charset_end = memchr::memchr(b'?', &inner[..inner.len().min(60)])?;
    let encoding = *inner.get(charset_end + 1)?;
    (inner.get(charset_end + 2) == Some(&b'?')).then_some(())?;
    let body = &inner[charset_end + 3..];
    let end = memchr::memmem::find(&body[..body.len().min(1000)], b"?=")?;
    let (encoding, encoded) = match encoding {
        b'B' | b'b' => (Encoding::Base64, body[..end].to_vec()),
        b'Q' | b'q' => (Encoding::QuotedPrintable, underscores(&body[..end])),
        _ => return None,
    };
    let mut octets = Vec::new();
    let mut decoder = Decoder::new(encoding)?;
    decoder.feed(&encoded, &mut octets).ok()?;
    // Half an octet at the end is dropped: something is better than nothing here.
    let _ = decoder.finish(&mut octets);
    // RFC 2231 §5: a language may follow the charset.
    let charset = inner[..charset_end].split(|b| *b == b'*').next()?;
    Some(EncodedWord {
        charset,
        octets,
        length: 2 + charset_end + 3 + end + 2,
    })
}

/// Underscores are spaces, also at the end (RFC 2047 §4.2).
fn underscores(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for &b in text {
        match b {
            b'_' => out.extend_from_slice(b"=20"),
            _ => out.push(b),
        }
    }
    out
}

/// The charset of this name. US-ASCII is as good as none: octets beyond it are in a charset that nobody named.
pub(super) fn known_charset(label: &str) -> Option<&'static encoding_rs::Encoding> {
    const ASCII: [&str; 4] = ["us-ascii", "ascii", "ansi_x3.4-1968", "iso646-us"];
    let label = label.trim();
    let ascii = ASCII.iter().any(|a| label.eq_ignore_ascii_case(a));
    (!ascii)
        .then(|| encoding_rs::Encoding::for_label_no_replacement(label.as_bytes()))
        .flatten()
}

/// Octets in a charset as text; without one, or with one that is not known, UTF-8 if it is, else windows-1252.
#[must_use]
pub fn decode_text(octets: &[u8], charset: Option<&str>) -> String {
    match charset.and_then(Charsets::named) {
        Some(charset) => {
            let mut decoder = CharsetDecoder(charset);
            decoder.feed(octets) + &decoder.finish()
        }
        None => match core::str::from_utf8(octets) {
            Ok(text) => String::from(text),
            Err(_) => encoding_rs::WINDOWS_1252
                .decode_without_bom_handling(octets)
                .0
                .into_owned(),
        },
    }
}

/// A charset that texts to search for may be in.
pub(crate) type Charset = &'static encoding_rs::Encoding;

/// The charset of this name for SEARCH: one that a literal can be in, so none with NUL in its text.
pub(crate) fn search_charset(label: &str) -> Option<Charset> {
    let odd = [
        encoding_rs::UTF_16LE,
        encoding_rs::UTF_16BE,
        encoding_rs::X_USER_DEFINED,
    ];
    if label.eq_ignore_ascii_case("us-ascii") {
        return Some(encoding_rs::UTF_8);
    }
    known_charset(label).filter(|charset| !odd.contains(charset))
}

/// A text to search for; `None`: it is not in this charset.
pub(crate) fn decode_search(octets: &[u8], charset: Charset) -> Option<String> {
    let text = charset.decode_without_bom_handling_and_without_replacement(octets)?;
    Some(text.into_owned())
}

/// Undoes a charset in any chunking; one that is not known is taken for UTF-8.
#[derive(Debug)]
pub struct CharsetDecoder(Charsets);

#[derive(Debug)]
enum Charsets {
    Utf7(Utf7),
    Other(encoding_rs::Decoder),
}

impl Charsets {
    fn named(label: &str) -> Option<Self> {
        if Utf7::is_named(label) {
            return Some(Self::Utf7(Utf7::default()));
        }
        let charset = known_charset(label)?;
        let little = label.trim().eq_ignore_ascii_case("utf-16le");
        Some(Self::Other(
            if charset == encoding_rs::UTF_16LE && !little {
                // The byte order mark decides; without one it is big-endian (RFC 2781 §4.3).
                encoding_rs::UTF_16BE.new_decoder()
            } else {
                charset.new_decoder_without_bom_handling()
            },
        ))
    }
}

impl CharsetDecoder {
    /// A decoder for the charset of this name.
    #[must_use]
    pub fn new(charset: Option<&str>) -> Self {
        let utf_8 = || Charsets::Other(encoding_rs::UTF_8.new_decoder_without_bom_handling());
        Self(charset.and_then(Charsets::named).unwrap_or_else(utf_8))
    }

    /// The text of the next octets; a character that is not whole waits.
    pub fn feed(&mut self, octets: &[u8]) -> String {
        self.decode(octets, false)
    }

    /// What is left at the end.
    pub fn finish(&mut self) -> String {
        self.decode(&[], true)
    }

    fn decode(&mut self, octets: &[u8], last: bool) -> String {
        let mut text = String::new();
        match &mut self.0 {
            Charsets::Utf7(decoder) => {
                decoder.feed(octets, &mut text);
                if last {
                    decoder.finish(&mut text);
                }
            }
            Charsets::Other(decoder) => {
                let room = decoder.max_utf8_buffer_length(octets.len());
                text.reserve(room.unwrap_or(octets.len()));
                // The capacity is enough for all of it.
                let _ = decoder.decode_to_string(octets, &mut text, last);
            }
        }
        text
    }
}

/// A form in which texts that differ only in case or composition are equal: whatever i;unicode-casemap makes equal (RFC 5051), and what differs
/// as ß and SS do. A mark stays, behind its letter.
#[must_use]
pub fn fold_case(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    // Small letters first: the capital of ß is its own capital.
    text.nfkd()
        .flat_map(char::to_lowercase)
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .nfkd()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_words() {
        assert_eq!(
            decode_header(b" =?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=\r\n"),
            "ab"
        );
        assert_eq!(decode_header(b"=?ISO-8859-1?Q?a_b?= c"), "a b c");
        assert_eq!(decode_header(b"=?utf-8?B?w7w=?= x =?bad"), "ü x =?bad");
        assert_eq!(
            decode_header(b" a\r\n\tb \r\n \t c\td\n e\r\n"),
            "a b c\td e"
        );
        assert_eq!(decode_header("Grüße".as_bytes()), "Grüße");
        // A character in two words, other charsets in a row, text between.
        assert_eq!(
            decode_header(b"=?utf-8?Q?=C3?= =?UTF-8?B?vA==?= =?latin1?q?=FC?=!"),
            "üü!"
        );
        assert_eq!(decode_header(b"a=?utf-8?q?b?=c =?utf-8?q?d?="), "abc d");
        // RFC 2152, and base64 of UTF-7 that goes on in the next word.
        assert_eq!(
            decode_header(b"=?UNICODE-1-1-UTF-7?Q?A+ImIDkQ.?="),
            "A\u{2262}\u{391}."
        );
        assert_eq!(
            decode_header(b"=?utf-7?Q?+ZeVn?= =?UTF-7?Q?LIqe-?="),
            "日本語"
        );
    }

    #[test]
    fn the_mark_decides_how_utf_16_is_ordered() {
        for (label, octets) in [
            ("utf-16", &b"\xfe\xff\0\xe9\0x"[..]),
            ("UTF-16", b"\xff\xfe\xe9\0x\0"),
            (" utf-16 ", b"\0\xe9\0x"),
            ("utf-16be", b"\0\xe9\0x"),
            ("utf-16le", b"\xe9\0x\0"),
        ] {
            assert_eq!(decode_text(octets, Some(label)), "éx", "{label}");
            for cut in 0..octets.len() {
                let mut decoder = CharsetDecoder::new(Some(label));
                let mut text = decoder.feed(&octets[..cut]);
                text += &decoder.feed(&octets[cut..]);
                assert_eq!(text + &decoder.finish(), "éx", "{label} cut at {cut}");
            }
        }
    }

    #[test]
    fn case_and_composition_fold() {
        assert_eq!(fold_case("STRASSE"), fold_case("straße"));
        assert_eq!(fold_case("É"), fold_case("e\u{301}"));
    }
}
