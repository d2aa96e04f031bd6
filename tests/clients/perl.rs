//! Perl's Mail::IMAPClient.

use crate::demo::{run, text};
use crate::served::Served;

fn perl_on(runtime: &str) {
    let served = Served::start("perl", runtime);
    let maildir = served.maildir(1..61);
    let script = served.folder.join("script.pl");
    std::fs::write(&script, include_str!("mail_imapclient.pl")).expect("the folder can be written");
    let said = run(&["perl", &script, &served.port, &served.certificate, &maildir]);
    assert_eq!(
        text(&said),
        "done\n",
        "{}",
        String::from_utf8_lossy(&said.stderr)
    );
    served.ends_well(&[r"UID STORE 1 +FLAGS.SILENT (\Seen): NO [READ-ONLY]"]);
}

#[test]
fn perl_on_tokio() {
    perl_on("tokio");
}

#[cfg(feature = "runtime-smol")]
#[test]
fn perl_on_smol() {
    perl_on("smol");
}
