//! The shapes of ENVELOPE, BODY and BODYSTRUCTURE (RFC 9051 §9 `envelope`, `body`).

use super::fetch::Envelope;
use super::scan::{Parsed, Scan};

/// Bodies within bodies that are read at all.
const DEPTH: u32 = 150;

/// envelope: ten members
pub(super) fn envelope(s: &mut Scan<'_>) -> Parsed<Envelope> {
    s.expect("(")?;
    s.nstring()?;
    s.space()?;
    let subject = s.nstring()?;
    for _ in 0..6 {
        s.space()?;
        addresses(s)?;
    }
    s.space()?;
    s.nstring()?;
    s.space()?;
    let message_id = s.nstring()?;
    s.expect(")")?;
    Ok(Envelope {
        subject,
        message_id,
    })
}

/// "(" 1*address ")" / nil
fn addresses(s: &mut Scan<'_>) -> Parsed<()> {
    if s.peek()? != b'(' {
        return s.expect("NIL");
    }
    s.expect("(")?;
    loop {
        s.expect("(")?;
        for i in 0..4 {
            if i > 0 {
                s.space()?;
            }
            s.nstring()?;
        }
        s.expect(")")?;
        if s.skip(b')')? {
            return Ok(());
        }
    }
}

/// body; `extended`: BODYSTRUCTURE, which alone may have extension data
pub(super) fn body(s: &mut Scan<'_>, extended: bool) -> Parsed<()> {
    s.depth += 1;
    if s.depth > DEPTH {
        return s.wrong("bodies nested less deeply");
    }
    s.expect("(")?;
    match s.peek()? {
        b'(' => multipart(s, extended)?,
        _ => one_part(s, extended)?,
    }
    s.depth -= 1;
    s.expect(")")
}

/// body-type-mpart = 1*body SP media-subtype [SP body-ext-mpart]
fn multipart(s: &mut Scan<'_>, extended: bool) -> Parsed<()> {
    while s.peek()? == b'(' {
        body(s, extended)?;
    }
    s.space()?;
    s.string()?;
    if extended && s.skip(b' ')? {
        parameters(s)?;
        extension(s)?;
    }
    Ok(())
}

fn one_part(s: &mut Scan<'_>, extended: bool) -> Parsed<()> {
    let kind = s.string()?.to_ascii_uppercase();
    s.space()?;
    let subtype = s.string()?.to_ascii_uppercase();
    s.space()?;
    parameters(s)?;
    for _ in 0..2 {
        s.space()?;
        s.nstring()?;
    }
    s.space()?;
    s.string()?;
    s.space()?;
    s.number64()?;
    if kind == b"TEXT" {
        s.space()?;
        s.number64()?;
    } else if kind == b"MESSAGE" && (subtype == b"RFC822" || subtype == b"GLOBAL") {
        s.space()?;
        envelope(s)?;
        s.space()?;
        body(s, extended)?;
        s.space()?;
        s.number64()?;
    }
    if extended && s.skip(b' ')? {
        s.nstring()?;
        extension(s)?;
    }
    Ok(())
}

/// body-fld-param = "(" string SP string *(SP string SP string) ")" / nil
fn parameters(s: &mut Scan<'_>) -> Parsed<()> {
    if s.peek()? != b'(' {
        return s.expect("NIL");
    }
    s.list1(|s| {
        s.string()?;
        s.space()?;
        s.string()
    })
    .map(drop)
}

/// [SP body-fld-dsp [SP body-fld-lang [SP body-fld-loc *(SP body-extension)]]]
fn extension(s: &mut Scan<'_>) -> Parsed<()> {
    if !s.skip(b' ')? {
        return Ok(());
    }
    if s.peek()? == b'(' {
        s.expect("(")?;
        s.string()?;
        s.space()?;
        parameters(s)?;
        s.expect(")")?;
    } else {
        s.expect("NIL")?;
    }
    if !s.skip(b' ')? {
        return Ok(());
    }
    match s.peek()? {
        b'(' => s.list1(Scan::string).map(drop)?,
        _ => s.nstring().map(drop)?,
    }
    if s.skip(b' ')? {
        s.nstring()?;
    }
    Ok(())
}
