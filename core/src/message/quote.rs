//! Wire strings of ENVELOPE and BODYSTRUCTURE: `NIL`, quoted, or a literal (RFC 9051 §4.3).

use alloc::vec::Vec;

/// `string`: quoted if it is short and clean, else a literal; NUL, which no literal may hold, becomes a space.
pub(super) fn string(out: &mut Vec<u8>, text: &[u8]) {
    let clean = text.len() <= 1000 && text.iter().all(|b| (0x20..0x7f).contains(b) || *b == b'\t');
    if clean {
        out.push(b'"');
        for &b in text {
            if matches!(b, b'"' | b'\\') {
                out.push(b'\\');
            }
            out.push(b);
        }
        out.push(b'"');
        return;
    }
    out.extend_from_slice(alloc::format!("{{{}}}\r\n", text.len()).as_bytes());
    out.extend(text.iter().map(|b| if *b == 0 { b' ' } else { *b }));
}

/// `nstring`: `None` is NIL, which is not the empty string.
pub(super) fn nstring(out: &mut Vec<u8>, text: Option<&[u8]>) {
    match text {
        Some(text) => string(out, text),
        None => out.extend_from_slice(b"NIL"),
    }
}

/// A field's value on one line: folds undone (RFC 5322 §2.2.3), white space around it dropped. A CR alone is no fold.
pub(super) fn unfold(raw: &[u8]) -> Vec<u8> {
    let mut line = Vec::with_capacity(raw.len());
    for piece in raw.split_inclusive(|b| *b == b'\n') {
        let text = piece.strip_suffix(b"\n");
        line.extend_from_slice(text.map_or(piece, |t| t.strip_suffix(b"\r").unwrap_or(t)));
    }
    line.trim_ascii().to_vec()
}
