//! Values with parameters: Content-Type and Content-Disposition (RFC 2045 §5.1, RFC 2183). Parameters of RFC 2231 are given as they stand.

use alloc::vec::Vec;

use super::quote::string;

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
        let line: Vec<u8> = raw
            .iter()
            .copied()
            .filter(|b| !matches!(b, b'\r' | b'\n'))
            .collect();
        let mut pieces = Pieces { rest: &line };
        let value = pieces.next().map(|p| p.text).unwrap_or_default();
        let mut params: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        for piece in pieces {
            if params.len() >= PARAMETERS {
                break;
            }
            if let Some(equals) = piece.equals {
                let (name, value) = (piece.text[..equals].to_vec(), piece.text[equals..].to_vec());
                if !name.is_empty() {
                    params.push((name, value));
                }
            }
        }
        Self { value, params }
    }

    /// The value of a parameter.
    pub(super) fn param(&self, name: &[u8]) -> Option<&[u8]> {
        self.params
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| &v[..])
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

/// One piece between semicolons: quotes and comments undone.
struct Piece {
    text: Vec<u8>,
    /// Where in `text` the value begins, if there was an equals sign, which is left out.
    equals: Option<usize>,
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
        };
        let mut octets = self.rest.iter().enumerate();
        while let Some((at, &b)) = octets.next() {
            match b {
                b';' => {
                    self.rest = &self.rest[at + 1..];
                    return Some(piece);
                }
                b'"' => {
                    while let Some((_, &q)) = octets.next() {
                        match q {
                            b'"' => break,
                            b'\\' => piece.text.extend(octets.next().map(|(_, b)| *b)),
                            _ => piece.text.push(q),
                        }
                    }
                }
                b'(' => skip_comment(&mut octets),
                b'=' if piece.equals.is_none() => piece.equals = Some(piece.text.len()),
                b' ' | b'\t' => {}
                _ => piece.text.push(b),
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
