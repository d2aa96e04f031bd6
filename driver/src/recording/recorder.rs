//! Writes down what a session is given, with filler in the place of what is private.
//!
//! What is to be filled is known once the session took the octets for something, so lines wait until then. Each is then played on a second
//! session before it is written: the checksums are those of a session that was given the filler.

use std::collections::VecDeque;
use std::io::{self, Write};

use bytes::BytesMut;
use pillarbox_core::effect::{Effect, Notice, Reply};
use pillarbox_core::id::Uid;
use pillarbox_core::now::Now;
use pillarbox_core::session::{Action, Bye, Session, Switched, TakenAs};

use super::VERSION;
use super::config::Beginning;
use super::fill::Filler;
use super::player::{Digest, Fault, Player, polled};
use super::reply;
use super::words::Word;

/// So many octets of lines wait for the client's octets before them to be understood; more, and those octets are written behind them.
const HELD: usize = 256 << 10;
/// Room for the last lines.
const LAST: u64 = 256;

/// Where a recording goes, and how long it may get.
pub struct Recording {
    sink: Box<dyn Write + Send>,
    bound: u64,
}

impl Recording {
    /// A recording that goes to this sink, which must not block for long; of 16 MB at the most. When the sink fails the recording ends.
    #[must_use]
    pub fn new(sink: impl Write + Send + 'static) -> Self {
        Self {
            sink: Box::new(sink),
            bound: 16 << 20,
        }
    }

    /// Octets of the recording at the most; it ends before it would be longer, and says so.
    #[must_use]
    pub fn bound(mut self, octets: u64) -> Self {
        self.bound = octets;
        self
    }
}

impl std::fmt::Debug for Recording {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recording")
            .field("bound", &self.bound)
            .finish_non_exhaustive()
    }
}

/// What happened and is not written yet.
#[derive(Debug)]
enum Held {
    /// So many octets came from the client.
    In(usize),
    Line(String),
    /// So many octets were sent, and whether no more were left.
    Sent(usize, bool),
}

/// The pen; dropped, it writes the end.
#[derive(Debug)]
pub(super) struct Recorder {
    /// `None`: the recording is over.
    recording: Option<Recording>,
    written: u64,
    digest: Digest,
    player: Player,
    filler: Filler,
    /// Octets of the client that the session did not take yet, and those it took, filled.
    raw: BytesMut,
    filled: BytesMut,
    held: VecDeque<Held>,
    held_octets: usize,
    now: Now,
    /// The last line is a poll that gave nothing: another one says nothing new.
    idle: bool,
    /// The body being read, and where the next octets of it begin.
    body: Option<(Uid, u64)>,
}

impl Recorder {
    pub(super) fn new(beginning: Beginning, recording: Recording) -> Self {
        let head = format!("{VERSION}\n{}", beginning.write());
        let mut recorder = Self {
            recording: Some(recording),
            written: 0,
            digest: Digest::default(),
            filler: Filler::new(beginning.config.limits.clone()),
            now: beginning.now,
            player: Player::new(beginning),
            raw: BytesMut::new(),
            filled: BytesMut::new(),
            held: VecDeque::new(),
            held_octets: 0,
            idle: false,
            body: None,
        };
        recorder.write(&head);
        recorder
    }

    pub(super) fn put(&mut self, octets: &[u8]) {
        if self.recording.is_some() {
            self.raw.extend_from_slice(octets);
            self.hold(Held::In(octets.len()));
        }
    }

    /// Something that has no values.
    pub(super) fn plain(&mut self, line: &str) {
        self.hold(Held::Line(line.to_owned()));
    }

    pub(super) fn timeout(&mut self, now: Now) {
        self.at(now);
        self.plain("timeout");
    }

    pub(super) fn bye(&mut self, reason: Bye) {
        self.value("bye", &reason);
    }

    pub(super) fn notice(&mut self, notice: Notice) {
        self.value("notice", &(notice.mailbox, notice.modseq));
    }

    pub(super) fn switched(&mut self, switched: &Switched, now: Now) {
        self.at(now);
        let facts = match switched {
            Switched::Tls(facts) => Some(facts.clone()),
            _ => None,
        };
        self.value("tls", &facts);
    }

    pub(super) fn reply(&mut self, reply: &Reply) {
        if self.recording.is_some() {
            let mut line = String::from("reply");
            reply.token().put(&mut line);
            reply::put(reply.outcome(), &mut self.filler, &mut line);
            self.hold(Held::Line(line));
        }
    }

    pub(super) fn sent(&mut self, n: usize, all: bool, now: Now) {
        self.at(now);
        self.hold(Held::Sent(n, all));
    }

