//! The log: a line for each connection, foreign text escaped, and no secret.

use super::harness::{Folder, PLAIN, Server, value};

#[test]
fn each_connection_is_one_line_and_secrets_are_in_none() {
    let folder = Folder::new("log");
    folder.write("pillarbox.toml", PLAIN);
    folder.account(&["add", "ann"], "open-sesame\n");
    let server = Server::start(&folder, PLAIN, &[]);
    let mut client = server.sign_in("ann", "open-sesame");
    client.send("b APPEND INBOX {31+}\r\nSubject: classified\r\n\r\neyesonly\r\n");
    client.until("b OK ");
    client.command("c SELECT INBOX");
    let said = client.command("d FETCH 1 BODY[]");
    assert!(said.contains("eyesonly"), "{said}");
    client.command("e NONSENSE shibboleth");
    client.command("f LOGOUT");
    let line = server.wait_for_log(&["event=connection", "account=ann"]);
    assert_eq!(value(&line, "reason"), "logout");
    assert_eq!(value(&line, "tls"), "false");
    assert_eq!(value(&line, "commands"), "6");
    assert!(value(&line, "in").parse::<u64>().expect("a number") > 100);
    assert!(value(&line, "out").parse::<u64>().expect("a number") > 200);
    assert!(value(&line, "peer").starts_with("127.0.0.1:"));
    let line = server.wait_for_log(&["event=login", "account=ann"]);
    assert_eq!(value(&line, "mechanism"), "LOGIN");

    // A name that would like to be a line of its own.
    let mut client = server.connect(0);
    client.line();
    client.send("a LOGIN {29+}\r\nx\r\ntime=now level=error \u{1b}[2J= hunter2\r\n");
    client.until("a NO ");
    let line = server.wait_for_log(&["event=login_failed"]);
    assert!(
        line.contains(r#"user="x\u{d}\u{a}time=now level=error \u{1b}[2J=""#),
        "{line}"
    );
    drop(client);
    server.wait_for_log(&["event=connection", "reason=peer_closed"]);

    let log = server.terminate();
    for line in &log {
        assert!(
            line.starts_with("time=") && line.bytes().all(|b| (0x20..0x7f).contains(&b)),
            "{line}"
        );
        for secret in [
            "open-sesame",
            "hunter2",
            "eyesonly",
            "classified",
            "shibboleth",
            "argon2",
        ] {
            assert!(!line.contains(secret), "{secret} is in the log: {line}");
        }
    }
}
