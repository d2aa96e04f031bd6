//! `pillarbox store`: what it prints and how it ends.
#![cfg(all(feature = "sqlite", feature = "cli"))]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

struct Temp(PathBuf);

impl Temp {
    /// A copy of the golden store.
    fn new(name: &str) -> Self {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("store/tests/golden/format-2");
        let temp = std::env::temp_dir().join(format!("pillarbox-{name}-{}", std::process::id()));
        std::fs::create_dir_all(temp.join("packs")).unwrap();
        for file in ["index.sqlite", "packs/0000000000000000.pack"] {
            std::fs::copy(golden.join(file), temp.join(file)).unwrap();
        }
        Self(temp)
    }

    fn run(&self, what: &str) -> Output {
        Command::new(env!("CARGO_BIN_EXE_pillarbox"))
            .args(["store", what])
            .arg(&self.0)
            .output()
            .unwrap()
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

#[test]
fn verify_and_rebuild_tell_what_they_found() {
    let temp = Temp::new("store-cli");
    let good = temp.run("verify");
    let printed = text(&good.stdout);
    assert!(good.status.success(), "{printed}");
    assert!(printed.contains("3 messages in 4 mailboxes"), "{printed}");

    let pack = temp.0.join("packs/0000000000000000.pack");
    let mut octets = std::fs::read(&pack).unwrap();
    let at = octets.windows(6).position(|w| w == b"of two").unwrap();
    octets[at] ^= 1;
    std::fs::write(&pack, octets).unwrap();
    let bad = temp.run("verify");
    let printed = text(&bad.stdout);
    assert!(!bad.status.success(), "{printed}");
    assert!(
        printed.contains("account 2, INBOX, UID 1: its octets are damaged"),
        "{printed}"
    );
    assert!(printed.contains("problems: 1"), "{printed}");

    std::fs::remove_file(temp.0.join("index.sqlite")).unwrap();
    assert!(!temp.run("verify").status.success());
    let rebuilt = temp.run("rebuild");
    let printed = text(&rebuilt.stdout);
    assert!(rebuilt.status.success(), "{printed}");
    assert!(printed.contains("messages in 4 mailboxes"), "{printed}");
}

/// The store is one of an earlier format, which opening makes larger.
#[test]
fn compact_tells_what_is_left() {
    let temp = Temp::new("store-compact");
    let compacted = temp.run("compact");
    let printed = text(&compacted.stdout);
    assert!(compacted.status.success(), "{printed}");
    let told = printed.strip_suffix('\n').unwrap();
    let (after, before) = told
        .split_once(" octets of packs and index are left of ")
        .unwrap_or_else(|| panic!("{told}"));
    let [after, before] = [after, before].map(|n| n.parse::<u64>().unwrap());
    assert!(after < before, "{told}");
    let sizes = std::fs::read_dir(temp.0.join("packs")).unwrap();
    let sizes = sizes.map(|entry| entry.unwrap().metadata().unwrap().len());
    let index = temp.0.join("index.sqlite").metadata().unwrap().len();
    assert_eq!(after, index + sizes.sum::<u64>(), "as it is afterwards");
    assert!(!temp.0.join("index.sqlite-wal").exists());

    let printed = text(&temp.run("compact").stdout);
    let nothing = format!("There was nothing to give back of {after} octets of packs and index\n");
    assert_eq!(printed, nothing);
    assert!(temp.run("verify").status.success());
}

#[test]
fn renumber_tells_how_many_mailboxes() {
    let temp = Temp::new("store-renumber");
    let done = temp.run("renumber");
    assert_eq!(text(&done.stdout), "4 mailboxes have a new UIDVALIDITY\n");
    assert!(done.status.success() && temp.run("verify").status.success());
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let temp = Temp::new("store-none");
    std::fs::remove_dir_all(&temp.0).unwrap();
    for what in ["verify", "rebuild", "renumber", "compact"] {
        let none = temp.run(what);
        let said = text(&none.stderr);
        assert!(
            !none.status.success() && said.contains("store-none"),
            "{said}"
        );
    }
    assert!(!temp.0.exists());
}
