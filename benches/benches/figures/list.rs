//! LIST of very many mailboxes, with and without their counters, against the store's own questions.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pillarbox_benches::client::Client;
use pillarbox_benches::cpu::took;
use pillarbox_benches::fill::ACTOR;
use pillarbox_benches::folder::Folder;
use pillarbox_benches::serve::{Running, Runtime};
use pillarbox_core::effect::{Mailboxes, Status};
use pillarbox_core::mailbox::MailboxName;
use pillarbox_store::conformance::Client as Direct;
use pillarbox_store::{Embedded, Options, ask};

use crate::{Figure, Figures};

/// As many as an account may have.
const ALL: usize = 10_000;
/// Those whose counters are told.
const COUNTED: usize = 2_000;
/// Names in one question.
const PAGE: usize = 100;
const RUNS: usize = 7;
/// What the whole may take of what the store's questions alone do.
const MOST: f64 = 3.0;

pub fn figures() -> Figures {
    let folder = Folder::new("list")?;
    let store = Arc::new(Embedded::open(folder.0.join("store"), Options::default())?);
    let direct = Direct::new(&*store, ACTOR.account.0);
    // INBOX and both parents are there besides.
    for n in 0..ALL - 3 {
        direct.create(&name(n))?;
    }
    for n in (0..COUNTED).step_by(4) {
        direct.append(&name(n), b"Subject: one\r\n\r\n")?;
    }
    let names: Vec<_> = (0..COUNTED)
        .map(|n| MailboxName::new(&name(n)))
        .collect::<Result<_, _>>()?;
    let all = least(|| Ok(ask(&*store, Mailboxes { actor: ACTOR }).map(drop)?))?;
    let counted = least(|| {
        for names in names.chunks(PAGE) {
            let names = names.to_vec();
            ask(
                &*store,
                Status {
                    actor: ACTOR,
                    names,
                },
            )?;
        }
        Ok(())
    })?;
    let server = Running::start(store.clone(), Runtime::Tokio)?;
    let mut client = Client::connect(server.address)?;
    client.sign_in()?;
    let items = "MESSAGES UNSEEN UIDNEXT UIDVALIDITY SIZE";
    let some = format!("LIST \"\" counted/% RETURN (STATUS ({items}))");
    let rows = [
        (
            "LIST \"\" * of 10,000 mailboxes",
            "LIST \"\" *".to_owned(),
            all,
        ),
        ("LIST RETURN (STATUS) of 2,000", some, all + counted),
    ];
    let mut figures = Vec::new();
    for (what, command, bare) in rows {
        let mut best = (Duration::MAX, Duration::MAX);
        for _ in 0..RUNS {
            let (took, octets) = took(|| client.command(&command));
            octets?;
            best = best.min((took.wall, took.others));
        }
        let times = best.0.as_secs_f64() / bare.as_secs_f64();
        figures.push(Figure {
            name: format!("{what}, embedded"),
            target: format!("{MOST} times the store's answers"),
            measured: format!(
                "{}, {} of CPU: {times:.2} of {}",
                millis(best.0),
                millis(best.1),
                millis(bare)
            ),
            reached: times < MOST,
        });
    }
    Ok(figures)
}

fn name(n: usize) -> String {
    let parent = if n < COUNTED { "counted" } else { "other" };
    format!("{parent}/a mailbox {n:05}")
}

/// The least of some runs.
fn least(run: impl Fn() -> Result<(), Box<dyn Error>>) -> Result<Duration, Box<dyn Error>> {
    let mut least = Duration::MAX;
    for _ in 0..RUNS {
        let begun = Instant::now();
        run()?;
        least = least.min(begun.elapsed());
    }
    Ok(least)
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}
