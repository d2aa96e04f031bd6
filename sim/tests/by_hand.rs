//! Sessions whose effects are answered by hand: a connection that breaks leaves no upload behind, what is held back is not forgotten, and
//! what a driver is told is true.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::sync::Arc;

use bytes::Buf;
use pillarbox_core::effect::{
    Account, Call, Changes, ChangesSince, Effect, ErrorKind, FetchPage, FlagsSet, MailboxRef,
    MailboxRow, MailboxStatus, Notice, Opened, SearchPage, StoreError,
};
use pillarbox_core::flag::{Flags, SystemFlags};
use pillarbox_core::id::{AccountId, MailboxId, ModSeq, Uid, UidValidity, UploadId};
use pillarbox_core::limits::Limits;
use pillarbox_core::mailbox::MailboxName;
use pillarbox_core::now::{Now, Tick};
use pillarbox_core::session::{
    Action, Bye, CloseReason, Condition, Config, Event, Peer, Session, Switch,
};
use pillarbox_core::set::UidSet;

const NOW: Now = Now {
    tick: Tick(0),
    unix: 1_700_000_000,
};

const INBOX: MailboxRef = MailboxRef {
    owner: AccountId(1),
    id: MailboxId(1),
};

const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn connected() -> Session {
    let mut config = Config::default();
    config.plaintext_login = true;
    Session::new(Arc::new(config), Peer::plain(Some(HOME)), [0; 32], NOW)
}

fn signed_in() -> Session {
    let mut session = connected();
    put(&mut session, b"a LOGIN tim pw\r\n");
    let Some(Effect::Authenticate(call)) = effect(&mut session) else {
        panic!("LOGIN asks who it is")
    };
    assert_eq!(call.op().address, Some(HOME));
    assert_eq!(session.account(), None);
    session.handle_reply(call.answer(Ok(Account {
        id: AccountId(1),
        name: "tim".into(),
    })));
    session
}

fn put(session: &mut Session, octets: &[u8]) {
    session
        .recv_slot()
        .expect("the session takes octets")
        .put(octets);
}

/// Each mailbox has its STATUS behind its LIST, and one that went meanwhile has none (RFC 5819 §2), whatever its place in a page.
#[test]
fn a_mailbox_that_went_has_no_status() {
    let mut session = signed_in();
    put(
        &mut session,
        b"b LIST (SUBSCRIBED) \"\" * RETURN (STATUS (MESSAGES))\r\n",
    );
    let Some(Effect::Mailboxes(call)) = effect(&mut session) else {
        panic!("LIST asks for the names")
    };
    let row = |(at, name): (u64, &str)| {
        let mut row = MailboxRow::new(MailboxName::new(name).expect("it is a name"));
        (row.id, row.subscribed) = ((name != "b").then_some(MailboxId(at)), true);
        row
    };
    let rows = (1..).zip(["a", "b", "c", "d", "e"]).map(row).collect();
    session.handle_reply(call.answer(Ok(rows)));
    let (asked, said) = effect_and_output(&mut session);
    let Some(Effect::Status(call)) = asked else {
        panic!("LIST asks for counters")
    };
    assert!(!said.contains("LIST ("), "{said}");
    let names: Vec<_> = call.op().names.iter().map(|n| n.as_str()).collect();
    assert_eq!(names, ["a", "c", "d", "e"], "of what is a mailbox");
    let status = |messages| MailboxStatus {
        id: MailboxId(messages),
        messages,
        unseen: 0,
        deleted: 0,
        recent: 0,
        size: 0,
        uid_next: NonZeroU32::MIN,
        uid_validity: UidValidity(NonZeroU32::MIN),
        highest_modseq: ModSeq(1),
    };
    let counted = vec![Some(status(1)), None, Some(status(4)), Some(status(5))];
    session.handle_reply(call.answer(Ok(counted)));
    let (none, said) = effect_and_output(&mut session);
    assert!(none.is_none());
    let lines: Vec<_> = said
        .lines()
        .map(|l| {
            l.replace("\\Subscribed \\HasNoChildren", "")
                .replace('"', "")
        })
        .collect();
    assert_eq!(
        lines,
        [
            "* LIST () / a",
            "* STATUS a (MESSAGES 1)",
            "* LIST (\\NonExistent \\Subscribed) / b",
            "* LIST () / c",
            "* LIST () / d",
            "* STATUS d (MESSAGES 4)",
            "* LIST () / e",
            "* STATUS e (MESSAGES 5)",
            "b OK LIST completed",
        ]
    );
}

