//! The reply slot, and asking a store and waiting for it.

use std::sync::Arc;

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;
use pillarbox_core::effect::{Call, Effect, ErrorKind, Reply, StoreError, UploadAbort};
use pillarbox_core::id::UploadId;

use crate::contract::{Backend, Job, Notices, ask};
use crate::model;
use crate::sync::Mutex;

/// An effect with this number.
pub fn effect(number: u64) -> Effect {
    let upload = UploadId(number);
    Call::detached(UploadAbort { upload }).into()
}

/// The number of an effect that was made here.
pub fn number(effect: &Effect) -> u64 {
    match effect {
        Effect::UploadAbort(call) => call.op().upload.0,
        _ => unreachable!("the models make no other"),
    }
}

/// The reply that says that it is done.
pub fn done(effect: Effect) -> Reply {
    match effect {
        Effect::UploadAbort(call) => call.answer(Ok(())),
        _ => unreachable!("the models make no other"),
    }
}

/// What a reply says.
pub fn said(reply: Reply) -> Result<(), ErrorKind> {
    let result = reply.into_result::<UploadAbort>().expect("a reply to this");
    result.map_err(|e| e.kind)
}

/// Answers counted by what they say.
#[derive(Default)]
pub struct Counted {
    pub done: AtomicUsize,
    pub lost: AtomicUsize,
    pub refused: AtomicUsize,
}

impl Counted {
    /// A job whose answer is counted here.
    pub fn job(self: &Arc<Self>, number: u64) -> Job {
        let to = self.clone();
        Job::new(effect(number), move |reply| to.count(reply))
    }

    pub fn count(&self, reply: Reply) {
        let counter = match said(reply) {
            Ok(()) => &self.done,
            Err(ErrorKind::ServerBug) => &self.lost,
            Err(_) => &self.refused,
        };
        counter.fetch_add(1, Ordering::SeqCst);
    }

    /// Done, lost, refused.
    pub fn all(&self) -> (usize, usize, usize) {
        let of = |counter: &AtomicUsize| counter.load(Ordering::SeqCst);
        (of(&self.done), of(&self.lost), of(&self.refused))
    }
}

/// A store with one thread: it answers, or drops what it is asked.
struct OneThread {
    answers: bool,
    thread: Mutex<Option<thread::JoinHandle<()>>>,
}

impl Backend for OneThread {
    fn submit(&self, job: Job) {
        let answers = self.answers;
        let run = thread::spawn(move || {
            let (effect, slot) = job.into_parts();
            if answers {
                slot.send(done(effect));
            }
        });
        *self.thread.lock().expect("nothing panics") = Some(run);
    }

    fn subscribe(&self, _notices: Notices) {}
}

pub fn models() {
    model("a job that two threads may answer is answered once", || {
        let counted = Arc::new(Counted::default());
        let job = Arc::new(Mutex::new(Some(counted.job(1))));
        let other = job.clone();
        let take = |from: &Mutex<Option<Job>>| from.lock().expect("nothing panics").take();
        let dropping = thread::spawn(move || drop(take(&other)));
        if let Some(job) = take(&job) {
            let (effect, slot) = job.into_parts();
            slot.send(done(effect));
        }
        dropping.join().expect("it does not panic");
        let (done, lost, refused) = counted.all();
        assert_eq!((done + lost, refused), (1, 0));
    });
    for answers in [true, false] {
        model(
            &format!("asking a store that answers ({answers}) ends"),
            move || {
                let store = OneThread {
                    answers,
                    thread: Mutex::new(None),
                };
                let upload = UploadId(1);
                let said: Result<(), StoreError> = ask(&store, UploadAbort { upload });
                assert_eq!(said.is_ok(), answers);
                let thread = store.thread.lock().expect("nothing panics").take();
                thread.expect("it ran").join().expect("it does not panic");
            },
        );
    }
}
