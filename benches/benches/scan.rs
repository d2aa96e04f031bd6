//! What is computed once of a message when it is stored: a small one, and one whose body is most of it.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use pillarbox_benches::fill::message;
use pillarbox_benches::scan::scan;

fn messages(c: &mut Criterion) {
    let mut group = c.benchmark_group("scan");
    for size in [1_000, 10_000, 1_000_000] {
        let message = message(1, size);
        group.throughput(Throughput::Bytes(message.len() as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |b| {
            b.iter(|| scan(black_box(&message)));
        });
    }
    group.finish();
}

criterion_group!(benches, messages);
criterion_main!(benches);