/// The next effect; output and events go by.
fn effect(session: &mut Session) -> Option<Effect> {
    effect_and_output(session).0
}

/// The next effect, and what the client is told before it.
fn effect_and_output(session: &mut Session) -> (Option<Effect>, String) {
    let mut said = Vec::new();
    loop {
        let mut transmit = session.transmit(NOW);
        while transmit.has_remaining() {
            said.extend_from_slice(transmit.chunk());
            transmit.advance(transmit.chunk().len());
        }
        let effect = match session.poll(NOW) {
            Some(Action::Effect(effect)) => Some(effect),
            Some(Action::Closed(reason)) => panic!("closed too early: {reason:?}"),
            Some(_) => continue,
            None if session.transmit(NOW).has_remaining() => continue,
            None => None,
        };
        let said = String::from_utf8(said).expect("the client is told text");
        return (effect, said);
    }
}

fn undone(session: &mut Session) -> Vec<UploadId> {
    let mut uploads = Vec::new();
    loop {
        match session.poll(NOW) {
            Some(Action::Effect(Effect::UploadAbort(call))) => uploads.push(call.op().upload),
            Some(Action::Closed(reason)) => {
                assert_eq!(reason, CloseReason::PeerClosed);
                return uploads;
            }
            Some(_) => {}
            None => panic!("the session waits for nothing and has not ended"),
        }
    }
}

#[test]
fn while_the_store_begins_the_upload() {
    let mut session = signed_in();
    put(&mut session, b"b APPEND INBOX {5+}\r\nhe");
    let Some(Effect::UploadBegin(call)) = effect(&mut session) else {
        panic!("APPEND begins an upload")
    };
    session.handle_reset();
    assert!(session.poll(NOW).is_none(), "the reply comes first");
    assert_eq!(session.deadline(), None);
    session.handle_reply(call.answer(Ok(UploadId(7))));
    assert_eq!(undone(&mut session), [UploadId(7)]);
}

#[test]
fn while_the_second_message_begins() {
    let mut session = signed_in();
    put(&mut session, b"b APPEND INBOX {5+}\r\nhello {5+}\r\n");
    let Some(Effect::UploadBegin(call)) = effect(&mut session) else {
        panic!("APPEND begins an upload")
    };
    session.handle_reply(call.answer(Ok(UploadId(7))));
    let Some(Effect::UploadChunk(call)) = effect(&mut session) else {
        panic!("the message is handed on")
    };
    session.handle_reply(call.answer(Ok(())));
    let Some(Effect::UploadBegin(call)) = effect(&mut session) else {
        panic!("the second message begins an upload of its own")
    };
    session.handle_reset();
    session.handle_reply(call.answer(Ok(UploadId(8))));
    assert_eq!(undone(&mut session), [UploadId(7), UploadId(8)]);
}

#[test]
fn while_the_message_comes() {
    let mut session = signed_in();
    put(&mut session, b"b APPEND INBOX {5+}\r\n");
    let Some(Effect::UploadBegin(call)) = effect(&mut session) else {
        panic!("APPEND begins an upload")
    };
    session.handle_reply(call.answer(Ok(UploadId(7))));
    assert!(effect(&mut session).is_none());
    session.handle_reset();
    assert_eq!(undone(&mut session), [UploadId(7)]);
}

#[test]
fn while_nothing_is_begun() {
    let mut session = signed_in();
    assert!(effect(&mut session).is_none());
    session.handle_reset();
    assert_eq!(undone(&mut session), []);
}

#[test]
fn a_reply_that_is_not_waited_for_changes_nothing() {
    let mut session = signed_in();
    put(&mut session, b"b APPEND INBOX {5+}\r\n");
    let Some(Effect::UploadBegin(call)) = effect(&mut session) else {
        panic!("APPEND begins an upload")
    };
    let other = Call::detached(call.op().clone());
    session.handle_reply(other.answer(Ok(UploadId(9))));
    session.handle_reply(call.answer(Ok(UploadId(7))));
    session.handle_reset();
    assert_eq!(undone(&mut session), [UploadId(7)]);
}

const THREE: NonZeroU32 = NonZeroU32::new(3).expect("not zero");

