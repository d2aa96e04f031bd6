//! A server on loopback, on each runtime: a round trip, and a FETCH of a thousand messages.

use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use pillarbox_benches::client::Client;
use pillarbox_benches::fill::fill;
use pillarbox_benches::serve::{Running, Runtime};
use pillarbox_store::Memory;

fn server(c: &mut Criterion) {
    let mut group = c.benchmark_group("server");
    for (name, runtime) in [("tokio", Runtime::Tokio), ("smol", Runtime::Smol)] {
        let store = Arc::new(Memory::new());
        fill(&*store, 1000, 3000).expect("it is stored");
        let running = Running::start(store, runtime).expect("it listens");
        let mut client = Client::connect(running.address).expect("it answers");
        client.sign_in().expect("anyone may");
        for command in ["NOOP", "FETCH 1:* (FLAGS)", "FETCH 1:* (BODY.PEEK[])"] {
            group.bench_function(format!("{name}: {command}"), |b| {
                b.iter(|| client.command(command).expect("it answers"));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, server);
criterion_main!(benches);
