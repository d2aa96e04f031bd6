//! Changes of flags that do not come at once: the rest is asked for among the messages the client knew, and told once.

use std::sync::Arc;

use bytes::Buf;
use pillarbox_core::effect::{ChangesSince, Effect};
use pillarbox_core::id::{ModSeq, Uid};
use pillarbox_core::now::{Now, Tick};
use pillarbox_core::session::{Action, Config, Peer, Session};
use pillarbox_core::set::UidSet;
use pillarbox_sim::{accounts, answered};
use pillarbox_store::Memory;

const NOW: Now = Now {
    tick: Tick(0),
    unix: 1_700_000_000,
};

/// A session that is told so many changes of flags at once.
fn session(page: usize) -> Session {
    let mut config = Config::default();
    config.plaintext_login = true;
    config.limits.changes_page = page;
    Session::new(Arc::new(config), Peer::default(), [0; 32], NOW)
}

/// What is said to a command. `see` has each effect before the store does; what changed it may answer itself.
fn said(
    session: &mut Session,
    store: &Memory,
    command: &str,
    mut see: impl FnMut(&Effect) -> Option<Box<ChangesSince>>,
) -> Vec<String> {
    let mut output = Vec::new();
    let line = format!("{command}\r\n");
    session.recv_slot().expect("room").put(line.as_bytes());
    while let Some(action) = session.poll(NOW) {
        let Action::Effect(effect) = action else {
            continue;
        };
        let changes = see(&effect);
        session.handle_reply(match (effect, changes) {
            (Effect::Watch(call), _) => call.answer(Ok(())),
            (Effect::Changes(call), Some(changes)) => call.answer(Ok(changes)),
            (effect, _) => answered(store, &accounts(), effect),
        });
    }
    let mut transmit = session.transmit(NOW);
    while transmit.has_remaining() {
        output.extend_from_slice(transmit.chunk());
        transmit.advance(transmit.chunk().len());
    }
    let text = String::from_utf8(output).expect("ASCII");
    text.lines().map(str::to_owned).collect()
}

/// Two sessions in a mailbox with messages 1 and 2, told of one change at once.
fn two(store: &Memory) -> [Session; 2] {
    two_with(store, 1, 2)
}

/// Two sessions in a mailbox with so many messages: its own knows CONDSTORE, the other makes changes.
fn two_with(store: &Memory, page: usize, messages: usize) -> [Session; 2] {
    let mut sessions = [session(page), session(page)];
    let append = format!("a APPEND INBOX{}", " {3+}\r\nabc".repeat(messages));
    let commands = ["a LOGIN tim pw", &append, "a SELECT INBOX"];
    for (at, command) in commands.into_iter().enumerate() {
        for session in &mut sessions[usize::from(at == 1)..] {
            said(session, store, command, |_| None);
        }
    }
    said(&mut sessions[0], store, "a ENABLE CONDSTORE", |_| None);
    sessions
}

#[test]
fn the_rest_is_asked_for_among_what_was_known() {
    let store = Memory::with_validity(1_700_000_000);
    let [mut session, mut other] = two(&store);
    let change = "b APPEND INBOX {3+}\r\nabc\r\nb STORE 1:2 +FLAGS.SILENT (\\Seen)";
    said(&mut other, &store, change, |_| None);
    let mut fetched = Vec::new();
    let lines = said(&mut session, &store, "c NOOP", |effect| {
        if let Effect::Fetch(call) = effect {
            fetched.push((call.op().uids.clone(), call.op().changed_since));
        }
        None
    });
    let known = UidSet::from_ranges([(2, 2)]);
    assert_eq!(fetched, [(known, Some(ModSeq(3)))]);
    assert_eq!(
        lines,
        [
            "* 3 EXISTS",
            "* 2 RECENT",
            "* 1 FETCH (UID 1 MODSEQ (5) FLAGS (\\Seen \\Recent))",
            "* 2 FETCH (UID 2 MODSEQ (5) FLAGS (\\Seen \\Recent))",
            "c OK NOOP completed",
        ]
    );
}

/// Each change is told once and in order, however many of them a page has: the last one may be full or not.
#[test]
fn pages_of_any_size_tell_the_same() {
    for page in 1..=7 {
        let store = Memory::with_validity(1_700_000_000);
        let [mut session, mut other] = two_with(&store, page, 6);
        let change = "b STORE 1:6 +FLAGS.SILENT (\\Seen)";
        said(&mut other, &store, change, |_| None);
        let mut pages = 0;
        let lines = said(&mut session, &store, "c NOOP", |effect| {
            pages += usize::from(matches!(effect, Effect::Changes(_) | Effect::Fetch(_)));
            None
        });
        let told = |n| format!("* {n} FETCH (UID {n} MODSEQ (8) FLAGS (\\Seen \\Recent))");
        let mut wanted: Vec<_> = (1..=6).map(told).collect();
        wanted.push("c OK NOOP completed".into());
        assert_eq!(lines, wanted, "with {page} in a page");
        assert_eq!(pages, 6_usize.div_ceil(page), "with {page} in a page");
    }
}

/// A store may say that only new messages were not looked at: those are told already.
#[test]
fn nothing_is_asked_for_beyond_what_was_known() {
    let store = Memory::with_validity(1_700_000_000);
    let [mut session, _] = two(&store);
    let mut fetched = 0;
    let lines = said(&mut session, &store, "c NOOP", |effect| match effect {
        Effect::Changes(call) => {
            let op = call.op().clone();
            let mut changes = pillarbox_store::ask(&store, op).expect("the mailbox is there");
            changes.resume = Uid::new(3);
            Some(changes)
        }
        effect => {
            fetched += u32::from(matches!(effect, Effect::Fetch(_)));
            None
        }
    });
    assert_eq!((lines, fetched), (vec!["c OK NOOP completed".into()], 0));
}

/// A change that came between the pages is newer than all else that is told: HIGHESTMODSEQ stays below it (RFC 7162 §3.2).
#[test]
fn a_change_between_two_pages_is_not_vouched_for() {
    let store = Memory::with_validity(1_700_000_000);
    let [mut session, mut other] = two(&store);
    said(&mut other, &store, "b STORE 1:2 +FLAGS (\\Seen)", |_| None);
    let lines = said(&mut session, &store, "c NOOP", |effect| {
        if let Effect::Fetch(_) = effect {
            said(&mut other, &store, "c STORE 2 +FLAGS (\\Draft)", |_| None);
        }
        None
    });
    assert_eq!(
        lines,
        [
            "* 1 FETCH (UID 1 MODSEQ (4) FLAGS (\\Seen \\Recent))",
            "* 2 FETCH (UID 2 MODSEQ (5) FLAGS (\\Seen \\Draft \\Recent))",
            "* OK [HIGHESTMODSEQ 4] Something below is still to be told",
            "c OK NOOP completed",
        ]
    );
}
