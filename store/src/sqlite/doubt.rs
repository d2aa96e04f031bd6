//! Whether an index that SQLite calls damaged is: a disk that cannot be read (EIO) is damage to SQLite too.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use pillarbox_core::effect::{ErrorKind, StoreError};
use rusqlite::{Connection, InterruptHandle, OpenFlags};

use super::transaction::{failed, unavailable};
use crate::error::lock;
use crate::upload::WINDOW;

/// Tells an index that is damaged from one that could not be read: damage is there when one looks again, on a disk that can be read.
pub(super) struct Doubt {
    look: Arc<Look>,
}

/// A look at all of the index. A thread of its own does it, which takes long when there is much.
struct Look {
    index: PathBuf,
    /// Open all the while: closing it would take SQLite's locks away.
    file: File,
    state: Mutex<State>,
    ended: Condvar,
    /// Nobody asks any more.
    over: AtomicBool,
}

#[derive(Default)]
struct State {
    /// When it was looked at, and what was found.
    looked: Option<(Instant, bool)>,
    thread: Option<JoinHandle<()>>,
    /// It is being looked at.
    running: bool,
    interrupt: Option<InterruptHandle>,
}

impl Doubt {
    /// Of an index that is there; to be dropped after all connections to it.
    pub(super) fn new(index: &Path) -> io::Result<Self> {
        let look = Look {
            index: index.to_owned(),
            file: File::open(index)?,
            state: Mutex::default(),
            ended: Condvar::new(),
            over: AtomicBool::new(false),
        };
        let look = Arc::new(look);
        Ok(Self { look })
    }

    /// What a client is told of an error of the index: damage, when there is some.
    pub(super) fn judge(&self, e: rusqlite::Error) -> StoreError {
        self.review(failed(e))
    }

    /// The same of what was [`failed`] already.
    pub(super) fn review(&self, told: StoreError) -> StoreError {
        if told.kind != ErrorKind::Corruption || self.is_damaged() {
            return told;
        }
        let text = told.detail.unwrap_or_default();
        unavailable().detail(format!("not known to be damaged: {text}"))
    }

    /// All of the index is read: seldom, since each of many clients may ask. Who has it begun waits for it a moment, and nobody else.
    fn is_damaged(&self) -> bool {
        let mut state = lock(&self.look.state);
        match state.looked {
            _ if state.running => return false,
            Some((at, damaged)) if damaged || at.elapsed() < PAUSE => return damaged,
            _ => {}
        }
        let look = self.look.clone();
        let thread = std::thread::Builder::new().name("pillarbox-doubt".into());
        let Ok(thread) = thread.spawn(move || look.run()) else {
            return false;
        };
        // The one before has ended.
        (state.thread, state.running) = (Some(thread), true);
        let waited = self
            .look
            .ended
            .wait_timeout_while(state, WAIT, |s| s.running);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        !state.running && state.looked.is_some_and(|(_, damaged)| damaged)
    }
}

impl Drop for Doubt {
    fn drop(&mut self) {
        self.look.over.store(true, Ordering::Relaxed);
        let Some(thread) = lock(&self.look.state).thread.take() else {
            return;
        };
        while !thread.is_finished() {
            // One that comes before the look has begun is of no effect.
            if let Some(interrupt) = &lock(&self.look.state).interrupt {
                interrupt.interrupt();
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        // One that panicked has said so.
        let _ = thread.join();
    }
}

impl Look {
    fn run(&self) {
        let damaged = self.is_readable() && !self.is_well() && self.is_readable();
        let mut state = lock(&self.state);
        (state.looked, state.running) = (Some((Instant::now(), damaged)), false);
        state.interrupt = None;
        self.ended.notify_all();
    }

    fn is_readable(&self) -> bool {
        let read = read(&self.file, &self.over);
        read.and_then(|()| read_log(&self.index, &self.over))
            .is_ok()
    }

    fn is_well(&self) -> bool {
        let check = |conn: Connection| {
            lock(&self.state).interrupt = Some(conn.get_interrupt_handle());
            if self.over.load(Ordering::Relaxed) {
                return Ok("ok".to_owned());
            }
            conn.query_row("PRAGMA integrity_check(1)", [], |r| r.get(0))
        };
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        match Connection::open_with_flags(&self.index, flags).and_then(check) {
            Ok(found) => found == "ok",
            Err(e) => failed(e).kind != ErrorKind::Corruption,
        }
    }
}

/// Reads every octet of an index that is not open, and of its own log.
pub(super) fn read_through(index: &Path) -> io::Result<()> {
    let over = AtomicBool::new(false);
    read(&File::open(index)?, &over)?;
    read_log(index, &over)
}

fn read_log(index: &Path, over: &AtomicBool) -> io::Result<()> {
    match File::open(index.with_extension("sqlite-wal")) {
        Ok(log) => read(&log, over),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
    }
}

fn read(file: &File, over: &AtomicBool) -> io::Result<()> {
    let (mut window, mut at) = (vec![0; WINDOW], 0);
    while !over.load(Ordering::Relaxed) {
        match file.read_at(&mut window, at)? {
            0 => break,
            n => at += n as u64,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;

/// Until an index that was found well is looked at again.
const PAUSE: Duration = Duration::from_secs(60);
/// How long somebody waits for what is found.
const WAIT: Duration = Duration::from_millis(250);
