//! How long a session waits while another stores large messages.

use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pillarbox_benches::fill::{ACTOR, fill, message};
use pillarbox_benches::folder::Folder;
use pillarbox_core::effect::StoreError;
use pillarbox_store::conformance::Client;
use pillarbox_store::{Embedded, Options};

use crate::pause::{longest, shown};
use crate::{Figure, Figures};

const SIZE: usize = 50 << 20;
const TIME: Duration = Duration::from_secs(6);
const MOST: Duration = Duration::from_millis(50);
/// Of whoever sends the large ones.
const OTHER: u64 = ACTOR.account.0 + 1;

pub fn figures() -> Figures {
    let folder = Folder::new("large")?;
    let store = Embedded::open(folder.0.join("store"), Options::default())?;
    fill(&store, 100, 3000)?;
    let octets = message(1, SIZE);
    let client = Client::new(&store, OTHER);
    client.append("INBOX", &octets)?;
    let store_one = || -> Result<(), StoreError> { client.append("INBOX", &octets).map(drop) };
    let busy = beside(&store, store_one)?;
    let bare = beside(&store, || write_one(&folder.0, &octets))?;
    let figures = busy.into_iter().zip(bare);
    let figures = figures.map(|((name, busy), (_, bare))| Figure {
        name: format!("longest {name} while others store messages of 50 MB"),
        target: format!("{} ms", MOST.as_millis()),
        measured: format!("{} (bare writes {})", shown(busy), shown(bare)),
        reached: busy < MOST,
    });
    Ok(figures.collect())
}

/// The longest of others while this is done again and again.
fn beside<E: Error + Send + Sync + 'static>(
    store: &Embedded,
    work: impl Fn() -> Result<(), E> + Sync,
) -> Result<crate::pause::Longest, Box<dyn Error>> {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let working = scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                work()?;
            }
            Ok::<(), E>(())
        });
        let begun = Instant::now();
        let longest = longest(store, || begun.elapsed() < TIME);
        over.store(true, Ordering::Relaxed);
        working.join().map_err(|_| "the large ones panicked")??;
        longest
    })
}

/// What the disk itself does to others: as many octets in a file, synced a little at a time.
fn write_one(folder: &Path, octets: &[u8]) -> std::io::Result<()> {
    let path = folder.join("bare");
    let mut file = File::create(&path)?;
    for some in octets.chunks(4 << 20) {
        file.write_all(some)?;
        file.sync_data()?;
    }
    std::fs::remove_file(path)
}
