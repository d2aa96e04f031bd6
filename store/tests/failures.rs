//! Stores on disks that are full or cannot be written to: a clear error, never an OK for what is not stored, and deleting works.
//!
//! Each check runs in a process of its own that mounts a small disk for itself (`unshare`, of util-linux): no right of root is needed where there are user
//! namespaces.
#![cfg(all(feature = "sqlite", feature = "conformance"))]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use pillarbox_core::effect::{ErrorKind, FlagOp, StoreError};
use pillarbox_core::flag::SystemFlags;
use pillarbox_core::id::Uid;
use pillarbox_core::set::UidSet;
use pillarbox_store::conformance::{Client, Waiting, flag_names};
use pillarbox_store::{Embedded, Leave, Options, verify};

const CHECK: &str = "PILLARBOX_FAILURE_CHECK";
const DISK: &str = "PILLARBOX_FAILURE_DISK";

/// Runs a check of this file on a disk of so many kilobytes.
fn on_disk(kilobytes: u32, check: &str) {
    let name = format!("pillarbox-disk-{}-{check}", std::process::id());
    let disk = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&disk).unwrap();
    let mount = format!("mount -t tmpfs -o size={kilobytes}k none \"$0\" && exec \"$@\"");
    let mut child = Command::new("unshare")
        .args([own_mounts(), "sh", "-c", &mount])
        .arg(&disk)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(CHECK, check)
        .env(DISK, &disk)
        .stdin(Stdio::null())
        .spawn()
        .expect("unshare (util-linux) is there");
    let deadline = Instant::now() + Duration::from_secs(120);
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
        }
        std::thread::yield_now();
    };
    std::fs::remove_dir(&disk).unwrap();
    assert!(
        status.success(),
        "{check} failed, or no disk could be mounted"
    );
}

/// How `unshare` is told to let a process mount what it likes: as a root of its own, or by the right of the one who runs this.
fn own_mounts() -> &'static str {
    let mounts = |how: &&str| {
        let mut unshare = Command::new("unshare");
        let mount = [*how, "mount", "-t", "tmpfs", "none"];
        let tried = unshare.args(mount).arg(std::env::temp_dir()).output();
        tried
            .expect("unshare (util-linux) is there")
            .status
            .success()
    };
    let how = ["-rm", "-m"].into_iter().find(mounts);
    how.expect("whoever runs this may mount: root may, others where there are user namespaces")
}

/// Not a check of its own: what the others run.
#[test]
fn child() {
    let Ok(check) = std::env::var(CHECK) else {
        return;
    };
    let disk = PathBuf::from(std::env::var_os(DISK).unwrap());
    match check.as_str() {
        "small" => fill(&disk, 900),
        "large" => fill(&disk, 180_000),
        "spooled" => fill(&disk, 700_000),
        "bare" => bare(&disk),
        "again" => again(&disk),
        "read-only" => read_only(&disk),
        "tiny" => tiny(&disk),
        other => panic!("no such check: {other}"),
    }
}

#[test]
fn a_full_disk_refuses_small_messages() {
    on_disk(9_000, "small");
}

#[test]
fn a_full_disk_refuses_large_messages() {
    on_disk(15_000, "large");
}

#[test]
fn a_full_disk_refuses_messages_that_are_spooled() {
    on_disk(18_000, "spooled");
}

#[test]
fn what_a_full_disk_refused_does_not_come_back() {
    on_disk(3_000, "bare");
}

#[test]
fn a_full_disk_has_room_again_for_what_was_expunged() {
    on_disk(14_000, "again");
}

#[test]
fn a_store_that_cannot_be_written_to_says_so() {
    on_disk(9_000, "read-only");
}

#[test]
fn a_disk_too_small_for_a_store_says_so() {
    on_disk(64, "tiny");
}

/// A store that is asked by a thread that may wait for the disk: it writes itself what is small.
fn open(disk: &Path) -> Waiting<Embedded> {
    let mut options = Options::default();
    options.reserve = 3 << 20;
    let store = Embedded::open(disk, options).unwrap();
    Waiting::new(store, Leave::new(1, || {}))
}

fn text(n: u32, len: usize) -> Vec<u8> {
    let mut text = format!("Subject: {n}\r\n\r\n").into_bytes();
    text.resize(len, b'a' + u8::try_from(n % 26).unwrap());
    text
}

/// Appends until there is no room, thrice, and takes mail out in between.
fn fill(disk: &Path, len: usize) {
    let mut store = open(disk);
    let (mut kept, mut n, mut in_place) = (Vec::new(), 0, 0);
    Client::new(&store, 1).create("to").unwrap();
    for round in 0..3 {
        let client = Client::new(&store, 1);
        let refused: StoreError = loop {
            n += 1;
            match client.append("INBOX", &text(n, len)) {
                Ok(uid) => kept.push((uid, n)),
                Err(e) => break e,
            }
        };
        assert_eq!(refused.kind, ErrorKind::OverQuota, "{refused}");
        println!("round {round}: {} kept, {refused}", kept.len());
        assert!(!kept.is_empty());
        check(client, &kept, len);
        let mailbox = client.examine("INBOX").unwrap().mailbox;
        let gone: UidSet = kept.iter().step_by(2).map(|k| k.0).collect();
        let deleted = flag_names(SystemFlags::DELETED, &[]);
        client
            .set(mailbox, gone.clone(), FlagOp::Add, deleted, None)
            .expect("flags can be set on a full disk");
        let expunged = client.expunge(mailbox, gone.clone());
        assert_eq!(expunged.expect("EXPUNGE works on a full disk").uids, gone);
        kept.retain(|k| !gone.contains(k.0));
        if let Some(moved) = kept.pop() {
            let moved = UidSet::range(moved.0, moved.0);
            let moved = client.relocate(mailbox, moved, "to");
            moved.expect("mail can be moved to the trash on a full disk");
        }
        check(client, &kept, len);
        in_place += store.in_place();
        drop(store);
        store = open(disk);
        check(Client::new(&store, 1), &kept, len);
    }
    drop(store);
    verify(disk, |p| panic!("{p}")).unwrap();
    println!("{in_place} were written in place");
    assert_eq!(in_place > 0, len < 1000);
}

