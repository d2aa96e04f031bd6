//! How many names an account may have, in memory and on disk.
#![cfg(all(feature = "sqlite", feature = "conformance"))]

use std::sync::mpsc::channel;

use pillarbox_core::effect::{Call, Create, Effect, ErrorKind, Op, StoreError, Subscribe};
use pillarbox_core::mailbox::MailboxName;
use pillarbox_store::conformance::Client;
use pillarbox_store::{Backend, Embedded, Job, Memory, Options};

fn name(name: &str) -> MailboxName {
    MailboxName::new(name).unwrap()
}

/// Asks for all of it at once, so that many share a sync; the results in order.
fn ask_all<O: Op>(store: &dyn Backend, ops: Vec<O>) -> Vec<Result<O::Reply, StoreError>>
where
    Effect: From<Call<O>>,
{
    let submit = |op: O| {
        let (sender, receiver) = channel();
        let job = Job::new(Call::detached(op).into(), move |reply| {
            drop(sender.send(reply));
        });
        store.submit(job);
        receiver
    };
    let replies: Vec<_> = ops.into_iter().map(submit).collect();
    let result = |reply: std::sync::mpsc::Receiver<_>| {
        let reply: pillarbox_core::effect::Reply = reply.recv().unwrap();
        reply.into_result::<O>().unwrap()
    };
    replies.into_iter().map(result).collect()
}

fn at_most(store: &dyn Backend) {
    let c = Client::new(store, 1);
    let actor = c.actor();
    let create = |n| Create {
        actor,
        name: name(&format!("m{n}")),
        special_use: None,
    };
    // INBOX is one of 10,000.
    let made = ask_all(store, (1..10_000).map(create).collect());
    assert!(made.iter().all(Result::is_ok));
    let refused = [
        c.create("more").unwrap_err(),
        c.rename("m1", "one/more").unwrap_err(),
        c.rename("INBOX", "more").unwrap_err(),
    ];
    assert_eq!(refused.map(|e| e.kind), [ErrorKind::Limit; 3]);
    c.rename("m1", "more").unwrap();

    let subscribe = |n| Subscribe {
        actor,
        name: name(&format!("s{n}")),
        on: true,
    };
    let made = ask_all(store, (0..10_000).map(subscribe).collect());
    assert!(made.iter().all(Result::is_ok));
    assert_eq!(c.subscribe("x", true).unwrap_err().kind, ErrorKind::Limit);
    c.subscribe("s1", true).unwrap();
    let rows = c.list().unwrap();
    assert_eq!(rows.len(), 20_000);
    assert!(rows.is_sorted_by(|a, b| a.name < b.name));

    c.subscribe("s1", false).unwrap();
    c.subscribe("x", true).unwrap();
    c.delete("more").unwrap();
    c.create("more").unwrap();
}

#[test]
fn in_memory() {
    at_most(&Memory::new());
}

#[test]
fn on_disk() {
    let folder = std::env::temp_dir().join(format!("pillarbox-names-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    at_most(&Embedded::open(&folder, Options::default()).unwrap());
    std::fs::remove_dir_all(&folder).unwrap();
}
