//! What a server is made of, whatever runs it.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pillarbox_core::limits::Limits;
use pillarbox_core::session::{Bye, CloseReason, Config, Event};
use pillarbox_store::{Accounts, Backend};

use crate::hub::Hub;
#[cfg(any(feature = "tls", feature = "tls-ring"))]
use crate::tls::TlsConfig;

/// How a listener's connections begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ListenerKind {
    /// In plain text, with STARTTLS where the service has TLS.
    Plain,
    /// With TLS from the first octet (RFC 8314).
    Tls,
}

/// Hears what happens: logs, metrics, audit. Nothing it is told holds a secret or a message's text.
pub trait Observer: Send + Sync + 'static {
    /// Something happened on a connection.
    fn event(&self, peer: Option<SocketAddr>, event: &Event);

    /// A connection ended.
    fn closed(&self, peer: Option<SocketAddr>, summary: &Summary);
}

/// An observer that looks away.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoObserver;

impl Observer for NoObserver {
    fn event(&self, _peer: Option<SocketAddr>, _event: &Event) {}
    fn closed(&self, _peer: Option<SocketAddr>, _summary: &Summary) {}
}

/// One connection, looked back on.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Summary {
    /// Octets from the peer, as the transport counts them.
    pub octets_in: u64,
    /// Octets to the peer.
    pub octets_out: u64,
    /// Commands answered.
    pub commands: u64,
    /// Who signed in, if anyone.
    pub account: Option<Arc<str>>,
    /// Why it ended; `None`: the transport failed.
    pub reason: Option<CloseReason>,
    /// From beginning to end.
    pub duration: Duration,
}

/// A server without its sockets.
pub struct Service {
    pub(crate) config: Config,
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) accounts: Arc<dyn Accounts>,
    pub(crate) hub: Hub,
    pub(crate) observer: Arc<dyn Observer>,
    #[cfg(any(feature = "tls", feature = "tls-ring"))]
    pub(crate) tls: Option<TlsConfig>,
    max_connections: usize,
    max_per_address: usize,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("config", &self.config)
            .field("hub", &self.hub)
            .finish_non_exhaustive()
    }
}

impl Service {
    /// A service that keeps mail in `backend` and lets in whom `accounts` knows.
    #[must_use]
    pub fn builder(backend: Arc<dyn Backend>, accounts: Arc<dyn Accounts>) -> ServiceBuilder {
        ServiceBuilder(Self {
            config: Config::default(),
            backend,
            accounts,
            hub: Hub::default(),
            observer: Arc::new(NoObserver),
            #[cfg(any(feature = "tls", feature = "tls-ring"))]
            tls: None,
            max_connections: 10_000,
            max_per_address: 1_000,
        })
    }

    /// What connections share.
    #[must_use]
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// Why one more connection from this address is refused, if it is.
    pub(crate) fn refusal(&self, peer: Option<SocketAddr>) -> Option<Bye> {
        let from = peer.map_or(0, |p| self.hub.connections_from(p.ip()));
        (self.hub.connections() >= self.max_connections || from >= self.max_per_address)
            .then_some(Bye::TooManyConnections)
    }
}

/// Builds a [`Service`].
#[derive(Debug)]
pub struct ServiceBuilder(Service);

impl ServiceBuilder {
    /// Every bound of a session.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.0.config.limits = limits;
        self
    }

    /// What the greeting and ID call the server.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.0.config.name = name.into();
        self
    }

    /// Lets passwords in without TLS: for loopback and tests only.
    #[must_use]
    pub fn plaintext_login(mut self, allowed: bool) -> Self {
        self.0.config.plaintext_login = allowed;
        self
    }

    /// Certificates, for STARTTLS and for listeners of [`ListenerKind::Tls`].
    #[cfg(any(feature = "tls", feature = "tls-ring"))]
    #[must_use]
    pub fn tls(mut self, tls: TlsConfig) -> Self {
        self.0.tls = Some(tls);
        self
    }

    /// Who hears what happens.
    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.0.observer = observer;
        self
    }

    /// How many connections there may be, in all and from one address.
    #[must_use]
    pub fn max_connections(mut self, all: usize, per_address: usize) -> Self {
        (self.0.max_connections, self.0.max_per_address) = (all, per_address);
        self
    }

    /// The service, listening to its backend's notices.
    #[must_use]
    pub fn build(self) -> Arc<Service> {
        self.0.backend.subscribe(self.0.hub.notices());
        Arc::new(self.0)
    }
}
