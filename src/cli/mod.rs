//! The command line.

mod account;
mod check;
mod config;
mod control;
mod deliver;
mod demo;
mod log;
mod mend;
mod owner;
mod parcel;
mod prompt;
mod record;
mod replay;
mod request;
mod runtime;
mod serve;
mod signals;
mod spool;
mod store;

use std::error::Error;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use parcel::Refusal;

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
    /// Puts the message on standard input into a mailbox, through the running server if there is one; exit codes are those of sysexits.h.
    Deliver(deliver::Deliver),
    /// Checks or mends the folder that mail is kept in.
    #[command(subcommand)]
    Store(store::Store),
    /// Plays the recording of a connection, without a store, and says whether the answers are the same octets.
    Replay(replay::Replay),
}

/// Runs what the arguments say.
pub fn run() -> Result<ExitCode, Box<dyn Error>> {
    // What is written is for this user only; no other thread runs yet.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return Ok(misunderstood(&error)),
    };
    match arguments.command {
        Command::Demo(demo) => demo.run(),
        Command::Serve(serve) => serve.run(),
        Command::Config(check) => check.run(),
        Command::Account(account) => account.run(),
        Command::Deliver(deliver) => deliver.run(),
        Command::Store(store) => store.run(),
        Command::Replay(replay) => replay.run(),
    }?;
    Ok(ExitCode::SUCCESS)
}

/// What went wrong, as an exit code.
pub fn exit_code(error: &(dyn Error + 'static)) -> ExitCode {
    match error.downcast_ref::<Refusal>() {
        Some(refusal) => ExitCode::from(refusal.code as u8),
        None => ExitCode::FAILURE,
    }
}

/// Help, or what is wrong with the arguments.
fn misunderstood(error: &clap::Error) -> ExitCode {
    // Where nobody reads there is nobody to be told.
    let _ = error.print();
    match std::env::args_os().nth(1) {
        _ if !error.use_stderr() => ExitCode::SUCCESS,
        Some(command) if command == "deliver" => deliver::misused(),
        _ => ExitCode::from(2),
    }
}