/// INBOX is selected, with messages 1 and 2, at modseq 5.
fn selected() -> Session {
    let mut session = signed_in();
    select(&mut session, "SELECT", opened());
    session
}

fn opened() -> Opened {
    Opened {
        mailbox: INBOX,
        name: MailboxName::inbox(),
        read_only: false,
        uids: UidSet::from_ranges([(1, 2)]),
        uid_validity: UidValidity(NonZeroU32::MIN),
        uid_next: THREE,
        highest_modseq: ModSeq(5),
        keywords: Arc::from([]),
        recent_from: THREE,
        first_unseen: None,
    }
}

/// Selects a mailbox that the store opens so; what is said.
fn select(session: &mut Session, command: &str, opened: Opened) -> String {
    put(session, format!("b {command} INBOX\r\n").as_bytes());
    let Some(Effect::Open(call)) = effect(session) else {
        panic!("{command} opens")
    };
    session.handle_reply(call.answer(Ok(Box::new(opened))));
    let Some(Effect::Watch(call)) = effect(session) else {
        panic!("{command} watches")
    };
    session.handle_reply(call.answer(Ok(())));
    let (none, said) = effect_and_output(session);
    assert!(none.is_none(), "{none:?}");
    said
}

/// A mailbox is read-only because it was asked for so, or because the store says so (RFC 9051 §6.3.2, §6.3.3).
#[test]
fn a_mailbox_is_read_only_for_either_reason() {
    for (command, read_only) in [("SELECT", true), ("EXAMINE", true), ("EXAMINE", false)] {
        let mut session = signed_in();
        let opened = Opened {
            read_only,
            ..opened()
        };
        let said = select(&mut session, command, opened);
        let answer = format!("b OK [READ-ONLY] {command} completed\r\n");
        assert!(said.ends_with(&answer), "{said}");
        assert!(said.contains("[PERMANENTFLAGS ()]"), "{said}");
        put(&mut session, b"c STORE 1 +FLAGS (\\Seen)\r\n");
        let asked = asks_for_changes(&mut session, 5);
        session.handle_reply(asked.answer(Ok(no_changes(5))));
        let (none, said) = effect_and_output(&mut session);
        assert!(none.is_none(), "{none:?}");
        assert!(said.starts_with("c NO [READ-ONLY]"), "{said}");
    }
}

/// SEARCH names every message, however many stand together.
#[test]
fn a_long_range_of_numbers_is_told_whole() {
    let last = 3000;
    let mut session = signed_in();
    let uids = UidSet::from_ranges([(1, last)]);
    let uid_next = NonZeroU32::new(last + 1).expect("not zero");
    let opened = Opened {
        uids: uids.clone(),
        uid_next,
        recent_from: uid_next,
        ..opened()
    };
    select(&mut session, "SELECT", opened);
    put(&mut session, b"c SEARCH SEEN\r\n");
    let Some(Effect::Search(call)) = effect(&mut session) else {
        panic!("SEARCH searches")
    };
    assert_eq!(call.op().uids, uids);
    let page = SearchPage {
        uids,
        ..SearchPage::default()
    };
    session.handle_reply(call.answer(Ok(page)));
    let (Some(Effect::Changes(call)), mut said) = effect_and_output(&mut session) else {
        panic!("what happened is asked for before the answer")
    };
    session.handle_reply(call.answer(Ok(no_changes(5))));
    said += &effect_and_output(&mut session).1;
    let told = said
        .strip_prefix("* SEARCH ")
        .and_then(|said| said.strip_suffix("\r\nc OK SEARCH completed\r\n"))
        .expect("numbers and an answer");
    let told: Vec<u32> = told.split(' ').map(|n| n.parse().expect("one")).collect();
    assert_eq!(told, (1..=last).collect::<Vec<_>>());
}

/// Who may sign in without a name is not asked.
#[test]
fn nobody_has_no_name() {
    for command in ["LOGIN \"\" pw", "AUTHENTICATE PLAIN AABwdw=="] {
        let mut session = connected();
        put(&mut session, format!("a {command}\r\n").as_bytes());
        let (none, said) = effect_and_output(&mut session);
        assert!(none.is_none(), "{none:?}");
        assert!(said.contains("a NO [AUTHENTICATIONFAILED]"), "{said}");
    }
}

