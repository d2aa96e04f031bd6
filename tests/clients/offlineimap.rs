//! offlineimap: a Maildir and the server become the same, and again after changes on both sides.

use std::path::PathBuf;

use crate::demo::{command, ended_well};
use crate::served::{Served, messages};

const CONFIGURATION: &str = "[general]
metadata = FOLDER/state
accounts = a
ui = quiet
[Account a]
localrepository = near
remoterepository = far
[Repository near]
type = Maildir
localfolders = FOLDER/near
[Repository far]
type = IMAP
remotehost = localhost
remoteport = PORT
remoteuser = user
remotepass = pass
ssl = yes
sslcacertfile = CERTIFICATE
";

fn offlineimap_on(runtime: &str) {
    let served = Served::start("offlineimap", runtime);
    let folder = &served.folder;
    let maildir = served.fill(1..21);
    let configuration = CONFIGURATION
        .replace("PORT", &served.port)
        .replace("CERTIFICATE", &served.certificate)
        .replace("FOLDER", &folder.path().to_string_lossy());
    std::fs::write(folder.join("rc"), configuration).expect("the folder can be written");
    sync(&served);
    let sent = messages(&maildir);
    let near = folder.join("near/INBOX");
    assert!(
        sent.len() == 20 && sent == messages(&near),
        "all came as they went"
    );

    // One flagged and one removed there, two removed and one flagged here, two more there, a mailbox with three here.
    served.imap(&[
        "UID STORE 4 +FLAGS (\\Flagged)",
        "UID STORE 5 +FLAGS (\\Deleted)",
        "EXPUNGE",
    ]);
    served.fill(21..23);
    let file = |uid: u32| found(&near, &format!(",U={uid},"));
    for uid in [6, 7] {
        std::fs::remove_file(file(uid)).expect("it is there");
    }
    let flagged = file(8);
    let name = flagged.to_string_lossy().replace("/new/", "/cur/");
    let name = format!("{}:2,FS", name.split(":2,").next().unwrap_or_default());
    std::fs::rename(&flagged, name).expect("it can be renamed");
    for part in ["cur", "new", "tmp"] {
        std::fs::create_dir_all(folder.join(&format!("near/Made/{part}")))
            .expect("a folder can be made");
    }
    served.maildir(23..26);
    for number in 23..26 {
        let message = found(&maildir, &format!("/{number}.host:"));
        let to = folder.join(&format!("near/Made/new/{number}.host"));
        std::fs::copy(message, to).expect("it can be copied");
    }
    sync(&served);
    let list = "LIST \"\" \"*\" RETURN (STATUS (MESSAGES UIDNEXT HIGHESTMODSEQ))";
    let state = || (served.imap(&[list]), names(&folder.join("near")));
    let before = state();
    assert!(
        before.0.contains("\"INBOX\" (MESSAGES 19 UIDNEXT 23 "),
        "{}",
        before.0
    );
    assert!(before.0.contains("\"Made\" (MESSAGES 3 "), "{}", before.0);
    assert_eq!(before.1.len(), 22, "{:?}", before.1);
    assert!(file(4).to_string_lossy().contains(":2,F"), "flagged there");
    let flags = served.imap(&["UID FETCH 8 FLAGS"]);
    assert!(
        flags.contains("\\Flagged") && flags.contains("\\Seen"),
        "{flags}"
    );
    let made = served.imap_in("Made", &["UID FETCH 1:3 BODY.PEEK[]"]);
    let messages = messages(&folder.join("near/Made"));
    for message in &messages {
        let message = String::from_utf8_lossy(message).replace('\n', "\r\n");
        assert!(made.contains(&message), "{message}\n{made}");
    }
    sync(&served);
    assert_eq!(before, state(), "nothing was left to do");
    served.ends_well(&[]);
}

fn sync(served: &Served) {
    let rc = served.folder.join("rc");
    let line = ["offlineimap", "-c", &rc];
    let output = command(&line).env("HOME", served.folder.path()).output();
    let output = ended_well(&line, output);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.is_empty(), "it has nothing to complain of: {said}");
}

/// The files below a folder, in order.
fn names(folder: &str) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the folder can be read").path();
        match path.is_dir() {
            true => all.extend(names(&path.to_string_lossy())),
            false => all.push(path),
        }
    }
    all.sort();
    all
}

/// The file whose path has these words.
fn found(folder: &str, words: &str) -> PathBuf {
    let mut all = names(folder).into_iter();
    all.find(|path| path.to_string_lossy().contains(words))
        .unwrap_or_else(|| panic!("{words} is in {folder}"))
}

#[test]
fn offlineimap_on_tokio() {
    offlineimap_on("tokio");
}

#[cfg(feature = "runtime-smol")]
#[test]
fn offlineimap_on_smol() {
    offlineimap_on("smol");
}
