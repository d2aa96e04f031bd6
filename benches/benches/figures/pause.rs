//! How long a session waits while the store gives back room.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pillarbox_benches::fill::{ACTOR, fill, message};
use pillarbox_benches::folder::Folder;
use pillarbox_core::effect::{FlagOp, StoreError};
use pillarbox_core::flag::SystemFlags;
use pillarbox_core::id::Uid;
use pillarbox_core::set::UidSet;
use pillarbox_store::conformance::{Client, flag_names};
use pillarbox_store::{Embedded, Options};

use crate::{Figure, Figures};

const MESSAGES: usize = 120_000;
const SIZE: usize = 3000;
/// Half of what it is by default: there are three.
const SEGMENT: u64 = 128 << 20;
/// Of a process that has all of the machine now and then.
const MOST: Duration = Duration::from_millis(50);
/// The UID of a message that stays.
const KEPT: Uid = Uid::new(5).expect("not zero");

pub fn figures() -> Figures {
    let folder = Folder::new("pause")?;
    let path = folder.0.join("store");
    let mut options = Options::default();
    options.segment = SEGMENT;
    options.view_grace = Duration::ZERO;
    options.upkeep = Duration::from_secs(3600);
    let store = Embedded::open(&path, options.clone())?;
    fill(&store, MESSAGES, SIZE)?;
    take_most_away(Client::new(&store, ACTOR.account.0))?;
    let quiet = longest(&store, || false)?;
    drop(store);
    options.upkeep = Duration::from_millis(100);
    let store = Embedded::open(&path, options)?;
    let (before, begun) = (segments(&path)?, Instant::now());
    let left = || before.iter().filter(|segment| segment.exists()).count();
    let busy = longest(&store, || {
        left() > 0 && begun.elapsed() < Duration::from_secs(120)
    })?;
    let (left, all) = (left(), before.len());
    let mut figures = Vec::new();
    for ((name, busy), (_, quiet)) in busy.into_iter().zip(quiet) {
        figures.push(Figure {
            name: format!("longest {name} while {} of {all} segments go", all - left),
            target: format!("{} ms", MOST.as_millis()),
            measured: format!("{} (else {})", shown(busy), shown(quiet)),
            reached: busy < MOST && left == 0,
        });
    }
    Ok(figures)
}

fn segments(store: &Path) -> std::io::Result<Vec<PathBuf>> {
    let all = std::fs::read_dir(store.join("packs"))?;
    all.map(|entry| entry.map(|e| e.path())).collect()
}

/// Four of five messages, as people do: in many commands.
fn take_most_away(client: Client<'_>) -> Result<(), StoreError> {
    let mailbox = client.examine("INBOX")?.mailbox;
    let uids = 1..=u32::try_from(MESSAGES).unwrap_or(u32::MAX);
    let gone: Vec<(u32, u32)> = uids.filter(|n| n % 5 != 0).map(|n| (n, n)).collect();
    for some in gone.chunks(2000) {
        let some = UidSet::from_ranges(some.iter().copied());
        let deleted = flag_names(SystemFlags::DELETED, &[]);
        client.set(mailbox, some.clone(), FlagOp::Add, deleted, None)?;
        client.expunge(mailbox, some)?;
    }
    Ok(())
}

pub(crate) fn shown(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

pub(crate) type Longest = [(&'static str, Duration); 3];

/// The longest APPEND, STORE and FETCH, each by a session of its own, one after the other while it goes on and for a second at least.
pub(crate) fn longest(
    store: &Embedded,
    goes_on: impl Fn() -> bool,
) -> Result<Longest, Box<dyn Error>> {
    let client = Client::new(store, ACTOR.account.0);
    let mailbox = client.examine("INBOX")?.mailbox;
    let over = AtomicBool::new(false);
    let octets = message(1, SIZE);
    let one = UidSet::range(KEPT, KEPT);
    let each =
        |work: &(dyn Fn() -> Result<(), StoreError> + Sync)| -> Result<Duration, StoreError> {
            let mut most = Duration::ZERO;
            while !over.load(Ordering::Relaxed) {
                let begun = Instant::now();
                work()?;
                most = most.max(begun.elapsed());
                std::thread::sleep(Duration::from_millis(2));
            }
            Ok(most)
        };
    let append = || client.append("INBOX", &octets).map(drop);
    let seen = || {
        let seen = flag_names(SystemFlags::SEEN, &[]);
        client
            .set(mailbox, one.clone(), FlagOp::Replace, seen, None)
            .map(drop)
    };
    let fetch = || client.fetch(mailbox, one.clone(), 100_000).map(drop);
    let all = std::thread::scope(|scope| {
        let running = [
            ("APPEND", scope.spawn(|| each(&append))),
            ("STORE", scope.spawn(|| each(&seen))),
            ("FETCH", scope.spawn(|| each(&fetch))),
        ];
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(1) || goes_on() {
            std::thread::sleep(Duration::from_millis(10));
        }
        over.store(true, Ordering::Relaxed);
        running.map(|(name, thread)| (name, thread.join()))
    });
    let mut longest = [("", Duration::ZERO); 3];
    for (slot, (name, joined)) in longest.iter_mut().zip(all) {
        *slot = (name, joined.map_err(|_| "a session panicked")??);
    }
    Ok(longest)
}
