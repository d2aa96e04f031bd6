//! The IMAP server protocol as a pure state machine: bytes in, responses and storage effects out.
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
