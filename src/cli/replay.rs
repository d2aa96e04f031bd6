//! `pillarbox replay`: plays a recording.

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use pillarbox::driver::{Spoken, replay, replay_unfinished};

/// Options of `pillarbox replay`.
#[derive(Debug, Args)]
pub struct Replay {
    /// The recording.
    file: PathBuf,
    /// Plays what there is of a recording whose end is missing.
    #[arg(long)]
    unfinished: bool,
    /// Prints what was said: lines of the client after `C: `, of the server after `S: `.
    #[arg(long)]
    transcript: bool,
}

impl Replay {
    /// Plays it, and says that the octets are the same, or where they are not.
    pub fn run(self) -> Result<(), Box<dyn Error>> {
        let path = self.file.display();
        let text = std::fs::read_to_string(&self.file).map_err(|e| format!("{path}: {e}"))?;
        let mut out = io::stdout().lock();
        let mut printed = Ok(());
        let see = |spoken: Spoken<'_>| {
            if self.transcript && printed.is_ok() {
                printed = print(&mut out, spoken);
            }
        };
        let played = match self.unfinished {
            true => replay_unfinished(&text, see),
            false => replay(&text, see),
        };
        printed?;
        let played = played.map_err(|e| format!("{path}: {e}"))?;
        writeln!(
            out,
            "identical: {} octets from the client, {} to it, {} lines",
            played.octets_in, played.octets_out, played.lines
        )?;
        if let Some(why) = played.stopped {
            writeln!(out, "the recording ends before the session: {why}")?;
        }
        Ok(())
    }
}

fn print(out: &mut impl Write, spoken: Spoken<'_>) -> io::Result<()> {
    let (who, octets) = match spoken {
        Spoken::Client(octets) => ("C", octets),
        Spoken::Server(octets) => ("S", octets),
    };
    for line in octets.split_inclusive(|b| *b == b'\n') {
        writeln!(out, "{who}: {}", line.escape_ascii())?;
    }
    Ok(())
}
