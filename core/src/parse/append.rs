//! APPEND in pieces: the framer cuts it at each message literal (RFC 9051 §9 `append`, RFC 3502, RFC 3516).

use bytes::Bytes;

use super::cursor::{Cursor, Parsed, syntax};
use super::lex;
use super::sync::flag_list;
use super::{Context, ParseError};
use crate::ast::AppendMessage;
use crate::date::DateTime;

/// The piece from the command's name to the first message literal, whose announcement is cut off.
///
/// # Errors
/// What was expected, where the grammar was broken.
pub fn parse_append_head(
    piece: &Bytes,
    cx: &Context<'_>,
) -> Result<(Bytes, AppendMessage), ParseError> {
    let mut c = Cursor::new(piece, cx);
    c.expect(b"APPEND ", "Expected APPEND")?;
    let mailbox = c.astring("Expected a mailbox name")?;
    Ok((mailbox, message(&mut c)?))
}

/// A later piece: what comes before the next message literal.
///
/// # Errors
/// What was expected, where the grammar was broken.
pub fn parse_append_next(piece: &Bytes, cx: &Context<'_>) -> Result<AppendMessage, ParseError> {
    message(&mut Cursor::new(piece, cx))
}

/// The last piece: what follows the last message.
///
/// # Errors
/// It is not the end of the command.
pub fn parse_append_end(piece: &Bytes, cx: &Context<'_>) -> Result<(), ParseError> {
    Cursor::new(piece, cx).end()
}

/// append-message = [SP flag-list] [SP date-time] SP append-data
fn message(c: &mut Cursor<'_>) -> Parsed<AppendMessage> {
    let mut message = AppendMessage::default();
    c.space()?;
    if c.peek() == Some(b'(') {
        message.flags = flag_list(c)?;
        c.space()?;
    }
    if c.peek() == Some(b'"') {
        let (text, _) = c.take(lex::quoted, "Expected a date")?;
        message.date = DateTime::parse(text);
        if message.date.is_none() {
            return syntax("Expected a date such as \"17-Jul-1996 02:44:25 -0700\"");
        }
        c.space()?;
    }
    if !c.at_end() {
        return syntax("Expected flags, a date or a message literal");
    }
    Ok(message)
}
