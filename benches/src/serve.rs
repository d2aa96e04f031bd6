//! Servers on loopback, within the process.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;

use pillarbox_driver::{ListenerKind, Service};
use pillarbox_store::{AnyAccounts, Backend};

/// Which runtime serves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Runtime {
    /// Tokio.
    Tokio,
    /// Smol.
    Smol,
}

/// A server in threads of its own; stopped when it is dropped.
#[derive(Debug)]
pub struct Running {
    /// Where it listens, in plain text.
    pub address: SocketAddr,
    service: Arc<Service>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Running {
    /// Starts a server that lets in anyone; the first name is given the account of [`ACTOR`](crate::fill::ACTOR).
    ///
    /// # Errors
    /// No socket or no thread can be had.
    pub fn start(backend: Arc<dyn Backend>, runtime: Runtime) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let service = Service::builder(backend, Arc::new(AnyAccounts::new()))
            .plaintext_login(true)
            .build();
        let listeners = vec![(listener, ListenerKind::Plain)];
        let shared = service.clone();
        let thread = std::thread::Builder::new().spawn(move || match runtime {
            Runtime::Tokio => pillarbox_tokio::run(listeners, shared),
            Runtime::Smol => pillarbox_smol::run(listeners, shared),
        })?;
        Ok(Self {
            address,
            service,
            thread: Some(thread),
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.service.hub().shutdown();
        if let Some(thread) = self.thread.take() {
            // A server that failed has nothing left to stop.
            let _ = thread.join();
        }
    }
}
