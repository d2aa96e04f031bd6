//! A process that is killed while it changes mail from several threads: what it acknowledged is there, once, with the right octets and UID.
#![cfg(all(feature = "sqlite", feature = "conformance"))]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pillarbox_store::conformance::{Client, MailboxState, Model, Waiting};
use pillarbox_store::{Backend, Embedded, Leave, Options, rebuild};

/// Accounts that each follow a model, one thread each.
const MODELS: u64 = 3;
/// An account whose INBOX two threads append to.
const SHARED: u64 = 9;
const ROUNDS: u64 = 40;

/// Not a check of its own: what the other test runs and kills.
#[test]
fn child() {
    let Ok(path) = std::env::var("PILLARBOX_KILL_TEST") else {
        return;
    };
    let variable = std::env::var("PILLARBOX_KILL_STEPS").unwrap();
    let steps: Vec<u32> = variable.split(',').map(|n| n.parse().unwrap()).collect();
    say("opening");
    let store = Embedded::open(path, Options::default()).unwrap();
    // Those of its threads that bring mail may wait for the disk, one at a time.
    let store = &Waiting::new(store, Leave::new(1, || {}));
    std::thread::scope(|scope| {
        for (account, done) in (1..=MODELS).zip(&steps) {
            scope.spawn(move || follow(store, account, *done));
        }
        for thread in 0..2 {
            let round = steps[steps.len() - 1];
            scope.spawn(move || pour(store, thread, round));
        }
    });
}

fn follow(store: &dyn Backend, account: u64, done: u32) {
    let mut model = Model::new(account);
    (0..done).for_each(|_| model.advance());
    for n in done + 1.. {
        model.step(Client::new(store, account));
        say(&format!("did {account} {n}"));
    }
}

fn pour(store: &dyn Backend, thread: u32, round: u32) {
    for n in 0.. {
        let text = format!("{round} {thread} {n}");
        let long = text.repeat(1 + (n as usize * 37) % 5000);
        let uid = Client::new(store, SHARED).append("INBOX", long.as_bytes());
        say(&format!("kept {} {text}", uid.unwrap().get()));
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n: {line}").unwrap();
    out.flush().unwrap();
}

/// What was acknowledged so far, and what was seen of it.
#[derive(Default)]
struct Known {
    steps: [u32; MODELS as usize],
    kept: BTreeMap<u32, String>,
    /// By mailbox identity: what may only grow.
    counters: BTreeMap<u64, (u32, u32, u64)>,
    /// By mailbox identity and UID: the content, for ever.
    contents: BTreeMap<(u64, u32), Vec<u8>>,
    /// (account, name, validity) and the identity it stands for.
    names: BTreeMap<(u64, String, u32), u64>,
}

impl Known {
    fn hear(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["did", account, n] => {
                let account: usize = account.parse().unwrap();
                self.steps[account - 1] = n.parse().unwrap();
            }
            ["kept", uid, ..] => {
                let text = words[2..].join(" ");
                let before = self.kept.insert(uid.parse().unwrap(), text);
                assert_eq!(before, None, "UID {uid} was given twice");
            }
            _ => {}
        }
    }

    /// Each account is where the acknowledged changes bring it, or one change further.
    fn check(&mut self, store: &dyn Backend) {
        for account in 1..=MODELS {
            let state = Client::new(store, account).state().unwrap();
            let at = usize::try_from(account - 1).unwrap();
            let mut model = Model::new(account);
            (0..self.steps[at]).for_each(|_| model.advance());
            if let Some(difference) = model.disagreement(&state) {
                model.advance();
                self.steps[at] += 1;
                let further = model.disagreement(&state);
                assert_eq!(further, None, "account {account}; without it {difference}");
            }
            self.compare(account, &state);
        }
        let shared = Client::new(store, SHARED).state().unwrap();
        self.compare(SHARED, &shared);
        let octets: BTreeMap<u32, &Vec<u8>> = shared[0]
            .messages
            .iter()
            .map(|m| (m.uid, &m.octets))
            .collect();
        for (uid, text) in &self.kept {
            let found = octets.get(uid).expect("what was acknowledged is there");
            assert!(found.starts_with(text.as_bytes()), "UID {uid}");
        }
        let mut distinct: Vec<_> = octets.values().collect();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), octets.len(), "nothing is there twice");
    }

    fn compare(&mut self, account: u64, state: &[MailboxState]) {
        for mailbox in state {
            let Some(id) = mailbox.id.map(|id| id.0) else {
                continue;
            };
            let now = (
                mailbox.uid_validity,
                mailbox.uid_next,
                mailbox.highest_modseq,
            );
            let before = self.counters.insert(id, now).unwrap_or(now);
            let name = &mailbox.name;
            assert_eq!(before.0, now.0, "the validity of {name}");
            assert!(before.1 <= now.1 && before.2 <= now.2, "{name} went back");
            let key = (account, name.clone(), mailbox.uid_validity);
            assert_eq!(*self.names.entry(key).or_insert(id), id, "{name}");
            for message in &mailbox.messages {
                let content = self.contents.entry((id, message.uid));
                let content = content.or_insert_with(|| message.octets.clone());
                assert!(*content == message.octets, "{name}: UID {}", message.uid);
            }
        }
    }
}

fn spawn(path: &Path, known: &Known, round: u64) -> Child {
    let steps: Vec<String> = known.steps.iter().map(ToString::to_string).collect();
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env("PILLARBOX_KILL_TEST", path)
        .env(
            "PILLARBOX_KILL_STEPS",
            format!("{},{round}", steps.join(",")),
        )
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn acknowledged_changes_survive_a_kill() {
    let path = std::env::temp_dir().join(format!("pillarbox-kill-{}", std::process::id()));
    let mut known = Known::default();
    let deadline = Instant::now() + Duration::from_secs(240);
    for round in 0..ROUNDS {
        let mut child = spawn(&path, &known, round);
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Now and then it is killed while it opens the store.
        let mut left = 1 + round * 7919 % 97;
        for line in lines {
            let line = line.unwrap();
            let Some(said) = line.strip_prefix(": ") else {
                continue;
            };
            known.hear(said);
            left = left.saturating_sub(1);
            if left == 0 || Instant::now() > deadline {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(Instant::now() < deadline, "round {round} took too long");
        known.check(&Embedded::open(&path, Options::default()).unwrap());
    }
    std::fs::remove_file(path.join("index.sqlite")).unwrap();
    let rebuilt = rebuild(&path).unwrap();
    assert_eq!((rebuilt.damaged, rebuilt.flags_lost), (0, false));
    known.check(&Embedded::open(&path, Options::default()).unwrap());
    assert!(known.kept.len() > 100 && known.steps.iter().all(|n| *n > 20));
    std::fs::remove_dir_all(path).unwrap();
}
