//! FETCH over loopback: flags, metadata, bodies.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use pillarbox_benches::client::Client;
use pillarbox_benches::cpu::{Took, took};
use pillarbox_benches::fill::fill;
use pillarbox_benches::folder::Folder;
use pillarbox_benches::serve::{Running, Runtime};
use pillarbox_store::{Backend, Embedded, Memory, Options};

use crate::{Figure, Figures};

const RUNS: usize = 7;
const METADATA: &str = "FETCH 1:* (FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)";

/// Flags of 100,000 messages and metadata of 10,000: server CPU.
pub fn metadata() -> Figures {
    let mut figures = Vec::new();
    for kind in ["memory", "embedded"] {
        let folder = Folder::new("metadata")?;
        let many = store(kind, &folder, "many", 100_000, 0)?;
        let few = store(kind, &folder, "few", 10_000, 2_000)?;
        for runtime in [Runtime::Tokio, Runtime::Smol] {
            let (best, _) = fetch(many.clone(), runtime, "FETCH 1:* (FLAGS)")?;
            figures.push(cpu(
                &format!("FLAGS of 100,000, {kind}, {runtime:?}"),
                best,
                60,
            ));
            let (best, _) = fetch(few.clone(), runtime, METADATA)?;
            figures.push(cpu(
                &format!("FLAGS to BODYSTRUCTURE of 10,000, {kind}, {runtime:?}"),
                best,
                25,
            ));
        }
    }
    Ok(figures)
}

/// Bodies of 10,000 messages of 9 KB.
pub fn bodies() -> Figures {
    let mut figures = Vec::new();
    for kind in ["memory", "embedded"] {
        let folder = Folder::new("bodies")?;
        let store = store(kind, &folder, "bodies", 10_000, 9_000)?;
        for runtime in [Runtime::Tokio, Runtime::Smol] {
            let (best, octets) = fetch(store.clone(), runtime, "FETCH 1:* BODY.PEEK[]")?;
            let rate = octets as f64 / best.wall.as_secs_f64() / 1e9;
            figures.push(Figure {
                name: format!("BODY.PEEK[] of 10,000 of 9 KB, {kind}, {runtime:?}"),
                target: String::from("1 GB/s"),
                measured: format!("{rate:.2} GB/s, {} of CPU", millis(best.others)),
                reached: rate >= 1.0,
            });
        }
    }
    Ok(figures)
}

fn store(
    kind: &str,
    folder: &Folder,
    name: &str,
    count: usize,
    size: usize,
) -> Result<Arc<dyn Backend>, Box<dyn Error>> {
    let store: Arc<dyn Backend> = match kind {
        "memory" => Arc::new(Memory::new()),
        _ => Arc::new(Embedded::open(folder.0.join(name), Options::default())?),
    };
    fill(&*store, count, size)?;
    Ok(store)
}

/// The run with the least server CPU of several, and the octets of an answer.
fn fetch(
    store: Arc<dyn Backend>,
    runtime: Runtime,
    command: &str,
) -> Result<(Took, u64), Box<dyn Error>> {
    let server = Running::start(store, runtime)?;
    let mut client = Client::connect(server.address)?;
    client.sign_in()?;
    let mut best: Option<(Took, u64)> = None;
    for _ in 0..RUNS {
        let (took, octets) = took(|| client.command(command));
        let octets = octets?;
        if best.is_none_or(|(b, _)| took.wall < b.wall) {
            best = Some((took, octets));
        }
    }
    best.ok_or_else(|| "no run".into())
}

fn cpu(name: &str, took: Took, target: u64) -> Figure {
    Figure {
        name: name.to_owned(),
        target: format!("{target} ms of CPU"),
        measured: format!(
            "{} of CPU, {} in all",
            millis(took.others),
            millis(took.wall)
        ),
        reached: took.others < Duration::from_millis(target),
    }
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}
