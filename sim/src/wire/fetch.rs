//! The items of a FETCH response (RFC 9051 §9 `msg-att`).

use super::scan::{Parsed, Scan};
use super::structure::{body, envelope};

/// One item.
#[derive(Clone, PartialEq, Debug)]
pub enum Att {
    /// FLAGS.
    Flags(Vec<String>),
    /// UID.
    Uid(u32),
    /// MODSEQ.
    ModSeq(u64),
    /// INTERNALDATE as seconds since 1970.
    InternalDate(i64),
    /// SAVEDATE as seconds since 1970; `None`: the mailbox keeps none.
    SaveDate(Option<i64>),
    /// RFC822.SIZE.
    Size(u64),
    /// EMAILID.
    EmailId(String),
    /// THREADID.
    ThreadId(Option<String>),
    /// ENVELOPE.
    Envelope(Envelope),
    /// BODY or BODYSTRUCTURE, whose shape is right.
    Structure,
    /// `BODY[section]<origin>`, with the section in upper case; RFC822 is `""`, and so on.
    Section(String, Option<u64>, Option<Vec<u8>>),
    /// `BINARY[path]<origin>`.
    Binary(String, Option<u64>, Option<Vec<u8>>),
    /// `BINARY.SIZE[path]`.
    BinarySize(String, u64),
}

/// What is looked at of an ENVELOPE.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Envelope {
    /// Subject.
    pub subject: Option<Vec<u8>>,
    /// Message-ID.
    pub message_id: Option<Vec<u8>>,
}

/// msg-att-dynamic / msg-att-static
pub(super) fn att(s: &mut Scan<'_>) -> Parsed<Att> {
    let name = s.take("a FETCH item", |b| b.is_ascii_alphanumeric() || b == b'.')?;
    let name = String::from_utf8_lossy(name).to_ascii_uppercase();
    if s.peek()? == b'[' {
        return sectioned(s, &name);
    }
    s.space()?;
    Ok(match name.as_str() {
        "FLAGS" => Att::Flags(s.list(Scan::flag)?),
        "UID" => Att::Uid(s.nz()?),
        "MODSEQ" => {
            s.expect("(")?;
            let modseq = s.modseq()?;
            s.expect(")")?;
            Att::ModSeq(modseq)
        }
        "INTERNALDATE" => Att::InternalDate(date_time(s)?),
        "SAVEDATE" if s.peek()? == b'"' => Att::SaveDate(Some(date_time(s)?)),
        "SAVEDATE" => {
            s.expect("NIL")?;
            Att::SaveDate(None)
        }
        "RFC822.SIZE" => Att::Size(s.number64()?),
        "EMAILID" => Att::EmailId(s.object_id()?),
        "THREADID" if s.peek()? == b'(' => Att::ThreadId(Some(s.object_id()?)),
        "THREADID" => {
            s.expect("NIL")?;
            Att::ThreadId(None)
        }
        "ENVELOPE" => Att::Envelope(envelope(s)?),
        "BODY" => body(s, false).map(|()| Att::Structure)?,
        "BODYSTRUCTURE" => body(s, true).map(|()| Att::Structure)?,
        "RFC822" => Att::Section(String::new(), None, s.nstring()?),
        "RFC822.HEADER" => Att::Section("HEADER".to_owned(), None, s.nstring()?),
        "RFC822.TEXT" => Att::Section("TEXT".to_owned(), None, s.nstring()?),
        _ => return s.wrong("a FETCH item there is"),
    })
}

