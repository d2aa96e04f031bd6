//! Header blocks: their fields, and what is taken from them whole (RFC 5322 §2.2).

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::lex::skip_comment;
use crate::date::{Date, month};

/// References kept of one message.
const REFERENCES: usize = 20;

/// The fields of a header block as (name, raw value with folds and line end); lines that are no field are passed over.
pub fn header_fields(header: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    Fields { rest: header }.filter_map(|field| {
        // RFC 5322 §4.5.8: white space may stand before the colon, no fold.
        let colon = memchr::memchr2(b':', b'\n', field).filter(|at| field[*at] == b':')?;
        let name = field[..colon].trim_ascii_end();
        let valid = !name.is_empty() && name.iter().all(|b| (0x21..0x7f).contains(b));
        valid.then_some((name, &field[colon + 1..]))
    })
}

/// Lines with their continuations, up to the blank line.
struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Fields<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() || self.rest.starts_with(b"\r\n") || self.rest.starts_with(b"\n") {
            return None;
        }
        let mut at = 0;
        loop {
            match memchr::memchr(b'\n', &self.rest[at..]) {
                Some(lf) => at += lf + 1,
                None => at = self.rest.len(),
            }
            if !matches!(self.rest.get(at), Some(b' ' | b'\t')) {
                break;
            }
        }
        let (field, rest) = self.rest.split_at(at);
        self.rest = rest;
        Some(field)
    }
}

/// HEADER.FIELDS, or with `not` HEADER.FIELDS.NOT: the fields as they stand, and the blank line if there is one (RFC 9051 §6.4.5.1).
#[must_use]
pub fn select_fields(header: &[u8], names: &[&[u8]], not: bool) -> Vec<u8> {
    let mut out = Vec::new();
    let mut selector = FieldSelector::new(names.iter().copied(), not);
    selector.feed(header, &mut out);
    selector.finish(&mut out);
    out
}

/// The same for a header in any chunking; no more of it is held than a name.
#[derive(Clone, Debug)]
pub(crate) struct FieldSelector {
    /// In lower case, by their length: most names need no look at their octets.
    names: Vec<BTreeSet<Vec<u8>>>,
    not: bool,
    place: Place,
    /// The present line up to its colon, while that was not seen.
    head: Vec<u8>,
    /// A name in lower case: the room for it is taken once, there may be very many lines.
    lower: Vec<u8>,
    keep: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    LineStart,
    Name,
    Value,
    Behind,
}

/// Octets of a line without a colon before it is no field.
const NAME: usize = 1000;

