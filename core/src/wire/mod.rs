//! Octets in and out: framing of what the client sends, and the only place that quotes what it is sent.

pub(crate) mod announce;
pub(crate) mod frame;
pub(crate) mod output;
#[cfg(test)]
mod slow;
pub(crate) mod taken;
