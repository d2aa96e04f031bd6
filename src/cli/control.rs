//! The control socket of a running server, `control.sock` in the store's folder: a line in, lines out.
//!
//! ```text
//! > pillarbox 1 list
//! < 1764171233 disabled ann
//! < ok
//! > pillarbox 1 deliver ann 33 inbox (\\Flagged) Work
//! < go
//! > …33 octets…
//! < ok
//! ```

use std::error::Error;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::log::{Level, Line, Log};
use super::parcel::{Code, Parcel, Refusal};
use super::request::{Admin, Request};

/// The socket of a running server; dropped, it is taken away.
#[derive(Debug)]
pub struct Control {
    path: PathBuf,
    gate: Arc<Gate>,
}

/// What a server answers by.
pub struct Served {
    pub admin: Admin,
    /// The most octets that a message may have now.
    pub append: Box<dyn Fn() -> u64 + Send + Sync>,
    pub log: Log,
}

impl Control {
    /// Answers on a thread of its own. Whoever can write to the store's folder is trusted.
    pub fn start(folder: &Path, served: Served) -> io::Result<Self> {
        let path = folder.join(SOCKET);
        // The store is locked by this process: a socket that is there belongs to nobody any more.
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        let (served, gate) = (Arc::new(served), Arc::new(Gate::default()));
        let passes = gate.clone();
        let run = move || {
            for stream in listener.incoming() {
                match stream {
                    // One that goes away is its own fault.
                    Ok(stream) => drop(serve(stream, &served, &passes)),
                    // Out of descriptors: not for long.
                    Err(_) => std::thread::sleep(Duration::from_millis(100)),
                }
            }
        };
        let thread = std::thread::Builder::new().name(String::from("control"));
        thread.spawn(run)?;
        Ok(Self { path, gate })
    }

    /// Takes no more messages, and waits a moment for those that are coming in.
    pub fn close(&self) {
        self.gate.close();
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // A socket left behind does no harm.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Reads a request and answers it; what takes long is done on a thread of its own.
fn serve(stream: UnixStream, served: &Arc<Served>, gate: &Arc<Gate>) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = String::new();
    BufReader::new((&stream).take(LONGEST)).read_line(&mut line)?;
    let Some(line) = line.strip_suffix('\n') else {
        return answer(&stream, Err("expected a line of at most 2048 octets"));
    };
    let served = served.clone();
    if let Some(parcel) = Parcel::parse(line) {
        let pass = parcel.and_then(|parcel| Ok((parcel, Gate::enter(gate)?)));
        return match pass {
            Err(refusal) => answer(&stream, Err(&refusal.to_line())),
            Ok((parcel, pass)) => spawn("delivery", move || {
                let done = take(&stream, &parcel, &served);
                drop(pass);
                done
            }),
        };
    }
    let request = match Request::parse(line) {
        Err(expected) => return answer(&stream, Err(expected)),
        Ok(request) => request,
    };
    let takes_long = request.takes_long();
    let act = move || {
        let done = request.apply(&served.admin).map_err(|e| e.to_string());
        answer(&stream, done.as_deref().map_err(String::as_str))
    };
    match takes_long {
        // Who asked may have gone away; it is done all the same.
        true => spawn("purge", act),
        false => act(),
    }
}

fn spawn(name: &str, act: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<()> {
    let thread = std::thread::Builder::new().name(name.to_owned());
    thread.spawn(|| drop(act())).map(drop)
}

/// A message: it is asked for with `go` once the store has agreed to it.
fn take(stream: &UnixStream, parcel: &Parcel, served: &Served) -> io::Result<()> {
    let go = || {
        let mut out = stream;
        out.write_all(b"go\n")
    };
    let done = parcel.deliver(&served.admin, (served.append)(), &mut &*stream, go);
    let line = match &done {
        Ok(_) => Line::new(Level::Info, "delivered"),
        Err(_) => Line::new(Level::Warn, "not_delivered"),
    };
    let line = line.field("account", &parcel.account);
    let line = line.field("octets", parcel.size);
    served.log.write(match &done {
        Ok(notes) => line.option("note", notes.first()),
        Err(refusal) => line.field("error", refusal),
    });
    let done = done.map_err(|refusal| refusal.to_line());
    answer(stream, done.as_deref().map_err(String::as_str))
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

/// Where messages are counted that come in.
#[derive(Debug, Default)]
struct Gate {
    state: Mutex<Counted>,
    left: Condvar,
}

#[derive(Debug, Default)]
struct Counted {
    inside: usize,
    closed: bool,
}

/// One message's place, given back when it is dropped.
struct Pass(Arc<Gate>);

impl Gate {
    fn enter(gate: &Arc<Self>) -> Result<Pass, Refusal> {
        let mut counted = gate.state();
        if counted.closed {
            return Err(Refusal::later("the server is stopping"));
        }
        if counted.inside >= AT_ONCE {
            return Err(Refusal::later("too many messages come in at once"));
        }
        counted.inside += 1;
        Ok(Pass(gate.clone()))
    }

    fn close(&self) {
        let mut counted = self.state();
        counted.closed = true;
        // Those that take longer are told nothing, and come again.
        let inside = |counted: &mut Counted| counted.inside > 0;
        drop(self.left.wait_timeout_while(counted, PATIENCE, inside));
    }

    fn state(&self) -> MutexGuard<'_, Counted> {
        // Nothing panics while it is held; the count is good even so.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.0.state().inside -= 1;
        self.0.left.notify_all();
    }
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

/// Hands a message to a running server; `None`: there is none. Without a word from it the message may be stored or not: it is to be brought again.
pub fn deliver(
    folder: &Path,
    parcel: &Parcel,
    octets: &mut dyn Read,
) -> Result<Option<Vec<String>>, Refusal> {
    let mut stream = match UnixStream::connect(folder.join(SOCKET)) {
        Ok(stream) => stream,
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
            let text = format!("cannot reach {SOCKET} in {}: {e}", folder.display());
            return Err(Refusal::new(Code::NoPerm, text));
        }
        Err(_) => return Ok(None),
    };
    let lost = |e: io::Error| Refusal::later(format!("the server does not answer: {e}"));
    let line = parcel.to_line();
    if line.len() as u64 > LONGEST {
        return Err(Refusal::later("the flags and the mailbox are too long"));
    }
    stream.set_read_timeout(Some(STORING)).map_err(lost)?;
    stream.set_write_timeout(Some(STORING)).map_err(lost)?;
    stream.write_all(line.as_bytes()).map_err(lost)?;
    let mut lines = BufReader::new(stream.try_clone().map_err(lost)?).lines();
    let mut notes = Vec::new();
    loop {
        let line = lines
            .next()
            .unwrap_or(Err(io::ErrorKind::UnexpectedEof.into()));
        let line = line.map_err(lost)?;
        match line.split_once(' ') {
            None if line == "ok" => return Ok(Some(notes)),
            None if line == "go" => {
                // One that takes no more of it says why.
                let _ = io::copy(&mut octets.take(parcel.size), &mut stream);
            }
            Some(("error", refusal)) => return Err(Refusal::parse(refusal)),
            _ => notes.push(line),
        }
    }
}

const SOCKET: &str = "control.sock";
const PATIENCE: Duration = Duration::from_secs(5);
/// For what waits for the disk.
const STORING: Duration = Duration::from_secs(300);
/// Messages that come in at once: each has a thread.
const AT_ONCE: usize = 100;
const LONGEST: u64 = 2048;
