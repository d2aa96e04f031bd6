//! What is done to very many messages at once takes the memory of some: COPY, MOVE, DELETE, EXPUNGE and RENAME of INBOX, counted by the allocator,
//! in memory and on disk, and there making the index anew and giving back room. What is stored and what is answered counts besides.
#![cfg(all(feature = "sqlite", feature = "conformance"))]

mod counting;

use std::time::Instant;

use pillarbox_core::effect::Copied;
use pillarbox_core::flag::{FlagNames, SystemFlags};
use pillarbox_core::id::Uid;
use pillarbox_core::set::UidSet;
use pillarbox_store::conformance::Client;
use pillarbox_store::{Backend, Embedded, Memory, Options, compact, rebuild, verify};

/// Octets that a change may hold besides.
const HELD: usize = 1 << 20;

fn all() -> UidSet {
    UidSet::range(Uid::MIN, Uid::MAX)
}

/// What is held at most while `run` works, above what is held before or afterwards: its answer is still there then.
fn bounded<T>(what: &str, run: impl FnOnce() -> T) -> T {
    let before = counting::begin();
    let begun = Instant::now();
    let answer = run();
    let most = counting::most().saturating_sub(before.max(counting::held()));
    println!("{what}: {} KB, {:?}", most >> 10, begun.elapsed());
    assert!(most <= HELD, "{what} held {most} octets");
    answer
}

/// `many` messages from the UID `first` on came to UIDs from `to` on.
fn assert_came(copied: &Copied, many: u32, first: u32, to: u32) {
    let uid = |n| Uid::new(n).unwrap();
    let pairs = (0..many).map(|n| (uid(first + n), uid(to + n)));
    assert!(copied.uids.iter().copied().eq(pairs));
}

/// Of so many messages; `PILLARBOX_MANY=100000` for more.
fn many_at_once(store: &dyn Backend, what: &str) {
    let many: u32 = std::env::var("PILLARBOX_MANY").map_or(6_000, |n| n.parse().unwrap());
    let client = Client::new(store, 1);
    let flags = FlagNames {
        system: SystemFlags::DELETED,
        keywords: vec!["$Junk".into()],
    };
    let messages = |n: u32| vec![(b"Subject: x\r\n\r\n".to_vec(), flags.clone()); n as usize];
    let inbox = client.examine("INBOX").unwrap().mailbox;
    client
        .append_all("INBOX", &messages(many % 32 + many / 32))
        .unwrap();
    for _ in 0..5 {
        let here = client.status("INBOX").unwrap().messages as u32;
        let more = Uid::new(here.min(many - here)).unwrap();
        client
            .copy(inbox, UidSet::range(Uid::MIN, more), "INBOX")
            .unwrap();
    }
    assert_eq!(client.status("INBOX").unwrap().messages, u64::from(many));
    for name in ["a", "b", "c"] {
        client.create(name).unwrap();
    }
    let [a, b] = ["a", "b"].map(|name| client.examine(name).unwrap().mailbox);

    let copied = bounded(&format!("{what}: COPY"), || client.copy(inbox, all(), "a"));
    assert_came(&copied.unwrap(), many, 1, 1);
    let moved = bounded(&format!("{what}: MOVE"), || client.relocate(a, all(), "b"));
    let moved = moved.unwrap();
    assert_came(&moved.copied, many, 1, 1);
    // Each copy took one, and their going one for all.
    assert_eq!(
        client.status("b").unwrap().highest_modseq.0,
        u64::from(many) + 1
    );
    assert_eq!(
        moved.modseq,
        Some(client.status("a").unwrap().highest_modseq)
    );
    assert_eq!(client.status("a").unwrap().messages, 0);

    // Within the mailbox: what comes is not among what is named, whatever the set says.
    let moved = client.relocate(b, all(), "b").unwrap();
    assert_came(&moved.copied, many, 1, many + 1);
    let status = client.status("b").unwrap();
    let (messages, modseq) = (u64::from(many), 2 * u64::from(many) + 2);
    assert_eq!(
        (status.messages, status.highest_modseq.0),
        (messages, modseq)
    );
    let copied = client.copy(b, all(), "b").unwrap();
    assert_came(&copied, many, many + 1, 2 * many + 1);

    client.copy(b, all(), "c").unwrap();
    bounded(&format!("{what}: DELETE"), || client.delete("c")).unwrap();
    let gone = bounded(&format!("{what}: EXPUNGE"), || client.expunge(b, all()));
    let gone = gone.unwrap();
    assert_eq!(gone.uids.ranges(), [(many + 1, 3 * many)]);
    let status = client.status("b").unwrap();
    assert_eq!((status.messages, status.size, status.deleted), (0, 0, 0));
    assert_eq!(gone.modseq, Some(status.highest_modseq));
    bounded(&format!("{what}: RENAME"), || client.rename("INBOX", "old")).unwrap();
    assert_eq!(client.status("INBOX").unwrap().messages, 0);
    let status = client.status("old").unwrap();
    assert_eq!(
        (status.messages, status.deleted),
        (many.into(), many.into())
    );
}

/// One test: octets are counted for all threads.
#[test]
fn many_messages_take_the_memory_of_some() {
    many_at_once(&Memory::new(), "memory");
    let folder = std::env::temp_dir().join(format!("pillarbox-windows-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let store = Embedded::open(&folder, Options::default()).unwrap();
    many_at_once(&store, "disk");
    drop(store);
    // Each command is one transaction of the log.
    bounded("rebuild", || rebuild(&folder)).unwrap();
    let given_back = bounded("compact", || compact(&folder)).unwrap();
    assert!(given_back.after < given_back.before);
    let seen = verify(&folder, |problem| panic!("{problem}")).unwrap();
    assert_eq!(seen.problems, 0);
    std::fs::remove_dir_all(&folder).unwrap();
}
