//! `verify` finds every kind of damage, finds none where there is none, and writes nothing.
#![cfg(all(feature = "sqlite", feature = "conformance"))]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pillarbox_core::effect::ErrorKind;
use pillarbox_core::id::Uid;
use pillarbox_store::conformance::{Client, Model};
use pillarbox_store::{Embedded, OpenError, Options, Verified, rebuild, verify};

struct Temp(PathBuf);

impl Temp {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("pillarbox verify?#%-{}-{n}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    fn open(&self) -> Embedded {
        self.try_open().unwrap()
    }

    fn try_open(&self) -> Result<Embedded, OpenError> {
        let mut options = Options::default();
        options.reserve = 0;
        Embedded::open(&self.0, options)
    }

    /// A store in which much has happened.
    fn lived_in() -> Self {
        let temp = Self::new();
        let store = temp.open();
        for account in 1..=2 {
            let mut model = Model::new(account);
            (0..100).for_each(|_| model.step(Client::new(&store, account)));
        }
        let last = Client::new(&store, 1);
        last.append("INBOX", b"the last message").unwrap();
        temp
    }

    fn pack(&self) -> PathBuf {
        self.0.join("packs/0000000000000000.pack")
    }

    fn verify(&self) -> (Verified, Vec<String>) {
        let before = files(&self.0);
        let mut problems = Vec::new();
        let seen = verify(&self.0, |p| problems.push(p.to_string())).unwrap();
        assert!(files(&self.0) == before, "verify wrote something");
        assert_eq!(seen.problems, problems.len() as u64);
        (seen, problems)
    }

    fn sql(&self, sql: &str) {
        let conn = rusqlite::Connection::open(self.0.join("index.sqlite")).unwrap();
        conn.execute_batch(sql).unwrap();
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn files(path: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            all.insert(path.clone(), std::fs::read(path).unwrap());
        }
    }
    all
}

#[test]
fn a_good_store_has_no_problem() {
    let temp = Temp::lived_in();
    let (seen, problems) = temp.verify();
    assert_eq!(problems, [""; 0]);
    assert!(seen.messages > 10 && seen.records > seen.messages && !seen.behind);
    rebuild(&temp.0).unwrap();
    let (after, problems) = temp.verify();
    assert_eq!(problems, [""; 0]);
    assert_eq!(after.messages, seen.messages);
}

#[test]
fn a_newer_store_is_left_alone() {
    let temp = Temp::lived_in();
    temp.sql("PRAGMA user_version = 99");
    let before = files(&temp.0);
    let newer = |e| matches!(e, OpenError::Newer(99));
    assert!(verify(&temp.0, |_| {}).is_err_and(newer));
    assert!(rebuild(&temp.0).is_err_and(newer));
    assert!(Embedded::open(&temp.0, Options::default()).is_err_and(newer));
    assert!(files(&temp.0).contains_key(&temp.0.join("index.sqlite")));
    assert_eq!(files(&temp.0).get(&temp.pack()), before.get(&temp.pack()));
}

#[test]
fn a_store_in_use_is_left_alone() {
    let temp = Temp::new();
    let store = temp.open();
    let used = |e| matches!(e, OpenError::InUse(_));
    assert!(verify(&temp.0, |_| {}).is_err_and(used));
    assert!(rebuild(&temp.0).is_err_and(used));
    drop(store);
    let none = temp.0.join("none");
    assert!(verify(&none, |_| {}).is_err() && rebuild(&none).is_err());
    assert!(!none.exists());
}

#[test]
fn the_log_of_a_crash_is_read_and_left_as_it_is() {
    let temp = Temp::lived_in();
    let crashed = Temp::new();
    let store = temp.open();
    let client = Client::new(&store, 1);
    client.append("INBOX", b"one more").unwrap();
    // Who looks sees that the index has it.
    client.examine("INBOX").unwrap();
    // What stands on the disk while the store is open is what a killed process leaves.
    for (path, octets) in files(&temp.0) {
        let to = crashed.0.join(path.strip_prefix(&temp.0).unwrap());
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::write(to, octets).unwrap();
    }
    assert!(crashed.0.join("index.sqlite-wal").metadata().unwrap().len() > 0);
    assert_eq!(crashed.verify().1, [""; 0]);
    // An index that lost its log falls back; the packs know the rest.
    std::fs::remove_file(crashed.0.join("index.sqlite-wal")).unwrap();
    let (seen, problems) = crashed.verify();
    assert_eq!(problems, [""; 0]);
    assert!(seen.behind);
    let mailboxes = |store: &Embedded| Client::new(store, 1).state().unwrap();
    assert_eq!(mailboxes(&crashed.open()), mailboxes(&store));
}

