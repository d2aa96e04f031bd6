//! Mailboxes by name.

use pillarbox_core::effect::{Create, ErrorKind, Purge, SpecialUse};
use pillarbox_core::id::ModSeq;

use super::client::name;
use super::{Check, Client, MAIL};
use crate::contract::Backend;

pub(super) const CHECKS: &[Check] = &[
    ("a new account has an INBOX", new_account),
    ("names: create, rename, delete, subscribe", names),
    (
        "counters of several mailboxes are told in their places",
        statuses,
    ),
    ("a refused change of names changes nothing", refusals),
    ("names have a bound together", long_names),
    ("RENAME of INBOX moves its messages", rename_inbox),
    ("UIDVALIDITY is not given twice", validity_grows),
    ("special use is kept", special_use),
    ("another account's mailbox is not there", strangers),
    ("a deleted mailbox is not there", deleted),
    ("a purged account has nothing of before", purged),
];

fn new_account(s: &dyn Backend) {
    let c = Client::new(s, 1);
    let opened = c.select("INBOX").unwrap();
    assert!(opened.uids.is_empty());
    assert_eq!(opened.uid_next.get(), 1);
    assert!(opened.highest_modseq >= ModSeq(1));
    assert_eq!(c.examine("none").unwrap_err().kind, ErrorKind::NonExistent);
    let other = Client::new(s, 2).examine("INBOX").unwrap();
    assert_ne!(opened.mailbox.id, other.mailbox.id);
}

fn names(s: &dyn Backend) {
    let c = Client::new(s, 1);
    c.create("a/b/c").unwrap();
    assert_eq!(c.create("a").unwrap_err().kind, ErrorKind::AlreadyExists);
    assert_eq!(c.delete("a").unwrap_err().kind, ErrorKind::HasChildren);
    assert_eq!(c.delete("INBOX").unwrap_err().kind, ErrorKind::Cannot);
    c.append("a/b", MAIL).unwrap();
    let before = c.examine("a/b").unwrap();
    c.rename("a", "x/y").unwrap();
    let after = c.examine("x/y/b").unwrap();
    assert_eq!(
        (after.mailbox, after.uids, after.uid_validity),
        (before.mailbox, before.uids, before.uid_validity)
    );
    assert!(after.highest_modseq > before.highest_modseq);
    assert!(c.rename("x", "x/z").is_err());
    c.create("a b").unwrap();
    c.create("a").unwrap();
    c.rename("a", "z").unwrap();
    c.delete("z").unwrap();
    c.subscribe("ghost", true).unwrap();
    c.subscribe("a b", true).unwrap();
    c.subscribe("none", false).unwrap();
    let rows = c.list().unwrap();
    for row in &rows {
        let status = c.status(row.name.as_str());
        assert_eq!(status.ok().map(|s| s.id), row.id);
    }
    let listed: Vec<_> = rows
        .iter()
        .map(|r| (r.name.as_str(), r.subscribed))
        .collect();
    let want = [
        ("INBOX", false),
        ("a b", true),
        ("ghost", true),
        ("x", false),
        ("x/y", false),
        ("x/y/b", false),
        ("x/y/b/c", false),
    ];
    assert_eq!(listed, want);
}

/// Each name has what it asked for in its own place, whatever else is asked for: another account's mailbox and one that was deleted are not there.
fn statuses(s: &dyn Backend) {
    let (c, other) = (Client::new(s, 1), Client::new(s, 2));
    for (name, messages) in [("b", 2), ("a", 1), ("a/c", 0), ("gone", 1)] {
        c.create(name).unwrap();
        for _ in 0..messages {
            c.append(name, MAIL).unwrap();
        }
    }
    other.create("z").unwrap();
    c.subscribe("ghost", true).unwrap();
    c.delete("gone").unwrap();
    let asked = ["z", "b", "ghost", "a/c", "gone", "a", "b", "INBOX"];
    let told = c.statuses(&asked).unwrap();
    let alone = asked.map(|name| c.status(name).ok());
    assert_eq!(told, alone, "as each is told by itself");
    let messages = told.iter().map(|s| s.as_ref().map(|s| s.messages));
    let messages: Vec<_> = messages.collect();
    let there = [
        None,
        Some(2),
        None,
        Some(0),
        None,
        Some(1),
        Some(2),
        Some(0),
    ];
    assert_eq!(messages, there);
    let ids = c.list().unwrap().into_iter().filter_map(|row| row.id);
    let listed: Vec<_> = ids.collect();
    let names: Vec<&str> = vec!["INBOX", "a", "a/c", "b"];
    let told = c.statuses(&names).unwrap().into_iter().flatten();
    assert_eq!(told.map(|s| s.id).collect::<Vec<_>>(), listed);
    assert_eq!(c.statuses(&[]).unwrap(), []);
    let theirs = other.statuses(&["z", "a"]).unwrap();
    assert!(theirs[0].is_some() && theirs[1].is_none());
}

