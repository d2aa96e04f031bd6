//! Header blocks: their fields, and what is taken from them whole (RFC 5322 §2.2).

use alloc::vec::Vec;

use crate::date::{Date, month};

/// References kept of one message.
const REFERENCES: usize = 20;

/// The fields of a header block as (name, raw value with folds and line end); lines that are no field are passed over.
pub fn header_fields(header: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    Fields { rest: header }.filter_map(|field| {
        let colon = memchr::memchr(b':', field)?;
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

/// HEADER.FIELDS, or with `not` HEADER.FIELDS.NOT: the fields as they stand, and the blank line (RFC 9051 §6.4.5.1).
#[must_use]
pub fn select_fields(header: &[u8], names: &[&[u8]], not: bool) -> Vec<u8> {
    let mut out = Vec::new();
    for field in (Fields { rest: header }) {
        let name =
            memchr::memchr(b':', field).map_or(&b""[..], |colon| field[..colon].trim_ascii_end());
        let named = names.iter().any(|n| n.eq_ignore_ascii_case(name));
        if named != not {
            out.extend_from_slice(field);
            if !field.ends_with(b"\n") {
                out.extend_from_slice(b"\r\n");
            }
        }
    }
    out.extend_from_slice(b"\r\n");
    out
}

/// The calendar date of the Date field, its time zone disregarded (RFC 9051 §6.4.4 SENTON).
#[must_use]
pub fn sent_date(header: &[u8]) -> Option<Date> {
    let (_, value) = header_fields(header).find(|(name, _)| name.eq_ignore_ascii_case(b"Date"))?;
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

/// The message's own identity first, then those it answers to; at most 20 (RFC 5322 §3.6.4).
#[must_use]
pub fn thread_ids(header: &[u8]) -> Vec<&[u8]> {
    let mut ids = Vec::new();
    for wanted in [&b"Message-ID"[..], b"In-Reply-To", b"References"] {
        for (_, value) in
            header_fields(header).filter(|(name, _)| name.eq_ignore_ascii_case(wanted))
        {
            ids.extend(
                value
                    .split(|b| *b == b'<')
                    .skip(1)
                    .filter_map(|rest| rest.split(|b| *b == b'>').next())
                    .filter(|id| !id.is_empty()),
            );
        }
    }
    ids.truncate(REFERENCES);
    ids
}
