//! What goes is what nobody needs, and who knew of it before is told right.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use pillarbox_core::effect::FlagOp;
use pillarbox_core::flag::SystemFlags;
use pillarbox_core::id::AccountId;
use pillarbox_core::set::UidSet;

use super::*;
use crate::conformance::{Client, flag_names};
use crate::pack::open_files;
use crate::rebuild;
use crate::sqlite::{Embedded, Folder, Options};

struct Temp(PathBuf);

impl Temp {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("pillarbox-tidy-{}-{n}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    fn open(&self) -> Embedded {
        let options = Options {
            reserve: 0,
            ..Options::default()
        };
        Embedded::open(&self.0, options).unwrap()
    }

    /// Does something with the ledger alone.
    fn with<T>(&self, what: impl FnOnce(&mut Ledger) -> T) -> T {
        let folder = Folder::new(&self.0, false).unwrap();
        let ledger = folder.ledger(&self.0, open_files(), 1 << 20);
        what(&mut ledger.unwrap_or_else(|e| panic!("{}", e.0)))
    }

    fn count(&self, table: &str) -> u64 {
        let sql = format!("SELECT count(*) FROM {table}");
        self.with(|l| l.look(|t| t.one(&sql, [], |r| number(r, 0)).unwrap().unwrap()))
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn expunge(client: Client<'_>, name: &str, uid: u32) -> u64 {
    let mailbox = client.examine(name).unwrap().mailbox;
    let uids = UidSet::from_ranges([(uid, uid)]);
    let deleted = flag_names(SystemFlags::DELETED, &[]);
    client
        .set(mailbox, uids.clone(), FlagOp::Add, deleted, None)
        .unwrap();
    client.expunge(mailbox, uids).unwrap().modseq.unwrap().0
}

fn all_expunges(ledger: &mut Ledger, ages: Ages) {
    let mut at = Some(MailboxId(0));
    while let Some(after) = at {
        at = expunges(ledger, after, ages).unwrap();
    }
}

/// VANISHED tells every UID that went since, and none that is there, whatever was forgotten (RFC 7162 section 3.2.5.2).
fn tells_right(store: &Embedded, went: &BTreeMap<u64, u32>) {
    let client = Client::new(store, 1);
    let opened = client.examine("INBOX").unwrap();
    for since in 0..=opened.highest_modseq.0 {
        let told = client.changes(opened.mailbox, ModSeq(since), opened.uid_next);
        let gone = told.unwrap().gone;
        for (modseq, uid) in went {
            let uid = pillarbox_core::id::Uid::new(*uid).unwrap();
            assert!(*modseq <= since || gone.contains(uid), "{since}: {uid:?}");
        }
        assert!(gone.intersection(&opened.uids).is_empty(), "{since}");
    }
}

#[test]
fn forgotten_expunges_are_told_all_the_same() {
    let many = Ages {
        ranges: 5,
        ..Ages::USUAL
    };
    let old = Ages {
        expunged: -1,
        ..Ages::USUAL
    };
    for (ages, left) in [(Ages::USUAL, 12), (many, 5), (old, 0)] {
        let temp = Temp::new();
        let store = temp.open();
        let client = Client::new(&store, 1);
        for _ in 0..24 {
            client.append("INBOX", b"x").unwrap();
        }
        let went = (1..=24).filter(|n| n % 2 == 0);
        let went = went.map(|uid| (expunge(client, "INBOX", uid), uid));
        let went: BTreeMap<u64, u32> = went.collect();
        tells_right(&store, &went);
        drop(store);
        temp.with(|l| all_expunges(l, ages));
        assert_eq!(temp.count("expunged"), left);
        tells_right(&temp.open(), &went);
        let floor =
            || temp.with(|l| l.look(|t| t.mailboxes(AccountId(1), None, 9).unwrap()[0].floor));
        let before = floor();
        assert_eq!(before > ModSeq(0), left < 12);
        rebuild(&temp.0).unwrap();
        assert_eq!(floor(), before);
        tells_right(&temp.open(), &went);
    }
}

#[test]
fn a_body_goes_with_its_last_place_and_the_conversation_with_its_last_message() {
    let temp = Temp::new();
    let store = temp.open();
    let client = Client::new(&store, 1);
    let mail = b"Message-ID: <1@here>\r\nReferences: <0@here>\r\n\r\nText\r\n";
    client.append("INBOX", mail).unwrap();
    let inbox = client.examine("INBOX").unwrap().mailbox;
    client
        .copy(inbox, UidSet::from_ranges([(1, 1)]), "INBOX")
        .unwrap();
    expunge(client, "INBOX", 1);
    drop(store);
    let sweep = || {
        temp.with(|l| {
            while graves(l, 0).unwrap().1 {}
            let mut at = Some(Cursor::START);
            while let Some(from) = at {
                at = threads(l, from).unwrap();
            }
        });
        ["grave", "cold", "thread"].map(|table| temp.count(table))
    };
    assert_eq!(
        ["grave", "cold", "thread"].map(|t| temp.count(t)),
        [1, 1, 2]
    );
    assert_eq!(sweep(), [0, 1, 2]);
    let store = temp.open();
    let client = Client::new(&store, 1);
    let uid = pillarbox_core::id::Uid::new(2).unwrap();
    assert_eq!(client.body(inbox, uid).unwrap(), mail);
    expunge(client, "INBOX", 2);
    // Whoever was not told yet can read it for some time.
    assert_eq!(client.body(inbox, uid).unwrap(), mail);
    drop(store);
    assert_eq!(
        temp.with(|l| graves(l, 3600).unwrap()),
        (BTreeSet::new(), false)
    );
    assert_eq!(sweep(), [0, 0, 0]);
}

/// More than one step takes, all of one modseq or of many: the floor is raised once, and a step takes 500 of them.
#[test]
fn many_expunges_go_step_by_step() {
    let few = Ages {
        ranges: 100,
        ..Ages::USUAL
    };
    let old = Ages {
        expunged: -1,
        ..Ages::USUAL
    };
    // Kept of those of 1700 modseqs, and of those of one.
    for (ages, left, together) in [(few, 100, 0), (old, 0, 0)] {
        let temp = Temp::new();
        let store = temp.open();
        let inbox = Client::new(&store, 1).examine("INBOX").unwrap().mailbox;
        drop(store);
        for each in ["n + 10", "10"] {
            let sql = format!(
                "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 1700)
                 INSERT INTO expunged SELECT {}, {each}, 2 * n, 2 * n, unixepoch() FROM c;
                 UPDATE mailbox SET floor = 0, modseq = 2000, uid_next = 4000",
                inbox.id.0
            );
            let counts = temp.with(|l| {
                l.conn.execute_batch(&sql).unwrap();
                let mut counts = Vec::new();
                let mut at = Some(MailboxId(0));
                while let Some(after) = at {
                    at = expunges(l, after, ages).unwrap();
                    let sql = "SELECT count(*) FROM expunged";
                    counts.push(l.look(|t| t.one(sql, [], |r| number(r, 0)).unwrap().unwrap()));
                }
                counts
            });
            let steps = counts.windows(2).map(|w| w[0] - w[1]).max().unwrap();
            assert!(steps <= 500 && counts[0] >= 1200, "{counts:?}");
            let left = if each == "10" { together } else { left };
            assert_eq!(*counts.last().unwrap(), left, "{each} {counts:?}");
            let sql = "DELETE FROM expunged";
            temp.with(|l| l.conn.execute_batch(sql).unwrap());
        }
    }
}

/// More than one step takes.
#[test]
fn many_rows_go_step_by_step() {
    let temp = Temp::new();
    let store = temp.open();
    let client = Client::new(&store, 1);
    let mail = |n: u32| format!("Message-ID: <{n}@here>\r\n\r\nText\r\n").into_bytes();
    let all: Vec<_> = (0..1200)
        .map(|n| (mail(n), flag_names(SystemFlags::DELETED, &[])))
        .collect();
    client.append_all("INBOX", &all).unwrap();
    let inbox = client.examine("INBOX").unwrap();
    client.expunge(inbox.mailbox, inbox.uids).unwrap();
    drop(store);
    let steps = temp.with(|l| {
        let mut steps = 1;
        while graves(l, 0).unwrap().1 {
            steps += 1;
        }
        let mut at = threads(l, Cursor::START).unwrap();
        while let Some(from) = at {
            steps += 1;
            at = threads(l, from).unwrap();
        }
        steps
    });
    assert_eq!(steps, 3 + 2);
    assert_eq!(
        ["grave", "cold", "thread"].map(|t| temp.count(t)),
        [0, 0, 0]
    );
}
