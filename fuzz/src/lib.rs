//! What several targets share.

pub mod print;
pub mod response;
