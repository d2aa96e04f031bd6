//! The desk of the embedded store's writer: a job is done by its thread, or in place by who submits it and may wait.
//!
//! What the jobs are done with is moved from hand to hand, so that it cannot be in two.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use loom::thread::{self, JoinHandle};

use crate::answers::{Counted, done};
use crate::clock;
use crate::contract::{Job, Leave};
use crate::desk::{Desk, Look, Submitted, Turn};
use crate::model;
use crate::sync::mpsc;

type Jobs = Desk<Tools, Job>;

/// What jobs are done with.
struct Tools {
    /// Is told when the writer's thread looks after them, which it does at once for the first time.
    looks: mpsc::Sender<()>,
    /// Of those looks.
    count: usize,
    /// How many there must be until nothing is due.
    enough: usize,
}

impl Tools {
    fn wait(&self) -> Look {
        if self.count < self.enough {
            Look::In(Duration::from_millis(4))
        } else {
            LONG
        }
    }
}

const LONG: Look = Look::In(Duration::from_secs(3600));

/// A desk, and where its writer's looks are told.
fn desk(enough: usize) -> (Arc<Jobs>, mpsc::Receiver<()>) {
    let (looks, looked) = mpsc::channel();
    let count = 0;
    let tools = Tools {
        looks,
        count,
        enough,
    };
    (Arc::new(Desk::new(tools)), looked)
}

fn answer(job: Job) {
    let (effect, slot) = job.into_parts();
    slot.send(done(effect));
}

/// The writer's thread as the store runs it; hands over what it ends with. One that panics does so at the first job.
fn write(desk: &Jobs, panics: bool) -> Tools {
    let mut at_hand = None;
    let _ = catch_unwind(AssertUnwindSafe(|| serve(desk, panics, &mut at_hand)));
    desk.end(None);
    at_hand.unwrap_or_else(|| desk.last())
}

fn serve(desk: &Jobs, panics: bool, at_hand: &mut Option<Tools>) {
    loop {
        let (tools, turn) = desk.next(64);
        let tools = at_hand.insert(tools);
        match turn {
            Turn::Jobs(jobs) if panics => {
                drop(jobs);
                // Without a message: there are thousands of these.
                resume_unwind(Box::new(()));
            }
            Turn::Jobs(jobs) => jobs.into_iter().for_each(answer),
            Turn::Due => {
                tools.count += 1;
                let _ = tools.looks.send(());
            }
            Turn::End => return,
        }
        let look = tools.wait();
        if let Some(tools) = at_hand.take() {
            desk.put_back(tools, look);
        }
    }
}

fn writer(desk: &Arc<Jobs>) -> JoinHandle<Tools> {
    let desk = desk.clone();
    thread::spawn(move || write(&desk, false))
}

/// How a job in place ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    PutsBack(Look),
    Panics,
}

/// Submits a job as the store does; whether it was done in place, or begun there.
fn submit(desk: &Jobs, job: Job, ends: Ends) -> bool {
    match desk.submit(job, |_, job| job.leave()?.take()) {
        Submitted::Left => false,
        Submitted::Here(tools, job) => {
            match ends {
                Ends::PutsBack(look) => {
                    answer(job);
                    desk.put_back(tools, look);
                }
                Ends::Panics => {
                    drop(job);
                    desk.end(Some(tools));
                }
            }
            true
        }
        Submitted::Over(job) => {
            let (effect, slot) = job.into_parts();
            let error = pillarbox_core::effect::StoreError::new(
                pillarbox_core::effect::ErrorKind::Unavailable,
                "Nobody writes",
            );
            slot.send(effect.fail(error));
            false
        }
    }
}

/// For one thread, which nobody relieves.
fn leave() -> Option<Leave> {
    Some(Leave::new(1, || {}))
}

/// A job whose answer is counted, and told.
fn told(counted: &Arc<Counted>, tell: &mpsc::Sender<()>) -> Job {
    let (counted, tell) = (counted.clone(), tell.clone());
    Job::new(crate::answers::effect(1), move |reply| {
        counted.count(reply);
        let _ = tell.send(());
    })
}

/// A model in which it depends on the schedule whether something happens: it must in some.
fn model_of(name: &str, run: impl Fn(&AtomicUsize) + Send + Sync + 'static) {
    let seen = Arc::new(AtomicUsize::new(0));
    let counted = seen.clone();
    let ran = model(name, move || run(&counted));
    assert!(!ran || seen.load(Ordering::SeqCst) > 0, "it never happened");
}

fn count(seen: &AtomicUsize, happened: bool) {
    seen.fetch_add(usize::from(happened), Ordering::SeqCst);
}

