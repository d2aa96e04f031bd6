//! `pillarbox serve`, `account` and `config`: the real binary, its signals, its log, and several servers in one process.
#![cfg(feature = "cli")]

#[path = "serve/accounts.rs"]
mod accounts;
#[path = "serve/appends.rs"]
mod appends;
#[path = "serve/deliver.rs"]
mod deliver;
#[path = "serve/harness.rs"]
mod harness;
#[path = "serve/library.rs"]
mod library;
#[path = "serve/log.rs"]
mod log;
#[path = "serve/record.rs"]
mod record;
#[path = "serve/signals.rs"]
mod signals;
#[path = "serve/sockets.rs"]
mod sockets;

use std::time::{Duration, Instant};

use harness::{Folder, PLAIN, Server, pillarbox};

/// Runs a test on each runtime there is, at the same time: most of a test's time is waiting.
fn on_each_runtime(test: impl Fn(&str) + Sync) {
    std::thread::scope(|scope| {
        for runtime in [
            #[cfg(feature = "runtime-tokio")]
            "tokio",
            #[cfg(feature = "runtime-smol")]
            "smol",
        ] {
            let test = &test;
            scope.spawn(move || test(runtime));
        }
    });
}

#[test]
fn config_check_names_the_line_and_what_was_expected() {
    let folder = Folder::new("check");
    let path = folder.write("pillarbox.toml", &format!("{PLAIN}[limits]\nlines = 3\n"));
    let path = path.to_string_lossy();
    let check = |path: &str| pillarbox(&["config", "check", "--config", path], "");
    let (code, out, error) = check(&path);
    assert_eq!((code, &*out), (1, ""));
    let line = PLAIN.lines().count() + 2;
    let said = format!("pillarbox: {path}:{line}: unknown field `lines`, expected one of ");
    assert!(error.starts_with(&said), "{error}");
    let (code, _, same) = pillarbox(&["serve", "--config", &path], "");
    assert_eq!((code, same), (1, error), "serve says the same");

    folder.write("pillarbox.toml", PLAIN);
    let (code, out, error) = check(&path);
    assert_eq!((code, &*error), (0, ""), "{out}");

    folder.write("cert.pem", "no certificate");
    folder.write("key.pem", "no key");
    let tls = format!("{PLAIN}[tls]\ncertificates = \"cert.pem\"\nkey = \"key.pem\"\n");
    folder.write("pillarbox.toml", &tls);
    let (code, _, error) = check(&path);
    assert_eq!(code, 1);
    assert!(error.contains("cert.pem"), "{error}");
    let (code, _, error) = check("/nowhere/pillarbox.toml");
    assert_eq!(code, 1);
    assert!(error.contains("/nowhere/pillarbox.toml: "), "{error}");
}

#[test]
fn a_store_has_one_server() {
    let folder = Folder::new("one");
    let server = Server::start(&folder, PLAIN, &[]);
    let (code, _, error) = pillarbox(&["serve", "--config", &folder.config()], "");
    assert_eq!(code, 1);
    assert!(error.contains("in use by another process"), "{error}");
    server.terminate();
}

#[test]
fn one_connection_more_than_there_may_be_is_greeted_with_bye() {
    let folder = Folder::new("caps");
    let config = format!("max_connections = 3\n{PLAIN}");
    let server = Server::start(&folder, &config, &[]);
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = server.connect(0);
        assert!(client.line().starts_with("* OK "));
        clients.push(client);
    }
    let mut refused = server.connect(0);
    let said = refused.line();
    assert!(said.starts_with("* BYE [UNAVAILABLE] "), "{said}");
    assert!(refused.is_closed());
    clients[0].command("a LOGOUT");
    server.wait_for_log(&["event=connection", "reason=logout"]);
    // The line is written a moment before the place is free.
    let since = Instant::now();
    while !server.connect(0).line().starts_with("* OK ") {
        assert!(
            since.elapsed() < Duration::from_secs(10),
            "no place is free"
        );
    }
    server.wait_for_log(&["event=connection", "reason=too_many_connections"]);
    server.terminate();

    let config = format!("max_connections_per_address = 1\n{PLAIN}");
    let server = Server::start(&folder, &config, &[]);
    let mut first = server.connect(0);
    assert!(first.line().starts_with("* OK "));
    assert!(server.connect(0).line().starts_with("* BYE "));
    server.terminate();
}

#[test]
fn connections_that_come_at_once_do_not_slip_past_the_cap() {
    const MOST: usize = 7;
    on_each_runtime(|runtime| {
        let folder = Folder::new(&format!("at-once-{runtime}"));
        let second = "[[listen]]\naddress = \"127.0.0.1:0\"\n";
        let config = format!("max_connections = {MOST}\n{PLAIN}{second}");
        let server = Server::start(&folder, &config, &["--runtime", runtime]);
        let greetings: Vec<_> = std::thread::scope(|scope| {
            let greet = |number: usize| {
                let mut client = server.connect(number % 2);
                (client.line(), client)
            };
            let threads: Vec<_> = (0..40).map(|n| scope.spawn(move || greet(n))).collect();
            let joined = threads.into_iter().map(|t| t.join());
            joined.map(|t| t.expect("a greeting")).collect()
        });
        let let_in = greetings.iter().filter(|(g, _)| g.starts_with("* OK "));
        assert_eq!(let_in.count(), MOST);
        let refused = greetings.iter().filter(|(g, _)| g.starts_with("* BYE "));
        assert_eq!(refused.count(), 40 - MOST);
        server.terminate();
    });
}

#[test]
fn an_index_that_does_not_work_is_made_anew_once() {
    on_each_runtime(|runtime| {
        let folder = Folder::new(&format!("mend-{runtime}"));
        folder.write("pillarbox.toml", PLAIN);
        folder.account(&["add", "ann"], "open-sesame\n");
        let index = folder.path().join("store/index.sqlite");
        let arguments = ["--runtime", runtime];
        let server = Server::start(&folder, PLAIN, &arguments);
        let mut client = server.sign_in("ann", "open-sesame");
        client.send("b APPEND INBOX (\\Flagged) {18+}\r\nSubject: kept\r\n\r\nx\r\n");
        client.until("b OK ");
        drop(client);
        server.terminate();

        std::fs::write(&index, [0xa5; 8192]).expect("the index can be written");
        let server = Server::start(&folder, PLAIN, &arguments);
        let line = server.wait_for_log(&["level=error", "event=index_rebuild"]);
        assert!(line.contains("not a database"), "{line}");
        server.wait_for_log(&["event=index_rebuilt", "messages=1", "damaged=0"]);
        let mut client = server.sign_in("ann", "open-sesame");
        client.command("b SELECT INBOX");
        let said = client.command("c FETCH 1 (UID FLAGS BODY[HEADER])");
        assert!(said.contains("UID 1 FLAGS (\\Flagged"), "{said}");
        assert!(said.contains("Subject: kept"), "{said}");
        drop(client);
        server.terminate();

        std::fs::write(&index, [0xa5; 8192]).expect("the index can be written");
        let config = folder.config();
        let again = ["serve", "--config", &config, "--runtime", runtime];
        let (code, _, error) = pillarbox(&again, "");
        assert_eq!(code, 1);
        assert!(error.contains("pillarbox store rebuild"), "{error}");
        assert!(error.contains("index.old.1"), "{error}");
    });
}
