//! The store after a crash at any moment, on a disk that keeps what was synced and of the rest what it likes; and on a disk that fails.
//!
//! A child process works with a store while a preloaded library notes all it does to files. From the notes the folder is built as a crash at
//! some step may leave it, the store is opened on it, and everything that was acknowledged before that step must be there. The children also
//! run on disks that fail in ordered ways.
//!
//! `PILLARBOX_CRASH_SECONDS=600` looks for longer, with new seeds; `PILLARBOX_CRASH_SEED=7` begins with that seed. A failure names the seed, the
//! step and a folder with the recording and the state that the store was opened on.
#![cfg(target_os = "linux")]

mod commands;
mod crashes;
mod disk;
mod faults;
mod known;
mod log;
mod process;
mod random;
mod structures;
mod work;

use std::path::Path;

use commands::Command;
use disk::Syncs;
use pillarbox_store::{Embedded, verify};
use process::Place;

/// Not a check of its own: what the others run as children.
#[test]
fn child() {
    let Ok(told) = std::env::var("PILLARBOX_CRASH_CHILD") else {
        return;
    };
    let words: Vec<&str> = told.split(' ').collect();
    let number = |n: usize| words[n].parse().unwrap();
    let task = work::Task {
        seed: number(1),
        steps: number(2) as u32,
        faults: words[0] == "faulty",
    };
    let child = work::Child::new(Path::new(&std::env::var("RECORD_ROOT").unwrap()));
    match words[0] {
        "work" | "faulty" => work::work(&child, task),
        "refuse" => work::refuse(&child, task),
        "log" => work::log(&child, task),
        "full" => work::full(&child, task),
        "burst" => work::burst(&child, task),
        "in-place" => work::in_place(&child, task),
        "recover" => work::recover(&child, task),
        "sweep" => faults::sweep(&child, task),
        "pour" => faults::pour(&child, 0),
        "pour-in-place" => faults::pour(&child, 1),
        "fill" => faults::fill(&child),
        "overfill" => faults::overfill(&child),
        "structures" => structures::check(&child),
        other => match Command::from_word(other) {
            Some(command) => commands::child(&child, command, task),
            None => panic!("no child does {other}"),
        },
    }
}

#[test]
fn what_was_acknowledged_survives_any_crash() {
    crashes::find_none(|seed| crashes::find("work", seed, 200, Syncs::Honest));
}

#[test]
fn what_was_acknowledged_survives_a_crash_of_a_failing_disk() {
    crashes::find_none(|seed| crashes::find("faulty", seed, 120, Syncs::Honest));
}

#[test]
fn what_was_refused_and_seen_survives_any_crash() {
    crashes::find_none(|seed| crashes::find_alone("refuse", seed, 100));
}

#[test]
fn what_was_acknowledged_survives_when_a_log_of_the_index_is_not_synced() {
    crashes::find_none(|seed| crashes::find_alone("log", seed, 80));
}

#[test]
fn what_was_acknowledged_before_the_index_shows_it_survives_any_crash() {
    crashes::find_none(|seed| crashes::find_alone("burst", seed, 100));
}

#[test]
fn what_was_written_by_who_brought_it_survives_any_crash() {
    crashes::find_none(|seed| crashes::find_alone("in-place", seed, 100));
}

#[test]
fn what_was_acknowledged_survives_a_crash_of_a_recovery() {
    crashes::find_none(|seed| crashes::find_second(seed, 8, 12));
}

#[test]
fn a_crash_inside_compact_loses_nothing() {
    crashes::find_none(|seed| commands::find(Command::Compact, seed, 60));
}

#[test]
fn a_crash_inside_a_rebuild_loses_nothing() {
    crashes::find_none(|seed| commands::find(Command::Rebuild, seed, 40));
    crashes::find_none(|seed| commands::find(Command::Rebuild, seed + 1, 40));
}

#[test]
fn a_crash_inside_an_upgrade_loses_nothing() {
    for format in [1, 2] {
        crashes::find_none(|seed| commands::find(Command::Upgrade(format), seed, 30));
    }
}

/// Segments of format 1 have no head. A message in a torn one of format 2 must not get its octets taken for records.
#[test]
fn a_torn_segment_is_not_taken_for_one_of_format_1() {
    let place = Place::new("torn");
    let _open = process::STORES.read().unwrap();
    let store = place.0.join("store");
    drop(Embedded::open(&store, work::options()).unwrap());
    let old = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/format-1/packs");
    let records = std::fs::read(old.join("0000000000000000.pack")).unwrap();
    let torn = [&[0; 64], &records[..]].concat();
    std::fs::write(store.join("packs/0000000000000001.pack"), torn).unwrap();
    drop(Embedded::open(&store, work::options()).unwrap());
    let verified = verify(&store, |problem| panic!("{problem}")).unwrap();
    assert_eq!((verified.mailboxes, verified.messages), (0, 0));
}

#[test]
fn a_disk_that_forgets_what_was_synced_is_found_out() {
    for syncs in [Syncs::Lost, Syncs::LostOnPacks, Syncs::LostOnFolders] {
        let found = crashes::find("work", 1, 60, syncs);
        let lost = found.iter().filter(|f| f.contains("lost")).count();
        let needed = if syncs == Syncs::LostOnFolders { 1 } else { 10 };
        assert!(
            lost >= needed,
            "{syncs:?}: lost mail was reported {lost} times: {found:#?}"
        );
    }
}

#[test]
fn a_failing_disk_is_told_and_nothing_is_lost() {
    let place = Place::new("sweep");
    process::run(&place.0.join("root"), "sweep", 1, 16, false);
}

#[test]
fn what_is_acknowledged_before_the_index_shows_it_is_there_whatever_fails() {
    let place = Place::new("pour");
    process::run(&place.0.join("root"), "pour", 1, 0, false);
}

#[test]
fn what_is_written_by_who_brings_it_is_there_whatever_fails() {
    let place = Place::new("pour-in-place");
    process::run(&place.0.join("root"), "pour-in-place", 1, 0, false);
}

#[test]
fn what_was_acknowledged_survives_when_the_index_has_no_room_for_its_log() {
    crashes::find_none(|seed| crashes::find_alone("full", seed, 50));
}

#[test]
fn a_full_disk_takes_no_mail_and_lets_it_be_deleted() {
    let place = Place::new("fill");
    process::run(&place.0.join("root"), "fill", 1, 0, false);
}

#[test]
fn a_disk_that_gets_full_of_one_command_lets_mail_be_deleted() {
    let place = Place::new("overfill");
    process::run(&place.0.join("root"), "overfill", 1, 0, false);
}

#[test]
fn what_an_earlier_version_computed_of_messages_is_computed_anew() {
    let place = Place::new("structures");
    process::run(&place.0.join("root"), "structures", 1, 0, false);
}
