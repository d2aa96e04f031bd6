//! mbsync, both ways over a store on disk, through a `kill -9`.

use std::collections::BTreeMap;
use std::io::Read;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use crate::demo::{Demo, Folder, PATIENCE, command, ended_well, run, text, wait_until};

/// A push, a `kill -9` in its middle, the rest, and a pull into an empty Maildir that gives every message back; then changes on both sides,
/// and a run that finds nothing to do.
fn round_trip_on(runtime: &str) {
    let folder = Folder::new(&format!("mbsync-{runtime}"));
    let near = folder.join("near");
    let store = folder.join("store");
    let arguments = ["--runtime", runtime, "--store", &store];
    run(&["python3", "-c", include_str!("maildir.py"), &near]);
    push_over_a_kill(&folder, &arguments);

    let demo = Demo::start(&arguments);
    sync(&folder, "near", &demo);
    assert_eq!(
        demo.messages(),
        502,
        "500 pushed and two that were there: none lost, none doubled"
    );
    sync(&folder, "far", &demo);
    let pushed = messages(Path::new(&near));
    assert!(
        pushed == messages(&folder.path().join("far")),
        "every message comes back as it went"
    );

    run(&[
        "python3",
        "-c",
        include_str!("far_changes.py"),
        &demo.tls.to_string(),
    ]);
    near_changes(Path::new(&near));
    sync(&folder, "near", &demo);
    assert_eq!(
        demo.messages(),
        502,
        "on each side one came and one went away"
    );
    both_sides_agree(&folder, &demo);
    let before = state(&folder, &demo);
    sync(&folder, "near", &demo);
    assert_eq!(before, state(&folder, &demo), "nothing was left to do");
    demo.terminate();
}

#[test]
fn round_trip_on_tokio() {
    round_trip_on("tokio");
}

#[cfg(feature = "runtime-smol")]
#[test]
fn round_trip_on_smol() {
    round_trip_on("smol");
}

fn push_over_a_kill(folder: &Folder, arguments: &[&str]) {
    let mut demo = Demo::start(arguments);
    let (port, held) = narrow(demo.tls);
    let mut push = mbsync(folder, "near", &demo, port);
    let push = push.stderr(Stdio::piped()).spawn();
    let push = push.expect("mbsync can be run");
    let held = held.recv_timeout(PATIENCE);
    held.expect("half of it is pushed");
    wait_until("fifty messages are stored", || demo.messages() >= 50);
    demo.kill();
    let output = push.wait_with_output().expect("mbsync ends");
    assert!(
        !output.status.success(),
        "mbsync was in the middle of its push when the server was killed"
    );
}

/// A port from where one connection is handed on to another port, but no more of it than about half of the Maildir's messages, which have 12 MB; says
/// when it is so much, and holds back the rest.
fn narrow(to: u16) -> (u16, Receiver<()>) {
    // One has 10 MB.
    const HALF: u64 = 11_300_000;
    let local = Ipv4Addr::LOCALHOST;
    let listener = TcpListener::bind((local, 0)).expect("a port is free");
    let port = listener.local_addr().expect("it has one").port();
    let (sender, held) = channel();
    std::thread::spawn(move || -> std::io::Result<()> {
        let (client, _) = listener.accept()?;
        let server = TcpStream::connect((local, to))?;
        let (mut back, mut answers) = (client.try_clone()?, server.try_clone()?);
        std::thread::spawn(move || {
            // Until the server is killed.
            let _ = std::io::copy(&mut answers, &mut back);
            let _ = back.shutdown(Shutdown::Both);
        });
        if std::io::copy(&mut client.take(HALF), &mut &server)? == HALF {
            // Who waited may have given up.
            let _ = sender.send(());
        }
        Ok(())
    });
    (port, held)
}

/// A run that must end well and say nothing.
fn sync(folder: &Folder, maildir: &str, demo: &Demo) {
    let output = ended_well(
        &["mbsync", maildir],
        mbsync(folder, maildir, demo, demo.tls).output(),
    );
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.is_empty(), "mbsync has nothing to complain of: {said}");
}