/// A client that sends while the store writes is read a little ahead, no more.
#[test]
fn little_is_read_while_the_store_writes() {
    let mut session = signed_in();
    put(&mut session, b"b APPEND INBOX {2000000+}\r\n");
    let Some(Effect::UploadBegin(call)) = effect(&mut session) else {
        panic!("APPEND begins an upload")
    };
    session.handle_reply(call.answer(Ok(UploadId(7))));
    assert!(effect(&mut session).is_none());
    put(&mut session, b"x");
    let Some(Effect::UploadChunk(_)) = effect(&mut session) else {
        panic!("the message is handed on")
    };
    let mut taken = 0;
    while let Some(mut slot) = session.recv_slot() {
        let octets = slot.capacity();
        slot.put(&vec![b'x'; octets]);
        taken += octets;
    }
    assert!(taken <= 128 << 10, "{taken} octets were taken");
}

/// The next effect asks what changed since then.
fn asks_for_changes(session: &mut Session, since: u64) -> Call<Changes> {
    match effect(session) {
        Some(Effect::Changes(call)) if call.op().since == ModSeq(since) => call,
        other => panic!("{other:?}, not the changes since {since}"),
    }
}

/// Nothing, up to this modseq.
fn no_changes(to: u64) -> Box<ChangesSince> {
    Box::new(ChangesSince {
        fresh: UidSet::new(),
        flags: Vec::new(),
        resume: None,
        gone: UidSet::new(),
        more: None,
        gone_is_complement: false,
        keywords: Arc::from([]),
        to: ModSeq(to),
        uid_next: THREE,
        recent_from: THREE,
        name: MailboxName::inbox(),
    })
}

/// An EXPUNGE that FETCH held back is asked for again by the next command that may tell it, though no notice ever came.
#[test]
fn a_held_back_expunge_is_not_forgotten() {
    let mut session = selected();
    put(&mut session, b"c FETCH 1 (FLAGS)\r\nd CAPABILITY\r\n");
    let Some(Effect::Fetch(call)) = effect(&mut session) else {
        panic!("FETCH fetches")
    };
    session.handle_reply(call.answer(Ok(FetchPage::default())));
    for _command in ["FETCH", "CAPABILITY"] {
        let call = asks_for_changes(&mut session, 5);
        let mut changes = no_changes(6);
        changes.gone = UidSet::from_ranges([(2, 2)]);
        session.handle_reply(call.answer(Ok(changes)));
    }
    assert!(effect(&mut session).is_none(), "it was told");
}

/// What is gone comes in pages. Where the second one is of a later instant, what else happened until then is told before the answer; where there
/// is none, everything is asked for again.
#[test]
fn pages_of_several_instants_are_made_whole() {
    let page = |gone, more, to| {
        let mut page = no_changes(to);
        page.gone = UidSet::from_ranges([(gone, gone)]);
        page.more = Uid::new(more);
        page
    };
    let from = |call: &Call<Changes>| (call.op().from.get(), call.op().limit > 0);
    for (to, fails) in [(6, false), (7, false), (6, true)] {
        let mut session = selected();
        put(&mut session, b"c NOOP\r\n");
        let call = asks_for_changes(&mut session, 5);
        assert_eq!((from(&call), call.op().claim_recent), ((1, true), true));
        session.handle_reply(call.answer(Ok(page(1, 2, 6))));
        let call = asks_for_changes(&mut session, 5);
        assert_eq!((from(&call), call.op().claim_recent), ((2, false), false));
        session.handle_reply(call.answer(match fails {
            false => Ok(page(2, 0, to)),
            true => Err(StoreError::new(ErrorKind::Unavailable, "later")),
        }));
        if to == 7 {
            let call = asks_for_changes(&mut session, 6);
            assert_eq!(from(&call), (1, true));
            session.handle_reply(call.answer(Ok(no_changes(7))));
        }
        let (effect, said) = effect_and_output(&mut session);
        assert!(effect.is_none(), "{effect:?}");
        assert!(said.ends_with("c OK NOOP completed\r\n"), "{said}");
        put(&mut session, b"d NOOP\r\n");
        let _ = asks_for_changes(&mut session, if fails { 5 } else { to });
    }
}

