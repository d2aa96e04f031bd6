//! What a server is made of, whatever runs it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use pillarbox_core::limits::Limits;
use pillarbox_core::session::{CloseReason, Config, Event};
use pillarbox_store::{Accounts, Backend};

use crate::hub::Hub;
use crate::recording::Recording;
#[cfg(any(feature = "tls", feature = "tls-ring"))]
use crate::tls::TlsConfig;

/// How a listener's connections begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
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

    /// Connections cannot be accepted, most often since the system gives no more file descriptors; told once until one is accepted again.
    fn accept_failed(&self, _error: &io::Error) {}
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
    /// Whether TLS was in place in the end.
    pub tls: bool,
    /// Why it ended; `None`: the transport failed, or the connection was dropped.
    pub reason: Option<CloseReason>,
    /// What the transport said when it failed, or how TLS did.
    pub error: Option<Arc<str>>,
    /// From beginning to end.
    pub duration: Duration,
}

/// What may be changed while a server runs; see [`Service::replace_settings`].
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// Every bound of a session.
    pub limits: Limits,
    /// What the greeting and ID call the server.
    pub name: String,
    /// Whether a password may come in without TLS: for loopback and tests only.
    pub plaintext_login: bool,
    /// How many connections there may be; one more is greeted with `* BYE`. 10,000 by default.
    pub max_connections: usize,
    /// How many connections there may be from one address; 1,000 by default.
    pub max_per_address: usize,
}

impl Default for Settings {
    fn default() -> Self {
        let config = Config::default();
        Self {
            limits: config.limits,
            name: config.name,
            plaintext_login: config.plaintext_login,
            max_connections: 10_000,
            max_per_address: 1_000,
        }
    }
}

/// Settings as connections use them: each form of the core's configuration is there once.
#[derive(Debug)]
pub(crate) struct Current {
    pub settings: Settings,
    with_starttls: Arc<Config>,
    without: Arc<Config>,
}

impl Current {
    fn new(settings: Settings) -> Self {
        let config = |starttls| {
            let mut config = Config::default();
            config.limits = settings.limits.clone();
            config.name = settings.name.clone();
            config.plaintext_login = settings.plaintext_login;
            config.starttls = starttls;
            Arc::new(config)
        };
        Self {
            with_starttls: config(true),
            without: config(false),
            settings,
        }
    }

    pub(crate) fn config(&self, starttls: bool) -> Arc<Config> {
        if starttls {
            self.with_starttls.clone()
        } else {
            self.without.clone()
        }
    }
}

/// Says where the recording of a connection goes, if it is to be recorded.
type Recordings = dyn Fn(Option<SocketAddr>) -> Option<Recording> + Send + Sync;

/// A server without its sockets.
pub struct Service {
    current: RwLock<Arc<Current>>,
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) accounts: Arc<dyn Accounts>,
    pub(crate) hub: Hub,
    pub(crate) observer: Arc<dyn Observer>,
    recordings: Option<Box<Recordings>>,
    #[cfg(any(feature = "tls", feature = "tls-ring"))]
    pub(crate) tls: Option<TlsConfig>,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("settings", &self.current().settings)
            .field("hub", &self.hub)
            .finish_non_exhaustive()
    }
}

impl Service {
    /// A service that keeps mail in `backend` and lets in whom `accounts` knows.
    #[must_use]
    pub fn builder(backend: Arc<dyn Backend>, accounts: Arc<dyn Accounts>) -> ServiceBuilder {
        let settings = Settings::default();
        let service = Self {
            current: RwLock::new(Arc::new(Current::new(settings.clone()))),
            backend,
            accounts,
            hub: Hub::default(),
            observer: Arc::new(NoObserver),
            recordings: None,
            #[cfg(any(feature = "tls", feature = "tls-ring"))]
            tls: None,
        };
        ServiceBuilder { service, settings }
    }

    /// What connections share.
    #[must_use]
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// What connections from now on are held to.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.current().settings.clone()
    }

    /// Holds connections from now on to these settings; those that are there keep the old ones.
    pub fn replace_settings(&self, settings: Settings) {
        let current = Arc::new(Current::new(settings));
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = current;
    }

    /// Where a connection of this peer is recorded, if it is.
    pub(crate) fn recording(&self, peer: Option<SocketAddr>) -> Option<Recording> {
        self.recordings.as_ref().and_then(|begin| begin(peer))
    }

    pub(crate) fn current(&self) -> Arc<Current> {
        // Only a whole value is ever put there.
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.clone()
    }
}

/// Builds a [`Service`].
#[derive(Debug)]
pub struct ServiceBuilder {
    service: Service,
    settings: Settings,
}

impl ServiceBuilder {
    /// All that [`Service::replace_settings`] can change later.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Every bound of a session.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.settings.limits = limits;
        self
    }

    /// What the greeting and ID call the server.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.settings.name = name.into();
        self
    }

    /// Lets passwords in without TLS: for loopback and tests only.
    #[must_use]
    pub fn plaintext_login(mut self, allowed: bool) -> Self {
        self.settings.plaintext_login = allowed;
        self
    }

    /// How many connections there may be, in all and from one address; one more is greeted with `* BYE`.
    #[must_use]
    pub fn max_connections(mut self, all: usize, per_address: usize) -> Self {
        self.settings.max_connections = all;
        self.settings.max_per_address = per_address;
        self
    }

    /// Certificates, for STARTTLS and for listeners of [`ListenerKind::Tls`].
    #[cfg(any(feature = "tls", feature = "tls-ring"))]
    #[must_use]
    pub fn tls(mut self, tls: TlsConfig) -> Self {
        self.service.tls = Some(tls);
        self
    }

    /// Who hears what happens.
    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.service.observer = observer;
        self
    }

    /// Records connections: `begin` is asked for each one. What is recorded holds no password and no text of a message.
    #[must_use]
    pub fn record(
        mut self,
        begin: impl Fn(Option<SocketAddr>) -> Option<Recording> + Send + Sync + 'static,
    ) -> Self {
        self.service.recordings = Some(Box::new(begin));
        self
    }

    /// The service, listening to its backend's notices.
    #[must_use]
    pub fn build(self) -> Arc<Service> {
        self.service.replace_settings(self.settings);
        let notices = self.service.hub.notices();
        self.service.backend.subscribe(notices);
        Arc::new(self.service)
    }
}
