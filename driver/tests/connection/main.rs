//! The event loop over a wire in memory: no socket, no thread, no clock but the test's.

mod accept;
mod fair;
mod leave;
mod limits;
mod recording;
mod tls;
mod wire;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use pillarbox_core::effect::{Account, Effect};
use pillarbox_core::id::AccountId;
use pillarbox_core::session::{Bye, CloseReason, Event};
use pillarbox_driver::{ListenerKind, Observer, Service, ServiceBuilder, Summary};
use pillarbox_store::{Accounts, Job, Memory, StaticAccounts};
use wire::Client;

/// A service with mail in memory and the account `tim`.
fn builder() -> ServiceBuilder {
    let accounts = StaticAccounts::new().with("tim", "pw");
    Service::builder(Arc::new(Memory::with_validity(1)), Arc::new(accounts)).plaintext_login(true)
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
    assert!(said.starts_with("* BYE [UNAVAILABLE] "), "{said}");
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
    assert!(late.said().starts_with("* BYE "));
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

/// A client that was refused for the third time and goes on; the octets it sent after that.
fn refused_and_going_on(service: &Arc<Service>, octets: usize) -> Client {
    let mut client = connect(service);
    client.send(b"x\r\nx\r\n");
    client.send(b"x\r\n");
    let said = client.said();
    assert!(said.contains("\r\n* BYE "), "{said}");
    assert!(client.pipe().closed, "it can read the end");
    client.send(&vec![b'x'; octets]);
    client
}

#[test]
fn a_peer_that_goes_on_is_heard_out_so_that_the_last_line_is_not_lost() {
    let service = builder().build();
    let mut client = refused_and_going_on(&service, 200_000);
    assert!(client.summary.is_none(), "dropped now it would be reset");
    assert_eq!(client.unread(), 0);
    client.pipe().eof = true;
    client.run();
    let summary = client.summary.take().expect("it ended");
    assert_eq!(summary.reason, Some(CloseReason::TooManyBad));
    assert_eq!((summary.error, summary.octets_in), (None, 200_009));
}

#[test]
fn octets_that_were_not_read_are_thrown_away_at_the_end() {
    let service = builder().max_connections(1, 1).build();
    let kept = connect(&service);
    // Refused at once, and it had sent something already: there may be very many of these, and none is waited for.
    let mut refused = Client::sending(&service, b"a LOGIN tim pw\r\n");
    assert!(refused.said().starts_with("* BYE "));
    assert_eq!(refused.unread(), 0);
    assert!(refused.summary.is_some());
    drop(kept);
    // One that is at something when the server stops.
    let mut busy = connect(&service);
    busy.said();
    service.hub().shutdown();
    busy.send(b"a NOOP\r\n");
    assert!(busy.said().starts_with("* BYE "));
    assert_eq!(busy.unread(), 0);
    assert!(busy.summary.is_none(), "more may be on its way");
    busy.pipe().eof = true;
    busy.run();
    assert!(busy.summary.is_some());
}

#[test]
fn caps_count_all_and_one_host_and_those_refused_take_no_place() {
    let service = builder().max_connections(3, 2).build();
    let from = |host: u8| Client::connect_from(&service, [192, 0, 2, host].into());
    let clients = [from(1), from(1), from(2)].map(|mut client| {
        assert!(client.said().starts_with("* OK "), "up to the cap");
        client
    });
    for mut refused in [from(1), from(2), from(3)] {
        assert!(refused.said().starts_with("* BYE "), "over the cap");
    }
    assert_eq!(service.hub().connections(), 3);
    drop(clients);
    assert_eq!(service.hub().connections(), 0);
    let network = |text: &str| Client::connect_from(&service, text.parse().expect("an address"));
    let mut kept = [network("2001:db8::1"), network("2001:db8::2")];
    assert!(kept[1].said().starts_with("* OK "));
    assert!(network("2001:db8::3").said().starts_with("* BYE "));
    assert!(network("2001:db8:0:1::3").said().starts_with("* OK "));
}

#[test]
fn a_flood_of_connections_is_closed_without_a_word() {
    let service = builder().max_connections(0, 0).build();
    let mut silent = Vec::new();
    for _ in 0..64 {
        let mut client = connect(&service);
        client.pipe().window = 0;
        client.run();
        assert!(client.summary.is_none(), "it is being told");
        silent.push(client);
    }
    let mut more = connect(&service);
    assert_eq!(more.said(), "");
    assert!(more.summary.is_some());
    silent.clear();
    assert!(connect(&service).said().starts_with("* BYE "));
}

#[test]
fn settings_can_be_replaced_for_connections_to_come() {
    let service = builder().max_connections(2, 2).build();
    let mut old = connect(&service);
    old.said();
    let mut settings = service.settings();
    settings.name = String::from("Other");
    settings.plaintext_login = false;
    settings.limits.tag = 3;
    service.replace_settings(settings);
    let mut new = connect(&service);
    let said = new.said();
    assert!(
        said.contains("LOGINDISABLED") && said.contains("Other ready"),
        "{said}"
    );
    old.send(b"abcd LOGIN tim pw\r\n");
    assert!(old.said().starts_with("abcd OK "));
    new.send(b"abcd NOOP\r\n");
    assert!(new.said().starts_with("* BAD "));
}

#[test]
fn a_command_held_open_does_not_hold_up_the_end() {
    let service = builder().build();
    for goes_on in [false, true] {
        let mut client = sign_in(&service);
        client.send(b"c APPEND INBOX {120000+}\r\nSubj");
        let tim = StaticAccounts::new().with("tim", "pw").id("tim");
        let tim = tim.expect("it is an account");
        service.hub().disconnect(tim, Bye::AccountDisabled);
        assert_eq!(client.said(), "", "the message may still come");
        client.wait(3_999);
        client.send(b"e");
        assert_eq!(client.said(), "");
        client.wait(1);
        let said = client.said();
        assert!(said.starts_with("* BYE [CONTACTADMIN] "), "{said}");
        assert!(client.pipe().closed, "it can read the end");
        // Dropped now, what it still sends would take that line from it.
        assert!(client.summary.is_none());
        if goes_on {
            client.send(b"ct: x\r\n");
            assert_eq!((client.unread(), client.summary.is_none()), (0, true));
            client.pipe().eof = true;
        }
        client.wait(if goes_on { 0 } else { 5_000 });
        let summary = client.summary.take().expect("it is left");
        let disabled = CloseReason::Server(Bye::AccountDisabled);
        assert_eq!((summary.reason, summary.error), (Some(disabled), None));
    }
    let mut client = sign_in(&service);
    client.send(b"c STATUS INBOX (MESSAGES)\r\n");
    assert!(
        client.said().contains("(MESSAGES 0)"),
        "nothing of it is kept"
    );
}

#[test]
fn an_append_in_flight_is_finished_before_the_end() {
    let service = builder().build();
    let mut client = sign_in(&service);
    client.send(b"c APPEND INBOX {12+}\r\nSubj");
    service.hub().shutdown();
    client.send(b"ect: x\r\n\r\nd NOOP\r\n");
    let said = client.said();
    let end = said.split_once("c OK ").expect("it is stored").1;
    assert!(
        end.contains("\r\n* BYE ") && !end.contains("d OK"),
        "{said}"
    );
    let summary = client.summary.take().expect("it ended");
    assert_eq!(summary.reason, Some(CloseReason::Server(Bye::Shutdown)));
}

/// Lets everyone in, and then again not.
struct Revoked;

impl Accounts for Revoked {
    fn authenticate(&self, job: Job) {
        pillarbox_store::AnyAccounts::new().authenticate(job);
    }

    fn admits(&self, _account: AccountId) -> bool {
        false
    }
}

#[test]
fn a_sign_in_that_crosses_its_account_being_disabled_ends() {
    let service = Service::builder(Arc::new(Memory::with_validity(1)), Arc::new(Revoked))
        .plaintext_login(true)
        .build();
    let mut client = connect(&service);
    client.said();
    client.send(b"a LOGIN tim pw\r\nb SELECT INBOX\r\n");
    let said = client.said();
    assert!(said.contains("\r\n* BYE [CONTACTADMIN] "), "{said}");
    assert!(!said.contains("b OK"), "{said}");
}

/// Never answers.
#[derive(Default)]
struct Slow(Mutex<Vec<Job>>);

impl Accounts for Slow {
    fn authenticate(&self, job: Job) {
        self.0
            .lock()
            .expect("no test panics with the lock")
            .push(job);
    }
}

#[test]
fn a_sign_in_being_checked_does_not_hold_up_the_end() {
    let accounts = Arc::new(Slow::default());
    let service = Service::builder(Arc::new(Memory::with_validity(1)), accounts)
        .plaintext_login(true)
        .build();
    let mut client = connect(&service);
    client.said();
    client.send(b"a LOGIN tim pw\r\n");
    assert!(client.summary.is_none());
    service.hub().shutdown();
    assert!(client.said().starts_with("* BYE "));
    assert!(client.summary.is_some());
}

/// Counts the ends it hears of.
#[derive(Default)]
struct Ends(Mutex<Vec<Summary>>);

impl Observer for Ends {
    fn event(&self, _peer: Option<SocketAddr>, _event: &Event) {}

    fn closed(&self, _peer: Option<SocketAddr>, summary: &Summary) {
        let mut ends = self.0.lock().expect("no test panics with the lock");
        ends.push(summary.clone());
    }
}

#[test]
fn every_end_is_told_once() {
    let ends = Arc::new(Ends::default());
    let service = builder().observer(ends.clone()).build();
    let mut client = sign_in(&service);
    client.send(b"c LOGOUT\r\n");
    drop(client);
    drop(sign_in(&service));
    let ends = ends.0.lock().expect("no test panics with the lock");
    let reasons: Vec<_> = ends.iter().map(|s| s.reason).collect();
    assert_eq!(reasons, [Some(CloseReason::Logout), None]);
}

#[test]
fn a_sign_in_that_crosses_a_new_password_ends() {
    for (changed, ends) in [(AccountId(7), true), (AccountId(8), false)] {
        let slow = Arc::new(Slow::default());
        let backend = Arc::new(Memory::with_validity(1));
        let service = Service::builder(backend, slow.clone())
            .plaintext_login(true)
            .build();
        let mut client = connect(&service);
        client.send(b"a LOGIN tim old\r\nb SELECT INBOX\r\n");
        service.hub().disconnect(changed, Bye::PasswordChanged);
        let job = slow.0.lock().expect("nothing panics").pop();
        let (effect, slot) = job.expect("it waits").into_parts();
        let Effect::Authenticate(call) = effect else {
            panic!("{effect:?} is no sign-in");
        };
        let name = "tim".into();
        let id = AccountId(7);
        slot.send(call.answer(Ok(Account { id, name })));
        let said = client.said();
        assert_eq!(said.contains("\r\n* BYE [EXPIRED] "), ends, "{said}");
        assert_eq!(said.contains("b OK"), !ends, "{said}");
    }
}
