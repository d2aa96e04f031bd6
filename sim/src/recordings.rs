//! Recordings of what failed: `pillarbox replay` plays one without the simulation.

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// A recording in memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    /// What was recorded.
    pub fn text(&self) -> String {
        let octets = self.0.lock().expect("nobody panics with the lock");
        String::from_utf8_lossy(&octets).into_owned()
    }
}

impl Write for Sink {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        let mut all = self.0.lock().expect("nobody panics with the lock");
        all.extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Keeps recordings, by the names of their connections, in the folder that `PILLARBOX_RECORDINGS` names, if it does; a line for each that says where.
pub(crate) fn keep<I>(what: &str, record: impl FnOnce() -> I) -> Vec<String>
where
    I: IntoIterator<Item = (String, String)>,
{
    match std::env::var_os("PILLARBOX_RECORDINGS") {
        Some(folder) => keep_in(Path::new(&folder), what, record()),
        None => Vec::new(),
    }
}

fn keep_in(
    folder: &Path,
    what: &str,
    recordings: impl IntoIterator<Item = (String, String)>,
) -> Vec<String> {
    let write = |(name, recording): (String, String)| {
        let path = folder.join(format!("{what}-{name}.recording"));
        match std::fs::write(&path, recording) {
            Ok(()) => format!("recorded in {}", path.display()),
            Err(e) => format!("not recorded in {}: {e}", path.display()),
        }
    };
    recordings.into_iter().map(write).collect()
}
