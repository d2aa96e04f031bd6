//! The words of the grammar as nom parsers over a whole frame (RFC 9051 §9, RFC 3501 §9).

use bytes::Bytes;
use nom::bytes::complete::{tag, take, take_while};
use nom::sequence::{delimited, terminated};
use nom::{IResult, Parser};

use crate::ast::SeqNumber;
use core::num::NonZeroU32;

/// Which octets a word may hold, as bits of a table.
const ATOM: u8 = 1;
const ASTRING: u8 = 2;
const LIST: u8 = 4;
const TAG: u8 = 8;
/// Inside quotes, without escapes.
const QUOTED: u8 = 16;
const LOWER: u8 = 32;

const CLASS: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut b = 0;
    while b < table.len() {
        if !matches!(b as u8, b'\0' | b'\r' | b'\n' | b'"' | b'\\') {
            table[b] = QUOTED;
        }
        b += 1;
    }
    b = 0x21;
    while b < 0x7f {
        let octet = b as u8;
        let special = matches!(octet, b'(' | b')' | b'{' | b'"' | b'\\');
        let wildcard = matches!(octet, b'%' | b'*');
        let bracket = octet == b']';
        let mut class = 0;
        if !special && !wildcard && !bracket {
            class |= ATOM;
        }
        if !special && !wildcard {
            class |= ASTRING;
        }
        if !special {
            class |= LIST;
        }
        if !special && !wildcard && octet != b'+' {
            class |= TAG;
        }
        if octet.is_ascii_lowercase() {
            class |= LOWER;
        }
        table[b] |= class;
        b += 1;
    }
    table
}

fn is(octet: u8, class: u8) -> bool {
    CLASS[octet as usize] & class != 0
}

/// The octets of this class, of which there is one at least.
#[inline]
fn chars(i: &[u8], class: u8) -> IResult<&[u8], &[u8]> {
    match i.iter().position(|b| !is(*b, class)).unwrap_or(i.len()) {
        0 => fail(i),
        n => Ok((&i[n..], &i[..n])),
    }
}

/// An atom, and whether a letter of it is a small one.
#[inline]
pub(super) fn cased_atom(i: &[u8]) -> IResult<&[u8], (&[u8], bool)> {
    let mut seen = 0;
    let classes = i.iter().map(|b| CLASS[usize::from(*b)]);
    let atom = classes.take_while(|class| class & ATOM != 0);
    let len = atom.inspect(|class| seen |= class).count();
    match len {
        0 => fail(i),
        _ => Ok((&i[len..], (&i[..len], seen & LOWER != 0))),
    }
}

/// atom = 1*ATOM-CHAR
pub(super) fn atom(i: &[u8]) -> IResult<&[u8], &[u8]> {
    chars(i, ATOM)
}

/// 1*ASTRING-CHAR
pub(super) fn astring_chars(i: &[u8]) -> IResult<&[u8], &[u8]> {
    chars(i, ASTRING)
}

/// 1*ASTRING-CHAR *(SP 1*ASTRING-CHAR) before a closing parenthesis, and how many words.
pub(super) fn astring_words(i: &[u8]) -> Option<(&[u8], usize)> {
    let (mut at, mut words) = (0, 0);
    loop {
        let length = i[at..].iter().position(|b| !is(*b, ASTRING))?;
        at += length;
        words += 1;
        match i[at] {
            _ if length == 0 => return None,
            b' ' => at += 1,
            b')' => return Some((&i[..at], words)),
            _ => return None,
        }
    }
}

/// 1*list-char
pub(super) fn list_chars(i: &[u8]) -> IResult<&[u8], &[u8]> {
    chars(i, LIST)
}

/// tag = 1*<any ASTRING-CHAR except "+">
pub(super) fn tag_chars(i: &[u8]) -> IResult<&[u8], &[u8]> {
    chars(i, TAG)
}

