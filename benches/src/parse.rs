//! The whole of parsing one command, as a session does it.

use bytes::Bytes;
use pillarbox_core::ast::Command;
use pillarbox_core::limits::Limits;
use pillarbox_core::parse::{Context, parse_command, parse_tag};

/// Parses tag and command of one frame.
#[must_use]
pub fn parse<'a>(frame: &'a Bytes, limits: &Limits) -> Option<(&'a [u8], Command)> {
    let cx = Context {
        limits,
        authenticated: true,
    };
    let (tag, rest) = parse_tag(frame, limits)?;
    let command = parse_command(frame, frame.len() - rest.len(), &cx).ok()?;
    Some((tag, command))
}
