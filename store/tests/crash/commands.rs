//! Crashes inside what is done to a whole store at once: the room given back, the index made anew, an old format brought to the present one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use pillarbox_core::effect::FlagOp;
use pillarbox_core::flag::SystemFlags;
use pillarbox_core::set::UidSet;
use pillarbox_store::conformance::{Client, Model, flag_names};
use pillarbox_store::{Embedded, OpenError, Options, compact, rebuild};

use crate::crashes::{Recording, examine_all, keep_if_found, write_store};
use crate::disk::{Image, Syncs};
use crate::known::{Known, SHARED};
use crate::log::Step;
use crate::process::{Place, STORES, run};
use crate::random::Random;
use crate::work::{Child, Task, options, pour};

/// What is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command {
    Compact,
    Rebuild,
    /// Of a store of this format.
    Upgrade(u32),
}

impl Command {
    /// What a child is told.
    fn word(self) -> &'static str {
        match self {
            Self::Compact => "compact",
            Self::Rebuild => "rebuild",
            Self::Upgrade(_) => "upgrade",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        let all = [Self::Compact, Self::Rebuild, Self::Upgrade(0)];
        all.into_iter().find(|c| c.word() == word)
    }

    /// Does it, once.
    pub fn run(self, store: &Path) -> Result<(), OpenError> {
        match self {
            Self::Compact => compact(store).map(drop),
            Self::Rebuild => rebuild(store).map(drop),
            Self::Upgrade(_) => Embedded::open(store, usual()).map(drop),
        }
    }

    /// Whether the packs alone say all that there is: those of the first format did not tell of flags.
    pub fn has_all_in_packs(self) -> bool {
        self != Self::Upgrade(1)
    }
}

/// The child: it is done while the disk fails once, when that is asked for, and then to its end; mail comes afterwards.
pub fn child(child: &Child, command: Command, task: Task) {
    if let Ok(fault) = std::fs::read_to_string(child.root.join("fault")) {
        child.order(&fault);
        match command.run(&child.store()) {
            Ok(()) | Err(OpenError::Io { .. } | OpenError::Full(_) | OpenError::Unusable(_)) => {}
            Err(e) => panic!("{fault}: {e:?}"),
        }
        child.order("off");
    }
    command.run(&child.store()).unwrap();
    child.say(DONE);
    let store = Embedded::open(child.store(), options()).unwrap();
    let client = Client::new(&store, SHARED);
    pour(child, client, "after", Random::new(task.seed), task);
}

/// What a child says when it comes to what is not the command any more.
const DONE: &str = "done";

/// What crashes show inside a command: on a good disk, and on some that fail once before.
pub fn find(command: Command, seed: u64, crashes: usize) -> Vec<String> {
    let place = Place::new(&format!("{command:?}-{seed}"));
    let (start, known) = start(command, &place, seed);
    let good = record(command, seed, "", &start, &place);
    let what = format!("{command:?},");
    let mut found = examine_all(&good, &known, crashes, &place, &what);
    if command == Command::Rebuild {
        found.extend(out_of_order(&good.steps));
    }
    if let Command::Upgrade(1..=2) = command {
        found.extend(backup_is_late(&good.steps));
    }
    let (faults, mut struck) = (faults(&good.steps, seed), 0);
    for fault in &faults {
        let bad = record(command, seed, fault, &start, &place);
        struck += usize::from(bad.root.join("hits").exists());
        let what = format!("{command:?} with fault {fault:?},");
        found.extend(examine_all(&bad, &known, crashes / 8, &place, &what));
    }
    println!(
        "{command:?} seed {seed}: {struck} of {} faults struck",
        faults.len()
    );
    assert!(struck * 2 > faults.len(), "{struck} faults struck");
    keep_if_found(place, Syncs::Honest, &found);
    found
}

