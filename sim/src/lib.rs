//! Simulation of the Pillarbox IMAP server: protocol scripts as text, run on the core alone in every chunking, and histories of many clients,
//! checked against a model of the account ([`history`], [`client`], [`model`]).
//!
//! A script is lines: `C: …` is sent with CRLF, `C| …` as it stands with `\r`, `\n`, `\\` and `\xNN` undone, `S: …` is expected, where
//! `<any>` stands for any text and `<$name>` for a word, the same wherever the name stands. `B.C:` and `B.S:` are another connection's; `#` begins a comment; `time +N` lets N seconds pass;
//! `option no-plaintext` and the like set a server up, `option tls` with TLS from the first octet; `S~ …` passes over everything up to a line; `include NAME` stands for a prelude; `tls`, `eof`
//! and `closed` put TLS in place, close the client's side, and ask that the session be over; `== title` begins a script, and its title names the
//! RFC and section that decide.

pub mod client;
pub mod history;
mod host;
pub mod model;
mod play;
mod race;
mod random;
mod recordings;
mod script;
pub mod wire;
mod witness;

pub use host::{BEGINNING, Chunking, Host, Options, UID_VALIDITY, accounts, answered};
pub use play::{Server, Transcript};
pub use race::{Portions, Race};
pub use random::Random;
pub use script::{Failure, Script, all_scripts, unescape};
