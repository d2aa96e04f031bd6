//! Disks that fail: whatever a write, a cut or a sync comes to, what was answered is what is there.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use bytes::Bytes;
use pillarbox_core::effect::{Call, ErrorKind, UploadAbort, UploadBegin, UploadChunk};
use pillarbox_core::flag::SystemFlags;
use pillarbox_core::id::AccountId;
use pillarbox_core::mailbox::MailboxName;

use super::{Embedded, Options};
use crate::conformance::{Client, Model, flag_names};
use crate::contract::{Backend, Job};
use crate::error::lock;
use crate::pack::{Opener, Output, open_files};
use crate::table::Tables;
use crate::upload::IN_MEMORY;
use crate::{rebuild, verify};

mod here;
mod lag;

/// What goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fault {
    /// Half is written, then there is no room.
    Full,
    /// Half is written, then an error.
    Write,
    /// The sync fails once; what it was for may be there or not.
    Sync,
    /// As before, and nothing can be cut off.
    SyncAndCut,
    /// Half is written, and from then on nothing works: the process is gone.
    Dead,
    /// The thread that writes panics at a sync.
    Panic,
}

struct Faults {
    fault: Fault,
    /// Operations until it happens; again after as many, unless it is for ever.
    left: AtomicI64,
    every: i64,
    happened: AtomicU64,
    log: Mutex<Vec<String>>,
}

impl Faults {
    fn new(fault: Fault, every: i64) -> Arc<Self> {
        Arc::new(Self {
            fault,
            left: AtomicI64::new(every),
            every,
            happened: AtomicU64::new(0),
            log: Mutex::default(),
        })
    }

    fn now(&self, what: &str) -> bool {
        let left = self.left.fetch_sub(1, Relaxed);
        let now = left == 0 || (self.fault == Fault::Dead && left < 0);
        if now {
            self.happened.fetch_add(1, Relaxed);
            self.log.lock().unwrap().push(what.to_owned());
            if self.fault != Fault::Dead {
                self.left.store(self.every, Relaxed);
            }
        }
        now
    }

    fn opener(self: &Arc<Self>) -> Opener {
        let (files, faults) = (open_files(), self.clone());
        Arc::new(move |path: &Path, new| {
            Ok(Box::new(Faulty {
                file: files(path, new)?,
                faults: faults.clone(),
            }))
        })
    }
}

struct Faulty {
    file: Box<dyn Output>,
    faults: Arc<Faults>,
}

impl Output for Faulty {
    fn write(&self, octets: &[u8], at: u64) -> io::Result<()> {
        let fault = self.faults.fault;
        let here = matches!(fault, Fault::Full | Fault::Write | Fault::Dead);
        if !here || !self.faults.now("write") {
            return self.file.write(octets, at);
        }
        if fault != Fault::Dead || self.faults.happened.load(Relaxed) == 1 {
            self.file.write(&octets[..octets.len() / 2], at)?;
        }
        Err(match fault {
            Fault::Full => io::ErrorKind::StorageFull.into(),
            _ => io::Error::other("broken"),
        })
    }

    fn sync(&self) -> io::Result<()> {
        let here = matches!(
            self.faults.fault,
            Fault::Sync | Fault::SyncAndCut | Fault::Dead | Fault::Panic
        );
        match here && self.faults.now("sync") {
            true if self.faults.fault == Fault::Panic => panic!("as ordered"),
            true => Err(io::Error::other("broken")),
            false => self.file.sync(),
        }
    }

    fn cut(&self, len: u64) -> io::Result<()> {
        match self.faults.fault {
            Fault::SyncAndCut | Fault::Dead => Err(io::Error::other("broken")),
            _ => self.file.cut(len),
        }
    }
}

struct Temp(PathBuf);

impl Temp {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let n = NEXT.fetch_add(1, Relaxed);
        let name = format!("pillarbox-faults-{}-{n}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    fn open(&self, opener: Opener) -> Embedded {
        let options = Options {
            reserve: 0,
            ..Options::default()
        };
        Embedded::open_on(&self.0, &options, opener).unwrap()
    }

