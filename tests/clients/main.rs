//! The real binary against clients that others wrote, on each runtime, in plain text, over STARTTLS and over TLS.
#![cfg(all(feature = "cli", feature = "sqlite"))]

mod async_imap;
mod curl;
mod demo;
mod fetchmail;
mod getmail;
mod imapfilter;
mod imaplib;
mod interimap;
mod mbsync;
mod mutt;
mod neomutt;
mod offlineimap;
mod perl;
mod served;
