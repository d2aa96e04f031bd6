//! What the children do with a store while they are recorded. They say in the recording what was acknowledged.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pillarbox_core::effect::{ErrorKind, FlagOp, StoreError};
use pillarbox_core::flag::{FlagNames, SystemFlags};
use pillarbox_core::set::UidSet;
use pillarbox_store::conformance::{Answer, Client, Model, Waiting, flag_names};
use pillarbox_store::{Embedded, Leave, Options};

use crate::known::{BRIEF, RING, RING_SIZE, SHARED};
use crate::random::Random;

/// What a child is told.
#[derive(Clone, Copy, Debug)]
pub struct Task {
    pub seed: u64,
    pub steps: u32,
    /// The disk fails now and then.
    pub faults: bool,
}

impl Task {
    /// The accounts that follow a model.
    pub fn models(self) -> [u64; 3] {
        [1, 2, 3].map(|n| self.seed * 10 + n)
    }
}

pub fn options() -> Options {
    let mut options = Options::default();
    options.reserve = 64 << 10;
    // Room is given back all the time.
    options.segment = 48 << 10;
    options.large = 20_000;
    options.view_grace = Duration::ZERO;
    options.upkeep = Duration::from_millis(1);
    options
}

/// A child's surroundings: a folder with the store, and two files that the recorder listens to.
pub struct Child {
    pub root: PathBuf,
    marks: Mutex<File>,
    control: Mutex<File>,
}

impl Child {
    pub fn new(root: &Path) -> Self {
        let file = |name: &str| Mutex::new(File::create(root.join(name)).unwrap());
        Self {
            root: root.to_owned(),
            marks: file("marks"),
            control: file("control"),
        }
    }

    pub fn store(&self) -> PathBuf {
        self.root.join("store")
    }

    pub fn say(&self, line: &str) {
        let mut marks = self.marks.lock().unwrap();
        marks.write_all(line.as_bytes()).unwrap();
    }

    /// Orders a fault; see the recorder.
    pub fn order(&self, line: &str) {
        let mut control = self.control.lock().unwrap();
        control.write_all(line.as_bytes()).unwrap();
    }

    pub fn hits(&self) -> u64 {
        self.root.join("hits").metadata().map_or(0, |m| m.len())
    }
}

/// The store is opened and closed twice with much work between.
pub fn work(child: &Child, task: Task) {
    let mut models = task.models().map(Model::new);
    for half in 0..2 {
        child.order("off");
        let mut options = options();
        if half == 1 {
            // So that mail comes in again soon after a fault.
            options.reserve = 0;
        }
        let store = Embedded::open(child.store(), options).unwrap();
        if half == 0 {
            make_ring(Client::new(&store, RING));
            child.say("ring");
        } else {
            look_for_last(child, Client::new(&store, BRIEF));
        }
        let (store, done) = (&store, &AtomicBool::new(false));
        std::thread::scope(|scope| {
            let follow = models.iter_mut().zip(task.models());
            let mut running: Vec<_> = follow
                .map(|(model, account)| {
                    let client = Client::new(store, account);
                    scope.spawn(move || follow_model(child, client, model, account, task))
                })
                .collect();
            for thread in 0..2 {
                let name = format!("{half}-{thread}");
                let random = Random::new(task.seed * 100 + half * 10 + thread);
                let client = Client::new(store, SHARED);
                let (ring, mut other) = (Client::new(store, RING), random.clone().fork());
                let (brief, its) = (Client::new(store, BRIEF), name.clone());
                running.push(scope.spawn(move || pass_by(child, brief, &its, task)));
                running.push(scope.spawn(move || pour(child, client, &name, random, task)));
                running.push(scope.spawn(move || turn(ring, &mut other, task)));
            }
            scope.spawn(move || observe(child, store, task, done));
            running.into_iter().for_each(|r| r.join().unwrap());
            child.order("off");
            let name = format!("{half}-end");
            pass_by(child, Client::new(store, BRIEF), &name, task);
            done.store(true, Ordering::Relaxed);
        });
        if task.faults && half == 0 {
            child.order(LAST_FAULTS[task.seed as usize % LAST_FAULTS.len()]);
            let refused = Client::new(store, BRIEF).append("INBOX", &mail(LAST, 0));
            refused.inspect_err(|e| allow(e, task)).ok();
        }
    }
}

/// What was refused when the store was closed may be there when it is opened again. Whoever sees it must not miss it later.
fn look_for_last(child: &Child, client: Client<'_>) {
    let opened = client.examine("INBOX").unwrap();
    if let Some(uid) = opened.uids.last()
        && client.body(opened.mailbox, uid).unwrap() == mail(LAST, 0)
    {
        child.say(&format!("stays {} {LAST}/0", uid.get()));
    }
}