impl FieldSelector {
    pub(crate) fn new<'a>(names: impl Iterator<Item = &'a [u8]>, not: bool) -> Self {
        let mut by_length = Vec::new();
        for name in names.filter(|name| name.len() <= NAME) {
            if by_length.len() <= name.len() {
                by_length.resize_with(name.len() + 1, BTreeSet::new);
            }
            by_length[name.len()].insert(name.to_ascii_lowercase());
        }
        Self {
            names: by_length,
            not,
            place: Place::LineStart,
            head: Vec::new(),
            lower: Vec::new(),
            keep: not,
        }
    }

    pub(crate) fn feed(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        // What is kept and was not copied yet: at once what stands together, for there may be very many lines.
        let (mut at, mut kept) = (0, 0..0);
        while let Some(first) = octets.get(at) {
            let rest = &octets[at..];
            if self.place == Place::LineStart {
                let continues = matches!(first, b' ' | b'\t');
                self.place = if continues { Place::Value } else { Place::Name };
            }
            let whole = match self.place {
                Place::Name => self.whole_name(rest),
                Place::Value => Some(self.value(rest)),
                Place::LineStart | Place::Behind => Some(rest.len()),
            };
            let Some(taken) = whole else {
                out.extend_from_slice(&octets[core::mem::take(&mut kept)]);
                at += self.name(rest, out);
                continue;
            };
            if self.keep && kept.end == at {
                kept.end += taken;
            } else if self.keep {
                out.extend_from_slice(&octets[kept]);
                kept = at..at + taken;
            }
            at += taken;
        }
        out.extend_from_slice(&octets[kept]);
    }

    /// Decides about a name that is there with its colon, and takes it.
    fn whole_name(&mut self, rest: &[u8]) -> Option<usize> {
        let end = memchr::memchr2(b':', b'\n', rest)?;
        if rest[end] != b':' || end >= NAME || !self.head.is_empty() {
            return None;
        }
        self.keep = self.is_named(&rest[..end]) != self.not;
        self.place = Place::Value;
        Some(end + 1)
    }

    fn value(&mut self, rest: &[u8]) -> usize {
        let Some(lf) = memchr::memchr(b'\n', rest) else {
            return rest.len();
        };
        self.place = Place::LineStart;
        lf + 1
    }

    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        if self.place == Place::Name {
            self.decide_head(false, out);
        }
    }

    /// Takes what is there of a line that comes in pieces, or is no field.
    fn name(&mut self, rest: &[u8], out: &mut Vec<u8>) -> usize {
        let end = memchr::memchr2(b':', b'\n', rest);
        let taken = end
            .map_or(rest.len(), |end| end + 1)
            .min(NAME - self.head.len());
        self.head.extend_from_slice(&rest[..taken]);
        match self.head.last() {
            Some(b':') => {
                self.decide_head(true, out);
                self.place = Place::Value;
            }
            Some(b'\n') if matches!(self.head[..], [b'\n'] | [b'\r', b'\n']) => {
                out.append(&mut self.head);
                (self.place, self.keep) = (Place::Behind, true);
            }
            Some(b'\n') => {
                self.decide_head(false, out);
                self.place = Place::LineStart;
            }
            _ if self.head.len() == NAME => {
                self.decide_head(false, out);
                self.place = Place::Value;
            }
            _ => {}
        }
        taken
    }

    fn decide_head(&mut self, is_field: bool, out: &mut Vec<u8>) {
        let head = core::mem::take(&mut self.head);
        let name = head.strip_suffix(b":").unwrap_or(&head);
        self.keep = (is_field && self.is_named(name)) != self.not;
        if self.keep {
            out.extend_from_slice(&head);
        }
        self.head = head;
        self.head.clear();
    }

    /// Whether a name is one of those asked for.
    fn is_named(&mut self, name: &[u8]) -> bool {
        let name = name.trim_ascii_end();
        let Some(same) = self.names.get(name.len()) else {
            return false;
        };
        // Mostly there is one of a length at the most.
        if same.len() <= 1 {
            return same.iter().any(|one| one.eq_ignore_ascii_case(name));
        }
        self.lower.clear();
        self.lower.extend_from_slice(name);
        self.lower.make_ascii_lowercase();
        same.contains(&self.lower)
    }
}

/// The calendar date of the Date field, its time zone disregarded (RFC 9051 §6.4.4 SENTON).
#[must_use]
pub fn sent_date(header: &[u8]) -> Option<Date> {
    let (_, value) = header_fields(header).find(|(name, _)| name.eq_ignore_ascii_case(b"Date"))?;
    let value = without_comments(value);
    let mut words = value
        .split(|b| b.is_ascii_whitespace() || *b == b',')
        .filter(|w| !w.is_empty());
    let first = words.next()?;
    let day = if first[0].is_ascii_digit() {
        first
    } else {
        words.next()?
    };
    let month_word = words.next()?;
    month(month_word)?;
    let year: u32 = core::str::from_utf8(words.next()?).ok()?.parse().ok()?;
    // RFC 5322 §4.3: two digits below 50 are of this century.
    let year = match year {
        0..=49 => year + 2000,
        50..=999 => year + 1900,
        _ => year,
    };
    let text = alloc::format!(
        "{}-{}-{year:04}",
        core::str::from_utf8(day).ok()?,
        core::str::from_utf8(month_word).ok()?
    );
    Date::parse(text.as_bytes())
}

