//! Addresses of ENVELOPE (RFC 5322 §3.4, RFC 9051 §7.5.2), in one pass and without recursion.

use alloc::vec::Vec;
use core::slice::Iter;

use super::lex::{run, skip_comment};
use super::quote::nstring;

/// Reads address fields, one after the other.
#[derive(Default)]
pub(super) struct Reader {
    /// Words with single spaces between: a display name, if an angle address follows.
    phrase: Vec<u8>,
    /// The same without spaces: an address, if none does.
    spec: Vec<u8>,
    space: bool,
    /// The last comment behind `spec`: who it is, in an address without angles (RFC 5322 §3.4, Note).
    comment: Vec<u8>,
    /// What stood in angles, if anything did.
    angle: Vec<u8>,
    has_angle: bool,
    in_group: bool,
}

impl Reader {
    /// Appends `(address …)` for a field's value without its folds, and says how many; at most about so many. Of none it is nothing.
    pub(super) fn put(&mut self, out: &mut Vec<u8>, value: &[u8], most: usize) -> usize {
        let mut list = List { out, count: 0 };
        let mut octets = value.iter();
        while list.count < most {
            self.push(run(&mut octets, is_special));
            let Some(&b) = octets.next() else {
                break;
            };
            match b {
                b'(' => self.comment(&mut octets),
                b'"' => self.quoted(&mut octets),
                b'<' => self.angle(&mut octets),
                b'[' => self.domain_literal(&mut octets),
                b',' => self.flush(&mut list),
                b':' => self.group(&mut list),
                b';' => self.end_group(&mut list),
                _ => self.space = !self.phrase.is_empty(),
            }
        }
        self.flush(&mut list);
        if self.in_group {
            self.end_group(&mut list);
        }
        if list.count > 0 {
            list.out.push(b')');
        }
        list.count
    }

    fn push(&mut self, octets: &[u8]) {
        if octets.is_empty() {
            return;
        }
        self.put_space();
        self.phrase.extend_from_slice(octets);
        self.spec.extend_from_slice(octets);
    }

    fn put_space(&mut self) {
        if core::mem::take(&mut self.space) {
            self.phrase.push(b' ');
        }
    }

    fn quoted(&mut self, octets: &mut Iter<'_, u8>) {
        self.put_space();
        while let Some(text) = quoted_run(octets) {
            self.push(text);
        }
    }

    /// `[IPv6:2001:db8::1]`: its colons begin no group (RFC 5322 §3.4.1).
    fn domain_literal(&mut self, octets: &mut Iter<'_, u8>) {
        self.push(b"[");
        loop {
            self.push(run(octets, |b| matches!(b, b']' | b' ' | b'\t')));
            match octets.next() {
                Some(b']') => return self.push(b"]"),
                Some(_) => {}
                None => return,
            }
        }
    }

    fn comment(&mut self, octets: &mut Iter<'_, u8>) {
        if self.spec.is_empty() {
            return skip_comment(octets);
        }
        self.comment.clear();
        let mut depth = 1;
        while let Some(&b) = octets.next() {
            match b {
                b'(' => depth += 1,
                b')' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return;
            }
            let quoted = (b == b'\\').then(|| octets.next());
            let Some(&b) = quoted.unwrap_or(Some(&b)) else {
                return;
            };
            self.comment.push(b);
        }
    }

    fn angle(&mut self, octets: &mut Iter<'_, u8>) {
        self.angle.clear();
        self.has_angle = true;
        loop {
            let special = |b| matches!(b, b'>' | b'(' | b'"' | b' ' | b'\t');
            self.angle.extend_from_slice(run(octets, special));
            match octets.next() {
                Some(b'>') | None => return,
                Some(b'(') => skip_comment(octets),
                Some(b'"') => {
                    while let Some(text) = quoted_run(octets) {
                        self.angle.extend_from_slice(text);
                    }
                }
                Some(_) => {}
            }
        }
    }

    fn flush(&mut self, list: &mut List<'_>) {
        if self.has_angle {
            let (route, spec) = route(&self.angle);
            list.address(self.phrase.trim_ascii(), route, spec);
        } else if self.spec.contains(&b'@') {
            list.address(self.comment.trim_ascii(), None, &self.spec);
        } else if !self.spec.is_empty() {
            // No address at all: its words are still told.
            list.address(b"", None, self.phrase.trim_ascii());
        }
        self.has_angle = false;
        self.clear();
    }

    fn clear(&mut self) {
        self.phrase.clear();
        self.spec.clear();
        self.comment.clear();
        self.space = false;
    }

    fn group(&mut self, list: &mut List<'_>) {
        list.put([None, None, Some(self.phrase.trim_ascii()), None]);
        self.in_group = true;
        self.clear();
    }

    fn end_group(&mut self, list: &mut List<'_>) {
        self.flush(list);
        if core::mem::take(&mut self.in_group) {
            list.put([None; 4]);
        }
    }
}

/// The addresses of one field, as they are told.
struct List<'a> {
    out: &'a mut Vec<u8>,
    count: usize,
}

impl List<'_> {
    fn address(&mut self, name: &[u8], route: Option<&[u8]>, spec: &[u8]) {
        let name = (!name.is_empty()).then_some(name);
        let (mailbox, host) = match memchr::memrchr(b'@', spec) {
            Some(at) => (&spec[..at], &spec[at + 1..]),
            // A NIL host would begin a group.
            None => (spec, &b""[..]),
        };
        self.put([name, route, Some(mailbox), Some(host)]);
    }

    fn put(&mut self, members: [Option<&[u8]>; 4]) {
        if self.count == 0 {
            self.out.push(b'(');
        }
        self.count += 1;
        for (i, member) in members.into_iter().enumerate() {
            self.out.push(if i == 0 { b'(' } else { b' ' });
            nstring(self.out, member);
        }
        self.out.push(b')');
    }
}

fn is_special(b: u8) -> bool {
    matches!(
        b,
        b'(' | b'"' | b'<' | b'[' | b',' | b':' | b';' | b' ' | b'\t'
    )
}

/// The next octets of a quoted string whose `"` was read; `None` behind its end.
fn quoted_run<'a>(octets: &mut Iter<'a, u8>) -> Option<&'a [u8]> {
    let text = run(octets, |b| matches!(b, b'"' | b'\\'));
    if !text.is_empty() {
        return Some(text);
    }
    octets.next().filter(|b| **b == b'\\')?;
    let (escaped, behind) = octets.as_slice().split_at_checked(1)?;
    *octets = behind.iter();
    Some(escaped)
}

/// The source route of an obsolete address (RFC 5322 §4.4), and what follows it.
fn route(angle: &[u8]) -> (Option<&[u8]>, &[u8]) {
    if angle.first() != Some(&b'@') {
        return (None, angle);
    }
    let mut in_literal = false;
    let colon = angle.iter().position(|b| {
        in_literal = (in_literal || *b == b'[') && *b != b']';
        *b == b':' && !in_literal
    });
    match colon {
        Some(colon) => (Some(&angle[..colon]), &angle[colon + 1..]),
        None => (None, angle),
    }
}
