//! The values that go into and come out of a session, besides octets and storage effects.

use alloc::string::String;
use alloc::sync::Arc;
use bytes::Bytes;
use core::net::IpAddr;

use crate::effect::{Account, Effect, ErrorKind};
use crate::limits::Limits;

/// What every session of a listener shares.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Every bound.
    pub limits: Limits,
    /// What the greeting and ID call the server.
    pub name: String,
    /// Whether STARTTLS is offered: the transport can do TLS and has not begun it.
    pub starttls: bool,
    /// Whether a password may come in without TLS: for loopback and tests only.
    pub plaintext_login: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            name: String::from("Pillarbox"),
            starttls: false,
            plaintext_login: false,
        }
    }
}

/// Who is at the other end.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Peer {
    /// Its address, if it has one.
    pub address: Option<IpAddr>,
    /// TLS from the first octet on.
    pub tls: Option<TlsFacts>,
}

impl Peer {
    /// A peer at this address, without TLS.
    #[must_use]
    pub fn plain(address: Option<IpAddr>) -> Self {
        Self { address, tls: None }
    }
}

/// What the TLS layer knows of the connection.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct TlsFacts {
    /// The protocol version, as `TLSv1.3`.
    pub version: Option<String>,
    /// The name the client asked for.
    pub sni: Option<String>,
    /// The application protocol agreed on.
    pub alpn: Option<Bytes>,
}

/// What the driver is to do.
#[derive(Debug)]
#[non_exhaustive]
#[must_use]
pub enum Action {
    /// Submit this to the store.
    Effect(Effect),
    /// Put a layer in place; all output before it has been taken by the transport.
    Switch(Switch),
    /// Tell logs and metrics.
    Event(Event),
    /// Much was done and more is to do: where others wait for this thread, let them have their turn before the session is polled again.
    Yield,
    /// The session is over: send what [`Session::transmit`](super::Session::transmit) still holds, then close the transport.
    Closed(CloseReason),
}

/// A change of layers.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Switch {
    /// Begin TLS as the server. Octets that came after the command are handed over raw: they belong to the handshake.
    StartTls {
        /// Octets read but not parsed.
        residue: Bytes,
    },
}

/// What became of a [`Switch`].
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Switched {
    /// TLS is up.
    Tls(TlsFacts),
    /// It could not be put in place: the connection ends.
    Failed,
}

/// Something worth a log line or a counter; holds no secret and no message text.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A command was answered.
    Command {
        /// Its name, or `?`.
        name: &'static str,
        /// Its condition.
        condition: Condition,
    },
    /// Someone signed in.
    LoggedIn {
        /// The account.
        account: Account,
        /// LOGIN or the SASL mechanism.
        mechanism: &'static str,
    },
    /// Someone failed to sign in.
    LoginFailed {
        /// The name as the client gave it, empty if it was not to be read.
        user: Arc<str>,
        /// LOGIN or the SASL mechanism.
        mechanism: &'static str,
        /// Why: a wrong name or password, a disabled account, no room to check it now.
        kind: ErrorKind,
    },
    /// The store failed; the detail is for the log only.
    StoreFailed {
        /// The operation.
        operation: &'static str,
        /// The error, with its detail.
        error: Arc<str>,
    },
}

/// The condition of a tagged answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Condition {
    /// OK.
    Ok,
    /// NO.
    No,
    /// BAD.
    Bad,
}

/// Why a server ends a session of its own accord.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Bye {
    /// The server stops.
    Shutdown,
    /// Too many connections.
    TooManyConnections,
    /// The account was disabled or removed.
    AccountDisabled,
    /// The account has another password now.
    PasswordChanged,
}

/// Why a session ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum CloseReason {
    /// LOGOUT.
    Logout,
    /// The peer closed its side.
    PeerClosed,
    /// No login in time.
    LoginTimeout,
    /// No command in time.
    IdleTimeout,
    /// Output made no progress.
    WriteStall,
    /// Too many bad commands.
    TooManyBad,
    /// Too many failed logins.
    TooManyLogins,
    /// A line or literal beyond all bounds.
    TooBig,
    /// The selected mailbox was deleted.
    MailboxDeleted,
    /// The server ended it.
    Server(Bye),
    /// TLS could not be put in place.
    SwitchFailed,
    /// The store answered something that does not belong to the call.
    ServerBug,
}
