//! A whole server: a service, its listeners, and a runtime to run it.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use pillarbox_core::limits::Limits;
#[cfg(any(feature = "tls", feature = "tls-ring"))]
use pillarbox_driver::TlsConfig;
use pillarbox_driver::{Hub, ListenerKind, Observer, Recording, Service, ServiceBuilder, Settings};
use pillarbox_store::{Accounts, Backend};

/// What runs a server; which ones there are depends on the features.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum Runtime {
    /// Tokio, with a thread for each core and one more.
    #[cfg(feature = "runtime-tokio")]
    #[cfg_attr(feature = "runtime-tokio", default)]
    Tokio,
    /// Smol, with a thread for each core and one more.
    #[cfg(feature = "runtime-smol")]
    #[cfg_attr(all(feature = "runtime-smol", not(feature = "runtime-tokio")), default)]
    Smol,
    /// No runtime was compiled in: [`Server::run`] says so.
    #[cfg_attr(not(any(feature = "runtime-tokio", feature = "runtime-smol")), default)]
    None,
}

/// A server whose sockets are bound.
#[derive(Debug)]
pub struct Server {
    service: Arc<Service>,
    listeners: Vec<(TcpListener, ListenerKind)>,
    addresses: Vec<SocketAddr>,
}

/// Why a server cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// An address cannot be listened on.
    #[error("Cannot listen on {address}: {source}")]
    Listen {
        /// The address as it was given.
        address: String,
        /// What the system says.
        source: io::Error,
    },
    /// No address was given.
    #[error("No address to listen on was given")]
    NoListener,
    /// A listener is to speak TLS, and there is no certificate.
    #[error("A TLS listener needs a certificate")]
    NoCertificate,
}

impl Server {
    /// A server that keeps mail in `backend` and lets in whom `accounts` knows.
    #[must_use]
    pub fn builder(backend: Arc<dyn Backend>, accounts: Arc<dyn Accounts>) -> ServerBuilder {
        ServerBuilder {
            service: Service::builder(backend, accounts),
            listen: Vec::new(),
            has_tls: false,
        }
    }

    /// What is shared by the connections; its settings can be replaced while it runs.
    #[must_use]
    pub fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// The addresses listened on, in the order they were asked for; port 0 is replaced by the one given.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What stops the server, and knows its connections.
    #[must_use]
    pub fn hub(&self) -> &Hub {
        self.service.hub()
    }

    /// The service and its bound sockets, for those who run them on a runtime of their own.
    #[must_use]
    pub fn into_parts(self) -> (Arc<Service>, Vec<(TcpListener, ListenerKind)>) {
        (self.service, self.listeners)
    }

    /// Serves on threads of its own, until what is returned is dropped: for tests, and beside other work.
    ///
    /// # Errors
    /// No thread can be had.
    pub fn start(self, runtime: Runtime) -> io::Result<Running> {
        let (service, addresses) = (self.service.clone(), self.addresses.clone());
        let thread = thread::Builder::new().name(String::from("pillarbox"));
        let thread = Some(thread.spawn(move || self.run(runtime))?);
        Ok(Running {
            service,
            addresses,
            thread,
        })
    }

    /// Serves until [`Hub::shutdown`]; blocks.
    ///
    /// # Errors
    /// The runtime cannot be built, or none was compiled in.
    pub fn run(self, runtime: Runtime) -> io::Result<()> {
        match runtime {
            #[cfg(feature = "runtime-tokio")]
            Runtime::Tokio => pillarbox_tokio::run(self.listeners, self.service),
            #[cfg(feature = "runtime-smol")]
            Runtime::Smol => pillarbox_smol::run(self.listeners, self.service),
            Runtime::None => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "Pillarbox was built without a runtime; enable runtime-tokio or runtime-smol",
            )),
        }
    }
}

