//! Cuts the client's octets into frames. Each octet is scanned once, and the framer alone decides where a literal begins and ends,
//! whatever becomes of its command (RFC 9051 §2.2.1, §4.3; RFC 7888).

mod skip;

use alloc::vec::Vec;
use bytes::{Buf, Bytes, BytesMut};

use super::announce::{Announced, Literal, announcement, is_message_literal};
use super::taken::{Taken, TakenAs};

/// Bounds in force for the next command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Octets of a line.
    pub line: usize,
    /// Octets of a command with its literals.
    pub command: usize,
    /// Octets of a non-synchronising literal that is swallowed when it is refused.
    pub swallow: u64,
    /// Octets of all literals of a refused command, before the connection is given up.
    pub literals: u64,
    /// Octets of its lines skipped before that.
    pub skip: u64,
}

/// What the client sent next.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Frame {
    /// A whole command or line without its CRLF, literals in place.
    Line(Bytes),
    /// A literal of a command must be asked for: send `+`.
    Continue,
    /// A piece of APPEND up to a message literal's announcement, which is cut off.
    Append(Bytes, Literal),
    /// Octets of the literal that is streamed.
    Chunk(Bytes),
    /// The streamed literal is complete.
    ChunksEnd,
    /// A command that broke a bound, now skipped to its end: its first octets, for the tag, and what is wrong.
    Refused(Bytes, Refusal),
    /// The bound was broken in a way that leaves no boundary to go on from.
    Lost(Bytes, Refusal),
}

/// Which bound a command broke.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refusal {
    /// A line is too long.
    Line,
    /// The command with its literals is too long.
    Command,
    /// A literal announced more octets than a number can hold, or than is allowed.
    Literal,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mode {
    /// Looking for the end of a line; `start` is where it began.
    Line { start: usize },
    /// Gathering a literal that ends at this octet of the buffer.
    Literal { end: usize },
    /// Handing out a message literal.
    Stream { left: u64 },
    /// Dropping a literal of a refused command.
    SkipLiteral { left: u64 },
    /// Dropping a line of a refused command.
    SkipLine,
}

/// The framer: octets are appended, frames are taken.
#[derive(Debug)]
pub(crate) struct Framer {
    buffer: BytesMut,
    scanned: usize,
    mode: Mode,
    /// While a command is being skipped: its first octets and what it broke.
    refused: Option<(Bytes, Refusal)>,
    skipped: u64,
    swallowed: u64,
    /// The last octets of a line being skipped, to find an announcement at its end.
    tail: [u8; 32],
    tail_len: usize,
    /// What octets were taken for, where somebody asks.
    taken: Option<Vec<Taken>>,
}

/// Up to here the buffer doubles when it grows.
const DOUBLES: usize = 256 << 10;
/// From there on it has room at once for the longest command there commonly is, and for what comes with it; twice that would be for nothing.
const LARGE: usize = (1 << 20) + (80 << 10);

/// How much of a refused command is kept to find its tag.
const HEAD: usize = 160;

impl Framer {
    pub(crate) fn new() -> Self {
        Self {
            buffer: BytesMut::new(),
            scanned: 0,
            mode: Mode::Line { start: 0 },
            refused: None,
            skipped: 0,
            swallowed: 0,
            tail: [0; 32],
            tail_len: 0,
            taken: None,
        }
    }

    /// Remembers from now on what octets are taken for.
    pub(crate) fn note_taken(&mut self) {
        self.taken.get_or_insert_default();
    }

    /// What octets were taken for since the last call.
    pub(crate) fn taken(&mut self) -> Vec<Taken> {
        self.taken.as_mut().map(core::mem::take).unwrap_or_default()
    }

    /// Octets held and not yet handed out.
    pub(crate) fn len(&self) -> usize {
        self.buffer.len()
    }

    pub(crate) fn put(&mut self, octets: &[u8]) {
        let wanted = self.buffer.len() + octets.len();
        if (DOUBLES..=LARGE).contains(&wanted) && self.buffer.capacity() < wanted {
            let mut larger = BytesMut::with_capacity(LARGE);
            larger.extend_from_slice(&self.buffer);
            self.buffer = larger;
        }
        self.buffer.extend_from_slice(octets);
    }

