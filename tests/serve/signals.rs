//! SIGTERM and SIGINT end in good order, SIGHUP swaps what can be swapped.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::harness::{Client, DEADLINE, Folder, PLAIN, Server};
use super::on_each_runtime;

#[test]
fn a_signal_lets_an_append_in_flight_finish() {
    on_each_runtime(|runtime| {
        for signal in [Signal::TERM, Signal::INT] {
            end_with_an_append(runtime, signal);
        }
    });
}

fn end_with_an_append(runtime: &str, signal: Signal) {
    let folder = Folder::new(&format!("append-{runtime}-{signal:?}"));
    folder.write("pillarbox.toml", PLAIN);
    folder.account(&["add", "ann"], "pw\n");
    let server = Server::start(&folder, PLAIN, &["--runtime", runtime]);
    let mut idle = server.sign_in("ann", "pw");
    let mut client = server.sign_in("ann", "pw");
    client.command("b SELECT INBOX");
    client.send("c APPEND INBOX {100012}\r\n");
    client.until("+ ");
    client.send("Subject: x\r\n");
    client.send(&"a".repeat(50_000));
    server.signal(signal);
    let said = idle.line();
    assert!(said.starts_with("* BYE [UNAVAILABLE] "), "{said}");
    assert!(idle.is_closed());
    client.send(&format!("{}\r\n", "b".repeat(50_000)));
    let said = client.until("c ");
    assert!(said.contains("c OK [APPENDUID "), "{said}");
    assert!(client.line().starts_with("* BYE "));
    assert!(client.is_closed());
    let log = server.ends_well();
    let ended = |line: &&String| line.contains("reason=shutdown") && line.contains("account=ann");
    assert_eq!(log.iter().filter(ended).count(), 2, "{log:#?}");

    let server = Server::start(&folder, PLAIN, &["--runtime", runtime]);
    let mut client = server.sign_in("ann", "pw");
    let said = client.command("b STATUS INBOX (MESSAGES SIZE)");
    assert!(said.contains("MESSAGES 1 SIZE 100012"), "{said}");
    server.terminate();
}

#[test]
fn a_client_that_holds_a_command_open_does_not_hold_up_the_end() {
    on_each_runtime(|runtime| {
        let folder = Folder::new(&format!("held-{runtime}"));
        folder.write("pillarbox.toml", PLAIN);
        folder.account(&["add", "ann"], "pw\n");
        let config = format!("{PLAIN}[limits]\nrest_millis = 300\nleave_millis = 1000\n");
        let server = Server::start(&folder, &config, &["--runtime", runtime]);
        // One holds back the rest of its message, one its last octet, and one does not read.
        let mut held = ["{12}\r\n", "{12}\r\nSubject: x\r"].map(|begun| {
            let mut client = server.sign_in("ann", "pw");
            client.send(&format!("c APPEND INBOX {begun}"));
            client.until("+ ");
            client
        });
        let mut deaf = server.sign_in("ann", "pw");
        deaf.send(&format!("c APPEND INBOX {{{}+}}\r\n", 16 << 20));
        deaf.send(&"d".repeat(16 << 20));
        deaf.send("\r\n");
        deaf.until("c OK ");
        deaf.command("d SELECT INBOX");
        deaf.send("e FETCH 1 BODY.PEEK[]\r\n");
        deaf.until("* 1 FETCH ");
        server.signal(Signal::TERM);
        for client in &mut held {
            let said = client.line();
            assert!(said.starts_with("* BYE [UNAVAILABLE] "), "{said}");
            assert!(client.is_closed());
        }
        drop(held);
        let log = server.ends_well();
        let ended = |line: &&String| line.contains("reason=shutdown");
        assert_eq!(log.iter().filter(ended).count(), 3, "{log:#?}");
        let server = Server::start(&folder, PLAIN, &["--runtime", runtime]);
        let mut client = server.sign_in("ann", "pw");
        let said = client.command("b STATUS INBOX (MESSAGES)");
        assert!(said.contains("MESSAGES 1"), "nothing of it is kept: {said}");
        server.terminate();
    });
}

