//! Whether an index that SQLite calls damaged is: a disk that cannot be read (EIO) is damage to SQLite too.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use pillarbox_core::effect::{ErrorKind, StoreError};
use rusqlite::{Connection, OpenFlags};

use super::tables::{failed, unavailable};
use crate::error::lock;
use crate::upload::WINDOW;

/// Tells an index that is damaged from one that could not be read: damage is there when one looks again, on a disk that can be read.
pub(super) struct Doubt {
    index: PathBuf,
    /// Open all the while: closing it would take SQLite's locks away.
    file: File,
    /// When it was looked at, and what was found.
    looked: Mutex<Option<(Instant, bool)>>,
}

impl Doubt {
    /// Of an index that is there; to be dropped after all connections to it.
    pub(super) fn new(index: &Path) -> io::Result<Self> {
        Ok(Self {
            index: index.to_owned(),
            file: File::open(index)?,
            looked: Mutex::default(),
        })
    }

    /// What a client is told of an error of the index: damage, when there is some.
    pub(super) fn judge(&self, e: rusqlite::Error) -> StoreError {
        let text = e.to_string();
        let told = failed(e);
        if told.kind != ErrorKind::Corruption || self.is_damaged() {
            return told;
        }
        unavailable().detail(format!("index, which is not damaged: {text}"))
    }

    /// All of the index is read: seldom, since each of many clients may ask.
    fn is_damaged(&self) -> bool {
        let mut looked = lock(&self.looked);
        if let Some((at, damaged)) = *looked
            && (damaged || at.elapsed() < PAUSE)
        {
            return damaged;
        }
        let readable = || {
            read(&self.file)
                .and_then(|()| read_log(&self.index))
                .is_ok()
        };
        let damaged = readable() && !self.is_well() && readable();
        *looked = Some((Instant::now(), damaged));
        damaged
    }

    fn is_well(&self) -> bool {
        let check = |conn: Connection| {
            conn.query_row("PRAGMA integrity_check(1)", [], |r| r.get::<_, String>(0))
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
    read(&File::open(index)?)?;
    read_log(index)
}

fn read_log(index: &Path) -> io::Result<()> {
    match File::open(index.with_extension("sqlite-wal")) {
        Ok(log) => read(&log),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
    }
}

fn read(file: &File) -> io::Result<()> {
    let (mut window, mut at) = (vec![0; WINDOW], 0);
    loop {
        match file.read_at(&mut window, at)? {
            0 => return Ok(()),
            n => at += n as u64,
        }
    }
}

/// Until an index that was found well is looked at again.
const PAUSE: Duration = Duration::from_secs(60);
