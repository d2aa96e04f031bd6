//! The event loop over a wire in memory: no socket, no thread, no clock but the test's.

mod tls;
mod wire;

use std::sync::Arc;

use pillarbox_core::session::{Bye, CloseReason};
use pillarbox_driver::{ListenerKind, Service, ServiceBuilder};
use pillarbox_store::{Memory, StaticAccounts};
use wire::Client;

/// A service with mail in memory and the account `tim`.
fn builder() -> ServiceBuilder {
    let accounts = StaticAccounts::new().with("tim", "pw");
    Service::builder(Arc::new(Memory::new()), Arc::new(accounts)).plaintext_login(true)
}

fn connect(service: &Arc<Service>) -> Client {
    Client::connect(service, ListenerKind::Plain)
}

fn sign_in(service: &Arc<Service>) -> Client {
    let mut client = connect(service);
    client.send(b"a LOGIN tim pw\r\nb SELECT INBOX\r\n");
    assert!(client.said().contains("b OK "));
    client
}

const CONVERSATION: &[u8] = b"a LOGIN tim pw\r\nb APPEND INBOX {12+}\r\nSubject: x\r\n\r\n\
    c SELECT INBOX\r\nd FETCH 1 (FLAGS BODY[])\r\ne LOGOUT\r\n";

#[test]
fn narrow_wires_change_nothing() {
    let said = |read_at_once, window| {
        let service = builder().build();
        let mut client = connect(&service);
        client.pipe().read_at_once = read_at_once;
        client.pipe().window = window;
        client.send(CONVERSATION);
        let mut said = Vec::new();
        loop {
            let octets = client.octets();
            if octets.is_empty() {
                break;
            }
            said.extend(octets);
        }
        let summary = client.summary.expect("LOGOUT ends the connection");
        assert_eq!(summary.reason, Some(CloseReason::Logout));
        assert_eq!(summary.octets_in, CONVERSATION.len() as u64);
        assert_eq!(summary.octets_out, said.len() as u64);
        assert_eq!(summary.commands, 5);
        assert_eq!(summary.account.as_deref(), Some("tim"));
        String::from_utf8(said).expect("the server speaks ASCII here")
    };
    let whole = said(None, usize::MAX);
    assert!(whole.contains("BODY[] {12}\r\nSubject: x\r\n"), "{whole}");
    assert_eq!(said(Some(1), usize::MAX), whole);
    assert_eq!(said(None, 1), whole);
    assert_eq!(said(Some(3), 7), whole);
}

#[test]
fn a_burst_of_commands_is_answered_with_one_write() {
    let service = builder().build();
    let mut client = sign_in(&service);
    let before = client.pipe().writes;
    client.send(b"c NOOP\r\nd NOOP\r\ne STATUS INBOX (MESSAGES)\r\nf NOOP\r\n");
    assert_eq!(client.pipe().writes - before, 1);
    assert!(client.said().ends_with("f OK NOOP completed\r\n"));
}

#[test]
fn a_client_that_does_not_read_is_not_read_from_and_then_given_up() {
    let service = builder().build();
    let mut client = sign_in(&service);
    client.pipe().window = 1000;
    client.send(&b"x CAPABILITY\r\n".repeat(1_000_000));
    let unread = client.unread();
    assert!(unread > 10_000_000, "{unread} octets are left unread");
    assert!(client.summary.is_none());
    client.wait(10 * 60 * 1000);
    client.wait(5_001);
    let summary = client.summary.take().expect("it is given up");
    assert_eq!(summary.reason, Some(CloseReason::WriteStall));
    assert_eq!(service.hub().connections(), 0);
}

#[test]
fn one_connection_more_than_there_may_be_is_told_so() {
    let service = builder().max_connections(3, 2).build();
    let mut first = connect(&service);
    let mut second = connect(&service);
    let mut third = connect(&service);
    assert!(first.said().starts_with("* OK "));
    assert!(second.said().starts_with("* OK "));
    let said = third.said();
    assert!(said.contains("* BYE "), "{said}");
    assert!(third.pipe().closed);
    let summary = third.summary.take().expect("it ended");
    assert_eq!(
        summary.reason,
        Some(CloseReason::Server(Bye::TooManyConnections))
    );
    first.send(b"a LOGOUT\r\n");
    assert!(
        connect(&service).said().starts_with("* OK "),
        "there is room again"
    );
}

#[test]
fn a_shutdown_wakes_says_bye_and_drains() {
    let service = builder().build();
    let mut client = sign_in(&service);
    client.send(b"c IDLE\r\n");
    client.said();
    service.hub().shutdown();
    assert!(client.woken());
    let said = client.said();
    assert!(said.starts_with("* BYE "), "{said}");
    assert!(client.pipe().closed);
    assert_eq!(service.hub().connections(), 0);
    let mut late = connect(&service);
    assert!(late.said().contains("* BYE "));
}

#[test]
fn news_wakes_who_idles_and_nobody_else() {
    let service = builder().build();
    let mut idler = sign_in(&service);
    idler.send(b"c IDLE\r\n");
    idler.said();
    let mut other = connect(&service);
    other.send(b"a LOGIN tim pw\r\nb APPEND INBOX {12+}\r\nSubject: x\r\n\r\n");
    assert!(other.said().contains("APPENDUID"));
    assert!(!other.woken());
    assert!(idler.woken());
    let said = idler.said();
    assert!(said.contains("* 1 EXISTS\r\n"), "{said}");
}

#[test]
fn a_peer_that_goes_away_is_gone() {
    let service = builder().build();
    let mut client = sign_in(&service);
    client.pipe().eof = true;
    client.send(b"c NOOP\r\n");
    assert!(
        client.said().contains("c OK "),
        "what came before is answered"
    );
    let summary = client.summary.take().expect("it ended");
    assert_eq!(summary.reason, Some(CloseReason::PeerClosed));

    let mut client = sign_in(&service);
    client.pipe().broken = true;
    client.send(b"c NOOP\r\n");
    let summary = client.summary.take().expect("it ended");
    assert_eq!(summary.reason, None);
    assert_eq!(service.hub().connections(), 0);
}

#[test]
fn the_last_octets_are_not_waited_for_for_ever() {
    let service = builder().build();
    let mut client = sign_in(&service);
    client.pipe().window = 0;
    client.send(b"c LOGOUT\r\n");
    assert!(client.summary.is_none());
    client.wait(5_001);
    assert!(client.summary.is_some());
}
