//! Values with parameters: Content-Type and Content-Disposition (RFC 2045 §5.1, RFC 2183), continuations and charsets undone (RFC 2231).

use alloc::vec::Vec;
use core::ops::Range;
use core::slice::Iter;

use super::lex::{run, skip_comment};
use super::quote::string;
use super::text::known_charset;

/// Parameters of one field.
const PARAMETERS: usize = 128;

/// A value and its parameters.
#[derive(Debug)]
pub(super) struct Value {
    /// The value, then each parameter's name and value.
    text: Vec<u8>,
    /// Where the value ends.
    end: usize,
    params: Vec<(Range<usize>, Range<usize>)>,
}

impl Value {
    pub(super) fn parse(raw: &[u8]) -> Self {
        let mut octets = raw.iter();
        let mut text = Vec::with_capacity(raw.len());
        put_piece(&mut octets, &mut text);
        let end = text.len();
        let mut params = Vec::new();
        while !octets.as_slice().is_empty() && params.len() < PARAMETERS {
            let begin = text.len();
            match put_piece(&mut octets, &mut text) {
                Some(equals) if equals > begin => params.push((begin..equals, equals..text.len())),
                _ => text.truncate(begin),
            }
        }
        Self { text, end, params }.undo_continuations()
    }

    /// The value without its parameters.
    pub(super) fn parse_value(raw: &[u8]) -> Vec<u8> {
        let mut value = Vec::new();
        put_piece(&mut raw.iter(), &mut value);
        value
    }

    pub(super) fn value(&self) -> &[u8] {
        &self.text[..self.end]
    }

    /// Names and values.
    pub(super) fn params(&self) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> {
        let text = |at: &Range<usize>| &self.text[at.clone()];
        self.params.iter().map(move |(n, v)| (text(n), text(v)))
    }

    /// Type and subtype, if it is a media type: two tokens and a slash (RFC 2045 §5.1).
    pub(super) fn media(&self) -> Option<(&[u8], &[u8])> {
        let value = self.value();
        let slash = memchr::memchr(b'/', value)?;
        let kind = value[..slash].trim_ascii_end();
        let subtype = value[slash + 1..].trim_ascii_start();
        (is_token(kind) && is_token(subtype)).then_some((kind, subtype))
    }

    /// The boundary of a multipart; white space at its end may have come on the way (RFC 2046 §5.1.1).
    pub(super) fn boundary(&self) -> Option<&[u8]> {
        let boundary = self.param(b"boundary")?.trim_ascii_end();
        let (kind, _) = self.media()?;
        (kind.eq_ignore_ascii_case(b"multipart") && !boundary.is_empty()).then_some(boundary)
    }

    /// The value of a parameter, whichever way it was written.
    pub(super) fn param(&self, name: &[u8]) -> Option<&[u8]> {
        let named = |n: &[u8]| {
            n.eq_ignore_ascii_case(name)
                || n.strip_suffix(b"*")
                    .is_some_and(|n| n.eq_ignore_ascii_case(name))
        };
        self.params().find(|(n, _)| named(n)).map(|(_, v)| v)
    }

    /// `body-fld-param`: `(name value …)` or NIL.
    pub(super) fn put_params(&self, out: &mut Vec<u8>) {
        if self.params.is_empty() {
            out.extend_from_slice(b"NIL");
            return;
        }
        for (i, (name, value)) in self.params().enumerate() {
            out.push(if i == 0 { b'(' } else { b' ' });
            string(out, name);
            out.push(b' ');
            string(out, value);
        }
        out.push(b')');
    }

    /// `a*0`, `a*1` become `a`; where a piece names a charset, `a*` in UTF-8 (RFC 9051 §7.5.2). What is broken stays as it stands.
    fn undo_continuations(self) -> Self {
        if !self.params().any(|(name, _)| name.contains(&b'*')) {
            return self;
        }
        let params: Vec<_> = self.params().collect();
        let mut out = Self {
            text: self.value().to_vec(),
            end: self.end,
            params: Vec::new(),
        };
        for &(name, value) in &params {
            let joined = match Piece2231::of(name) {
                Some(piece) if piece.number.unwrap_or(0) == 0 => join(&params, &piece),
                // A later piece went with its first, if there was one.
                Some(piece) if has_first(&params, &piece) => continue,
                _ => None,
            };
            match joined {
                Some((name, value)) => out.add(&name, &value),
                None => out.add(name, value),
            }
        }
        out
    }

    fn add(&mut self, name: &[u8], value: &[u8]) {
        let begin = self.text.len();
        self.text.extend_from_slice(name);
        let equals = self.text.len();
        self.text.extend_from_slice(value);
        self.params.push((begin..equals, equals..self.text.len()));
    }
}

fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|b| TOKEN[usize::from(*b)])
}

/// The octets of a token (RFC 2045 §5.1).
const TOKEN: [bool; 256] = {
    let mut token = [false; 256];
    let mut b = 0x21;
    while b < 0x7f {
        token[b] = true;
        b += 1;
    }
    let special = b"()<>@,;:\\\"/[]?=";
    let mut at = 0;
    while at < special.len() {
        token[special[at] as usize] = false;
        at += 1;
    }
    token
};

type Params<'a> = [(&'a [u8], &'a [u8])];

fn has_first(params: &Params<'_>, later: &Piece2231<'_>) -> bool {
    let first = |p: Piece2231<'_>| p.number == Some(0) && p.is_of(later);
    params
        .iter()
        .any(|(name, _)| Piece2231::of(name).is_some_and(first))
}

