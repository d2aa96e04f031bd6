//! The header fields that BODYSTRUCTURE and ENVELOPE tell of, and how they are told (RFC 9051 §7.5.2).

use alloc::vec::Vec;

use super::address::addresses;
use super::param::Value;
use super::quote::{nstring, string, unfold};
use super::structure::Entry;

/// Octets kept of one header field, and of all of them: longer ones are cut, since ENVELOPE and BODYSTRUCTURE repeat them.
pub(super) const FIELD: usize = 256 << 10;
pub(super) const FIELDS: usize = 2 << 20;
/// Addresses rendered of one field, and of all of them: each is longer on the wire than in the mail.
const ADDRESSES: usize = 10_000;
pub(super) const ALL_ADDRESSES: usize = 30_000;

/// The fields of one header that matter, raw: the first of each name, and all of destinations together.
#[derive(Debug, Default)]
pub(super) struct Fields {
    found: Vec<(Field, Vec<u8>)>,
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

impl Fields {
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
                self.found.push((field, Vec::new()));
                self.found.len() - 1
            }
            // RFC 5322 §4.5.3: further lists of a destination are joined to the first by a comma.
            Some(at) if matches!(field, Field::To | Field::Cc | Field::Bcc) => {
                self.add(at, b",", budget);
                at
            }
            Some(_) => return,
        };
        self.current = Some(at);
        self.add(at, &text[colon + 1..], budget);
    }

    fn add(&mut self, at: usize, text: &[u8], budget: &mut usize) {
        let value = &mut self.found[at].1;
        let room = FIELD.saturating_sub(value.len()).min(*budget);
        let keep = text.len().min(room);
        value.extend_from_slice(&text[..keep]);
        *budget -= keep;
    }

    pub(super) fn get(&self, field: Field) -> Option<&[u8]> {
        self.found
            .iter()
            .find(|(f, _)| *f == field)
            .map(|(_, v)| &v[..])
    }

    fn text(&self, field: Field) -> Option<Vec<u8>> {
        self.get(field).map(unfold)
    }

    pub(super) fn put_fields(&self, part: &mut Entry, encoding: Option<&[u8]>) {
        nstring(&mut part.fields, self.text(Field::Id).as_deref());
        part.fields.push(b' ');
        nstring(&mut part.fields, self.text(Field::Description).as_deref());
        part.fields.push(b' ');
        string(&mut part.fields, encoding.unwrap_or(b"7bit"));
        nstring(&mut part.md5, self.text(Field::Md5).as_deref());
        match self
            .get(Field::Disposition)
            .map(Value::parse)
            .filter(|d| !d.value.is_empty())
        {
            Some(disposition) => {
                part.extension.push(b'(');
                string(&mut part.extension, &disposition.value);
                part.extension.push(b' ');
                disposition.put_params(&mut part.extension);
                part.extension.push(b')');
            }
            None => part.extension.extend_from_slice(b"NIL"),
        }
        part.extension.push(b' ');
        self.put_languages(&mut part.extension);
        part.extension.push(b' ');
        // RFC 2557 §4.4: white space in a URI comes from folding.
        let location = self.text(Field::Location).map(|mut uri| {
            uri.retain(|b| !b.is_ascii_whitespace());
            uri
        });
        nstring(&mut part.extension, location.as_deref());
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
    pub(super) fn envelope(&self, left: &mut usize) -> Vec<u8> {
        let mut out = Vec::new();
        out.push(b'(');
        nstring(&mut out, self.text(Field::Date).as_deref());
        out.push(b' ');
        nstring(&mut out, self.text(Field::Subject).as_deref());
        let mut list = |field| {
            let (list, count) = self.text(field).map_or((b"NIL".to_vec(), 0), |v| {
                addresses(&v, ADDRESSES.min(*left))
            });
            // One field may bring a few more than asked for: the ends of its groups.
            *left = left.saturating_sub(count);
            list
        };
        let from = list(Field::From);
        let or_from = |list: Vec<u8>| if list == b"NIL" { from.clone() } else { list };
        let lists = [
            from.clone(),
            or_from(list(Field::Sender)),
            or_from(list(Field::ReplyTo)),
            list(Field::To),
            list(Field::Cc),
            list(Field::Bcc),
        ];
        for list in lists {
            out.push(b' ');
            out.extend_from_slice(&list);
        }
        for field in [Field::InReplyTo, Field::MessageId] {
            out.push(b' ');
            nstring(&mut out, self.text(field).as_deref());
        }
        out.push(b')');
        out
    }
}
