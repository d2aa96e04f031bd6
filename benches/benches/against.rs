//! The embedded store on tokio beside other IMAP servers, in one run: what a client waits for, command by command.
//! `cargo bench -p pillarbox-benches --bench against -- 127.0.0.1:1143`, with the address of each other server, which must let in `tim` with
//! the password `pw` without TLS. Mail is put into a mailbox `bench`, which is deleted before and afterwards.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pillarbox_benches::client::Client;
use pillarbox_benches::fill::message;
use pillarbox_benches::folder::Folder;
use pillarbox_benches::serve::{Running, Runtime};
use pillarbox_store::{Embedded, Options};

const MESSAGES: usize = 2000;
const SIZE: usize = 9000;
const CONNECTIONS: usize = 8;

/// Commands that change nothing, each sent several times; the least time counts, but the first is shown, too: indexes are made then.
const LOOKS: [&str; 14] = [
    "NOOP",
    "SELECT bench",
    "STATUS bench (MESSAGES UIDNEXT UNSEEN)",
    "FETCH 1:* (FLAGS)",
    "FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)",
    "FETCH 1:* (BODYSTRUCTURE)",
    "FETCH 1:* (BODY.PEEK[HEADER.FIELDS (FROM TO SUBJECT DATE MESSAGE-ID)])",
    "FETCH 1:* (BODY.PEEK[1])",
    "FETCH 1:* (BODY.PEEK[])",
    "SEARCH SUBJECT \"week 77\"",
    "SEARCH FROM alice SINCE 1-Jan-2020 UNSEEN",
    "SEARCH TEXT \"line 60 of\"",
    "SEARCH BODY \"nowhere to be found\"",
    "LIST \"\" *",
];
/// Commands that change the mailbox, once each and in this order.
const CHANGES: [&str; 6] = [
    "STORE 1:* +FLAGS.SILENT (\\Seen)",
    "STORE 1:* +FLAGS (kept)",
    "COPY 1:* bench/copy",
    "STORE 1:1000 +FLAGS.SILENT (\\Deleted)",
    "EXPUNGE",
    "CLOSE",
];
const LOOKED: usize = 5;

/// What a server took for each row, in the order of the rows.
type Times = Vec<(String, Duration)>;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = std::env::args().skip(1).filter(|a| !a.starts_with('-'));
    let others: Result<Vec<SocketAddr>, _> = arguments.map(|a| a.parse()).collect();
    let others = others?;
    if others.is_empty() {
        println!("Give the addresses of other servers; see benches/README.md");
        return Ok(());
    }
    let folder = Folder::new("against")?;
    let store = Embedded::open(folder.0.join("store"), Options::default())?;
    let ours = Running::start(Arc::new(store), Runtime::Tokio)?;
    let mut all = vec![measure(ours.address)?];
    for other in &others {
        all.push(measure(*other)?);
    }
    print!("{:<75} {:>10}", "milliseconds", "ours");
    others.iter().for_each(|o| print!(" {:>16}", o.to_string()));
    println!();
    for row in 0..all[0].len() {
        print!("{:<75}", all[0][row].0);
        all.iter()
            .for_each(|times| print!(" {:>13.3}", times[row].1.as_secs_f64() * 1e3));
        println!();
    }
    Ok(())
}

fn measure(address: SocketAddr) -> Result<Times, Box<dyn Error>> {
    let mut client = sign_in(address)?;
    // They may be there from a run that was broken off.
    let _ = client.command("DELETE bench/copy");
    let _ = client.command("DELETE bench");
    client.command("CREATE bench")?;
    client.command("CREATE bench/copy")?;
    let mut times = Times::new();
    let name = format!("APPEND, each of {} on one connection", MESSAGES / 2);
    times.push((
        name,
        append(&mut client, 0..MESSAGES / 2)? / (MESSAGES / 2) as u32,
    ));
    let name = format!(
        "APPEND, each of {} on {CONNECTIONS} connections",
        MESSAGES / 2
    );
    times.push((name, append_at_once(address)? / (MESSAGES / 2) as u32));
    client.command("SELECT bench")?;
    for command in LOOKS {
        let took: Result<Vec<_>, _> = (0..LOOKED).map(|_| time(&mut client, command)).collect();
        let took = took?;
        if command.starts_with("FETCH") || command.starts_with("SEARCH") {
            times.push((format!("{command}, first"), took[0]));
        }
        let least = took.iter().min().copied().unwrap_or_default();
        times.push((command.to_owned(), least));
    }
    for command in CHANGES {
        times.push((command.to_owned(), time(&mut client, command)?));
    }
    client.command("DELETE bench/copy")?;
    client.command("DELETE bench")?;
    Ok(times)
}

fn append(client: &mut Client, which: std::ops::Range<usize>) -> Result<Duration, Box<dyn Error>> {
    let began = Instant::now();
    for n in which {
        client.append_to("bench", &message(n, SIZE))?;
    }
    Ok(began.elapsed())
}

fn append_at_once(address: SocketAddr) -> Result<Duration, Box<dyn Error>> {
    let clients: Result<Vec<_>, _> = (0..CONNECTIONS).map(|_| sign_in(address)).collect();
    let each = MESSAGES / 2 / CONNECTIONS;
    let began = Instant::now();
    let threads = (0..)
        .step_by(each)
        .zip(clients?)
        .map(|(first, mut client)| {
            std::thread::spawn(move || {
                let which = MESSAGES / 2 + first..MESSAGES / 2 + first + each;
                append(&mut client, which).map_err(|e| e.to_string())
            })
        });
    let threads: Vec<_> = threads.collect();
    for thread in threads {
        thread.join().map_err(|_| "a client panicked")??;
    }
    Ok(began.elapsed())
}

fn time(client: &mut Client, command: &str) -> Result<Duration, Box<dyn Error>> {
    let began = Instant::now();
    let done = client.command(command);
    done.map_err(|e| format!("{command}: {e}"))?;
    Ok(began.elapsed())
}

fn sign_in(address: SocketAddr) -> Result<Client, Box<dyn Error>> {
    let mut client = Client::connect(address)?;
    client.command("LOGIN tim pw")?;
    Ok(client)
}
