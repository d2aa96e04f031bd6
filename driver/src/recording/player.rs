//! A session that is driven by lines.

use std::collections::BTreeMap;

use bytes::Buf;
use pillarbox_core::effect::{Effect, MailboxRef, Notice};
use pillarbox_core::now::Now;
use pillarbox_core::session::{Action, Session, Switched, TlsFacts};

use super::config::Beginning;
use super::reply;
use super::words::Words;

/// A session, the effects it waits for, and what it sent.
#[derive(Debug)]
pub(super) struct Player {
    session: Session,
    now: Now,
    calls: BTreeMap<u64, Effect>,
    pub digest: Digest,
    pub octets_in: u64,
    pub octets_out: u64,
    /// What the last line made it send.
    pub said: Vec<u8>,
}

/// Why a line cannot be played.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Fault {
    /// It is no line of a recording.
    Damaged,
    /// The session does something else.
    Differs(String),
}

impl Player {
    pub(super) fn new(beginning: Beginning) -> Self {
        let Beginning {
            config,
            peer,
            seed,
            now,
        } = beginning;
        Self {
            session: Session::new(config, peer, seed, now),
            now,
            calls: BTreeMap::new(),
            digest: Digest::default(),
            octets_in: 0,
            octets_out: 0,
            said: Vec::new(),
        }
    }

    /// Does what a line says.
    pub(super) fn play(&mut self, line: &str) -> Result<(), Fault> {
        self.said.clear();
        let (kind, words) = Words::of(line);
        match kind {
            "in" => self.put(words),
            "poll" => self.poll(line),
            "reply" => self.reply(words),
            "sent" => self.sent(words),
            _ => self.input(kind, words).ok_or(Fault::Damaged),
        }
    }

    /// Sends `n` octets, or all there are.
    pub(super) fn send(&mut self, n: usize, all: bool) -> usize {
        let mut transmit = self.session.transmit(self.now);
        let wanted = if all {
            transmit.remaining()
        } else {
            n.min(transmit.remaining())
        };
        let mut left = wanted;
        while left > 0 {
            let chunk = transmit.chunk();
            let chunk = &chunk[..left.min(chunk.len())];
            self.digest.add(chunk);
            self.said.extend_from_slice(chunk);
            let n = chunk.len();
            transmit.advance(n);
            left -= n;
        }
        self.octets_out += wanted as u64;
        wanted
    }

    fn put(&mut self, mut words: Words<'_>) -> Result<(), Fault> {
        let octets: Vec<u8> = words.take().ok_or(Fault::Damaged)?;
        words.end().ok_or(Fault::Damaged)?;
        self.octets_in += octets.len() as u64;
        let Some(mut slot) = self.session.recv_slot() else {
            return Err(Fault::Differs(String::from("it takes no octets here")));
        };
        slot.put(&octets);
        Ok(())
    }

    fn poll(&mut self, expected: &str) -> Result<(), Fault> {
        let action = self.session.poll(self.now);
        let did = polled(action.as_ref());
        if let Some(Action::Effect(effect)) = action {
            self.calls.insert(effect.token(), effect);
        }
        if did == expected {
            Ok(())
        } else {
            Err(Fault::Differs(format!(
                "expected {expected:?}, got {did:?}"
            )))
        }
    }

    fn reply(&mut self, mut words: Words<'_>) -> Result<(), Fault> {
        let token: u64 = words.take().ok_or(Fault::Damaged)?;
        let Some(effect) = self.calls.remove(&token) else {
            return Err(Fault::Differs(format!(
                "nothing of number {token} was asked"
            )));
        };
        let reply = reply::answer(effect, &mut words).ok_or(Fault::Damaged)?;
        words.end().ok_or(Fault::Damaged)?;
        self.session.handle_reply(reply);
        Ok(())
    }

    fn sent(&mut self, mut words: Words<'_>) -> Result<(), Fault> {
        let n: usize = words.take().ok_or(Fault::Damaged)?;
        let digest = words.plain().ok_or(Fault::Damaged)?;
        words.end().ok_or(Fault::Damaged)?;
        let sent = self.send(n, false);
        if sent < n {
            return Err(Fault::Differs(format!(
                "{n} octets were sent, and there are only {sent}"
            )));
        }
        if self.digest.to_string() != digest {
            return Err(Fault::Differs(format!(
                "the {n} octets sent here, or some before them, are others"
            )));
        }
        Ok(())
    }

    fn input(&mut self, kind: &str, mut words: Words<'_>) -> Option<()> {
        match kind {
            "now" => self.now = words.take()?,
            "eof" => self.session.handle_eof(),
            "reset" => self.session.handle_reset(),
            "timeout" => self.session.handle_timeout(self.now),
            "bye" => self.session.handle_shutdown(words.take()?),
            "notice" => {
                let (mailbox, modseq): (MailboxRef, _) = words.take()?;
                self.session.handle_notice(Notice { mailbox, modseq });
            }
            "tls" => {
                let switched = match words.take::<Option<TlsFacts>>()? {
                    Some(facts) => Switched::Tls(facts),
                    None => Switched::Failed,
                };
                self.session.handle_switched(switched, self.now);
            }
            _ => return None,
        }
        words.end()
    }
}

/// The line of a poll that gave this.
pub(super) fn polled(action: Option<&Action>) -> String {
    match action {
        None => String::from("poll none"),
        Some(Action::Effect(effect)) => format!("poll {} {}", effect.name(), effect.token()),
        Some(Action::Closed(reason)) => format!("poll closed {reason:?}"),
        Some(Action::Switch(_)) => String::from("poll switch"),
        Some(Action::Yield) => String::from("poll yield"),
        Some(_) => String::from("poll event"),
    }
}

/// The checksum of octets: FNV-1a of 64 bits. Against accidents, not against people.
#[derive(Clone, Copy, Debug)]
pub(super) struct Digest(u64);

impl Default for Digest {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Digest {
    pub(super) fn add(&mut self, octets: &[u8]) {
        for octet in octets {
            self.0 = (self.0 ^ u64::from(*octet)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}
