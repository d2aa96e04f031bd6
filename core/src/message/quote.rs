//! Wire strings and numbers of ENVELOPE and BODYSTRUCTURE: `NIL`, quoted, or a literal (RFC 9051 §4.3).

use alloc::vec::Vec;

use crate::wire::output::decimal;

/// `string`: quoted if it is short and clean, else a literal; NUL, which no literal may hold, becomes a space.
pub(super) fn string(out: &mut Vec<u8>, text: &[u8]) {
    let clean = |b: &u8| matches!(b, b'\t' | 0x20..0x7f);
    let plain = |b: &u8| clean(b) && !matches!(b, b'"' | b'\\');
    if text.len() <= QUOTED && text.iter().all(plain) {
        out.push(b'"');
        out.extend_from_slice(text);
        out.push(b'"');
    } else if text.len() <= QUOTED && text.iter().all(clean) {
        out.push(b'"');
        for &b in text {
            if matches!(b, b'"' | b'\\') {
                out.push(b'\\');
            }
            out.push(b);
        }
        out.push(b'"');
    } else {
        out.push(b'{');
        number(out, text.len() as u64);
        out.extend_from_slice(b"}\r\n");
        out.extend(text.iter().map(|b| if *b == 0 { b' ' } else { *b }));
    }
}

/// `nstring`: `None` is NIL, which is not the empty string.
pub(super) fn nstring(out: &mut Vec<u8>, text: Option<&[u8]>) {
    match text {
        Some(text) => string(out, text),
        None => out.extend_from_slice(b"NIL"),
    }
}

/// `number64`.
pub(super) fn number(out: &mut Vec<u8>, n: u64) {
    out.extend_from_slice(decimal(n, &mut [0; 20]));
}

/// Octets of the longest quoted string.
const QUOTED: usize = 1000;