/// What came and went since the mailbox was opened is none of what a client of QRESYNC missed, and no page that tells of it alone is asked for.
#[test]
fn a_client_missed_what_there_ever_was() {
    let mut session = signed_in();
    put(
        &mut session,
        b"b ENABLE QRESYNC\r\nc SELECT INBOX (QRESYNC (1 4))\r\n",
    );
    let Some(Effect::Open(call)) = effect(&mut session) else {
        panic!("SELECT opens")
    };
    let mut open = opened();
    open.uids = UidSet::from_ranges([(2, 2)]);
    session.handle_reply(call.answer(Ok(Box::new(open))));
    let Some(Effect::Watch(call)) = effect(&mut session) else {
        panic!("SELECT watches")
    };
    session.handle_reply(call.answer(Ok(())));
    let call = asks_for_changes(&mut session, 4);
    let mut page = no_changes(7);
    page.gone = UidSet::from_ranges([(1, 1), (3, 4)]);
    page.more = Some(THREE.into());
    session.handle_reply(call.answer(Ok(page)));
    let (effect, said) = effect_and_output(&mut session);
    assert!(effect.is_none(), "{effect:?}");
    let end = "* VANISHED (EARLIER) 1\r\nc OK [READ-WRITE] SELECT completed\r\n";
    assert!(said.ends_with(end), "{said}");
}

/// A session that is told, while EXPUNGE is held back, that message 1 is gone, and perhaps others, and what the next UID is.
fn holds_back(uid_next: NonZeroU32) -> (Session, Box<ChangesSince>) {
    let mut session = selected();
    put(&mut session, b"c SEARCH 1\r\n");
    let Some(Effect::Search(call)) = effect(&mut session) else {
        panic!("SEARCH searches")
    };
    session.handle_reply(call.answer(Ok(SearchPage::default())));
    let call = asks_for_changes(&mut session, 5);
    let mut page = no_changes(9);
    page.gone = UidSet::from_ranges([(1, 1)]);
    (page.more, page.uid_next) = (Uid::new(2), uid_next);
    session.handle_reply(call.answer(Ok(page.clone())));
    (session, page)
}

/// While EXPUNGE is held back what else is gone is of no interest: where nothing came, nothing is asked for.
#[test]
fn what_is_held_back_alone_is_one_page() {
    let (mut session, _) = holds_back(THREE);
    let (effect, said) = effect_and_output(&mut session);
    assert!(effect.is_none(), "{effect:?}");
    assert!(said.ends_with("c OK SEARCH completed\r\n"), "{said}");
}

/// Where some came those are asked for, no others, and nothing is told of the mailbox's state.
#[test]
fn what_is_held_back_is_not_looked_at_to_its_end() {
    let (mut session, mut page) = holds_back(NonZeroU32::new(9).expect("nine"));
    let call = asks_for_changes(&mut session, 5);
    assert_eq!((call.op().from.get(), call.op().known_below), (3, THREE));
    (page.gone, page.fresh, page.more) = (UidSet::new(), UidSet::from_ranges([(5, 6)]), None);
    session.handle_reply(call.answer(Ok(page)));
    let (effect, said) = effect_and_output(&mut session);
    assert!(effect.is_none(), "{effect:?}");
    assert!(
        said.contains("* 4 EXISTS\r\n") && !said.contains("EXPUNGE"),
        "{said}"
    );
    put(&mut session, b"d NOOP\r\n");
    let call = asks_for_changes(&mut session, 5);
    assert_eq!(call.op().known_below.get(), 9);
}

/// The third message of an APPEND is refused, and while the two before it are given up the connection breaks.
#[test]
fn while_uploads_are_given_up() {
    let mut session = signed_in();
    put(&mut session, b"b APPEND INBOX {1+}\r\na {1+}\r\nb {1+}\r\n");
    for upload in [7, 8] {
        let Some(Effect::UploadBegin(call)) = effect(&mut session) else {
            panic!("each message begins an upload")
        };
        session.handle_reply(call.answer(Ok(UploadId(upload))));
        let Some(Effect::UploadChunk(call)) = effect(&mut session) else {
            panic!("each message is handed on")
        };
        session.handle_reply(call.answer(Ok(())));
    }
    let Some(Effect::UploadBegin(call)) = effect(&mut session) else {
        panic!("the third message begins an upload, too")
    };
    session.handle_reply(call.answer(Err(StoreError::new(ErrorKind::OverQuota, "full"))));
    let Some(Effect::UploadAbort(call)) = effect(&mut session) else {
        panic!("the uploads before are given up")
    };
    let first = call.op().upload;
    session.handle_reset();
    session.handle_reply(call.answer(Ok(())));
    let rest = undone(&mut session);
    assert_eq!((first, &rest[..]), (UploadId(8), &[UploadId(7)][..]));
}