/// mbsync between a Maildir and what listens on a port.
fn mbsync(folder: &Folder, maildir: &str, demo: &Demo, port: u16) -> Command {
    let path = folder.join(maildir);
    std::fs::create_dir_all(&path).expect("a folder can be made");
    let config = folder.join(&format!("{maildir}.rc"));
    // Where localhost is ::1 as well, it complains of that address before it goes on to the next.
    let text = format!(
        "IMAPAccount a\nHost 127.0.0.1\nPort {port}\nUser user\nPass pass\nSSLType IMAPS\nTimeout 100\nSystemCertificates no\nCertificateFile {certificate}\n\n\
         IMAPStore far\nAccount a\n\n\
         MaildirStore near\nPath {path}/\nInbox {path}/INBOX\nSubFolders Verbatim\n\n\
         Channel c\nFar :far:\nNear :near:\nPatterns INBOX\nCreate Both\nExpunge Both\nSyncState {path}/state-\n",
        certificate = demo.certificate(folder),
    );
    std::fs::write(&config, text).expect("the folder can be written");
    command(&["mbsync", "-c", &config, "-q", "-q", "c"])
}

/// Every message of a Maildir without the header that mbsync adds, and its flags.
fn messages(maildir: &Path) -> BTreeMap<Vec<u8>, String> {
    let mut all = BTreeMap::new();
    for (path, name) in files(maildir) {
        let octets = std::fs::read(path).expect("a message can be read");
        let lines = octets
            .split_inclusive(|b| *b == b'\n')
            .filter(|l| !l.starts_with(b"X-TUID: "));
        let flags = name.split(":2,").nth(1).unwrap_or_default().to_owned();
        let doubled = all.insert(lines.flatten().copied().collect(), flags);
        assert!(doubled.is_none(), "a message is there twice: {name}");
    }
    all
}

/// The files of a Maildir's INBOX, and their names.
fn files(maildir: &Path) -> Vec<(std::path::PathBuf, String)> {
    let mut all = Vec::new();
    for part in ["cur", "new"] {
        let folder = maildir.join("INBOX").join(part);
        for entry in std::fs::read_dir(folder).expect("the Maildir can be read") {
            let entry = entry.expect("the Maildir can be read");
            all.push((
                entry.path(),
                entry.file_name().to_string_lossy().into_owned(),
            ));
        }
    }
    all.sort();
    all
}

/// Changes on the near side: one message more, one marked for removal, one flagged.
fn near_changes(maildir: &Path) {
    for (id, flag) in [("<50@", 'T'), ("<51@", 'F')] {
        let message_id = format!("Message-ID: {id}example.org>");
        let has_id = |path: &Path| {
            let octets = std::fs::read(path).expect("a message can be read");
            String::from_utf8_lossy(&octets).contains(&message_id)
        };
        let all = files(maildir);
        let (path, name) = all
            .iter()
            .find(|(path, _)| has_id(path))
            .expect("the message is there");
        std::fs::rename(path, path.with_file_name(with_flag(name, flag)))
            .expect("a message can be renamed");
    }
    let message = "Subject: from near by\n\nhello\n";
    std::fs::write(maildir.join("INBOX/new/new.host"), message).expect("a message can be written");
}

fn with_flag(name: &str, flag: char) -> String {
    let (base, flags) = name.split_once(":2,").unwrap_or((name, ""));
    let mut flags: Vec<char> = flags.chars().chain([flag]).collect();
    flags.sort_unstable();
    flags.dedup();
    format!("{base}:2,{}", flags.into_iter().collect::<String>())
}

/// A second Maildir that pulls everything has what the first has, flags and all.
fn both_sides_agree(folder: &Folder, demo: &Demo) {
    sync(folder, "again", demo);
    let near = messages(&folder.path().join("near"));
    let again = messages(&folder.path().join("again"));
    assert_eq!(near.len(), 502);
    assert!(near == again, "both sides have the same messages and flags");
    let flags = |id: &str| {
        let found = near
            .iter()
            .find(|(octets, _)| String::from_utf8_lossy(octets).contains(id));
        found.map(|(_, flags)| flags.clone())
    };
    assert!(flags("Message-ID: <40@").is_some_and(|f| f.contains('F')));
    assert!(flags("Message-ID: <41@").is_some_and(|f| f.contains('R')));
    assert!(flags("Message-ID: <51@").is_some_and(|f| f.contains('F')));
    assert_eq!(flags("Message-ID: <42@"), None, "expunged on the server");
    assert_eq!(flags("Message-ID: <50@"), None, "removed from the Maildir");
    assert!(flags("Subject: from afar").is_some());
    assert!(flags("Subject: from near by").is_some());
}

/// Everything a run could change: what the server counts, and the names in the Maildir.
fn state(folder: &Folder, demo: &Demo) -> (String, Vec<String>) {
    let status = ["-X", "STATUS INBOX (MESSAGES UIDNEXT HIGHESTMODSEQ)"];
    let server = text(&demo.curl_tls("", &status));
    assert!(server.contains("HIGHESTMODSEQ"), "{server}");
    let names = files(&folder.path().join("near"));
    (server, names.into_iter().map(|(_, name)| name).collect())
}