    /// Gives memory back when nothing is held.
    pub(crate) fn relax(&mut self) {
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
    }

    /// Takes everything as it came, for a layer that is put in place.
    pub(crate) fn take_residue(&mut self) -> Bytes {
        self.scanned = 0;
        self.mode = Mode::Line { start: 0 };
        let residue = core::mem::take(&mut self.buffer).freeze();
        self.note(residue.len(), TakenAs::Residue);
        residue
    }

    /// The client was sent `+` for a message literal, or needs none: hand it out as chunks.
    pub(crate) fn stream(&mut self, size: u64) {
        self.mode = Mode::Stream { left: size };
    }

    /// Drops the literal just announced and the rest of its command, which was refused already: `Frame::Refused` says when it is over.
    pub(crate) fn skip(&mut self, size: u64) {
        self.begin_skipping(Bytes::new(), Refusal::Literal, 0);
        self.swallow(size);
    }

    /// Drops what is left of a stream and of its command, like [`Framer::skip`].
    pub(crate) fn skip_stream(&mut self) {
        if let Mode::Stream { left } = self.mode {
            self.skip(left);
        }
    }

    /// The next frame, if enough octets are here. `commands`: literals are looked for; otherwise every line is a frame (SASL, IDLE).
    pub(crate) fn next(&mut self, bounds: Bounds, commands: bool) -> Option<Frame> {
        let (held, refused) = (self.buffer.len(), self.refused.is_some());
        let frame = self.cut(bounds, commands);
        let kind = match &frame {
            Some(Frame::Line(_)) if commands => TakenAs::Command,
            Some(Frame::Line(_)) => TakenAs::Line,
            Some(Frame::Append(..)) => TakenAs::Append,
            Some(Frame::Chunk(_) | Frame::ChunksEnd) => TakenAs::Message,
            _ if refused => TakenAs::Skipped,
            _ => TakenAs::Refused,
        };
        self.note(held - self.buffer.len(), kind);
        frame
    }

    fn note(&mut self, octets: usize, kind: TakenAs) {
        if let (Some(taken), 1..) = (&mut self.taken, octets) {
            taken.push(Taken { octets, kind });
        }
    }

    fn cut(&mut self, bounds: Bounds, commands: bool) -> Option<Frame> {
        loop {
            match self.mode {
                Mode::Line { start } => match self.line(start, bounds, commands) {
                    Step::Frame(frame) => return Some(frame),
                    Step::More => return None,
                    Step::Again => {}
                },
                Mode::Literal { end } => {
                    if self.buffer.len() < end {
                        return None;
                    }
                    self.scanned = end;
                    self.mode = Mode::Line { start: end };
                }
                Mode::Stream { left: 0 } => {
                    self.mode = Mode::Line { start: 0 };
                    return Some(Frame::ChunksEnd);
                }
                Mode::Stream { left } => {
                    let n = self.available(left)?;
                    self.mode = Mode::Stream {
                        left: left - n as u64,
                    };
                    return Some(Frame::Chunk(self.buffer.split_to(n).freeze()));
                }
                Mode::SkipLiteral { left: 0 } => {
                    self.tail_len = 0;
                    self.mode = Mode::SkipLine;
                }
                Mode::SkipLiteral { left } => {
                    let n = self.available(left)?;
                    self.buffer.advance(n);
                    self.mode = Mode::SkipLiteral {
                        left: left - n as u64,
                    };
                }
                Mode::SkipLine => match self.skip_line(bounds) {
                    Step::Frame(frame) => return Some(frame),
                    Step::More => return None,
                    Step::Again => {}
                },
            }
        }
    }

    fn available(&self, wanted: u64) -> Option<usize> {
        let n = usize::try_from(wanted)
            .unwrap_or(usize::MAX)
            .min(self.buffer.len());
        (n > 0).then_some(n)
    }