fn sectioned(s: &mut Scan<'_>, name: &str) -> Parsed<Att> {
    s.expect("[")?;
    let section = section(s)?;
    s.expect("]")?;
    let mut origin = None;
    if s.skip(b'<')? {
        origin = Some(s.number64()?);
        s.expect(">")?;
    }
    s.space()?;
    let numeric = section.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    match name {
        "BODY" => Ok(Att::Section(section, origin, s.nstring()?)),
        "BINARY" if numeric => {
            let data = match s.peek()? {
                b'~' => {
                    s.expect("~")?;
                    Some(s.literal(true)?)
                }
                _ => s.nstring()?,
            };
            Ok(Att::Binary(section, origin, data))
        }
        "BINARY.SIZE" if numeric && origin.is_none() => Ok(Att::BinarySize(section, s.number64()?)),
        _ => s.wrong("BODY, BINARY or BINARY.SIZE"),
    }
}

/// section-spec, in upper case, names of fields as sent
fn section(s: &mut Scan<'_>) -> Parsed<String> {
    let mut section = String::new();
    while s.peek()?.is_ascii_digit() {
        section.push_str(&s.nz()?.to_string());
        match s.peek()? {
            b'.' => section.push(char::from(s.next()?)),
            _ => return Ok(section),
        }
    }
    if s.peek()? == b']' && section.is_empty() {
        return Ok(section);
    }
    let word = s.take("a section", |b| b.is_ascii_alphabetic() || b == b'.')?;
    let word = String::from_utf8_lossy(word).to_ascii_uppercase();
    let in_part = !section.is_empty();
    section.push_str(&word);
    match word.as_str() {
        "HEADER" | "TEXT" => {}
        "MIME" if in_part => {}
        "HEADER.FIELDS" | "HEADER.FIELDS.NOT" => {
            s.space()?;
            let names = s.list1(Scan::astring)?;
            let names: Vec<_> = names.iter().map(|n| String::from_utf8_lossy(n)).collect();
            section.push_str(&format!(" ({})", names.join(" ")));
        }
        _ => return s.wrong("HEADER, HEADER.FIELDS, HEADER.FIELDS.NOT, TEXT or MIME"),
    }
    Ok(section)
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// date-time = DQUOTE date-day-fixed "-" date-month "-" date-year SP time SP zone DQUOTE
fn date_time(s: &mut Scan<'_>) -> Parsed<i64> {
    s.expect("\"")?;
    let day = match s.skip(b' ')? {
        true => digits(s, 1)?,
        false => digits(s, 2)?,
    };
    s.expect("-")?;
    let month = s.take("a month", |b| b.is_ascii_alphabetic())?;
    let month = MONTHS.iter().position(|m| m.as_bytes() == month);
    let Some(month) = month else {
        return s.wrong("a month");
    };
    s.expect("-")?;
    let year = digits(s, 4)?;
    s.space()?;
    let hour = digits(s, 2)?;
    s.expect(":")?;
    let minute = digits(s, 2)?;
    s.expect(":")?;
    let second = digits(s, 2)?;
    s.space()?;
    let sign = match s.next()? {
        b'+' => 1,
        b'-' => -1,
        _ => return s.wrong("a zone"),
    };
    let zone = sign * (digits(s, 2)? * 60 + digits(s, 2)?);
    s.expect("\"")?;
    if !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return s.wrong("a date and time");
    }
    let month = i64::try_from(month).unwrap_or(0) + 1;
    Ok(days(year, month, day) * 86_400 + hour * 3600 + (minute - zone) * 60 + second)
}

fn digits(s: &mut Scan<'_>, n: usize) -> Parsed<i64> {
    let mut value = 0;
    for _ in 0..n {
        match s.next()? {
            b @ b'0'..=b'9' => value = value * 10 + i64::from(b - b'0'),
            _ => return s.wrong("a digit"),
        }
    }
    Ok(value)
}

/// Days from 1970-01-01 to this day of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let leap = |y: i64| (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    let before = |y: i64| y * 365 + (y + 3) / 4 - (y + 99) / 100 + (y + 399) / 400;
    let lengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let months = usize::try_from(month - 1).unwrap_or(0);
    let in_year: i64 = lengths[..months].iter().sum();
    let leap_day = i64::from(month > 2 && leap(year));
    before(year) - before(1970) + in_year + leap_day + day - 1
}
