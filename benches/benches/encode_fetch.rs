//! FETCH from octets to octets: what a session writes for a thousand messages that the store has at hand.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pillarbox_benches::fill::fill;
use pillarbox_benches::wire::Wire;
use pillarbox_driver::{ListenerKind, Service};
use pillarbox_store::{AnyAccounts, Memory};

const MESSAGES: usize = 1000;

fn encode_fetch(c: &mut Criterion) {
    let store = Arc::new(Memory::new());
    fill(&*store, MESSAGES, 3000).expect("it is stored");
    let service = Service::builder(store, Arc::new(AnyAccounts::new()))
        .plaintext_login(true)
        .build();
    let mut wire = Wire::connect(&service, ListenerKind::Plain);
    wire.exchange(b"a LOGIN tim pw\r\nb SELECT INBOX\r\n");
    let mut group = c.benchmark_group("encode_fetch");
    group.throughput(Throughput::Elements(MESSAGES as u64));
    for items in [
        "(FLAGS)",
        "(UID FLAGS MODSEQ)",
        "(FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)",
        "(ENVELOPE BODYSTRUCTURE)",
        "(BODY.PEEK[HEADER.FIELDS (FROM SUBJECT DATE)])",
        "(BODY.PEEK[])",
    ] {
        let command = format!("c FETCH 1:* {items}\r\n");
        group.bench_function(items, |b| {
            b.iter(|| {
                let said = wire.exchange(black_box(command.as_bytes()));
                assert!(said.ends_with(b"c OK FETCH completed\r\n"));
                said
            });
        });
    }
    group.finish();
}

criterion_group!(benches, encode_fetch);
criterion_main!(benches);
