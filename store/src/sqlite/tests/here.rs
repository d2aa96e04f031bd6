//! Small messages that are written by the thread that brings them, when it may wait: who writes, who is kept waiting, and who hears of it.

mod desk;
mod faults;
mod told;

use std::thread;
use std::time::Instant;

use pillarbox_core::effect::{Committed, FlagOp, StoreError, UploadCommit};
use pillarbox_core::id::{Uid, UploadId};
use pillarbox_core::set::UidSet;

use super::lag::{commit, look};
use super::*;
use crate::conformance::Waiting;
use crate::contract::Leave;
use crate::sync::{Condvar, PoisonError};

/// What becomes of a pack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    Write,
    Sync,
    Cut,
    /// The reply to what was written.
    Answer,
}

/// A pack that asks before each step. Nobody's power goes here: a sync is what this says.
struct Hooked<H> {
    file: Box<dyn Output>,
    hook: Arc<H>,
}

impl<H: Fn(Step) -> io::Result<()> + Send + Sync> Output for Hooked<H> {
    fn write(&self, octets: &[u8], at: u64) -> io::Result<()> {
        if let Err(e) = (self.hook)(Step::Write) {
            self.file.write(&octets[..octets.len() / 2], at)?;
            return Err(e);
        }
        self.file.write(octets, at)
    }

    fn sync(&self) -> io::Result<()> {
        (self.hook)(Step::Sync)
    }

    fn cut(&self, len: u64) -> io::Result<()> {
        (self.hook)(Step::Cut)?;
        self.file.cut(len)
    }
}

fn hooked(hook: impl Fn(Step) -> io::Result<()> + Send + Sync + 'static) -> Opener {
    let (files, hook) = (open_files(), Arc::new(hook));
    Arc::new(move |path: &Path, new| {
        let (file, hook) = (files(path, new)?, hook.clone());
        Ok(Box::new(Hooked { file, hook }))
    })
}

/// Whether the present thread is none of the store's.
fn is_guest() -> bool {
    thread::current()
        .name()
        .is_none_or(|name| !name.starts_with("pillarbox-"))
}

/// Where threads are held, one as well as many.
#[derive(Default)]
struct Gate {
    state: Mutex<Held>,
    changed: Condvar,
}

#[derive(Default)]
struct Held {
    shut: bool,
    waiting: usize,
}

impl Gate {
    fn shut(&self) {
        lock(&self.state).shut = true;
    }

    fn open(&self) {
        lock(&self.state).shut = false;
        self.changed.notify_all();
    }

    fn pass(&self) {
        lock(&self.state).waiting += 1;
        self.changed.notify_all();
        self.wait("the gate is opened", |held| !held.shut);
        lock(&self.state).waiting -= 1;
    }

    fn is_reached(&self) -> bool {
        let held = lock(&self.state);
        held.shut && held.waiting > 0
    }

    fn wait_until_reached(&self) {
        self.wait("the gate is reached", |held| held.waiting > 0);
    }

