//! getmail: what is new is fetched once, from mailboxes named in UTF-8 too; then all of it goes into another mailbox by `pillarbox deliver`.

use std::os::unix::fs::PermissionsExt;

use crate::demo::run;
use crate::served::{Served, messages};

/// Messages go to a program, as they are.
const CONFIGURATION: &str = "[retriever]
type = SimpleIMAPSSLRetriever
server = localhost
port = PORT
username = user
password = pass
ca_certs = CERTIFICATE
mailboxes = (MAILBOXES,)
use_peek = true
[destination]
type = MDA_external
path = PROGRAM
arguments = (ARGUMENTS)
allow_root_commands = true
[options]
read_all = ALL
delete = ALL
delivered_to = false
received = false
verbose = 1
";

/// Runs a program once getmail waits for it: 6.18 never hears of the end of one that ends before.
const PATIENTLY: &str = r#"#!/bin/sh
until grep -q '^State:.S' /proc/$PPID/status && grep -q '^SigCgt:.*[13579bdf]....$' /proc/$PPID/status; do :; done
exec "$@"
"#;

fn getmail_on(runtime: &str) {
    let served = Served::start("getmail", runtime);
    let fetch = |mailboxes: &str, into: &str| {
        let into = served.folder.join(into);
        std::fs::create_dir_all(&into).expect("a folder can be made");
        let arguments = format!("\"-c\", \"cat > $(mktemp {into}/XXXXXXXX)\"");
        getmail(&served, mailboxes, "/bin/sh", &arguments, "false");
        bodies(&into)
    };
    let sent = bodies(&served.fill(1..13));
    assert!(
        sent.len() == 12 && sent == fetch("\"INBOX\"", "a"),
        "as sent"
    );
    assert_eq!(fetch("\"INBOX\"", "a").len(), 12, "nothing is new");
    served.imap(&["CREATE \"A/Gr&APwA3w-e\"", "COPY 1:3 \"A/Gr&APwA3w-e\""]);
    let sent = bodies(&served.fill(13..15));
    let got = fetch("\"INBOX\", \"A/Grüße\"", "b");
    assert_eq!(got.len(), 5, "two are new, and three elsewhere");

    // As an operator would use it: into a mailbox of a Pillarbox, which is this one.
    let config = served.folder.join("pillarbox.toml");
    let arguments = format!(
        "\"deliver\", \"--create\", \"--mailbox\", \"Back\", \"--account\", \"user\", \"--config\", \"{config}\""
    );
    let program = env!("CARGO_BIN_EXE_pillarbox");
    getmail(&served, "\"INBOX\"", program, &arguments, "true");
    assert!(sent.len() == 14 && sent == fetch("\"Back\"", "c"), "all");
    let left = served.imap(&["STATUS INBOX (MESSAGES)"]);
    assert_eq!(left, "* STATUS \"INBOX\" (MESSAGES 0)\r\n");
    served.ends_well(&[]);
}

/// What is behind the headers, in order: getmail adds two of its own, and spells an empty one in another way.
fn bodies(folder: &str) -> Vec<Vec<u8>> {
    let body = |message: Vec<u8>| {
        let end = message.windows(2).position(|two| two == b"\n\n");
        message[end.expect("a header ends")..].to_vec()
    };
    let mut all: Vec<_> = messages(folder).into_iter().map(body).collect();
    all.sort();
    all
}

/// Fetches from these mailboxes; each message goes to the program. `all`: what was fetched before as well, and then it is removed.
fn getmail(served: &Served, mailboxes: &str, program: &str, arguments: &str, all: &str) {
    let rc = served.folder.join("rc");
    let patiently = served.folder.join("patiently");
    std::fs::write(&patiently, PATIENTLY).expect("the folder can be written");
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&patiently, mode).expect("it is our own");
    let configuration = CONFIGURATION
        .replace("PORT", &served.port)
        .replace("CERTIFICATE", &served.certificate)
        .replace("MAILBOXES", mailboxes)
        .replace("PROGRAM", &patiently)
        .replace("ARGUMENTS", &format!("\"{program}\", {arguments}"))
        .replace("ALL", all);
    std::fs::write(&rc, configuration).expect("the folder can be written");
    let folder = served.folder.path().to_string_lossy();
    run(&["getmail", "--getmaildir", &folder, "--rcfile", &rc]);
}

#[test]
fn getmail_on_tokio() {
    getmail_on("tokio");
}

#[cfg(feature = "runtime-smol")]
#[test]
fn getmail_on_smol() {
    getmail_on("smol");
}
