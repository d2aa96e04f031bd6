//! The bounds that the transport keeps, at, under and over each, as they are and as they are set; those of the session are tested without one.

use std::sync::Arc;

use pillarbox_core::limits::Limits;
use pillarbox_core::session::{Bye, CloseReason};
use pillarbox_driver::{ListenerKind, Service, Summary};

use super::wire::Client;
use super::{builder, refused_and_going_on, sign_in};

/// The service as it is, and with a limit set: a bound and what it is then.
fn both<T>(usual: T, set: T, change: impl FnOnce(&mut Limits)) -> [(Arc<Service>, T); 2] {
    let mut limits = Limits::default();
    change(&mut limits);
    let changed = builder().limits(limits).build();
    [(builder().build(), usual), (changed, set)]
}

/// It is there just before its time is over, and not after.
fn ends_after(client: &mut Client, millis: u64) -> Summary {
    client.wait(millis - 1);
    assert!(client.summary.is_none(), "it has {millis} ms");
    client.wait(2);
    client.summary.take().expect("its time is over")
}

#[test]
fn handshake_millis() {
    for millis in [30_000, 2_000] {
        let (service, _) = super::tls::service();
        let mut settings = service.settings();
        if millis != 30_000 {
            settings.limits.handshake_millis = millis;
        }
        service.replace_settings(settings);
        let mut client = Client::connect(&service, ListenerKind::Tls);
        client.run();
        ends_after(&mut client, millis);
        assert_eq!(client.octets(), b"", "nothing is said in plain text");
    }
}

#[test]
fn leave_millis() {
    for (service, millis) in both(9_000, 700, |l| l.leave_millis = 700) {
        let mut client = sign_in(&service);
        client.pipe().window = 0;
        client.send(&b"c CAPABILITY\r\n".repeat(10_000));
        service.hub().shutdown();
        client.run();
        let summary = ends_after(&mut client, millis);
        assert_eq!(summary.reason, Some(CloseReason::Server(Bye::Shutdown)));
    }
}

#[test]
fn linger_millis() {
    for (service, millis) in both(5_000, 300, |l| l.linger_millis = 300) {
        // What is to be sent is not taken.
        let mut client = sign_in(&service);
        client.pipe().window = 0;
        client.send(b"c LOGOUT\r\n");
        ends_after(&mut client, millis);
        // The client goes on.
        let mut client = refused_and_going_on(&service, 1);
        let summary = ends_after(&mut client, millis);
        assert_eq!(summary.reason, Some(CloseReason::TooManyBad));
        assert_eq!(summary.error, None);
        assert_eq!(service.hub().connections(), 0);
    }
}

#[test]
fn linger() {
    for (service, octets) in both(256 << 10, 1000, |l| l.linger = 1000) {
        let mut client = refused_and_going_on(&service, octets - 1);
        assert!(client.summary.is_none());
        client.send(b"x");
        assert!(client.summary.is_some(), "that is enough");
        let client = refused_and_going_on(&service, octets + 1);
        assert!(client.summary.is_some());
    }
}
