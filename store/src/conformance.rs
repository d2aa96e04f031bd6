//! Checks that any backend can be put through: what the contract promises, in terms of detached calls.

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use bytes::Bytes;
use pillarbox_core::effect::{
    Actor, Call, Changes, Committed, Copy, Create, Delete, Effect, ErrorKind, Expunge, Fetch,
    FetchPage, Fields, FlagOp, Mailboxes, Move, NewMessage, Op, Open, Opened, ReadBody, Rename,
    Search, SetFlags, Status, StoreError, Subscribe, UploadAbort, UploadBegin, UploadChunk,
    UploadCommit,
};
use pillarbox_core::flag::{FlagNames, SystemFlags};
use pillarbox_core::id::{AccountId, ModSeq, Uid};
use pillarbox_core::mailbox::MailboxName;
use pillarbox_core::search::{Leaf, Program, Step};
use pillarbox_core::set::UidSet;

use crate::contract::{Backend, Job};

/// Runs every check, each on a store of its own.
///
/// # Panics
/// When the store breaks the contract; the message names the check.
pub fn run(make: impl Fn() -> Box<dyn Backend>) {
    for (name, check) in CHECKS {
        let store = make();
        let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&*store)));
        assert!(failed.is_ok(), "the store fails the check: {name}");
    }
}

/// Submits one operation and waits for its reply.
///
/// # Errors
/// What the store answers.
///
/// # Panics
/// When no reply comes within a minute, or one to another operation.
pub fn ask<O: Op>(store: &dyn Backend, op: O) -> Result<O::Reply, StoreError>
where
    Effect: From<Call<O>>,
{
    let (send, replies) = mpsc::channel();
    store.submit(Job::new(Call::detached(op).into(), move |reply| {
        // Nobody waits any more: the check has failed already.
        let _ = send.send(reply);
    }));
    let reply = replies.recv_timeout(Duration::from_secs(60));
    let reply = reply.expect("every job is answered");
    reply
        .into_result::<O>()
        .expect("a reply fits its operation")
}

/// Appends one message to a mailbox of account 1.
///
/// # Errors
/// What the store answers.
pub fn append(store: &dyn Backend, name: &str, octets: &[u8]) -> Result<Committed, StoreError> {
    append_with(store, name, octets, FlagNames::default())
}

type Check = fn(&dyn Backend);

const CHECKS: &[(&str, Check)] = &[
    ("a new account has an INBOX", new_account),
    ("octets come back as they went in", octets_come_back),
    ("names: create, rename, delete, subscribe", names),
    ("UIDVALIDITY is not given twice", validity_grows),
    ("flags, UNCHANGEDSINCE and counters", flags),
    ("copy keeps flags and identity", copies),
    ("move leaves nothing behind", moves),
    ("expunged messages stay readable for a while", grace),
    ("changes tell arrivals, flags and expunges", changes),
    ("uploads: all or none", uploads),
    ("search", search),
    ("fetch resumes where its budget ended", pages),
    ("notices come after durable changes", notices),
    ("another account's mailbox is not there", strangers),
];

fn new_account(s: &dyn Backend) {
    let opened = open(s, "INBOX");
    assert!(opened.uids.is_empty());
    assert_eq!(opened.uid_next.get(), 1);
    assert!(opened.highest_modseq >= ModSeq(1));
    let missing = ask(
        s,
        Open {
            actor: ACTOR,
            name: name("none"),
            read_only: true,
        },
    );
    assert_eq!(missing.unwrap_err().kind, ErrorKind::NonExistent);
}

fn octets_come_back(s: &dyn Backend) {
    for len in [0, 1, 65_535, 65_536, 65_537, 300_000] {
        let octets: Vec<u8> = (0..len).map(|i| (i % 251 + 1) as u8).collect();
        let uid = append(s, "INBOX", &octets).unwrap().uids[0];
        assert_eq!(body(s, uid).unwrap(), octets, "{len}");
        let mailbox = open(s, "INBOX").mailbox;
        let part = ask(
            s,
            ReadBody {
                actor: ACTOR,
                mailbox,
                uid,
                offset: 65_530,
                max: 12,
            },
        );
        let end = octets.len().min(65_542);
        assert_eq!(part.unwrap(), octets[end.min(65_530)..end]);
    }
    let uids = open(s, "INBOX").uids;
    assert_eq!(uids.ranges(), [(1, 6)]);
}

