//! RFC 5322 and MIME for IMAP: structure and offsets, ENVELOPE and BODYSTRUCTURE in wire form, sections, decoding. Imports nothing of the session.

mod address;
mod decode;
mod fields;
mod header;
mod lex;
mod param;
mod quote;
mod render;
mod scan;
mod structure;
mod text;
mod utf7;

pub use decode::{DecodeError, Decoder, Encoding};
pub(crate) use header::FieldSelector;
pub use header::{header_fields, select_fields, sent_date, thread_ids};
pub use scan::Scanner;
pub use structure::{Leaf, Part, Span, Structure, TextPart};
pub(crate) use text::{Charset, decode_search, search_charset};
pub use text::{CharsetDecoder, decode_header, decode_text, fold_case};
