//! Pillarbox, an IMAP server to run, to embed and to test with.
//!
//! The protocol is a pure state machine ([`protocol`]), the event loop a future over two small traits ([`driver`]), mail is kept behind one
//! trait ([`store`]), and a feature chooses the runtime. A server with mail in memory, on a port of its own, in a test:
//!
//! ```
//! # #[cfg(feature = "runtime-tokio")] {
//! use std::sync::Arc;
//! use pillarbox::store::{Memory, StaticAccounts};
//!
//! let accounts = StaticAccounts::new().with("tim", "tanstaaftanstaaf");
//! let server = pillarbox::Server::builder(Arc::new(Memory::new()), Arc::new(accounts))
//!     .listen("127.0.0.1:0")
//!     .plaintext_login(true)
//!     .build()?
//!     .start(pillarbox::Runtime::default())?;
//! let port = server.addresses()[0].port();
//! // … a client connects to `port` …
//! # assert_ne!(port, 0);
//! server.stop()?; // or let it be dropped
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(all(
    doctest,
    feature = "runtime-tokio",
    feature = "tls",
    feature = "sqlite"
))]
#[doc = include_str!("../README.md")]
#[doc = include_str!("../docs/embedding.md")]
struct Documents;

mod server;

pub use pillarbox_core as protocol;
pub use pillarbox_driver as driver;
pub use pillarbox_driver::Settings;
#[cfg(feature = "runtime-smol")]
pub use pillarbox_smol as smol;
pub use pillarbox_store as store;
#[cfg(feature = "runtime-tokio")]
pub use pillarbox_tokio as tokio;
pub use server::{BuildError, Running, Runtime, Server, ServerBuilder};
