//! Parsing against imap-codec.

use std::hint::black_box;
use std::time::Instant;

use imap_codec::CommandCodec;
use imap_codec::decode::Decoder;
use pillarbox_benches::commands::{TEN, frames};
use pillarbox_benches::parse::parse;
use pillarbox_core::limits::Limits;

use crate::{Figure, Figures};

const ROUNDS: usize = 40;
const REPEATS: u32 = 5_000;

/// Both parsers in turn on the same commands; the best round of each counts.
pub fn figures() -> Figures {
    let (limits, codec, frames) = (Limits::default(), CommandCodec::default(), frames());
    let (mut ours, mut theirs) = (f64::MAX, f64::MAX);
    for _ in 0..ROUNDS {
        ours = ours.min(nanos(|| {
            frames
                .iter()
                .filter_map(|f| black_box(parse(black_box(f), &limits)))
                .count()
        }));
        theirs = theirs.min(nanos(|| {
            TEN.iter()
                .filter(|l| black_box(codec.decode(black_box(l.as_bytes()))).is_ok())
                .count()
        }));
    }
    Ok(vec![Figure {
        name: String::from("parse_command, mean of ten commands"),
        target: String::from("a quarter of imap-codec"),
        measured: format!("{ours:.0} ns of {theirs:.0} ns: {:.2}", ours / theirs),
        reached: ours <= theirs / 4.0,
    }])
}

/// Nanoseconds for each of the ten commands.
fn nanos(ten: impl Fn() -> usize) -> f64 {
    let began = Instant::now();
    for _ in 0..REPEATS {
        assert_eq!(ten(), TEN.len(), "a command was not understood");
    }
    began.elapsed().as_secs_f64() * 1e9 / f64::from(REPEATS) / 10.0
}
