//! Whole commands on one session: octets in, octets out, a store that answers at once.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use pillarbox_benches::fill::fill;
use pillarbox_benches::wire::Wire;
use pillarbox_driver::{ListenerKind, Service};
use pillarbox_store::{AnyAccounts, Memory};

/// Name, what is sent, and what the answer ends in.
const COMMANDS: [(&str, &str, &str); 6] = [
    ("NOOP", "c NOOP\r\n", "c OK NOOP completed\r\n"),
    (
        "ten NOOPs in one packet",
        "c NOOP\r\nc NOOP\r\nc NOOP\r\nc NOOP\r\nc NOOP\r\nc NOOP\r\nc NOOP\r\nc NOOP\r\nc NOOP\r\nc NOOP\r\n",
        "c OK NOOP completed\r\n",
    ),
    (
        "STATUS",
        "c STATUS INBOX (MESSAGES UNSEEN UIDNEXT)\r\n",
        "c OK STATUS completed\r\n",
    ),
    ("SELECT", "c SELECT INBOX\r\n", "SELECT completed\r\n"),
    (
        "UID STORE there and back",
        "c UID STORE 1 +FLAGS.SILENT (\\Flagged)\r\nc UID STORE 1 -FLAGS.SILENT (\\Flagged)\r\n",
        "c OK UID STORE completed\r\n",
    ),
    (
        "UID SEARCH UNSEEN",
        "c UID SEARCH RETURN (COUNT) UNSEEN\r\n",
        "c OK UID SEARCH completed\r\n",
    ),
];

fn session(c: &mut Criterion) {
    let store = Arc::new(Memory::new());
    fill(&*store, 1000, 3000).expect("it is stored");
    let service = Service::builder(store, Arc::new(AnyAccounts::new()))
        .plaintext_login(true)
        .build();
    let mut wire = Wire::connect(&service, ListenerKind::Plain);
    wire.exchange(b"a LOGIN tim pw\r\nb SELECT INBOX\r\n");
    let mut group = c.benchmark_group("session");
    for (name, command, end) in COMMANDS {
        group.bench_function(name, |b| {
            b.iter(|| {
                let said = wire.exchange(black_box(command.as_bytes()));
                assert!(said.ends_with(end.as_bytes()));
                said
            });
        });
    }
    group.finish();
}

criterion_group!(benches, session);
criterion_main!(benches);
