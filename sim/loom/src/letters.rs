//! A connection's letter box: nothing is lost, and whoever sleeps is woken.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use loom::future::block_on;
use loom::thread;
use pillarbox_core::effect::{MailboxRef, Notice};
use pillarbox_core::id::{AccountId, MailboxId, ModSeq};
use pillarbox_core::session::Bye;

use crate::answers::{done, effect, said};
use crate::contract::Job;
use crate::inbox::{Inbox, Letters};
use crate::model;

pub const MAILBOX: MailboxRef = MailboxRef {
    owner: AccountId(1),
    id: MailboxId(1),
};

pub fn notice(modseq: Option<u64>) -> Notice {
    Notice {
        mailbox: MAILBOX,
        modseq: modseq.map(ModSeq),
    }
}

/// Waits as a connection does: it looks, and if there is nothing it sleeps until it is woken.
pub fn next(inbox: &Inbox) -> Letters {
    block_on(poll_fn(|cx| {
        match inbox.take(None).or_else(|| inbox.take(Some(cx.waker()))) {
            Some(letters) => Poll::Ready(letters),
            None => Poll::Pending,
        }
    }))
}

/// Waits until this much was taken: replies, the level of the mailbox, the end.
fn until(inbox: &Inbox, replies: usize, level: Option<Option<ModSeq>>, bye: bool) {
    let (mut taken, mut heard, mut ends) = (0, None, false);
    while taken < replies || level.is_some() && heard != level || ends != bye {
        let letters = next(inbox);
        taken += letters.replies.len();
        heard = letters.notices.get(&MAILBOX).copied().or(heard);
        ends |= letters.bye.is_some();
    }
    assert_eq!((taken, heard, ends), (replies, level, bye));
    assert!(inbox.take(None).is_none(), "nothing comes twice");
}

pub fn models() {
    for answered in [true, false] {
        model(
            &format!("a reply ({answered}) wakes its connection"),
            move || {
                let inbox = Arc::new(Inbox::default());
                let to = inbox.clone();
                let (effect, slot) = Job::new(effect(1), move |reply| to.reply(reply)).into_parts();
                let store = thread::spawn(move || match answered {
                    true => slot.send(done(effect)),
                    false => drop(slot),
                });
                let mut letters = next(&inbox);
                let reply = letters.replies.pop().expect("there is one");
                assert_eq!(said(reply).is_ok(), answered);
                store.join().expect("it does not panic");
                assert!(letters.replies.is_empty() && inbox.take(None).is_none());
            },
        );
    }
    model("replies, notices and the end are all taken", || {
        let inbox = Arc::new(Inbox::default());
        let (store, server) = (inbox.clone(), inbox.clone());
        let store = thread::spawn(move || {
            store.notice(notice(Some(5)));
            store.reply(done(effect(1)));
            store.notice(notice(Some(6)));
        });
        let server = thread::spawn(move || server.bye(Bye::Shutdown));
        until(&inbox, 1, Some(Some(ModSeq(6))), true);
        store.join().expect("it does not panic");
        server.join().expect("it does not panic");
    });
    model("a notice that is late does not hide a newer one", || {
        let inbox = Arc::new(Inbox::default());
        let (one, other) = (inbox.clone(), inbox.clone());
        let one = thread::spawn(move || one.notice(notice(Some(5))));
        let other = thread::spawn(move || other.notice(notice(Some(6))));
        let mut heard = None;
        while heard < Some(ModSeq(6)) {
            let letters = next(&inbox);
            heard = heard.max(letters.notices.get(&MAILBOX).copied().flatten());
        }
        one.join().expect("it does not panic");
        other.join().expect("it does not panic");
    });
    model(
        "a notice that is late does not hide that the mailbox is gone",
        || {
            let inbox = Arc::new(Inbox::default());
            let (one, other) = (inbox.clone(), inbox.clone());
            let one = thread::spawn(move || one.notice(notice(Some(5))));
            let other = thread::spawn(move || other.notice(notice(None)));
            while next(&inbox).notices.get(&MAILBOX) != Some(&None) {}
            one.join().expect("it does not panic");
            other.join().expect("it does not panic");
        },
    );
}
