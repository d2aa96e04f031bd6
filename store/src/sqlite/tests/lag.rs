//! What is acknowledged before the index shows it: who reads finds it, who waits hears of it, and the index says how far it is.

use std::collections::BTreeMap;
use std::sync::Weak;

use pillarbox_core::effect::{NewMessage, Status, UploadCommit};
use pillarbox_core::flag::FlagNames;
use pillarbox_core::id::{Uid, UploadId};
use rusqlite::{Connection, OpenFlags};

use super::super::recover::mark;
use super::*;
use crate::pack::{Files, Scan, find_secret};

/// What somebody sees who looks at the index itself.
pub(super) fn look(temp: &Temp) -> Connection {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    Connection::open_with_flags(temp.0.join("index.sqlite"), flags).unwrap()
}

/// Reads that are submitted in the moment of the answer.
#[test]
fn who_reads_finds_what_was_answered_at_any_moment() {
    let temp = Temp::new();
    let store = Arc::new(temp.open_lagging(open_files()));
    let client = Client::new(&*store, 1);
    let inbox = client.examine("INBOX").unwrap().mailbox;
    let (send, seen) = mpsc::channel();
    for n in 1..=500 {
        let upload = client.upload("INBOX", b"x").unwrap();
        let (again, send, actor) = (Arc::downgrade(&store), send.clone(), client.actor());
        let commit = Call::detached(commit(client, upload)).into();
        store.submit(Job::new(commit, move |reply| {
            let done = reply.into_result::<UploadCommit>().unwrap().unwrap();
            let names = vec![MailboxName::inbox()];
            let status = Call::detached(Status { actor, names }).into();
            let look = Job::new(status, move |reply| {
                let mut told = reply.into_result::<Status>().unwrap().unwrap();
                let messages = told.pop().unwrap().unwrap().messages;
                let _ = send.send((done.uids[0], messages));
            });
            again.upgrade().unwrap().submit(look);
        }));
        if n % 3 == 0 {
            // Somebody else has the index settled meanwhile.
            let _ = client.body(inbox, Uid::MIN);
        }
        let (uid, there) = seen.recv_timeout(Duration::from_secs(60)).unwrap();
        assert_eq!((u64::from(uid.get()), there), (n, n));
    }
}

pub(super) fn commit(client: Client<'_>, upload: UploadId) -> UploadCommit {
    UploadCommit {
        actor: client.actor(),
        name: MailboxName::inbox(),
        messages: vec![NewMessage {
            upload,
            flags: FlagNames::default(),
            internal_date: None,
        }],
        now: 0,
    }
}

/// What is told of is in the index by then, and each change is told after those before it.
#[test]
fn who_is_told_finds_it_in_the_index() {
    let temp = Temp::new();
    let store = temp.open_lagging(open_files());
    let client = Client::new(&store, 1);
    client.create("other").unwrap();
    let index = Mutex::new(look(&temp));
    let (told, heard) = mpsc::channel();
    store.subscribe(Arc::new(move |notice| {
        let sql = "SELECT modseq FROM mailbox WHERE id = ?1";
        let id = [notice.mailbox.id.0.cast_signed()];
        let shown = lock(&index).query_row(sql, id, |r| r.get::<_, i64>(0));
        let modseq = notice.modseq.map_or(0, |m| m.0);
        let _ = told.send((notice.mailbox, modseq, shown.unwrap_or(0)));
    }));
    for n in 0..200 {
        let name = ["INBOX", "other"][usize::from(n % 5 == 0)];
        client.append(name, b"x").unwrap();
    }
    drop(store);
    let mut last = BTreeMap::new();
    let mut count = 0;
    for (mailbox, modseq, shown) in heard {
        assert!(shown.cast_unsigned() >= modseq, "{shown} of {modseq}");
        let before = last.insert(mailbox, modseq).unwrap_or(0);
        assert!(before < modseq, "{modseq} was told after {before}");
        count += 1;
    }
    assert_eq!(count, 200);
}

