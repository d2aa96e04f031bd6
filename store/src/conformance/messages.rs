//! Messages: coming in, being read, copied and moved.

use bytes::Bytes;
use pillarbox_core::effect::{
    Absent, Copy, ErrorKind, FlagOp, Move, ReadBody, Search, UploadAbort, UploadBegin, UploadChunk,
};
use pillarbox_core::flag::{FlagNames, SystemFlags};
use pillarbox_core::id::Uid;
use pillarbox_core::search::{Leaf, Program, Step};
use pillarbox_core::set::UidSet;

use super::client::name;
use super::{Check, Client, MAIL, flag_names};
use crate::contract::Backend;

pub(super) const CHECKS: &[Check] = &[
    ("octets come back as they went in", octets_come_back),
    ("uploads: all or none", uploads),
    ("an upload is used once", upload_once),
    ("a conversation keeps its messages", conversations),
    ("copy keeps flags and identity", copies),
    ("copy and move: all or none", copies_whole),
    (
        "copy and move: none, when one is gone and may not be",
        absent,
    ),
    ("a copy is saved when it is copied", saved),
    ("move leaves nothing behind", moves),
    ("expunged messages stay readable for a while", grace),
    ("search", search),
    ("fetch resumes where its budget ended", pages),
];

fn octets_come_back(s: &dyn Backend) {
    let c = Client::new(s, 1);
    for len in [0, 1, 65_535, 65_536, 65_537, 300_000] {
        let octets: Vec<u8> = (0..len).map(|i| (i % 251 + 1) as u8).collect();
        let uid = c.append("INBOX", &octets).unwrap();
        let mailbox = c.examine("INBOX").unwrap().mailbox;
        assert_eq!(c.body(mailbox, uid).unwrap(), octets, "{len}");
        let part = |offset, max| {
            c.ask(ReadBody {
                actor: c.actor(),
                mailbox,
                uid,
                offset,
                max,
            })
        };
        let end = octets.len().min(65_542);
        assert_eq!(part(65_530, 12).unwrap(), octets[end.min(65_530)..end]);
        assert!(part(octets.len() as u64, 9).unwrap().is_empty());
        assert!(part(u64::MAX, usize::MAX).unwrap().is_empty());
        assert_eq!(part(0, usize::MAX).unwrap(), octets);
    }
    let uids = c.examine("INBOX").unwrap().uids;
    assert_eq!(uids.ranges(), [(1, 6)]);
}

fn uploads(s: &dyn Backend) {
    let c = Client::new(s, 1);
    let begin = |size| {
        let (actor, name) = (c.actor(), name("INBOX"));
        c.ask(UploadBegin { actor, name, size }).unwrap()
    };
    let chunk = |upload, data: &'static [u8]| {
        let data = Bytes::from_static(data);
        c.ask(UploadChunk { upload, data })
    };
    let none = FlagNames::default();
    let (good, short, nul, gone) = (begin(4), begin(4), begin(4), begin(4));
    chunk(good, b"full").unwrap();
    chunk(short, b"fu").unwrap();
    chunk(nul, b"f\0ll").unwrap();
    c.ask(UploadAbort { upload: gone }).unwrap();
    c.ask(UploadAbort { upload: gone }).unwrap();
    assert!(chunk(gone, b"x").is_err());
    assert!(c.commit("INBOX", &[good, short], &none).is_err());
    let refused = c.commit("INBOX", &[nul], &none).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::UnknownCte);
    let long = begin(4);
    assert!(chunk(long, b"longer").is_err());
    assert!(c.commit("INBOX", &[long], &none).is_err());
    let before = c.examine("INBOX").unwrap();
    assert!(before.uids.is_empty());
    let missing = c.append("none", MAIL).unwrap_err();
    assert_eq!(missing.kind, ErrorKind::NonExistent);
    let (a, b) = (begin(1), begin(1));
    chunk(a, b"a").unwrap();
    chunk(b, b"b").unwrap();
    let committed = c.commit("INBOX", &[b, a], &none).unwrap();
    let uids: Vec<_> = committed.uids.iter().map(|u| u.get()).collect();
    assert_eq!(uids, [1, 2]);
    let first = c.body(committed.mailbox, committed.uids[0]);
    assert_eq!(first.unwrap(), b"b");
    let after = c.examine("INBOX").unwrap();
    assert!(after.highest_modseq > before.highest_modseq);
}

