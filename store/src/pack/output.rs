//! What the writer needs of a file: few things, so that a test can let each of them fail.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// A segment that is written to.
pub(crate) trait Output: Send {
    fn write(&self, octets: &[u8], at: u64) -> io::Result<()>;
    fn sync(&self) -> io::Result<()>;
    fn cut(&self, len: u64) -> io::Result<()>;
}

/// Opens a segment, a new one or one that is there.
pub(crate) type Opener = Arc<dyn Fn(&Path, bool) -> io::Result<Box<dyn Output>> + Send + Sync>;

impl Output for File {
    fn write(&self, octets: &[u8], at: u64) -> io::Result<()> {
        self.write_all_at(octets, at)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn cut(&self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }
}

/// Opens files.
pub(crate) fn files() -> Opener {
    Arc::new(|path, new| {
        let mut options = File::options();
        let file = options.create_new(new).write(true).open(path)?;
        Ok(Box::new(file))
    })
}
