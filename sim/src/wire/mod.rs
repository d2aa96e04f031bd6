//! What a server may say, read by a parser of its own: it shares no code with the server, and takes nothing that the grammars of
//! RFC 9051 §9, RFC 3501 §9, RFC 7162 §7, RFC 4315 §4, RFC 4731 §5, RFC 5258 §6, RFC 8474 §7 and RFC 8514 §5 do not give.

mod fetch;
mod parse;
mod response;
mod scan;
mod structure;

pub use fetch::{Att, Envelope};
pub use parse::response;
pub use response::{Code, Condition, Esearch, ListLine, Response, Set, Text};
pub use scan::Fault;
