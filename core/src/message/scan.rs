//! The scanner: one pass over a message in any chunking, in bounded memory, with a stack of open parts.

use alloc::string::String;
use alloc::vec::Vec;

use memchr::memmem;

use super::decode::Encoding;
use super::fields::{ALL_ADDRESSES, FIELD, FIELDS, Field, Fields};
use super::param::Value;
use super::quote::string;
use super::structure::{Entry, Kind, Structure, Word, Words};

const DEPTH: usize = 100;
const PARTS: usize = 10_000;
/// Octets kept of a line of a body, for boundaries.
const LINE: usize = 256;
/// Octets of a boundary; RFC 2046 §5.1.1 allows 70.
const BOUNDARY: usize = 200;

/// Reads a message and finds its structure.
#[derive(Debug)]
pub struct Scanner {
    parts: Vec<Entry>,
    open: Vec<Open>,
    /// Of the innermost part, while it is in its header.
    fields: Fields,
    delimiter: memmem::Finder<'static>,
    /// Octets before the present line.
    offset: u64,
    /// What is kept of the present line, and its octets so far.
    line: Vec<u8>,
    line_len: u64,
    last_octet: u8,
    /// Octets of the line end before the present line.
    ending: u64,
    /// Lines before the present one, and where the last of them begins.
    lines: u64,
    last_line: u64,
    budget: usize,
    addresses: usize,
}

/// A part that is not at its end.
#[derive(Debug)]
struct Open {
    at: usize,
    state: State,
    /// Its children are messages unless they say otherwise (RFC 2046 §5.1.5).
    digest: bool,
    /// The lines of the message before its body.
    lines: u64,
}

#[derive(Debug)]
enum State {
    Header,
    /// Preamble, or between parts.
    Multipart(Vec<u8>),
    /// Within a leaf, an epilogue, or behind the child that a message/rfc822 is.
    Body,
}

/// What stands between the parts of a multipart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Delimiter {
    /// Another part follows.
    Next,
    /// The epilogue follows.
    Last,
}

impl Default for Scanner {
    fn default() -> Self {
        Self::new()
    }
}

impl Scanner {
    /// A scanner at the beginning of a message.
    #[must_use]
    pub fn new() -> Self {
        let mut scanner = Self {
            parts: Vec::new(),
            open: Vec::new(),
            fields: Fields::new(),
            delimiter: memmem::Finder::new(b"\n--"),
            offset: 0,
            line: Vec::new(),
            line_len: 0,
            last_octet: 0,
            ending: 0,
            lines: 0,
            last_line: 0,
            budget: FIELDS,
            addresses: ALL_ADDRESSES,
        };
        scanner.begin_part(0, 0, false);
        scanner
    }

    /// Takes the next octets.
    pub fn feed(&mut self, octets: &[u8]) {
        let mut rest = octets;
        loop {
            if self.line_len == 0 && !self.in_header() {
                rest = self.pass(rest);
            }
            let Some(lf) = memchr::memchr(b'\n', rest) else {
                return self.keep(rest);
            };
            let (line, behind) = rest.split_at(lf + 1);
            self.line(line);
            rest = behind;
        }
    }

    /// Octets of the message's header, the blank line included; `None` while it has no end.
    #[must_use]
    pub fn header_len(&self) -> Option<u64> {
        let root = self.parts.first().filter(|root| root.body > 0);
        root.map(|root| root.body)
    }

    fn in_header(&self) -> bool {
        let innermost = self.open.last().map(|open| &open.state);
        matches!(innermost, Some(State::Header))
    }

    /// Octets kept of the present line.
    fn room(&self) -> usize {
        if self.in_header() { FIELD } else { LINE }
    }

