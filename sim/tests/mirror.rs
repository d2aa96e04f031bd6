//! Histories of many clients at once, each of which knows only what it is told, checked against a model of the account.

use std::sync::atomic::{AtomicU64, Ordering};

use pillarbox_sim::history::{Counts, check, isolated, timeless, uncut};

/// A number from the environment, or this one.
fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |n| n.parse().expect("a number is wanted"))
}

#[test]
fn what_clients_believe_is_what_there_is() {
    let first = number("PILLARBOX_SEED", 0);
    let seeds = number("PILLARBOX_SEEDS", 2000);
    let events = usize::try_from(number("PILLARBOX_EVENTS", 60)).expect("it fits");
    let next = AtomicU64::new(first);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let total = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let mut total = Counts::default();
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= first + seeds {
                            return Ok(total);
                        }
                        match check(seed, events) {
                            Ok(counts) => total += counts,
                            Err(found) => {
                                next.store(first + seeds, Ordering::Relaxed);
                                return Err(found);
                            }
                        }
                    }
                })
            })
            .collect();
        let mut total = Counts::default();
        for run in runs {
            match run.join().expect("no history panics") {
                Ok(counts) => total += counts,
                Err(found) => panic!("after {} histories: {found}", found.seed - first + 1),
            }
        }
        total
    });
    println!("{seeds} histories: {total:?}");
}

/// Runs histories twice; they must say something.
fn twice(seeds: u64, run: fn(u64, usize) -> Result<usize, String>) {
    let first = number("PILLARBOX_SEED", 0);
    let lines = (first..first + seeds).map(|seed| run(seed, 60).unwrap_or_else(|e| panic!("{e}")));
    assert!(lines.sum::<usize>() > 0, "nothing was said");
}

#[test]
fn one_account_is_told_the_same_whatever_another_does() {
    twice(100, isolated);
}

#[test]
fn the_wall_clock_changes_only_dates() {
    twice(100, timeless);
}

#[test]
fn how_octets_are_cut_changes_nothing() {
    twice(30, uncut);
}
