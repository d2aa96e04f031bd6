//! Sessions whose effects are answered by hand: a connection that breaks leaves no upload behind, and what is held back is not forgotten.

use std::num::NonZeroU32;
use std::sync::Arc;

use bytes::Buf;
use pillarbox_core::effect::{Account, Call, ChangesSince, Effect, FetchPage, MailboxRef, Opened};
use pillarbox_core::id::{AccountId, MailboxId, ModSeq, UidValidity, UploadId};
use pillarbox_core::mailbox::MailboxName;
use pillarbox_core::now::{Now, Tick};
use pillarbox_core::session::{Action, CloseReason, Config, Peer, Session};
use pillarbox_core::set::UidSet;

const NOW: Now = Now {
    tick: Tick(0),
    unix: 1_700_000_000,
};

fn signed_in() -> Session {
    let mut config = Config::default();
    config.plaintext_login = true;
    let mut session = Session::new(Arc::new(config), Peer::default(), [0; 32], NOW);
    put(&mut session, b"a LOGIN tim pw\r\n");
    let Some(Effect::Authenticate(call)) = effect(&mut session) else {
        panic!("LOGIN asks who it is")
    };
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

/// The next effect; output and events go by.
fn effect(session: &mut Session) -> Option<Effect> {
    loop {
        let mut transmit = session.transmit(NOW);
        transmit.advance(transmit.remaining());
        match session.poll(NOW)? {
            Action::Effect(effect) => return Some(effect),
            Action::Closed(reason) => panic!("closed too early: {reason:?}"),
            _ => {}
        }
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

/// An EXPUNGE that FETCH held back is asked for again by the next command that may tell it, though no notice ever came.
#[test]
fn a_held_back_expunge_is_not_forgotten() {
    let mut session = signed_in();
    let three = NonZeroU32::new(3).expect("not zero");
    put(&mut session, b"b SELECT INBOX\r\n");
    let Some(Effect::Open(call)) = effect(&mut session) else {
        panic!("SELECT opens")
    };
    session.handle_reply(call.answer(Ok(Box::new(Opened {
        mailbox: MailboxRef {
            owner: AccountId(1),
            id: MailboxId(1),
        },
        name: MailboxName::inbox(),
        read_only: false,
        uids: UidSet::from_ranges([(1, 2)]),
        uid_validity: UidValidity(NonZeroU32::MIN),
        uid_next: three,
        highest_modseq: ModSeq(5),
        keywords: Arc::from([]),
        recent_from: three,
        first_unseen: None,
    }))));
    let Some(Effect::Watch(call)) = effect(&mut session) else {
        panic!("SELECT watches")
    };
    session.handle_reply(call.answer(Ok(())));
    assert!(effect(&mut session).is_none());

    put(&mut session, b"c FETCH 1 (FLAGS)\r\nd CAPABILITY\r\n");
    let Some(Effect::Fetch(call)) = effect(&mut session) else {
        panic!("FETCH fetches")
    };
    session.handle_reply(call.answer(Ok(FetchPage::default())));
    for command in ["FETCH", "CAPABILITY"] {
        let Some(Effect::Changes(call)) = effect(&mut session) else {
            panic!("{command} asks what changed")
        };
        assert_eq!(call.op().since, ModSeq(5), "{command}");
        session.handle_reply(call.answer(Ok(Box::new(ChangesSince {
            fresh: UidSet::new(),
            flags: Vec::new(),
            resume: None,
            gone: UidSet::from_ranges([(2, 2)]),
            gone_is_complement: false,
            keywords: Arc::from([]),
            to: ModSeq(6),
            uid_next: three,
            recent_from: three,
            name: MailboxName::inbox(),
        }))));
    }
    assert!(effect(&mut session).is_none(), "it was told");
}
