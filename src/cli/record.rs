//! `[record]`: connections written down, a file for each.

use std::fs::OpenOptions;
use std::io::{self, BufWriter};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::UNIX_EPOCH;

use pillarbox::driver::Recording;

use super::config::Record;
use super::log::{Level, Line, Log};

/// Makes the files.
pub struct Recordings {
    record: Record,
    log: Log,
    /// Names of files begin with the time of the start, so that none is there already.
    since: u128,
    /// Files that were there at the start, and those made since.
    files: AtomicUsize,
}

impl Recordings {
    /// Makes the folder if it is not there, and says in the log that connections are recorded.
    pub fn open(record: &Record, log: &Log) -> Result<Self, String> {
        let folder = record.folder.display();
        let files = std::fs::create_dir_all(&record.folder)
            .and_then(|()| std::fs::read_dir(&record.folder))
            .map_err(|e| format!("cannot record in {folder}: {e}"))?
            .count();
        let line = Line::new(Level::Warn, "recording");
        log.write(line.field("folder", &folder).field("files", files));
        Ok(Self {
            record: record.clone(),
            log: log.clone(),
            since: UNIX_EPOCH.elapsed().unwrap_or_default().as_millis(),
            files: AtomicUsize::new(files),
        })
    }

    /// A file for the connection of this peer; `None`: there are enough, or it cannot be made.
    pub fn begin(&self, peer: Option<SocketAddr>) -> Option<Recording> {
        let number = self.files.fetch_add(1, Ordering::Relaxed);
        if number > self.record.max_files {
            return None;
        }
        let name = format!("{}-{number}.recording", self.since);
        let recording = self.create(number, &name);
        let line = match &recording {
            Ok(_) => Line::new(Level::Info, "recorded").field("file", name),
            Err(e) => Line::new(Level::Error, "not_recorded")
                .field("file", name)
                .field("error", e),
        };
        self.log.write(match peer {
            Some(peer) => line.field("peer", peer),
            None => line,
        });
        recording.ok()
    }

    fn create(&self, number: usize, name: &str) -> io::Result<Recording> {
        if number == self.record.max_files {
            return Err(io::Error::other("there are max_files in the folder"));
        }
        let path: PathBuf = self.record.folder.join(name);
        let mut options = OpenOptions::new();
        let file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        Ok(Recording::new(BufWriter::new(file)).bound(self.record.max_octets))
    }
}
