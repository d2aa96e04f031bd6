//! The `pillarbox` command.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run().unwrap_or_else(|error| {
        eprintln!("pillarbox: {error}");
        cli::exit_code(&*error)
    })
}