    /// Passes whole lines that are no fields and no delimiters, as most are; what is left of the octets.
    fn pass<'a>(&mut self, octets: &'a [u8]) -> &'a [u8] {
        if octets.starts_with(b"--") {
            return octets;
        }
        let delimiter = self.delimiter.find(octets);
        let Some(lf) = delimiter.or_else(|| memchr::memrchr(b'\n', octets)) else {
            return octets;
        };
        let (lines, rest) = octets.split_at(lf + 1);
        let last = memchr::memrchr(b'\n', &lines[..lf]).map_or(0, |before| before + 1);
        self.ending = if lines.ends_with(b"\r\n") { 2 } else { 1 };
        self.lines += memchr::memchr_iter(b'\n', lines).count() as u64;
        self.last_line = self.offset + last as u64;
        self.offset += lines.len() as u64;
        rest
    }

    /// Takes a line's end and what came with it, which mostly is all of the line.
    fn line(&mut self, octets: &[u8]) {
        if self.line_len == 0 {
            self.line_len = octets.len() as u64;
            let ending = if octets.ends_with(b"\r\n") { 2 } else { 1 };
            let kept = octets.len().min(self.room());
            return self.end_line(&octets[..kept], ending);
        }
        self.keep(octets);
        let ending = match self.last_octet {
            b'\r' if self.line_len > 1 => 2,
            _ => 1,
        };
        self.end_kept(ending);
    }

    fn end_kept(&mut self, ending: u64) {
        let mut line = core::mem::take(&mut self.line);
        self.end_line(&line, ending);
        line.clear();
        if line.capacity() <= 4 * LINE {
            self.line = line;
        }
    }

    /// Ends the message.
    #[must_use]
    pub fn finish(mut self) -> Structure {
        if self.line_len > 0 {
            self.end_kept(0);
        }
        let end = self.offset;
        while let Some(open) = self.open.pop() {
            self.close(open, end);
        }
        self.settle_multiparts();
        Structure::new(self.parts)
    }

    fn keep(&mut self, octets: &[u8]) {
        let keep = octets
            .len()
            .min(self.room().saturating_sub(self.line.len()));
        self.line.extend_from_slice(&octets[..keep]);
        self.line_len += octets.len() as u64;
        if let [.., before, b'\n'] = octets {
            self.last_octet = *before;
        } else if let Some(last) = octets.last().filter(|b| **b != b'\n') {
            self.last_octet = *last;
        }
    }

    /// The present line is whole: what was kept of it, and the octets of its end; none at the end of the message.
    fn end_line(&mut self, line: &[u8], ending: u64) {
        let content = usize::try_from(self.line_len - ending).unwrap_or(usize::MAX);
        let text = &line[..line.len().min(content)];
        let delimits = self.boundary(text);
        let in_header = delimits.is_none() && self.in_header();
        if in_header && content > 0 {
            self.fields.line(text, &mut self.budget);
        }
        self.lines += 1;
        self.last_line = self.offset;
        self.offset += self.line_len;
        // The line end of a delimiter belongs to no other, but behind the last of a multipart comes a delimiter of the one around it or an epilogue.
        self.ending = match delimits {
            Some(Delimiter::Next) => 0,
            Some(Delimiter::Last) | None => ending,
        };
        self.line_len = 0;
        self.last_octet = 0;
        if in_header && content == 0 {
            self.end_header();
        }
    }

    /// Which delimiter the line is of an open multipart, the innermost first; parts within that multipart end before it (RFC 2046 §5.1.2).
    fn boundary(&mut self, text: &[u8]) -> Option<Delimiter> {
        let text = text.strip_prefix(b"--")?;
        let text = text.trim_ascii_end();
        let found = self
            .open
            .iter()
            .enumerate()
            .rev()
            .find_map(|(depth, open)| match &open.state {
                State::Multipart(boundary) => {
                    let rest = text.strip_prefix(&boundary[..])?;
                    (rest.is_empty() || rest == b"--").then_some((depth, rest == b"--"))
                }
                _ => None,
            });
        let (depth, last) = found?;
        // The line end before the delimiter belongs to it.
        let end = self.offset - self.ending;
        while self.open.len() > depth + 1 {
            if let Some(open) = self.open.pop() {
                self.close(open, end);
            }
        }
        if last {
            // What follows is the epilogue: no more delimiters of this one count.
            if let Some(open) = self.open.last_mut() {
                open.state = State::Body;
            }
            return Some(Delimiter::Last);
        }
        let parent = self.open[depth].at;
        let digest = self.open[depth].digest;
        let begins = self.offset + self.line_len;
        self.begin_part(parent, begins, digest);
        Some(Delimiter::Next)
    }

    /// A part whose header begins at `header`; past the bound its octets stay with the part it is in.
    fn begin_part(&mut self, parent: usize, header: u64, in_digest: bool) {
        let at = self.parts.len();
        if at >= PARTS {
            return;
        }
        self.parts.push(Entry {
            parent: u32::try_from(parent).unwrap_or(0),
            kind: Kind::Leaf,
            encoding: Encoding::Identity,
            text: true,
            header,
            body: header,
            end: header,
            lines: 0,
            charset: None,
            words: Words::default(),
        });
        self.fields.begin(in_digest);
        self.open.push(Open {
            at,
            state: State::Header,
            digest: false,
            lines: 0,
        });
    }

    /// The blank line was passed: the present offset is where the body begins.
    fn end_header(&mut self) {
        let Some(mut open) = self.open.pop() else {
            return;
        };
        open.state = State::Body;
        let at = open.at;
        let value = self.describe(at);
        self.parts[at].body = self.offset;
        open.lines = self.lines;
        let room = self.open.len() < DEPTH && self.parts.len() < PARTS;
        let boundary = value.boundary().filter(|b| b.len() <= BOUNDARY);
        let is_message = self.parts[at].kind == Kind::Message;
        if let (Some(boundary), true) = (boundary, room) {
            self.parts[at].kind = Kind::Multipart;
            open.digest = value.value().eq_ignore_ascii_case(b"multipart/digest");
            open.state = State::Multipart(boundary.to_vec());
        }
        self.open.push(open);
        if is_message && room {
            self.begin_part(at, self.offset, false);
        }
    }

    fn close(&mut self, open: Open, end: u64) {
        let at = open.at;
        if matches!(open.state, State::Header) {
            // The header has no end: there is no body.
            self.describe(at);
            let part = &mut self.parts[at];
            (part.header, part.body, part.end) = (part.header.min(end), end, end);
            return;
        }
        let part = &mut self.parts[at];
        // A blank line right before the delimiter is the line end that belongs to it: there is no body.
        (part.body, part.end) = (part.body.min(end), end);
        // Of the last line maybe nothing is left but its end, which belongs to the delimiter.
        let hollow = u64::from(self.last_line >= end);
        part.lines = (self.lines - open.lines).saturating_sub(hollow);
    }

    /// A multipart without a part is a leaf: the grammar wants one at least (RFC 9051 §9 `body-type-mpart`). The others are named by subtype alone.
    fn settle_multiparts(&mut self) {
        for at in 0..self.parts.len() {
            // The first of a part's children comes right behind it.
            let next = self.parts.get(at + 1);
            let has_child = next.is_some_and(|next| next.parent as usize == at);
            let part = &mut self.parts[at];
            if part.kind == Kind::Multipart && has_child {
                part.words.cut(b"\"multipart\" ".len());
            } else if part.kind == Kind::Multipart {
                part.kind = Kind::Leaf;
            }
        }
    }

    /// Fills in what the header says.
    fn describe(&mut self, at: usize) -> Value {
        let fields = &self.fields;
        let default: &[u8] = if fields.in_digest {
            b"message/rfc822"
        } else {
            b"text/plain"
        };
        let mut value = Value::parse(fields.get(Field::Type).unwrap_or(default));
        if value.media().is_none() {
            // RFC 2045 §5.2: the default also for what is no media type.
            value = Value::parse(b"text/plain");
        }
        let (kind, subtype) = value.media().unwrap_or((b"text", b"plain"));
        let encoding = fields
            .get(Field::Transfer)
            .map(Value::parse_value)
            .filter(|e| !e.is_empty());
        let is_root = at == 0 || self.parts[self.parts[at].parent as usize].kind == Kind::Message;
        let part = &mut self.parts[at];
        part.text = kind.eq_ignore_ascii_case(b"text");
        if kind.eq_ignore_ascii_case(b"message")
            && [&b"rfc822"[..], b"global"]
                .iter()
                .any(|s| subtype.eq_ignore_ascii_case(s))
        {
            part.kind = Kind::Message;
        }
        part.encoding = encoding
            .as_deref()
            .map_or(Encoding::Identity, Encoding::named);
        part.charset = value
            .param(b"charset")
            .and_then(|c| String::from_utf8(c.to_vec()).ok())
            .filter(|c| !c.is_empty());
        // What is told of a header is seldom longer than twice what is kept of it.
        let words = &mut part.words;
        *words = Words::with_capacity(2 * fields.len() + 64);
        words.put(Word::Media, |out| {
            string(out, kind);
            out.push(b' ');
            string(out, subtype);
        });
        let is_plain = part.text && subtype.eq_ignore_ascii_case(b"plain");
        words.put(Word::Params, |out| {
            if is_plain && value.params().len() == 0 {
                out.extend_from_slice(b"(\"charset\" \"us-ascii\")");
            } else {
                value.put_params(out);
            }
        });
        fields.put_fields(words, encoding.as_deref());
        if is_root {
            let addresses = &mut self.addresses;
            words.put(Word::Envelope, |out| fields.put_envelope(out, addresses));
        }
        value
    }
}
