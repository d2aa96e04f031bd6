//! What a hostile client may send, as a table, against the real binary on each runtime: the answer is the one it must be, the session is in step
//! or closed with a word, other sessions do not notice, and memory and descriptors are where they were.
#![cfg(all(feature = "cli", feature = "sqlite", target_os = "linux"))]

#[path = "../clients/demo.rs"]
#[allow(dead_code)] // What only clients need.
mod demo;
mod mail;
mod rows;
mod wire;

use std::time::{Duration, Instant};

use demo::{Demo, Folder};
use rows::Row;
use wire::{Chunking, Client, End};

/// What another session's NOOP may take meanwhile; a second, since machines that test are busy.
const UNNOTICED: Duration = Duration::from_secs(1);

fn table_on(runtime: &str) {
    let folder = Folder::new(&format!("hostile-{runtime}"));
    let demo = Demo::start(&["--runtime", runtime, "--store", &folder.join("store")]);
    let mut other = Client::selected(demo.plain);
    let rows = rows::all();
    // Everything that is made once is made now.
    let warm = rows.iter().take(5);
    let mut failures: Vec<String> = warm
        .filter_map(|row| try_row(row, Chunking::Whole, &demo).err())
        .collect();
    let before = resources(demo.pid());
    let mut slowest = Duration::ZERO;
    for row in &rows {
        for chunking in chunkings(row) {
            failures.extend(try_row(row, chunking, &demo).err());
            other.said.clear();
            let since = Instant::now();
            assert_eq!(other.noop(), End::Alive, "after {}", row.name);
            slowest = slowest.max(since.elapsed());
        }
    }
    assert!(slowest < UNNOTICED, "another session waited {slowest:?}");
    println!(
        "{} rows; another session waited {slowest:?} at most",
        rows.len()
    );
    // Hundreds of connections came and went; the store may have opened files of its own meanwhile.
    demo::wait_until("descriptors are given back", || {
        resources(demo.pid()).descriptors <= before.descriptors + 8
    });
    let grown = resources(demo.pid()).memory.saturating_sub(before.memory);
    assert!(grown < 64 << 20, "memory grew by {grown} octets");
    demo.terminate();
}

#[test]
fn table_on_tokio() {
    table_on("tokio");
}

#[cfg(feature = "runtime-smol")]
#[test]
fn table_on_smol() {
    table_on("smol");
}

/// Octet by octet only where that takes no time.
fn chunkings(row: &Row) -> Vec<Chunking> {
    let mut chunkings = vec![Chunking::Whole];
    if row.octets.len() < 300 {
        chunkings.extend([Chunking::Octets, Chunking::AtCrLf]);
    } else {
        chunkings.push(Chunking::Blocks);
    }
    chunkings
}

fn try_row(row: &Row, chunking: Chunking, demo: &Demo) -> Result<(), String> {
    let mut client = if row.selected {
        Client::selected(demo.plain)
    } else {
        Client::connect(demo.plain)
    };
    client.said.clear();
    client.send(&row.octets, chunking);
    let end = client.noop();
    let wrong = |what: &str| {
        let name = row.name;
        Err(format!("{name} ({chunking:?}) {what}: {}", client.text()))
    };
    if end != row.end {
        return wrong(&format!("is to leave the session {:?}", row.end));
    }
    let mut rest = &client.said[..];
    for wanted in row.says {
        let Some(at) = find(rest, wanted.as_bytes()) else {
            return wrong(&format!("is to be answered {wanted:?}"));
        };
        rest = &rest[at + wanted.len()..];
    }
    match find(&client.said, row.never.as_bytes()) {
        Some(_) => wrong(&format!("must not be answered {:?}", row.never)),
        None => Ok(()),
    }
}

fn find(octets: &[u8], wanted: &[u8]) -> Option<usize> {
    octets.windows(wanted.len()).position(|w| w == wanted)
}

/// What a process holds.
struct Resources {
    /// Octets that are resident.
    memory: usize,
    /// Open files and sockets.
    descriptors: usize,
}

fn resources(pid: u32) -> Resources {
    let process = format!("/proc/{pid}");
    let status = std::fs::read_to_string(format!("{process}/status")).expect("it runs");
    let line = status.lines().find(|l| l.starts_with("VmRSS:"));
    let kilobytes = line.and_then(|l| l.split_whitespace().nth(1)?.parse::<usize>().ok());
    let files = std::fs::read_dir(format!("{process}/fd")).expect("it runs");
    Resources {
        memory: kilobytes.expect("Linux tells the resident size") << 10,
        descriptors: files.count(),
    }
}
