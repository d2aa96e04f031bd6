//! FETCH asks for the next page while it writes the rows of one: one page ahead, and never a question beside another.

use std::sync::Arc;

use bytes::Buf;
use pillarbox_core::effect::{Effect, ErrorKind, StoreError};
use pillarbox_core::limits::Limits;
use pillarbox_core::now::{Now, Tick};
use pillarbox_core::session::{Action, Config, Peer, Session};
use pillarbox_sim::{accounts, answered};
use pillarbox_store::Memory;

const NOW: Now = Now {
    tick: Tick(0),
    unix: 1_700_000_000,
};
const FETCH: &str = "f FETCH 1:3 (BODY.PEEK[])";
const ROWS: [&str; 3] = [
    "* 1 FETCH (BODY[] {3}\r\none)\r\n",
    "* 2 FETCH (BODY[] {3}\r\ntwo)\r\n",
    "* 3 FETCH (BODY[] {3}\r\nthr)\r\n",
];

/// A session in a mailbox of three messages, each a page of its own.
struct Hand {
    session: Session,
    store: Memory,
    /// What was asked and is not answered.
    asked: Option<Effect>,
}

impl Hand {
    fn new(change: impl FnOnce(&mut Limits)) -> Self {
        let mut config = Config::default();
        config.plaintext_login = true;
        config.limits.fetch_page = 1;
        change(&mut config.limits);
        let session = Session::new(Arc::new(config), Peer::default(), [0; 32], NOW);
        let store = Memory::with_validity(1_700_000_000);
        let mut hand = Self {
            session,
            store,
            asked: None,
        };
        let append = "a APPEND INBOX {3+}\r\none {3+}\r\ntwo {3+}\r\nthr";
        for command in ["a LOGIN tim pw", append, "a SELECT INBOX"] {
            hand.send(command);
            while hand.ask().is_some() || !hand.output().is_empty() {
                if hand.asked.is_some() {
                    hand.answer();
                }
            }
        }
        hand.send(FETCH);
        hand
    }

    fn send(&mut self, line: &str) {
        let line = format!("{line}\r\n");
        self.session.recv_slot().expect("room").put(line.as_bytes());
    }

    /// What is asked next, if anything is; what else happened is told at once.
    fn ask(&mut self) -> Option<&'static str> {
        while let Some(action) = self.session.poll(NOW) {
            let Action::Effect(effect) = action else {
                continue;
            };
            let name = match effect {
                Effect::Fetch(_) => Some("Fetch"),
                Effect::ReadBody(_) => Some("ReadBody"),
                Effect::Changes(_) => None,
                _ => Some("another"),
            };
            assert!(self.asked.is_none(), "{name:?} beside another question");
            self.asked = Some(effect);
            match name {
                Some(name) => return Some(name),
                None => self.answer(),
            }
        }
        None
    }

    fn answer(&mut self) {
        let reply = match self.asked.take().expect("something was asked") {
            Effect::Watch(call) => call.answer(Ok(())),
            effect => answered(&self.store, &accounts(), effect),
        };
        self.session.handle_reply(reply);
    }

    fn output(&mut self) -> String {
        let mut output = Vec::new();
        let mut transmit = self.session.transmit(NOW);
        while transmit.has_remaining() {
            output.extend_from_slice(transmit.chunk());
            transmit.advance(transmit.chunk().len());
        }
        String::from_utf8(output).expect("ASCII")
    }
}

#[test]
fn rows_are_written_while_the_next_page_is_read() {
    let mut hand = Hand::new(|_| ());
    assert_eq!(hand.ask(), Some("Fetch"));
    for row in ROWS {
        hand.answer();
        let last = row == ROWS[2];
        assert_eq!(hand.ask(), (!last).then_some("Fetch"), "{row}");
        assert_eq!(hand.ask(), None);
        let end = if last { "f OK FETCH completed\r\n" } else { "" };
        assert_eq!(hand.output(), format!("{row}{end}"));
    }
}

#[test]
fn a_client_that_takes_nothing_has_one_page_read_ahead() {
    // A row fits, and no more.
    let mut hand = Hand::new(|l| l.output_high_water = 20);
    assert_eq!(hand.ask(), Some("Fetch"));
    hand.answer();
    assert_eq!(hand.ask(), Some("Fetch"));
    hand.answer();
    assert_eq!(hand.ask(), None, "there is no room");
    assert_eq!(hand.output(), ROWS[0]);
    assert_eq!(hand.ask(), Some("Fetch"));
    hand.answer();
    assert_eq!(hand.ask(), None, "there is no room");
    assert_eq!(hand.output(), ROWS[1]);
    assert_eq!(hand.ask(), None);
    assert_eq!(hand.output(), ROWS[2]);
    assert_eq!(hand.ask(), None);
    assert_eq!(hand.output(), "f OK FETCH completed\r\n");
}

/// A body that did not come with its row is asked for once the page ahead is there.
#[test]
fn bodies_wait_for_the_page_ahead() {
    let mut hand = Hand::new(|l| l.inline_body = 0);
    assert_eq!(hand.ask(), Some("Fetch"));
    for row in ROWS {
        hand.answer();
        if row != ROWS[2] {
            assert_eq!(hand.ask(), Some("Fetch"), "{row}");
            assert_eq!(hand.ask(), None, "{row}");
            hand.answer();
        }
        assert_eq!(hand.ask(), Some("ReadBody"), "{row}");
    }
    hand.answer();
    assert_eq!(hand.ask(), None);
    assert_eq!(hand.output(), ROWS.concat() + "f OK FETCH completed\r\n");
}

#[test]
fn a_page_that_fails_ends_the_command_behind_the_rows_before_it() {
    let mut hand = Hand::new(|_| ());
    assert_eq!(hand.ask(), Some("Fetch"));
    hand.answer();
    assert_eq!(hand.ask(), Some("Fetch"));
    let error = StoreError::new(ErrorKind::Unavailable, "No disk");
    let failed = hand.asked.take().expect("a page").fail(error);
    hand.session.handle_reply(failed);
    assert_eq!(hand.ask(), None);
    assert_eq!(
        hand.output(),
        format!("{}f NO [UNAVAILABLE] No disk\r\n", ROWS[0])
    );
}
