//! A message's parts as a flat table in the order they come, each parent before its children: offsets, and what BODYSTRUCTURE says of them.

use alloc::string::String;
use alloc::vec::Vec;

use super::decode::Encoding;
pub(super) use words::{Word, Words};

mod words;

/// Octets `start..end` of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    /// The first octet.
    pub start: u64,
    /// Behind the last octet.
    pub end: u64,
}

/// What of a part (RFC 9051 §6.4.5.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// All of it; of a numbered part its body.
    Whole,
    /// The header of a message.
    Header,
    /// The body of a message.
    Text,
    /// The MIME header of a numbered part.
    Mime,
}

/// A part that can be decoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Leaf {
    /// Its octets.
    pub span: Span,
    /// How they are encoded.
    pub encoding: Encoding,
    /// Whether it is text/*: BINARY gives it CRLF line ends (RFC 9051 §7.5.2).
    pub text: bool,
}

/// A part that holds text for SEARCH.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TextPart {
    /// Whether it is the header of a part or of a message within: TEXT looks at it, BODY does not.
    pub header: bool,
    /// Its octets.
    pub span: Span,
    /// How they are encoded.
    pub encoding: Encoding,
    /// Its charset, as named.
    pub charset: Option<String>,
}

/// What a part is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Leaf,
    Multipart,
    /// message/rfc822: its one child is the message inside.
    Message,
}

/// One part.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Entry {
    /// The index of the part it is in; its own for the message itself.
    pub parent: u32,
    pub kind: Kind,
    pub encoding: Encoding,
    /// Whether it is text/*.
    pub text: bool,
    /// Where its header begins, its body begins, its body ends.
    pub header: u64,
    pub body: u64,
    pub end: u64,
    pub lines: u64,
    pub charset: Option<String>,
    pub words: Words,
}

impl Entry {
    fn is_encoded_message(&self) -> bool {
        self.kind == Kind::Message && self.encoding != Encoding::Identity
    }

    /// Whether SEARCH looks at it: text/*, message/*, and multiparts that are none (RFC 9051 §6.4.4).
    fn is_searched(&self) -> bool {
        let named = self.text || self.is_named(b"\"message\"") || self.is_named(b"\"multipart\"");
        self.kind == Kind::Leaf && named
    }

    /// Whether its media type begins so.
    fn is_named(&self, name: &[u8]) -> bool {
        let media = self.words[Word::Media].get(..name.len());
        media.is_some_and(|m| m.eq_ignore_ascii_case(name))
    }
}

/// The structure of one message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Structure {
    pub(super) parts: Vec<Entry>,
    /// The children of all parts, by parent and number; of part `n` those at `first[n]..first[n + 1]`.
    children: Vec<u32>,
    first: Vec<u32>,
}

impl Structure {
    /// Each part's parent comes before it.
    pub(super) fn new(parts: Vec<Entry>) -> Self {
        let mut first = alloc::vec![0; parts.len() + 1];
        for part in parts.iter().skip(1) {
            first[part.parent as usize + 1] += 1;
        }
        for at in 1..first.len() {
            first[at] += first[at - 1];
        }
        let mut next = first.clone();
        let mut children = alloc::vec![0; parts.len().saturating_sub(1)];
        for (at, part) in (0u32..).zip(&parts).skip(1) {
            let place = &mut next[part.parent as usize];
            children[*place as usize] = at;
            *place += 1;
        }
        Self {
            parts,
            children,
            first,
        }
    }

    /// The indices of a part's children.
    pub(super) fn children(&self, at: usize) -> &[u32] {
        &self.children[self.first[at] as usize..self.first[at + 1] as usize]
    }

    /// Octets of the message's header, the blank line included.
    #[must_use]
    pub fn header_len(&self) -> u64 {
        self.parts.first().map_or(0, |p| p.body)
    }

    /// ENVELOPE in wire form (RFC 9051 §7.5.2).
    #[must_use]
    pub fn envelope(&self) -> Vec<u8> {
        self.parts
            .first()
            .map(|p| p.words[Word::Envelope].to_vec())
            .unwrap_or_default()
    }

    /// The same parts without any of the message's words: what [`Structure::locate`] and [`Structure::leaf`] say stays, the rest is empty.
    #[must_use]
    pub fn without_words(&self) -> Self {
        let bare = |part: &Entry| Entry {
            charset: None,
            words: Words::default(),
            ..*part
        };
        Self::new(self.parts.iter().map(bare).collect())
    }

