//! APPEND in pieces: the framer cuts it at each message literal (RFC 9051 §9 `append`, RFC 3502, RFC 3516).

use bytes::Bytes;

use super::cursor::{Cursor, Parsed, syntax};
use super::lex;
use super::sync::flag_list;
use super::{Context, ParseError};
use crate::ast::AppendPart;
use crate::date::DateTime;
use crate::flag::FlagNames;

/// The piece from the command's name to the first message literal, whose announcement is cut off; `binary`: it is a `literal8`.
///
/// # Errors
/// What was expected, where the grammar was broken.
pub fn parse_append_head(
    piece: &Bytes,
    binary: bool,
    cx: &Context<'_>,
) -> Result<(Bytes, AppendPart), ParseError> {
    let mut c = Cursor::new(piece, cx);
    c.expect(b"APPEND ", "Expected APPEND")?;
    let mailbox = c.astring("Expected a mailbox name")?;
    Ok((mailbox, message(&mut c, binary)?))
}

/// A later piece: the end of the command (`None`), or what comes before the next message literal.
///
/// # Errors
/// What was expected, where the grammar was broken.
pub fn parse_append_next(
    piece: &Bytes,
    literal: Option<bool>,
    cx: &Context<'_>,
) -> Result<AppendPart, ParseError> {
    let mut c = Cursor::new(piece, cx);
    match literal {
        Some(binary) => message(&mut c, binary),
        None => c.end().map(|()| AppendPart::End),
    }
}

/// append-message = [SP flag-list] [SP date-time] SP append-data
fn message(c: &mut Cursor<'_>, binary: bool) -> Parsed<AppendPart> {
    let (mut flags, mut date) = (FlagNames::default(), None);
    c.space()?;
    if c.peek() == Some(b'(') {
        flags = flag_list(c)?;
        c.space()?;
    }
    if c.peek() == Some(b'"') {
        let (text, _) = c.take(lex::quoted, "Expected a date")?;
        date = DateTime::parse(text);
        if date.is_none() {
            return syntax("Expected a date such as \"17-Jul-1996 02:44:25 -0700\"");
        }
        c.space()?;
    }
    if !c.at_end() {
        return syntax("Expected flags, a date or a message literal");
    }
    Ok(AppendPart::Message {
        flags,
        date,
        binary,
        utf8: false,
    })
}
