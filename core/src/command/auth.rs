//! LOGIN and AUTHENTICATE PLAIN (RFC 9051 §6.2.2, §6.2.3; RFC 4616; RFC 4959).

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use bytes::Bytes;

use crate::command::reply;
use crate::effect::{Authenticate, ErrorKind, StoreError};
use crate::sasl::{self, Secret};
use crate::session::{CloseReason, Done, Event, Input, Session, Step, Task, refusal};
use crate::wire::frame::Frame;

pub(crate) fn login(s: &mut Session, user: &Bytes, password: Secret) -> Step {
    if let Some(done) = refused(s) {
        return Step::Done(done);
    }
    match core::str::from_utf8(user) {
        Ok(user) if !user.is_empty() => check(s, String::from(user), password, "LOGIN"),
        _ => malformed(s, "LOGIN"),
    }
}

pub(crate) fn authenticate(s: &mut Session, mechanism: &str, initial: Option<Bytes>) -> Step {
    if let Some(done) = refused(s) {
        return Step::Done(done);
    }
    if mechanism != "PLAIN" {
        return Step::Done(Done::no(
            "[CANNOT] There is no such mechanism here; use PLAIN",
        ));
    }
    match initial {
        Some(initial) if initial.len() > s.config.limits.sasl => Step::Done(too_long()),
        Some(initial) => plain(s, if initial == "=" { b"" } else { &initial }),
        None => {
            s.out.put(b"+ \r\n");
            Step::Become(Box::new(Response))
        }
    }
}

fn refused(s: &Session) -> Option<Done> {
    (!s.may_log_in()).then(|| Done::no("[PRIVACYREQUIRED] Begin TLS first"))
}

/// Waits for the client's response to the empty challenge.
#[derive(Debug)]
struct Response;

impl Task for Response {
    fn wants_input(&self) -> bool {
        true
    }

    fn step(&mut self, s: &mut Session, input: Input) -> Step {
        match input {
            Input::Frame(Frame::Line(line)) if line == "*" => Step::Done(Done::bad("Cancelled")),
            Input::Frame(Frame::Line(line)) if line.len() > s.config.limits.sasl => {
                Step::Done(too_long())
            }
            Input::Frame(Frame::Line(line)) => plain(s, &line),
            Input::Frame(Frame::Lost(..)) => Step::Done(too_long().closing(CloseReason::TooBig)),
            Input::Frame(_) => Step::Done(too_long()),
            // Nothing is lost: the client learns from BYE that it has to begin anew.
            _ if s.shutting_down() => Step::Gone,
            _ => Step::Input,
        }
    }
}

fn too_long() -> Done {
    Done::bad("[TOOBIG] The response is too long")
}

fn plain(s: &mut Session, response: &[u8]) -> Step {
    let Some(octets) = sasl::decode_base64(response) else {
        return Step::Done(Done::bad("Expected base64"));
    };
    match sasl::decode_plain(&octets) {
        Ok(plain) => check(s, plain.user, plain.password, "PLAIN"),
        Err(_) => malformed(s, "PLAIN"),
    }
}

fn check(s: &mut Session, user: String, password: Secret, mechanism: &'static str) -> Step {
    let address = s.peer.address;
    let name = user.as_str().into();
    let _ = s.ask(Authenticate {
        user,
        password,
        address,
    });
    Step::Become(Box::new(Checking {
        user: name,
        mechanism,
    }))
}

/// A name or password that cannot be one.
fn malformed(s: &mut Session, mechanism: &'static str) -> Step {
    let text = "The user name or the password is wrong";
    let error = StoreError::new(ErrorKind::AuthenticationFailed, text);
    failed(s, "".into(), mechanism, &error)
}

fn failed(s: &mut Session, user: Arc<str>, mechanism: &'static str, error: &StoreError) -> Step {
    s.event(Event::LoginFailed {
        user,
        mechanism,
        kind: error.kind,
    });
    let done = Done::no(refusal(error, false, false));
    Step::Done(s.count_login_failure(done))
}

#[derive(Debug)]
struct Checking {
    user: Arc<str>,
    mechanism: &'static str,
}

impl Task for Checking {
    /// The answer to a failed login comes late: a server that stops does not wait for it.
    fn may_leave(&self) -> bool {
        true
    }

    fn step(&mut self, s: &mut Session, input: Input) -> Step {
        let Input::Reply(outcome) = input else {
            return Step::Input;
        };
        match reply::<Authenticate>(outcome) {
            Ok(account) => {
                s.logged_in(account, self.mechanism);
                Step::Done(Done::ok(s.capability_code("Signed in")))
            }
            Err(error) => {
                let broke = error.kind == ErrorKind::ServerBug || error.detail.is_some();
                if broke {
                    s.store_failed("Authenticate", &error);
                }
                failed(s, self.user.clone(), self.mechanism, &error)
            }
        }
    }
}
