//! A store that is put back from a copy gives no number again that was given since.
#![cfg(all(feature = "sqlite", feature = "conformance"))]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use pillarbox_store::conformance::{Client, MailboxState};
use pillarbox_store::{Embedded, Options, rebuild, renumber, verify};

struct Temp(PathBuf);

impl Temp {
    fn new(name: &str) -> Self {
        let name = format!("pillarbox-renumber-{name}-{}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn open(path: &Path) -> Embedded {
    let mut options = Options::default();
    options.reserve = 0;
    Embedded::open(path, options).unwrap()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn mail(number: u32) -> Vec<u8> {
    format!("Message-ID: <{number}@example>\r\nSubject: {number}\r\n\r\nText\r\n").into_bytes()
}

fn problems(path: &Path) -> u64 {
    verify(path, |problem| println!("{problem}"))
        .unwrap()
        .problems
}

/// Without what is to change.
fn rest(state: &[MailboxState]) -> Vec<MailboxState> {
    let mut state = state.to_vec();
    state.iter_mut().for_each(|m| m.uid_validity = 0);
    state
}

#[test]
fn what_was_given_since_the_copy_is_not_given_again() {
    let (used, copied) = (Temp::new("used"), Temp::new("copied"));
    let store = open(&used.0);
    let (ann, bob) = (Client::new(&store, 1), Client::new(&store, 2));
    ann.create("Work/2026").unwrap();
    for (client, name, number) in [(&ann, "INBOX", 1), (&ann, "Work", 2), (&bob, "INBOX", 3)] {
        client.append(name, &mail(number)).unwrap();
    }
    drop(store);
    copy(&used.0, &copied.0);

    // What clients saw since.
    let store = open(&used.0);
    let ann = Client::new(&store, 1);
    ann.append("INBOX", &mail(4)).unwrap();
    ann.create("New").unwrap();
    ann.append("New", &mail(5)).unwrap();
    let seen = ann.state().unwrap();
    drop(store);

    // The copy takes its place.
    let store = open(&copied.0);
    let before = [1, 2].map(|account| Client::new(&store, account).state().unwrap());
    drop(store);
    assert_eq!(renumber(&copied.0).unwrap(), 4);
    assert_eq!(problems(&copied.0), 0);
    for round in ["as it is", "rebuilt"] {
        let store = open(&copied.0);
        let now = [1, 2].map(|account| Client::new(&store, account).state().unwrap());
        for (before, now) in before.iter().zip(&now) {
            assert_eq!(rest(before), rest(now), "{round}");
            let given: BTreeSet<_> = before.iter().chain(&seen).map(|m| m.uid_validity).collect();
            assert!(
                now.iter().all(|m| !given.contains(&m.uid_validity)),
                "{round}"
            );
        }
        drop(store);
        assert_eq!(rebuild(&copied.0).unwrap().damaged, 0);
        assert_eq!(problems(&copied.0), 0);
    }
    let store = open(&copied.0);
    let ann = Client::new(&store, 1);
    ann.append("INBOX", &mail(6)).unwrap();
    ann.create("New").unwrap();
    let now = ann.state().unwrap();
    let messages = |state: &[MailboxState]| -> BTreeSet<_> {
        let all = state.iter().flat_map(|m| &m.messages);
        all.map(|m| (m.email_id.0, m.octets.clone())).collect()
    };
    let ids = |state: &[MailboxState]| -> BTreeSet<_> {
        let all = messages(state).into_iter().map(|(id, _)| id);
        all.chain(state.iter().filter_map(|m| Some(m.id?.0)))
            .collect()
    };
    let (old, new) = (ids(&before[0]), ids(&now));
    let since: BTreeSet<_> = ids(&seen).difference(&old).copied().collect();
    assert!(new.is_disjoint(&since), "{new:?} {since:?}");
    assert_eq!(new.difference(&old).count(), 2);
}
