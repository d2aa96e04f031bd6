//! What the benchmarks, the figures and the tests of memory share: sample commands and mail, a counting allocator, filled stores, and clients.

pub mod alloc;
pub mod attack;
pub mod client;
pub mod commands;
pub mod cpu;
pub mod fill;
pub mod folder;
pub mod idle;
pub mod index;
pub mod parse;
pub mod scan;
pub mod serve;
pub mod sync;
pub mod wire;
