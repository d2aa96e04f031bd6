//! Stores on disks that fail while they are used: one fault at each of its places in turn, one sequence of changes.

use std::time::{Duration, Instant};

use pillarbox_core::effect::{ErrorKind, FlagOp, MailboxRef};
use pillarbox_core::flag::{FlagNames, SystemFlags};
use pillarbox_core::set::UidSet;
use pillarbox_store::conformance::{Answer, Client, Model, Waiting, flag_names};
use pillarbox_store::{Backend, Embedded, Leave, OpenError, Options};

use crate::work::{Child, Task, mail, options, pass_by};

/// A fault and how many of its places are tried. Few writes to packs need room: most go where zeros stand.
const FAULTS: [(&str, &str, u64); 17] = [
    ("s packs", "1 5", 12),
    ("s packs", "3 5", 4),
    ("s -wal", "1 5", 3),
    ("w packs", "1 5", 12),
    ("w packs", "1 28", 4),
    ("w packs", "1000000 28", 4),
    ("h packs", "1 28", 4),
    ("h packs", "1 0", 8),
    ("w index.sqlite", "1 28", 30),
    ("w index.sqlite", "1000000 28", 30),
    ("h index.sqlite", "1 5", 20),
    ("w /", "1000000 28", 30),
    ("r packs", "1 5", 20),
    ("u packs", "1 5", 4),
    ("r packs", "1000000 5", 12),
    ("r index.sqlite", "1 5", 60),
    ("r index.sqlite", "1000000 5", 30),
];

/// Each fault, at its first place, its second and so on, on a store of its own.
pub fn sweep(child: &Child, task: Task) {
    for (what, rest, places) in FAULTS {
        let mut struck = 0;
        for place in 0..places {
            let fault = format!("{what} {place} {rest}");
            let before = child.hits();
            fail_once(child, task, &fault, place % 2 == 0);
            struck += u64::from(child.hits() > before);
        }
        assert!(
            struck >= places / 4,
            "{what} {rest} struck {struck} times: this tests nothing"
        );
    }
}

/// Some changes go well, some while the disk fails, some after that. Whatever was answered is so, then and after it is opened again.
fn fail_once(child: &Child, task: Task, fault: &str, goes_on: bool) {
    let mut model = Model::new(task.seed);
    let store = Embedded::open(child.store(), options()).unwrap();
    let client = Client::new(&store, task.seed);
    for _ in 0..task.steps {
        model.step(client);
    }
    let hits = child.hits();
    child.order(fault);
    if fault.starts_with('u') {
        // Segments go, or do not, while nobody asks for anything.
        pass_by(child, Client::new(&store, task.seed + 1), "before", task);
        let end = Instant::now() + Duration::from_secs(2);
        while child.hits() == hits && Instant::now() < end {
            std::thread::yield_now();
        }
    }
    for _ in 0..task.steps {
        let done = model.attempt(client);
        // What cannot be read is not told to be empty, nor to be damaged for ever.
        let read = fault.starts_with('r').then(|| client.state()).transpose();
        for e in [done.err(), read.as_ref().err().cloned()]
            .into_iter()
            .flatten()
        {
            let plain = matches!(e.kind, ErrorKind::Unavailable | ErrorKind::OverQuota);
            assert!(plain, "{fault}: {e:?}");
        }
        if let Ok(Some(state)) = read {
            assert_eq!(model.disagreement(&state), None, "{fault}");
        }
    }
    child.order("off");
    let state = client.state().unwrap();
    assert_eq!(model.disagreement(&state), None, "{fault}");
    for _ in 0..if goes_on { task.steps } else { 0 } {
        if let Err(e) = model.attempt(client) {
            // The room that is set aside is looked for again some seconds later.
            let fits = e.kind == ErrorKind::OverQuota && fault.ends_with(" 28");
            assert!(fits, "{fault}: and when the disk is well: {e:?}");
        }
    }
    drop(store);
    let store = Embedded::open(child.store(), options()).unwrap();
    let client = Client::new(&store, task.seed);
    let difference = model.disagreement(&client.state().unwrap());
    assert_eq!(difference, None, "{fault}: after opening again");
    for _ in 0..task.steps {
        model.step(client);
    }
    drop(store);
    std::fs::remove_dir_all(child.store()).unwrap();
}

/// What goes wrong while messages come one after the other, and from which of its places on, in steps.
const POURED: [(&str, &str); 7] = [
    ("w index.sqlite", "1 5"),
    ("w index.sqlite", "1 28"),
    ("w index.sqlite", "1000000 28"),
    ("h index.sqlite", "1 5"),
    ("w packs", "1 28"),
    ("s packs", "1 5"),
    ("w /", "1000000 28"),
];

/// Messages that are acknowledged before the index shows them, while the disk fails: whatever becomes of the index, they are there.
/// So many threads at a time may wait for the disk and write themselves.
pub fn pour(child: &Child, leave: usize) {
    let mut in_place = 0;
    for (what, rest) in POURED {
        let before = child.hits();
        for place in (0..90).step_by(9) {
            in_place += pour_once(child, &format!("{what} {place} {rest}"), leave);
        }
        assert!(child.hits() > before, "{what} {rest}: this tests nothing");
    }
    let tested = in_place > 100 || leave == 0;
    assert!(
        tested,
        "{in_place} were written in place: this tests nothing"
    );
}

