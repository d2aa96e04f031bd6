//! The bounds that the transport keeps, at, under and over each; those of the session are tested without one.

use std::sync::Arc;

use pillarbox_core::limits::Limits;
use pillarbox_core::session::{Bye, CloseReason};
use pillarbox_driver::{ListenerKind, Service};

use super::wire::Client;
use super::{builder, refused_and_going_on, sign_in};

fn service(set: impl FnOnce(&mut Limits)) -> Arc<Service> {
    let mut limits = Limits::default();
    set(&mut limits);
    builder().limits(limits).build()
}

/// It is there just before its time is over, and not after.
fn ends_after(client: &mut Client, millis: u64) {
    client.wait(millis - 1);
    assert!(client.summary.is_none(), "it has {millis} ms");
    client.wait(2);
    assert!(client.summary.is_some(), "{millis} ms are over");
}

#[test]
fn handshake_millis() {
    let (service, _) = super::tls::service();
    let mut settings = service.settings();
    settings.limits.handshake_millis = 2_000;
    service.replace_settings(settings);
    let mut client = Client::connect(&service, ListenerKind::Tls);
    client.run();
    ends_after(&mut client, 2_000);
}

#[test]
fn leave_millis() {
    let service = service(|l| l.leave_millis = 700);
    let mut client = sign_in(&service);
    client.pipe().window = 0;
    client.send(&b"c CAPABILITY\r\n".repeat(10_000));
    service.hub().shutdown();
    client.run();
    ends_after(&mut client, 700);
    let reason = client.summary.and_then(|s| s.reason);
    assert_eq!(reason, Some(CloseReason::Server(Bye::Shutdown)));
}

#[test]
fn linger_millis() {
    let service = service(|l| l.linger_millis = 300);
    // What is to be sent is not taken.
    let mut client = sign_in(&service);
    client.pipe().window = 0;
    client.send(b"c LOGOUT\r\n");
    ends_after(&mut client, 300);
    // The client goes on.
    let mut client = refused_and_going_on(&service, 1);
    ends_after(&mut client, 300);
}

#[test]
fn linger() {
    let service = service(|l| l.linger = 1000);
    let mut client = refused_and_going_on(&service, 999);
    assert!(client.summary.is_none());
    client.send(b"x");
    assert!(client.summary.is_some(), "that is enough");
    let client = refused_and_going_on(&service, 1001);
    assert!(client.summary.is_some());
}
