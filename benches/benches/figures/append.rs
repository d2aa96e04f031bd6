//! APPEND to the embedded store against the bare disk.

use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use pillarbox_benches::client::Client;
use pillarbox_benches::fill::message;
use pillarbox_benches::folder::Folder;
use pillarbox_benches::serve::{Running, Runtime};
use pillarbox_benches::sync;
use pillarbox_core::effect::Effect;
use pillarbox_store::{Backend, Embedded, Job, Memory, Notices, Options};

use crate::{Figure, Figures};

const SIZE: usize = 10_000;
/// Of each kind in a round. Rounds are short and many, so that all meet the disk in the same mood.
const APPENDS: usize = 64;
const CONNECTIONS: usize = 32;
const ROUNDS: usize = 30;

pub fn figures() -> Figures {
    let folder = Folder::new("append")?;
    let store = Embedded::open(folder.0.join("store"), Options::default())?;
    let server = Running::start(Arc::new(store), Runtime::Tokio)?;
    let clients: Result<Vec<_>, _> = (0..CONNECTIONS).map(|_| sign_in(&server)).collect();
    let mut clients = clients?;
    let floor = Floor::new(&folder.0.join("floor"))?;
    let floor = Running::start(Arc::new(floor), Runtime::Tokio)?;
    let mut at_floor = [sign_in(&floor)?];
    let mut bare = File::create(folder.0.join("bare"))?;
    let octets = message(1, SIZE);
    let (mut on_disk, mut least, mut one, mut all, mut syncs) = (ZERO, ZERO, ZERO, ZERO, 0);
    for _ in 0..ROUNDS {
        let began = Instant::now();
        for _ in 0..APPENDS {
            bare.write_all(&octets)?;
            bare.sync_data()?;
        }
        on_disk += began.elapsed();
        least += append(&mut at_floor, APPENDS, &octets)?;
        let before = sync::calls();
        one += append(&mut clients[..1], APPENDS, &octets)?;
        syncs += sync::calls() - before;
        all += append(&mut clients, APPENDS / 8, &octets)?;
    }
    let count = (ROUNDS * APPENDS) as f64;
    let rate = |took: Duration| count / took.as_secs_f64();
    // The 32 send four times as many.
    let (on_disk, least) = (rate(on_disk), rate(least));
    let (one, all) = (rate(one), rate(all) * 4.0);
    let syncs = syncs as f64 / count;
    Ok(vec![
        Figure {
            name: String::from("10 KB APPENDs, one connection"),
            target: String::from("70 % of the bare disk"),
            measured: format!(
                "{one:.0}/s of {on_disk:.0}/s: {:.0} %; a store that only writes them: {least:.0}/s, {:.0} %",
                one / on_disk * 100.0,
                least / on_disk * 100.0
            ),
            reached: one >= on_disk * 0.7,
        },
        Figure {
            name: String::from("10 KB APPENDs, 32 connections"),
            target: String::from("twice that of one"),
            measured: format!("{all:.0}/s: {:.1} times", all / one),
            reached: all >= one * 2.0,
        },
        Figure {
            name: String::from("calls that make durable, for each APPEND"),
            target: String::from("one, checkpoints apart"),
            measured: format!("{syncs:.2}"),
            reached: syncs < 1.1,
        },
    ])
}

/// How long it takes until each of these clients has sent so many, one after the other.
fn append(
    clients: &mut [Client],
    appends: usize,
    octets: &[u8],
) -> Result<Duration, Box<dyn Error>> {
    let began = Instant::now();
    std::thread::scope(|scope| {
        let send = |client: &mut Client| (0..appends).try_for_each(|_| client.append(octets));
        let running: Vec<_> = clients
            .iter_mut()
            .map(|client| scope.spawn(move || send(client)))
            .collect();
        running.into_iter().try_for_each(|thread| {
            thread
                .join()
                .map_err(|_| "a client panicked")?
                .map_err(Box::<dyn Error>::from)
        })
    })?;
    Ok(began.elapsed())
}

fn sign_in(server: &Running) -> Result<Client, Box<dyn Error>> {
    let mut client = Client::connect(server.address)?;
    client.command("LOGIN tim pw")?;
    Ok(client)
}

/// What the way to a store and back costs: a thread of its own writes the octets behind one another, syncs, and has them kept in memory.
struct Floor {
    memory: Arc<Memory>,
    writer: mpsc::Sender<Job>,
}

impl Floor {
    fn new(path: &Path) -> std::io::Result<Self> {
        let memory = Arc::new(Memory::new());
        let (writer, jobs) = mpsc::channel::<Job>();
        let file = File::create(path)?;
        // As long from the beginning as it will be.
        file.write_all_at(&vec![0; 2 * ROUNDS * APPENDS * SIZE], 0)?;
        file.sync_all()?;
        let (octets, kept) = (message(1, SIZE), memory.clone());
        std::thread::Builder::new().spawn(move || {
            let mut at = 0;
            for job in jobs {
                let written = file.write_all_at(&octets, at);
                // A job that is dropped fails its command.
                if written.and_then(|()| file.sync_data()).is_ok() {
                    kept.submit(job);
                }
                at += octets.len() as u64;
            }
        })?;
        Ok(Self { memory, writer })
    }
}

impl Backend for Floor {
    fn submit(&self, job: Job) {
        if !matches!(job.effect(), Effect::UploadCommit(_)) {
            self.memory.submit(job);
        } else if let Err(unsent) = self.writer.send(job) {
            drop(unsent);
        }
    }

    fn subscribe(&self, notices: Notices) {
        self.memory.subscribe(notices);
    }
}

const ZERO: Duration = Duration::ZERO;