    /// The octets a section names; `None`: there is no such part.
    #[must_use]
    pub fn locate(&self, path: &[u32], what: Part) -> Option<Span> {
        let at = self.part(path)?;
        let part = &self.parts[at];
        match what {
            Part::Whole if path.is_empty() => Some(Span {
                start: part.header,
                end: part.end,
            }),
            Part::Whole => Some(Span {
                start: part.body,
                end: part.end,
            }),
            Part::Mime if path.is_empty() => None,
            Part::Mime => Some(Span {
                start: part.header,
                end: part.body,
            }),
            Part::Header | Part::Text => {
                let message = if path.is_empty() {
                    part
                } else {
                    &self.parts[self.inner_message(at)?]
                };
                Some(match what {
                    Part::Header => Span {
                        start: message.header,
                        end: message.body,
                    },
                    _ => Span {
                        start: message.body,
                        end: message.end,
                    },
                })
            }
        }
    }

    /// A numbered part for BINARY; a multipart has no content of its own.
    #[must_use]
    pub fn leaf(&self, path: &[u32]) -> Option<Leaf> {
        let part = &self.parts[self.part(path)?];
        (part.kind != Kind::Multipart).then_some(Leaf {
            span: Span {
                start: part.body,
                end: part.end,
            },
            encoding: part.encoding,
            text: part.text,
        })
    }

    /// What holds text: bodies of text, and the headers of parts and of messages within. The message's own header is not among them.
    pub fn text_parts(&self) -> impl Iterator<Item = TextPart> + '_ {
        // What is within an encoded message cannot be told apart: it is decoded as one text.
        let mut encoded = alloc::vec![false; self.parts.len()];
        self.parts.iter().enumerate().flat_map(move |(at, part)| {
            let parent = part.parent as usize;
            let hidden = at > 0 && encoded[parent];
            let is_text = part.is_searched() || part.is_encoded_message();
            encoded[at] = hidden || part.is_encoded_message();
            let header = (at > 0 && !hidden && part.header < part.body).then_some(TextPart {
                header: true,
                span: Span {
                    start: part.header,
                    end: part.body,
                },
                encoding: Encoding::Identity,
                charset: None,
            });
            let body = (is_text && !hidden).then(|| TextPart {
                header: false,
                span: Span {
                    start: part.body,
                    end: part.end,
                },
                encoding: part.encoding,
                charset: part.charset.clone(),
            });
            header.into_iter().chain(body)
        })
    }

    /// The index of the part of this number (RFC 9051 §6.4.5.1: a message that is no multipart has one part, itself).
    fn part(&self, path: &[u32]) -> Option<usize> {
        let mut at = 0;
        // Where numbers count: within a message or a multipart.
        let mut message = !self.parts.is_empty();
        for (depth, &number) in path.iter().enumerate() {
            if depth > 0 {
                message = false;
                if let Some(inner) = self.inner_message(at) {
                    at = inner;
                    message = true;
                }
            }
            at = match self.parts[at].kind {
                Kind::Multipart => self.child(at, number)?,
                _ if message && number == 1 => at,
                _ => return None,
            };
        }
        (!self.parts.is_empty()).then_some(at)
    }

    fn inner_message(&self, at: usize) -> Option<usize> {
        (self.parts[at].kind == Kind::Message)
            .then(|| self.child(at, 1))
            .flatten()
    }

    fn child(&self, at: usize, number: u32) -> Option<usize> {
        let nth = usize::try_from(number.checked_sub(1)?).ok()?;
        self.children(at).get(nth).map(|i| *i as usize)
    }
}

/// The version of the stored form.
const VERSION: u8 = 2;
/// The one before: a multipart within another may end behind the line end of its last delimiter, which belongs to the delimiter that follows.
const V1: u8 = 1;

