//! The beginning of a command: from a frame to a task, or at once to its answer.

use bytes::Bytes;

use super::{Current, Done, Session};
use crate::ast::Command;
use crate::command;
use crate::parse::{self, Context, ParseError, ParseErrorKind};
use crate::schedule::{self, Needs, Row, Tell};
use crate::session::CloseReason;
use crate::wire::announce::Literal;
use crate::wire::frame::{Frame, Refusal};

/// Octets of a line that may as well stay in memory as long as its tag.
const SHORT: usize = 4096;

/// The row of what could not be parsed.
const UNKNOWN: Row = Row {
    name: "?",
    needs: Needs::Nothing,
    tell: Tell::Nothing,
};

impl Session {
    /// The greeting (RFC 9051 §7.1.4, PREAUTH, is never sent: no listener knows its peer beforehand).
    pub(crate) fn greet(&mut self) {
        self.out.put(b"* OK [CAPABILITY ");
        self.put_capabilities();
        self.out.put(b"] ");
        let config = self.config.clone();
        self.out.put_str(&config.name);
        self.out.put(b" ready\r\n");
    }

    /// A frame arrived while no command was being answered.
    pub(crate) fn begin(&mut self, frame: Frame) {
        match frame {
            Frame::Line(line) => self.begin_line(line),
            Frame::Append(piece, literal) => self.begin_append(&piece, literal),
            Frame::Continue => self.out.put(b"+ Go on\r\n"),
            Frame::Refused(head, refusal) => self.refuse(&head, refusal, None),
            Frame::Lost(head, refusal) => self.refuse(&head, refusal, Some(CloseReason::TooBig)),
            // Chunks only follow a stream that a task began.
            Frame::Chunk(_) | Frame::ChunksEnd => {}
        }
    }

    fn begin_line(&mut self, line: Bytes) {
        let config = self.config.clone();
        let Some((tag, rest)) = parse::parse_tag(&line, &config.limits) else {
            self.bad_untagged("Expected a tag, a space and a command");
            return;
        };
        // A tag must not keep a long line in memory.
        let long = line.len() > SHORT;
        let from = line.len() - rest.len();
        let tag = match long {
            true => Bytes::copy_from_slice(tag),
            false => line.slice_ref(tag),
        };
        let cx = Context {
            limits: &config.limits,
            authenticated: self.account.is_some(),
        };
        match parse::parse_command(&line, from, &cx) {
            Ok(command) => {
                // What the command does not need of it is needed no longer.
                drop(line);
                self.start(tag, command);
            }
            Err(error) => {
                self.current = Some(Current::new(tag, named(&line[from..]), Some(bad(&error))));
            }
        }
    }

    fn begin_append(&mut self, piece: &Bytes, literal: Literal) {
        let limits = self.config.limits.clone();
        let Some((tag, rest)) = parse::parse_tag(piece, &limits) else {
            // A command without a tag: its literal is not a command.
            self.append_without_tag(literal);
            return;
        };
        let (tag, rest) = (piece.slice_ref(tag), piece.slice_ref(rest));
        let row = schedule::of(&Command::Append {
            mailbox: Bytes::new(),
        });
        self.current = Some(Current::new(tag, row, None));
        self.timers.busy();
        self.task = Some(command::append::begin(self, &rest, literal));
    }

    fn append_without_tag(&mut self, literal: Literal) {
        self.bad_untagged("Expected a tag, a space and a command");
        if literal.synchronizing {
            return;
        }
        if literal.size > self.bounds().swallow {
            self.bye("[TOOBIG] The literal is too long", CloseReason::TooBig);
        } else {
            self.input_skip(literal.size);
            self.task = Some(command::skip::begin());
        }
    }

    pub(crate) fn input_skip(&mut self, size: u64) {
        self.input.skip(size);
    }

    pub(crate) fn input_stream(&mut self, size: u64) {
        self.input.stream(size);
    }

    pub(crate) fn input_skip_stream(&mut self) {
        self.input.skip_stream();
    }

    pub(crate) fn take_residue(&mut self) -> Bytes {
        self.input.take_residue()
    }

    fn start(&mut self, tag: Bytes, command: Command) {
        let row = schedule::of(&command);
        self.current = Some(Current::new(tag, row, None));
        self.timers.busy();
        if let Some(done) = self.wrong_state(row.needs) {
            self.done(done);
        } else {
            command::start(self, command);
        }
    }

    fn wrong_state(&self, needs: Needs) -> Option<Done> {
        let text = match needs {
            Needs::NotAuthenticated if self.account.is_some() => "Already signed in",
            Needs::Authenticated if self.account.is_none() => "Sign in first",
            Needs::Selected if self.account.is_none() => "Sign in first",
            Needs::Selected if self.selected.is_none() => "Select a mailbox first",
            _ => return None,
        };
        Some(Done::bad(text))
    }

    /// A command broke a bound of the framer.
    fn refuse(&mut self, head: &Bytes, refusal: Refusal, close: Option<CloseReason>) {
        let text = match refusal {
            Refusal::Line => "[TOOBIG] The line is too long",
            Refusal::Command => "[TOOBIG] The command is too long",
            Refusal::Literal => "[TOOBIG] The literal is too long",
        };
        let limits = self.config.limits.clone();
        match parse::parse_tag(head, &limits) {
            Some((tag, rest)) => {
                let done = Some(Done::bad(text));
                self.current = Some(Current::new(head.slice_ref(tag), named(rest), done));
                self.answer();
            }
            None => self.bad_untagged(text),
        }
        if let Some(reason) = close {
            self.bye(text, reason);
        }
    }

    /// The tag of the command being answered.
    pub(crate) fn tag(&self) -> Bytes {
        self.current
            .as_ref()
            .map(|c| c.tag.clone())
            .unwrap_or_default()
    }
}

fn named(rest: &[u8]) -> Row {
    Row {
        name: parse::command_name(rest).map_or("?", |(name, _)| name),
        ..UNKNOWN
    }
}

pub(crate) fn bad(error: &ParseError) -> Done {
    match error.kind {
        ParseErrorKind::TooManyTokens => Done::bad(alloc::format!("[LIMIT] {}", error.text)),
        _ => Done::bad(error.text),
    }
}
