//! Benchmarks of the Pillarbox IMAP server.