/// number64 = 1*DIGIT, below 2^63
#[inline]
pub(super) fn number64(i: &[u8]) -> IResult<&[u8], u64> {
    const MAX: u64 = (1 << 63) - 1;
    let (mut n, mut rest) = (0u64, i);
    while let [digit @ b'0'..=b'9', behind @ ..] = rest {
        if n > MAX / 10 {
            return fail(i);
        }
        n = n * 10 + u64::from(digit - b'0');
        rest = behind;
    }
    if rest.len() == i.len() || n > MAX {
        return fail(i);
    }
    Ok((rest, n))
}

/// nz-number = digit-nz *DIGIT, below 2^32
#[inline]
pub(super) fn nz_number(i: &[u8]) -> IResult<&[u8], NonZeroU32> {
    let (rest, n) = number64(i)?;
    match u32::try_from(n).ok().and_then(NonZeroU32::new) {
        Some(n) => Ok((rest, n)),
        None => fail(i),
    }
}

/// seq-number = nz-number / "*"
#[inline]
pub(super) fn seq_number(i: &[u8]) -> IResult<&[u8], SeqNumber> {
    match i {
        [b'*', rest @ ..] => Ok((rest, SeqNumber::Last)),
        _ => nz_number(i).map(|(rest, n)| (rest, SeqNumber::Number(n))),
    }
}

/// seq-number / seq-range = seq-number ":" seq-number
#[inline]
pub(super) fn seq_range(i: &[u8]) -> IResult<&[u8], (SeqNumber, SeqNumber)> {
    let (rest, first) = seq_number(i)?;
    match rest {
        [b':', rest @ ..] => seq_number(rest).map(|(rest, last)| (rest, (first, last))),
        _ => Ok((rest, (first, first))),
    }
}

/// The octets between the quotes of `quoted`, and whether there are escapes among them, which are still in place.
pub(super) fn quoted(i: &[u8]) -> IResult<&[u8], (&[u8], bool)> {
    let [b'"', inner @ ..] = i else {
        return fail(i);
    };
    let (mut at, mut escaped) = (0, false);
    while let Some(n) = inner[at..].iter().position(|b| !is(*b, QUOTED)) {
        at += n;
        match inner[at..] {
            [b'"', ref rest @ ..] => return Ok((rest, (&inner[..at], escaped))),
            [b'\\', b'"' | b'\\', ..] => at += 2,
            _ => break,
        }
        escaped = true;
    }
    fail(i)
}

/// literal = "{" number64 ["+"] "}" CRLF *CHAR8, without NUL; `literal8` with it
pub(super) fn literal(i: &[u8]) -> IResult<&[u8], &[u8]> {
    let (rest, size) = delimited(
        tag(&b"{"[..]),
        terminated(number64, take_while(|b| b == b'+')),
        tag(&b"}\r\n"[..]),
    )
    .parse(i)?;
    let Ok(size) = usize::try_from(size) else {
        return fail(i);
    };
    let (rest, octets) = take(size).parse(rest)?;
    if memchr::memchr(0, octets).is_some() {
        fail(i)
    } else {
        Ok((rest, octets))
    }
}

/// flag-extension = "\" atom
pub(super) fn system_flag(i: &[u8]) -> IResult<&[u8], &[u8]> {
    match i {
        [b'\\', name @ ..] => atom(name).map(|(rest, name)| (rest, &i[..=name.len()])),
        _ => fail(i),
    }
}

fn fail<O>(i: &[u8]) -> IResult<&[u8], O> {
    Err(nom::Err::Error(nom::error::Error::new(
        i,
        nom::error::ErrorKind::Verify,
    )))
}

/// What a quoted string with escapes means.
pub(super) fn unescape(inner: &[u8]) -> Bytes {
    let mut out = alloc::vec::Vec::with_capacity(inner.len());
    let mut octets = inner.iter();
    while let Some(&b) = octets.next() {
        out.extend(if b == b'\\' {
            octets.next().copied()
        } else {
            Some(b)
        });
    }
    Bytes::from(out)
}
