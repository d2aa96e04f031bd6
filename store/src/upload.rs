//! Messages on their way in: in memory while small, in a spool file of their own when not.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
#[cfg(feature = "sqlite")]
use pillarbox_core::effect::NewMessage;
use pillarbox_core::effect::{ErrorKind, StoreError};
use pillarbox_core::id::UploadId;

use crate::derive::derive;
use crate::error::{self, lock};
#[cfg(feature = "sqlite")]
use crate::pack::{Aside, Part};
use crate::record::Derived;
use crate::table::Result;

/// Every upload of a store; a message is held by one at a time.
pub(crate) struct Uploads {
    spool: Option<PathBuf>,
    next: AtomicU64,
    /// Held for a moment only, since event loops ask: a message itself may be waiting for the disk.
    open: Mutex<BTreeMap<u64, Open>>,
}

/// An upload, and the octets it will have.
struct Open {
    #[cfg(feature = "sqlite")]
    size: u64,
    upload: Arc<Mutex<Upload>>,
}

impl Uploads {
    /// Large uploads go to files in `spool`, or stay in memory.
    pub(crate) fn new(spool: Option<PathBuf>) -> Self {
        Self {
            spool,
            next: AtomicU64::new(1),
            open: Mutex::default(),
        }
    }

    pub(crate) fn begin(&self, size: u64) -> UploadId {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let upload = Upload {
            size,
            received: 0,
            has_nul: false,
            head: Vec::new(),
            spool: None,
            derived: None,
            #[cfg(feature = "sqlite")]
            part: None,
        };
        let open = Open {
            #[cfg(feature = "sqlite")]
            size,
            upload: Arc::new(Mutex::new(upload)),
        };
        lock(&self.open).insert(id, open);
        UploadId(id)
    }

    /// Whether what is done to this upload waits for the disk.
    #[cfg(feature = "sqlite")]
    pub(crate) fn is_spooled(&self, id: UploadId) -> bool {
        let open = lock(&self.open);
        let is_large = |open: &Open| open.size > IN_MEMORY as u64;
        self.spool.is_some() && open.get(&id.0).is_some_and(is_large)
    }

    /// Octets of those of these messages that are there.
    #[cfg(feature = "sqlite")]
    pub(crate) fn weigh(&self, messages: &[NewMessage]) -> u64 {
        let open = lock(&self.open);
        let all = messages.iter().filter_map(|m| open.get(&m.upload.0));
        all.map(|upload| upload.size).sum()
    }

    #[cfg(feature = "sqlite")]
    pub(crate) fn get(&self, id: UploadId) -> Option<Arc<Mutex<Upload>>> {
        lock(&self.open).get(&id.0).map(|open| open.upload.clone())
    }

    pub(crate) fn chunk(&self, id: UploadId, data: &Bytes) -> Result<()> {
        let upload = lock(&self.open).get(&id.0).map(|open| open.upload.clone());
        let upload = upload.ok_or_else(unknown)?;
        let path = self.spool.as_ref().map(|dir| dir.join(id.0.to_string()));
        lock(&upload).push(data, path)
    }

    /// Takes an upload out: whatever becomes of it, it is not there any more.
    pub(crate) fn take(&self, id: UploadId) -> Option<Arc<Mutex<Upload>>> {
        lock(&self.open).remove(&id.0).map(|open| open.upload)
    }
}

/// One message on its way in.
pub(crate) struct Upload {
    size: u64,
    received: u64,
    has_nul: bool,
    head: Vec<u8>,
    spool: Option<Spool>,
    derived: Option<Derived>,
    /// Its octets are in a segment made aside, and nowhere else.
    #[cfg(feature = "sqlite")]
    part: Option<Part>,
}

impl Upload {
    fn push(&mut self, data: &[u8], path: Option<PathBuf>) -> Result<()> {
        let received = self.received.saturating_add(data.len() as u64);
        // Until all is kept: what a disk took half of is never complete.
        self.received = u64::MAX;
        if received > self.size {
            return Err(wrong_length());
        }
        self.has_nul = self.has_nul || data.contains(&0);
        let outgrown = self.spool.is_none() && self.head.len() + data.len() > IN_MEMORY;
        if let Some(path) = path.filter(|_| outgrown) {
            let mut spool = Spool::create(path).map_err(|e| error::io("spool", &e))?;
            spool.write(&self.head)?;
            self.head = Vec::new();
            self.spool = Some(spool);
        }
        match &mut self.spool {
            Some(spool) => spool.write(data)?,
            None => self.head.extend_from_slice(data),
        }
        self.received = received;
        self.derive_early()
    }

