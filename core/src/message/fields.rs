//! The header fields that BODYSTRUCTURE and ENVELOPE tell of, and how they are told (RFC 9051 §7.5.2).

use alloc::vec::Vec;
use core::ops::Range;

use super::address::Reader;
use super::param::Value;
use super::quote::{nstring, string};
use super::structure::{Word, Words};

/// Octets kept of one header field, and of all of them: longer ones are cut, since ENVELOPE and BODYSTRUCTURE repeat them.
pub(super) const FIELD: usize = 256 << 10;
pub(super) const FIELDS: usize = 2 << 20;
/// Addresses rendered of one field, and of all of them: each is longer on the wire than in the mail.
const ADDRESSES: usize = 10_000;
pub(super) const ALL_ADDRESSES: usize = 30_000;

/// The fields of one header that matter, raw but for the ends of lines: the first of each name, and all of destinations together.
#[derive(Debug)]
pub(super) struct Fields {
    /// Values one behind the other. Those of To, Cc and Bcc are apart, a text each: more may come of them.
    texts: [Vec<u8>; 4],
    found: Vec<(Field, Range<usize>)>,
    current: Option<usize>,
    /// The default is message/rfc822, not text/plain.
    pub in_digest: bool,
}

macro_rules! fields {
    ($($variant:ident = $name:literal),* $(,)?) => {
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(super) enum Field { $($variant,)* }

        impl Field {
            fn named(name: &[u8]) -> Option<Self> {
                $(if name.eq_ignore_ascii_case($name) { return Some(Self::$variant); })*
                None
            }
        }
    };
}

fields! {
    Date = b"Date", Subject = b"Subject", From = b"From", Sender = b"Sender", ReplyTo = b"Reply-To", To = b"To", Cc = b"Cc", Bcc = b"Bcc",
    InReplyTo = b"In-Reply-To", MessageId = b"Message-ID", Type = b"Content-Type", Transfer = b"Content-Transfer-Encoding",
    Id = b"Content-ID", Description = b"Content-Description", Md5 = b"Content-MD5", Disposition = b"Content-Disposition",
    Language = b"Content-Language", Location = b"Content-Location",
}

impl Field {
    /// Which text has its values.
    fn place(self) -> usize {
        match self {
            Self::To => 1,
            Self::Cc => 2,
            Self::Bcc => 3,
            _ => 0,
        }
    }

    /// Whether further fields are joined to the first by a comma (RFC 5322 §4.5.3).
    fn is_joined(self) -> bool {
        self.place() > 0
    }
}

impl Fields {
    /// Room for the fields of most headers.
    pub(super) fn new() -> Self {
        Self {
            texts: [Vec::with_capacity(512), Vec::new(), Vec::new(), Vec::new()],
            found: Vec::with_capacity(16),
            current: None,
            in_digest: false,
        }
    }

    /// Begins another header.
    pub(super) fn begin(&mut self, in_digest: bool) {
        self.texts.iter_mut().for_each(Vec::clear);
        self.found.clear();
        self.current = None;
        self.in_digest = in_digest;
    }

    pub(super) fn line(&mut self, text: &[u8], budget: &mut usize) {
        if matches!(text.first(), Some(b' ' | b'\t')) {
            if let Some(at) = self.current {
                self.add(at, text, budget);
            }
            return;
        }
        self.current = None;
        let Some(colon) = memchr::memchr(b':', text) else {
            return;
        };
        let Some(field) = Field::named(text[..colon].trim_ascii_end()) else {
            return;
        };
        let at = match self.found.iter().position(|(f, _)| *f == field) {
            None => {
                let begin = self.texts[field.place()].len();
                self.found.push((field, begin..begin));
                self.found.len() - 1
            }
            Some(at) if field.is_joined() => {
                self.add(at, b",", budget);
                at
            }
            Some(_) => return,
        };
        self.current = Some(at);
        self.add(at, &text[colon + 1..], budget);
    }

