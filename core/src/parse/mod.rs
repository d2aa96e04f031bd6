//! From a frame to a command: nom parsers by topic, each with the ABNF rule it follows named above it.

mod append;
mod command;
mod cursor;
mod fetch;
mod lex;
mod list;
mod search;
mod sync;

pub use append::{parse_append_end, parse_append_head, parse_append_next};
pub use command::{command_name, parse_command};

use crate::limits::Limits;

/// What parsing depends on besides the octets.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Every bound.
    pub limits: &'a Limits,
    /// After login the bounds are wider.
    pub authenticated: bool,
}

/// Why a command is not one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{text}")]
pub struct ParseError {
    /// The class.
    pub kind: ParseErrorKind,
    /// What was expected, for people.
    pub text: &'static str,
}

/// The classes of parse errors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// The grammar was broken.
    Syntax,
    /// There is no such command.
    UnknownCommand,
    /// More words or deeper nesting than allowed.
    TooManyTokens,
}

/// The tag and what follows its space, nothing where the line is a tag alone; `None`: there is no valid tag (RFC 9051 §9 `tag`).
#[must_use]
pub fn parse_tag<'a>(frame: &'a [u8], limits: &Limits) -> Option<(&'a [u8], &'a [u8])> {
    let (rest, tag) = lex::tag_chars(frame).ok()?;
    let rest = match rest {
        [] | [b' '] => &[],
        rest => rest.strip_prefix(b" ")?,
    };
    (tag.len() <= limits.tag).then_some((tag, rest))
}
