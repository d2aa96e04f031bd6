//! A header as SEARCH looks at it: decoded and folded once, by name, however many keys look at however many fields.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

use memchr::memmem;

use super::text::fold;
use crate::message::{decode_header, header_fields};

/// Stands between fields, and is no octet of UTF-8: what is found lies within a field.
const BETWEEN: u8 = 0xff;

/// What is asked of a header.
#[derive(Default)]
pub(super) struct Asked {
    names: BTreeSet<Vec<u8>>,
    lines: bool,
}

impl Asked {
    /// The fields of this name are asked for.
    pub(super) fn field(&mut self, name: &str) {
        self.names.insert(name.as_bytes().to_ascii_lowercase());
    }

    /// All of it is.
    pub(super) fn lines(&mut self) {
        self.lines = true;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty() && !self.lines
    }
}

/// What was asked for, encoded words decoded and case folded; white space behind the colon belongs to the text.
#[derive(Default)]
pub(super) struct Header {
    fields: BTreeMap<Vec<u8>, Vec<u8>>,
    lines: Vec<u8>,
}

impl Header {
    pub(super) fn new(octets: &[u8], asked: &Asked) -> Self {
        let mut header = Self::default();
        let mut lower = Vec::new();
        for (name, value) in header_fields(octets) {
            lower.clear();
            lower.extend(name.iter().map(u8::to_ascii_lowercase));
            let named = asked.names.contains(&lower);
            if !named && !asked.lines {
                continue;
            }
            let value = folded(value);
            if asked.lines {
                // A field's name is ASCII.
                let name: String = lower.iter().copied().map(char::from).collect();
                header.lines.extend_from_slice(fold(&name).as_bytes());
                header.lines.push(b':');
                header.lines.extend_from_slice(value.as_bytes());
                header.lines.push(BETWEEN);
            }
            if named {
                let text = header.fields.entry(lower.clone()).or_default();
                text.extend_from_slice(value.as_bytes());
                text.push(BETWEEN);
            }
        }
        header
    }

    /// Whether there is a field of this name with this text.
    pub(super) fn has(&self, name: &str, text: &str) -> bool {
        let values = self.fields.get(&name.as_bytes().to_ascii_lowercase());
        values.is_some_and(|values| is_within(values, text))
    }

    /// Whether there is a field with this text, its name counted in.
    pub(super) fn contains(&self, text: &str) -> bool {
        is_within(&self.lines, text)
    }
}

/// All of a header, as it is looked through for texts.
pub(super) fn lines(octets: &[u8]) -> Vec<u8> {
    let mut asked = Asked::default();
    asked.lines();
    Header::new(octets, &asked).lines
}

fn is_within(fields: &[u8], text: &str) -> bool {
    memmem::find(fields, fold(text).as_bytes()).is_some()
}

fn folded(value: &[u8]) -> String {
    let space = value.starts_with(b" ") || value.starts_with(b"\t");
    let space = if space { " " } else { "" };
    fold(&alloc::format!("{space}{}", decode_header(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_lies_within_a_field() {
        let octets = b"To: a\r\nto:b\r\n c\r\nSubject: =?utf-8?q?x=EF=BF=BFy?=\r\n\r\nTo: d\r\n";
        let mut asked = Asked::default();
        ["TO", "cc"].iter().for_each(|name| asked.field(name));
        let header = Header::new(octets, &asked);
        for text in ["", " A", "b c"] {
            assert!(header.has("To", text), "{text:?}");
        }
        for text in ["ab", "a\u{ff}b", "\u{ff}", "d"] {
            assert!(!header.has("To", text), "{text:?}");
        }
        assert!(
            !header.has("Cc", "") && !header.has("Subject", "x"),
            "nobody asked"
        );
        asked.lines();
        let header = Header::new(octets, &asked);
        for (text, found) in [
            ("to:B", true),
            ("subject: x", true),
            ("c\u{ff}s", false),
            ("x\u{ffff}Y", true),
        ] {
            assert_eq!(header.contains(text), found, "{text:?}");
        }
    }
}
