//! The embedded default: an index in SQLite, bodies in packs, one writer with group commit, readers beside it.

mod ahead;
mod bodies;
mod checkpoint;
mod closed;
mod columns;
mod compact;
mod desk;
mod doubt;
mod group;
mod headers;
mod known;
mod ledger;
mod listings;
mod numbers;
mod pages;
mod queue;
mod reclaim;
mod recover;
mod renewed;
mod renumber;
mod replay;
mod schema;
mod tables;
#[cfg(all(test, feature = "conformance"))]
mod tests;
mod threads;
mod tidy;
mod transaction;
mod upkeep;
mod verify;

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use pillarbox_core::effect::{Effect, ErrorKind, StoreError};
use rusqlite::Connection;

use crate::contract::{Backend, Job, Notices};
use crate::error::lock;
use crate::folder::{make_folder, sync_folder};
use crate::ops;
use crate::pack::{self, Files, Writer};
use crate::reserve::Reserve;
use crate::upload::Uploads;
use ahead::{Ahead, Ready};
use doubt::Doubt;
use headers::Headers;
use known::Known;
use ledger::Ledger;
use queue::Queue;
use renewed::Renewed;
use tidy::Ages;
use upkeep::Rules;

pub use compact::{Compacted, compact};
pub use recover::{Rebuilt, rebuild};
pub use renumber::renumber;
pub use verify::{Problem, Verified, verify};

/// How an embedded store is run.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Options {
    /// Threads that read; two by default.
    pub readers: usize,
    /// Octets of headers that are kept in memory for the next search or FETCH of them; 8 MB by default, none at 0.
    pub headers: u64,
    /// Octets set aside so that mail can be deleted when the disk is full; 8 MB by default. With less than 4 MB fewer messages are acknowledged
    /// before the index shows them, and none with none.
    pub reserve: u64,
    /// Octets of a pack after which a new one is begun; 256 MB by default.
    pub segment: u64,
    /// Octets of the messages stored by one command for which one is begun, made while others are served; 8 MB by default. Segments are as
    /// large at least, nearly all of them.
    pub large: u64,
    /// How long an expunged message can still be read by sessions that were not told yet; an hour by default, and that is the most.
    pub view_grace: Duration,
    /// Between two looks for room that can be given back; 10 seconds by default.
    pub upkeep: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            readers: 2,
            headers: 8 << 20,
            reserve: 8 << 20,
            segment: 256 << 20,
            large: 8 << 20,
            view_grace: Duration::from_secs(3600),
            upkeep: Duration::from_secs(10),
        }
    }
}

impl Options {
    fn rules(&self) -> Rules {
        let grave = i64::try_from(self.view_grace.as_secs()).unwrap_or(i64::MAX);
        Rules {
            ages: Ages {
                grave,
                ..Ages::USUAL
            },
            dead: 50,
            newest: self.segment / 16,
            large: self.large,
            pause: self.upkeep,
        }
    }
}

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has it.
    #[error("the store in {path} is in use by another process; stop that one first", path = .0.display())]
    InUse(PathBuf),
    /// The folder or a file in it cannot be used.
    #[error("cannot use {shown}: {source}", shown = .path.display())]
    Io {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A newer version wrote it.
    #[error("the store has format {0}, which is newer than this program knows; use a newer one")]
    Newer(i64),
    /// The SQLite library can lose commits.
    #[error("SQLite {0} can lose commits; 3.51.3 is the least that does not")]
    OldSqlite(String),
    /// There are packs and no index.
    #[error("{shown} has packs and no index; rebuild makes one from them", shown = .0.display())]
    NoIndex(PathBuf),
    /// The disk is full.
    #[error("there is no room for the store ({0}); make some")]
    Full(String),
    /// The index cannot be read or written.
    #[error("cannot use the index ({0}); look at the folder's rights and the disk")]
    Unusable(String),
    /// The index does not work.
    #[error("the index does not work ({0}); its mail can be recovered with rebuild")]
    Index(String),
}

/// An [`OpenError`] on its way out: here SQLite's errors become our own, since its types are not part of the interface.
struct Fault(OpenError);

impl From<rusqlite::Error> for Fault {
    fn from(e: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{
            CannotOpen, DatabaseBusy, DatabaseLocked, DiskFull, PermissionDenied, ReadOnly,
            SystemIoFailure,
        };
        Self(match e.sqlite_error_code() {
            Some(DiskFull) => OpenError::Full(e.to_string()),
            Some(
                CannotOpen | DatabaseBusy | DatabaseLocked | PermissionDenied | ReadOnly
                | SystemIoFailure,
            ) => OpenError::Unusable(e.to_string()),
            _ => OpenError::Index(e.to_string()),
        })
    }
}

