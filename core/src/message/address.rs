//! Addresses of ENVELOPE (RFC 5322 §3.4, RFC 9051 §7.5.2), in one pass and without recursion.

use alloc::vec::Vec;

use super::param::skip_comment;
use super::quote::nstring;

/// `(address …)` or NIL for an address field's unfolded value, and how many; at most about so many.
pub(super) fn addresses(value: &[u8], most: usize) -> (Vec<u8>, usize) {
    let mut reader = Reader::default();
    let mut octets = value.iter().enumerate();
    while let Some((_, &b)) = octets.next() {
        if reader.count >= most {
            break;
        }
        match b {
            b'(' => reader.comment(&mut octets),
            b'"' => reader.quoted(&mut octets),
            b'<' => reader.angle(&mut octets),
            b'[' => reader.domain_literal(&mut octets),
            b',' => reader.flush(),
            b':' => reader.group(),
            b';' => reader.end_group(),
            b' ' | b'\t' => reader.space = !reader.phrase.is_empty(),
            _ => reader.push(b),
        }
    }
    reader.flush();
    if reader.in_group {
        reader.end_group();
    }
    if reader.count == 0 {
        return (b"NIL".to_vec(), 0);
    }
    reader.out.push(b')');
    (reader.out, reader.count)
}

#[derive(Default)]
struct Reader {
    out: Vec<u8>,
    count: usize,
    /// Words with single spaces between: a display name, if an angle address follows.
    phrase: Vec<u8>,
    /// The same without spaces: an address, if none does.
    spec: Vec<u8>,
    space: bool,
    /// The last comment behind `spec`: who it is, in an address without angles (RFC 5322 §3.4, Note).
    comment: Vec<u8>,
    angle: Option<Vec<u8>>,
    in_group: bool,
}

impl Reader {
    fn push(&mut self, b: u8) {
        if core::mem::take(&mut self.space) {
            self.phrase.push(b' ');
        }
        self.phrase.push(b);
        self.spec.push(b);
    }

    fn quoted<'a>(&mut self, octets: &mut impl Iterator<Item = (usize, &'a u8)>) {
        if core::mem::take(&mut self.space) {
            self.phrase.push(b' ');
        }
        while let Some((_, &b)) = octets.next() {
            let b = match b {
                b'"' => return,
                b'\\' => match octets.next() {
                    Some((_, &b)) => b,
                    None => return,
                },
                b => b,
            };
            self.phrase.push(b);
            self.spec.push(b);
        }
    }

    /// `[IPv6:2001:db8::1]`: its colons begin no group (RFC 5322 §3.4.1).
    fn domain_literal<'a>(&mut self, octets: &mut impl Iterator<Item = (usize, &'a u8)>) {
        self.push(b'[');
        for (_, &b) in octets {
            if !matches!(b, b' ' | b'\t') {
                self.push(b);
            }
            if b == b']' {
                return;
            }
        }
    }

    fn comment<'a>(&mut self, octets: &mut impl Iterator<Item = (usize, &'a u8)>) {
        if self.spec.is_empty() {
            return skip_comment(octets);
        }
        self.comment.clear();
        let mut depth = 1;
        while let Some((_, &b)) = octets.next() {
            match b {
                b'(' => depth += 1,
                b')' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return;
            }
            let quoted = (b == b'\\').then(|| octets.next());
            let Some((_, &b)) = quoted.unwrap_or(Some((0, &b))) else {
                return;
            };
            self.comment.push(b);
        }
    }

    fn angle<'a>(&mut self, octets: &mut impl Iterator<Item = (usize, &'a u8)>) {
        let mut spec = Vec::new();
        while let Some((_, &b)) = octets.next() {
            match b {
                b'>' => break,
                b'(' => skip_comment(octets),
                b'"' => {
                    while let Some((_, &q)) = octets.next() {
                        match q {
                            b'"' => break,
                            b'\\' => spec.extend(octets.next().map(|(_, b)| *b)),
                            _ => spec.push(q),
                        }
                    }
                }
                b' ' | b'\t' => {}
                _ => spec.push(b),
            }
        }
        self.angle = Some(spec);
    }

    fn flush(&mut self) {
        let phrase = core::mem::take(&mut self.phrase);
        let spec = core::mem::take(&mut self.spec);
        let comment = core::mem::take(&mut self.comment);
        self.space = false;
        match self.angle.take() {
            Some(angle) => {
                let name = phrase.trim_ascii();
                let name = (!name.is_empty()).then_some(name);
                let (route, spec) = route(&angle);
                self.address(name, route, spec);
            }
            None if spec.contains(&b'@') => {
                let name = comment.trim_ascii();
                self.address((!name.is_empty()).then_some(name), None, &spec);
            }
            // No address at all: its words are still told.
            None if !spec.is_empty() => self.address(None, None, phrase.trim_ascii()),
            None => {}
        }
    }

    fn address(&mut self, name: Option<&[u8]>, route: Option<&[u8]>, spec: &[u8]) {
        let (mailbox, host) = match memchr::memrchr(b'@', spec) {
            Some(at) => (&spec[..at], &spec[at + 1..]),
            // A NIL host would begin a group.
            None => (spec, &b""[..]),
        };
        self.put([name, route, Some(mailbox), Some(host)]);
    }

    fn group(&mut self) {
        let name = core::mem::take(&mut self.phrase);
        self.spec.clear();
        self.comment.clear();
        self.space = false;
        self.in_group = true;
        self.put([None, None, Some(name.trim_ascii()), None]);
    }

    fn end_group(&mut self) {
        self.flush();
        if core::mem::take(&mut self.in_group) {
            self.put([None; 4]);
        }
    }

    fn put(&mut self, members: [Option<&[u8]>; 4]) {
        if self.count == 0 {
            self.out.push(b'(');
        }
        self.count += 1;
        for (i, member) in members.into_iter().enumerate() {
            self.out.push(if i == 0 { b'(' } else { b' ' });
            nstring(&mut self.out, member);
        }
        self.out.push(b')');
    }
}

/// The source route of an obsolete address (RFC 5322 §4.4), and what follows it.
fn route(angle: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let mut in_literal = false;
    let colon = angle.iter().position(|b| {
        in_literal = (in_literal || *b == b'[') && *b != b']';
        *b == b':' && !in_literal
    });
    match (angle.first(), colon) {
        (Some(b'@'), Some(colon)) => (Some(&angle[..colon]), &angle[colon + 1..]),
        _ => (None, angle),
    }
}