    /// Messages that come alone are acknowledged before the index shows them.
    fn open_lagging(&self, opener: Opener) -> Embedded {
        let options = Options {
            reserve: 4 << 20,
            ..Options::default()
        };
        Embedded::open_on(&self.0, &options, opener).unwrap()
    }

    /// Many messages begin a segment.
    fn open_large(&self, opener: Opener) -> Embedded {
        let options = Options {
            reserve: 0,
            large: LARGE,
            ..Options::default()
        };
        Embedded::open_on(&self.0, &options, opener).unwrap()
    }

    /// Segments go all the time.
    fn open_reclaiming(&self, opener: Opener) -> Embedded {
        let options = Options {
            reserve: 0,
            segment: 24 << 10,
            large: LARGE,
            view_grace: Duration::ZERO,
            upkeep: Duration::from_millis(1),
            ..Options::default()
        };
        Embedded::open_on(&self.0, &options, opener).unwrap()
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn what_was_answered_is_what_is_there() {
    // Most of the time is that of the disk's syncs.
    std::thread::scope(|scope| {
        for fault in [Fault::Full, Fault::Write, Fault::Sync, Fault::SyncAndCut] {
            scope.spawn(move || {
                for every in [3, 7, 12] {
                    answered(fault, every, Temp::open);
                    answered(fault, every, Temp::open_large);
                    answered(fault, every, Temp::open_reclaiming);
                }
            });
        }
    });
}

fn answered(fault: Fault, every: i64, open: fn(&Temp, Opener) -> Embedded) {
    let temp = Temp::new();
    let faults = Faults::new(fault, every);
    let mut model = Model::new(every.unsigned_abs());
    let store = open(&temp, faults.opener());
    let client = Client::new(&store, 1);
    for _ in 0..200 {
        if let Err(e) = model.try_step(client) {
            let want = match fault {
                Fault::Full => ErrorKind::OverQuota,
                _ => ErrorKind::Unavailable,
            };
            assert_eq!(e.kind, want, "{fault:?}: {e}");
        }
    }
    let happened = faults.happened.load(Relaxed);
    assert!(happened > 3, "{fault:?} {every}: {happened}");
    let agrees = |store: &Embedded, when: &str| {
        let state = Client::new(store, 1).state().unwrap();
        let difference = model.disagreement(&state);
        assert_eq!(difference, None, "{fault:?} {every} {when}");
    };
    agrees(&store, "at once");
    drop(store);
    agrees(&open(&temp, open_files()), "after reopening");
    if matches!(fault, Fault::Sync | Fault::SyncAndCut) {
        // The last failure may have no transaction after it that tells of it: then it may have happened.
        Client::new(&open(&temp, open_files()), 2)
            .append("INBOX", b"x")
            .unwrap();
    }
    verify(&temp.0, |p| panic!("{fault:?} {every}: {p}")).unwrap();
    rebuild(&temp.0).unwrap();
    agrees(&open(&temp, open_files()), "after a rebuild");
}

/// Nobody is told of a change before it is durable: not of one whose sync failed.
#[test]
fn what_was_refused_is_not_told() {
    let temp = Temp::new();
    let faults = Faults::new(Fault::Sync, 4);
    let store = temp.open(faults.opener());
    let told = Arc::new(AtomicU64::new(0));
    let count = told.clone();
    store.subscribe(Arc::new(move |_| {
        count.fetch_add(1, Relaxed);
    }));
    let client = Client::new(&store, 1);
    let done = (0..20).filter(|_| client.append("INBOX", b"x").is_ok());
    let done = done.count() as u64;
    assert!(faults.happened.load(Relaxed) > 2 && done > 10);
    // Ends the writer, which tells after it has answered.
    drop(store);
    assert_eq!(told.load(Relaxed), done);
}

/// No lock is held while somebody is told.
#[test]
fn who_is_told_can_subscribe_anew() {
    let temp = Temp::new();
    let store = Arc::new(temp.open(open_files()));
    let (again, (told, heard)) = (Arc::downgrade(&store), mpsc::channel());
    store.subscribe(Arc::new(move |_| {
        let told = told.clone();
        if let Some(store) = again.upgrade() {
            store.subscribe(Arc::new(move |_| {
                let _ = told.send(());
            }));
        }
    }));
    let client = Client::new(&*store, 1);
    client.append("INBOX", b"x").unwrap();
    client.append("INBOX", b"x").unwrap();
    let second = heard.recv_timeout(Duration::from_secs(60));
    second.expect("the second receiver is told");
}

/// Messages that come one after the other are acknowledged before the index shows them. One whose sync fails takes none of them with it.
#[test]
fn what_was_acknowledged_is_there_after_one_that_was_refused() {
    for fault in [Fault::Write, Fault::Sync, Fault::SyncAndCut] {
        let temp = Temp::new();
        let faults = Faults::new(fault, 9);
        let store = temp.open_lagging(faults.opener());
        let client = Client::new(&store, 1);
        let mut kept = Vec::new();
        for n in 0..100 {
            let text = format!("Subject: {n}\r\n\r\n");
            match client.append("INBOX", text.as_bytes()) {
                Ok(uid) => kept.push((uid, text.into_bytes())),
                Err(e) => assert!(e.kind != ErrorKind::ServerBug, "{fault:?}: {e}"),
            }
        }
        assert!(faults.happened.load(Relaxed) > 5, "{fault:?}");
        let agrees = |store: &Embedded, when: &str| {
            let client = Client::new(store, 1);
            let opened = client.examine("INBOX").unwrap();
            let there = opened.uids.iter();
            let there = there.map(|uid| (uid, client.body(opened.mailbox, uid).unwrap()));
            let there: Vec<_> = there.collect();
            let (some, all) = (there.len(), kept.len());
            assert!(there == kept, "{fault:?} {when}: {some} of {all}");
        };
        agrees(&store, "at once");
        drop(store);
        agrees(&temp.open(open_files()), "after reopening");
        verify(&temp.0, |p| panic!("{fault:?}: {p}")).unwrap();
    }
}

/// A command that is refused leaves nothing, though it was the first of its account, which it would have begun with an INBOX.
#[test]
fn what_was_refused_is_not_half_there() {
    let temp = Temp::new();
    let store = temp.open(open_files());
    let refused = Client::new(&store, 1).delete("nobox").unwrap_err();
    assert_eq!(refused.kind, ErrorKind::NonExistent, "{refused}");
    drop(store);
    let folder = super::Folder::new(&temp.0, false).unwrap();
    let ledger = folder.ledger(&temp.0, open_files(), 1 << 20);
    let ledger = ledger.unwrap_or_else(|e| panic!("{}", e.0));
    let begun = ledger.look(|t| t.has_account(AccountId(1))).unwrap();
    assert!(!begun, "the account is there");
}

/// Who submits may be an event loop: the octets of a large message wait for the disk, and nobody else does.
#[test]
fn a_slow_disk_keeps_nobody_who_brings_octets() {
    let temp = Temp::new();
    let store = temp.open(open_files());
    let client = Client::new(&store, 1);
    let actor = client.actor();
    let octets = vec![b'x'; 2 * IN_MEMORY];
    let size = octets.len() as u64;
    let name = MailboxName::inbox();
    let begin = |size| UploadBegin {
        actor,
        name: name.clone(),
        size,
    };
    let (upload, given_up) = (
        client.ask(begin(size)).unwrap(),
        client.ask(begin(size)).unwrap(),
    );
    let held = store.shared.uploads.get(upload).unwrap();
    // As long as its first octets are being written.
    let disk = lock(&held);
    let (send, replies) = mpsc::channel();
    let submit = |effect| {
        let send = send.clone();
        store.submit(Job::new(effect, move |reply| drop(send.send(reply))));
    };
    let (back, returned) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for part in octets.chunks(100_000) {
                let data = Bytes::copy_from_slice(part);
                submit(Call::detached(UploadChunk { upload, data }).into());
            }
            submit(Call::detached(UploadAbort { upload: given_up }).into());
            let _ = back.send(());
        });
        let disk = disk;
        let was = returned.recv_timeout(Duration::from_secs(60));
        was.expect("who submits does not wait for the disk");
        assert!(replies.try_recv().is_err(), "it waits for its turn");
        client.append("INBOX", b"a small one").unwrap();
        drop(disk);
    });
    for _ in octets.chunks(100_000) {
        let reply = replies.recv_timeout(Duration::from_secs(60)).unwrap();
        reply.into_result::<UploadChunk>().unwrap().unwrap();
    }
    let reply = replies.recv_timeout(Duration::from_secs(60)).unwrap();
    reply.into_result::<UploadAbort>().unwrap().unwrap();
    let spooled = std::fs::read_dir(temp.0.join("spool")).unwrap();
    assert_eq!(spooled.count(), 1, "what was given up is gone");
    client
        .commit("INBOX", &[upload], &flag_names(SystemFlags(0), &[]))
        .unwrap();
    assert_eq!(client.state().unwrap()[0].messages[1].octets, octets);
}