    fn line(&mut self, start: usize, bounds: Bounds, commands: bool) -> Step {
        let Some(end) = self.find_line_end() else {
            // One octet more than the bound may be the CR of a line that keeps it.
            let (line, command) = (self.buffer.len() - start, self.buffer.len());
            return match over(line - line.min(1), command - command.min(1), bounds) {
                Some(refusal) => self.refuse(refusal, start, command),
                None => Step::More,
            };
        };
        if let Some(refusal) = over(end - start, end, bounds) {
            return self.refuse(refusal, start, end + 1);
        }
        if !commands {
            return Step::Frame(self.take_line(end));
        }
        match announcement(&self.buffer[start..end]) {
            Announced::None => Step::Frame(self.take_line(end)),
            Announced::Lost => Step::Frame(Frame::Lost(self.head(), Refusal::Literal)),
            Announced::Literal(literal, at) => self.literal(start + at, end, literal, bounds),
        }
    }

    fn literal(&mut self, at: usize, end: usize, literal: Literal, bounds: Bounds) -> Step {
        if is_message_literal(&self.buffer[..at]) {
            let piece = self.buffer.split_to(at).freeze();
            self.buffer.advance(end - at + 2);
            self.scanned = 0;
            self.mode = Mode::Line { start: 0 };
            return Step::Frame(Frame::Append(piece, literal));
        }
        let total = (end as u64 + 2).saturating_add(literal.size);
        // LITERAL- (RFC 7888 §5): a longer one is refused though the command could hold it.
        let minus = !literal.synchronizing && literal.size > bounds.swallow;
        if minus || total > bounds.command as u64 {
            return self.refuse_literal(end, literal, bounds);
        }
        // The sum is at most `bounds.command`, a usize.
        self.mode = Mode::Literal {
            end: usize::try_from(total).unwrap_or(usize::MAX),
        };
        if literal.synchronizing {
            Step::Frame(Frame::Continue)
        } else {
            Step::Again
        }
    }

    /// A literal that would break the command's bound: refused without `+`, or swallowed.
    fn refuse_literal(&mut self, end: usize, literal: Literal, bounds: Bounds) -> Step {
        let head = self.head();
        self.buffer.advance(end + 2);
        self.scanned = 0;
        if literal.synchronizing {
            self.mode = Mode::Line { start: 0 };
            return Step::Frame(Frame::Refused(head, Refusal::Literal));
        }
        if literal.size > bounds.swallow {
            return Step::Frame(Frame::Lost(head, Refusal::Literal));
        }
        self.begin_skipping(head, Refusal::Literal, 0);
        self.swallow(literal.size);
        Step::Again
    }

    fn head(&self) -> Bytes {
        Bytes::copy_from_slice(&self.buffer[..self.buffer.len().min(HEAD)])
    }

    fn take_line(&mut self, end: usize) -> Frame {
        let line = self.buffer.split_to(end).freeze();
        self.buffer.advance(2);
        self.scanned = 0;
        self.mode = Mode::Line { start: 0 };
        Frame::Line(line)
    }

    /// The octet of the next CR LF at or after `scanned`; remembers how far it looked.
    fn find_line_end(&mut self) -> Option<usize> {
        while let Some(at) = memchr::memchr(b'\n', &self.buffer[self.scanned..]) {
            let lf = self.scanned + at;
            self.scanned = lf + 1;
            if lf > 0 && self.buffer[lf - 1] == b'\r' && self.line_start() < lf {
                return Some(lf - 1);
            }
        }
        self.scanned = self.buffer.len();
        None
    }

    fn line_start(&self) -> usize {
        match self.mode {
            Mode::Line { start } => start,
            _ => 0,
        }
    }
}

/// The bound that was broken first, so that it does not depend on how many octets came at once.
fn over(line: usize, command: usize, bounds: Bounds) -> Option<Refusal> {
    let before = command - line;
    if line > bounds.line && bounds.line <= bounds.command.saturating_sub(before) {
        Some(Refusal::Line)
    } else if command > bounds.command {
        Some(Refusal::Command)
    } else {
        None
    }
}

enum Step {
    Frame(Frame),
    More,
    Again,
}
