//! fetchmail: what is new is fetched once, with its octets, then everything is removed.

use std::os::unix::fs::PermissionsExt;

use crate::demo::{command, ended_well};
use crate::served::{Served, messages};

/// Messages go to a program, as they are.
const CONFIGURATION: &str = "set no bouncemail
set no syslog
set invisible
poll localhost service PORT protocol imap
  user user password pass
  ssl sslcertck sslcertfile CERTIFICATE
  mda FOLDER/deliver
  no rewrite no mimedecode
";

/// What fetchmail says when there is no new mail.
const NO_MAIL: i32 = 1;

fn fetchmail_on(runtime: &str) {
    let served = Served::start("fetchmail", runtime);
    let folder = &served.folder;
    let maildir = served.fill(1..21);
    std::fs::create_dir(folder.join("got")).expect("a folder can be made");
    let path = folder.path().to_string_lossy().into_owned();
    let deliver = format!("#!/bin/sh\ncat > \"$(mktemp {path}/got/XXXXXXXX)\"\n");
    write(&served, "deliver", &deliver, 0o755);
    let configuration = CONFIGURATION
        .replace("PORT", &served.port)
        .replace("CERTIFICATE", &served.certificate)
        .replace("FOLDER", &path);
    write(&served, "rc", &configuration, 0o600);

    assert_eq!(fetch(&served, &["--keep"]), 0);
    let sent = messages(&maildir);
    let got = messages(&folder.join("got"));
    assert!(sent.len() == 20 && sent == got, "as they went, each once");
    assert_eq!(fetch(&served, &["--keep"]), NO_MAIL, "all was seen");
    served.fill(21..23);
    assert_eq!(fetch(&served, &["--keep"]), 0);
    assert_eq!(messages(&folder.join("got")).len(), 22, "what is new alone");
    // As an operator would use it: into a mailbox of a Pillarbox, which is this one.
    let deliver = format!(
        "{} deliver --config {path}/pillarbox.toml --account user --mailbox Back --create",
        env!("CARGO_BIN_EXE_pillarbox")
    );
    let mda = format!("--mda={deliver}");
    assert_eq!(fetch(&served, &["--keep", "--fetchall", &mda]), 0);
    let sizes = ["INBOX", "Back"].map(|name| {
        let status = served.imap(&[&format!("STATUS {name} (MESSAGES SIZE)")]);
        let (_, counted) = status.split_once(" (").expect("counters");
        counted.to_owned()
    });
    assert!(sizes[0] == sizes[1] && sizes[0].contains("MESSAGES 22"));
    assert_eq!(fetch(&served, &["--nokeep", "--fetchall"]), 0);
    assert_eq!(messages(&folder.join("got")).len(), 44, "all once more");
    let status = served.imap(&["STATUS INBOX (MESSAGES UIDNEXT)"]);
    assert_eq!(status, "* STATUS \"INBOX\" (MESSAGES 0 UIDNEXT 23)\r\n");
    served.ends_well(&[]);
}

fn write(served: &Served, name: &str, text: &str, mode: u32) {
    let path = served.folder.join(name);
    std::fs::write(&path, text).expect("the folder can be written");
    let permissions = std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(&path, permissions).expect("it is our own");
}

/// Its exit code, when it is one of success.
fn fetch(served: &Served, how: &[&str]) -> i32 {
    let (home, rc, pid) = (
        served.folder.path(),
        served.folder.join("rc"),
        served.folder.join("pid"),
    );
    let line = [&["fetchmail", "--fetchmailrc", &rc, "--pidfile", &pid], how].concat();
    let mut fetchmail = command(&line);
    let output = fetchmail.env("HOME", home).env("FETCHMAILHOME", home);
    let output = output.output().expect("it can be run");
    match output.status.code() {
        Some(NO_MAIL) => NO_MAIL,
        _ => {
            ended_well(&line, Ok(output));
            0
        }
    }
}

#[test]
fn fetchmail_on_tokio() {
    fetchmail_on("tokio");
}

#[cfg(feature = "runtime-smol")]
#[test]
fn fetchmail_on_smol() {
    fetchmail_on("smol");
}
