//! Sections of FETCH: how they are named, and where their octets are.

use alloc::vec::Vec;
use bytes::Bytes;

use crate::ast::{FetchItem, FieldNames, Section, SectionName, SectionText};
use crate::effect::Row;
use crate::message::{
    DecodeError, Decoder, Encoding, FieldSelector, Leaf, Part, Span, Structure, select_fields,
};
use crate::wire::output::Output;

/// Where an item's octets are.
#[derive(Debug)]
pub(super) enum Source {
    /// There is no such part.
    Nil,
    /// Here.
    Octets(Bytes),
    /// In the message.
    Content(Content),
}

/// Octets of the message, and what is to be done with them.
#[derive(Debug)]
pub(super) struct Content {
    pub span: Span,
    pub recipe: Recipe,
}

/// What is to be done with octets of the message.
#[derive(Debug)]
pub(super) enum Recipe {
    /// Nothing; the partial range is applied already.
    Raw,
    /// A header, of which some fields are wanted.
    Fields {
        names: FieldNames,
        not: bool,
        partial: Option<(u64, u64)>,
    },
    /// A part whose transfer encoding is undone.
    Binary {
        encoding: Encoding,
        text: bool,
        partial: Option<(u64, u64)>,
        size_only: bool,
    },
}

impl Recipe {
    pub(super) fn partial(&self) -> Option<(u64, u64)> {
        match self {
            Self::Raw => None,
            Self::Fields { partial, .. } | Self::Binary { partial, .. } => *partial,
        }
    }

    pub(super) fn size_only(&self) -> bool {
        matches!(
            self,
            Self::Binary {
                size_only: true,
                ..
            }
        )
    }
}

/// A recipe at work, in windows.
#[derive(Clone, Debug)]
pub(super) enum Filter {
    Fields(FieldSelector),
    Binary(Decoder, Option<LineEnds>),
    /// The encoding is not known.
    Undecodable,
}

impl Filter {
    pub(super) fn new(recipe: &Recipe) -> Self {
        match recipe {
            Recipe::Raw => Self::Undecodable,
            Recipe::Fields { names, not, .. } => {
                Self::Fields(FieldSelector::new(names.iter(), *not))
            }
            Recipe::Binary { encoding, text, .. } => match Decoder::new(*encoding) {
                Some(decoder) => Self::Binary(decoder, text.then(LineEnds::default)),
                None => Self::Undecodable,
            },
        }
    }

    /// What comes of the next octets; `last`: no more follow.
    pub(super) fn feed(&mut self, octets: &[u8], last: bool) -> Result<Vec<u8>, DecodeError> {
        let mut out = Vec::new();
        match self {
            Self::Fields(selector) => {
                selector.feed(octets, &mut out);
                if last {
                    selector.finish(&mut out);
                }
            }
            Self::Binary(decoder, line_ends) => {
                decoder.feed(octets, &mut out)?;
                if last {
                    decoder.finish(&mut out)?;
                }
                if let Some(line_ends) = line_ends {
                    out = line_ends.crlf(&out);
                }
            }
            Self::Undecodable => return Err(DecodeError),
        }
        Ok(out)
    }
}

/// Makes CRLF of LF.
#[derive(Clone, Debug, Default)]
pub(super) struct LineEnds {
    after_cr: bool,
}

impl LineEnds {
    fn crlf(&mut self, octets: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(octets.len());
        let mut rest = octets;
        while let Some(lf) = memchr::memchr(b'\n', rest) {
            let line = &rest[..lf];
            out.extend_from_slice(line);
            if !line.last().map_or(self.after_cr, |b| *b == b'\r') {
                out.push(b'\r');
            }
            out.push(b'\n');
            self.after_cr = false;
            rest = &rest[lf + 1..];
        }
        out.extend_from_slice(rest);
        if let Some(last) = rest.last() {
            self.after_cr = *last == b'\r';
        }
        out
    }
}

/// Finds an item's octets.
pub(super) fn locate(item: &FetchItem, row: &Row, structure: Option<&Structure>) -> Source {
    match item {
        FetchItem::Section {
            section, partial, ..
        } => section_source(section, *partial, row, structure),
        FetchItem::Binary { path, partial, .. } => {
            binary_source(path, *partial, false, row, structure)
        }
        FetchItem::BinarySize(path) => binary_source(path, None, true, row, structure),
        _ => Source::Nil,
    }
}