/// Each octet of the packs matters: any that is changed is noticed, and costs at most what stands there.
#[test]
fn any_flipped_octet_is_found() {
    let temp = Temp::new();
    let store = temp.open();
    let client = Client::new(&store, 1);
    for text in ["first", "second", "third"] {
        client.append("INBOX", text.as_bytes()).unwrap();
    }
    drop(store);
    let good = std::fs::read(temp.pack()).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        std::fs::write(temp.pack(), &bad).unwrap();
        let (seen, problems) = temp.verify();
        assert!(
            !problems.is_empty(),
            "octet {at} of {} {seen:?}",
            good.len()
        );
        if at % 7 == 0 {
            let store = temp.open();
            let client = Client::new(&store, 1);
            let mailbox = client.examine("INBOX").unwrap().mailbox;
            let read = |n| client.body(mailbox, Uid::new(n).unwrap());
            let lost = (1..=3).filter(|n| read(*n).is_err()).count();
            assert!(lost <= 1, "octet {at} costs {lost} messages");
        }
    }
    std::fs::write(temp.pack(), &good).unwrap();
    assert_eq!(temp.verify().1, [""; 0]);
}

/// Octets that look like a record do not become one when what is before them is damaged.
#[test]
fn a_message_cannot_hold_a_record() {
    let other = Temp::new();
    let store = other.open();
    let forger = Client::new(&store, 1);
    forger.create("a/b/c/forged").unwrap();
    forger.append("a/b/c/forged", b"forged").unwrap();
    drop(store);
    let forged = std::fs::read(other.pack()).unwrap();
    let temp = Temp::new();
    let store = temp.open();
    let body = vec![b'x'; forged.len()];
    Client::new(&store, 2).append("INBOX", &body).unwrap();
    Client::new(&store, 2).append("INBOX", b"next").unwrap();
    drop(store);
    let mut octets = std::fs::read(temp.pack()).unwrap();
    let at = octets.windows(body.len()).position(|w| w == body).unwrap();
    octets[at..at + forged.len()].copy_from_slice(&forged);
    // The head of the record that holds it all.
    let head = octets[..at].windows(4).rposition(|w| w == b"PBXR").unwrap();
    octets[head] ^= 1;
    std::fs::write(temp.pack(), octets).unwrap();
    rebuild(&temp.0).unwrap();
    let store = temp.open();
    assert!(Client::new(&store, 1).examine("a/b/c/forged").is_err());
}

#[test]
fn what_the_index_says_wrong_is_found_and_mended() {
    let wrong = [
        "UPDATE mailbox SET messages = messages + 1 WHERE name = 'INBOX'",
        "UPDATE mailbox SET unseen = unseen + 1 WHERE name = 'INBOX'",
        "UPDATE mailbox SET deleted = deleted + 1 WHERE name = 'INBOX'",
        "UPDATE mailbox SET size = size + 1 WHERE name = 'INBOX'",
        "UPDATE mailbox SET uid_next = 1 WHERE name = 'INBOX'",
        "UPDATE mailbox SET modseq = 1 WHERE name = 'INBOX'",
        "DELETE FROM hot WHERE uid = (SELECT max(uid) FROM hot)",
        "DELETE FROM cold WHERE email = (SELECT max(email) FROM hot)",
        "UPDATE cold SET place = place + 1 WHERE email = (SELECT max(email) FROM hot)",
        "UPDATE hot SET email = (SELECT min(email) FROM hot) WHERE email = (SELECT max(email) FROM hot)",
        "UPDATE hot SET mailbox = 999999 WHERE uid = (SELECT max(uid) FROM hot)",
    ];
    for sql in wrong {
        let temp = Temp::lived_in();
        let state = || -> Vec<_> {
            let store = temp.open();
            (1..=2)
                .map(|n| Client::new(&store, n).state().unwrap())
                .collect()
        };
        let before = state();
        temp.sql(sql);
        assert!(!temp.verify().1.is_empty(), "{sql}");
        rebuild(&temp.0).unwrap();
        assert_eq!(temp.verify().1, [""; 0], "{sql}");
        assert!(state() == before, "{sql}");
    }
}

