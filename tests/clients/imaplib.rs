//! Python's imaplib.

use crate::demo::{Demo, run};

fn imaplib_on(runtime: &str) {
    let demo = Demo::start(&["--runtime", runtime]);
    let (plain, tls) = (demo.plain.to_string(), demo.tls.to_string());
    run(&[
        "python3",
        "-c",
        include_str!("conversation.py"),
        &plain,
        &tls,
    ]);
    demo.terminate();
}

#[test]
fn imaplib_on_tokio() {
    imaplib_on("tokio");
}

#[cfg(feature = "runtime-smol")]
#[test]
fn imaplib_on_smol() {
    imaplib_on("smol");
}