/// The last message before the store is closed, and what fails meanwhile and when it is closed.
const LAST: &str = "last-x1";
const LAST_FAULTS: [&str; 4] = [
    "s packs 0 1 5",
    "s -wal 0 1 5",
    "s index.sqlite$ 0 1 5",
    "b packs 0 4 5",
];

/// The store is closed and opened again and again, and each time the last thing before was refused by the disk in one of the ways.
pub fn refuse(child: &Child, task: Task) {
    let task = Task {
        steps: 2,
        faults: true,
        ..task
    };
    for round in 0..3 {
        for fault in LAST_FAULTS {
            child.order("off");
            let store = Embedded::open(child.store(), options()).unwrap();
            let brief = Client::new(&store, BRIEF);
            look_for_last(child, brief);
            // Every other time what was found is all that there is of it.
            if round % 2 == 0 {
                pass_by(child, brief, &format!("refuse-{round}"), task);
            }
            child.order(fault);
            let refused = brief.append("INBOX", &mail(LAST, 0));
            refused.inspect_err(|e| allow(e, task)).ok();
        }
    }
    child.order("off");
    let store = Embedded::open(child.store(), options()).unwrap();
    look_for_last(child, Client::new(&store, BRIEF));
}

/// The index's log is brought into the database at the second try: by the same store, or by the one that is opened next.
pub fn log(child: &Child, task: Task) {
    let task = Task {
        steps: 2,
        faults: true,
        ..task
    };
    let mut store = Embedded::open(child.store(), options()).unwrap();
    let fault = "s -wal 0 1 5";
    for round in 0..8 {
        let name = format!("log-{round}");
        // The log gets long: what is lost of it must be more than the pages that each transaction changes.
        let (client, random) = (Client::new(&store, SHARED), Random::new(task.seed + round));
        pour(child, client, &name, random, Task { steps: 16, ..task });
        if round % 3 < 2 {
            pass_by_until_hit(child, &store, fault, &name, task);
            // No segment goes before all of the log is in the database.
            let then = format!("{name}-then");
            pass_by_until_hit(child, &store, "u packs 0 1 5", &then, task);
        } else {
            pass_by(child, Client::new(&store, BRIEF), &name, task);
            for fault in [fault, "off"] {
                child.order(fault);
                drop(store);
                store = Embedded::open(child.store(), options()).unwrap();
            }
        }
        child.order("off");
    }
}

/// The database has no room for what the index's log brings, from one of its writes on, and everything else has: nobody is refused, and no segment
/// goes. When there is room again they do.
pub fn full(child: &Child, task: Task) {
    let task = Task { steps: 2, ..task };
    let store = Embedded::open(child.store(), options()).unwrap();
    let client = Client::new(&store, BRIEF);
    for (round, kind) in ["w", "W"].repeat(5).into_iter().enumerate() {
        let name = format!("full-{round}");
        let random = Random::new(task.seed + round as u64);
        let long = Task { steps: 8, ..task };
        pour(child, Client::new(&store, SHARED), &name, random, long);
        let uid = client.append("INBOX", &mail(&name, 0)).unwrap();
        let fault = format!("{kind} index.sqlite$ {} 1000000 28", round / 2);
        pass_by_until_hit(child, &store, &fault, &name, task);
        remove(child, client, [uid].into_iter().collect()).unwrap();
        // What is tried again takes none of the room that is left.
        wait_for_hits(child, 2);
        let (log, before) = (child.store().join("index.sqlite-wal"), segments(child));
        let octets = || log.metadata().unwrap().len();
        let length = octets();
        wait_for_hits(child, 4);
        assert_eq!((segments(child), octets()), (before, length), "{fault}");
        child.order("off");
        while segments(child) >= before {
            std::thread::yield_now();
        }
    }
}

fn wait_for_hits(child: &Child, more: u64) {
    let before = child.hits();
    while child.hits() < before + more {
        std::thread::yield_now();
    }
}

fn segments(child: &Child) -> usize {
    std::fs::read_dir(child.store().join("packs"))
        .unwrap()
        .count()
}

/// The fault strikes what the store does of itself; mail comes until there is something to do.
fn pass_by_until_hit(child: &Child, store: &Embedded, fault: &str, name: &str, task: Task) {
    let client = Client::new(store, BRIEF);
    let before = child.hits();
    child.order(fault);
    for n in 0.. {
        let end = Instant::now() + Duration::from_millis(200);
        while child.hits() == before && Instant::now() < end {
            std::thread::yield_now();
        }
        if child.hits() > before {
            return;
        }
        pass_by(child, client, &format!("{name}-{n}"), task);
    }
}