/// What SQLite says of it is believed when it is so.
#[test]
fn an_index_damaged_while_it_is_used_is_told() {
    let temp = Temp::lived_in();
    let mail = b"Subject: the subject of the last\r\n\r\n";
    Client::new(&temp.open(), 1).append("INBOX", mail).unwrap();
    let index = temp.0.join("index.sqlite");
    let mut octets = std::fs::read(&index).unwrap();
    let text = b"the subject of the last";
    let at = octets.windows(text.len()).position(|w| w == text).unwrap();
    let page = at / 4096 * 4096;
    octets[page..page + 64].fill(0xff);
    std::fs::write(&index, octets).unwrap();
    let store = temp.open();
    let client = Client::new(&store, 1);
    let opened = client.examine("INBOX").unwrap();
    // While it is not known yet, it is no damage.
    let end = Instant::now() + Duration::from_secs(60);
    let rows = loop {
        match client.fetch(opened.mailbox, opened.uids.clone(), usize::MAX) {
            Ok(page) => break page.rows,
            Err(e) => assert_eq!(e.kind, ErrorKind::Unavailable, "{e}"),
        }
        assert!(Instant::now() < end, "damage is not told");
    };
    let told = rows.last().unwrap().damaged.as_ref().unwrap();
    assert_eq!(told.kind, ErrorKind::Corruption, "{told:?}");
}

#[test]
fn a_damaged_message_costs_itself_also_after_a_rebuild() {
    let temp = Temp::lived_in();
    let mut octets = std::fs::read(temp.pack()).unwrap();
    let at = octets.windows(8).rposition(|w| w == b"the last").unwrap();
    octets[at] ^= 1;
    std::fs::write(temp.pack(), octets).unwrap();
    let (_, problems) = temp.verify();
    assert!(
        matches!(&problems[..], [one] if one.contains("INBOX, UID ")),
        "{problems:?}"
    );
    let look = || {
        let store = temp.open();
        let client = Client::new(&store, 1);
        let opened = client.examine("INBOX").unwrap();
        let last = opened.uids.last().unwrap();
        let error = client.body(opened.mailbox, last).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Corruption);
        let page = client.fetch(opened.mailbox, opened.uids.clone(), usize::MAX);
        let bad = page
            .unwrap()
            .rows
            .into_iter()
            .filter(|r| r.damaged.is_some());
        assert_eq!(bad.map(|r| r.uid).collect::<Vec<_>>(), [last]);
        (last, opened.uid_next)
    };
    let before = look();
    // Behind another one it is no torn tail.
    Client::new(&temp.open(), 2)
        .append("INBOX", b"next")
        .unwrap();
    let rebuilt = rebuild(&temp.0).unwrap();
    assert_eq!(rebuilt.damaged, 1);
    assert_eq!(look(), before);
}

/// A damaged page of the index is told when the store is opened or whoever needs it asks; nobody is told anything wrong, and a rebuild brings
/// all of it back.
#[test]
fn any_damaged_page_of_the_index_is_told_and_mended() {
    let temp = Temp::lived_in();
    let state = || {
        let store = temp.try_open()?;
        Ok([1, 2].map(|n| Client::new(&store, n).state()))
    };
    let all = || state().map(|states: [_; 2]| states.map(Result::unwrap));
    let before = all().unwrap();
    let index = temp.0.join("index.sqlite");
    let good = std::fs::read(&index).unwrap();
    let (mut refused, mut told, mut served) = (0, 0, 0);
    for (page, filling) in (0..good.len() / 4096).flat_map(|page| [(page, 0), (page, 0xa5)]) {
        let mut bad = good.clone();
        bad[page * 4096..][..4096].fill(filling);
        std::fs::write(&index, bad).unwrap();
        match state() {
            Err(OpenError::Index(_)) => refused += 1,
            Err(e) => panic!("page {page} filled with {filling}: {e}"),
            Ok(states) => {
                for (state, before) in states.iter().zip(&before) {
                    match state {
                        Ok(state) if state == before => served += 1,
                        Err(e) if e.kind == ErrorKind::Corruption => told += 1,
                        wrong => panic!("page {page} filled with {filling}: {wrong:?}"),
                    }
                }
            }
        }
        if filling == 0 {
            rebuild(&temp.0).unwrap();
            assert!(all().unwrap() == before, "page {page}");
        }
    }
    assert!(
        refused >= 2 && told >= 10 && served >= 10,
        "{refused} {told} {served}"
    );
}
