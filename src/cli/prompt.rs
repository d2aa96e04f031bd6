//! Passwords from a prompt or from standard input, never from the command line; and whether something is really meant.

use std::error::Error;
use std::io::{self, BufRead, IsTerminal, Read, Write};

use pillarbox::protocol::sasl::Secret;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// A new password: asked for twice at a terminal without showing it, else the first line of standard input.
pub fn new_password() -> Result<Secret, Box<dyn Error>> {
    let password = if io::stdin().is_terminal() {
        let quiet = Quiet::begin()?;
        let password = ask("New password: ")?;
        let again = ask("Once more: ")?;
        drop(quiet);
        if password.expose() != again.expose() {
            return Err("the two passwords differ; nothing was changed".into());
        }
        password
    } else {
        line()?
    };
    if password.expose().is_empty() {
        return Err("the password is empty; nothing was changed".into());
    }
    Ok(password)
}

/// Makes sure that someone means to do this to the named: `yes` says so, or who sits at the terminal types the name once more.
pub fn confirm(what: &str, name: &str, yes: bool) -> Result<(), Box<dyn Error>> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err(format!("there is nobody to ask whether to {what}; say --yes").into());
    }
    let typed = ask(&format!("To {what}, type {name} once more: "))?;
    if typed.expose() != name.as_bytes() {
        return Err("that is another name; nothing was changed".into());
    }
    Ok(())
}

fn ask(text: &str) -> io::Result<Secret> {
    let mut out = io::stderr().lock();
    write!(out, "{text}")?;
    out.flush()?;
    let password = line()?;
    writeln!(out)?;
    Ok(password)
}

/// A line without its end; more octets than a password may have are enough to see that it is too long.
fn line() -> io::Result<Secret> {
    let mut line = Vec::new();
    io::stdin().lock().take(4096).read_until(b'\n', &mut line)?;
    let end = line.strip_suffix(b"\n").map_or(line.len(), <[u8]>::len);
    let end = line[..end].strip_suffix(b"\r").map_or(end, <[u8]>::len);
    line.truncate(end);
    Ok(Secret::new(line))
}

/// The terminal shows nothing as long as this lives.
struct Quiet(Termios);

impl Quiet {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &quiet)?;
        Ok(Self(before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing put back.
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}
