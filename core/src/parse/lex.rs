//! The words of the grammar as nom parsers over a whole frame (RFC 9051 §9, RFC 3501 §9).

use bytes::Bytes;
use nom::branch::alt;
use nom::bytes::complete::{tag, take, take_while, take_while1};
use nom::combinator::{map_opt, recognize};
use nom::sequence::{delimited, terminated};
use nom::{IResult, Parser};

use crate::ast::SeqNumber;
use core::num::NonZeroU32;

/// Which octets a word may hold, as bits of a table.
const ATOM: u8 = 1;
const ASTRING: u8 = 2;
const LIST: u8 = 4;
const TAG: u8 = 8;

const CLASS: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut b = 0x21;
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
        table[b] = class;
        b += 1;
    }
    table
}

fn is(octet: u8, class: u8) -> bool {
    CLASS[octet as usize] & class != 0
}

/// atom = 1*ATOM-CHAR
pub(super) fn atom(i: &[u8]) -> IResult<&[u8], &[u8]> {
    take_while1(|b| is(b, ATOM)).parse(i)
}

/// 1*ASTRING-CHAR
pub(super) fn astring_chars(i: &[u8]) -> IResult<&[u8], &[u8]> {
    take_while1(|b| is(b, ASTRING)).parse(i)
}

/// 1*list-char
pub(super) fn list_chars(i: &[u8]) -> IResult<&[u8], &[u8]> {
    take_while1(|b| is(b, LIST)).parse(i)
}

/// tag = 1*<any ASTRING-CHAR except "+">
pub(super) fn tag_chars(i: &[u8]) -> IResult<&[u8], &[u8]> {
    take_while1(|b| is(b, TAG)).parse(i)
}

/// number64 = 1*DIGIT, below 2^63
pub(super) fn number64(i: &[u8]) -> IResult<&[u8], u64> {
    map_opt(
        take_while1(|b: u8| b.is_ascii_digit()),
        |digits: &[u8]| {
            digits
                .iter()
                .try_fold(0u64, |n, d| {
                    n.checked_mul(10)?.checked_add(u64::from(d - b'0'))
                })
                .filter(|n| *n < 1 << 63)
        },
    )
    .parse(i)
}

/// number = 1*DIGIT, below 2^32
pub(super) fn number(i: &[u8]) -> IResult<&[u8], u32> {
    map_opt(number64, |n| u32::try_from(n).ok()).parse(i)
}

/// nz-number = digit-nz *DIGIT
pub(super) fn nz_number(i: &[u8]) -> IResult<&[u8], NonZeroU32> {
    map_opt(number, NonZeroU32::new).parse(i)
}

/// seq-number = nz-number / "*"
pub(super) fn seq_number(i: &[u8]) -> IResult<&[u8], SeqNumber> {
    alt((
        tag(&b"*"[..]).map(|_| SeqNumber::Last),
        nz_number.map(SeqNumber::Number),
    ))
    .parse(i)
}

/// The octets between the quotes of `quoted`, escapes still in place.
pub(super) fn quoted(i: &[u8]) -> IResult<&[u8], &[u8]> {
    delimited(tag(&b"\""[..]), quoted_inner, tag(&b"\""[..])).parse(i)
}

fn quoted_inner(i: &[u8]) -> IResult<&[u8], &[u8]> {
    let mut at = 0;
    loop {
        match memchr::memchr3(b'"', b'\\', b'\0', &i[at..]) {
            Some(n) if i[at + n] == b'"' => {
                let inner = &i[..at + n];
                return match memchr::memchr2(b'\r', b'\n', inner) {
                    Some(_) => fail(i),
                    None => Ok((&i[at + n..], inner)),
                };
            }
            Some(n) if i[at + n] == b'\\' && matches!(i.get(at + n + 1), Some(b'"' | b'\\')) => {
                at += n + 2
            }
            _ => return fail(i),
        }
    }
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
    recognize((tag(&b"\\"[..]), atom)).parse(i)
}

fn fail<O>(i: &[u8]) -> IResult<&[u8], O> {
    Err(nom::Err::Error(nom::error::Error::new(
        i,
        nom::error::ErrorKind::Verify,
    )))
}

/// What a quoted string means: without a copy unless it has escapes.
pub(super) fn unescape(frame: &Bytes, inner: &[u8]) -> Bytes {
    if memchr::memchr(b'\\', inner).is_none() {
        return frame.slice_ref(inner);
    }
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
