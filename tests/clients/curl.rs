//! curl: list, fetch, append, search, over STARTTLS and over TLS.

use crate::demo::{Demo, Folder, run, text};

fn curl_on(runtime: &str) {
    let folder = Folder::new(&format!("curl-{runtime}"));
    let demo = Demo::start(&["--runtime", runtime]);
    assert!(text(&demo.curl("", &[])).contains("\"INBOX\""));
    assert!(text(&demo.curl("INBOX;UID=1", &[])).ends_with("Welcome to the IMAP server!\r\n"));
    for uid in [1, 2] {
        let message = text(&demo.curl(&format!("INBOX;UID={uid}"), &[]));
        for field in ["Date", "From", "To", "Subject", "Message-ID"] {
            let is_there = |line: &str| line.starts_with(&format!("{field}: "));
            assert!(message.lines().any(is_there), "{field}: {message}");
        }
    }
    assert!(text(&demo.curl_tls("INBOX;UID=2", &[])).ends_with("This is an update.\r\n"));
    assert_eq!(
        text(&demo.curl_tls("INBOX?TEXT%20update", &[])).trim_end(),
        "* SEARCH 2"
    );
    let message = folder.join("message.eml");
    let octets = "From: a@b\r\nSubject: =?utf-8?B?R3LDvMOfZQ==?=\r\n\r\nbody\r\n".repeat(2000);
    std::fs::write(&message, &octets).expect("the folder can be written");
    demo.curl_tls("INBOX", &["-T", &message]);
    assert_eq!(
        demo.curl("INBOX;UID=3", &[]).stdout,
        octets.as_bytes(),
        "a message comes back as it went"
    );
    demo.terminate();
}

#[test]
fn curl_on_tokio() {
    curl_on("tokio");
}

#[cfg(feature = "runtime-smol")]
#[test]
fn curl_on_smol() {
    curl_on("smol");
}

/// The lines the demo prints are lines that work.
#[test]
fn the_demo_speaks_to_openssl() {
    let demo = Demo::start(&[]);
    let script = format!(
        "printf 'a LOGIN user pass\\nb SELECT INBOX\\nc LOGOUT\\n' | \
         openssl s_client -connect localhost:{} -quiet -crlf 2>/dev/null",
        demo.tls
    );
    let said = text(&run(&["sh", "-c", &script]));
    assert!(said.contains("* 2 EXISTS"), "{said}");
    assert!(said.contains("c OK "), "{said}");
}
