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

/// Mailboxes without any below them, two to a name: what is asked of one account's names costs more the more there are.
fn leaves() -> impl Iterator<Item = MailboxName> {
    let digit = |n: u32| char::from_digit(n, 36).unwrap();
    (0..4_997).map(move |n| {
        let (root, place) = (ROOTS[n / 1_000].0, n as u32 % 1_000);
        name(&format!(
            "{root}/{}{}/x",
            digit(place / 36),
            digit(place % 36)
        ))
    })
}

/// Mailboxes that have all others below them, and their later names.
const ROOTS: [(&str, &str); 5] = [("a", "A"), ("b", "B"), ("c", "C"), ("d", "D"), ("e", "E")];

fn at_most(store: &dyn Backend) {
    let c = Client::new(store, 1);
    let actor = c.actor();
    let create = |name| Create {
        actor,
        name,
        special_use: None,
    };
    // INBOX is one of 10,000, and five are made for what is below them.
    let made = ask_all(store, leaves().map(create).collect());
    assert!(made.iter().all(Result::is_ok));
    let names: Vec<_> = c.list().unwrap().into_iter().map(|row| row.name).collect();
    assert_eq!(names.len(), 10_000);
    let refused = [
        c.create("more").unwrap_err(),
        c.rename("a/00/x", "one/more").unwrap_err(),
        c.rename("INBOX", "more").unwrap_err(),
    ];
    assert_eq!(refused.map(|e| e.kind), [ErrorKind::Limit; 3]);
    c.rename("a/00/x", "more").unwrap();

    let subscribe = |name| Subscribe {
        actor,
        name,
        on: true,
    };
    let subscribed = names.into_iter().filter(|name| name.as_str() != "INBOX");
    let subscribed = subscribed.chain([name("s")]).map(subscribe);
    let made = ask_all(store, subscribed.collect());
    assert_eq!(made.len(), 10_000);
    assert!(made.iter().all(Result::is_ok));
    assert_eq!(c.subscribe("t", true).unwrap_err().kind, ErrorKind::Limit);
    c.subscribe("s", true).unwrap();
    // Subscriptions stay where they are, now beside mailboxes.
    for (from, to) in ROOTS {
        c.rename(from, to).unwrap();
    }
    let rows = c.list().unwrap();
    assert_eq!(rows.len(), 20_000);
    assert!(rows.is_sorted_by(|a, b| a.name < b.name));

    c.subscribe("s", false).unwrap();
    c.subscribe("t", true).unwrap();
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
