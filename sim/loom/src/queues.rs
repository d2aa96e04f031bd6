//! The queues of the embedded store: what its readers take, and what its writer commits in groups.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use loom::thread;
use pillarbox_core::effect::{ErrorKind, StoreError};

use crate::answers::{Counted, done, number, said};
use crate::contract::Job;
use crate::group::Waiting;
use crate::model;
use crate::queue::{Queue, Worker};
use crate::sync::{Mutex, mpsc};

/// Answers what comes until nothing more can.
fn serve(worker: &Worker) {
    while let Some(job) = worker.next() {
        let (effect, slot) = job.into_parts();
        slot.send(done(effect));
    }
}

/// What the writer wrote and what of it is durable.
#[derive(Default)]
struct Disk {
    written: Vec<u64>,
    durable: BTreeSet<u64>,
}

/// A job that fails the model when it is answered before it is durable, or refused though it is.
fn job(disk: &Arc<Mutex<Disk>>, counted: &Arc<Counted>, id: u64) -> Job {
    let (disk, counted) = (disk.clone(), counted.clone());
    Job::new(crate::answers::effect(id), move |reply| {
        let is_durable = disk.lock().expect("nothing panics").durable.contains(&id);
        let outcome = said(reply);
        assert_eq!(outcome.is_ok(), is_durable, "{id}: {outcome:?}");
        let counter = match outcome {
            Ok(()) => &counted.done,
            Err(ErrorKind::ServerBug) => &counted.lost,
            Err(_) => &counted.refused,
        };
        counter.fetch_add(1, loom::sync::atomic::Ordering::SeqCst);
    })
}

/// What becomes of the sync of a batch.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sync {
    Works,
    Fails,
    Panics,
}

/// The writer as the store runs it, over a disk that is a list; it ends when it committed so many jobs.
fn write(jobs: &mpsc::Receiver<Job>, disk: &Mutex<Disk>, sync: Sync, mut expected: usize) {
    while expected > 0 {
        let mut group = vec![jobs.recv().expect("more are expected")];
        while let Ok(more) = jobs.try_recv() {
            group.push(more);
        }
        expected -= group.len();
        commit(group, disk, sync);
    }
}

fn commit(group: Vec<Job>, disk: &Mutex<Disk>, sync: Sync) {
    let mut waiting = Waiting::default();
    for job in group {
        let (effect, slot) = job.into_parts();
        let id = number(&effect);
        disk.lock().expect("nothing panics").written.push(id);
        waiting.add(slot, done(effect));
    }
    match sync {
        // Without a message: there are thousands of these.
        Sync::Panics => std::panic::resume_unwind(Box::new(())),
        Sync::Fails => {
            disk.lock().expect("nothing panics").written.clear();
            let error = StoreError::new(ErrorKind::Unavailable, "The disk failed");
            waiting.settle(Err(&error));
        }
        Sync::Works => {
            let mut on = disk.lock().expect("nothing panics");
            let written = std::mem::take(&mut on.written);
            on.durable.extend(written);
            drop(on);
            waiting.settle(Ok(()));
        }
    }
}

fn group_commit(sync: Sync) {
    let (disk, counted) = (Arc::default(), Arc::default());
    let (sender, jobs) = mpsc::channel();
    let submit = |sender: &mpsc::Sender<Job>, job: Job| {
        // As the store does: a job that nobody takes is dropped, and so answered.
        let _ = sender.send(job);
    };
    let (other_sender, other) = (sender.clone(), job(&disk, &counted, 2));
    let submitting = thread::spawn(move || submit(&other_sender, other));
    let on = disk.clone();
    let writer = thread::spawn(move || {
        // As the end of a thread: what it works on is dropped, then what it did not take.
        let _ = catch_unwind(AssertUnwindSafe(|| write(&jobs, &on, sync, 2)));
        jobs
    });
    submit(&sender, job(&disk, &counted, 1));
    submitting.join().expect("it does not panic");
    drop(writer.join().expect("it does not panic"));
    let expected = match sync {
        Sync::Works => (2, 0, 0),
        Sync::Fails => (0, 0, 2),
        Sync::Panics => (0, 2, 0),
    };
    assert_eq!(counted.all(), expected);
}

pub fn models() {
    model("what is in a queue when it closes is done", || {
        let (queue, counted) = (Arc::new(Queue::default()), Arc::new(Counted::default()));
        let worker = queue.worker();
        let reader = thread::spawn(move || serve(&worker));
        let (other_queue, other) = (queue.clone(), counted.job(2));
        let submitting = thread::spawn(move || other_queue.push(other));
        queue.push(counted.job(1));
        submitting.join().expect("it does not panic");
        queue.close();
        reader.join().expect("it does not panic");
        assert_eq!(counted.all(), (2, 0, 0));
    });
    model("a job wakes a reader that waits", || {
        let queue = Arc::new(Queue::default());
        let worker = queue.worker();
        let reader = thread::spawn(move || serve(&worker));
        let (sender, answer) = mpsc::channel();
        queue.push(Job::new(crate::answers::effect(1), move |reply| {
            sender.send(said(reply)).expect("it is waited for");
        }));
        assert_eq!(answer.recv(), Ok(Ok(())));
        queue.close();
        reader.join().expect("it does not panic");
    });
    model("what comes while a queue closes is done or lost", || {
        let (queue, counted) = (Arc::new(Queue::default()), Arc::new(Counted::default()));
        let worker = queue.worker();
        let reader = thread::spawn(move || serve(&worker));
        let (other_queue, other) = (queue.clone(), counted.job(1));
        let submitting = thread::spawn(move || other_queue.push(other));
        queue.close();
        submitting.join().expect("it does not panic");
        reader.join().expect("it does not panic");
        let (done, lost, refused) = counted.all();
        assert_eq!((done + lost, refused), (1, 0));
    });
    model("two readers leave nothing to each other", || {
        let (queue, counted) = (Arc::new(Queue::default()), Arc::new(Counted::default()));
        let (one, other) = (queue.worker(), queue.worker());
        let one = thread::spawn(move || serve(&one));
        let other = thread::spawn(move || serve(&other));
        queue.push(counted.job(1));
        queue.push(counted.job(2));
        queue.close();
        one.join().expect("it does not panic");
        other.join().expect("it does not panic");
        assert_eq!(counted.all(), (2, 0, 0));
    });
    model(
        "a job for a reader that ends is lost and not forgotten",
        || {
            let (queue, counted) = (Arc::new(Queue::default()), Arc::new(Counted::default()));
            let worker = queue.worker();
            let reader = thread::spawn(move || drop(worker));
            queue.push(counted.job(1));
            reader.join().expect("it does not panic");
            assert_eq!(counted.all(), (0, 1, 0));
        },
    );
    model("no answer comes before the sync", || {
        group_commit(Sync::Works)
    });
    model("a sync that fails refuses its whole batch", || {
        group_commit(Sync::Fails)
    });
    model("a writer that panics answers everybody", || {
        group_commit(Sync::Panics)
    });
}