impl From<StoreError> for Fault {
    fn from(e: StoreError) -> Self {
        Self(match e.kind {
            ErrorKind::OverQuota => OpenError::Full(e.to_string()),
            ErrorKind::Unavailable => OpenError::Unusable(e.to_string()),
            _ => OpenError::Index(e.to_string()),
        })
    }
}

impl From<OpenError> for Fault {
    fn from(e: OpenError) -> Self {
        Self(e)
    }
}

impl From<Fault> for OpenError {
    fn from(fault: Fault) -> Self {
        fault.0
    }
}

/// Keeps mail in a folder of its own.
pub struct Embedded {
    shared: Arc<Shared>,
    desk: Arc<Desk>,
    ahead: Arc<Ahead>,
    read: Arc<Queue>,
    spool: Arc<Queue>,
    threads: Vec<JoinHandle<()>>,
    _lock: File,
}

type Desk = desk::Desk<Box<threads::Group>, Ready>;

struct Shared {
    files: Arc<Files>,
    uploads: Uploads,
    notices: Mutex<Option<Notices>>,
    known: Known,
    reserve: Arc<Reserve>,
    doubt: Arc<Doubt>,
    renewed: Arc<Renewed>,
    headers: Headers,
}

impl Embedded {
    /// Opens the store in this folder, making it if there is none, and recovers what a crash left.
    ///
    /// # Errors
    /// When the folder is in use, not usable, of a newer format, or its index is damaged.
    pub fn open(path: impl AsRef<Path>, options: Options) -> Result<Self, OpenError> {
        Self::open_on(path.as_ref(), &options, pack::open_files())
    }

    /// `opener`: what the packs are written to.
    fn open_on(path: &Path, options: &Options, opener: pack::Opener) -> Result<Self, OpenError> {
        let folder = Folder::new(path, true)?;
        let reserve = Arc::new(Reserve::new(path.join("reserve"), options.reserve));
        reserve.tend();
        let ledger = folder.ledger(path, opener.clone(), options.segment)?;
        let shared = Arc::new(Shared {
            files: ledger.files.clone(),
            uploads: Uploads::new(Some(folder.spool.clone())),
            notices: Mutex::new(None),
            known: Known::default(),
            reserve,
            doubt: ledger.doubt.clone(),
            renewed: ledger.renewed.clone(),
            headers: Headers::new(options.headers),
        });
        let read = Arc::new(Queue::default());
        let group = threads::Group::new(ledger, shared.clone(), read.clone(), options.rules());
        let desk = Arc::new(Desk::new(Box::new(group)));
        let writing = desk.clone();
        let mut running = vec![spawn("pillarbox-writer", move || threads::write(&writing))?];
        let ahead = Arc::new(Ahead::new(options.large, opener));
        for jobs in ahead.workers() {
            let (ahead, desk, shared) = (ahead.clone(), desk.clone(), shared.clone());
            running.push(spawn("pillarbox-ahead", move || {
                ahead.run(&jobs, &desk, &shared);
            })?);
        }
        for _ in 0..options.readers.max(1) {
            let (conn, jobs, shared) = (folder.connect()?, read.worker(), shared.clone());
            running.push(spawn("pillarbox-reader", move || {
                threads::read(&conn, &jobs, &shared);
            })?);
        }
        let spool = Arc::new(Queue::default());
        let (jobs, uploads) = (spool.worker(), shared.clone());
        running.push(spawn("pillarbox-spool", move || {
            threads::spool(&jobs, &uploads);
        })?);
        Ok(Self {
            shared,
            desk,
            ahead,
            read,
            spool,
            threads: running,
            _lock: folder.lock,
        })
    }
}

impl Backend for Embedded {
    fn submit(&self, job: Job) {
        let shared = &self.shared;
        if let Effect::UploadBegin(call) = job.effect()
            && let Err(e) = shared.reserve.check_upload(call.op().size)
        {
            let (effect, slot) = job.into_parts();
            return slot.send(effect.fail(e));
        }
        let is_there = shared.known.has_target(job.effect());
        match ops::upload(job.effect()) {
            // Who submits may not wait for a disk.
            Some(upload) if shared.uploads.is_spooled(upload) => {
                return drop(self.spool.push(job));
            }
            None if !is_there => {}
            _ => return threads::run_upload(job, shared, is_there),
        }
        let owner = ops::owner(job.effect());
        if ops::only_reads(job.effect()) && owner.is_some_and(|o| shared.known.is_readable(o)) {
            drop(self.read.push(job));
        } else if let Some(job) = self.ahead.take(job, shared) {
            threads::submit(&self.desk, Ready { job, aside: None }, shared);
        }
    }

