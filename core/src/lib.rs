//! The IMAP server protocol as a pure state machine: octets in; responses and questions to a store out.
//!
//! A [`Session`](session::Session) holds values only. It knows no socket, clock, thread or lock; whoever drives it brings octets, time and the
//! store's replies, and takes octets and [`Action`](session::Action)s. Any order of calls is safe, and a forgotten one only delays. What a peer
//! does wrong becomes `BAD`, `NO` or `BYE`, never an `Err` and never a panic.
//!
//! The whole loop, with a client that says all it has to say at once:
//!
//! ```
//! use bytes::{Buf, BufMut};
//! use pillarbox_core::session::{Action, Config, Peer, Session};
//! use pillarbox_core::{effect::{Account, Effect, StoreError}, id::AccountId, now::Now};
//! let (mut config, now) = (Config::default(), Now::default());
//! config.plaintext_login = true;
//! let mut session = Session::new(config.into(), Peer::default(), [0; 32], now);
//! let mut from_client = &b"a LOGIN tim secret\r\nb LIST \"\" *\r\nc LOGOUT\r\n"[..];
//! let (mut to_client, mut open) = (Vec::new(), true);
//! while open {
//!     if let Some(mut slot) = session.recv_slot() { // none: not reading now, which is all the backpressure there is
//!         let octets = slot.capacity().min(from_client.len());
//!         slot.put(&from_client.copy_to_bytes(octets));
//!     }
//!     while let Some(action) = session.poll(now) {
//!         match action {
//!             Action::Effect(Effect::Authenticate(call)) =>
//!                 session.handle_reply(call.answer(Ok(Account { id: AccountId(1), name: "tim".into() }))),
//!             Action::Effect(other) => session.handle_reply(other.fail(StoreError::lost())), // a backend does better
//!             Action::Closed(_) => open = false,
//!             _ => {} // events are for logs; TLS is only asked for where the configuration offers it
//!         }
//!     }
//!     to_client.put(session.transmit(now)); // what is taken counts as sent
//! }
//! # let said = String::from_utf8(to_client)?;
//! # assert!(said.contains("a OK") && said.contains("b NO [SERVERBUG]") && said.contains("c OK"));
//! # Ok::<(), std::string::FromUtf8Error>(())
//! ```
//!
//! A loop with a real clock calls [`handle_timeout`](session::Session::handle_timeout) when
//! [`deadline`](session::Session::deadline) has passed, [`handle_eof`](session::Session::handle_eof) when the peer closed its side, and
//! [`handle_notice`](session::Session::handle_notice) when the store says that a mailbox moved on. The session is polled again after each.
//!
//! # A backend
//!
//! A store answers [`Effect`](effect::Effect)s. Each is a [`Call`](effect::Call) of an operation, and answering consumes it: a second answer, or
//! one of the wrong type, does not compile. What a backend does not have it answers as such; the rules that all keep stand at
//! the head of [`effect`].
//!
//! ```
//! use pillarbox_core::effect::{Effect, ErrorKind, MailboxRow, Reply, StoreError};
//! use pillarbox_core::mailbox::MailboxName;
//!
//! fn answer(effect: Effect) -> Reply {
//!     match effect {
//!         Effect::Mailboxes(call) => call.answer(Ok(vec![MailboxRow::new(MailboxName::inbox())])),
//!         other => other.fail(StoreError::new(ErrorKind::NoPerm, "There is no mail here yet")),
//!     }
//! }
//! ```
//!
//! Replies may come at once or later, from any thread; until one lands, its session waits and the others do not. The crate `pillarbox-store`
//! has this as a trait, `Backend`, with backends that keep mail, and a conformance kit to put another one through.
//!
//! # A runtime adapter
//!
//! The crate `pillarbox-driver` has the loop above as a `Future`, with TLS, the routing of replies and notices, and a graceful end. An adapter
//! brings two small traits, a stream that never blocks and a clock, accepts connections, and spawns a future for each:
//! `pillarbox-tokio` and `pillarbox-smol` are not much more than that.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

pub mod ast;
mod command;
pub mod date;
pub mod effect;
pub mod flag;
pub mod id;
pub mod limits;
pub mod mailbox;
pub mod message;
pub mod now;
pub mod parse;
mod response;
pub mod sasl;
mod schedule;
pub mod search;
pub mod session;
pub mod set;
mod view;
mod wire;
