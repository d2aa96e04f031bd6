//! Disks that fail, and threads that panic, while a message is written in place.

use std::collections::BTreeMap;

use super::*;

/// What goes wrong at one operation of those that are done in place.
struct Once {
    fault: Fault,
    /// Operations until it happens.
    left: AtomicI64,
}

impl Once {
    fn new(fault: Fault, at: i64) -> Arc<Self> {
        let left = AtomicI64::new(at);
        Arc::new(Self { fault, left })
    }

    fn happened(&self) -> bool {
        self.left.load(Relaxed) < 0
    }

    fn step(&self, step: Step) -> io::Result<()> {
        let is_its = match self.fault {
            Fault::Full | Fault::Write => step == Step::Write,
            Fault::Sync | Fault::SyncAndCut => step == Step::Sync,
            Fault::Panic | Fault::Dead => step != Step::Cut,
        };
        if step == Step::Cut && self.fault == Fault::SyncAndCut {
            return Err(io::Error::other("broken"));
        }
        if !is_its || !is_guest() || self.left.fetch_sub(1, Relaxed) != 0 {
            return Ok(());
        }
        match self.fault {
            Fault::Full => Err(io::ErrorKind::StorageFull.into()),
            Fault::Panic => panic!("as ordered"),
            _ => Err(io::Error::other("broken")),
        }
    }
}

/// A store that is opened, and then works on a disk that fails once in place.
fn failing(temp: &Temp, once: &Arc<Once>) -> Waiting<Embedded> {
    // The thread that opens it is not one of its own.
    let (open, its) = (Arc::new(AtomicU64::new(0)), once.clone());
    let is_open = open.clone();
    let opener = hooked(move |step| match is_open.load(Relaxed) {
        0 => Ok(()),
        _ => its.step(step),
    });
    let store = waiting(temp, opener);
    open.store(1, Relaxed);
    store
}

/// One message fails and others do not: those before it, of which the index shows nothing yet, and those after it. Another account does all
/// that is done to mail between them.
#[test]
fn a_failure_in_place_costs_one_message() {
    thread::scope(|scope| {
        for fault in [Fault::Full, Fault::Write, Fault::Sync, Fault::SyncAndCut] {
            scope.spawn(move || (0..8).for_each(|at| fail_once(fault, at)));
        }
    });
}

fn fail_once(fault: Fault, at: i64) {
    let temp = Temp::new();
    let once = Once::new(fault, at);
    let store = failing(&temp, &once);
    let (mut kept, mut refused, end) = (BTreeMap::new(), 0, deadline());
    let mut model = Model::new(at.unsigned_abs());
    let mut n = 0;
    let mut more = || {
        n += 1;
        let text = format!("Subject: {n}\r\n\r\n").into_bytes();
        match Client::new(&store, 1).append("INBOX", &text) {
            Ok(uid) => assert_eq!(kept.insert(uid, text), None, "{uid:?} was given twice"),
            Err(e) => {
                let want = match fault {
                    Fault::Full => ErrorKind::OverQuota,
                    _ => ErrorKind::Unavailable,
                };
                assert_eq!(e.kind, want, "{fault:?} at {at}: {e}");
                refused += 1;
            }
        }
        if n % 10 == 0 && fault != Fault::Full {
            model.step(Client::new(&store, 2));
        }
        agrees(&store, &kept, n % 7 == 0);
    };
    while !once.happened() {
        more();
        assert!(Instant::now() < end, "{fault:?} at {at} does not happen");
    }
    let here = store.in_place();
    (0..25).for_each(|_| more());
    if fault == Fault::Full {
        // What was set aside was given up: nothing is acknowledged that the index may have no room for.
        assert_eq!(store.in_place(), here);
        assert_eq!(refused, 26);
    } else {
        assert_eq!(refused, 1, "{fault:?} at {at}");
    }
    let all = |store: &dyn Backend| {
        agrees(store, &kept, true);
        let state = Client::new(store, 2).state().unwrap();
        let difference = model.disagreement(&state);
        assert_eq!(difference, None, "{fault:?} at {at}");
    };
    all(&store);
    drop(store);
    all(&temp.open_lagging(open_files()));
    verify(&temp.0, |p| panic!("{fault:?} at {at}: {p}")).unwrap();
    rebuild(&temp.0).unwrap();
    all(&temp.open_lagging(open_files()));
}

/// Whoever reads finds what was acknowledged, and nothing else.
fn agrees(store: &dyn Backend, kept: &BTreeMap<Uid, Vec<u8>>, look: bool) {
    if !look {
        return;
    }
    let client = Client::new(store, 1);
    let opened = client.examine("INBOX").unwrap();
    let there = opened.uids.iter();
    let there = there.map(|uid| (uid, client.body(opened.mailbox, uid).unwrap()));
    let there: BTreeMap<_, _> = there.collect();
    let (some, all) = (there.len(), kept.len());
    assert!(there == *kept, "{some} of {all}");
}

/// Who brings the message goes on, it is in doubt, and no more changes are taken; what was acknowledged can be read, and is there for ever.
#[test]
fn after_a_panic_in_place_changes_are_refused() {
    (0..8).for_each(panic_once);
}

fn panic_once(at: i64) {
    let temp = Temp::new();
    let once = Once::new(Fault::Panic, at);
    let store = failing(&temp, &once);
    let client = Client::new(&store, 1);
    let (mut kept, end) = (BTreeMap::new(), deadline());
    let doubtful = loop {
        let text = format!("Subject: {}\r\n\r\n", kept.len()).into_bytes();
        match client.append("INBOX", &text) {
            Ok(uid) => assert_eq!(kept.insert(uid, text), None, "{uid:?} was given twice"),
            Err(e) => break e,
        }
        assert!(Instant::now() < end, "none is written in place");
    };
    assert!(once.happened());
    assert_eq!(doubtful.kind, ErrorKind::ServerBug, "{doubtful}");
    takes_no_changes(&store);
    let count = || client.status("INBOX").map(|s| s.messages);
    while count().is_err() && Instant::now() < end {
        thread::yield_now();
    }
    agrees(&store, &kept, true);
    takes_no_changes(&store);
    drop(store);
    let store = temp.open_lagging(open_files());
    let client = Client::new(&store, 1);
    let opened = client.examine("INBOX").unwrap();
    let last = *kept.last_key_value().unwrap().0;
    let (there, all) = (opened.uids.len() as usize, kept.len());
    assert!(there == all || there == all + 1, "{there} of {all}");
    for (uid, text) in &kept {
        assert_eq!(client.body(opened.mailbox, *uid).unwrap(), *text);
    }
    let next = client.append("INBOX", b"next").unwrap();
    assert!(next > last && !opened.uids.contains(next));
    drop(store);
    verify(&temp.0, |p| panic!("at {at}: {p}")).unwrap();
    rebuild(&temp.0).unwrap();
    let there = Client::new(&temp.open_lagging(open_files()), 1).examine("INBOX");
    assert!(there.unwrap().uids.contains(next));
}

/// The first ones may be lost with the writer.
pub(super) fn takes_no_changes(store: &dyn Backend) {
    let end = deadline();
    let mut refused = 0;
    while refused < 3 {
        let said = Client::new(store, 1).create("more").unwrap_err();
        match said.kind {
            ErrorKind::Unavailable => refused += 1,
            kind => assert_eq!(kind, ErrorKind::ServerBug, "{said}"),
        }
        assert!(Instant::now() < end, "{said}");
    }
}
