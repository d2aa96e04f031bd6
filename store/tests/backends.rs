//! The conformance kit on every backend, and what only a store on disk promises.
#![cfg(all(feature = "sqlite", feature = "conformance"))]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use pillarbox_core::effect::{ErrorKind, FlagOp, StoreError};
use pillarbox_core::flag::SystemFlags;
use pillarbox_core::id::Uid;
use pillarbox_core::set::UidSet;
use pillarbox_store::conformance::{Client, MailboxState, Model, Waiting, flag_names, run};
use pillarbox_store::{Backend, Embedded, Leave, Memory, OpenError, Options, compact, rebuild};

struct Temp(PathBuf);

impl Temp {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("pillarbox-{}-{n}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn open(&self) -> Embedded {
        self.try_open().unwrap()
    }

    fn try_open(&self) -> Result<Embedded, OpenError> {
        let mut options = Options::default();
        options.reserve = 64 << 10;
        Embedded::open(&self.0, options)
    }

    fn pack(&self) -> PathBuf {
        self.0.join("packs").join(format!("{:016x}.pack", 0))
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn uid(n: u32) -> Uid {
    Uid::new(n).unwrap()
}

fn append(store: &dyn Backend, name: &str, octets: &[u8]) -> Result<Uid, StoreError> {
    Client::new(store, 1).append(name, octets)
}

fn body(store: &dyn Backend, uid: Uid) -> Result<Vec<u8>, StoreError> {
    let client = Client::new(store, 1);
    client.body(client.examine("INBOX")?.mailbox, uid)
}

fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn memory_conforms() {
    run(|| Box::new(Memory::new()));
}

#[test]
fn embedded_conforms() {
    let kept = std::sync::Mutex::new(Vec::new());
    run(|| {
        let temp = Temp::new();
        let store = temp.open();
        kept.lock().unwrap().push(temp);
        Box::new(store)
    });
}

/// Each job comes from a thread that may wait for the disk; what is small and alone is written by that one.
#[test]
fn embedded_conforms_to_who_may_wait() {
    let kept = std::sync::Mutex::new(Vec::new());
    run(|| {
        let temp = Temp::new();
        let store = Embedded::open(&temp.0, Options::default()).unwrap();
        kept.lock().unwrap().push(temp);
        Box::new(Waiting::new(store, Leave::new(1, || {})))
    });
}

#[test]
fn one_process_owns_a_store() {
    let temp = Temp::new();
    let store = temp.open();
    let second = Embedded::open(&temp.0, Options::default());
    assert!(matches!(second, Err(OpenError::InUse(_))));
    drop(store);
    temp.open();
}

#[test]
fn mail_is_there_after_reopening() {
    let temp = Temp::new();
    append(&temp.open(), "INBOX", b"first").unwrap();
    append(&temp.open(), "INBOX", b"second").unwrap();
    let store = temp.open();
    assert_eq!(body(&store, uid(1)).unwrap(), b"first");
    assert_eq!(body(&store, uid(2)).unwrap(), b"second");
}

#[test]
fn random_changes_are_there_after_reopening() {
    let temp = Temp::new();
    let mut models: Vec<Model> = (1..=2).map(Model::new).collect();
    for round in 0..8 {
        if round % 3 == 2 {
            assert!(!rebuild(&temp.0).unwrap().flags_lost);
        }
        let store = temp.open();
        for (account, model) in (1..).zip(&mut models) {
            let client = Client::new(&store, account);
            let state = client.state().unwrap();
            assert_eq!(model.disagreement(&state), None, "round {round}");
            for _ in 0..30 {
                model.step(client);
            }
        }
    }
}

#[test]
fn an_older_index_gets_the_deliveries_after_it() {
    let temp = Temp::new();
    append(&temp.open(), "INBOX", b"first").unwrap();
    let index = temp.0.join("index.sqlite");
    let backup = std::fs::read(&index).unwrap();
    append(&temp.open(), "INBOX", b"second").unwrap();
    std::fs::write(&index, backup).unwrap();
    let store = temp.open();
    assert_eq!(body(&store, uid(2)).unwrap(), b"second");
    assert_eq!(append(&store, "INBOX", b"third").unwrap(), uid(3));
}

#[test]
fn a_tail_torn_at_any_octet_is_whole_or_not_there() {
    let temp = Temp::new();
    append(&temp.open(), "INBOX", b"first").unwrap();
    let index = std::fs::read(temp.0.join("index.sqlite")).unwrap();
    let first = std::fs::read(temp.pack()).unwrap().len();
    append(&temp.open(), "INBOX", b"second").unwrap();
    let octets = std::fs::read(temp.pack()).unwrap();
    let cut_at = |len: usize| {
        let torn = Temp::new();
        copy_dir(&temp.0, &torn.0);
        std::fs::write(torn.0.join("index.sqlite"), &index).unwrap();
        std::fs::write(torn.pack(), &octets[..len]).unwrap();
        let store = torn.open();
        assert_eq!(body(&store, uid(1)).unwrap(), b"first");
        let next = append(&store, "INBOX", b"next").unwrap();
        if len == octets.len() {
            assert_eq!(body(&store, uid(2)).unwrap(), b"second");
        } else {
            assert_eq!(next, uid(2), "cut at {len}");
        }
        assert_eq!(body(&store, next).unwrap(), b"next");
    };
    // Most of the time is that of the disk's syncs.
    std::thread::scope(|scope| {
        for begin in 0..4 {
            let lengths = (first..=octets.len()).skip(begin).step_by(4);
            scope.spawn(move || lengths.for_each(cut_at));
        }
    });
}

/// After a loss of power the end of a transaction can be on the disk and its middle not: it was never acknowledged, and its UIDs are not given
/// again, since they may have been seen.
#[test]
fn a_transaction_with_a_hole_is_not_there() {
    let temp = Temp::new();
    append(&temp.open(), "INBOX", b"first").unwrap();
    let index = std::fs::read(temp.0.join("index.sqlite")).unwrap();
    append(&temp.open(), "INBOX", b"second").unwrap();
    let mut octets = std::fs::read(temp.pack()).unwrap();
    let at = octets.windows(6).position(|w| w == b"second").unwrap();
    octets[at..at + 6].fill(0);
    std::fs::write(temp.pack(), &octets).unwrap();
    std::fs::write(temp.0.join("index.sqlite"), &index).unwrap();
    let store = temp.open();
    assert_eq!(body(&store, uid(1)).unwrap(), b"first");
    let uids = Client::new(&store, 1).examine("INBOX").unwrap().uids;
    assert_eq!(uids, only(1));
    assert_eq!(append(&store, "INBOX", b"third").unwrap(), uid(3));
    drop(store);
    rebuild(&temp.0).unwrap();
    assert_eq!(
        Client::new(&temp.open(), 1)
            .examine("INBOX")
            .unwrap()
            .uids
            .len(),
        2
    );
}

#[test]
fn a_flipped_bit_costs_one_message() {
    let temp = Temp::new();
    let store = temp.open();
    append(&store, "INBOX", b"a good message").unwrap();
    append(&store, "INBOX", b"a message to be damaged").unwrap();
    append(&store, "INBOX", b"another good message").unwrap();
    drop(store);
    let mut octets = std::fs::read(temp.pack()).unwrap();
    let at = octets.windows(7).position(|w| w == b"damaged").unwrap();
    octets[at] ^= 1;
    std::fs::write(temp.pack(), octets).unwrap();
    let store = temp.open();
    assert_eq!(body(&store, uid(1)).unwrap(), b"a good message");
    assert_eq!(
        body(&store, uid(2)).unwrap_err().kind,
        ErrorKind::Corruption
    );
    assert_eq!(body(&store, uid(3)).unwrap(), b"another good message");
}

#[test]
fn a_rebuilt_index_is_as_the_old_one_was() {
    let temp = Temp::new();
    let store = temp.open();
    for account in 1..=3 {
        let mut model = Model::new(account + 10);
        (0..150).for_each(|_| model.step(Client::new(&store, account)));
    }
    let state = |store: &Embedded| -> Vec<_> {
        let state = |account| Client::new(store, account).state().unwrap();
        (1..=3).map(state).collect()
    };
    let before = state(&store);
    drop(store);
    let messages = before.iter().flatten().map(|m| m.messages.len() as u64);
    std::fs::remove_file(temp.0.join("index.sqlite")).unwrap();
    assert!(matches!(temp.try_open(), Err(OpenError::NoIndex(_))));
    std::fs::remove_file(temp.0.join("index.sqlite")).unwrap();
    let rebuilt = rebuild(&temp.0).unwrap();
    assert_eq!(rebuilt.messages, messages.sum::<u64>());
    assert_eq!((rebuilt.damaged, rebuilt.flags_lost), (0, false));
    let store = temp.open();
    assert_eq!(state(&store), before);
    // What was told before is what it differs from now.
    for (account, mailboxes) in (1..).zip(&before) {
        let client = Client::new(&store, account);
        for mailbox in mailboxes.iter().filter(|m| m.id.is_some()) {
            let opened = client.examine(&mailbox.name).unwrap();
            let since = opened.highest_modseq;
            let told = client.changes(opened.mailbox, since, opened.uid_next);
            let told = told.unwrap();
            assert!(told.gone.is_empty() && told.flags.is_empty());
        }
        let next = client.append("INBOX", b"next").unwrap().get();
        let inbox = mailboxes.iter().find(|m| m.name == "INBOX").unwrap();
        assert_eq!(next, inbox.uid_next);
    }
}

#[test]
fn a_large_message_is_spooled_and_nothing_stays_of_it() {
    let temp = Temp::new();
    let store = temp.open();
    let octets: Vec<u8> = (0..3_000_000u32).map(|i| (i % 250) as u8 + 1).collect();
    append(&store, "INBOX", &octets).unwrap();
    assert_eq!(body(&store, uid(1)).unwrap(), octets);
    let spool = std::fs::read_dir(temp.0.join("spool")).unwrap();
    assert_eq!(spool.count(), 0);
}

/// Written by the first version of format 1; every later version opens it.
#[test]
fn the_golden_store_of_format_1_opens() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/format-1");
    let temp = Temp::new();
    copy_dir(&golden, &temp.0);
    let store = temp.open();
    assert_eq!(body(&store, uid(1)).unwrap(), GOLDEN);
    assert_eq!(body(&store, uid(2)).unwrap(), b"second");
    let before = Client::new(&store, 1).examine("INBOX").unwrap();
    drop(store);
    assert!(temp.0.join("index.format-1").exists());
    let rebuilt = rebuild(&temp.0).unwrap();
    // Format 1 knew flags as they were on arrival.
    assert_eq!((rebuilt.messages, rebuilt.flags_lost), (2, true));
    let store = temp.open();
    assert_eq!(body(&store, uid(1)).unwrap(), GOLDEN);
    let after = Client::new(&store, 1).examine("INBOX").unwrap();
    assert_eq!(after.uid_validity, before.uid_validity);
    assert!(after.highest_modseq > before.highest_modseq);
}

/// Written by the first version of format 2; every later version opens it.
#[test]
fn the_golden_store_of_format_2_opens() {
    let temp = golden_opens("format-2");
    assert!(temp.0.join("index.format-2").exists());
}

/// Written by the first version of format 3, and compacted: what its first segment held is told anew in the second.
#[test]
fn the_golden_store_of_format_3_opens() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/format-3");
    if std::env::var_os("PILLARBOX_WRITE_GOLDEN").is_some() {
        write_golden(&golden);
        assert!(compact(&golden).unwrap().after > 0);
    }
    assert!(!golden.join("packs/0000000000000000.pack").exists());
    golden_opens("format-3");
}

