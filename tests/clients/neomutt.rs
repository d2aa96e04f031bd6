//! neomutt with QRESYNC and a cache of headers: its second session asks for what changed alone.

use crate::mutt::on_a_terminal;
use crate::served::Served;

const CONFIGURATION: &str = "set folder=\"imaps://user@localhost:PORT/\"
set spoolfile=\"+INBOX\"
set imap_user=user
set imap_pass=pass
set ssl_force_tls=yes
set certificate_file=\"CERTIFICATE\"
set imap_qresync=yes
set header_cache=\"FOLDER/headers\"
set message_cachedir=\"\"
set delete=yes
set confirmcreate=no
set confirmappend=no
set quit=yes
set wait_key=no
set sleep_time=0
set imap_poll_timeout=0
push \"KEYS\"
";

fn neomutt_on(runtime: &str) {
    let served = Served::start("neomutt", runtime);
    served.fill(1..31);
    std::fs::create_dir(served.folder.join("headers")).expect("a folder can be made");
    neomutt(
        &served,
        "<first-entry><flag-message><last-entry><delete-message><sync-mailbox><quit>",
    );
    served.imap(&[
        "UID STORE 3,5:7 +FLAGS.SILENT (\\Deleted)",
        "EXPUNGE",
        "UID STORE 10 +FLAGS.SILENT (\\Seen)",
        "CREATE Kept",
    ]);
    served.fill(31..32);
    neomutt(
        &served,
        "<last-entry><copy-message>=Kept<enter><last-entry><flag-message><sync-mailbox><quit>",
    );
    let flagged = served.imap(&["UID SEARCH FLAGGED", "STATUS INBOX (MESSAGES)"]);
    let expected = "* SEARCH 1 31\r\n* STATUS \"INBOX\" (MESSAGES 26)\r\n";
    assert_eq!(flagged, expected, "one was marked in each session");
    let kept = served.imap_in("Kept", &["UID FETCH 1 BODY.PEEK[]"]);
    let whole = served.imap(&["UID FETCH 31 BODY.PEEK[]"]);
    let octets = |said: &str| {
        said.split_once("}\r\n")
            .map(|(_, octets)| octets.to_owned())
    };
    assert_eq!(octets(&kept), octets(&whole), "a copy has the same octets");

    let transcripts = served.transcripts();
    let sessions: Vec<_> = transcripts
        .iter()
        .filter(|t| t.contains(" ENABLE QRESYNC"))
        .collect();
    let [first, second] = sessions[..] else {
        panic!("two sessions of neomutt's, not {}", sessions.len());
    };
    let headers = |session: &str| session.matches("INTERNALDATE").count();
    assert!(
        headers(first) > 30,
        "the first asks for everything: {first}"
    );
    assert!(
        second.contains("VANISHED)\\r\\n\nS: * VANISHED (EARLIER) 3,5:7,30\\r\\n\n"),
        "{second}"
    );
    assert!(
        headers(second) < 8,
        "the second has the rest in its cache: {second}"
    );
    served.ends_well(&[]);
}

/// A session on a terminal, with these keys.
fn neomutt(served: &Served, keys: &str) {
    let home = served.folder.path().to_string_lossy();
    let configuration = CONFIGURATION
        .replace("PORT", &served.port)
        .replace("CERTIFICATE", &served.certificate)
        .replace("FOLDER", &home)
        .replace("KEYS", keys);
    on_a_terminal("neomutt", &served.folder, &configuration);
}

#[test]
fn neomutt_on_tokio() {
    neomutt_on("tokio");
}

#[cfg(feature = "runtime-smol")]
#[test]
fn neomutt_on_smol() {
    neomutt_on("smol");
}