#[test]
fn an_account_that_is_disabled_while_it_appends() {
    on_each_runtime(|runtime| {
        let folder = Folder::new(&format!("disabled-{runtime}"));
        folder.write("pillarbox.toml", PLAIN);
        folder.account(&["add", "ann"], "pw\n");
        // Who goes on has the longest time that there is for it, who does not has little.
        for (goes_on, rest) in [(true, 9_000), (false, 300)] {
            let config = format!("{PLAIN}[limits]\nrest_millis = {rest}\n");
            let server = Server::start(&folder, &config, &["--runtime", runtime]);
            let mut client = server.sign_in("ann", "pw");
            client.send("c APPEND INBOX {12}\r\n");
            client.until("+ ");
            client.send("Subject");
            folder.account(&["disable", "ann"], "");
            if goes_on {
                client.send(": x\r\n\r\n");
                client.until("c OK [APPENDUID ");
            }
            let said = client.line();
            assert!(said.starts_with("* BYE [CONTACTADMIN] "), "{said}");
            assert!(client.is_closed());
            folder.account(&["enable", "ann"], "");
            let said = server
                .sign_in("ann", "pw")
                .command("b STATUS INBOX (MESSAGES)");
            assert!(said.contains("MESSAGES 1"), "{said}");
            server.terminate();
        }
    });
}

#[test]
fn what_is_stored_when_a_signal_comes_is_what_was_answered() {
    on_each_runtime(|runtime| {
        let folder = Folder::new(&format!("busy-{runtime}"));
        folder.write("pillarbox.toml", PLAIN);
        folder.account(&["add", "ann"], "pw\n");
        let server = Server::start(&folder, PLAIN, &["--runtime", runtime]);
        let stored: usize = std::thread::scope(|scope| {
            let (begun, all_began) = std::sync::mpsc::channel();
            let append = |mut client: Client<_>, size, began: std::sync::mpsc::Sender<()>| {
                let message = "a".repeat(size);
                for stored in 0.. {
                    client.try_send(&format!("c APPEND INBOX {{{size}+}}\r\n{message}\r\n"));
                    if client.until_one_of(&["c ", "* BYE "]).starts_with("* BYE ") {
                        return stored;
                    }
                    let _ = began.send(());
                }
                0
            };
            let sizes = [100, 1000, 100, 50_000, 100, 300_000];
            let clients = sizes.map(|size| {
                let mut client = server.sign_in("ann", "pw");
                client.command("b SELECT INBOX");
                (client, size)
            });
            let threads = clients.map(|(client, size)| {
                let begun = begun.clone();
                scope.spawn(move || append(client, size, begun))
            });
            all_began.iter().take(60).count();
            server.signal(Signal::TERM);
            let counts = threads.map(|thread| thread.join().expect("it is told BYE"));
            counts.iter().sum()
        });
        server.ends_well();
        let server = Server::start(&folder, PLAIN, &["--runtime", runtime]);
        let said = server
            .sign_in("ann", "pw")
            .command("b STATUS INBOX (MESSAGES)");
        assert!(
            said.contains(&format!("MESSAGES {stored})")),
            "{stored} were answered: {said}"
        );
        server.terminate();
    });
}

#[test]
fn a_second_signal_ends_at_once() {
    let folder = Folder::new("second");
    folder.write("pillarbox.toml", PLAIN);
    folder.account(&["add", "ann"], "pw\n");
    // The first one alone would end it well, when the rest of the message did not come.
    let config = format!("{PLAIN}[limits]\nrest_millis = 9000\n");
    let server = Server::start(&folder, &config, &[]);
    let mut idle = server.sign_in("ann", "pw");
    let mut client = server.sign_in("ann", "pw");
    client.send("c APPEND INBOX {12}\r\n");
    client.until("+ ");
    server.signal(Signal::TERM);
    assert!(idle.line().starts_with("* BYE "));
    server.signal(Signal::TERM);
    assert_eq!(server.exit_code(), -1, "a signal ended it");
}

#[test]
fn a_tls_handshake_that_stands_still_does_not_hold_up_the_end() {
    on_each_runtime(|runtime| {
        let folder = Folder::new(&format!("handshake-{runtime}"));
        let (chain, key) = certificate();
        folder.write("cert.pem", &chain);
        folder.write("key.pem", &key);
        let server = Server::start(&folder, TLS, &["--runtime", runtime]);
        let _silent = server.socket(0);
        let mut other = connect_tls(&server, 0, &chain);
        assert!(other.line().starts_with("* OK "), "both were accepted");
        let began = Instant::now();
        let log = server.terminate();
        // Others have `leave_millis`, which is nine seconds.
        let took = began.elapsed();
        assert!(took < Duration::from_secs(9), "{took:?}");
        let ended = |line: &&String| line.contains("reason=shutdown");
        assert_eq!(log.iter().filter(ended).count(), 2, "{log:#?}");
    });
}

#[test]
fn a_handshake_that_fails_is_logged_with_its_fault() {
    let folder = Folder::new("fault");
    let (chain, key) = certificate();
    folder.write("cert.pem", &chain);
    folder.write("key.pem", &key);
    let server = Server::start(&folder, TLS, &[]);
    let mut client = server.connect(0);
    client.send("a LOGIN ann secret\r\n");
    let line = server.wait_for_log(&["event=connection", "reason=connection_lost"]);
    assert!(
        line.contains(" error=") && !line.contains("secret"),
        "{line}"
    );
    server.terminate();
}