/// Messages come one after the other, nobody reads meanwhile and nothing is done besides: all that is acknowledged waits for the index.
pub fn burst(child: &Child, task: Task) {
    let mut options = options();
    options.reserve = 512 << 10;
    burst_in(child, task, &options, 0);
}

/// The same from threads that may wait for the disk, and write themselves what is small.
pub fn in_place(child: &Child, task: Task) {
    let mut options = options();
    options.reserve = 4 << 20;
    // Fewer segments: where one begins nothing is written in place.
    options.segment = 1 << 20;
    let in_place = burst_in(child, task, &options, 1);
    assert!(
        in_place > 100,
        "{in_place} were written in place: this tests nothing"
    );
}

/// How many messages were written by the threads that brought them.
fn burst_in(child: &Child, task: Task, options: &Options, leave: usize) -> u64 {
    let faults = true;
    let task = Task { faults, ..task };
    let mut options = options.clone();
    options.upkeep = Duration::from_secs(3600);
    let mut in_place = 0;
    for round in 0..6 {
        child.order("off");
        let store = Embedded::open(child.store(), options.clone()).unwrap();
        let store = Waiting::new(store, Leave::new(leave, || {}));
        std::thread::scope(|scope| {
            for thread in 0..1 + round % 2 {
                let random = Random::new(task.seed * 100 + round * 10 + thread);
                let (client, name) = (Client::new(&store, SHARED), format!("{round}-{thread}"));
                scope.spawn(move || pour_alone(child, client, &name, random, task));
            }
        });
        if round < 3 {
            child.order("off");
            look(child, store.store(), task);
        }
        in_place += store.in_place();
    }
    in_place
}

fn pour_alone(child: &Child, client: Client<'_>, name: &str, mut random: Random, task: Task) {
    for n in 0..3 * task.steps {
        if random.below(8) == 0 {
            child.order(BURST_FAULTS[random.below(BURST_FAULTS.len() as u64) as usize]);
        }
        let key = format!("{name}-{n}x1");
        match client.append("INBOX", &mail(&key, 0)) {
            Ok(uid) => child.say(&format!("kept {name} {key} {}", uid.get())),
            Err(e) => {
                allow(&e, task);
                child.say(&format!("refused {name} {key}"));
            }
        }
    }
}

const BURST_FAULTS: [&str; 8] = [
    "off",
    "s packs 0 1 5",
    "w packs 0 1 5",
    "b packs 0 4 5",
    "w -wal 0 1 5",
    "w -wal 1 2 5",
    "h -wal 2 1 5",
    "w -wal 0 1000000 5",
];

/// What is done after a crash before the next one.
pub fn recover(child: &Child, task: Task) {
    let store = Embedded::open(child.store(), options()).unwrap();
    look(child, &store, task);
    let name = format!("again-{}", task.seed);
    pour(
        child,
        Client::new(&store, SHARED),
        &name,
        Random::new(task.seed),
        task,
    );
    look(child, &store, task);
}

fn follow_model(child: &Child, client: Client<'_>, model: &mut Model, account: u64, task: Task) {
    let mut random = Random::new(account);
    for _ in 0..task.steps {
        if task.faults && random.below(4) == 0 {
            child.order(FAULTS[random.below(FAULTS.len() as u64) as usize]);
        }
        match model.attempt(client) {
            Ok(()) => child.say(&format!("did {account}")),
            Err(e) => {
                allow(&e, task);
                child.say(&format!("failed {account}"));
            }
        }
    }
}

/// What a failing disk may be answered with.
fn allow(e: &StoreError, task: Task) {
    let fits = matches!(e.kind, ErrorKind::Unavailable | ErrorKind::OverQuota);
    assert!(task.faults && fits, "answered {e:?}");
}

pub fn pour(child: &Child, client: Client<'_>, name: &str, mut random: Random, task: Task) {
    for n in 0..task.steps {
        let key = format!("{name}-{n}x{}", 1 + random.below(3));
        let new = |part| (mail(&key, part), FlagNames::default());
        let messages: Vec<_> = (0..parts(&key)).map(new).collect();
        match client.append_all("INBOX", &messages) {
            Ok(done) => {
                let uids: Vec<String> = done.uids.iter().map(|u| u.get().to_string()).collect();
                child.say(&format!("kept {name} {key} {}", uids.join(" ")));
            }
            Err(e) => {
                allow(&e, task);
                child.say(&format!("refused {name} {key}"));
            }
        }
    }
}

