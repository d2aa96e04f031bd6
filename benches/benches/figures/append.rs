//! APPEND to the embedded store against the bare disk.

use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pillarbox_benches::client::Client;
use pillarbox_benches::fill::message;
use pillarbox_benches::folder::Folder;
use pillarbox_benches::serve::{Running, Runtime};
use pillarbox_benches::sync;
use pillarbox_store::{Embedded, Options};

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
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut client = Client::connect(server.address)?;
        client.command("LOGIN tim pw")?;
        clients.push(client);
    }
    let mut bare = File::create(folder.0.join("bare"))?;
    let octets = message(1, SIZE);
    let (mut on_disk, mut one, mut all, mut syncs) = (ZERO, ZERO, ZERO, 0);
    for _ in 0..ROUNDS {
        let began = Instant::now();
        for _ in 0..APPENDS {
            bare.write_all(&octets)?;
            bare.sync_data()?;
        }
        on_disk += began.elapsed();
        let before = sync::calls();
        one += append(&mut clients[..1], APPENDS, &octets)?;
        syncs += sync::calls() - before;
        all += append(&mut clients, APPENDS / 8, &octets)?;
    }
    let count = (ROUNDS * APPENDS) as f64;
    let rate = |took: Duration| count / took.as_secs_f64();
    // The 32 send four times as many.
    let (on_disk, one, all) = (rate(on_disk), rate(one), rate(all) * 4.0);
    let syncs = syncs as f64 / count;
    Ok(vec![
        Figure {
            name: String::from("10 KB APPENDs, one connection"),
            target: String::from("70 % of the bare disk"),
            measured: format!(
                "{one:.0}/s of {on_disk:.0}/s: {:.0} %",
                one / on_disk * 100.0
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

const ZERO: Duration = Duration::ZERO;