    fn wait(&self, what: &str, until: impl Fn(&Held) -> bool) {
        let (mut held, end) = (lock(&self.state), deadline());
        while !until(&held) {
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{what}");
            let woken = self.changed.wait_timeout(held, left);
            held = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Long enough for a machine that is busy.
const SOON: Duration = Duration::from_secs(30);

fn deadline() -> Instant {
    Instant::now() + SOON
}

fn waiting(temp: &Temp, opener: Opener) -> Waiting<Embedded> {
    Waiting::new(temp.open_lagging(opener), Leave::new(1, || {}))
}

/// Appends to account 1 until a message was written in place.
fn until_here(store: &Waiting<Embedded>) {
    let (before, end) = (store.in_place(), deadline());
    while store.in_place() == before {
        Client::new(store, 1).append("INBOX", b"x").unwrap();
        assert!(Instant::now() < end, "none is written in place");
    }
}

type Answered = mpsc::Receiver<Result<Committed, StoreError>>;

/// Brings one message and does not wait for the reply.
fn send(store: &dyn Backend, octets: &[u8], answered: impl FnOnce() + Send + 'static) -> Answered {
    let client = Client::new(store, 1);
    let upload = client.upload("INBOX", octets).unwrap();
    let (send, reply) = mpsc::channel();
    let effect = Call::detached(commit(client, upload)).into();
    store.submit(Job::new(effect, move |reply| {
        answered();
        let _ = send.send(reply.into_result::<UploadCommit>().unwrap());
    }));
    reply
}

/// Its octets are on the disk, and then the answer is there, before the call returns.
#[test]
fn a_thread_that_may_wait_writes_its_message_itself() {
    let temp = Temp::new();
    let (steps, text) = (
        Arc::new(Mutex::new(Vec::new())),
        Arc::new(Mutex::new(Vec::new())),
    );
    let (its, noted, wanted) = (steps.clone(), steps.clone(), text.clone());
    let pack = temp.0.join("packs/0000000000000000.pack");
    let opener = hooked(move |step| {
        // Not when the writer syncs: it has to be quick.
        let is_there = step == Step::Sync && is_guest() && {
            let (written, text) = (std::fs::read(&pack)?, lock(&wanted));
            written.windows(text.len()).any(|w| w == &text[..])
        };
        lock(&its).push((thread::current().id(), step, is_there));
        Ok(())
    });
    let store = waiting(&temp, opener);
    let end = deadline();
    for n in 0.. {
        let (noted, before) = (noted.clone(), store.in_place());
        let octets = format!("the {n}th of them");
        lock(&steps).clear();
        octets.as_bytes().clone_into(&mut lock(&text));
        let reply = send(&store, octets.as_bytes(), move || {
            lock(&noted).push((thread::current().id(), Step::Answer, true));
        });
        if store.in_place() > before {
            reply.try_recv().expect("it is answered by now").unwrap();
            break;
        }
        reply.recv_timeout(SOON).unwrap().unwrap();
        assert!(Instant::now() < end, "none is written in place");
    }
    let mine = thread::current().id();
    let want = [
        (Step::Write, false),
        (Step::Sync, true),
        (Step::Answer, true),
    ];
    assert_eq!(*lock(&steps), want.map(|(step, there)| (mine, step, there)));
}

/// An event loop that must not wait.
#[test]
fn a_thread_without_leave_never_waits() {
    let temp = Temp::new();
    let (gate, mine) = (Arc::new(Gate::default()), Arc::new(AtomicU64::new(0)));
    let (held, count, me) = (gate.clone(), mine.clone(), thread::current().id());
    let store = waiting(
        &temp,
        hooked(move |step| {
            if thread::current().id() == me {
                count.fetch_add(1, Relaxed);
            } else if step == Step::Sync {
                held.pass();
            }
            Ok(())
        }),
    );
    for _ in 0..20 {
        until_here(&store);
        let before = mine.load(Relaxed);
        let plain = Client::new(store.store(), 1);
        plain.append("INBOX", b"x").unwrap();
        gate.shut();
        let reply = send(store.store(), b"x", || ());
        gate.wait_until_reached();
        assert!(reply.try_recv().is_err(), "it is not durable yet");
        gate.open();
        reply.recv_timeout(SOON).unwrap().unwrap();
        assert_eq!(mine.load(Relaxed), before);
    }
}

/// However much leave there is.
#[test]
fn what_is_no_small_message_alone_is_left_to_the_writer() {
    let temp = Temp::new();
    let mine = Arc::new(AtomicU64::new(0));
    let (count, me) = (mine.clone(), thread::current().id());
    let opener = hooked(move |_| {
        count.fetch_add(u64::from(thread::current().id() == me), Relaxed);
        Ok(())
    });
    let store = waiting(&temp, opener);
    let client = Client::new(&store, 1);
    client.create("other").unwrap();
    let inbox = client.examine("INBOX").unwrap().mailbox;
    let flags = flag_names(SystemFlags::FLAGGED, &[]);
    let two = [b"one", b"two"].map(|m| (m.to_vec(), flags.clone()));
    for n in 0..10 {
        for what in 0..7 {
            until_here(&store);
            let (before, some) = (mine.load(Relaxed), UidSet::from_ranges([(1, 1 + what)]));
            match what {
                0 => drop(client.append_all("INBOX", &two).unwrap()),
                1 => drop(client.append("INBOX", &[b'x'; 70_000]).unwrap()),
                2 => drop(client.append("INBOX", &[b'x'; 2 * IN_MEMORY]).unwrap()),
                3 => drop(
                    client
                        .set(inbox, some, FlagOp::Add, flags.clone(), None)
                        .unwrap(),
                ),
                4 => drop(client.copy(inbox, some, "other").unwrap()),
                5 => drop(client.create(&format!("{n}")).unwrap()),
                _ => drop(client.examine("INBOX").unwrap()),
            }
            assert_eq!(mine.load(Relaxed), before, "{what}");
        }
    }
}

/// What comes while somebody waits for the disk: its thread is not kept, and it has its turn as soon as the disk has answered.
#[test]
fn while_one_waits_others_leave_their_messages() {
    let temp = Temp::new();
    let gate = Arc::new(Gate::default());
    let held = gate.clone();
    let opener = hooked(move |step| {
        if step == Step::Sync && is_guest() {
            held.pass();
        }
        Ok(())
    });
    let store = &waiting(&temp, opener);
    for _ in 0..10 {
        until_here(store);
        thread::scope(|scope| {
            gate.shut();
            let first = scope.spawn(move || until_here(store));
            gate.wait_until_reached();
            let second = send(store, b"second", || ());
            let third = send(store.store(), b"third", || ());
            assert!(second.try_recv().is_err() && third.try_recv().is_err());
            assert!(gate.is_reached());
            gate.open();
            for reply in [second, third] {
                reply.recv_timeout(SOON).unwrap().unwrap();
            }
            first.join().unwrap();
        });
    }
}

/// The runtime has one thread to spare, whatever stores it asks.
#[test]
fn stores_that_share_a_leave_do_not_keep_two_threads() {
    let gate = Arc::new(Gate::default());
    let leave = Leave::new(1, || {});
    let temps = [Temp::new(), Temp::new()];
    let [one, two] = &temps.each_ref().map(|temp| {
        let held = gate.clone();
        let opener = hooked(move |step| {
            if step == Step::Sync && is_guest() {
                held.pass();
            }
            Ok(())
        });
        Waiting::new(temp.open_lagging(opener), leave.clone())
    });
    until_here(one);
    until_here(two);
    thread::scope(|scope| {
        gate.shut();
        let first = scope.spawn(move || until_here(one));
        gate.wait_until_reached();
        let before = two.in_place();
        for _ in 0..100 {
            Client::new(two, 1).append("INBOX", b"x").unwrap();
        }
        assert_eq!(two.in_place(), before);
        assert!(gate.is_reached());
        gate.open();
        first.join().unwrap();
    });
    until_here(two);
}

/// Without room set aside nothing is acknowledged before the index has it, and that is not done in place.
#[test]
fn without_a_reserve_nobody_writes_in_place() {
    let temp = Temp::new();
    let store = Waiting::new(temp.open(hooked(|_| Ok(()))), Leave::new(1, || {}));
    for _ in 0..500 {
        Client::new(&store, 1).append("INBOX", b"x").unwrap();
    }
    assert_eq!(store.in_place(), 0);
}

/// Each message is brought by who hears of the one before, on a thread that has little room for calls within calls.
#[test]
fn a_chain_of_answers_needs_no_stack() {
    const LENGTH: usize = 5000;
    let temp = Temp::new();
    let store = &Arc::new(waiting(&temp, hooked(|_| Ok(()))));
    let client = Client::new(&**store, 1);
    let uploads: Vec<_> = (0..LENGTH)
        .map(|_| client.upload("INBOX", b"x").unwrap())
        .collect();
    let (ended, end) = mpsc::channel();
    thread::scope(|scope| {
        let small = thread::Builder::new().stack_size(256 << 10);
        let begin = move || {
            until_here(store);
            next(store, uploads, &ended);
        };
        small.spawn_scoped(scope, begin).unwrap();
    });
    end.recv_timeout(Duration::from_secs(120)).unwrap();
    let there = client.status("INBOX").unwrap().messages;
    assert!(there > LENGTH as u64);
}

fn next(store: &Arc<Waiting<Embedded>>, mut left: Vec<UploadId>, ended: &mpsc::Sender<()>) {
    let Some(upload) = left.pop() else {
        return ended.send(()).unwrap();
    };
    let effect = Call::detached(commit(Client::new(&**store, 1), upload)).into();
    let (again, ended) = (Arc::downgrade(store), ended.clone());
    store.submit(Job::new(effect, move |reply| {
        reply.into_result::<UploadCommit>().unwrap().unwrap();
        next(&again.upgrade().unwrap(), left, &ended);
    }));
}

/// What the index lacks is brought into it, and its own log into the database.
#[test]
fn a_store_that_is_closed_at_once_is_whole() {
    for _ in 0..10 {
        let temp = Temp::new();
        let store = waiting(&temp, open_files());
        let quick = until_quick(&store);
        drop(store);
        for suffix in ["-wal", "-shm"] {
            let left = temp.0.join(format!("index.sqlite{suffix}"));
            assert!(!left.exists(), "{}", left.display());
        }
        let verified = verify(&temp.0, |p| panic!("{p}")).unwrap();
        assert_eq!(verified.messages, quick);
    }
}

/// The same on a real disk, which may be a slow one: messages until one was written in place, or many were not.
fn until_quick(store: &Waiting<Embedded>) -> u64 {
    let many = 300;
    for n in 1..=many {
        Client::new(store, 1).append("INBOX", b"x").unwrap();
        if store.in_place() > 0 {
            return n;
        }
    }
    many
}