/// One change is in doubt, those after it are refused, and mail can be read; opened again the store is well.
#[test]
fn after_a_panic_of_the_writer_changes_are_refused() {
    let temp = Temp::new();
    let store = temp.open(Faults::new(Fault::Panic, 3).opener());
    let client = Client::new(&store, 1);
    let mut kept = 0;
    let doubtful = (0..100).find_map(|_| {
        let added = client.append("INBOX", b"kept");
        kept += usize::from(added.is_ok());
        added.err()
    });
    let doubtful = doubtful.expect("the third sync panics");
    assert_eq!(doubtful.kind, ErrorKind::ServerBug, "{doubtful}");
    // What comes while the thread ends is lost with it.
    let lost = |_: &u32| client.create("more").unwrap_err().kind == ErrorKind::ServerBug;
    let tries = (0..100_000).take_while(lost).count();
    assert!(tries < 100_000, "changes are not refused");
    for _ in 0..3 {
        let refused = client.create("more").unwrap_err();
        assert_eq!(refused.kind, ErrorKind::Unavailable, "{refused}");
    }
    let state = client.state().unwrap();
    assert_eq!(state[0].messages.len(), kept);
    drop(store);
    let store = temp.open(open_files());
    let client = Client::new(&store, 1);
    let there = client.state().unwrap()[0].messages.len();
    assert!(there == kept || there == kept + 1, "{there}");
    client.create("more").unwrap();
}