fn section_source(
    section: &Section,
    partial: Option<(u64, u64)>,
    row: &Row,
    structure: Option<&Structure>,
) -> Source {
    if section.path.is_empty() {
        match &section.text {
            SectionText::Whole => return raw(whole(row), partial),
            // A header that is too large to come with the row is read in windows.
            SectionText::Header if row.structure.is_empty() || !row.header.is_empty() => {
                return Source::Octets(cut(&row.header, partial));
            }
            SectionText::Fields { names, not }
                if row.structure.is_empty() || !row.header.is_empty() =>
            {
                let names: Vec<&[u8]> = names.iter().collect();
                let fields = Bytes::from(select_fields(&row.header, &names, *not));
                return Source::Octets(cut(&fields, partial));
            }
            _ => {}
        }
    }
    let part = match section.text {
        SectionText::Whole => Part::Whole,
        SectionText::Header | SectionText::Fields { .. } => Part::Header,
        SectionText::Text => Part::Text,
        SectionText::Mime => Part::Mime,
    };
    let Some(span) = structure.and_then(|st| st.locate(&section.path, part)) else {
        return Source::Nil;
    };
    match &section.text {
        SectionText::Fields { names, not } => Source::Content(Content {
            span,
            recipe: Recipe::Fields {
                names: names.clone(),
                not: *not,
                partial,
            },
        }),
        _ => raw(span, partial),
    }
}

fn whole(row: &Row) -> Span {
    Span {
        start: 0,
        end: row.size,
    }
}

fn raw(span: Span, partial: Option<(u64, u64)>) -> Source {
    Source::Content(Content {
        span: within(span, partial),
        recipe: Recipe::Raw,
    })
}

fn binary_source(
    path: &[u32],
    partial: Option<(u64, u64)>,
    size_only: bool,
    row: &Row,
    structure: Option<&Structure>,
) -> Source {
    let leaf = if path.is_empty() {
        // The message itself is in no encoding.
        Some(Leaf {
            span: whole(row),
            encoding: Encoding::Identity,
            text: false,
        })
    } else {
        structure.and_then(|st| st.leaf(path))
    };
    match leaf {
        Some(leaf) => Source::Content(Content {
            span: leaf.span,
            recipe: Recipe::Binary {
                encoding: leaf.encoding,
                text: leaf.text,
                partial,
                size_only,
            },
        }),
        None => Source::Nil,
    }
}

/// `<offset.length>` on a span: beyond the end nothing is left (RFC 9051 §6.4.5.1).
fn within(span: Span, partial: Option<(u64, u64)>) -> Span {
    let (from, to) = clamp(partial, span.end - span.start);
    Span {
        start: span.start + from,
        end: span.start + to,
    }
}

/// The range of `<offset.length>` within so many octets.
pub(super) fn clamp(partial: Option<(u64, u64)>, size: u64) -> (u64, u64) {
    match partial {
        None => (0, size),
        Some((offset, length)) => (offset.min(size), offset.saturating_add(length).min(size)),
    }
}

pub(super) fn cut(octets: &Bytes, partial: Option<(u64, u64)>) -> Bytes {
    let (from, to) = clamp(partial, octets.len() as u64);
    // Both are at most the length, a usize.
    octets.slice(usize::try_from(from).unwrap_or(0)..usize::try_from(to).unwrap_or(0))
}

/// The item's name as it is answered, with the origin octet of a partial, and a space.
pub(super) fn write_name(out: &mut Output, item: &FetchItem) {
    match item {
        FetchItem::Section {
            name: SectionName::Rfc822,
            ..
        } => out.put(b"RFC822"),
        FetchItem::Section {
            name: SectionName::Rfc822Header,
            ..
        } => out.put(b"RFC822.HEADER"),
        FetchItem::Section {
            name: SectionName::Rfc822Text,
            ..
        } => out.put(b"RFC822.TEXT"),
        FetchItem::Section {
            name: SectionName::Body,
            section,
            partial,
            ..
        } => {
            out.put(b"BODY[");
            write_section(out, section);
            out.put(b"]");
            write_origin(out, *partial);
        }
        FetchItem::Binary { path, partial, .. } => {
            out.put(b"BINARY[");
            write_path(out, path);
            out.put(b"]");
            write_origin(out, *partial);
        }
        FetchItem::BinarySize(path) => {
            out.put(b"BINARY.SIZE[");
            write_path(out, path);
            out.put(b"]");
        }
        _ => {}
    }
    out.put(b" ");
}

fn write_origin(out: &mut Output, partial: Option<(u64, u64)>) {
    if let Some((offset, _)) = partial {
        out.put(b"<");
        out.number(offset);
        out.put(b">");
    }
}

fn write_path(out: &mut Output, path: &[u32]) {
    for (i, n) in path.iter().enumerate() {
        if i > 0 {
            out.put(b".");
        }
        out.number(u64::from(*n));
    }
}

fn write_section(out: &mut Output, section: &Section) {
    write_path(out, &section.path);
    if !section.path.is_empty() && section.text != SectionText::Whole {
        out.put(b".");
    }
    match &section.text {
        SectionText::Whole => {}
        SectionText::Header => out.put(b"HEADER"),
        SectionText::Text => out.put(b"TEXT"),
        SectionText::Mime => out.put(b"MIME"),
        SectionText::Fields { names, not } => {
            out.put(if *not {
                b"HEADER.FIELDS.NOT ("
            } else {
                b"HEADER.FIELDS ("
            });
            for (i, name) in names.iter().enumerate() {
                if i > 0 {
                    out.put(b" ");
                }
                out.astring(name);
            }
            out.put(b")");
        }
    }
}