/// Both are answered, with nothing to wake the writer but what they do themselves.
fn two(seen: &AtomicUsize, leaves: [bool; 2]) {
    let ((desk, _looked), counted) = (desk(0), Arc::default());
    let writer = writer(&desk);
    let leave = leave();
    let (tell, answered) = mpsc::channel();
    let [one, other] =
        leaves.map(|may| told(&counted, &tell).with_leave(leave.clone().filter(|_| may)));
    let to = desk.clone();
    let submitting = thread::spawn(move || submit(&to, other, Ends::PutsBack(LONG)));
    let here = submit(&desk, one, Ends::PutsBack(LONG));
    for _ in 0..2 {
        answered.recv().expect("it is answered");
    }
    let there = submitting.join().expect("it does not panic");
    count(seen, here || there);
    desk.close();
    let tools = writer.join().expect("it does not panic");
    assert!(tools.count <= 1);
    assert_eq!(counted.all(), (2, 0, 0));
    assert!(leave.is_some_and(|leave| leave.take().is_some()));
}

/// Who may wait does not go before who was there.
fn in_order(seen: &AtomicUsize) {
    let ((desk, _looked), answers) = (desk(0), Arc::<Mutex<Vec<u64>>>::default());
    let writer = writer(&desk);
    let job = |number| {
        let answers = answers.clone();
        Job::new(crate::answers::effect(number), move |_| {
            answers.lock().expect("nothing panics").push(number);
        })
    };
    submit(&desk, job(1), Ends::PutsBack(LONG));
    let here = submit(&desk, job(2).with_leave(leave()), Ends::PutsBack(LONG));
    count(seen, here);
    desk.close();
    writer.join().expect("it does not panic");
    assert_eq!(*answers.lock().expect("nothing panics"), [1, 2]);
}

fn look_now(seen: &AtomicUsize, next: bool) {
    let ((desk, looked), counted) = (desk(0), Arc::<Counted>::default());
    let writer = writer(&desk);
    let job = counted.job(1).with_leave(leave());
    looked.recv().expect("it looks first of all");
    let here = submit(&desk, job, Ends::PutsBack(Look::Now));
    if here && next {
        // Who comes next does not go before it.
        let job = counted.job(2).with_leave(leave());
        if submit(&desk, job, Ends::PutsBack(LONG)) {
            looked.try_recv().expect("it has looked");
        }
    } else if here {
        looked.recv().expect("it looks again");
    }
    count(seen, here);
    desk.close();
    let tools = writer.join().expect("it does not panic");
    assert!(!here || next || tools.count == 2);
    assert_eq!(counted.all(), (1 + usize::from(here && next), 0, 0));
}

fn close(seen: &AtomicUsize) {
    let ((desk, _looked), counted) = (desk(0), Arc::<Counted>::default());
    let writer = writer(&desk);
    let (to, job) = (desk.clone(), counted.job(1).with_leave(leave()));
    let submitting = thread::spawn(move || submit(&to, job, Ends::PutsBack(LONG)));
    let (sure, first) = (Arc::<Counted>::default(), desk.clone());
    submit(&first, sure.job(2), Ends::PutsBack(LONG));
    desk.close();
    count(seen, submitting.join().expect("it does not panic"));
    writer.join().expect("it does not panic");
    assert_eq!(sure.all(), (1, 0, 0));
    let (done, lost, refused) = counted.all();
    assert_eq!(done + lost + refused, 1);
}

/// One job in place, and one that is left meanwhile; nobody closes.
fn guest_panics(seen: &AtomicUsize) {
    let ((desk, _looked), counted) = (desk(0), Arc::<Counted>::default());
    let writer = writer(&desk);
    let (to, other) = (desk.clone(), counted.job(2));
    let submitting = thread::spawn(move || submit(&to, other, Ends::PutsBack(LONG)));
    let leave = leave();
    let job = counted.job(1).with_leave(leave.clone());
    let panicked = submit(&desk, job, Ends::Panics);
    if !panicked {
        desk.close();
    }
    writer.join().expect("it does not panic");
    submitting.join().expect("it does not panic");
    let (done, lost, refused) = counted.all();
    assert_eq!(done + lost + refused, 2);
    // One that was there is lost, one that came later is refused.
    count(seen, panicked && lost == 2);
    if panicked {
        assert!(lost >= 1);
        submit(&desk, counted.job(3), Ends::Panics);
        assert_eq!(counted.all(), (done, lost, refused + 1));
    }
    assert!(leave.is_some_and(|leave| leave.take().is_some()));
}

fn writer_panics(seen: &AtomicUsize) {
    let ((desk, _looked), counted) = (desk(0), Arc::<Counted>::default());
    let on = desk.clone();
    let writer = thread::spawn(move || write(&on, true));
    let (to, other) = (desk.clone(), counted.job(2));
    let submitting = thread::spawn(move || submit(&to, other, Ends::PutsBack(LONG)));
    submit(
        &desk,
        counted.job(1).with_leave(leave()),
        Ends::PutsBack(LONG),
    );
    submitting.join().expect("it does not panic");
    desk.close();
    writer.join().expect("it does not panic");
    let (done, lost, refused) = counted.all();
    assert_eq!(done + lost + refused, 2);
    count(seen, lost > 0 && refused > 0);
}

