//! Who hears of what was written in place, and from whom; and who has others look after what it leaves.

use std::sync::Weak;

use pillarbox_core::effect::Status;

use super::*;

/// The one who writes sees to the index, though nobody asks for anything any more.
#[test]
fn the_index_follows_of_itself() {
    let temp = Temp::new();
    let store = waiting(&temp, hooked(|_| Ok(())));
    for _ in 0..20 {
        until_here(&store);
        let index = look(&temp);
        let sql = "SELECT sum(uid_next) FROM mailbox";
        let shown = || {
            index
                .query_row(sql, [], |r| r.get::<_, i64>(0))
                .unwrap()
                .cast_unsigned()
        };
        let (here, end) = (store.in_place(), deadline());
        let reply = send(&store, b"the last one", || ());
        let uid = reply.recv_timeout(SOON).unwrap().unwrap().uids[0];
        while shown() <= u64::from(uid.get()) {
            assert!(Instant::now() < end, "{uid:?} after {here}");
            thread::yield_now();
        }
    }
}

/// Nobody is told of a message before the index shows it, nor by the thread that brought it.
#[test]
fn the_writer_tells_of_what_it_did_not_write() {
    let temp = Temp::new();
    let store = waiting(&temp, hooked(|_| Ok(())));
    until_here(&store);
    let index = Mutex::new(look(&temp));
    let (told, heard) = mpsc::channel();
    store.subscribe(Arc::new(move |notice| {
        let sql = "SELECT modseq FROM mailbox WHERE id = ?1";
        let id = [notice.mailbox.id.0.cast_signed()];
        let shown = lock(&index).query_row(sql, id, |r| r.get::<_, i64>(0));
        let modseq = notice.modseq.unwrap().0;
        let _ = told.send((modseq, shown.unwrap().cast_unsigned(), is_guest()));
    }));
    let before = store.in_place();
    let mut count = 0;
    while store.in_place() < before + 200 {
        until_here(&store);
        count += 1;
    }
    drop(store);
    let mut last = 0;
    let mut told = 0;
    for (modseq, shown, by_guest) in heard {
        assert!(modseq <= shown, "{modseq} of {shown}");
        assert!(last < modseq, "{modseq} was told after {last}");
        assert!(!by_guest, "the thread that brings a message tells of none");
        last = modseq;
        told += 1;
    }
    assert!(told >= count, "{told} of {count}");
}

/// In the moment of the answer, and whoever gives it.
#[test]
fn who_reads_finds_what_was_written_in_place() {
    let temp = Temp::new();
    let store = Arc::new(waiting(&temp, hooked(|_| Ok(()))));
    until_here(&store);
    let (send, seen) = mpsc::channel();
    let (begun, end) = (store.in_place(), deadline());
    let client = Client::new(&*store, 1);
    let mut before = client.status("INBOX").unwrap().messages;
    while store.in_place() < begun + 100 {
        assert!(Instant::now() < end, "few are written in place");
        // The index lags, and what comes next may be written in place.
        until_here(&store);
        let upload = client.upload("INBOX", b"x").unwrap();
        let (again, send) = (Arc::downgrade(&store), send.clone());
        let effect = Call::detached(commit(client, upload)).into();
        store.submit(Job::new(effect, move |reply| {
            let done = reply.into_result::<UploadCommit>().unwrap().unwrap();
            count(&again, move |messages| {
                send.send((done.uids[0], messages)).unwrap()
            });
        }));
        let (uid, messages) = seen.recv_timeout(SOON).unwrap();
        assert_eq!(u64::from(uid.get()), messages);
        assert!(messages > before);
        before = messages;
    }
}

/// How many messages there are, as somebody sees who asks now.
fn count(store: &Weak<Waiting<Embedded>>, told: impl FnOnce(u64) + Send + 'static) {
    let store = store.upgrade().unwrap();
    let (actor, names) = (Client::new(&*store, 1).actor(), vec![MailboxName::inbox()]);
    let effect = Call::detached(Status { actor, names }).into();
    store.submit(Job::new(effect, move |reply| {
        let mut rows = reply.into_result::<Status>().unwrap().unwrap();
        told(rows.pop().unwrap().unwrap().messages);
    }));
}

