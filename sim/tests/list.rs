//! LIST tells the names of one instant, however many there are and whoever changes them meanwhile.

use std::sync::Arc;

use bytes::Buf;
use pillarbox_core::effect::{Actor, Create, Effect, Rename};
use pillarbox_core::id::AccountId;
use pillarbox_core::mailbox::MailboxName;
use pillarbox_core::now::{Now, Tick};
use pillarbox_core::session::{Action, Config, Peer, Session};
use pillarbox_sim::{accounts, answered};
use pillarbox_store::{Memory, ask};

const NOW: Now = Now {
    tick: Tick(0),
    unix: 1_700_000_000,
};
const TIM: Actor = Actor {
    account: AccountId(1),
};

fn name(name: &str) -> MailboxName {
    MailboxName::new(name).expect("a name")
}

/// A session and its store; `before` sees each effect before it is answered.
fn said(store: &Memory, command: &str, mut before: impl FnMut(usize, &Effect)) -> Vec<String> {
    let mut config = Config::default();
    config.plaintext_login = true;
    let mut session = Session::new(Arc::new(config), Peer::default(), [0; 32], NOW);
    let (mut output, mut effects) = (Vec::new(), 0);
    for line in ["a LOGIN tim pw\r\n", command] {
        output.clear();
        session.recv_slot().expect("room").put(line.as_bytes());
        while let Some(action) = session.poll(NOW) {
            if let Action::Effect(effect) = action {
                before(effects, &effect);
                effects += 1;
                session.handle_reply(answered(store, &accounts(), effect));
            }
            let mut transmit = session.transmit(NOW);
            while transmit.has_remaining() {
                output.extend_from_slice(transmit.chunk());
                transmit.advance(transmit.chunk().len());
            }
        }
    }
    let text = String::from_utf8(output).expect("ASCII");
    text.lines().map(str::to_owned).collect()
}

/// A store in which so many names stand between a mailbox and the one below it.
fn store(between: usize) -> Memory {
    let store = Memory::with_validity(NOW.unix.try_into().expect("it fits"));
    let between = (0..between).map(|n| format!("a!{n:04}"));
    for n in ["a".to_owned(), "a/x".to_owned()]
        .into_iter()
        .chain(between)
    {
        let create = Create {
            actor: TIM,
            name: name(&n),
            special_use: None,
        };
        ask(&store, create).expect("it is made");
    }
    store
}

#[test]
fn a_rename_meanwhile_is_seen_whole_or_not_at_all() {
    let command = "b LIST \"\" *\r\n";
    let rename = |store: &Memory| {
        let (from, to) = (name("a"), name("z"));
        let (actor, now) = (TIM, 0);
        let renamed = ask(
            store,
            Rename {
                actor,
                from,
                to,
                now,
            },
        );
        renamed.expect("it is renamed");
    };
    let (before, after) = (store(1200), store(1200));
    rename(&after);
    let allowed = [before, after].map(|store| said(&store, command, |_, _| {}));
    assert_ne!(allowed[0], allowed[1]);
    let mut seen = 0;
    for at in 1.. {
        let store = store(1200);
        let mut renamed = false;
        let lines = said(&store, command, |n, _| {
            if n == at {
                rename(&store);
                renamed = true;
            }
        });
        assert!(
            allowed.contains(&lines),
            "renamed before effect {at}: {:?}",
            lines
                .iter()
                .filter(|l| !l.contains("a!"))
                .collect::<Vec<_>>()
        );
        if !renamed {
            break;
        }
        seen += 1;
    }
    assert!(seen > 0, "nothing was renamed in time");
}
