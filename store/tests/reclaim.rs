//! Room of expunged mail is given back, and nothing else goes with it: neither from a store in use nor from one whose index is made anew.
#![cfg(all(feature = "sqlite", feature = "conformance"))]

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pillarbox_core::effect::FlagOp;
use pillarbox_core::flag::{FlagNames, SystemFlags};
use pillarbox_core::set::UidSet;
use pillarbox_store::conformance::{Client, MailboxState, Model, flag_names};
use pillarbox_store::{Embedded, Options, compact, purge, rebuild, verify};

struct Temp(PathBuf);

impl Temp {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("pillarbox-reclaim-{}-{n}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    /// Small segments, and nothing is kept longer than it must.
    fn open(&self) -> Embedded {
        let mut options = Options::default();
        options.reserve = 0;
        options.segment = 32 << 10;
        options.view_grace = Duration::ZERO;
        options.upkeep = Duration::from_millis(1);
        Embedded::open(&self.0, options).unwrap()
    }

    /// As most stores are: nothing is done yet when it is closed again.
    fn open_usual(&self) -> Embedded {
        let mut options = Options::default();
        options.reserve = 0;
        Embedded::open(&self.0, options).unwrap()
    }

    fn segments(&self) -> Vec<u64> {
        let all = std::fs::read_dir(self.0.join("packs")).unwrap();
        let name = |e: std::io::Result<std::fs::DirEntry>| e.unwrap().file_name();
        let number = |n: &str| u64::from_str_radix(n.strip_suffix(".pack").unwrap(), 16).unwrap();
        let mut all: Vec<u64> = all.map(|e| number(name(e).to_str().unwrap())).collect();
        all.sort_unstable();
        all
    }

    fn pack_octets(&self) -> u64 {
        let all = std::fs::read_dir(self.0.join("packs")).unwrap();
        // It may go while it is looked at.
        all.map(|e| e.unwrap().metadata().map_or(0, |m| m.len()))
            .sum()
    }

    fn verify(&self, when: &str) {
        verify(&self.0, |p| panic!("{when}: {p}")).unwrap();
    }

    /// Closed, and its index made anew.
    fn rebuilt(&self, store: Embedded, when: &str) -> Embedded {
        drop(store);
        self.verify(when);
        std::fs::remove_file(self.0.join("index.sqlite")).unwrap();
        let rebuilt = rebuild(&self.0).unwrap();
        assert_eq!((rebuilt.damaged, rebuilt.flags_lost), (0, false), "{when}");
        self.verify(when);
        self.open()
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn states(store: &Embedded) -> Vec<Vec<MailboxState>> {
    (1..=3)
        .map(|account| Client::new(store, account).state().unwrap())
        .collect()
}

/// Waits until something is so that the store does of itself.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < end, "{what} does not come about");
        std::thread::yield_now();
    }
}

fn expunge(client: Client<'_>, name: &str, uids: UidSet) {
    let mailbox = client.examine(name).unwrap().mailbox;
    let deleted = flag_names(SystemFlags::DELETED, &[]);
    client
        .set(mailbox, uids.clone(), FlagOp::Add, deleted, None)
        .unwrap();
    client.expunge(mailbox, uids).unwrap();
}

/// Whatever is done, the store does what the model does while segments go; and the packs alone say the same.
#[test]
fn random_changes_survive_reclaiming_and_a_rebuild() {
    let mut removed = 0;
    for seed in seeds() {
        let temp = Temp::new();
        let mut models: Vec<Model> = (1..=3).map(|n| Model::new(seed * 10 + n)).collect();
        let mut store = temp.open();
        for round in 0..6 {
            let when = format!("seed {seed} round {round}");
            for (account, model) in (1..).zip(&mut models) {
                let client = Client::new(&store, account);
                (0..40).for_each(|_| model.step(client));
                let state = client.state().unwrap();
                assert_eq!(model.disagreement(&state), None, "{when}");
            }
            let before = states(&store);
            store = match round % 3 {
                0 => {
                    drop(store);
                    temp.open()
                }
                1 => temp.rebuilt(store, &when),
                _ => {
                    drop(store);
                    compact(&temp.0).unwrap();
                    temp.verify(&when);
                    temp.open()
                }
            };
            assert!(states(&store) == before, "{when}");
        }
        drop(store);
        let left = temp.segments();
        removed += left.last().unwrap() + 1 - left.len() as u64;
    }
    assert!(removed > 20, "{removed} segments went: this tests nothing");
}

/// `PILLARBOX_RECLAIM_SEEDS=100` looks for longer.
fn seeds() -> std::ops::Range<u64> {
    let more = std::env::var("PILLARBOX_RECLAIM_SEEDS");
    1..more.map_or(4, |n| n.parse().unwrap())
}

#[test]
fn nine_tenths_of_the_mail_give_back_nine_tenths_of_the_room() {
    let temp = Temp::new();
    let store = temp.open_usual();
    let client = Client::new(&store, 1);
    let mail = |n: u32| {
        let mut octets = format!("Message-ID: <{n}@here>\r\nSubject: {n}\r\n\r\n").into_bytes();
        octets.resize(10_000, b'a' + (n % 26) as u8);
        octets
    };
    let messages: Vec<_> = (1..=2000)
        .map(|n| (mail(n), FlagNames::default()))
        .collect();
    for some in messages.chunks(100) {
        client.append_all("INBOX", some).unwrap();
    }
    let gone = (1..=2000).filter(|n| n % 10 != 0).map(|n| (n, n));
    expunge(client, "INBOX", UidSet::from_ranges(gone));
    let before = Client::new(&store, 1).state().unwrap();
    drop(store);
    let compacted = compact(&temp.0).unwrap();
    println!("{compacted:?}");
    assert!(compacted.after * 8 < compacted.before, "{compacted:?}");
    assert!(temp.pack_octets() < 200 * 10_600);
    temp.verify("compacted");
    let store = temp.rebuilt(temp.open_usual(), "rebuilt");
    assert!(Client::new(&store, 1).state().unwrap() == before);
}

/// The newest segment too, without anybody asking.
#[test]
fn an_idle_store_gives_back_its_room() {
    let temp = Temp::new();
    let store = temp.open();
    let client = Client::new(&store, 1);
    for _ in 0..30 {
        client.append("INBOX", &[b'x'; 3000]).unwrap();
    }
    expunge(client, "INBOX", UidSet::from_ranges([(1, 29)]));
    until("room", || temp.pack_octets() < 9000);
    let before = states(&store);
    assert_eq!(before[0][0].messages.len(), 1);
    assert!(states(&temp.rebuilt(store, "idle")) == before);
}

/// Bodies that are read while they are moved are whole, wherever they are at that moment.
#[test]
fn readers_do_not_notice() {
    let temp = Temp::new();
    let store = temp.open();
    let client = Client::new(&store, 1);
    client.create("kept").unwrap();
    let mail = |n: u8| vec![b'a' + n % 26; 1000 + usize::from(n)];
    for n in 0..60 {
        client.append("kept", &mail(n)).unwrap();
        client.append("INBOX", &[b'x'; 5000]).unwrap();
    }
    let last = *temp.segments().last().unwrap();
    let kept = client.examine("kept").unwrap();
    let (done, reads) = (AtomicBool::new(false), AtomicU64::new(0));
    let moved = std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    for (uid, n) in kept.uids.iter().zip(0..) {
                        assert!(client.body(kept.mailbox, uid).unwrap() == mail(n));
                    }
                    let page = client.fetch(kept.mailbox, kept.uids.clone(), usize::MAX);
                    assert!(page.unwrap().rows.iter().all(|r| r.damaged.is_none()));
                    reads.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        expunge(client, "INBOX", UidSet::from_ranges([(1, 60)]));
        let end = Instant::now() + Duration::from_secs(60);
        let mut moved = false;
        while !moved && Instant::now() < end {
            std::thread::yield_now();
            moved = temp.segments()[0] >= last && reads.load(Ordering::Relaxed) > 3;
        }
        done.store(true, Ordering::Relaxed);
        moved
    });
    assert!(moved, "the segments up to {last} do not go");
    let before = states(&store);
    assert!(states(&temp.rebuilt(store, "read")) == before);
}