/// A message whose upload fails in the middle is swallowed to its end: none of it is a command.
#[test]
fn the_rest_of_a_message_that_was_refused_is_no_command() {
    let mut session = signed_in();
    put(&mut session, b"b APPEND INBOX {20+}\r\nhello");
    let Some(Effect::UploadBegin(call)) = effect(&mut session) else {
        panic!("APPEND begins an upload")
    };
    session.handle_reply(call.answer(Ok(UploadId(7))));
    let Some(Effect::UploadChunk(call)) = effect(&mut session) else {
        panic!("the message is handed on")
    };
    session.handle_reply(call.answer(Err(StoreError::new(ErrorKind::OverQuota, "full"))));
    let Some(Effect::UploadAbort(call)) = effect(&mut session) else {
        panic!("the upload is given up")
    };
    session.handle_reply(call.answer(Ok(())));
    put(
        &mut session,
        b"\r\nc NOOP\r\n12345 {8+}\r\nd NOOP\r\n\r\ne NOOP\r\n",
    );
    let (effect, said) = effect_and_output(&mut session);
    assert!(effect.is_none(), "{effect:?}");
    let (refused, after) = said.split_once("\r\n").expect("a line");
    assert_eq!(refused, "b NO [OVERQUOTA] full");
    assert_eq!(after, "e OK NOOP completed\r\n");
}

#[test]
fn a_slot_says_how_much_may_come_and_ends() {
    for (mut session, at_once, ahead) in [
        (connected(), 8 << 10, 24 << 10),
        (signed_in(), 64 << 10, 1 << 20),
    ] {
        assert!(effect(&mut session).is_none());
        let mut all = 0;
        while let Some(mut slot) = session.recv_slot() {
            assert_eq!(slot.capacity(), at_once.min(ahead + at_once - all));
            slot.put(b"123");
            let rest = slot.capacity();
            assert_eq!(rest + 3, at_once.min(ahead + at_once - all));
            slot.put(&vec![b'x'; rest]);
            assert_eq!(slot.capacity(), 0);
            all += rest + 3;
        }
        assert_eq!(all, ahead + at_once);
    }
}

#[test]
fn nothing_is_taken_after_the_end() {
    let mut session = signed_in();
    session.handle_eof();
    assert!(session.recv_slot().is_none(), "the client's side is closed");

    let mut session = signed_in();
    put(&mut session, b"b LOGOUT\r\n");
    while !matches!(session.poll(NOW), Some(Action::Closed(_))) {}
    assert!(session.recv_slot().is_none(), "the session is over");
}

/// A session that waits only for the effect in flight needs not be woken, though its client was not told all.
#[test]
fn a_broken_connection_has_no_deadline() {
    let mut session = signed_in();
    put(&mut session, b"b APPEND INBOX {5+}\r\nhe");
    while !matches!(
        session.poll(NOW),
        Some(Action::Effect(Effect::UploadBegin(_)))
    ) {}
    assert!(session.transmit(NOW).has_remaining());
    assert!(session.deadline().is_some(), "output may stall");
    session.handle_reset();
    assert_eq!(session.deadline(), None);
}

#[test]
fn an_account_is_known_once_it_signed_in() {
    let mut session = signed_in();
    assert!(effect(&mut session).is_none());
    assert_eq!(session.account().map(|a| &*a.name), Some("tim"));
}

#[test]
fn no_two_effects_have_the_same_token() {
    let mut session = signed_in();
    let mut tokens = BTreeSet::new();
    for command in [&b"b CREATE b\r\n"[..], b"c CREATE c\r\n", b"d CREATE d\r\n"] {
        put(&mut session, command);
        let Some(Effect::Create(call)) = effect(&mut session) else {
            panic!("CREATE creates")
        };
        let reply = call.unsupported();
        assert!(tokens.insert(reply.token()), "{tokens:?}");
        session.handle_reply(reply);
    }
}