/// Half of a write was cut off, and nothing made that durable before the next segment began: after a loss of power it may stand there again.
#[test]
fn a_segment_that_a_write_failed_in_ends_where_the_next_one_says() {
    let temp = Temp::new();
    Client::new(&temp.open(open_files()), 1)
        .append("INBOX", b"x")
        .unwrap();
    let folder = super::Folder::new(&temp.0, false).unwrap();
    // The second write is of the zeros behind the first.
    let faults = Faults::new(Fault::Write, 2);
    let ledger = folder.ledger(&temp.0, faults.opener(), 1 << 20);
    let mut ledger = ledger.unwrap_or_else(|e| panic!("{}", e.0));
    let mut change = || {
        ledger.change(|t| {
            let account = t.account(AccountId(1))?;
            t.log(&account, None).map(drop)
        })
    };
    change().unwrap();
    change().unwrap_err();
    let (segment, end) = super::recover::mark(&ledger.conn).unwrap();
    ledger.pack.next_segment().unwrap();
    let account = ledger.look(|t| t.account(AccountId(1))).unwrap();
    ledger.change(|t| t.log(&account, None).map(drop)).unwrap();
    let cuts = super::recover::cuts(&ledger.files, &[segment + 1]).unwrap();
    assert_eq!(cuts.into_iter().collect::<Vec<_>>(), [(segment, end)]);
}

/// A file that grows costs each sync a journal's: zeros stand where small changes will. They go when nothing more is written.
#[test]
fn most_changes_find_the_segment_as_long_as_before() {
    let temp = Temp::new();
    let store = temp.open(open_files());
    let client = Client::new(&store, 1);
    let pack = temp.0.join("packs/0000000000000000.pack");
    let len = || pack.metadata().unwrap().len();
    let mut lens = Vec::new();
    for _ in 0..100 {
        client.append("INBOX", &[b'x'; 10_000]).unwrap();
        lens.push(len());
    }
    lens.dedup();
    assert!(lens.len() < 10, "{lens:?}");
    drop(store);
    let folder = super::Folder::new(&temp.0, false).unwrap();
    let conn = folder.connect().unwrap_or_else(|e| panic!("{}", e.0));
    assert_eq!(super::recover::mark(&conn).unwrap(), (0, len()));
    assert!(len() < 1_020_000);
}