fn upload_once(s: &dyn Backend) {
    let c = Client::new(s, 1);
    let none = FlagNames::default();
    let upload = c.upload("INBOX", MAIL).unwrap();
    assert!(c.commit("INBOX", &[upload, upload], &none).is_err());
    let upload = c.upload("INBOX", MAIL).unwrap();
    c.commit("INBOX", &[upload], &none).unwrap();
    assert!(c.commit("INBOX", &[upload], &none).is_err());
    let data = Bytes::from_static(b"x");
    assert!(c.ask(UploadChunk { upload, data }).is_err());
    assert_eq!(c.status("INBOX").unwrap().messages, 1);
}

/// A message that answers two conversations joins one; the other's ids stay the other's.
fn conversations(s: &dyn Backend) {
    let c = Client::new(s, 1);
    for header in [
        "Message-ID: <a@x>\r\n",
        "Message-ID: <b@x>\r\n",
        "Message-ID: <c@x>\r\nIn-Reply-To: <a@x>\r\nReferences: <b@x> <a@x>\r\n",
        "Message-ID: <d@x>\r\nIn-Reply-To: <a@x>\r\n",
        "Message-ID: <e@x>\r\nIn-Reply-To: <b@x>\r\n",
    ] {
        let mail = format!("{header}\r\nx\r\n");
        c.append("INBOX", mail.as_bytes()).unwrap();
    }
    let state = c.state().unwrap();
    let threads: Vec<_> = state[0].messages.iter().map(|m| m.thread_id).collect();
    let [a, b, c, d, e] = threads[..] else {
        panic!("{threads:?}");
    };
    assert_ne!(a, b);
    assert!(c == a || c == b, "{threads:?}");
    assert_eq!((d, e), (a, b), "{threads:?}");
}

fn copies(s: &dyn Backend) {
    let c = Client::new(s, 1);
    c.create("to").unwrap();
    c.append_with("INBOX", MAIL, &flag_names(SystemFlags::FLAGGED, &["$A"]))
        .unwrap();
    c.append_with("to", MAIL, &flag_names(SystemFlags::SEEN, &["$B"]))
        .unwrap();
    let from = c.examine("INBOX").unwrap().mailbox;
    let copied = c.copy(from, UidSet::from_ranges([(1, 50)]), "to").unwrap();
    assert_eq!(copied.uids, [(uid(1), uid(2))]);
    let again = c.copy(from, one(1), "INBOX").unwrap();
    assert_eq!(again.uids, [(uid(1), uid(2))]);
    let state = c.state().unwrap();
    let (source, here, there) = (
        &state[0].messages[0],
        &state[0].messages[1],
        &state[1].messages[1],
    );
    for copy in [here, there] {
        assert_eq!(copy.keywords, ["$A"]);
        assert_eq!(copy.system, SystemFlags::FLAGGED.0);
        assert_eq!(copy.email_id, source.email_id);
        assert_eq!(copy.thread_id, source.thread_id);
        assert_eq!(copy.internal_date, source.internal_date);
        assert_eq!(copy.octets, source.octets);
    }
    let other = &state[1].messages[0];
    assert_ne!(other.email_id, source.email_id);
    assert_eq!(other.thread_id, source.thread_id);
    let none = c.copy(from, one(1), "none").unwrap_err();
    assert_eq!(none.kind, ErrorKind::NonExistent);
    // A copy outlives its source.
    let deleted = flag_names(SystemFlags::DELETED, &[]);
    c.set(from, one(1), FlagOp::Add, deleted, None).unwrap();
    c.expunge(from, one(1)).unwrap();
    assert_eq!(c.state().unwrap()[1].messages[1].octets, MAIL);
}