    /// More of a value that is the last of its text.
    fn add(&mut self, at: usize, text: &[u8], budget: &mut usize) {
        let (field, value) = &mut self.found[at];
        let room = FIELD.saturating_sub(value.len()).min(*budget);
        let keep = text.len().min(room);
        self.texts[field.place()].extend_from_slice(&text[..keep]);
        value.end += keep;
        *budget -= keep;
    }

    pub(super) fn get(&self, field: Field) -> Option<&[u8]> {
        let (_, value) = self.found.iter().find(|(f, _)| *f == field)?;
        Some(&self.texts[field.place()][value.clone()])
    }

    /// The value without white space around it.
    fn text(&self, field: Field) -> Option<&[u8]> {
        self.get(field).map(<[u8]>::trim_ascii)
    }

    /// Octets of all values.
    pub(super) fn len(&self) -> usize {
        self.texts.iter().map(Vec::len).sum()
    }

    pub(super) fn put_fields(&self, words: &mut Words, encoding: Option<&[u8]>) {
        words.put(Word::Fields, |out| {
            nstring(out, self.text(Field::Id));
            out.push(b' ');
            nstring(out, self.text(Field::Description));
            out.push(b' ');
            string(out, encoding.unwrap_or(b"7bit"));
        });
        words.put(Word::Md5, |out| nstring(out, self.text(Field::Md5)));
        words.put(Word::Extension, |out| self.put_extension(out));
    }

    fn put_extension(&self, out: &mut Vec<u8>) {
        match self
            .get(Field::Disposition)
            .map(Value::parse)
            .filter(|d| !d.value().is_empty())
        {
            Some(disposition) => {
                out.push(b'(');
                string(out, disposition.value());
                out.push(b' ');
                disposition.put_params(out);
                out.push(b')');
            }
            None => out.extend_from_slice(b"NIL"),
        }
        out.push(b' ');
        self.put_languages(out);
        out.push(b' ');
        // RFC 2557 §4.4: white space in a URI comes from folding.
        let location = self.text(Field::Location).map(|uri| {
            let mut uri = uri.to_vec();
            uri.retain(|b| !b.is_ascii_whitespace());
            uri
        });
        nstring(out, location.as_deref());
    }

    /// `body-fld-lang`: one, or a list (RFC 3282).
    fn put_languages(&self, out: &mut Vec<u8>) {
        let line = self.text(Field::Language).unwrap_or_default();
        let mut languages = line
            .split(|b| *b == b',')
            .map(<[u8]>::trim_ascii)
            .filter(|l| !l.is_empty())
            .take(100)
            .peekable();
        if languages.peek().is_none() {
            out.extend_from_slice(b"NIL");
            return;
        }
        for (i, language) in languages.enumerate() {
            out.push(if i == 0 { b'(' } else { b' ' });
            string(out, language);
        }
        out.push(b')');
    }

    /// ENVELOPE: always ten members; Sender and Reply-To default to From (RFC 9051 §7.5.2).
    pub(super) fn put_envelope(&self, out: &mut Vec<u8>, left: &mut usize) {
        out.push(b'(');
        nstring(out, self.text(Field::Date));
        out.push(b' ');
        nstring(out, self.text(Field::Subject));
        self.put_lists(out, left);
        for field in [Field::InReplyTo, Field::MessageId] {
            out.push(b' ');
            nstring(out, self.text(field));
        }
        out.push(b')');
    }

    fn put_lists(&self, out: &mut Vec<u8>, left: &mut usize) {
        let mut reader = Reader::default();
        let mut from = 0..0;
        for field in [
            Field::From,
            Field::Sender,
            Field::ReplyTo,
            Field::To,
            Field::Cc,
            Field::Bcc,
        ] {
            out.push(b' ');
            let begin = out.len();
            let value = self.text(field).unwrap_or_default();
            let count = reader.put(out, value, ADDRESSES.min(*left));
            // One field may bring a few more than asked for: the ends of its groups.
            *left = left.saturating_sub(count);
            match field {
                Field::Sender | Field::ReplyTo if count == 0 => {
                    out.extend_from_within(from.clone())
                }
                _ if count == 0 => out.extend_from_slice(b"NIL"),
                _ => {}
            }
            if field == Field::From {
                from = begin..out.len();
            }
        }
    }
}
