//! The whole of parsing one command, as a session does it.

use std::hint::black_box;

use bytes::Bytes;
use pillarbox_core::ast::Command;
use pillarbox_core::limits::Limits;
use pillarbox_core::parse::{Context, parse_command, parse_tag};

/// Parses tag and command of one frame.
#[must_use]
pub fn parse(frame: &Bytes, limits: &Limits) -> Option<(Bytes, Command)> {
    let cx = Context {
        limits,
        authenticated: true,
    };
    let (tag, rest) = parse_tag(frame, limits)?;
    let (tag, rest) = (frame.slice_ref(tag), frame.slice_ref(rest));
    let command = parse_command(black_box(&rest), &cx).ok()?;
    Some((tag, command))
}