/// A structured field's value with a space for each comment (RFC 5322 §3.2.2).
fn without_comments(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut octets = value.iter();
    while let Some(&b) = octets.next() {
        if b == b'(' {
            skip_comment(&mut octets);
        }
        out.push(if b == b'(' { b' ' } else { b });
    }
    out
}

/// The message's own identity first, then those it answers to; at most 20 (RFC 5322 §3.6.4).
#[must_use]
pub fn thread_ids(header: &[u8]) -> Vec<&[u8]> {
    let wanted = [&b"Message-ID"[..], b"In-Reply-To", b"References"];
    let found: Vec<_> = header_fields(header)
        .filter(|(name, _)| wanted.iter().any(|w| w.eq_ignore_ascii_case(name)))
        .collect();
    let in_order = wanted.iter().flat_map(|wanted| {
        let named = |(name, _): &&(&[u8], _)| wanted.eq_ignore_ascii_case(name);
        found.iter().filter(named).map(|(_, value)| *value)
    });
    in_order.flat_map(bracketed).take(REFERENCES).collect()
}

/// What stands behind each `<`, up to a `>`; empty ones are passed over.
fn bracketed(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value
        .split(|b| *b == b'<')
        .skip(1)
        .filter_map(|rest| rest.split(|b| *b == b'>').next())
        .filter(|id| !id.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_as_they_are_written() {
        let sent =
            |value: &str| sent_date(alloc::format!("X: y\r\nDate:{value}\r\n\r\n").as_bytes());
        let on = |year, month, day| Some(Date { year, month, day });
        for (value, wanted) in [
            (" Fri, 21 Nov 1997 09:55:06 -0600", on(1997, 11, 21)),
            ("1 jan 2024", on(2024, 1, 1)),
            (" Tue,\r\n 1 Jul 2003 10:52:37 +0200", on(2003, 7, 1)),
            ("21 Nov 97 09:55:06 GMT", on(1997, 11, 21)),
            ("21 Nov 49 09:55 GMT", on(2049, 11, 21)),
            ("21 Nov 101 09:55 GMT", on(2001, 11, 21)),
            (
                " Fri, 21 Nov 1997 09(comment):   55  :  06 -0600",
                on(1997, 11, 21),
            ),
            (
                "(a (b)) Thu (c),(d) 13 (e) Feb(f)1969 23:32",
                on(1969, 2, 13),
            ),
            ("Fri 5 Apr 2024 00:00:00 +0000 (UTC)", on(2024, 4, 5)),
            (" 31 Feb 2024 00:00:00 +0000", None),
            ("", None),
            ("yesterday", None),
            ("Mon,", None),
            ("2024-02-01", None),
            ("1 Jan 99999", None),
        ] {
            assert_eq!(sent(value), wanted, "{value}");
        }
    }

    #[test]
    fn a_colon_in_a_continued_line_makes_no_field() {
        let header = b"Subject\r\n : x\r\nFrom\t:y\r\n\r\n";
        let fields: Vec<_> = header_fields(header).collect();
        assert_eq!(fields, [(&b"From"[..], &b"y\r\n"[..])]);
        assert_eq!(select_fields(header, &[b"subject"], false), b"\r\n");
    }

    #[test]
    fn fields_are_selected_the_same_in_any_chunking() {
        let header = b"a: 1\r\n fold\r\nB : 2\r\njunk\r\n c: no name\r\nA:3\r\n\r\nbehind: x\r\n";
        for names in [&[&b"A"[..], b"x"][..], &[b"b"], &[]] {
            for not in [false, true] {
                let whole = select_fields(header, names, not);
                for size in 1..header.len() {
                    let mut out = Vec::new();
                    let mut selector = FieldSelector::new(names.iter().copied(), not);
                    header.chunks(size).for_each(|c| selector.feed(c, &mut out));
                    selector.finish(&mut out);
                    assert_eq!(out, whole, "{names:?} {not} {size}");
                }
            }
        }
        assert_eq!(
            select_fields(header, &[b"A"], false),
            b"a: 1\r\n fold\r\nA:3\r\n\r\nbehind: x\r\n"
        );
    }
}
