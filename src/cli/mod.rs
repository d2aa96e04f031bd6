//! The command line.

mod demo;
mod signals;

use clap::{Parser, Subcommand};
use std::error::Error;

/// An IMAP server.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves mail from memory on loopback, to try a client: any credentials are accepted.
    Demo(demo::Demo),
}

/// Runs what the arguments say.
pub fn run() -> Result<(), Box<dyn Error>> {
    match Arguments::parse().command {
        Command::Demo(demo) => demo.run(),
    }
}
