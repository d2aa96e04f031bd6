//! Crashes of recorded children.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use pillarbox_store::{Embedded, OpenError, rebuild, verify};

use crate::commands::Command;
use crate::disk::{Disk, Image, Loss, Syncs};
use crate::known::{Finding, Known};
use crate::log::{self, Step};
use crate::process::{Place, STORES, run};
use crate::random::Random;
use crate::work::{Task, options};

const STEPS: u32 = 24;
const LOSSES: [Loss; 8] = [
    Loss::All,
    Loss::Nothing,
    Loss::Later,
    Loss::Whole,
    Loss::Any,
    Loss::Any,
    Loss::Any,
    Loss::Later,
];

/// A crash: where, what was left, and what was known to be there.
struct Crash {
    step: usize,
    loss: Loss,
    image: Image,
    known: Known,
    again: Option<Command>,
}

/// Looks with one seed, or with more for as long as is asked for. Nothing may be found.
pub fn find_none(look: impl Fn(u64) -> Vec<String>) {
    let variable = |name| {
        std::env::var(name)
            .ok()
            .and_then(|v: String| v.parse().ok())
    };
    let seconds = variable("PILLARBOX_CRASH_SECONDS").unwrap_or(0);
    let first = variable("PILLARBOX_CRASH_SEED").unwrap_or(1);
    let end = Instant::now() + Duration::from_secs(seconds);
    for seed in first.. {
        let found = look(seed);
        assert!(found.is_empty(), "{} findings: {found:#?}", found.len());
        if Instant::now() >= end {
            return;
        }
    }
}

/// What crashes of one recorded child show.
pub fn find(kind: &str, seed: u64, crashes: usize, syncs: Syncs) -> Vec<String> {
    let place = Place::new(&format!("{kind}-{seed}-{syncs:?}"));
    let recording = Recording::of_work(&place, kind, seed, syncs);
    let is_segment = |step: &&Step| matches!(step, Step::Unlink(path) if path.extension().is_some_and(|e| e == "pack"));
    let removed = recording.steps.iter().filter(is_segment).count();
    println!("{kind} seed {seed}: {removed} segments were removed");
    assert!(
        removed > 3,
        "{removed} segments were removed: this tests nothing"
    );
    let is_large = |step: &&Step| matches!(step, Step::Rename(from, _) if from.extension().is_some_and(|e| e == "new"));
    let large = recording.steps.iter().filter(is_large).count();
    assert!(large > 3, "{large} large messages: this tests nothing");
    let known = Known::new(recording.task.models());
    let found = examine_all(&recording, &known, crashes, &place, kind);
    keep_if_found(place, syncs, &found);
    found
}

/// What crashes show of a child that is alone with a store, and follows no model.
pub fn find_alone(kind: &str, seed: u64, crashes: usize) -> Vec<String> {
    let place = Place::new(&format!("{kind}-{seed}"));
    let recording = Recording::of_work(&place, kind, seed, Syncs::Honest);
    let found = examine_all(&recording, &Known::new([]), crashes, &place, kind);
    keep_if_found(place, Syncs::Honest, &found);
    found
}

/// What crashes show of stores that are being opened after a crash.
pub fn find_second(seed: u64, first: usize, crashes: usize) -> Vec<String> {
    let place = Place::new(&format!("second-{seed}"));
    let recording = Recording::of_work(&place, "work", seed, Syncs::Honest);
    let mut before = Vec::new();
    let mut known = Known::new(recording.task.models());
    recording.replay(&mut known, first, &mut |crash| before.push(crash));
    let mut found = Vec::new();
    for crash in before {
        let again = Recording::of_recovery(&place, &crash, seed);
        let kind = format!("step {} {:?}, then", crash.step, crash.loss);
        found.extend(examine_all(&again, &crash.known, crashes, &place, &kind));
    }
    keep_if_found(place, Syncs::Honest, &found);
    found
}

pub fn keep_if_found(place: Place, syncs: Syncs, found: &[String]) {
    if syncs == Syncs::Honest && !found.is_empty() {
        eprintln!("the recording and the states are in {}", place.0.display());
        std::mem::forget(place);
    }
}

/// What a child did, on a disk that was like this before.
pub struct Recording {
    pub root: PathBuf,
    pub steps: Vec<Step>,
    pub start: Image,
    pub task: Task,
    pub syncs: Syncs,
    /// What it did, which may be done again after a crash.
    pub again: Option<Command>,
    /// It crashes only behind a failed sync of the index's log.
    pub only_logs: bool,
}

