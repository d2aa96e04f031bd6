//! A silent STORE that fails in the middle: the client cannot know what was done of it, so it is told.

use std::sync::Arc;

use bytes::Buf;
use pillarbox_core::effect::{Effect, ErrorKind, StoreError};
use pillarbox_core::now::{Now, Tick};
use pillarbox_core::session::{Action, Config, Peer, Session};
use pillarbox_sim::{accounts, answered};
use pillarbox_store::Memory;

const NOW: Now = Now {
    tick: Tick(0),
    unix: 1_700_000_000,
};

/// What is said to the last command, whose second change of flags fails.
fn said(commands: &[&str]) -> String {
    let mut config = Config::default();
    config.plaintext_login = true;
    config.limits.store_window = 1;
    let mut session = Session::new(Arc::new(config), Peer::default(), [0; 32], NOW);
    let store = Memory::with_validity(1_700_000_000);
    let (mut output, mut windows) = (Vec::new(), 0);
    for command in commands {
        output.clear();
        let line = format!("a {command}\r\n");
        session.recv_slot().expect("room").put(line.as_bytes());
        while let Some(action) = session.poll(NOW) {
            let Action::Effect(effect) = action else {
                continue;
            };
            windows += u32::from(matches!(effect, Effect::SetFlags(_)));
            session.handle_reply(match effect {
                Effect::SetFlags(_) if windows == 2 => {
                    effect.fail(StoreError::new(ErrorKind::Unavailable, "Not now"))
                }
                Effect::Watch(call) => call.answer(Ok(())),
                effect => answered(&store, &accounts(), effect),
            });
        }
        let mut transmit = session.transmit(NOW);
        while transmit.has_remaining() {
            output.extend_from_slice(transmit.chunk());
            transmit.advance(transmit.chunk().len());
        }
    }
    assert_eq!(windows, 2);
    String::from_utf8(output).expect("ASCII")
}

const MAIL: &str = "APPEND INBOX {3+}\r\nabc";

#[test]
fn a_silent_store_that_fails_in_the_middle_is_told() {
    let store = "STORE 1:2 +FLAGS.SILENT (\\Seen)";
    let before = [
        "LOGIN tim pw",
        "ENABLE CONDSTORE",
        MAIL,
        MAIL,
        "SELECT INBOX",
    ];
    let lines = said(&[&before[..], &[store]].concat());
    let want = "* 1 FETCH (UID 1 MODSEQ (4))\r\n\
        * 1 FETCH (UID 1 MODSEQ (4) FLAGS (\\Seen \\Recent))\r\n\
        a NO [UNAVAILABLE] Not now\r\n";
    assert_eq!(lines, want);
    let before = ["LOGIN tim pw", MAIL, MAIL, "SELECT INBOX"];
    let lines = said(&[&before[..], &[store]].concat());
    let want = "* 1 FETCH (FLAGS (\\Seen \\Recent))\r\na NO [UNAVAILABLE] Not now\r\n";
    assert_eq!(lines, want);
}