fn golden_opens(format: &str) -> Temp {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let temp = Temp::new();
    copy_dir(&golden.join(format), &temp.0);
    let first = golden_state(&temp.open());
    rebuild(&temp.0).unwrap();
    assert_eq!(golden_state(&temp.open()), first);
    temp
}

fn write_golden(path: &Path) {
    let mut options = Options::default();
    options.reserve = 0;
    let store = Embedded::open(path, options).unwrap();
    let (one, two) = (Client::new(&store, 1), Client::new(&store, 2));
    let flags = |n, k| flag_names(SystemFlags(n), k);
    one.create("a/b").unwrap();
    one.append_with("a/b", GOLDEN, &flags(1, &["$Work"]))
        .unwrap();
    one.append_with("a/b", b"second", &flags(8, &[])).unwrap();
    one.rename("a", "x").unwrap();
    let source = one.examine("x/b").unwrap().mailbox;
    one.copy(source, only(1), "INBOX").unwrap();
    one.expunge(source, only(2)).unwrap();
    one.set(source, only(1), FlagOp::Add, flags(4, &["$More"]), None)
        .unwrap();
    one.subscribe("ghost", true).unwrap();
    one.create("gone").unwrap();
    one.append("gone", &[b'x'; 20_000]).unwrap();
    one.delete("gone").unwrap();
    two.append("INBOX", b"of two").unwrap();
}

/// Asserts what every reader of the store must find, and returns all of it.
fn golden_state(store: &Embedded) -> Vec<MailboxState> {
    let state = Client::new(store, 1).state().unwrap();
    let seen: Vec<_> = state
        .iter()
        .map(|m| (m.name.as_str(), m.uid_next, m.messages.len()))
        .collect();
    let want = [("INBOX", 2, 1), ("ghost", 0, 0), ("x", 1, 0), ("x/b", 3, 1)];
    assert_eq!(seen, want);
    let (copy, message) = (&state[0].messages[0], &state[3].messages[0]);
    assert_eq!((message.octets.as_slice(), message.system), (GOLDEN, 5));
    assert_eq!(message.keywords, ["$More", "$Work"]);
    assert_eq!((copy.octets.as_slice(), copy.system), (GOLDEN, 1));
    let two = Client::new(store, 2).state().unwrap();
    assert_eq!(two[0].messages[0].octets, b"of two");
    state
}

fn only(n: u32) -> UidSet {
    UidSet::range(uid(n), uid(n))
}

const GOLDEN: &[u8] = b"Message-ID: <golden@example>\r\nSubject: Golden\r\n\r\nKept.\r\n";