impl Recording {
    /// A new one, or the one that `PILLARBOX_CRASH_FOLDER` has.
    fn of_work(place: &Place, kind: &str, seed: u64, syncs: Syncs) -> Self {
        let kept = std::env::var("PILLARBOX_CRASH_FOLDER").ok();
        let root = kept
            .as_ref()
            .map_or(place.0.as_path(), Path::new)
            .join("root");
        let steps = match kept {
            Some(_) => log::read(&root.with_extension("log")),
            None => run(&root, kind, seed, STEPS, true),
        };
        let task = Task {
            seed,
            steps: STEPS,
            faults: kind == "faulty",
        };
        Self {
            root,
            steps,
            start: Image::from([("tmp".into(), None)]),
            task,
            syncs,
            again: None,
            only_logs: kind == "log",
        }
    }

    fn of_recovery(place: &Place, crash: &Crash, seed: u64) -> Self {
        let root = place.0.join(format!("second-{}", crash.step));
        write_store(&root, &crash.image);
        let is_store = |(path, _): &(&PathBuf, &Option<Vec<u8>>)| path.starts_with("store");
        let files = crash.image.iter().filter(is_store);
        let mut start: Image = files.map(|(p, o)| (p.clone(), o.clone())).collect();
        start.insert("tmp".into(), None);
        let task = Task {
            seed,
            steps: 4,
            faults: false,
        };
        Self {
            steps: run(&root, "recover", seed, task.steps, true),
            root,
            start,
            task,
            syncs: Syncs::Honest,
            again: None,
            only_logs: false,
        }
    }

    /// Goes through all steps and crashes here and there. Gives the disk as it is at the end.
    fn replay(&self, known: &mut Known, crashes: usize, each: &mut dyn FnMut(Crash)) -> Image {
        let mut random = Random::new(self.task.seed);
        let at = match self.only_logs {
            true => after_failed_logs(&self.steps, crashes, &mut random),
            false => moments(&self.steps, crashes, &mut random),
        };
        let mut disk = Disk::new(&self.root, &self.start, self.syncs, random.fork());
        let mut marks = None;
        for (n, step) in self.steps.iter().enumerate() {
            match step {
                Step::Open(fd, _, path) if path.ends_with("marks") => marks = Some(*fd),
                Step::Write(fd, _, line) if marks == Some(*fd) => {
                    known.hear(std::str::from_utf8(line).unwrap()).unwrap();
                }
                other => disk.step(other),
            }
            if at.contains(&n) {
                let loss = LOSSES[random.below(LOSSES.len() as u64) as usize];
                each(Crash {
                    step: n,
                    loss,
                    image: disk.crash(loss, &mut random),
                    known: known.clone(),
                    again: self.again,
                });
            }
        }
        disk.image()
    }
}

/// Opens the store after so many crashes of a recording, two at a time.
pub fn examine_all(
    recording: &Recording,
    known: &Known,
    crashes: usize,
    place: &Place,
    kind: &str,
) -> Vec<String> {
    let found = Mutex::new(Vec::new());
    let (send, receive) = mpsc::sync_channel::<Crash>(2);
    let receive = Mutex::new(receive);
    std::thread::scope(|scope| {
        for worker in 0..2 {
            let (found, receive) = (&found, &receive);
            scope.spawn(move || {
                loop {
                    let next = receive.lock().unwrap().recv();
                    let Ok(crash) = next else { return };
                    let folder = place.0.join(format!("crash-{worker}"));
                    if let Err(e) = examine(&folder, &crash) {
                        let (seed, step) = (recording.task.seed, crash.step);
                        let told = format!("{kind} seed {seed} step {step} {:?}: {e}", crash.loss);
                        found.lock().unwrap().push(told);
                    }
                }
            });
        }
        let complete = recording.replay(&mut known.clone(), crashes, &mut |crash| {
            send.send(crash).unwrap();
        });
        drop(send);
        compare(&complete, &recording.root);
    });
    found.into_inner().unwrap()
}

/// Half of them anywhere, half round the syncs and the names, where there is most to lose; where a sync failed, a third in what comes after:
/// two faults find more than one. The last is the end.
fn moments(steps: &[Step], crashes: usize, random: &mut Random) -> BTreeSet<usize> {
    let special = |step: &Step| !matches!(step, Step::Write(..) | Step::Close(_));
    let edges: Vec<usize> = (0..steps.len()).filter(|n| special(&steps[*n])).collect();
    let failed = |n: &usize| matches!(steps[*n], Step::Sync(_, false));
    let failures: Vec<usize> = (0..steps.len()).filter(failed).collect();
    let mut at = BTreeSet::from([steps.len() - 1]);
    for _ in 0..crashes {
        if !failures.is_empty() && random.below(3) == 0 {
            let failure = failures[random.below(failures.len() as u64) as usize];
            let later = edges.partition_point(|n| *n <= failure) as u64 + random.below(60);
            let edge = edges.get(later as usize).copied().unwrap_or(failure);
            at.insert(edge.saturating_sub(random.below(2) as usize));
            continue;
        }
        let anywhere = random.below(steps.len() as u64) as usize;
        let edge = edges[random.below(edges.len() as u64) as usize];
        let near = edge.saturating_sub(random.below(2) as usize);
        at.insert(if random.coin() { anywhere } else { near });
    }
    at
}