/// However much is refused to others, one after the other and without a pause.
#[test]
fn who_waits_hears_of_a_message_soon() {
    let temp = Temp::new();
    let options = Options {
        upkeep: Duration::from_secs(3600),
        ..Options::default()
    };
    let store = Arc::new(Embedded::open_on(&temp.0, &options, open_files()).unwrap());
    let client = Client::new(&*store, 1);
    client.append("INBOX", b"x").unwrap();
    client.examine("INBOX").unwrap();
    let (told, heard) = mpsc::channel();
    store.subscribe(Arc::new(move |_| {
        let _ = told.send(());
    }));
    let upload = client.upload("INBOX", b"x").unwrap();
    let message = Call::detached(commit(client, upload)).into();
    let (over, (ended, end)) = (Arc::new(AtomicU64::new(0)), mpsc::channel());
    let (again, its) = (Arc::downgrade(&store), over.clone());
    let refused = commit(client, UploadId(u64::MAX));
    store.submit(Job::new(message, move |_| {
        refuse(&again, &refused, &its, &ended);
    }));
    let soon = heard.recv_timeout(Duration::from_secs(5));
    over.store(1, Relaxed);
    end.recv().unwrap();
    soon.expect("it is told");
}

/// The next one is there as soon as one is refused.
fn refuse(
    store: &Weak<Embedded>,
    op: &UploadCommit,
    over: &Arc<AtomicU64>,
    ended: &mpsc::Sender<()>,
) {
    if over.load(Relaxed) > 0 {
        return ended.send(()).unwrap();
    }
    let effect = Call::detached(op.clone()).into();
    let (again, op, over, ended) = (store.clone(), op.clone(), over.clone(), ended.clone());
    let next = Job::new(effect, move |_| refuse(&again, &op, &over, &ended));
    store.upgrade().unwrap().submit(next);
}

/// The store is closed while the index has something to show yet.
#[test]
fn who_asked_before_the_end_is_answered() {
    for _ in 0..20 {
        let temp = Temp::new();
        let store = temp.open_lagging(open_files());
        let client = Client::new(&store, 1);
        client.append("INBOX", b"x").unwrap();
        let (names, actor) = (vec![MailboxName::inbox()], client.actor());
        let (send, reply) = mpsc::channel();
        let status = Call::detached(Status { actor, names }).into();
        store.submit(Job::new(status, move |reply| drop(send.send(reply))));
        drop(store);
        let told = reply.recv().unwrap().into_result::<Status>();
        let told = told.unwrap().unwrap().pop().unwrap();
        assert_eq!(told.unwrap().messages, 1);
    }
}

/// No more and no less: not after messages that were refused either.
#[test]
fn the_index_says_how_far_it_is() {
    for fault in [Fault::Write, Fault::Sync, Fault::SyncAndCut] {
        let temp = Temp::new();
        let store = temp.open_lagging(Faults::new(fault, 7).opener());
        let client = Client::new(&store, 1);
        let mut last = None;
        for n in 0..60 {
            let done = client.append("INBOX", b"x");
            if n % 10 == 9 && done.is_ok() {
                client.examine("INBOX").unwrap();
                last = Some(mark(&look(&temp)).unwrap());
                agrees(&temp, last.unwrap());
            }
        }
        assert!(last.is_some(), "{fault:?}");
        drop(store);
        agrees(&temp, mark(&look(&temp)).unwrap());
    }
}

/// The mark stands behind a transaction that is whole, and no other that counts stands behind it in the newest segment.
fn agrees(temp: &Temp, (segment, end): (u64, u64)) {
    let packs = temp.0.join("packs");
    let secret = find_secret(&packs).unwrap().unwrap();
    let files = Files::new(packs, secret);
    let mut scan = Scan::new(&files, segment, 0).unwrap();
    let mut ends = Vec::new();
    while let Some(batch) = scan.next().unwrap() {
        ends.push(batch.end);
    }
    assert_eq!(ends.last(), Some(&end), "{segment}: {ends:?}");
}