/// A certificate for localhost and its key, in PEM.
pub fn certificate() -> (String, String) {
    let made = rcgen::generate_simple_self_signed([String::from("localhost")]);
    let made = made.expect("a certificate can be made");
    (made.cert.pem(), made.signing_key.serialize_pem())
}

/// Connects with TLS to a listener for it, trusting only this certificate.
pub fn connect_tls(
    server: &Server,
    listener: usize,
    trusted: &str,
) -> Client<StreamOwned<ClientConnection, TcpStream>> {
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_slice(trusted.as_bytes()).expect("it is PEM");
    roots.add(certificate).expect("it can be trusted");
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has them")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("a name");
    let layer = ClientConnection::new(Arc::new(config), name).expect("a layer");
    Client::new(StreamOwned::new(layer, server.socket(listener)))
}

pub const TLS: &str = "store = \"store\"\nmax_connections = 20\n[[listen]]\naddress = \"127.0.0.1:0\"\nimplicit_tls = true\n\
    [[listen]]\naddress = \"127.0.0.1:0\"\n[tls]\ncertificates = \"cert.pem\"\nkey = \"key.pem\"\n";

#[test]
fn sighup_swaps_certificates_and_limits_and_keeps_what_it_refuses() {
    on_each_runtime(|runtime| {
        let folder = Folder::new(&format!("hup-{runtime}"));
        let (first, second) = (certificate(), certificate());
        folder.write("cert.pem", &first.0);
        folder.write("key.pem", &first.1);
        let server = Server::start(&folder, TLS, &["--runtime", runtime]);
        let mut old = connect_tls(&server, 0, &first.0);
        assert!(old.line().starts_with("* OK "));

        // A key that does not go with the certificate.
        folder.write("cert.pem", &second.0);
        server.signal(Signal::HUP);
        server.wait_for_log(&["level=error", "event=reload_refused", "what=certificates"]);
        server.wait_for_lines(&["event=reloaded"], 1);
        assert!(
            connect_tls(&server, 0, &first.0)
                .line()
                .starts_with("* OK ")
        );

        // Both, and a limit.
        folder.write("key.pem", &second.1);
        folder.write(
            "pillarbox.toml",
            &format!("name = \"Second\"\n{TLS}[limits]\ntag = 8\n"),
        );
        server.signal(Signal::HUP);
        server.wait_for_lines(&["event=reloaded"], 2);
        let mut new = connect_tls(&server, 0, &second.0);
        assert!(new.line().contains("Second ready"));
        new.send("a12345678 NOOP\r\n");
        assert!(new.line().starts_with("* BAD "));
        assert!(
            old.command("a12345678 NOOP").contains("a12345678 OK "),
            "the old one keeps its limits"
        );

        // A configuration that is wrong.
        folder.write("pillarbox.toml", &format!("{TLS}[limits]\ntag = 1\n"));
        server.signal(Signal::HUP);
        let line = server.wait_for_log(&["event=reload_refused", "what=configuration"]);
        assert!(line.contains("tag is 1; expected 8 to 1024"), "{line}");
        assert!(
            connect_tls(&server, 0, &second.0)
                .line()
                .contains("Second ready")
        );

        // Without TLS nobody signs in.
        let mut plain = server.connect(1);
        let said = plain.line();
        assert!(
            said.contains("LOGINDISABLED")
                && said.contains("STARTTLS")
                && !said.contains("AUTH=PLAIN"),
            "{said}"
        );
        let said = plain.command("a LOGIN ann pw");
        assert!(said.contains("a NO [PRIVACYREQUIRED] "), "{said}");
        server.terminate();
    });
}

#[test]
fn sighup_turns_a_listener_to_tls_and_back() {
    on_each_runtime(|runtime| {
        let folder = Folder::new(&format!("turn-{runtime}"));
        let made = certificate();
        folder.write("cert.pem", &made.0);
        folder.write("key.pem", &made.1);
        let config = |implicit: bool| {
            format!(
                "store = \"store\"\n[[listen]]\naddress = \"127.0.0.1:0\"\nimplicit_tls = {implicit}\n\
                 [tls]\ncertificates = \"cert.pem\"\nkey = \"key.pem\"\n"
            )
        };
        let mut server = Server::start(&folder, &config(false), &["--runtime", runtime]);
        let address = server.address(0);
        let mut old = server.connect(0);
        assert!(old.line().contains("STARTTLS"));
        folder.write("pillarbox.toml", &config(true));
        server.signal(Signal::HUP);
        server.wait_for_lines(&["event=reloaded"], 1);
        server.find_listeners(2);
        assert_eq!(server.address(1), address, "it is listened on as before");
        let mut new = connect_tls(&server, 1, &made.0);
        assert!(new.line().starts_with("* OK "));
        assert!(old.command("a NOOP").contains("a OK "), "it lives on");
        folder.write("pillarbox.toml", &config(false));
        server.signal(Signal::HUP);
        server.wait_for_lines(&["event=reloaded"], 2);
        assert!(server.connect(0).line().contains("STARTTLS"));
        assert!(new.command("a NOOP").contains("a OK "), "it lives on");
        server.wait_for_log(&["event=listening", "tls=implicit"]);
        let lines = server.wait_for_lines(&["event=listening", "tls=starttls"], 2);
        assert_eq!(lines.len(), 2);
        server.terminate();
    });
}