/// The name of a parameter as RFC 2231 reads it.
struct Piece2231<'a> {
    base: &'a [u8],
    /// Which piece of the value it is.
    number: Option<usize>,
    /// Whether its value is percent-encoded.
    encoded: bool,
}

impl<'a> Piece2231<'a> {
    fn of(name: &'a [u8]) -> Option<Self> {
        let (rest, encoded) = match name.strip_suffix(b"*") {
            Some(rest) => (rest, true),
            None => (name, false),
        };
        let number = memchr::memrchr(b'*', rest).and_then(|star| {
            let digits = core::str::from_utf8(&rest[star + 1..]).ok()?;
            Some((star, digits.parse::<u8>().ok()?))
        });
        let base = &rest[..number.map_or(rest.len(), |(star, _)| star)];
        (!base.is_empty() && (encoded || number.is_some())).then_some(Self {
            base,
            number: number.map(|(_, n)| usize::from(n)),
            encoded,
        })
    }

    fn is_of(&self, other: &Piece2231<'_>) -> bool {
        self.base.eq_ignore_ascii_case(other.base)
    }
}

/// A parameter's pieces put together, up to the first that is missing.
fn join(params: &Params<'_>, first: &Piece2231<'_>) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut pieces: Vec<Option<(&[u8], bool)>> = alloc::vec![None; PARAMETERS];
    for (name, value) in params {
        let Some(piece) = Piece2231::of(name).filter(|p| p.is_of(first)) else {
            continue;
        };
        if piece.number.is_some() == first.number.is_some()
            && let Some(place) = pieces.get_mut(piece.number.unwrap_or(0))
        {
            place.get_or_insert((value, piece.encoded));
        }
    }
    let mut charset = None;
    let mut joined = Vec::new();
    let mut any_encoded = false;
    for (at, (value, encoded)) in pieces.into_iter().map_while(|p| p).enumerate() {
        let mut value = value;
        if at == 0 && encoded {
            let mut quotes = value.splitn(3, |b| *b == b'\'');
            charset = quotes.next();
            quotes.next()?;
            value = quotes.next()?;
        }
        any_encoded |= encoded;
        if encoded {
            percent_decode(value, &mut joined);
        } else {
            joined.extend_from_slice(value);
        }
    }
    let mut name = first.base.to_vec();
    if any_encoded {
        name.push(b'*');
        let label = core::str::from_utf8(charset.unwrap_or_default()).ok()?;
        joined = match known_charset(label) {
            Some(encoding) => encoding.decode_without_bom_handling(&joined).0.into_owned(),
            None if label.is_empty() || label.eq_ignore_ascii_case("us-ascii") => {
                alloc::string::String::from_utf8(joined).ok()?
            }
            None => return None,
        }
        .into_bytes();
    }
    Some((name, joined))
}

fn percent_decode(value: &[u8], out: &mut Vec<u8>) {
    let digit = |b: &u8| char::from(*b).to_digit(16);
    let mut rest = value;
    while let [first, tail @ ..] = rest {
        rest = tail;
        let escape = match tail {
            [high, low, ..] if *first == b'%' => digit(high).zip(digit(low)),
            _ => None,
        };
        match escape {
            // Two digits of four bits.
            Some((high, low)) => {
                out.push((high << 4 | low) as u8);
                rest = &tail[2..];
            }
            None => out.push(*first),
        }
    }
}

/// Appends what stands before the next semicolon, quotes and comments undone. Where its value begins, if there was an equals sign, which is left out.
fn put_piece(octets: &mut Iter<'_, u8>, out: &mut Vec<u8>) -> Option<usize> {
    let special = |b| matches!(b, b';' | b'"' | b'(' | b'=' | b' ' | b'\t' | b'\r' | b'\n');
    let mut equals = None;
    // The name, then the value: white space within is kept, around it is none.
    let (mut begin, mut end) = (out.len(), out.len());
    loop {
        let plain = run(octets, special);
        if !plain.is_empty() {
            out.extend_from_slice(plain);
            end = out.len();
        }
        match octets.next() {
            None | Some(b';') => break,
            Some(b'"') => {
                if put_quoted(octets, out) {
                    end = out.len();
                }
            }
            Some(b'(') => {
                skip_comment(octets);
                put_white(b' ', begin, out);
            }
            Some(b'=') if equals.is_none() => {
                out.truncate(end);
                equals = Some(end);
                begin = end;
            }
            Some(b'=') => {
                out.push(b'=');
                end = out.len();
            }
            Some(b'\r' | b'\n') => {}
            Some(white) => put_white(*white, begin, out),
        }
    }
    out.truncate(end);
    equals
}

fn put_white(white: u8, begin: usize, out: &mut Vec<u8>) {
    if out.len() > begin {
        out.push(white);
    }
}

/// Appends a quoted string whose `"` was read; whether it holds anything.
fn put_quoted(octets: &mut Iter<'_, u8>, out: &mut Vec<u8>) -> bool {
    let begin = out.len();
    loop {
        out.extend_from_slice(run(octets, |b| matches!(b, b'"' | b'\\' | b'\r' | b'\n')));
        match octets.next() {
            None | Some(b'"') => break,
            Some(b'\\') => out.extend(octets.next()),
            Some(_) => {}
        }
    }
    out.len() > begin
}