fn names(s: &dyn Backend) {
    create(s, "a/b/c").unwrap();
    assert_eq!(create(s, "a").unwrap_err().kind, ErrorKind::AlreadyExists);
    let delete = |n: &str| {
        ask(
            s,
            Delete {
                actor: ACTOR,
                name: name(n),
            },
        )
    };
    assert_eq!(delete("a").unwrap_err().kind, ErrorKind::HasChildren);
    assert_eq!(delete("INBOX").unwrap_err().kind, ErrorKind::Cannot);
    append(s, "a/b", MAIL).unwrap();
    let before = open(s, "a/b");
    let rename = |a: &str, b: &str| {
        ask(
            s,
            Rename {
                actor: ACTOR,
                from: name(a),
                to: name(b),
            },
        )
    };
    rename("a", "x/y").unwrap();
    let after = open(s, "x/y/b");
    assert_eq!(after.mailbox, before.mailbox);
    assert_eq!(
        (after.uids, after.uid_validity),
        (before.uids, before.uid_validity)
    );
    assert!(rename("x", "x/z").is_err());
    append(s, "INBOX", MAIL).unwrap();
    let inbox = open(s, "INBOX");
    rename("INBOX", "old").unwrap();
    assert_eq!(open(s, "INBOX").mailbox, inbox.mailbox);
    assert!(open(s, "INBOX").uids.is_empty());
    assert_eq!(open(s, "old").uids.len(), 1);
    ask(
        s,
        Subscribe {
            actor: ACTOR,
            name: name("ghost"),
            on: true,
        },
    )
    .unwrap();
    delete("old").unwrap();
    let mut listed = Vec::new();
    let mut after = None;
    loop {
        let page = ask(
            s,
            Mailboxes {
                actor: ACTOR,
                after: after.take(),
                limit: 2,
                status: true,
            },
        );
        let page = page.unwrap();
        for row in &page {
            assert_eq!(row.id.is_some(), row.status.is_some());
            listed.push((row.name.as_str().to_owned(), row.subscribed));
        }
        match page.last() {
            Some(row) if page.len() == 2 => after = Some(row.name.clone()),
            _ => break,
        }
    }
    let want = [
        ("INBOX", false),
        ("ghost", true),
        ("x", false),
        ("x/y", false),
        ("x/y/b", false),
        ("x/y/b/c", false),
    ];
    assert_eq!(listed, want.map(|(n, s)| (n.to_owned(), s)));
}

fn validity_grows(s: &dyn Backend) {
    create(s, "a").unwrap();
    let first = open(s, "a");
    ask(
        s,
        Delete {
            actor: ACTOR,
            name: name("a"),
        },
    )
    .unwrap();
    create(s, "a").unwrap();
    let second = open(s, "a");
    assert!(second.uid_validity > first.uid_validity);
    assert_ne!(second.mailbox, first.mailbox);
}

fn flags(s: &dyn Backend) {
    for _ in 0..3 {
        append(s, "INBOX", MAIL).unwrap();
    }
    let before = open(s, "INBOX");
    let all = before.uids.clone();
    let seen = names_of(SystemFlags::SEEN, &["$Work"]);
    let done = set(s, &before, one(2), FlagOp::Add, seen.clone(), None);
    assert_eq!(done.changed, one(2));
    assert!(done.modseq.unwrap() > before.highest_modseq);
    assert_eq!(
        set(s, &before, one(2), FlagOp::Add, seen.clone(), None).modseq,
        None
    );
    let done = set(
        s,
        &before,
        all.clone(),
        FlagOp::Add,
        seen.clone(),
        Some(before.highest_modseq),
    );
    assert_eq!((done.refused, done.changed.len()), (one(2), 2));
    let done = set(
        s,
        &before,
        UidSet::from_ranges([(3, 9)]),
        FlagOp::Remove,
        names_of(SystemFlags::SEEN, &["$work", "$other"]),
        None,
    );
    assert_eq!(
        (done.gone.ranges(), done.keywords.len()),
        (&[(4, 9)][..], 1)
    );
    let many: Vec<String> = (0..200).map(|i| format!("k{i}")).collect();
    let many = FlagNames {
        system: SystemFlags::default(),
        keywords: many,
    };
    let refused = ask(
        s,
        SetFlags {
            actor: ACTOR,
            mailbox: before.mailbox,
            uids: all,
            op: FlagOp::Add,
            flags: many,
            unchanged_since: None,
        },
    );
    assert_eq!(refused.unwrap_err().kind, ErrorKind::Limit);
    let status = ask(
        s,
        Status {
            actor: ACTOR,
            name: name("INBOX"),
        },
    )
    .unwrap();
    assert_eq!(
        (status.messages, status.unseen, status.size),
        (3, 1, 3 * MAIL.len() as u64)
    );
    assert_eq!(open(s, "INBOX").first_unseen, Uid::new(3));
}