/// What a runtime does when it is to relieve somebody.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Relief {
    Wakes,
    Submits,
    Panics,
}

/// Who is relieved may submit something, as the runtime's other threads do; and what is due is done with nobody to wake the writer.
fn relief(seen: &AtomicUsize, relief: Relief) {
    let ((desk, looked), counted) = (desk(2), Arc::<Counted>::default());
    clock::passes();
    let (tell, answered) = mpsc::channel();
    let writer = writer(&desk);
    looked.recv().expect("it looks first of all");
    let relieved = Arc::new(AtomicUsize::new(0));
    let (times, to, more) = (relieved.clone(), desk.clone(), counted.clone());
    let leave = Leave::new(1, move || {
        times.fetch_add(1, Ordering::SeqCst);
        match relief {
            Relief::Wakes => {}
            Relief::Submits => {
                submit(&to, told(&more, &tell), Ends::PutsBack(LONG));
            }
            Relief::Panics => resume_unwind(Box::new(())),
        }
    });
    let job = counted.job(1).with_leave(Some(leave));
    let here = match desk.submit(job, |tools, job| {
        job.leave()?.take().filter(|_| tools.count < tools.enough)
    }) {
        Submitted::Here(tools, job) => {
            thread::yield_now();
            answer(job);
            let look = tools.wait();
            desk.put_back(tools, look);
            true
        }
        Submitted::Left => false,
        Submitted::Over(_) => unreachable!("nothing has ended"),
    };
    // A writer that panics looks no more: it ends with the tools, once they are put back.
    if relief != Relief::Panics || !here {
        looked.recv().expect("it looks again");
    }
    let submitted = || relieved.load(Ordering::SeqCst) * usize::from(relief == Relief::Submits);
    for _ in 0..submitted() {
        answered.recv().expect("it is answered");
    }
    desk.close();
    writer.join().expect("it does not panic");
    let times = relieved.load(Ordering::SeqCst);
    assert!(times <= usize::from(here));
    count(seen, times > 0);
    assert_eq!(counted.all(), (1 + submitted(), 0, 0));
}

fn one_leave(seen: &AtomicUsize) {
    let (leave, waiting) = (leave(), Arc::new(AtomicUsize::new(0)));
    let take_turn = |desk: &Jobs, waiting: &AtomicUsize, leave: Option<Leave>| {
        // The first look is over.
        let (tools, _) = desk.next(1);
        desk.put_back(tools, LONG);
        let job = Arc::new(Counted::default()).job(1).with_leave(leave);
        match desk.submit(job, |_, job| job.leave()?.take()) {
            Submitted::Here(tools, job) => {
                assert_eq!(waiting.fetch_add(1, Ordering::SeqCst), 0, "two wait");
                thread::yield_now();
                waiting.fetch_sub(1, Ordering::SeqCst);
                answer(job);
                desk.put_back(tools, LONG);
                true
            }
            Submitted::Left | Submitted::Over(_) => false,
        }
    };
    let (other_leave, other_waiting) = (leave.clone(), waiting.clone());
    let other = thread::spawn(move || take_turn(&desk(0).0, &other_waiting, other_leave));
    let here = take_turn(&desk(0).0, &waiting, leave.clone());
    let there = other.join().expect("it does not panic");
    assert!(here || there, "one waits");
    count(seen, here != there);
    let leave = leave.expect("there is one");
    let stay = leave.take();
    assert!(stay.is_some() && leave.take().is_none());
}

pub fn models() {
    for leaves in [[true, false], [true, true]] {
        let name = format!("jobs at the desk are answered, done in place ({leaves:?}) or left");
        model_of(&name, move |seen| two(seen, leaves));
    }
    model_of("who may wait does not go before who was there", in_order);
    for next in [false, true] {
        let name = format!("a job done in place has the writer look at once ({next})");
        model_of(&name, move |seen| look_now(seen, next));
    }
    model_of("what is at the desk when it closes is done", close);
    let name = "who panics at the desk leaves nobody waiting";
    model_of(name, guest_panics);
    let name = "a writer that panics at the desk leaves nobody waiting";
    model_of(name, writer_panics);
    for relieves in [Relief::Wakes, Relief::Submits, Relief::Panics] {
        let name = format!("who waits for long is relieved once ({relieves:?})");
        model_of(&name, move |seen| relief(seen, relieves));
    }
    model_of("leave for one thread is for one at two desks", one_leave);
}