/// How many messages were written by the thread that brought them.
fn pour_once(child: &Child, fault: &str, leave: usize) -> u64 {
    let usual = Options::default();
    let store = Embedded::open(child.store(), usual.clone()).unwrap();
    let store = Waiting::new(store, Leave::new(leave, || {}));
    let client = Client::new(&store, 1);
    client.append("INBOX", b"first").unwrap();
    let mut kept = vec![b"first".to_vec()];
    let mut send = |from: usize, to: usize| {
        for n in from..to {
            let mail = mail(&format!("{n}"), n * 29 % 900);
            match client.append("INBOX", &mail) {
                Ok(_) => kept.push(mail),
                Err(e) => assert!(
                    matches!(e.kind, ErrorKind::Unavailable | ErrorKind::OverQuota),
                    "{fault}: {e:?}"
                ),
            }
        }
    };
    child.order(fault);
    send(0, 80);
    child.order("off");
    send(80, 90);
    let agrees = |store: &dyn Backend, when: &str| {
        let client = Client::new(store, 1);
        let opened = client.examine("INBOX").unwrap();
        let bodies = opened.uids.iter();
        let bodies = bodies.map(|uid| client.body(opened.mailbox, uid).unwrap());
        let bodies: Vec<_> = bodies.collect();
        assert!(
            bodies == kept,
            "{fault}: {when}: {} of {}",
            bodies.len(),
            kept.len()
        );
    };
    agrees(&store, "when the disk is well");
    let in_place = store.in_place();
    drop(store);
    agrees(
        &Embedded::open(child.store(), usual).unwrap(),
        "after opening again",
    );
    std::fs::remove_dir_all(child.store()).unwrap();
    in_place
}

/// A disk without room takes no mail, and lets it be read and deleted; then there is room again.
pub fn fill(child: &Child) {
    let store = Embedded::open(child.store(), Options::default()).unwrap();
    let client = Client::new(&store, 1);
    for n in 0..20 {
        client
            .append("INBOX", &mail(&format!("full-{n}"), 0))
            .unwrap();
    }
    child.order("w spool 1 1 28");
    let refused = client.append("INBOX", &[b'x'; 400_000]).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::OverQuota, "{refused:?}");
    child.order("q 30000");
    let refused =
        (0..100).find_map(|n| client.append("INBOX", &mail(&format!("more-{n}"), 0)).err());
    let refused = refused.expect("30000 octets are full some time");
    assert_eq!(refused.kind, ErrorKind::OverQuota, "{refused:?}");
    let opened = client.examine("INBOX").unwrap();
    for uid in opened.uids.iter() {
        client.body(opened.mailbox, uid).unwrap();
    }
    delete(client, opened.mailbox, UidSet::from_ranges([(1, 10)])).unwrap();
    drop(store);
    match Embedded::open(child.store(), Options::default()) {
        Ok(store) => drop(Client::new(&store, 1).examine("INBOX").unwrap()),
        Err(e) => assert!(
            matches!(e, OpenError::Io { .. } | OpenError::Full(_)),
            "{e:?}"
        ),
    }
    child.order("off");
    let store = Embedded::open(child.store(), Options::default()).unwrap();
    let client = Client::new(&store, 1);
    let uids = client.examine("INBOX").unwrap().uids;
    assert_eq!(
        uids,
        opened.uids.difference(&UidSet::from_ranges([(1, 10)]))
    );
    client.append("INBOX", b"there is room").unwrap();
}

fn delete(client: Client<'_>, mailbox: MailboxRef, ten: UidSet) -> Answer<()> {
    let deleted = flag_names(SystemFlags::DELETED, &[]);
    client.set(mailbox, ten.clone(), FlagOp::Add, deleted, None)?;
    let gone = client.expunge(mailbox, ten)?;
    assert_eq!(gone.uids.len(), 10);
    Ok(())
}

/// One command brings so much that the log has room for it and the index has none, or neither, or both.
pub fn overfill(child: &Child) {
    let mut refused = 0;
    for room in (400_000..3_600_000).step_by(400_000) {
        let mut usual = Options::default();
        usual.reserve = 1 << 20;
        let store = Embedded::open(child.store(), usual).unwrap();
        let client = Client::new(&store, 1);
        for n in 0..20 {
            let mail = mail(&format!("before-{n}"), 0);
            client.append("INBOX", &mail).unwrap();
        }
        let many = (0..4000).map(|_| client.upload("INBOX", b"x"));
        let many: Vec<_> = many.collect::<Result<_, _>>().unwrap();
        child.order(&format!("q {room}"));
        if let Err(e) = client.commit("INBOX", &many, &FlagNames::default()) {
            assert_eq!(e.kind, ErrorKind::OverQuota, "{room}: {e:?}");
            refused += 1;
        }
        let opened = client.examine("INBOX");
        let opened = opened.unwrap_or_else(|e| panic!("{room}: {e:?}"));
        let first = UidSet::from_ranges([(1, 10)]);
        delete(client, opened.mailbox, first).unwrap_or_else(|e| panic!("{room}: {e:?}"));
        child.order("off");
        drop(store);
        std::fs::remove_dir_all(child.store()).unwrap();
    }
    assert!(refused > 1, "{refused} were refused: this tests nothing");
}
