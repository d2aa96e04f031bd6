//! The control socket of a running server, `control.sock` in the store's folder: a line in, lines out.
//!
//! ```text
//! > pillarbox 1 list
//! < 1764171233 disabled ann
//! < ok
//! ```

use std::error::Error;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::request::{Admin, Request};

/// The socket of a running server; dropped, it is taken away.
#[derive(Debug)]
pub struct Control(PathBuf);

impl Control {
    /// Answers on a thread of its own. Whoever can write to the store's folder is trusted.
    pub fn start(folder: &Path, admin: Admin) -> io::Result<Self> {
        let path = folder.join(SOCKET);
        // The store is locked by this process: a socket that is there belongs to nobody any more.
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        let admin = Arc::new(admin);
        let run = move || {
            for stream in listener.incoming() {
                match stream {
                    // One that goes away is its own fault.
                    Ok(stream) => drop(serve(stream, &admin)),
                    // Out of descriptors: not for long.
                    Err(_) => std::thread::sleep(Duration::from_millis(100)),
                }
            }
        };
        let thread = std::thread::Builder::new().name(String::from("control"));
        thread.spawn(run)?;
        Ok(Self(path))
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // A socket left behind does no harm.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Reads a request and answers it; what takes long is done on a thread of its own.
fn serve(stream: UnixStream, admin: &Arc<Admin>) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = String::new();
    BufReader::new((&stream).take(LONGEST)).read_line(&mut line)?;
    let request = match line.strip_suffix('\n').map(Request::parse) {
        None => return answer(&stream, Err("expected a line of at most 2048 octets")),
        Some(Err(expected)) => return answer(&stream, Err(expected)),
        Some(Ok(request)) => request,
    };
    let admin = admin.clone();
    let takes_long = request.takes_long();
    let act = move || {
        let done = request.apply(&admin).map_err(|e| e.to_string());
        answer(&stream, done.as_deref().map_err(String::as_str))
    };
    if !takes_long {
        return act();
    }
    let thread = std::thread::Builder::new().name(String::from("purge"));
    // Who asked may have gone away; it is done all the same.
    thread.spawn(move || drop(act())).map(drop)
}

fn answer(mut stream: &UnixStream, done: Result<&[String], &str>) -> io::Result<()> {
    let mut text = String::new();
    match done {
        Ok(rows) => {
            rows.iter().for_each(|row| text += &format!("{row}\n"));
            text += "ok\n";
        }
        Err(error) => text = format!("error {}\n", error.replace('\n', " ")),
    }
    stream.write_all(text.as_bytes())
}

/// Asks a running server; `None`: there is none.
pub fn ask(folder: &Path, request: &Request) -> Result<Option<Vec<String>>, Box<dyn Error>> {
    let Ok(mut stream) = UnixStream::connect(folder.join(SOCKET)) else {
        return Ok(None);
    };
    let patience = (!request.takes_long()).then_some(2 * PATIENCE);
    stream.set_read_timeout(patience)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(request.to_line().as_bytes())?;
    let mut rows = Vec::new();
    for line in BufReader::new(stream).lines() {
        let line = line?;
        if line == "ok" {
            return Ok(Some(rows));
        }
        if let Some(error) = line.strip_prefix("error ") {
            return Err(error.into());
        }
        rows.push(line);
    }
    Err("the server ended before it answered; list the accounts to see what happened".into())
}

const SOCKET: &str = "control.sock";
const PATIENCE: Duration = Duration::from_secs(5);
const LONGEST: u64 = 2048;