    fn subscribe(&self, notices: Notices) {
        *lock(&self.shared.notices) = Some(notices);
    }
}

/// The thread that writes has panicked, and has said so. What it was at is recovered when the store is opened again.
fn stopped() -> StoreError {
    StoreError::new(
        ErrorKind::Unavailable,
        "The server's storage takes no changes after a fault; the operator must start it again",
    )
}

impl Drop for Embedded {
    fn drop(&mut self) {
        // The writer is the first of the threads and the last to end: closing its connection leaves the index in one file.
        self.read.close();
        self.ahead.close();
        self.spool.close();
        while let Some(thread) = self.threads.pop() {
            if self.threads.is_empty() {
                self.desk.close();
            }
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}

/// The store's folder, locked.
struct Folder {
    index: PathBuf,
    /// One that is being made.
    new_index: PathBuf,
    packs: PathBuf,
    spool: PathBuf,
    lock: File,
}

impl Folder {
    /// Takes the lock. `make`: a folder that is not there is made.
    fn new(path: &Path, make: bool) -> Result<Self, OpenError> {
        let packs = path.join("packs");
        let spool = path.join("spool");
        if make {
            make_folder(&packs).map_err(at(&packs))?;
        } else {
            std::fs::read_dir(&packs).map_err(at(&packs))?;
        }
        let lock_path = path.join("lock");
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock_path)
            .map_err(at(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse(path.to_owned())),
            Err(TryLockError::Error(e)) => return Err(at(&lock_path)(e)),
        }
        // Uploads that a crash interrupted were never acknowledged.
        if spool.exists() {
            std::fs::remove_dir_all(&spool).map_err(at(&spool))?;
        }
        std::fs::create_dir(&spool).map_err(at(&spool))?;
        pack::remove_unfinished(&packs).map_err(at(&packs))?;
        let new_index = path.join("index.new");
        recover::remove_index(&new_index).map_err(at(&new_index))?;
        sync_folder(path).map_err(at(path))?;
        Ok(Self {
            index: path.join("index.sqlite"),
            new_index,
            packs,
            spool,
            lock,
        })
    }

    /// Opens the index and the packs, brings them to this format, and recovers what a crash left.
    fn ledger(&self, path: &Path, opener: pack::Opener, limit: u64) -> Result<Ledger, Fault> {
        match self.try_ledger(path, opener.clone(), limit) {
            Err(Fault(OpenError::Index(_))) => {
                // SQLite takes what it cannot read for damage.
                doubt::read_through(&self.index).map_err(at(&self.index))?;
                self.try_ledger(path, opener, limit)
            }
            done => done,
        }
    }

    fn try_ledger(&self, path: &Path, opener: pack::Opener, limit: u64) -> Result<Ledger, Fault> {
        let conn = self.connect()?;
        let is_old = schema::is_old(&conn)?;
        let secret = schema::open(&conn, path, &self.packs)?;
        let mut files = Files::new(self.packs.clone(), secret);
        if is_old {
            files = files.guessing();
        }
        let files = Arc::new(files);
        let next = recover::replay(&conn, &files)?;
        let pack = Writer::open(files.clone(), opener, next.segment, next.end, limit);
        let doubt = Doubt::new(&self.index).map_err(at(&self.index))?;
        let mut ledger = Ledger {
            conn,
            pack: pack.map_err(at(&self.packs))?,
            files,
            doubt: Arc::new(doubt),
            renewed: Arc::default(),
            closed: closed::Closed::default(),
            listings: listings::Listings::default(),
            log: checkpoint::Log::new(self.index.with_extension("sqlite-wal")),
            lag: None,
        };
        ledger.log.bound(&ledger.conn, &ledger.doubt);
        recover::log_reserved(&mut ledger, next.reserved)?;
        Ok(ledger)
    }

    fn connect(&self) -> Result<Connection, Fault> {
        self.connect_to(&self.index)
    }

    fn connect_to(&self, index: &Path) -> Result<Connection, Fault> {
        let conn = Connection::open(index)?;
        schema::prepare(&conn)?;
        Ok(conn)
    }
}

fn at(path: &Path) -> impl Fn(std::io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::Io {
        path: path.clone(),
        source,
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, OpenError> {
    let builder = std::thread::Builder::new().name(name.to_owned());
    builder.spawn(run).map_err(at(Path::new(name)))
}