/// The target has room for the first message's keyword and not for the second's.
fn copies_whole(s: &dyn Backend) {
    let c = Client::new(s, 1);
    c.create("to").unwrap();
    c.append_with("INBOX", MAIL, &flag_names(SystemFlags::SEEN, &["k0"]))
        .unwrap();
    c.append_with("INBOX", MAIL, &flag_names(SystemFlags::SEEN, &["$more"]))
        .unwrap();
    let many: Vec<String> = (0..128).map(|i| format!("k{i}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    c.append_with("to", MAIL, &flag_names(SystemFlags::SEEN, &many))
        .unwrap();
    let before = c.state().unwrap();
    let from = c.examine("INBOX").unwrap().mailbox;
    let all = UidSet::from_ranges([(1, 2)]);
    let copied = c.copy(from, all.clone(), "to").unwrap_err();
    let moved = c.relocate(from, all, "to").unwrap_err();
    let more = flag_names(SystemFlags::SEEN, &["$more"]);
    let upload = c.upload("to", MAIL).unwrap();
    let appended = c.commit("to", &[upload], &more).unwrap_err();
    let limit = ErrorKind::Limit;
    assert_eq!(
        (copied.kind, moved.kind, appended.kind),
        (limit, limit, limit)
    );
    assert_eq!(c.state().unwrap(), before);
}

fn absent(s: &dyn Backend) {
    let c = Client::new(s, 1);
    c.create("to").unwrap();
    c.append("INBOX", MAIL).unwrap();
    c.append_with("INBOX", MAIL, &flag_names(SystemFlags::DELETED, &[]))
        .unwrap();
    let mailbox = c.examine("INBOX").unwrap().mailbox;
    c.expunge(mailbox, one(2)).unwrap();
    let (actor, absent, to) = (c.actor(), Absent::Refuse, name("to"));
    let uids = UidSet::from_ranges([(1, 2)]);
    let before = c.state().unwrap();
    let copied = c.ask(Copy {
        actor,
        mailbox,
        uids: uids.clone(),
        absent,
        to: to.clone(),
        now: 0,
    });
    let moved = c.ask(Move {
        actor,
        mailbox,
        uids,
        absent,
        to: to.clone(),
        now: 0,
    });
    let gone = ErrorKind::ExpungeIssued;
    assert_eq!(copied.unwrap_err().kind, gone);
    assert_eq!(moved.unwrap_err().kind, gone);
    assert_eq!(c.state().unwrap(), before);
    let copied = c.ask(Copy {
        actor,
        mailbox,
        uids: one(1),
        absent,
        to,
        now: 0,
    });
    assert_eq!(copied.unwrap().uids, [(uid(1), uid(1))]);
}

fn saved(s: &dyn Backend) {
    let c = Client::new(s, 1);
    c.create("to").unwrap();
    c.append("INBOX", MAIL).unwrap();
    c.append("INBOX", MAIL).unwrap();
    let mailbox = c.examine("INBOX").unwrap().mailbox;
    let (actor, absent, to) = (c.actor(), Absent::Ignore, name("to"));
    let copied = c.ask(Copy {
        actor,
        mailbox,
        uids: one(1),
        absent,
        to: to.clone(),
        now: 2_000_000,
    });
    let moved = c.ask(Move {
        actor,
        mailbox,
        uids: one(2),
        absent,
        to,
        now: 3_000_000,
    });
    copied.unwrap();
    moved.unwrap();
    let state = c.state().unwrap();
    let dates =
        |at: usize| -> Vec<i64> { state[at].messages.iter().map(|m| m.save_date).collect() };
    assert_eq!(dates(0), [1_000_000]);
    assert_eq!(dates(1), [2_000_000, 3_000_000]);
}

fn moves(s: &dyn Backend) {
    let c = Client::new(s, 1);
    c.create("to").unwrap();
    c.append("INBOX", MAIL).unwrap();
    c.append("INBOX", MAIL).unwrap();
    let from = c.examine("INBOX").unwrap();
    let moved = c.relocate(from.mailbox, one(1), "to").unwrap();
    assert!(moved.modseq.unwrap() > from.highest_modseq);
    let again = c.relocate(from.mailbox, one(1), "to").unwrap();
    assert_eq!((again.modseq, again.copied.uids.len()), (None, 0));
    let uids = |n| c.examine(n).unwrap().uids;
    assert_eq!((uids("INBOX"), uids("to")), (one(2), one(1)));
    let itself = c.relocate(from.mailbox, one(2), "INBOX").unwrap();
    assert_eq!(itself.copied.uids, [(uid(2), uid(3))]);
    assert_eq!(uids("INBOX"), one(3));
    assert_eq!(c.status("INBOX").unwrap().uid_next.get(), 4);
    c.state().unwrap();
}

fn grace(s: &dyn Backend) {
    let c = Client::new(s, 1);
    c.append("INBOX", MAIL).unwrap();
    c.append_with("INBOX", b"gone", &flag_names(SystemFlags::DELETED, &[]))
        .unwrap();
    let mailbox = c.examine("INBOX").unwrap().mailbox;
    let all = UidSet::from_ranges([(1, 9)]);
    assert_eq!(c.expunge(mailbox, one(1)).unwrap().modseq, None);
    assert_eq!(c.expunge(mailbox, all.clone()).unwrap().uids, one(2));
    assert_eq!(c.expunge(mailbox, all.clone()).unwrap().modseq, None);
    assert_eq!(c.body(mailbox, uid(2)).unwrap(), b"gone");
    let never = c.body(mailbox, uid(3)).unwrap_err();
    assert_eq!(never.kind, ErrorKind::ExpungeIssued);
    assert_eq!(c.fetch(mailbox, all, usize::MAX).unwrap().rows.len(), 2);
    assert_eq!(c.append("INBOX", MAIL).unwrap(), uid(3));
}

fn search(s: &dyn Backend) {
    let c = Client::new(s, 1);
    c.append("INBOX", MAIL).unwrap();
    c.append("INBOX", b"Subject: other\r\n\r\nnothing\r\n")
        .unwrap();
    let mailbox = c.examine("INBOX").unwrap().mailbox;
    let find = |leaf| {
        let steps = vec![Step::Test(leaf)];
        let found = c.ask(Search {
            actor: c.actor(),
            mailbox,
            uids: UidSet::from_ranges([(1, 9)]),
            program: Program {
                steps,
                ..Program::default()
            }
            .into(),
        });
        found.unwrap().uids
    };
    let subject = Leaf::Header("subject".into(), "HELLO".into());
    assert_eq!(find(subject), one(1));
    assert_eq!(find(Leaf::Body("nothing".into())), one(2));
    assert_eq!(find(Leaf::All).len(), 2);
}

fn pages(s: &dyn Backend) {
    let c = Client::new(s, 1);
    for _ in 0..5 {
        c.append_with("INBOX", MAIL, &flag_names(SystemFlags::DELETED, &[]))
            .unwrap();
    }
    let mailbox = c.examine("INBOX").unwrap().mailbox;
    // One that went is told where it was.
    c.expunge(mailbox, one(3)).unwrap();
    let mut uids = UidSet::from_ranges([(1, 9)]);
    let mut seen = Vec::new();
    while !uids.is_empty() {
        let page = c.fetch(mailbox, uids.clone(), 1).unwrap();
        assert_eq!(page.rows.len(), 1);
        assert_eq!(page.rows[0].inline.as_deref(), Some(MAIL));
        assert!(page.rows[0].header.ends_with(b"\r\n\r\n"));
        seen.push(page.rows[0].uid.get());
        let rest = page.resume.map(|from| UidSet::range(from, Uid::MAX));
        uids = rest.map_or_else(UidSet::new, |rest| uids.intersection(&rest));
    }
    assert_eq!(seen, [1, 2, 3, 4, 5]);
}

fn uid(n: u32) -> Uid {
    Uid::new(n).expect("the checks use good UIDs")
}

fn one(n: u32) -> UidSet {
    UidSet::from_ranges([(n, n)])
}