/// Nothing is set aside: some fail at the packs, some at the index.
fn bare(disk: &Path) {
    let mut options = Options::default();
    options.reserve = 0;
    let open = || Embedded::open(disk, options.clone()).unwrap();
    let (mut kept, mut n) = (Vec::new(), 0);
    let store = open();
    let client = Client::new(&store, 1);
    let mut refused = 0;
    while refused < 5 {
        n += 1;
        match client.append("INBOX", &text(n, 3000)) {
            Ok(uid) => kept.push((uid, n)),
            Err(e) => {
                assert_eq!(e.kind, ErrorKind::OverQuota, "{e}");
                println!("{} kept, {e}", kept.len());
                refused += 1;
            }
        }
    }
    check(client, &kept, 3000);
    drop(store);
    let store = open();
    check(Client::new(&store, 1), &kept, 3000);
    drop(store);
    verify(disk, |p| panic!("{p}")).unwrap();
}

/// Full, emptied, and full again: nobody does anything but delete.
fn again(disk: &Path) {
    let mut options = Options::default();
    options.reserve = 1 << 20;
    options.segment = 256 << 10;
    options.upkeep = Duration::from_millis(10);
    let store = Embedded::open(disk, options).unwrap();
    let client = Client::new(&store, 1);
    let first = client.append("INBOX", &text(0, 20_000)).unwrap();
    let fill = || {
        let refused = |n: &u32| client.append("INBOX", &text(*n, 40_000)).is_err();
        (1..).find(refused).unwrap()
    };
    let fitted = fill();
    assert!(fitted > 100, "{fitted}");
    let opened = client.examine("INBOX").unwrap();
    let uids = opened.uids.difference(&UidSet::range(first, first));
    let deleted = flag_names(SystemFlags::DELETED, &[]);
    let set = client.set(opened.mailbox, uids.clone(), FlagOp::Add, deleted, None);
    set.unwrap();
    client.expunge(opened.mailbox, uids).unwrap();
    let end = Instant::now() + Duration::from_secs(60);
    let mut again = 0;
    while again * 10 < fitted * 9 {
        if Instant::now() > end {
            let refused = client.append("INBOX", &text(0, 40_000)).unwrap_err();
            panic!(
                "{fitted} fitted, then {again}: {refused:?}; {:?}",
                sizes(disk)
            );
        }
        again += fill() - 1;
    }
    let kept = client.examine("INBOX").unwrap();
    assert!(client.body(kept.mailbox, first).unwrap() == text(0, 20_000));
    drop(store);
    verify(disk, |p| panic!("{p}")).unwrap();
}

/// The files there are, and how long each is.
fn sizes(folder: &Path) -> Vec<(PathBuf, u64)> {
    let all = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path());
    let size = |path: PathBuf| match path.is_dir() {
        true => sizes(&path),
        false => vec![(path.clone(), path.metadata().map_or(0, |m| m.len()))],
    };
    all.flat_map(size).collect()
}

/// What was acknowledged is there and nothing else.
fn check(client: Client<'_>, kept: &[(Uid, u32)], len: usize) {
    let opened = client.examine("INBOX").unwrap();
    let uids: UidSet = kept.iter().map(|k| k.0).collect();
    assert_eq!(opened.uids, uids);
    for (uid, n) in kept {
        let octets = client.body(opened.mailbox, *uid).unwrap();
        assert!(octets == text(*n, len), "UID {uid:?}");
    }
}

fn read_only(disk: &Path) {
    Client::new(&open(disk), 1)
        .append("INBOX", b"kept")
        .unwrap();
    // This place alone, and not the file system: whoever is not root may not name again the owner that the kernel gave it.
    let remounted = Command::new("mount")
        .args(["-o", "remount,bind,ro"])
        .arg(disk)
        .status();
    assert!(remounted.unwrap().success());
    let refused = Embedded::open(disk, Options::default()).err().unwrap();
    let refused = refused.to_string();
    println!("{refused}");
    let shown = disk.display().to_string();
    assert!(
        refused.contains(&shown) && refused.contains("Read-only"),
        "{refused}"
    );
    // Looking still works.
    assert_eq!(verify(disk, |p| panic!("{p}")).unwrap().messages, 1);
}

fn tiny(disk: &Path) {
    let refused = Embedded::open(disk, Options::default()).err().unwrap();
    println!("{refused}");
    assert!(refused.to_string().contains("no room"), "{refused}");
}