/// With 64 octets for each, the names that LIST tells have 1,400,000 octets at most.
fn long_names(s: &dyn Backend) {
    let c = Client::new(s, 1);
    let limit = |answer: Result<(), pillarbox_core::effect::StoreError>| {
        assert_eq!(answer.map_err(|e| e.kind), Err(ErrorKind::Limit));
    };
    let name = |n: usize, octets: usize| format!("{n:0>octets$}");
    let held = || {
        let rows = c.list().unwrap();
        rows.iter()
            .map(|r| 64 + r.name.as_str().len())
            .sum::<usize>()
    };
    // As long as they get, until there is room for one less long, to the octet.
    for n in 0..1315 {
        match n % 4 {
            3 => c.subscribe(&name(n, 1000), true).unwrap(),
            _ => drop(c.create(&name(n, 1000)).unwrap()),
        }
    }
    let left = 1_400_000 - held() - 64;
    assert!(left < 1000, "{left} octets are left for a name");
    limit(c.create(&name(2000, left + 1)).map(drop));
    limit(c.create(&format!("a/{}", name(2000, left - 66))).map(drop));
    assert!(c.examine("a").is_err(), "no parent is made");
    limit(c.subscribe(&name(2000, left + 1), true));
    c.create(&name(2000, left)).unwrap();
    assert_eq!(held(), 1_400_000);
    limit(c.create("b").map(drop));
    limit(c.subscribe("b", true));
    limit(c.rename(&name(2000, left), &name(2000, left + 1)));
    limit(c.rename("INBOX", "b"));
    // What makes LIST no longer is done.
    c.subscribe(&name(3, 1000), true).unwrap();
    c.subscribe(&name(2, 1000), true).unwrap();
    c.rename(&name(1, 1000), &name(2001, 1000)).unwrap();
    limit(c.rename(&name(2, 1000), &name(2002, 1000)));
    c.delete(&name(2, 1000)).unwrap();
    limit(c.create("b").map(drop));
    c.subscribe(&name(2, 1000), false).unwrap();
    c.create("b").unwrap();
    assert!(held() <= 1_400_000);
}

fn refusals(s: &dyn Backend) {
    let c = Client::new(s, 1);
    c.create("a/b").unwrap();
    c.create("c/b").unwrap();
    c.append("a/b", MAIL).unwrap();
    let before = c.state().unwrap();
    assert!(c.create("c/b").is_err());
    assert_eq!(
        c.rename("a", "c").unwrap_err().kind,
        ErrorKind::AlreadyExists
    );
    assert_eq!(
        c.rename("a/b", "INBOX").unwrap_err().kind,
        ErrorKind::AlreadyExists
    );
    assert_eq!(
        c.rename("none", "d/e").unwrap_err().kind,
        ErrorKind::NonExistent
    );
    assert_eq!(c.rename("a", "a/d/e").unwrap_err().kind, ErrorKind::Cannot);
    assert_eq!(c.delete("none").unwrap_err().kind, ErrorKind::NonExistent);
    // The name below the new one is longer than a name may be.
    let long = format!("d/{}", "n".repeat(997));
    assert_eq!(c.rename("a", &long).unwrap_err().kind, ErrorKind::Cannot);
    assert_eq!(
        c.rename("INBOX", "c/b").unwrap_err().kind,
        ErrorKind::AlreadyExists
    );
    assert_eq!(c.state().unwrap(), before);
}

fn rename_inbox(s: &dyn Backend) {
    let c = Client::new(s, 1);
    c.create("INBOX/child").unwrap();
    c.append("INBOX", MAIL).unwrap();
    c.append("INBOX", MAIL).unwrap();
    let before = c.examine("INBOX").unwrap();
    c.rename("INBOX", "old/mail").unwrap();
    let (inbox, old) = (c.examine("INBOX").unwrap(), c.examine("old/mail").unwrap());
    assert_eq!(inbox.mailbox, before.mailbox);
    assert_eq!(inbox.uid_validity, before.uid_validity);
    assert_eq!(inbox.uid_next, before.uid_next);
    assert!(inbox.uids.is_empty() && inbox.highest_modseq > before.highest_modseq);
    assert_eq!(old.uids.len(), 2);
    assert!(c.examine("INBOX/child").is_ok());
    let gone = c.changes(inbox.mailbox, before.highest_modseq, before.uid_next);
    assert_eq!(gone.unwrap().gone, before.uids);
    assert_eq!(c.append("INBOX", MAIL).unwrap().get(), 3);
}

fn validity_grows(s: &dyn Backend) {
    let c = Client::new(s, 1);
    let mut last = c.examine("INBOX").unwrap().uid_validity;
    let mut ids = Vec::new();
    for round in 0..6 {
        c.create("a").unwrap();
        let opened = c.examine("a").unwrap();
        assert!(opened.uid_validity > last, "round {round}");
        last = opened.uid_validity;
        assert!(!ids.contains(&opened.mailbox.id));
        ids.push(opened.mailbox.id);
        if round % 2 == 0 {
            c.delete("a").unwrap();
        } else {
            c.rename("a", &format!("kept {round}")).unwrap();
        }
    }
}