    /// A small message is scanned where its last octets come in: the one who commits works for everybody. What is kept of it is small too.
    fn derive_early(&mut self) -> Result<()> {
        if self.received == self.size && self.spool.is_none() && self.head.len() <= IN_MEMORY {
            let derived = derive(self)?;
            self.derived = (derived.len() <= WINDOW).then_some(derived);
        }
        Ok(())
    }

    /// What is computed once from the message.
    pub(crate) fn derive(&mut self) -> Result<Derived> {
        match self.derived.take() {
            Some(derived) => Ok(derived),
            None => derive(self),
        }
    }

    /// Computes that before it is asked for.
    #[cfg(feature = "sqlite")]
    pub(crate) fn derive_ahead(&mut self) -> Result<()> {
        if self.derived.is_none() {
            self.derived = Some(derive(self)?);
        }
        Ok(())
    }

    /// Moves the octets to a segment that is made aside.
    #[cfg(feature = "sqlite")]
    pub(crate) fn move_to(&mut self, aside: &mut Aside) -> Result<()> {
        self.part = Some(aside.add(self)?);
        self.head = Vec::new();
        self.spool = None;
        Ok(())
    }

    #[cfg(feature = "sqlite")]
    pub(crate) fn part(&self) -> Option<Part> {
        self.part
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Refuses what is not complete or cannot be kept as it is (RFC 9051 §4.3.1: NUL only in literal8).
    pub(crate) fn check(&self) -> Result<()> {
        if self.received != self.size {
            return Err(wrong_length());
        }
        if self.has_nul {
            return Err(StoreError::new(
                ErrorKind::UnknownCte,
                "The message holds NUL octets, which this server cannot keep",
            ));
        }
        Ok(())
    }

    /// Hands all octets over in windows.
    pub(crate) fn for_each(&mut self, mut window: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let Some(spool) = &mut self.spool else {
            return self.head.chunks(WINDOW).try_for_each(window);
        };
        let failed = |e| error::io("spool", &e);
        spool.file.seek(SeekFrom::Start(0)).map_err(failed)?;
        let mut buffer = vec![0; WINDOW];
        loop {
            let mut filled = 0;
            while filled < WINDOW {
                match spool.file.read(&mut buffer[filled..]).map_err(failed)? {
                    0 => break,
                    n => filled += n,
                }
            }
            if filled == 0 {
                return Ok(());
            }
            window(&buffer[..filled])?;
        }
    }
}

#[cfg(feature = "sqlite")]
impl crate::pack::Body for Upload {
    fn size(&self) -> u64 {
        self.size
    }

    fn each_window(&mut self, window: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        self.for_each(window)
    }
}

/// A file that goes away with the upload.
struct Spool {
    file: File,
    path: PathBuf,
}

impl Spool {
    fn create(path: PathBuf) -> std::io::Result<Self> {
        let file = File::options()
            .create_new(true)
            .read(true)
            .write(true)
            .open(&path)?;
        Ok(Self { file, path })
    }

    fn write(&mut self, data: &[u8]) -> Result<()> {
        self.file
            .write_all(data)
            .map_err(|e| error::io("spool", &e))
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        // What cannot be removed now is removed when the store is opened.
        let _ = std::fs::remove_file(&self.path);
    }
}

pub(crate) fn unknown() -> StoreError {
    StoreError::new(ErrorKind::Cannot, "The upload is not there any more")
}

fn wrong_length() -> StoreError {
    StoreError::new(
        ErrorKind::ServerBug,
        "The message is not as long as was announced; nothing was stored",
    )
}

/// What is larger is in a file until it is stored.
pub(crate) const IN_MEMORY: usize = 256 << 10;
/// Octets handled at once; also the block of a pack.
pub(crate) const WINDOW: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_disk_did_not_take_is_never_complete() {
        let nowhere = std::env::temp_dir().join("pillarbox-upload-nowhere/spool");
        let uploads = Uploads::new(Some(nowhere));
        let octets = Bytes::from(vec![b'x'; IN_MEMORY + 1]);
        let id = uploads.begin(octets.len() as u64);
        assert!(uploads.chunk(id, &octets).is_err());
        assert!(uploads.chunk(id, &octets).is_err(), "not a second time");
        let upload = uploads.take(id).unwrap();
        assert!(lock(&upload).check().is_err());
    }
}