fn copies(s: &dyn Backend) {
    create(s, "to").unwrap();
    append_with(s, "INBOX", MAIL, names_of(SystemFlags::FLAGGED, &["$A"])).unwrap();
    append_with(s, "to", MAIL, names_of(SystemFlags::SEEN, &["$B"])).unwrap();
    let from = open(s, "INBOX");
    let copy = |uids: UidSet, to: &str| {
        ask(
            s,
            Copy {
                actor: ACTOR,
                mailbox: from.mailbox,
                uids,
                to: name(to),
            },
        )
    };
    let copied = copy(UidSet::from_ranges([(1, 50)]), "to").unwrap();
    assert_eq!(copied.uids, [(Uid::new(1).unwrap(), Uid::new(2).unwrap())]);
    let page = fetch(s, "to", UidSet::from_ranges([(1, 9)]), usize::MAX);
    let names: Vec<_> = page.rows[1].flags.names(&page.keywords).collect();
    assert_eq!(names, ["$A"]);
    let source = fetch(s, "INBOX", one(1), usize::MAX);
    assert_eq!(source.rows[0].email_id, page.rows[1].email_id);
    assert_ne!(page.rows[0].email_id, page.rows[1].email_id);
    assert_eq!(page.rows[0].thread_id, page.rows[1].thread_id);
    assert_eq!(
        copy(one(1), "none").unwrap_err().kind,
        ErrorKind::NonExistent
    );
}

fn moves(s: &dyn Backend) {
    create(s, "to").unwrap();
    append(s, "INBOX", MAIL).unwrap();
    append(s, "INBOX", MAIL).unwrap();
    let from = open(s, "INBOX");
    let relocate = |to: &str| {
        ask(
            s,
            Move {
                actor: ACTOR,
                mailbox: from.mailbox,
                uids: one(1),
                to: name(to),
            },
        )
    };
    assert!(relocate("to").unwrap().modseq.unwrap() > from.highest_modseq);
    assert_eq!(relocate("to").unwrap().modseq, None);
    assert_eq!(
        (open(s, "INBOX").uids, open(s, "to").uids),
        (one(2), one(1))
    );
    let itself = Move {
        actor: ACTOR,
        mailbox: from.mailbox,
        uids: one(2),
        to: name("INBOX"),
    };
    assert_eq!(ask(s, itself).unwrap().copied.uids[0].1.get(), 3);
    let status = ask(
        s,
        Status {
            actor: ACTOR,
            name: name("INBOX"),
        },
    )
    .unwrap();
    assert_eq!(
        (status.messages, status.unseen, status.uid_next.get()),
        (1, 1, 4)
    );
}

fn grace(s: &dyn Backend) {
    append(s, "INBOX", MAIL).unwrap();
    append_with(s, "INBOX", b"gone", names_of(SystemFlags::DELETED, &[])).unwrap();
    let opened = open(s, "INBOX");
    let all = UidSet::from_ranges([(1, 9)]);
    let expunge = || {
        ask(
            s,
            Expunge {
                actor: ACTOR,
                mailbox: opened.mailbox,
                uids: all.clone(),
            },
        )
        .unwrap()
    };
    assert_eq!(expunge().uids, one(2));
    assert_eq!(expunge().modseq, None);
    assert_eq!(body(s, Uid::new(2).unwrap()).unwrap(), b"gone");
    assert_eq!(
        body(s, Uid::new(3).unwrap()).unwrap_err().kind,
        ErrorKind::ExpungeIssued
    );
    assert_eq!(fetch(s, "INBOX", all, usize::MAX).rows.len(), 2);
    assert_eq!(append(s, "INBOX", MAIL).unwrap().uids[0].get(), 3);
}