/// The moments between an index's renames are too few to be met by chance: their order is looked at. One that takes a place is durable, each
/// rename is durable before the next, and no index is without its own log.
fn out_of_order(steps: &[Step]) -> Vec<String> {
    let (mut open, mut written, mut loose) = (BTreeMap::new(), BTreeSet::new(), None);
    let (mut renames, mut found) = (Vec::new(), Vec::new());
    for step in steps {
        match step {
            Step::Open(fd, _, path) => drop(open.insert(*fd, path)),
            Step::Write(fd, ..) | Step::Length(fd, _) => written.extend(open.get(fd).copied()),
            Step::Sync(fd, true) => {
                written.retain(|path| open.get(fd) != Some(path));
                loose = loose
                    .filter(|path: &&PathBuf| path.parent() != open.get(fd).map(|p| p.as_path()));
            }
            Step::Rename(from, to) if from.to_string_lossy().contains("index") => {
                // What is shared of a log is made anew from it.
                let lasts = !from.to_string_lossy().ends_with("-shm");
                if lasts && written.contains(from) {
                    found.push(format!("{from:?} is renamed and not durable"));
                }
                if let Some(before) = loose.replace(to) {
                    found.push(format!(
                        "{to:?} gets its name before {before:?} has its own for ever"
                    ));
                }
                renames.push(from.extension().unwrap_or_default().to_string_lossy());
            }
            _ => {}
        }
    }
    let at = |name| renames.iter().position(|r| r == name);
    if let (Some(index), Some(log)) = (at("sqlite"), at("sqlite-wal"))
        && log < index
    {
        found.push("the log is set aside before its index".to_owned());
    }
    assert!(
        !renames.is_empty(),
        "no index was renamed: this tests nothing"
    );
    found
}

/// What is upgraded was copied before: the copy and its name are durable when the index's own log hears of the first change.
fn backup_is_late(steps: &[Step]) -> Option<String> {
    let (mut open, mut made) = (BTreeMap::new(), None);
    let (mut octets, mut name) = (false, false);
    for step in steps {
        match step {
            Step::Open(fd, _, path) => {
                if path
                    .extension()
                    .is_some_and(|e| e == "format-1" || e == "format-2")
                {
                    made = Some(path);
                }
                open.insert(*fd, path);
            }
            Step::Write(fd, ..) => match open.get(fd) {
                Some(path) if made == Some(*path) => (octets, name) = (false, false),
                Some(path) if made.is_some() && path.to_string_lossy().ends_with("-wal") => {
                    let late = !(octets && name);
                    return late.then(|| format!("{made:?} is not durable before the upgrade"));
                }
                _ => {}
            },
            Step::Sync(fd, true) => {
                octets |= made.is_some() && open.get(fd) == made.as_ref();
                let folder = made.and_then(|made| made.parent());
                name |= folder.is_some() && open.get(fd).map(|p| p.as_path()) == folder;
            }
            _ => {}
        }
    }
    panic!("no index was copied and changed: this tests nothing");
}

/// Failures of the disk, each at some place among those that there were of its kind.
fn faults(steps: &[Step], seed: u64) -> BTreeSet<String> {
    let is_done = |s: &Step| matches!(s, Step::Write(_, _, said) if said == DONE.as_bytes());
    let done = steps.iter().position(is_done).expect("it says so");
    let steps = &steps[..done];
    let of = |is: fn(&Step) -> bool| steps.iter().filter(|s| is(s)).count() as u64;
    let kinds = [
        ("s /", of(|s| matches!(s, Step::Sync(..))), 6, 5),
        ("s -wal", syncs_of_logs(steps), 4, 5),
        ("w /", of(|s| matches!(s, Step::Write(..))), 3, 5),
        ("h /", of(|s| matches!(s, Step::Write(..))), 3, 28),
        ("u /", of(|s| matches!(s, Step::Unlink(_))), 2, 5),
    ];
    let mut random = Random::new(seed);
    let mut faults = BTreeSet::new();
    for (kind, places, times, error) in kinds {
        for n in 0..times {
            let place = (n * places + random.below(places.max(1))) / times;
            faults.insert(format!("{kind} {place} 1 {error}"));
        }
    }
    faults
}

