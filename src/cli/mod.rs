//! The command line.

mod account;
mod check;
mod config;
mod control;
mod demo;
mod log;
mod mend;
mod owner;
mod prompt;
mod record;
mod replay;
mod request;
mod runtime;
mod serve;
mod signals;
mod store;

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
    /// Serves mail on loopback, to try a client: any credentials are accepted.
    Demo(demo::Demo),
    /// Serves mail as a configuration says, until SIGINT or SIGTERM; SIGHUP reads it again.
    Serve(serve::Serve),
    /// Looks at a configuration.
    Config(check::Check),
    /// Adds, changes and removes accounts, also while the server runs.
    Account(account::Account),
    /// Checks or mends the folder that mail is kept in.
    #[command(subcommand)]
    Store(store::Store),
    /// Plays the recording of a connection, without a store, and says whether the answers are the same octets.
    Replay(replay::Replay),
}

/// Runs what the arguments say.
pub fn run() -> Result<(), Box<dyn Error>> {
    // What is written is for this user only; no other thread runs yet.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    match Arguments::parse().command {
        Command::Demo(demo) => demo.run(),
        Command::Serve(serve) => serve.run(),
        Command::Config(check) => check.run(),
        Command::Account(account) => account.run(),
        Command::Store(store) => store.run(),
        Command::Replay(replay) => replay.run(),
    }
}
