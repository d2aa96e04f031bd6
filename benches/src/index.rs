//! Indexes of embedded stores as a crash leaves them: behind the packs.

use std::io;
use std::path::Path;

const FILES: [&str; 2] = ["index.sqlite", "index.sqlite-wal"];

/// Copies the index of a store that nobody uses at this moment into a folder.
///
/// # Errors
/// It cannot be copied.
pub fn keep(store: &Path, folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    copy(store, folder)
}

/// Gives a store that is not open the index that was kept.
///
/// # Errors
/// It cannot be copied.
pub fn put_back(store: &Path, folder: &Path) -> io::Result<()> {
    remove(store)?;
    copy(folder, store)
}

/// Takes a store's index away.
///
/// # Errors
/// It cannot be removed.
pub fn remove(store: &Path) -> io::Result<()> {
    for name in FILES.into_iter().chain(["index.sqlite-shm"]) {
        let path = store.join(name);
        if path.exists() {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    for name in FILES {
        if from.join(name).exists() {
            std::fs::copy(from.join(name), to.join(name))?;
        }
    }
    Ok(())
}