fn changes(s: &dyn Backend) {
    for _ in 0..3 {
        append(s, "INBOX", MAIL).unwrap();
    }
    let opened = open(s, "INBOX");
    set(
        s,
        &opened,
        one(1),
        FlagOp::Add,
        names_of(SystemFlags::SEEN, &[]),
        None,
    );
    set(
        s,
        &opened,
        one(2),
        FlagOp::Add,
        names_of(SystemFlags::DELETED, &[]),
        None,
    );
    ask(
        s,
        Expunge {
            actor: ACTOR,
            mailbox: opened.mailbox,
            uids: one(2),
        },
    )
    .unwrap();
    append(s, "INBOX", MAIL).unwrap();
    let since = |since| {
        ask(
            s,
            Changes {
                actor: ACTOR,
                mailbox: opened.mailbox,
                since,
                known_below: opened.uid_next,
                claim_recent: true,
            },
        )
        .unwrap()
    };
    let told = since(opened.highest_modseq);
    assert_eq!((&told.fresh, &told.gone), (&one(4), &one(2)));
    assert_eq!(
        told.flags.iter().map(|f| f.0.get()).collect::<Vec<_>>(),
        [1]
    );
    assert_eq!(told.recent_from.get(), 4);
    let again = since(told.to);
    assert!(again.flags.is_empty() && again.gone.is_empty());
    assert_eq!((again.recent_from.get(), again.to), (5, told.to));
}

fn uploads(s: &dyn Backend) {
    let begin = |size| {
        ask(
            s,
            UploadBegin {
                actor: ACTOR,
                name: name("INBOX"),
                size,
            },
        )
        .unwrap()
    };
    let chunk = |upload, data: &'static [u8]| {
        ask(
            s,
            UploadChunk {
                upload,
                data: Bytes::from_static(data),
            },
        )
    };
    let (good, short, nul, gone) = (begin(4), begin(4), begin(4), begin(4));
    chunk(good, b"full").unwrap();
    chunk(short, b"fu").unwrap();
    chunk(nul, b"f\0ll").unwrap();
    assert!(chunk(short, b"llllll").is_err());
    ask(s, UploadAbort { upload: gone }).unwrap();
    ask(s, UploadAbort { upload: gone }).unwrap();
    assert!(chunk(gone, b"x").is_err());
    let commit = |uploads: &[_]| {
        let new = |u: &_| NewMessage {
            upload: *u,
            flags: FlagNames::default(),
            internal_date: None,
        };
        ask(
            s,
            UploadCommit {
                actor: ACTOR,
                name: name("INBOX"),
                messages: uploads.iter().map(new).collect(),
                now: 7,
            },
        )
    };
    assert!(commit(&[good, short]).is_err());
    assert_eq!(commit(&[nul]).unwrap_err().kind, ErrorKind::UnknownCte);
    let opened = open(s, "INBOX");
    assert!(opened.uids.is_empty());
    assert_eq!(
        append(s, "none", MAIL).unwrap_err().kind,
        ErrorKind::NonExistent
    );
    let (a, b) = (begin(1), begin(1));
    chunk(a, b"a").unwrap();
    chunk(b, b"b").unwrap();
    assert_eq!(commit(&[b, a]).unwrap().uids.len(), 2);
    assert_eq!(body(s, opened_first(s)).unwrap(), b"b");
}

fn search(s: &dyn Backend) {
    append(s, "INBOX", MAIL).unwrap();
    append(s, "INBOX", b"Subject: other\r\n\r\nnothing\r\n").unwrap();
    let mailbox = open(s, "INBOX").mailbox;
    let find = |leaf| {
        let program = Arc::new(Program {
            steps: vec![Step::Test(leaf)],
        });
        ask(
            s,
            Search {
                actor: ACTOR,
                mailbox,
                uids: UidSet::from_ranges([(1, 9)]),
                program,
            },
        )
        .unwrap()
    };
    assert_eq!(
        find(Leaf::Header("subject".into(), "HELLO".into())).uids,
        one(1)
    );
    assert_eq!(find(Leaf::Body("nothing".into())).uids, one(2));
    assert_eq!(find(Leaf::All).uids.len(), 2);
}

fn pages(s: &dyn Backend) {
    for _ in 0..5 {
        append(s, "INBOX", MAIL).unwrap();
    }
    let mut uids = UidSet::from_ranges([(1, 9)]);
    let mut seen = Vec::new();
    while !uids.is_empty() {
        let page = fetch(s, "INBOX", uids.clone(), 1);
        assert_eq!(page.rows.len(), 1);
        assert_eq!(page.rows[0].inline.as_deref(), Some(MAIL));
        assert!(page.rows[0].header.ends_with(b"\r\n\r\n"));
        seen.push(page.rows[0].uid.get());
        let rest = page.resume.map(|from| UidSet::range(from, Uid::MAX));
        uids = rest.map_or_else(UidSet::new, |rest| uids.intersection(&rest));
    }
    assert_eq!(seen, [1, 2, 3, 4, 5]);
}

