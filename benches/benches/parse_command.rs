//! Ten commands: ours against imap-codec, in one run.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use imap_codec::CommandCodec;
use imap_codec::decode::Decoder;
use pillarbox_benches::commands::{TEN, frames};
use pillarbox_benches::parse::parse;
use pillarbox_core::limits::Limits;

fn commands(c: &mut Criterion) {
    let (limits, codec, frames) = (Limits::default(), CommandCodec::default(), frames());
    let mut group = c.benchmark_group("parse_command");
    for (frame, line) in frames.iter().zip(TEN) {
        let name = line
            .trim_end()
            .split_once(' ')
            .map_or(line, |(_, rest)| rest);
        let name: String = name.chars().take(20).collect();
        group.bench_function(BenchmarkId::new("ours", &name), |b| {
            b.iter(|| parse(black_box(frame), &limits));
        });
        group.bench_function(BenchmarkId::new("imap-codec", &name), |b| {
            b.iter(|| black_box(codec.decode(black_box(line.as_bytes())).is_ok()));
        });
    }
    group.throughput(Throughput::Elements(TEN.len() as u64));
    group.bench_function("ours, all ten", |b| {
        b.iter(|| {
            frames
                .iter()
                .filter_map(|f| parse(black_box(f), &limits))
                .count()
        });
    });
    group.bench_function("imap-codec, all ten", |b| {
        b.iter(|| {
            TEN.iter()
                .filter(|l| codec.decode(black_box(l.as_bytes())).is_ok())
                .count()
        });
    });
    group.finish();
}

criterion_group!(benches, commands);
criterion_main!(benches);
