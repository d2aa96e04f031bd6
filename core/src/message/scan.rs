//! The scanner: one pass over a message in any chunking, in bounded memory, with a stack of open parts.

use alloc::string::String;
use alloc::vec::Vec;

use super::decode::Encoding;
use super::fields::{ALL_ADDRESSES, FIELD, FIELDS, Field, Fields};
use super::param::Value;
use super::quote::string;
use super::structure::{Entry, Kind, Structure};

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
    Header(Fields),
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
        while let Some(lf) = memchr::memchr(b'\n', rest) {
            let line = &rest[..=lf];
            if self.line_len > 0 || self.in_header() || line.starts_with(b"--") {
                self.keep(line);
                self.end_line(true);
            } else {
                self.pass(line);
            }
            rest = &rest[lf + 1..];
        }
        self.keep(rest);
    }

    fn in_header(&self) -> bool {
        let innermost = self.open.last().map(|open| &open.state);
        matches!(innermost, Some(State::Header(_)))
    }

    /// A whole line that is no field and no delimiter, as most are.
    fn pass(&mut self, line: &[u8]) {
        self.ending = if line.ends_with(b"\r\n") { 2 } else { 1 };
        self.lines += 1;
        self.last_line = self.offset;
        self.offset += line.len() as u64;
    }

    /// Ends the message.
    #[must_use]
    pub fn finish(mut self) -> Structure {
        if self.line_len > 0 {
            self.end_line(false);
        }
        let end = self.offset;
        while let Some(open) = self.open.pop() {
            self.close(open, end);
        }
        self.settle_multiparts();
        Structure::new(self.parts)
    }

    fn keep(&mut self, octets: &[u8]) {
        let room = if self.in_header() { FIELD } else { LINE };
        let keep = octets.len().min(room.saturating_sub(self.line.len()));
        self.line.extend_from_slice(&octets[..keep]);
        self.line_len += octets.len() as u64;
        if let [.., before, b'\n'] = octets {
            self.last_octet = *before;
        } else if let Some(last) = octets.last().filter(|b| **b != b'\n') {
            self.last_octet = *last;
        }
    }

    /// The present line is whole: `terminated`: with its LF.
    fn end_line(&mut self, terminated: bool) {
        let mut line = core::mem::take(&mut self.line);
        let ending = match (terminated, self.last_octet) {
            (false, _) => 0,
            (true, b'\r') if self.line_len > 1 => 2,
            (true, _) => 1,
        };
        let kept = usize::try_from(self.line_len - ending).unwrap_or(usize::MAX);
        let text = &line[..line.len().min(kept)];
        let delimits = self.boundary(text);
        if delimits.is_none() {
            self.content_line(text, kept == 0 && terminated);
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
        if kept == 0 && terminated && self.in_header() {
            self.end_header();
        }
        line.clear();
        if line.capacity() <= 4 * LINE {
            self.line = line;
        }
    }

    fn content_line(&mut self, text: &[u8], blank: bool) {
        if let Some(Open {
            state: State::Header(fields),
            ..
        }) = self.open.last_mut()
            && !blank
        {
            fields.line(text, &mut self.budget);
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
            media: Vec::new(),
            params: Vec::new(),
            fields: Vec::new(),
            md5: Vec::new(),
            extension: Vec::new(),
            envelope: Vec::new(),
        });
        let mut fields = Fields::default();
        fields.in_digest = in_digest;
        self.open.push(Open {
            at,
            state: State::Header(fields),
            digest: false,
            lines: 0,
        });
    }

    /// The blank line was passed: the present offset is where the body begins.
    fn end_header(&mut self) {
        let Some(mut open) = self.open.pop() else {
            return;
        };
        let State::Header(fields) = core::mem::replace(&mut open.state, State::Body) else {
            self.open.push(open);
            return;
        };
        let at = open.at;
        let value = self.describe(at, &fields);
        self.parts[at].body = self.offset;
        open.lines = self.lines;
        let room = self.open.len() < DEPTH && self.parts.len() < PARTS;
        let boundary = value.boundary().filter(|b| b.len() <= BOUNDARY);
        let is_message = self.parts[at].kind == Kind::Message;
        if let (Some(boundary), true) = (boundary, room) {
            self.parts[at].kind = Kind::Multipart;
            open.digest = value.value.eq_ignore_ascii_case(b"multipart/digest");
            open.state = State::Multipart(boundary.to_vec());
        }
        self.open.push(open);
        if is_message && room {
            self.begin_part(at, self.offset, false);
        }
    }

    fn close(&mut self, open: Open, end: u64) {
        let at = open.at;
        if let State::Header(fields) = &open.state {
            // The header has no end: there is no body.
            self.describe(at, fields);
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
        let mut has_child = alloc::vec![false; self.parts.len()];
        for part in self.parts.iter().skip(1) {
            has_child[part.parent as usize] = true;
        }
        for (part, has_child) in self.parts.iter_mut().zip(has_child) {
            if part.kind == Kind::Multipart && has_child {
                part.media.drain(..b"\"multipart\" ".len());
            } else if part.kind == Kind::Multipart {
                part.kind = Kind::Leaf;
            }
        }
    }

    /// Fills in what the header says.
    fn describe(&mut self, at: usize, fields: &Fields) -> Value {
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
            .map(|raw| Value::parse(raw).value)
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
        string(&mut part.media, kind);
        part.media.push(b' ');
        string(&mut part.media, subtype);
        if part.text && subtype.eq_ignore_ascii_case(b"plain") && value.params.is_empty() {
            part.params.extend_from_slice(b"(\"charset\" \"us-ascii\")");
        } else {
            value.put_params(&mut part.params);
        }
        fields.put_fields(part, encoding.as_deref());
        if is_root {
            part.envelope = fields.envelope(&mut self.addresses);
        }
        value
    }
}
