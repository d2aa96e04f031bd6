//! Sections of FETCH: how they are named, and where their octets are.

use alloc::vec::Vec;
use bytes::Bytes;

use crate::ast::{FetchItem, Section, SectionName, SectionText};
use crate::effect::Row;
use crate::message::{Decoder, Encoding, Part, Span, Structure, select_fields};
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
#[derive(Clone, Debug)]
pub(super) enum Content {
    /// As they are; the partial range is applied already.
    Raw(Span),
    /// A header, of which some fields are wanted.
    Fields {
        span: Span,
        names: Vec<Bytes>,
        not: bool,
        partial: Option<(u64, u64)>,
    },
    /// A part whose transfer encoding is undone.
    Binary {
        span: Span,
        encoding: Encoding,
        partial: Option<(u64, u64)>,
        size_only: bool,
    },
}

impl Content {
    pub(super) fn span(&self) -> Span {
        match self {
            Self::Raw(span) | Self::Fields { span, .. } | Self::Binary { span, .. } => *span,
        }
    }

    pub(super) fn decoder(&self) -> Option<Decoder> {
        match self {
            Self::Binary { encoding, .. } => Decoder::new(*encoding),
            _ => None,
        }
    }

    /// Whether what comes out may hold NUL, and so needs `literal8` (RFC 3516 §4.3).
    pub(super) fn has_nul(&self) -> bool {
        matches!(
            self,
            Self::Binary {
                encoding: Encoding::Base64 | Encoding::QuotedPrintable,
                ..
            }
        )
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
            SectionText::Whole => {
                return Source::Content(Content::Raw(within(
                    Span {
                        start: 0,
                        end: row.size,
                    },
                    partial,
                )));
            }
            SectionText::Header => return Source::Octets(cut(&row.header, partial)),
            SectionText::Fields { names, not } => {
                let names: Vec<&[u8]> = names.iter().map(|n| &n[..]).collect();
                return Source::Octets(cut(
                    &Bytes::from(select_fields(&row.header, &names, *not)),
                    partial,
                ));
            }
            SectionText::Text | SectionText::Mime => {}
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
        SectionText::Fields { names, not } => Source::Content(Content::Fields {
            span,
            names: names.clone(),
            not: *not,
            partial,
        }),
        _ => Source::Content(Content::Raw(within(span, partial))),
    }
}

fn binary_source(
    path: &[u32],
    partial: Option<(u64, u64)>,
    size_only: bool,
    row: &Row,
    structure: Option<&Structure>,
) -> Source {
    if path.is_empty() {
        let span = Span {
            start: 0,
            end: row.size,
        };
        return Source::Content(Content::Binary {
            span,
            encoding: Encoding::Identity,
            partial,
            size_only,
        });
    }
    match structure.and_then(|st| st.leaf(path)) {
        Some(leaf) => Source::Content(Content::Binary {
            span: leaf.span,
            encoding: leaf.encoding,
            partial,
            size_only,
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