    /// The session was polled and gave this.
    pub(super) fn polled(&mut self, action: Option<&Action>, session: &mut Session, now: Now) {
        let authenticated = session.account().is_some();
        for taken in session.taken() {
            self.took(taken.kind, taken.octets, authenticated);
        }
        if matches!(action, Some(Action::Closed(_))) {
            self.took_never();
        }
        if action.is_none() && std::mem::replace(&mut self.idle, action.is_none()) {
            return;
        }
        if let Some(Action::Effect(Effect::ReadBody(call))) = action {
            let op = call.op();
            if self.body != Some((op.uid, op.offset)) {
                self.filler.rewind();
            }
            self.body = Some((op.uid, op.offset.saturating_add(op.max as u64)));
        }
        self.at(now);
        self.plain(&polled(action));
        self.idle = action.is_none();
        self.flush();
    }

    fn took(&mut self, kind: TakenAs, octets: usize, authenticated: bool) {
        let raw = self.raw.split_to(octets.min(self.raw.len()));
        let filled = self.filler.client(kind, &raw, authenticated);
        debug_assert_eq!(filled.len(), raw.len(), "{kind:?}");
        self.filled.extend_from_slice(&filled);
    }

    /// Nobody will say what octets were to be that the session did not take.
    fn took_never(&mut self) {
        self.took(TakenAs::Refused, self.raw.len(), false);
    }

    fn at(&mut self, now: Now) {
        if self.now != now {
            self.now = now;
            self.value("now", &now);
        }
    }

    fn value(&mut self, kind: &str, value: &impl Word) {
        let mut line = String::from(kind);
        value.put(&mut line);
        self.hold(Held::Line(line));
    }

    fn hold(&mut self, held: Held) {
        if self.recording.is_none() {
            return;
        }
        self.idle = false;
        if let Held::Line(line) = &held {
            self.held_octets += line.len();
        }
        self.held.push_back(held);
        if self.held_octets > HELD {
            self.pass_over();
        }
    }

    /// Octets that the session did not look at yet have no effect: what came after them is written first.
    fn pass_over(&mut self) {
        let octets = |held: &Held| if let Held::In(n) = held { *n } else { 0 };
        let given: usize = self.held.iter().map(octets).sum();
        self.held.retain(|held| !matches!(held, Held::In(_)));
        let understood = self.filled.len();
        self.held.push_front(Held::In(understood));
        self.held.push_back(Held::In(given - understood));
        self.flush();
    }

    /// Writes what is understood.
    fn flush(&mut self) {
        while let Some(held) = self.held.pop_front() {
            let line = match held {
                Held::In(n) if self.filled.len() < n => return self.held.push_front(held),
                Held::In(0) => continue,
                Held::In(n) => {
                    let mut line = String::from("in");
                    self.filled.split_to(n).to_vec().put(&mut line);
                    line
                }
                Held::Line(line) => {
                    self.held_octets -= line.len();
                    line
                }
                Held::Sent(n, all) => {
                    self.player.said.clear();
                    let n = self.player.send(n, all);
                    self.line(&format!("sent {n} {}", self.player.digest));
                    continue;
                }
            };
            match self.player.play(&line) {
                Ok(()) => self.line(&line),
                Err(Fault::Differs(how)) => {
                    return self.stop(&format!("the filler changes what happens: {how}"));
                }
                Err(Fault::Damaged) => return self.stop("this cannot be written down"),
            }
        }
    }

    fn line(&mut self, line: &str) {
        let room = self.recording.as_ref().map_or(0, |r| r.bound);
        if self.written + line.len() as u64 + 1 + LAST > room {
            return self.stop("the recording is as long as it may get");
        }
        self.write(&format!("{line}\n"));
    }

    /// The recording ends before the session.
    fn stop(&mut self, why: &str) {
        let mut line = String::from("stopped");
        let why: String = why.chars().filter(char::is_ascii).take(160).collect();
        why.put(&mut line);
        self.write(&format!("{line}\n"));
        self.end();
    }

    fn end(&mut self) {
        let line = format!("end {} {}\n", self.written, self.digest);
        self.write(&line);
        if let Some(mut recording) = self.recording.take() {
            // What cannot be written is missing in the end.
            let _ = recording.sink.flush();
        }
        self.held.clear();
        self.held_octets = 0;
        (self.raw, self.filled) = (BytesMut::new(), BytesMut::new());
    }

    fn write(&mut self, text: &str) {
        let Some(recording) = &mut self.recording else {
            return;
        };
        self.digest.add(text.as_bytes());
        self.written += text.len() as u64;
        let written: io::Result<()> = recording.sink.write_all(text.as_bytes());
        if written.is_err() {
            self.recording = None;
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.took_never();
        self.flush();
        self.end();
    }
}