/// A store whose syncs in place take until the runtime was asked to relieve the one who waits, when that is wanted.
struct Relieved {
    store: Waiting<Embedded>,
    gate: Arc<Gate>,
    calls: Arc<AtomicU64>,
}

impl Relieved {
    fn new(temp: &Temp, relieve: impl Fn() + Send + Sync + 'static) -> Self {
        let (gate, calls) = (Arc::new(Gate::default()), Arc::new(AtomicU64::new(0)));
        let (held, opened, called) = (gate.clone(), gate.clone(), calls.clone());
        let leave = Leave::new(1, move || {
            called.fetch_add(1, Relaxed);
            opened.open();
            relieve();
        });
        let opener = hooked(move |step| {
            if step == Step::Sync && is_guest() {
                held.pass();
            }
            Ok(())
        });
        let store = Waiting::new(temp.open_lagging(opener), leave);
        Self { store, gate, calls }
    }
}

/// Once for each time, and by another thread.
#[test]
fn who_waits_long_is_relieved() {
    let temp = Temp::new();
    let relieved = Relieved::new(&temp, || assert!(!is_guest()));
    let mut long = 0;
    for _ in 0..10 {
        // The machine may be slow as well.
        long += quick(&relieved.store);
        relieved.gate.shut();
        long += quick(&relieved.store);
    }
    let calls = relieved.calls.clone();
    drop(relieved);
    assert!(
        (10..=long).contains(&calls.load(Relaxed)),
        "{long} took long"
    );
}

/// How many messages took so long that somebody was relieved, until one was written in place.
fn quick(store: &Waiting<Embedded>) -> u64 {
    let (before, mut long) = (store.in_place(), 0);
    while store.in_place() == before {
        let begun = Instant::now();
        send(store, b"x", || ())
            .recv_timeout(SOON)
            .unwrap()
            .unwrap();
        long += u64::from(begun.elapsed() >= Duration::from_millis(2));
    }
    long
}

/// The runtime may ask for something meanwhile: it waits for its turn.
#[test]
fn who_relieves_may_ask_the_store() {
    let temp = Temp::new();
    let asked = Arc::new(Mutex::new(Weak::new()));
    let (its, (send, told)) = (asked.clone(), mpsc::channel());
    let relieved = Relieved::new(&temp, move || {
        let send = send.clone();
        count(&lock(&its), move |messages| send.send(messages).unwrap());
    });
    let Relieved { store, gate, calls } = relieved;
    let store = Arc::new(store);
    *lock(&asked) = Arc::downgrade(&store);
    until_here(&store);
    gate.shut();
    until_here(&store);
    assert!(calls.load(Relaxed) > 0);
    assert!(told.recv_timeout(SOON).unwrap() > 0);
    until_here(&store);
}

/// It was the writer's thread that asked: there is no more to be written, what was acknowledged can be read, and nothing is lost.
#[test]
fn a_runtime_that_panics_costs_no_mail() {
    let temp = Temp::new();
    let relieved = Relieved::new(&temp, || panic!("as ordered"));
    let Relieved { store, gate, .. } = relieved;
    let (before, end) = (store.in_place(), deadline());
    let mut kept = 0;
    gate.shut();
    while store.in_place() == before {
        let reply = send(&store, b"kept", || ());
        kept += u64::from(reply.recv_timeout(SOON).unwrap().is_ok());
        assert!(Instant::now() < end, "none is written in place");
    }
    faults::takes_no_changes(store.store());
    let count = || Client::new(store.store(), 1).status("INBOX");
    let end = deadline();
    while count().is_err() && Instant::now() < end {
        thread::yield_now();
    }
    assert_eq!(count().unwrap().messages, kept);
    drop(store);
    let store = temp.open_lagging(open_files());
    let client = Client::new(&store, 1);
    assert_eq!(client.status("INBOX").unwrap().messages, kept);
    let next = client.append("INBOX", b"next").unwrap();
    assert_eq!(u64::from(next.get()), kept + 1);
}