/// Some of the steps between a failed sync of the index's log and the next log, the first write of which makes this one of no effect.
fn after_failed_logs(steps: &[Step], crashes: usize, random: &mut Random) -> BTreeSet<usize> {
    let (mut logs, mut failed, mut all) = (BTreeSet::new(), false, Vec::new());
    for (n, step) in steps.iter().enumerate() {
        match step {
            Step::Open(fd, _, path) if path.to_string_lossy().ends_with("-wal") => {
                logs.insert(*fd);
            }
            Step::Close(fd) => drop(logs.remove(fd)),
            Step::Sync(fd, false) if logs.contains(fd) => failed = true,
            Step::Write(fd, 0, head) if logs.contains(fd) && head.len() == 32 => failed = false,
            _ => {}
        }
        if failed {
            all.push(n);
        }
    }
    (0..crashes)
        .map(|_| all[random.below(all.len() as u64) as usize])
        .collect()
}

/// The recorder missed nothing: what it noted makes the folder that is there.
fn compare(complete: &Image, root: &Path) {
    for (path, octets) in complete {
        let Some(octets) = octets else { continue };
        if path.to_string_lossy().ends_with("-shm") || !path.starts_with("store") {
            continue;
        }
        let real = std::fs::read(root.join(path)).unwrap();
        assert!(real == *octets, "the recorder missed a change of {path:?}");
    }
}

/// Opens the store on what the crash left. The octets stay there when something is wrong.
fn examine(folder: &Path, crash: &Crash) -> Finding {
    write_store(folder, &crash.image);
    let open = STORES.read().unwrap();
    let looked = catch_unwind(AssertUnwindSafe(|| look(&folder.join("store"), crash)));
    drop(open);
    let finding = looked.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        Err(text.unwrap_or_else(|| "a panic".into()))
    });
    if finding.is_err() {
        write_store(folder, &crash.image);
        let kept = folder.with_file_name(format!("step-{}", crash.step));
        std::fs::rename(folder, kept).unwrap();
    }
    finding
}

pub fn write_store(folder: &Path, image: &Image) {
    if folder.exists() {
        std::fs::remove_dir_all(folder).unwrap();
    }
    std::fs::create_dir(folder).unwrap();
    for (path, octets) in image.iter().filter(|(p, _)| p.starts_with("store")) {
        match octets {
            None => std::fs::create_dir(folder.join(path)).unwrap(),
            Some(octets) => std::fs::write(folder.join(path), octets).unwrap(),
        }
    }
}

fn look(store: &Path, crash: &Crash) -> Finding {
    let mut known = crash.known.clone();
    if let Some(command) = crash.again.filter(|_| crash.step.is_multiple_of(3)) {
        let again = command.run(store);
        again.map_err(|e| format!("{command:?} once more: {e}"))?;
    }
    let begun = cpu();
    let open = || {
        let opened = match Embedded::open(store, options()) {
            // It says so, and is done once more.
            Err(OpenError::NoIndex(_)) if crash.again == Some(Command::Rebuild) => {
                rebuild(store).map_err(|e| format!("rebuild once more: {e}"))?;
                Embedded::open(store, options())
            }
            opened => opened,
        };
        opened.map_err(|e| format!("lost: the store does not open: {e}"))
    };
    let opened = open()?;
    let took = cpu() - begun;
    if took > 5 {
        return Err(format!("recovery took {took} seconds of CPU time"));
    }
    known.check(&opened)?;
    drop(opened);
    sound(store)?;
    let has_all = crash.again.is_none_or(Command::has_all_in_packs);
    if has_all && crash.step.is_multiple_of(4) {
        std::fs::remove_file(store.join("index.sqlite")).unwrap();
        let rebuilt = rebuild(store).map_err(|e| format!("rebuild: {e}"))?;
        if rebuilt.damaged > 0 || rebuilt.flags_lost {
            return Err(format!("rebuild finds damage: {rebuilt:?}"));
        }
    }
    let opened = open()?;
    known.check(&opened)?;
    known.deliver(&opened)?;
    drop(opened);
    sound(store)
}

/// Seconds of CPU time that this thread has had: on a busy machine it waits for much longer.
fn cpu() -> i64 {
    rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime).tv_sec
}

/// Every octet is as it should be, and the index says what the packs say.
fn sound(store: &Path) -> Finding {
    let mut problems = Vec::new();
    let verified = verify(store, |problem| problems.push(problem.to_string()));
    match verified {
        Ok(_) if problems.is_empty() => Ok(()),
        other => Err(format!("verify says {other:?}: {problems:?}")),
    }
}
