//! A process that is killed while it appends: what it acknowledged is there, once, with the right octets.
#![cfg(all(feature = "sqlite", feature = "conformance"))]

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use pillarbox_core::id::Uid;
use pillarbox_store::conformance::Client;
use pillarbox_store::{Embedded, Options};

fn message(round: u32, n: u32) -> Vec<u8> {
    let line = format!("round {round} message {n}\r\n");
    line.repeat(1 + (n as usize * 37) % 5000).into_bytes()
}

/// Not a check of its own: what the other test runs and kills.
#[test]
fn child() {
    let Ok(path) = std::env::var("PILLARBOX_KILL_TEST") else {
        return;
    };
    let round = std::env::var("PILLARBOX_KILL_ROUND").unwrap();
    let round = round.parse().unwrap();
    let store = Embedded::open(path, Options::default()).unwrap();
    for n in 0.. {
        let uid = Client::new(&store, 1)
            .append("INBOX", &message(round, n))
            .unwrap();
        let mut out = std::io::stdout().lock();
        writeln!(out, "ack {} {n}", uid.get()).unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn acknowledged_mail_survives_a_kill() {
    let path = std::env::temp_dir().join(format!("pillarbox-kill-{}", std::process::id()));
    let mut acknowledged = Vec::new();
    for round in 0..20 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture"])
            .env("PILLARBOX_KILL_TEST", &path)
            .env("PILLARBOX_KILL_ROUND", round.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut left = 1 + round * 7 % 13;
        for line in lines {
            let line = line.unwrap();
            // The test runner's own words may stand before the first one on its line.
            let Some((_, ack)) = line.split_once("ack ") else {
                continue;
            };
            let (uid, n) = ack.split_once(' ').unwrap();
            acknowledged.push((uid.parse().unwrap(), round, n.parse().unwrap()));
            left = u32::saturating_sub(left, 1);
            if left == 0 {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
    }
    let store = Embedded::open(&path, Options::default()).unwrap();
    let client = Client::new(&store, 1);
    let mailbox = client.examine("INBOX").unwrap().mailbox;
    for (uid, round, n) in &acknowledged {
        let octets = client.body(mailbox, Uid::new(*uid).unwrap()).unwrap();
        assert!(octets == message(*round, *n), "uid {uid} of round {round}");
    }
    let distinct: std::collections::BTreeSet<u32> = acknowledged.iter().map(|a| a.0).collect();
    assert_eq!(distinct.len(), acknowledged.len());
    assert!(acknowledged.len() >= 20);
    drop(store);
    std::fs::remove_dir_all(path).unwrap();
}