/// The packs do not hold any more what such an index lacks.
#[test]
fn an_index_from_before_is_refused() {
    let temp = Temp::new();
    let store = temp.open();
    let client = Client::new(&store, 1);
    client.append("INBOX", b"kept").unwrap();
    drop(store);
    let index = temp.0.join("index.sqlite");
    let old = std::fs::read(&index).unwrap();
    let store = temp.open();
    let client = Client::new(&store, 1);
    for _ in 0..30 {
        client.append("INBOX", &[b'x'; 3000]).unwrap();
    }
    expunge(client, "INBOX", UidSet::from_ranges([(2, 31)]));
    until("room", || temp.segments()[0] > 0);
    let before = states(&store);
    drop(store);
    std::fs::write(&index, old).unwrap();
    let refused = Embedded::open(&temp.0, Options::default()).err().unwrap();
    assert!(
        refused.to_string().contains("older than the packs"),
        "{refused}"
    );
    rebuild(&temp.0).unwrap();
    assert!(states(&temp.open()) == before);
}

#[test]
fn the_room_of_a_purged_account_is_given_back_and_an_index_made_anew_has_none_of_it() {
    let temp = Temp::new();
    let store = temp.open_usual();
    let (gone, other) = (Client::new(&store, 1), Client::new(&store, 2));
    let mail = [&b"Subject: x\r\n\r\n"[..], &[b'x'; 20_000]].concat();
    gone.create("a/b").unwrap();
    gone.subscribe("a/b", true).unwrap();
    for n in 0..30 {
        gone.append(if n % 2 == 0 { "INBOX" } else { "a/b" }, &mail)
            .unwrap();
    }
    other.append("INBOX", &mail).unwrap();
    let kept = other.state().unwrap();
    let validity = gone.examine("INBOX").unwrap().uid_validity;
    let purged = purge(&store, gone.actor().account).unwrap();
    assert_eq!((purged.messages, purged.mailboxes), (30, 3));
    drop(store);
    let check = |when: &str| {
        let store = temp.open_usual();
        let (gone, other) = (Client::new(&store, 1), Client::new(&store, 2));
        assert_eq!(other.state().unwrap(), kept, "{when}");
        let rows = gone.list().unwrap();
        assert!(rows.len() == 1 && !rows[0].subscribed, "{when}: {rows:?}");
        let inbox = gone.examine("INBOX").unwrap();
        assert!(
            inbox.uids.is_empty() && inbox.uid_validity > validity,
            "{when}"
        );
    };
    check("opened again");
    rebuild(&temp.0).unwrap();
    check("made anew");
    compact(&temp.0).unwrap();
    assert!(temp.pack_octets() < 60_000, "{}", temp.pack_octets());
    temp.verify("compacted");
    check("compacted");
    rebuild(&temp.0).unwrap();
    check("made anew of what is left");
}
