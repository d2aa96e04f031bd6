//! What became of the octets that a client sent, for recordings.

/// Octets of the client that a session took, in the order they came; see [`Session::note_taken`](crate::session::Session::note_taken).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Taken {
    /// How many.
    pub octets: usize,
    /// For what.
    pub kind: TakenAs,
}

/// What octets of the client were taken for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum TakenAs {
    /// A whole command, or what follows the last message of an APPEND, with its literals and CRLF.
    Command,
    /// A line that is no command: a SASL response, or what ends IDLE.
    Line,
    /// A piece of APPEND with the announcement of a message and CRLF.
    Append,
    /// Octets of a message.
    Message,
    /// The beginning of a command that broke a bound.
    Refused,
    /// More of it, or of a message that was refused.
    Skipped,
    /// What came before another layer was put in place.
    Residue,
}