/// What says where a segment ends goes with a later one.
#[test]
fn what_was_refused_does_not_come_back_when_the_word_of_it_goes() {
    let temp = Temp::new();
    let faults = Faults::new(Fault::SyncAndCut, 6);
    let store = temp.open(faults.opener());
    let client = Client::new(&store, 1);
    let mut kept = Vec::new();
    for n in 0..12 {
        if client.append("INBOX", format!("{n}").as_bytes()).is_ok() {
            kept.push(format!("{n}").into_bytes());
        }
    }
    assert!(faults.happened.load(Relaxed) > 0 && kept.len() < 12);
    drop(store);
    let folder = super::Folder::new(&temp.0, false).unwrap();
    let ledger = folder.ledger(&temp.0, open_files(), 1 << 20);
    let mut ledger = ledger.unwrap_or_else(|e| panic!("{}", e.0));
    let all = ledger.files.segments().unwrap();
    assert!(all.len() > 1);
    let mut stayed = 0;
    for segment in &all[1..] {
        match super::reclaim::tests::remove(&mut ledger, *segment) {
            super::reclaim::Step::Left => stayed += 1,
            step => assert!(matches!(step, super::reclaim::Step::Removed(_))),
        }
    }
    assert!(stayed > 0);
    drop((ledger, folder));
    rebuild(&temp.0).unwrap();
    let state = Client::new(&temp.open(open_files()), 1).state().unwrap();
    let there: Vec<_> = state[0].messages.iter().map(|m| m.octets.clone()).collect();
    assert_eq!(there, kept);
}

/// The process ends within a transaction, with half of a write done; then an index from before, as after a loss of power.
#[test]
fn a_death_at_any_operation_loses_nothing_acknowledged() {
    std::thread::scope(|scope| {
        for first in 0..4 {
            scope.spawn(move || {
                for at in (first..60).step_by(4) {
                    death(at, Temp::open);
                    death(at, Temp::open_large);
                }
            });
        }
    });
}

fn death(at: i64, open: fn(&Temp, Opener) -> Embedded) {
    let temp = Temp::new();
    let mut model = Model::new(5);
    let faults = Faults::new(Fault::Dead, at);
    let store = open(&temp, faults.opener());
    let old = temp.0.join("old.sqlite");
    let mut steps = 0;
    // What was being done when it died is done, or it is not; from then on it stays so.
    let mut further = model.clone();
    further.advance();
    while model.try_step(Client::new(&store, 1)).is_ok() {
        further = model.clone();
        further.advance();
        steps += 1;
        if steps == at / 4 {
            let index = rusqlite::Connection::open(temp.0.join("index.sqlite")).unwrap();
            index
                .execute("VACUUM INTO ?1", [old.to_string_lossy()])
                .unwrap();
        }
    }
    drop(store);
    let state = || Client::new(&temp.open(open_files()), 1).state().unwrap();
    let first = state();
    if let Some(difference) = model.disagreement(&first) {
        let other = further.disagreement(&first);
        assert_eq!(other, None, "death at {at}; without it {difference}");
    }
    if old.exists() {
        for suffix in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(temp.0.join(format!("index.sqlite{suffix}")));
        }
        std::fs::copy(&old, temp.0.join("index.sqlite")).unwrap();
        assert!(state() == first, "death at {at}, with an older index");
    }
    rebuild(&temp.0).unwrap();
    assert!(state() == first, "death at {at}, rebuilt");
}