/// A server that runs on threads of its own, until this value is dropped.
#[derive(Debug)]
pub struct Running {
    service: Arc<Service>,
    addresses: Vec<SocketAddr>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Running {
    /// The addresses listened on, as [`Server::addresses`].
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What knows the server's connections.
    #[must_use]
    pub fn hub(&self) -> &Hub {
        self.service.hub()
    }

    /// Ends the server as [`Hub::shutdown`] does, and waits for the end. Dropping the value does the same, and says nothing of errors.
    ///
    /// # Errors
    /// Those of [`Server::run`], and a panic of it.
    pub fn stop(mut self) -> io::Result<()> {
        self.end()
    }

    fn end(&mut self) -> io::Result<()> {
        self.hub().shutdown();
        let panicked = |_| io::Error::other("the server panicked");
        let ended = self.thread.take().map(JoinHandle::join);
        ended.map_or(Ok(()), |ended| ended.map_err(panicked)?)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Who wants to know calls `stop`.
        let _ = self.end();
    }
}

/// Builds a [`Server`].
#[derive(Debug)]
pub struct ServerBuilder {
    service: ServiceBuilder,
    listen: Vec<(String, ListenerKind)>,
    has_tls: bool,
}

impl ServerBuilder {
    /// Listens in plain text, with STARTTLS where there is a certificate.
    #[must_use]
    pub fn listen(mut self, address: impl Into<String>) -> Self {
        self.listen.push((address.into(), ListenerKind::Plain));
        self
    }

    /// Listens with TLS from the first octet on.
    #[must_use]
    pub fn listen_tls(mut self, address: impl Into<String>) -> Self {
        self.listen.push((address.into(), ListenerKind::Tls));
        self
    }

    /// The certificate and key.
    #[cfg(any(feature = "tls", feature = "tls-ring"))]
    #[must_use]
    pub fn tls(mut self, tls: TlsConfig) -> Self {
        self.service = self.service.tls(tls);
        self.has_tls = true;
        self
    }

    /// Limits, name, caps and whether passwords come in without TLS; [`Service::replace_settings`] changes them later.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.service = self.service.settings(settings);
        self
    }

    /// Every bound of a session.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.service = self.service.limits(limits);
        self
    }

    /// What the greeting and ID call the server.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.service = self.service.name(name);
        self
    }

    /// How many connections there may be, in all and from one address; one more is greeted with `* BYE`.
    #[must_use]
    pub fn max_connections(mut self, all: usize, per_address: usize) -> Self {
        self.service = self.service.max_connections(all, per_address);
        self
    }

    /// Lets passwords in without TLS: for loopback and tests only.
    #[must_use]
    pub fn plaintext_login(mut self, allowed: bool) -> Self {
        self.service = self.service.plaintext_login(allowed);
        self
    }

    /// Records connections: `begin` is asked for each one, which goes where it says; see [`ServiceBuilder::record`].
    #[must_use]
    pub fn record(
        mut self,
        begin: impl Fn(Option<SocketAddr>) -> Option<Recording> + Send + Sync + 'static,
    ) -> Self {
        self.service = self.service.record(begin);
        self
    }

    /// Who hears what happens.
    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.service = self.service.observer(observer);
        self
    }

    /// Binds the addresses.
    ///
    /// # Errors
    /// An address cannot be listened on, or something is missing.
    pub fn build(self) -> Result<Server, BuildError> {
        if self.listen.is_empty() {
            return Err(BuildError::NoListener);
        }
        if !self.has_tls
            && self
                .listen
                .iter()
                .any(|(_, kind)| *kind == ListenerKind::Tls)
        {
            return Err(BuildError::NoCertificate);
        }
        let (mut listeners, mut addresses) = (Vec::new(), Vec::new());
        for (address, kind) in self.listen {
            let bound = TcpListener::bind(&address).and_then(|l| Ok((l.local_addr()?, l)));
            let (local, listener) =
                bound.map_err(|source| BuildError::Listen { address, source })?;
            addresses.push(local);
            listeners.push((listener, kind));
        }
        Ok(Server {
            service: self.service.build(),
            listeners,
            addresses,
        })
    }
}