/// An address of this machine's own. On Linux it is nobody else's: no other test takes a port of it that was just given back.
fn loopback(runtime: &str) -> [u8; 4] {
    match (cfg!(target_os = "linux"), runtime) {
        (false, _) => [127, 0, 0, 1],
        (true, "smol") => [127, 0, 0, 3],
        (true, _) => [127, 0, 0, 2],
    }
}

#[test]
fn sighup_adds_and_closes_listeners_and_connections_live_on() {
    on_each_runtime(|runtime| {
        let folder = Folder::new(&format!("listeners-{runtime}"));
        folder.write("pillarbox.toml", PLAIN);
        folder.account(&["add", "ann"], "pw\n");
        let with = |listeners: &[SocketAddr], more: &str| {
            let head = format!("{more}plaintext_login = true\nstore = \"store\"\n");
            let listeners = listeners.iter();
            listeners.fold(head, |all, address| {
                format!("{all}[[listen]]\naddress = \"{address}\"\n")
            })
        };
        let any = SocketAddr::from((loopback(runtime), 0));
        let mut server = Server::start(&folder, &with(&[any], ""), &["--runtime", runtime]);
        let mut old = server.sign_in("ann", "pw");

        // One that is taken: nothing changes, the name no more than the listeners.
        let taken = TcpListener::bind(any).expect("a port is free");
        let address = taken.local_addr().expect("it has one");
        folder.write(
            "pillarbox.toml",
            &with(&[any, any, address], "name = \"Other\"\n"),
        );
        server.signal(Signal::HUP);
        let line = server.wait_for_log(&["event=reload_refused", "what=listeners"]);
        assert!(
            line.contains(&format!("cannot listen on {address}: ")),
            "{line}"
        );
        assert!(server.connect(0).line().contains("Pillarbox ready"));
        assert_eq!(server.wait_for_lines(&["event=listening"], 1).len(), 1);

        // Two more.
        folder.write("pillarbox.toml", &with(&[any, any, any], ""));
        server.signal(Signal::HUP);
        server.find_listeners(3);
        server.wait_for_lines(&["event=reloaded"], 1);
        for listener in 0..3 {
            assert!(server.connect(listener).line().starts_with("* OK "));
        }
        let mut second = server.connect(1);
        second.line();
        let closed = server.address(1);

        // The store stays, two go, and one that is named by its port comes.
        drop(taken);
        let config = with(&[address, any], "").replace("\"store\"", "\"other\"");
        folder.write("pillarbox.toml", &config);
        server.signal(Signal::HUP);
        server.wait_for_log(&["level=warn", "event=restart_needed", "what=store"]);
        server.wait_for_lines(&["event=listener_closed"], 2);
        server.wait_for_lines(&["event=reloaded"], 2);
        server.find_listeners(4);
        assert_eq!(server.address(3), address);
        assert!(server.connect(3).line().starts_with("* OK "));
        // Who got in by them lives on.
        assert!(old.command("b NOOP").contains("b OK "));
        assert!(second.command("b LOGIN ann pw").contains("b OK "));
        // Their addresses are given back, in a moment.
        let began = Instant::now();
        while TcpListener::bind(closed).is_err() {
            assert!(began.elapsed() < DEADLINE, "{closed} is still taken");
        }
        assert!(!folder.path().join("other").exists());
        server.terminate();
    });
}

#[test]
fn one_connection_too_many_is_told_so_over_tls() {
    let folder = Folder::new("caps-tls");
    let (chain, key) = certificate();
    folder.write("cert.pem", &chain);
    folder.write("key.pem", &key);
    let config = TLS.replace("max_connections = 20", "max_connections = 1");
    let server = Server::start(&folder, &config, &[]);
    let mut first = connect_tls(&server, 0, &chain);
    assert!(first.line().starts_with("* OK "));
    let mut second = connect_tls(&server, 0, &chain);
    assert!(second.line().starts_with("* BYE [UNAVAILABLE] "));
    server.terminate();
}
