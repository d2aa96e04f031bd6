//! A session that may be recorded.

use std::sync::Arc;

use bytes::Buf;
use pillarbox_core::effect::{Notice, Reply};
use pillarbox_core::now::{Now, Tick};
use pillarbox_core::session::{Action, Bye, Config, Peer, RecvSlot, Session, Switched, Transmit};

use super::config::Beginning;
use super::recorder::{Recorder, Recording};

/// A [`Session`] with the same methods, which writes down what it is given if a recording was asked for.
#[derive(Debug)]
pub struct RecordedSession {
    session: Session,
    recorder: Option<Box<Recorder>>,
}

impl RecordedSession {
    /// A new session, and where its recording goes, if anywhere.
    #[must_use]
    pub fn new(
        config: Arc<Config>,
        peer: Peer,
        seed: [u8; 32],
        now: Now,
        recording: Option<Recording>,
    ) -> Self {
        let mut session = Session::new(config.clone(), peer.clone(), seed, now);
        let recorder = recording.map(|recording| {
            session.note_taken();
            let beginning = Beginning {
                config,
                peer,
                seed,
                now,
            };
            Box::new(Recorder::new(beginning, recording))
        });
        Self { session, recorder }
    }

    /// See [`Session::recv_slot`].
    pub fn recv_slot(&mut self) -> Option<RecordedSlot<'_>> {
        let recorder = self.recorder.as_deref_mut();
        self.session
            .recv_slot()
            .map(|slot| RecordedSlot { slot, recorder })
    }

    /// See [`Session::handle_eof`].
    pub fn handle_eof(&mut self) {
        self.note(|recorder| recorder.plain("eof"));
        self.session.handle_eof();
    }

    /// See [`Session::handle_reset`].
    pub fn handle_reset(&mut self) {
        self.note(|recorder| recorder.plain("reset"));
        self.session.handle_reset();
    }

    /// See [`Session::handle_reply`].
    pub fn handle_reply(&mut self, reply: Reply) {
        self.note(|recorder| recorder.reply(&reply));
        self.session.handle_reply(reply);
    }

    /// See [`Session::handle_notice`].
    pub fn handle_notice(&mut self, notice: Notice) {
        self.note(|recorder| recorder.notice(notice));
        self.session.handle_notice(notice);
    }

    /// See [`Session::handle_timeout`].
    pub fn handle_timeout(&mut self, now: Now) {
        self.note(|recorder| recorder.timeout(now));
        self.session.handle_timeout(now);
    }

    /// See [`Session::handle_switched`].
    pub fn handle_switched(&mut self, switched: Switched, now: Now) {
        self.note(|recorder| recorder.switched(&switched, now));
        self.session.handle_switched(switched, now);
    }

    /// See [`Session::handle_shutdown`].
    pub fn handle_shutdown(&mut self, reason: Bye) {
        self.note(|recorder| recorder.bye(reason));
        self.session.handle_shutdown(reason);
    }

    /// See [`Session::poll`].
    pub fn poll(&mut self, now: Now) -> Option<Action> {
        let action = self.session.poll(now);
        if let Some(recorder) = &mut self.recorder {
            recorder.polled(action.as_ref(), &mut self.session, now);
        }
        action
    }

    /// See [`Session::transmit`].
    pub fn transmit(&mut self, now: Now) -> RecordedTransmit<'_> {
        RecordedTransmit {
            transmit: self.session.transmit(now),
            recorder: self.recorder.as_deref_mut(),
            now,
        }
    }

    /// See [`Session::deadline`].
    #[must_use]
    pub fn deadline(&self) -> Option<Tick> {
        self.session.deadline()
    }

    /// See [`Session::is_cut`].
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.session.is_cut()
    }

    fn note(&mut self, note: impl FnOnce(&mut Recorder)) {
        if let Some(recorder) = &mut self.recorder {
            note(recorder);
        }
    }
}

/// See [`RecvSlot`].
#[derive(Debug)]
pub struct RecordedSlot<'a> {
    slot: RecvSlot<'a>,
    recorder: Option<&'a mut Recorder>,
}

impl RecordedSlot<'_> {
    /// See [`RecvSlot::put`].
    pub fn put(&mut self, octets: &[u8]) {
        if let Some(recorder) = &mut self.recorder {
            recorder.put(octets);
        }
        self.slot.put(octets);
    }

    /// See [`RecvSlot::capacity`].
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.slot.capacity()
    }
}

/// See [`Transmit`].
#[derive(Debug)]
pub struct RecordedTransmit<'a> {
    transmit: Transmit<'a>,
    recorder: Option<&'a mut Recorder>,
    now: Now,
}

impl RecordedTransmit<'_> {
    /// See [`Transmit::chunks`].
    pub fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        self.transmit.chunks()
    }
}

impl Buf for RecordedTransmit<'_> {
    fn remaining(&self) -> usize {
        self.transmit.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.transmit.chunk()
    }

    fn advance(&mut self, n: usize) {
        self.transmit.advance(n);
        let all = !self.transmit.has_remaining();
        if let Some(recorder) = &mut self.recorder {
            recorder.sent(n, all, self.now);
        }
    }
}