fn notices(s: &dyn Backend) {
    let (send, told) = mpsc::channel();
    let send = Mutex::new(send);
    s.subscribe(Arc::new(move |notice| {
        let _ = send.lock().expect("not poisoned").send(notice);
    }));
    let committed = append(s, "INBOX", MAIL).unwrap();
    let notice = told.recv_timeout(Duration::from_secs(60)).unwrap();
    assert_eq!(notice.mailbox, committed.mailbox);
    assert_eq!(notice.modseq, Some(open(s, "INBOX").highest_modseq));
}

fn strangers(s: &dyn Backend) {
    append(s, "INBOX", MAIL).unwrap();
    let mailbox = open(s, "INBOX").mailbox;
    let actor = Actor {
        account: AccountId(2),
    };
    let read = ask(
        s,
        ReadBody {
            actor,
            mailbox,
            uid: Uid::new(1).unwrap(),
            offset: 0,
            max: 9,
        },
    );
    assert_eq!(read.unwrap_err().kind, ErrorKind::NonExistent);
}

fn append_with(
    s: &dyn Backend,
    to: &str,
    octets: &[u8],
    flags: FlagNames,
) -> Result<Committed, StoreError> {
    let size = octets.len() as u64;
    let upload = ask(
        s,
        UploadBegin {
            actor: ACTOR,
            name: name(to),
            size,
        },
    )?;
    for chunk in octets.chunks(100_000) {
        ask(
            s,
            UploadChunk {
                upload,
                data: Bytes::copy_from_slice(chunk),
            },
        )?;
    }
    let messages = vec![NewMessage {
        upload,
        flags,
        internal_date: None,
    }];
    ask(
        s,
        UploadCommit {
            actor: ACTOR,
            name: name(to),
            messages,
            now: 1_000_000,
        },
    )
}

fn open(s: &dyn Backend, n: &str) -> Box<Opened> {
    ask(
        s,
        Open {
            actor: ACTOR,
            name: name(n),
            read_only: false,
        },
    )
    .unwrap()
}

fn opened_first(s: &dyn Backend) -> Uid {
    open(s, "INBOX").uids.first().expect("there is a message")
}

fn create(s: &dyn Backend, n: &str) -> Result<(), StoreError> {
    ask(
        s,
        Create {
            actor: ACTOR,
            name: name(n),
            special_use: None,
        },
    )
    .map(drop)
}

fn set(
    s: &dyn Backend,
    o: &Opened,
    uids: UidSet,
    op: FlagOp,
    flags: FlagNames,
    unchanged_since: Option<ModSeq>,
) -> pillarbox_core::effect::FlagsSet {
    ask(
        s,
        SetFlags {
            actor: ACTOR,
            mailbox: o.mailbox,
            uids,
            op,
            flags,
            unchanged_since,
        },
    )
    .unwrap()
}

fn fetch(s: &dyn Backend, n: &str, uids: UidSet, budget: usize) -> FetchPage {
    let mailbox = open(s, n).mailbox;
    let fields = Fields::HEADER.with(Fields::INLINE).with(Fields::META);
    ask(
        s,
        Fetch {
            actor: ACTOR,
            mailbox,
            uids,
            changed_since: None,
            fields,
            inline: 65_536,
            budget,
        },
    )
    .unwrap()
}

/// All octets of a message in the INBOX of account 1.
///
/// # Errors
/// What the store answers.
pub fn body(s: &dyn Backend, uid: Uid) -> Result<Vec<u8>, StoreError> {
    let mailbox = open(s, "INBOX").mailbox;
    let mut octets = Vec::new();
    loop {
        let part = ask(
            s,
            ReadBody {
                actor: ACTOR,
                mailbox,
                uid,
                offset: octets.len() as u64,
                max: 50_000,
            },
        )?;
        octets.extend_from_slice(&part);
        if part.len() < 50_000 {
            return Ok(octets);
        }
    }
}

fn name(text: &str) -> MailboxName {
    MailboxName::new(text).expect("the checks use good names")
}

fn names_of(system: SystemFlags, keywords: &[&str]) -> FlagNames {
    FlagNames {
        system,
        keywords: keywords.iter().map(|k| (*k).to_owned()).collect(),
    }
}

fn one(n: u32) -> UidSet {
    UidSet::from_ranges([(n, n)])
}

const ACTOR: Actor = Actor {
    account: AccountId(1),
};
const MAIL: &[u8] = b"Message-ID: <1@example>\r\nSubject: Hello\r\n\r\nWorld\r\n";