/// Flags that STORE told are not told again, though the store spoke first of what was before them.
#[test]
fn flags_that_were_told_are_not_told_again() {
    let mut session = selected();
    let uid = Uid::new(1).expect("not zero");
    let seen = Flags {
        system: SystemFlags::SEEN,
        keywords: 0,
    };
    put(&mut session, b"c STORE 1 +FLAGS (\\Seen)\r\n");
    let Some(Effect::SetFlags(call)) = effect(&mut session) else {
        panic!("STORE sets flags")
    };
    session.handle_reply(call.answer(Ok(FlagsSet {
        rows: vec![(uid, ModSeq(9), seen)],
        changed: UidSet::from_ranges([(1, 1)]),
        modseq: Some(ModSeq(9)),
        ..FlagsSet::default()
    })));
    let call = asks_for_changes(&mut session, 5);
    session.handle_reply(call.answer(Ok(no_changes(7))));
    assert!(effect(&mut session).is_none());
    put(&mut session, b"d NOOP\r\n");
    let call = asks_for_changes(&mut session, 7);
    let mut changes = no_changes(9);
    changes.flags.push((uid, ModSeq(9), seen));
    session.handle_reply(call.answer(Ok(changes)));
    let (effect, said) = effect_and_output(&mut session);
    assert!(effect.is_none(), "{effect:?}");
    assert_eq!(said, "d OK NOOP completed\r\n");
}

/// A message that is gone for good has no row: FETCH says so, and UID FETCH is silent of it (RFC 9051 §6.4.9).
#[test]
fn only_fetch_by_number_misses_what_is_gone() {
    for (command, answer) in [
        ("FETCH 1 (FLAGS)", "c NO [EXPUNGEISSUED] "),
        ("UID FETCH 1 (FLAGS)", "c OK "),
    ] {
        let mut session = selected();
        put(&mut session, format!("c {command}\r\n").as_bytes());
        let Some(Effect::Fetch(call)) = effect(&mut session) else {
            panic!("{command} fetches")
        };
        session.handle_reply(call.answer(Ok(FetchPage::default())));
        let call = asks_for_changes(&mut session, 5);
        session.handle_reply(call.answer(Ok(no_changes(5))));
        let (effect, said) = effect_and_output(&mut session);
        assert!(effect.is_none(), "{effect:?}");
        assert!(said.starts_with(answer), "{command}: {said}");
    }
}

/// IDLE that could not be told what changed asks again when there is news, not over and over.
#[test]
fn idle_does_not_ask_a_store_that_fails_over_and_over() {
    let mut session = selected();
    put(&mut session, b"c IDLE\r\n");
    for modseq in [6, 7] {
        let call = asks_for_changes(&mut session, 5);
        let error = StoreError::new(ErrorKind::Unavailable, "later");
        session.handle_reply(call.answer(Err(error)));
        assert!(effect(&mut session).is_none(), "it asks again for nothing");
        session.handle_notice(Notice {
            mailbox: INBOX,
            modseq: Some(ModSeq(modseq)),
        });
    }
    let call = asks_for_changes(&mut session, 5);
    session.handle_reply(call.answer(Ok(no_changes(7))));
    assert!(effect(&mut session).is_none());
    session.handle_notice(Notice {
        mailbox: INBOX,
        modseq: Some(ModSeq(8)),
    });
    let _ = asks_for_changes(&mut session, 7);
}

/// The answer to a login may come late, and nothing is lost by not waiting for it.
#[test]
fn a_server_that_stops_waits_for_no_password() {
    let stop: [fn(&mut Session); 2] = [
        |session| session.handle_shutdown(Bye::Shutdown),
        |session| session.handle_reset(),
    ];
    for (stop, reason) in stop
        .iter()
        .zip([CloseReason::Server(Bye::Shutdown), CloseReason::PeerClosed])
    {
        let mut session = connected();
        put(&mut session, b"a LOGIN tim pw\r\n");
        assert!(matches!(
            effect(&mut session),
            Some(Effect::Authenticate(_))
        ));
        assert!(session.poll(NOW).is_none());
        stop(&mut session);
        let Some(Action::Closed(closed)) = session.poll(NOW) else {
            panic!("the session waits for the password")
        };
        assert_eq!(closed, reason);
    }
}