/// One after the other among small ones, and several at once.
#[test]
fn large_messages_begin_segments() {
    let temp = Temp::new();
    let store = temp.open_large(open_files());
    let client = Client::new(&store, 1);
    let (small, large) = (vec![b's'; 100], vec![b'l'; 150_000]);
    let exact = vec![b'e'; usize::try_from(LARGE).unwrap()];
    let below = vec![b'b'; exact.len() - 1];
    let files = || std::fs::read_dir(temp.0.join("packs")).unwrap().count();
    for (octets, segments) in [
        (&small, 1),
        (&below, 1),
        (&exact, 2),
        (&large, 3),
        (&small, 3),
    ] {
        client.append("INBOX", octets).unwrap();
        assert_eq!(files(), segments, "{} octets", octets.len());
    }
    let flagged = flag_names(SystemFlags::FLAGGED, &["k"]);
    let some = [&small, &large, &exact].map(|m| (m.clone(), flagged.clone()));
    client.append_all("INBOX", &some).unwrap();
    assert_eq!(files(), 4);
    let want = [
        &small, &below, &exact, &large, &small, &small, &large, &exact,
    ];
    let state = client.state().unwrap();
    let there: Vec<_> = state[0].messages.iter().map(|m| &m.octets).collect();
    assert_eq!(there, want);
    drop(store);
    verify(&temp.0, |p| panic!("{p}")).unwrap();
    assert!(Client::new(&temp.open(open_files()), 1).state().unwrap() == state);
    rebuild(&temp.0).unwrap();
    assert!(Client::new(&temp.open(open_files()), 1).state().unwrap() == state);
}

/// A mailbox that goes while the message is written.
#[test]
fn a_large_message_that_is_refused_leaves_nothing() {
    let temp = Temp::new();
    let store = temp.open_large(open_files());
    let client = Client::new(&store, 1);
    client.create("goes").unwrap();
    let large = vec![b'l'; 150_000];
    let upload = client.upload("goes", &large).unwrap();
    client.delete("goes").unwrap();
    let refused = client.commit("goes", &[upload], &flag_names(SystemFlags(0), &[]));
    assert_eq!(refused.unwrap_err().kind, ErrorKind::NonExistent);
    client.append("INBOX", b"next").unwrap();
    client.append("INBOX", &large).unwrap();
    let state = client.state().unwrap();
    drop(store);
    let octets = |n: u64| {
        temp.0
            .join(format!("packs/{n:016x}.pack"))
            .metadata()
            .unwrap()
            .len()
    };
    assert!(octets(1) < 1000, "{}", octets(1));
    verify(&temp.0, |p| panic!("{p}")).unwrap();
    rebuild(&temp.0).unwrap();
    assert!(Client::new(&temp.open(open_files()), 1).state().unwrap() == state);
}

/// While a large message is on its way to the disk, and however long that takes, others change what they like.
#[test]
fn a_large_message_keeps_nobody_waiting() {
    let temp = Temp::new();
    let (gate, closed) = (Arc::new(Mutex::new(())), Arc::new(AtomicU64::new(0)));
    let (files, its, reached) = (open_files(), gate.clone(), closed.clone());
    let slow: Opener = Arc::new(move |path: &Path, new| {
        if path.extension().is_some_and(|e| e == "new") {
            reached.fetch_add(1, Relaxed);
            drop(its.lock().unwrap());
        }
        files(path, new)
    });
    let store = temp.open_large(slow);
    let others = Client::new(&store, 2);
    others.append("INBOX", b"before").unwrap();
    let large = &vec![b'l'; 150_000];
    std::thread::scope(|scope| {
        let shut = gate.lock().unwrap();
        let client = Client::new(&store, 1);
        let storing = scope.spawn(move || client.append("INBOX", large));
        while closed.load(Relaxed) == 0 {
            std::thread::yield_now();
        }
        others.append("INBOX", b"meanwhile").unwrap();
        others.create("made meanwhile").unwrap();
        assert!(!storing.is_finished());
        drop(shut);
        storing.join().unwrap().unwrap();
    });
    assert_eq!(
        Client::new(&store, 1).state().unwrap()[0].messages[0].octets,
        *large
    );
}

/// What a crash left of a segment that was being made.
#[test]
fn unfinished_segments_are_removed() {
    let temp = Temp::new();
    drop(temp.open(open_files()));
    let left = temp.0.join("packs/0000000000000007.new");
    std::fs::write(&left, b"PBXS").unwrap();
    drop(temp.open(open_files()));
    assert!(!left.exists());
}

const LARGE: u64 = 1500;
