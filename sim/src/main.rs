//! `soak`: histories from random seeds, on every core, for as long as is asked.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use pillarbox_sim::history::{Counts, Found, check};

const USAGE: &str = "usage: pillarbox-sim soak [--minutes N] [--seeds N] [--seed S] [--events N] [--threads N] [--go-on 1]
  --minutes  how long, 1 if neither this nor --seeds is given
  --seeds    how many histories at most
  --seed     the first seed; the others follow it. Without it the clock decides
  --events   events of each history, 60 if not given
  --threads  how many at a time, one for each core if not given
  --go-on    1: a failure ends nothing; one of each kind is shown";

struct Options {
    minutes: Option<u64>,
    seeds: Option<u64>,
    seed: Option<u64>,
    events: usize,
    threads: usize,
    go_on: bool,
}

fn options() -> Option<Options> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut options = Options {
        minutes: None,
        seeds: None,
        seed: None,
        events: 60,
        threads: cores,
        go_on: false,
    };
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() != Some("soak") {
        return None;
    }
    while let Some(name) = arguments.next() {
        let value: u64 = arguments.next()?.parse().ok()?;
        match name.as_str() {
            "--minutes" => options.minutes = Some(value),
            "--seeds" => options.seeds = Some(value),
            "--seed" => options.seed = Some(value),
            "--events" => options.events = usize::try_from(value).ok()?,
            "--threads" => options.threads = usize::try_from(value).ok()?,
            "--go-on" => options.go_on = value > 0,
            _ => return None,
        }
    }
    Some(options)
}

fn main() -> ExitCode {
    let Some(options) = options() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let clock = SystemTime::now().duration_since(UNIX_EPOCH);
    let clock = clock.map_or(1, |d| d.as_nanos() as u64);
    let first = options.seed.unwrap_or(clock);
    let minutes = match (options.minutes, options.seeds) {
        (None, None) => Some(1),
        (minutes, _) => minutes,
    };
    let began = Instant::now();
    let end = minutes.map(|m| began + Duration::from_secs(60 * m));
    let next = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    let total: Mutex<(u64, Counts, BTreeMap<String, Box<Found>>)> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..options.threads.max(1) {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) && end.is_none_or(|end| Instant::now() < end) {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if options.seeds.is_some_and(|seeds| n >= seeds) {
                        return;
                    }
                    let result = check(first.wrapping_add(n), options.events);
                    let mut total = total.lock().expect("nobody panics with the lock");
                    total.0 += 1;
                    match result {
                        Ok(counts) => total.1 += counts,
                        Err(found) => {
                            stop.store(!options.go_on, Ordering::Relaxed);
                            total.2.entry(found.kind()).or_insert(found);
                        }
                    }
                }
            });
        }
    });
    let (seeds, counts, found) = total.into_inner().expect("nobody panics with the lock");
    println!(
        "{seeds} histories from seed {first} in {:.1} s: {} commands, {} octets, {} cuts, {} responses and changes checked",
        began.elapsed().as_secs_f64(),
        counts.commands,
        counts.octets,
        counts.cuts,
        counts.checks
    );
    for found in found.values() {
        println!("\n{found}");
    }
    match found.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
