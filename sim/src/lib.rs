//! Script runner of the Pillarbox IMAP server: protocol scripts as text, run on the core alone in every chunking.
//!
//! A script is lines: `C: …` is sent with CRLF, `C| …` as it stands with `\r`, `\n`, `\\` and `\xNN` undone, `S: …` is expected, where
//! `<any>` stands for any text. `B.C:` and `B.S:` are another connection's; `#` begins a comment; `time +N` lets N seconds pass;
//! `option no-plaintext` and the like set a server up. Between one group of `C` lines and the next, everything said must be expected.

mod host;
mod script;

pub use host::{Chunking, Host, Options};
pub use script::{Failure, Script};