/// A store that takes its time is waited for, and what has arrived by then counts; what has not is given up.
#[test]
fn a_server_that_stops_waits_for_the_store_and_not_for_the_client() {
    let late = Now {
        tick: Tick(60_000),
        ..NOW
    };
    for whole in [true, false] {
        let mut session = signed_in();
        put(&mut session, b"b APPEND INBOX {5+}\r\nhe");
        let Some(Effect::UploadBegin(call)) = effect(&mut session) else {
            panic!("APPEND begins an upload")
        };
        session.handle_reply(call.answer(Ok(UploadId(7))));
        let Some(Effect::UploadChunk(call)) = effect(&mut session) else {
            panic!("the message is handed on")
        };
        session.handle_shutdown(Bye::Shutdown);
        session.handle_reply(call.answer(Ok(())));
        assert!(effect(&mut session).is_none());
        let until = session
            .deadline()
            .expect("the rest is not waited for for ever");
        assert_eq!(until, Tick(Limits::default().rest_millis));
        put(&mut session, b"l");
        let Some(Effect::UploadChunk(call)) = effect(&mut session) else {
            panic!("the message is handed on")
        };
        let rest: &[u8] = if whole { b"lo\r\nc NOOP\r\n" } else { b"l" };
        put(&mut session, rest);
        session.handle_timeout(late);
        assert!(session.poll(late).is_none(), "the store is at it");
        assert!(session.recv_slot().is_none(), "what comes now is too late");
        assert!(session.deadline().is_none_or(|tick| tick > late.tick));
        session.handle_reply(call.answer(Ok(())));
        let mut undone = Vec::new();
        let closed = loop {
            match session.poll(late).expect("it ends") {
                Action::Effect(Effect::UploadChunk(call)) => {
                    session.handle_reply(call.answer(Ok(())));
                }
                Action::Effect(Effect::UploadCommit(call)) => {
                    let full = StoreError::new(ErrorKind::OverQuota, "full");
                    session.handle_reply(call.answer(Err(full)));
                }
                Action::Effect(Effect::UploadAbort(call)) => undone.push(call.op().upload),
                Action::Closed(reason) => break reason,
                _ => {}
            }
        };
        assert_eq!(closed, CloseReason::Server(Bye::Shutdown));
        let said: Vec<u8> = session.transmit(late).chunks().flatten().copied().collect();
        let said = String::from_utf8(said).expect("the client is told text");
        let answer = if whole {
            "b NO [OVERQUOTA] full\r\n* BYE "
        } else {
            "* BYE "
        };
        assert!(said.starts_with(answer), "{said}");
        let begun: &[UploadId] = if whole { &[] } else { &[UploadId(7)] };
        assert_eq!(undone, begun);
        assert_eq!(session.is_cut(), !whole);
    }
}

/// STARTTLS waits until its answer was sent: what is written after the switch is under TLS.
#[test]
fn tls_begins_once_its_answer_is_out() {
    let mut config = Config::default();
    config.starttls = true;
    let mut session = Session::new(Arc::new(config), Peer::default(), [0; 32], NOW);
    put(&mut session, b"a STARTTLS\r\nhello");
    while let Some(action) = session.poll(NOW) {
        assert!(matches!(action, Action::Event(_)), "{action:?}");
    }
    let mut transmit = session.transmit(NOW);
    assert!(transmit.has_remaining());
    transmit.advance(transmit.remaining());
    let Some(Action::Switch(Switch::StartTls { residue })) = session.poll(NOW) else {
        panic!("the answer is out")
    };
    assert_eq!(&residue[..], b"hello");
}

/// Whoever counts commands is told the name of one that is refused too, if it has one.
#[test]
fn a_refused_command_is_told_by_its_name() {
    let long = format!("b LOGIN {} pw\r\n", "x".repeat(100_000));
    for (command, called) in [
        ("b NOOP x\r\n", "NOOP"),
        ("b ODD\r\n", "?"),
        (long.as_str(), "LOGIN"),
    ] {
        let mut session = connected();
        let mut rest = command.as_bytes();
        let mut told = Vec::new();
        loop {
            while let Some(action) = session.poll(NOW) {
                if let Action::Event(Event::Command { name, condition }) = action {
                    assert_eq!(condition, Condition::Bad);
                    told.push(name);
                }
            }
            let Some(mut slot) = session.recv_slot().filter(|_| !rest.is_empty()) else {
                break;
            };
            let (now, later) = rest.split_at(slot.capacity().min(rest.len()));
            slot.put(now);
            rest = later;
        }
        assert_eq!(told, [called]);
    }
}