/// Of indexes' own: where a failed one matters long after.
fn syncs_of_logs(steps: &[Step]) -> u64 {
    let (mut logs, mut syncs) = (BTreeSet::new(), 0);
    for step in steps {
        match step {
            Step::Open(fd, _, path) if path.to_string_lossy().ends_with("-wal") => {
                logs.insert(*fd);
            }
            Step::Close(fd) => drop(logs.remove(fd)),
            Step::Sync(fd, _) if logs.contains(fd) => syncs += 1,
            _ => {}
        }
    }
    syncs
}

/// A child that does it; `fault`: how the disk fails, if it does.
fn record(command: Command, seed: u64, fault: &str, start: &Image, place: &Place) -> Recording {
    let root = place
        .0
        .join(format!("with-{}", fault.replace([' ', '/'], "-")));
    write_store(&root, start);
    if !fault.is_empty() {
        std::fs::write(root.join("fault"), fault).unwrap();
    }
    let task = Task {
        seed,
        steps: 3,
        faults: false,
    };
    Recording {
        steps: run(&root, command.word(), seed, task.steps, true),
        root,
        start: start.clone(),
        task,
        syncs: Syncs::Honest,
        again: Some(command),
        only_logs: false,
    }
}

/// A store on which there is something to do, and what is in it.
fn start(command: Command, place: &Place, seed: u64) -> (Image, Known) {
    let _open = STORES.read().unwrap();
    let root = place.0.join("start");
    std::fs::create_dir(&root).unwrap();
    let store = root.join("store");
    let in_use = match command {
        Command::Upgrade(format) => copy_golden(format, &store),
        _ => Some(live_in(&store, seed)),
    };
    let mut image = Image::from([("tmp".into(), None), ("store".into(), None)]);
    read_folder(&root, &store, &mut image);
    drop(in_use);
    let opened = Embedded::open(&store, usual()).unwrap();
    let accounts = if command == Command::Upgrade(1) {
        1..=1
    } else {
        1..=2
    };
    let state = |n| (n, Client::new(&opened, n).state().unwrap());
    let known = Known::of(accounts.map(state).collect());
    drop(opened);
    if command == Command::Rebuild && seed.is_multiple_of(2) {
        image.remove(Path::new("store/index.sqlite"));
    }
    (image, known)
}

/// Much happens, and nothing of the room is given back. While it is in use the index has a log of its own beside it, in which not all of it is.
fn live_in(store: &Path, seed: u64) -> Embedded {
    let open = || {
        let mut options = options();
        options.upkeep = Duration::from_secs(3600);
        options.view_grace = options.upkeep;
        Embedded::open(store, options).unwrap()
    };
    let mut store = open();
    for account in 1..=2 {
        drop(store);
        store = open();
        let client = Client::new(&store, account);
        let mut model = Model::new(seed * 2 + account);
        (0..60).for_each(|_| model.step(client));
        let all = client.examine("INBOX").unwrap();
        let gone: UidSet = all.uids.iter().step_by(2).collect();
        let deleted = flag_names(SystemFlags::DELETED, &[]);
        let set = client.set(all.mailbox, gone.clone(), FlagOp::Add, deleted, None);
        set.unwrap();
        client.expunge(all.mailbox, gone).unwrap();
    }
    store
}

fn usual() -> Options {
    let mut options = Options::default();
    options.reserve = 0;
    options
}

fn copy_golden(format: u32, store: &Path) -> Option<Embedded> {
    let golden =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/format-{format}"));
    std::fs::create_dir_all(store.join("packs")).unwrap();
    std::fs::copy(golden.join("index.sqlite"), store.join("index.sqlite")).unwrap();
    for entry in std::fs::read_dir(golden.join("packs")).unwrap() {
        let path = entry.unwrap().path();
        let to = store.join("packs").join(path.file_name().unwrap());
        std::fs::copy(path, to).unwrap();
    }
    None
}

fn read_folder(root: &Path, folder: &Path, image: &mut Image) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root).unwrap().to_owned();
        if path.is_dir() {
            image.insert(name, None);
            read_folder(root, &path, image);
        } else {
            image.insert(name, Some(std::fs::read(path).unwrap()));
        }
    }
}