fn special_use(s: &dyn Backend) {
    let c = Client::new(s, 1);
    let made = c.ask(Create {
        actor: c.actor(),
        name: name("Sent"),
        special_use: Some(SpecialUse::Sent),
    });
    made.unwrap();
    c.append("Sent", MAIL).unwrap();
    c.rename("Sent", "Gesendet").unwrap();
    let rows = c.list().unwrap();
    let uses: Vec<_> = rows.iter().map(|r| r.special_use).collect();
    assert_eq!(uses, [Some(SpecialUse::Sent), None]);
}

fn strangers(s: &dyn Backend) {
    let (owner, stranger) = (Client::new(s, 1), Client::new(s, 2));
    let uid = owner.append("INBOX", MAIL).unwrap();
    let before = owner.state().unwrap();
    let mailbox = owner.examine("INBOX").unwrap().mailbox;
    refused(stranger, mailbox, uid);
    let mut claimed = mailbox;
    claimed.owner = stranger.actor().account;
    refused(stranger, claimed, uid);
    assert_eq!(owner.state().unwrap(), before);
}

fn deleted(s: &dyn Backend) {
    let c = Client::new(s, 1);
    c.create("a").unwrap();
    let uid = c.append("a", MAIL).unwrap();
    let mailbox = c.examine("a").unwrap().mailbox;
    let upload = c.upload("a", MAIL).unwrap();
    c.delete("a").unwrap();
    refused(c, mailbox, uid);
    let late = c.commit("a", &[upload], &Default::default());
    assert_eq!(late.unwrap_err().kind, ErrorKind::NonExistent);
    c.create("a").unwrap();
    assert!(c.examine("a").unwrap().uids.is_empty());
    refused(c, mailbox, uid);
}

fn purged(s: &dyn Backend) {
    let (c, other) = (Client::new(s, 1), Client::new(s, 2));
    for name in ["A", "a/b", "z"] {
        c.create(name).unwrap();
    }
    c.subscribe("a", true).unwrap();
    c.subscribe("ghost", true).unwrap();
    let keyword = super::flag_names(Default::default(), &["private"]);
    let uid = c.append_with("INBOX", MAIL, &keyword).unwrap();
    for name in ["A", "a/b", "a/b", "a/b", "INBOX"] {
        c.append(name, MAIL).unwrap();
    }
    other.append("INBOX", MAIL).unwrap();
    other.subscribe("ghost", true).unwrap();
    let untouched = other.state().unwrap();
    let before = c.examine("INBOX").unwrap();
    let (mut messages, mut mailboxes) = (0, 0);
    loop {
        let (actor, limit) = (c.actor(), 2);
        let step = c.ask(Purge { actor, limit }).unwrap();
        assert!(step.messages <= 2 && step.mailboxes <= 1, "{step:?}");
        messages += step.messages;
        mailboxes += step.mailboxes;
        if !step.more {
            break;
        }
        assert!(c.examine("INBOX").is_ok());
    }
    assert_eq!((messages, mailboxes), (6, 5));
    refused(c, before.mailbox, uid);
    let rows = c.list().unwrap();
    assert!(rows.len() == 1 && rows[0].name.as_str() == "INBOX" && !rows[0].subscribed);
    let after = c.examine("INBOX").unwrap();
    assert!(after.uids.is_empty() && after.keywords.is_empty());
    assert!(after.uid_validity > before.uid_validity);
    assert_eq!(other.state().unwrap(), untouched);
    assert!(other.list().unwrap().iter().any(|r| r.subscribed));
    // It goes on as any other account.
    c.append("INBOX", MAIL).unwrap();
    let again = crate::contract::purge(s, c.actor().account).unwrap();
    assert_eq!((again.messages, again.mailboxes), (1, 1));
    assert_eq!(other.state().unwrap(), untouched);
}

/// Every operation on this mailbox says that it is not there.
fn refused(
    c: Client<'_>,
    mailbox: pillarbox_core::effect::MailboxRef,
    uid: pillarbox_core::id::Uid,
) {
    use pillarbox_core::effect::{FlagOp, Search};
    use pillarbox_core::search::{Leaf, Program, Step};
    let uids = || pillarbox_core::set::UidSet::range(uid, uid);
    let flags = super::flag_names(pillarbox_core::flag::SystemFlags::DELETED, &[]);
    let program = Program {
        steps: vec![Step::Test(Leaf::All)],
        ..Program::default()
    };
    let search = Search {
        actor: c.actor(),
        mailbox,
        uids: uids(),
        program: program.into(),
    };
    let answers = [
        c.body(mailbox, uid).map(drop),
        c.fetch(mailbox, uids(), 1000).map(drop),
        c.set(mailbox, uids(), FlagOp::Add, flags, None).map(drop),
        c.copy(mailbox, uids(), "INBOX").map(drop),
        c.relocate(mailbox, uids(), "INBOX").map(drop),
        c.expunge(mailbox, uids()).map(drop),
        c.changes(mailbox, ModSeq(0), std::num::NonZeroU32::MIN)
            .map(drop),
        c.ask(search).map(drop),
    ];
    for (at, answer) in answers.into_iter().enumerate() {
        let kind = answer.map_err(|e| e.kind);
        assert_eq!(kind, Err(ErrorKind::NonExistent), "operation {at}");
    }
}
