//! Folders that are there after a crash.

use std::fs::File;
use std::io;
use std::path::Path;

/// Makes a folder and those above it. Each is there after a crash, since the one above is synced.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    let named = |p: &&Path| !p.as_os_str().is_empty();
    let missing = path.ancestors().filter(named).take_while(|p| !p.exists());
    let missing: Vec<_> = missing.collect();
    std::fs::create_dir_all(path)?;
    for made in missing {
        let above = made.parent().filter(named).unwrap_or(Path::new("."));
        sync_folder(above)?;
    }
    Ok(())
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