/// Mail comes and most of it goes at once, so that there is room to give back.
pub fn pass_by(child: &Child, client: Client<'_>, name: &str, task: Task) {
    for n in 0..task.steps {
        let key = format!("{name}-{n}x4");
        let messages: Vec<_> = (0..4)
            .map(|part| (mail(&key, part), FlagNames::default()))
            .collect();
        let done = client.append_all("INBOX", &messages).and_then(|done| {
            let uids: Vec<u32> = done.uids.iter().map(|u| u.get()).collect();
            let stays = if n % 2 == 0 { 1 } else { 0 };
            for (uid, part) in uids.iter().zip(0..stays) {
                child.say(&format!("stays {uid} {key}/{part}"));
            }
            let going = UidSet::from_ranges(uids[stays..].iter().map(|n| (*n, *n)));
            remove(child, client, going)
        });
        if let Err(e) = done {
            allow(&e, task);
        }
    }
}

fn remove(child: &Child, client: Client<'_>, going: UidSet) -> Answer<()> {
    let inbox = client.examine("INBOX")?.mailbox;
    let deleted = flag_names(SystemFlags::DELETED, &[]);
    client.set(inbox, going.clone(), FlagOp::Add, deleted, None)?;
    client.expunge(inbox, going.clone())?;
    for (first, last) in going.ranges() {
        child.say(&format!("went {first} {last}"));
    }
    Ok(())
}

/// How many messages belong together.
pub fn parts(key: &str) -> usize {
    key.split_once('x').map_or(1, |(_, n)| n.parse().unwrap())
}

/// Small, longer than a block of a pack, and longer than what is kept in memory.
pub fn mail(key: &str, part: usize) -> Vec<u8> {
    let sum = key
        .bytes()
        .fold(part, |n, b| n * 31 % 1009 + usize::from(b));
    let lines = match sum % 40 {
        1 => 9000,
        2 | 3 => 2500,
        n => n * 3,
    };
    let mut octets = format!("Subject: {key}/{part}\r\n\r\n").into_bytes();
    for line in 0..lines {
        octets.extend_from_slice(format!("{line} of {key}, part {part}\r\n").as_bytes());
    }
    octets
}

fn make_ring(client: Client<'_>) {
    client.create("r1").unwrap();
    client.create("r2").unwrap();
    for n in 0..RING_SIZE {
        client
            .append("INBOX", &mail(&format!("ring-{n}"), 0))
            .unwrap();
    }
}

fn turn(client: Client<'_>, random: &mut Random, task: Task) {
    let names = ["INBOX", "r1", "r2"];
    for _ in 0..task.steps {
        let from = random.below(3) as usize;
        let to = names[(from + 1 + random.below(2) as usize) % 3];
        if let Err(e) = move_some(client, names[from], to, random.below(100)) {
            allow(&e, task);
        }
    }
}

fn move_some(client: Client<'_>, from: &str, to: &str, at: u64) -> Answer<()> {
    let opened = client.examine(from)?;
    let uids: Vec<_> = opened.uids.iter().collect();
    if uids.is_empty() {
        return Ok(());
    }
    let first = uids[at as usize % uids.len()];
    let some = UidSet::from_ranges([(first.get(), first.get().saturating_add(2))]);
    client.relocate(opened.mailbox, some, to).map(drop)
}

/// What anybody saw of a mailbox must be true after a crash too.
fn observe(child: &Child, store: &Embedded, task: Task, done: &AtomicBool) {
    while !done.load(Ordering::Relaxed) {
        look(child, store, task);
    }
}

fn look(child: &Child, store: &Embedded, task: Task) {
    for account in task.models().into_iter().chain([SHARED, RING, BRIEF]) {
        let rows = match Client::new(store, account).list() {
            Ok(rows) => rows,
            Err(e) => {
                allow(&e, task);
                continue;
            }
        };
        for row in rows {
            if let Ok(s) = Client::new(store, account).status(row.name.as_str()) {
                let counters = (s.uid_validity.0, s.uid_next, s.highest_modseq.0);
                let (validity, next, modseq) = counters;
                let name = row.name.as_str();
                child.say(&format!(
                    "seen {account} {} {validity} {next} {modseq} {name}",
                    s.id.0
                ));
            }
        }
    }
}

/// Faults that are ordered while much is going on: see the recorder.
const FAULTS: [&str; 18] = [
    "s packs 0 1 5",
    "s packs 1 1 5",
    "s packs 0 2 5",
    "s packs/ 0 1 28",
    "w packs 0 1 28",
    "h packs 0 1 28",
    "w packs 1 1 5",
    "w -wal 2 1 28",
    "h -wal 3 1 5",
    "o packs 0 1 28",
    "u packs 0 1 5",
    "r packs 2 1 5",
    "b packs 0 4 5",
    "s -wal 0 1 5",
    "s index.sqlite$ 0 1 5",
    "w index.sqlite$ 0 1000000 28",
    "W index.sqlite$ 3 1 28",
    "q 40000",
];
