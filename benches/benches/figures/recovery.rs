//! How long an embedded store takes to open when its index lacks something, and to have a new one.

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use pillarbox_benches::fill::fill;
use pillarbox_benches::folder::Folder;
use pillarbox_benches::index;
use pillarbox_store::{Embedded, Options, rebuild};

use crate::{Figure, Figures};

const MESSAGES: usize = 100_000;
const SIZE: usize = 1000;

pub fn figures() -> Figures {
    let folder = Folder::new("recovery")?;
    let (path, some, none) = (
        &folder.0.join("store"),
        folder.0.join("some"),
        folder.0.join("none"),
    );
    let store = Embedded::open(path, Options::default())?;
    fill(&store, 0, SIZE)?;
    index::keep(path, &none)?;
    fill(&store, MESSAGES - MESSAGES / 10, SIZE)?;
    index::keep(path, &some)?;
    fill(&store, MESSAGES / 10, SIZE)?;
    drop(store);
    let whole = open(path)?;
    index::put_back(path, &some)?;
    let tenth = open(path)?;
    index::put_back(path, &none)?;
    let all = open(path)?;
    index::remove(path)?;
    let begun = Instant::now();
    let rebuilt = rebuild(path)?;
    let from_packs = begun.elapsed();
    assert_eq!(rebuilt.messages, MESSAGES as u64);
    let figure = |name: &str, target: Option<u64>, took: Duration| Figure {
        name: format!("{name}, {MESSAGES} messages"),
        target: target.map_or(String::from("told"), |s| format!("{s} s")),
        measured: format!("{:.2} s", took.as_secs_f64()),
        reached: target.is_none_or(|s| took < Duration::from_secs(s)),
    };
    Ok(vec![
        figure("open: the index knows all", Some(5), whole),
        figure("open: the index lacks a tenth", Some(5), tenth),
        figure("open: the index lacks everything", None, all),
        figure("rebuild", None, from_packs),
    ])
}

fn open(path: &Path) -> Result<Duration, Box<dyn Error>> {
    let begun = Instant::now();
    let store = Embedded::open(path, Options::default())?;
    let took = begun.elapsed();
    drop(store);
    Ok(took)
}
