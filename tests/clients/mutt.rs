//! mutt, on a terminal of its own: it reads, flags, copies, removes and leaves.

use crate::demo::{Demo, Folder, run, text};

/// Keys are pushed in as a person would press them: flag the first message, copy it to a mailbox that is not there yet, delete the second,
/// write the changes, leave.
fn configuration(folder: &Folder, demo: &Demo) -> String {
    format!(
        "set folder=\"imaps://user@localhost:{port}/\"\n\
         set spoolfile=\"+INBOX\"\n\
         set imap_user=user\nset imap_pass=pass\n\
         set ssl_starttls=yes\nset ssl_force_tls=yes\nset ssl_usesystemcerts=no\n\
         set certificate_file=\"{certificate}\"\n\
         set delete=yes\nset confirmcreate=no\nset confirmappend=no\nset quit=yes\nset wait_key=no\nset imap_poll_timeout=0\n\
         set header_cache=\"\"\nset message_cachedir=\"\"\n\
         push \"<first-entry><flag-message><first-entry><copy-message>=Kept<enter><last-entry><delete-message><sync-mailbox><quit>\"\n",
        port = demo.tls,
        certificate = demo.certificate(folder),
    )
}

/// Runs mutt, or what came of it, until it leaves.
pub fn on_a_terminal(program: &str, folder: &Folder, configuration: &str) {
    let rc = folder.join("rc");
    std::fs::write(&rc, configuration).expect("the folder can be written");
    let home = folder.path().to_string_lossy();
    let line =
        format!("stty rows 40 cols 120; HOME={home} TERM=xterm LC_ALL=C {program} -n -F {rc}");
    run(&[
        "script",
        "--quiet",
        "--return",
        "--command",
        &line,
        "/dev/null",
    ]);
}

fn mutt_on(runtime: &str) {
    let folder = Folder::new(&format!("mutt-{runtime}"));
    let demo = Demo::start(&["--runtime", runtime]);
    on_a_terminal("mutt", &folder, &configuration(&folder, &demo));
    let flags = |mailbox: &str| text(&demo.curl_tls(mailbox, &["-X", "FETCH 1:* (FLAGS)"]));
    let inbox = flags("INBOX");
    assert_eq!(inbox.lines().count(), 1, "the second was deleted: {inbox}");
    assert!(inbox.contains("\\Flagged"), "{inbox}");
    let kept = text(&demo.curl_tls("Kept;UID=1", &[]));
    assert!(kept.ends_with("Welcome to the IMAP server!\r\n"), "{kept}");
    demo.terminate();
}

#[test]
fn mutt_on_tokio() {
    mutt_on("tokio");
}

#[cfg(feature = "runtime-smol")]
#[test]
fn mutt_on_smol() {
    mutt_on("smol");
}
