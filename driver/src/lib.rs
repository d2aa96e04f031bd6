//! One IMAP connection and what connections share, for any runtime: the event loop is a `Future` over two small traits, TLS is a layer of octets.

mod accept;
mod connection;
mod hub;
mod inbox;
mod io;
mod record;
mod recording;
mod service;
mod sync;
#[cfg(any(feature = "tls", feature = "tls-ring"))]
mod tls;

pub use accept::{Listener, accept, accept_all, drain};
pub use connection::Connection;
pub use hub::Hub;
pub use io::{Clock, NonBlocking, Stream, SystemClock};
pub use pillarbox_store::Leave;
pub use recording::{
    RecordedSession, RecordedSlot, RecordedTransmit, Recording, ReplayError, Replayed, Spoken,
    replay, replay_unfinished,
};
pub use service::{ListenerKind, NoObserver, Observer, Service, ServiceBuilder, Settings, Summary};
#[cfg(any(feature = "tls", feature = "tls-ring"))]
pub use tls::{TlsConfig, TlsError};
