//! Values with parameters: Content-Type and Content-Disposition (RFC 2045 §5.1, RFC 2183), continuations and charsets undone (RFC 2231).

use alloc::vec::Vec;

use super::quote::string;
use super::text::known_charset;

/// Parameters of one field.
const PARAMETERS: usize = 128;

/// A value and its parameters.
#[derive(Debug, Default)]
pub(super) struct Value {
    pub value: Vec<u8>,
    pub params: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Value {
    pub(super) fn parse(raw: &[u8]) -> Self {
        let mut pieces = Pieces { rest: raw };
        let value = pieces.next().map(|p| p.text).unwrap_or_default();
        let params = pieces
            .filter_map(|piece| {
                let equals = piece.equals.filter(|e| *e > 0)?;
                Some((piece.text[..equals].to_vec(), piece.text[equals..].to_vec()))
            })
            .take(PARAMETERS)
            .collect();
        Self {
            value,
            params: undo_continuations(params),
        }
    }

    /// Type and subtype, if it is a media type: two tokens and a slash (RFC 2045 §5.1).
    pub(super) fn media(&self) -> Option<(&[u8], &[u8])> {
        let slash = memchr::memchr(b'/', &self.value)?;
        let kind = self.value[..slash].trim_ascii_end();
        let subtype = self.value[slash + 1..].trim_ascii_start();
        (is_token(kind) && is_token(subtype)).then_some((kind, subtype))
    }

    /// The boundary of a multipart; white space at its end may have come on the way (RFC 2046 §5.1.1).
    pub(super) fn boundary(&self) -> Option<&[u8]> {
        let (kind, _) = self.media()?;
        let boundary = self.param(b"boundary")?.trim_ascii_end();
        (kind.eq_ignore_ascii_case(b"multipart") && !boundary.is_empty()).then_some(boundary)
    }

    /// The value of a parameter, whichever way it was written.
    pub(super) fn param(&self, name: &[u8]) -> Option<&[u8]> {
        let named = |n: &[u8]| {
            n.eq_ignore_ascii_case(name)
                || n.strip_suffix(b"*")
                    .is_some_and(|n| n.eq_ignore_ascii_case(name))
        };
        let found = self.params.iter().find(|(n, _)| named(n));
        found.map(|(_, v)| &v[..])
    }

    /// `body-fld-param`: `(name value …)` or NIL.
    pub(super) fn put_params(&self, out: &mut Vec<u8>) {
        if self.params.is_empty() {
            out.extend_from_slice(b"NIL");
            return;
        }
        for (i, (name, value)) in self.params.iter().enumerate() {
            out.push(if i == 0 { b'(' } else { b' ' });
            string(out, name);
            out.push(b' ');
            string(out, value);
        }
        out.push(b')');
    }
}

fn is_token(text: &[u8]) -> bool {
    let special = |b: &u8| b"()<>@,;:\\\"/[]?=".contains(b);
    !text.is_empty() && text.iter().all(|b| b.is_ascii_graphic() && !special(b))
}

type Params = Vec<(Vec<u8>, Vec<u8>)>;

/// `a*0`, `a*1` become `a`; where a piece names a charset, `a*` in UTF-8 (RFC 9051 §7.5.2). What is broken stays as it stands.
fn undo_continuations(params: Params) -> Params {
    let marked = |(name, _): &(Vec<u8>, Vec<u8>)| name.contains(&b'*');
    if !params.iter().any(marked) {
        return params;
    }
    let mut out = Params::new();
    for (name, value) in &params {
        let joined = match Piece2231::of(name) {
            Some(piece) if piece.number.unwrap_or(0) == 0 => join(&params, &piece),
            // A later piece went with its first, if there was one.
            Some(piece) if has_first(&params, &piece) => continue,
            _ => None,
        };
        out.push(joined.unwrap_or_else(|| (name.clone(), value.clone())));
    }
    out
}

fn has_first(params: &Params, later: &Piece2231<'_>) -> bool {
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
fn join(params: &Params, first: &Piece2231<'_>) -> Option<(Vec<u8>, Vec<u8>)> {
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

/// One piece between semicolons: quotes and comments undone.
struct Piece {
    text: Vec<u8>,
    /// Where in `text` the value begins, if there was an equals sign, which is left out.
    equals: Option<usize>,
    /// White space since the last octet of the text.
    space: Vec<u8>,
}

impl Piece {
    /// White space within a text is kept; around it, it is none.
    fn push(&mut self, b: u8) {
        if self.text.len() > self.equals.unwrap_or(0) {
            self.text.append(&mut self.space);
        }
        self.space.clear();
        self.text.push(b);
    }

    fn quoted<'a>(&mut self, octets: &mut impl Iterator<Item = (usize, &'a u8)>) {
        while let Some((_, &b)) = octets.next() {
            match b {
                b'"' => return,
                b'\\' => match octets.next() {
                    Some((_, &b)) => self.push(b),
                    None => return,
                },
                b'\r' | b'\n' => {}
                b => self.push(b),
            }
        }
    }
}

struct Pieces<'a> {
    rest: &'a [u8],
}

impl Iterator for Pieces<'_> {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        if self.rest.is_empty() {
            return None;
        }
        let mut piece = Piece {
            text: Vec::new(),
            equals: None,
            space: Vec::new(),
        };
        let mut octets = self.rest.iter().enumerate();
        while let Some((at, &b)) = octets.next() {
            match b {
                b';' => {
                    self.rest = &self.rest[at + 1..];
                    return Some(piece);
                }
                b'"' => piece.quoted(&mut octets),
                b'(' => {
                    skip_comment(&mut octets);
                    piece.space.push(b' ');
                }
                b'=' if piece.equals.is_none() => {
                    piece.equals = Some(piece.text.len());
                    piece.space.clear();
                }
                b' ' | b'\t' => piece.space.push(b),
                b'\r' | b'\n' => {}
                _ => piece.push(b),
            }
        }
        self.rest = &[];
        Some(piece)
    }
}

/// Passes a comment whose `(` was read, however deep (RFC 5322 §3.2.2): a count, not recursion.
pub(super) fn skip_comment<'a>(octets: &mut impl Iterator<Item = (usize, &'a u8)>) {
    let mut depth = 1;
    while depth > 0 {
        match octets.next() {
            Some((_, b'(')) => depth += 1,
            Some((_, b')')) => depth -= 1,
            Some((_, b'\\')) => {
                octets.next();
            }
            Some(_) => {}
            None => return,
        }
    }
}