impl Structure {
    /// The form a store keeps: versioned and with a checksum.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let words = self.parts.iter().map(|part| part.words.len());
        let mut out = Vec::with_capacity(words.map(|octets| octets + 64).sum::<usize>() + 16);
        out.push(VERSION);
        put(&mut out, self.parts.len() as u64);
        for part in &self.parts {
            put(&mut out, u64::from(part.parent));
            out.push(
                kind_code(part.kind) | encoding_code(part.encoding) << 2 | u8::from(part.text) << 4,
            );
            for n in [part.header, part.body, part.end, part.lines] {
                put(&mut out, n);
            }
            let charset = part.charset.as_deref().unwrap_or("").as_bytes();
            for text in core::iter::once(charset).chain(part.words.iter()) {
                put(&mut out, text.len() as u64);
                out.extend_from_slice(text);
            }
        }
        let sum = checksum(&out);
        out.extend_from_slice(&sum.to_le_bytes());
        out
    }

    /// Whether what a store has kept is what it would keep of the message today. Of what is not, the structure, BODY and BODYSTRUCTURE are to be
    /// computed anew from the message.
    #[must_use]
    pub fn is_current(octets: &[u8]) -> bool {
        match octets.first() {
            Some(&VERSION) => true,
            Some(&V1) => Self::decode(octets).is_some_and(|s| !s.has_inner_multipart()),
            _ => false,
        }
    }

    fn has_inner_multipart(&self) -> bool {
        let mut inner = self.parts.iter().skip(1);
        // One without parts is a leaf.
        inner.any(|part| part.kind == Kind::Multipart || part.is_named(b"\"multipart\""))
    }

    /// Reads what [`Structure::encode`] wrote, of the version before, too; `None` for anything else, which is then to be computed anew.
    #[must_use]
    pub fn decode(octets: &[u8]) -> Option<Self> {
        let (content, sum) = octets.split_last_chunk::<4>()?;
        (checksum(content) == u32::from_le_bytes(*sum)).then_some(())?;
        let (&(VERSION | V1), mut rest) = content.split_first()? else {
            return None;
        };
        let count = get(&mut rest)?;
        let mut parts = Vec::new();
        for at in 0..count {
            let parent = u32::try_from(get(&mut rest)?).ok()?;
            let parent_first = u64::from(parent) < at || (at == 0 && parent == 0);
            parent_first.then_some(())?;
            let (&code, tail) = rest.split_first()?;
            rest = tail;
            let [header, body, end, lines] = [
                get(&mut rest)?,
                get(&mut rest)?,
                get(&mut rest)?,
                get(&mut rest)?,
            ];
            (header <= body && body <= end).then_some(())?;
            let charset = String::from_utf8(text(&mut rest)?.to_vec()).ok()?;
            let mut words = [&[][..]; Words::COUNT];
            for word in &mut words {
                *word = text(&mut rest)?;
            }
            parts.push(Entry {
                parent,
                kind: [Kind::Leaf, Kind::Multipart, Kind::Message]
                    .get(usize::from(code & 3))
                    .copied()?,
                encoding: ENCODINGS[usize::from(code >> 2 & 3)],
                text: code >> 4 & 1 == 1,
                header,
                body,
                end,
                lines,
                charset: (!charset.is_empty()).then_some(charset),
                words: Words::of(words),
            });
        }
        (rest.is_empty() && !parts.is_empty()).then(|| Self::new(parts))
    }
}

const ENCODINGS: [Encoding; 4] = [
    Encoding::Identity,
    Encoding::Base64,
    Encoding::QuotedPrintable,
    Encoding::Unknown,
];

fn encoding_code(encoding: Encoding) -> u8 {
    match encoding {
        Encoding::Identity => 0,
        Encoding::Base64 => 1,
        Encoding::QuotedPrintable => 2,
        Encoding::Unknown => 3,
    }
}

fn kind_code(kind: Kind) -> u8 {
    match kind {
        Kind::Leaf => 0,
        Kind::Multipart => 1,
        Kind::Message => 2,
    }
}

/// Seven bits an octet, the least first.
fn put(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push((n & 0x7f) as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

fn get(rest: &mut &[u8]) -> Option<u64> {
    let mut n = 0u64;
    for shift in (0..63).step_by(7) {
        let (&b, tail) = rest.split_first()?;
        *rest = tail;
        n |= u64::from(b & 0x7f) << shift;
        if b < 0x80 {
            return Some(n);
        }
    }
    None
}

fn text<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(get(rest)?).ok()?;
    let (text, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    Some(text)
}

/// FNV-1a: finds damage, not malice; the octets come from our own store.
fn checksum(octets: &[u8]) -> u32 {
    octets.iter().fold(0x811c_9dc5, |sum, b| {
        (sum ^ u32::from(*b)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests;
