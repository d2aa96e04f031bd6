//! The protocol scripts over real sockets: each runtime, in plain text and under TLS, whole, octet by octet and cut at random, says the same octets as
//! the simulation. Only the clock is the script's, so that dates and deadlines are too.
//!
//! Nothing here sleeps, and no answer is waited for by guess: what is sent is counted, and so is what the server has taken, so that it is known when
//! nothing moves any more; see `calm`.
#![cfg(feature = "tls")]
#![cfg(any(feature = "runtime-tokio", feature = "runtime-smol"))]

mod calm;
mod client;
mod runtime;
mod world;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use pillarbox::driver::ListenerKind;
use pillarbox_sim::{Chunking, Script, Transcript, all_scripts};

use runtime::Runtime;
use world::World;

/// A script that takes longer has failed: a busy machine needs far less.
const PATIENCE: Duration = Duration::from_secs(20);
/// Scripts at once on each runtime and transport.
const AT_ONCE: usize = 3;
const CHUNKINGS: [Chunking; 3] = [Chunking::Whole, Chunking::Octets, Chunking::Random(7)];

/// Scripts that cannot run over a transport, by the beginning of their name. Each is tried all the same, and must fail.
const NOT_OVER: [(&str, ListenerKind, &str); 9] = [
    (
        "starttls.txt (",
        ListenerKind::Plain,
        "what follows STARTTLS is taken for the handshake, which fails; the simulation has none",
    ),
    (
        "sign-in.txt (RFC 9051 §6.2.1: octets behind STARTTLS",
        ListenerKind::Plain,
        "the same",
    ),
    (
        "tls.txt (RFC 9051 §6.2.1",
        ListenerKind::Plain,
        "it needs TLS from the first octet",
    ),
    ("tls.txt (RFC 9051 §6.2.3", ListenerKind::Plain, "the same"),
    ("starttls.txt (", ListenerKind::Tls, TLS_IS_THERE),
    ("logindisabled.txt (", ListenerKind::Tls, TLS_IS_THERE),
    (
        "sign-in.txt (RFC 9051 §6.2.1: STARTTLS, then everything anew",
        ListenerKind::Tls,
        TLS_IS_THERE,
    ),
    (
        "sign-in.txt (RFC 9051 §6.2.1: octets behind STARTTLS",
        ListenerKind::Tls,
        TLS_IS_THERE,
    ),
    (
        "sign-in.txt (RFC 9051 §11.1: neither LITERAL- nor a password",
        ListenerKind::Tls,
        TLS_IS_THERE,
    ),
];
const TLS_IS_THERE: &str = "it needs a connection in plain text";

#[cfg(feature = "runtime-tokio")]
#[test]
fn every_script_on_tokio() {
    every_script(&Runtime::tokio(), ListenerKind::Plain);
}

#[cfg(feature = "runtime-tokio")]
#[test]
fn every_script_on_tokio_under_tls() {
    every_script(&Runtime::tokio(), ListenerKind::Tls);
}

#[cfg(feature = "runtime-smol")]
#[test]
fn every_script_on_smol() {
    every_script(&Runtime::smol(), ListenerKind::Plain);
}

#[cfg(feature = "runtime-smol")]
#[test]
fn every_script_on_smol_under_tls() {
    every_script(&Runtime::smol(), ListenerKind::Tls);
}

fn every_script(runtime: &Runtime, kind: ListenerKind) {
    let cases = cases(kind);
    let runs: Vec<_> = cases
        .iter()
        .flat_map(|case| CHUNKINGS.map(|chunking| (case, chunking)))
        .collect();
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((case, chunking)) = runs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(failure) = case.run(runtime, kind, *chunking) {
                        failures.lock().expect("nobody panics").push(failure);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("nobody panics");
    assert!(
        failures.is_empty(),
        "{} of {} runs failed:\n{}",
        failures.len(),
        runs.len(),
        failures.join("\n")
    );
    println!("{} scripts, {} runs", cases.len(), runs.len());
}

/// A script, and what the simulation said.
struct Case {
    script: Script,
    said: Result<Transcript, String>,
    /// It cannot run over such listeners.
    not_over: bool,
}

/// The scripts with what is to be said over such listeners.
fn cases(kind: ListenerKind) -> &'static [Case] {
    static CASES: [OnceLock<Vec<Case>>; 2] = [OnceLock::new(), OnceLock::new()];
    CASES[usize::from(kind == ListenerKind::Tls)].get_or_init(|| {
        let scripts = all_scripts().unwrap_or_else(|f| panic!("{f}"));
        for (name, over, why) in NOT_OVER {
            let named = scripts.iter().filter(|s| s.name().starts_with(name));
            assert_eq!(named.count(), 1, "{name} ({over:?}: {why})");
        }
        scripts.into_iter().map(|s| Case::new(s, kind)).collect()
    })
}

impl Case {
    fn new(script: Script, kind: ListenerKind) -> Self {
        let not_over = NOT_OVER
            .iter()
            .any(|(name, over, _)| *over == kind && script.name().starts_with(name));
        let script = match kind {
            ListenerKind::Tls => script.under_tls(),
            _ => script,
        };
        let said = script.simulate(Chunking::Whole);
        Self {
            said: said.map_err(|f| format!("in the simulation: {f}")),
            script,
            not_over,
        }
    }

    fn run(&self, runtime: &Runtime, kind: ListenerKind, chunking: Chunking) -> Result<(), String> {
        let same = self.is_the_same(runtime, kind, chunking);
        let name = self.script.name();
        match same {
            Err(_) if self.not_over => Ok(()),
            Ok(()) if self.not_over => {
                Err(format!("{name}: it runs, though it is said that it cannot"))
            }
            same => same.map_err(|why| format!("{kind:?}, {chunking:?}: {why}")),
        }
    }

    fn is_the_same(
        &self,
        runtime: &Runtime,
        kind: ListenerKind,
        chunking: Chunking,
    ) -> Result<(), String> {
        let said = self.said.as_ref().map_err(Clone::clone)?;
        let mut world = World::new(runtime, kind, self.script.options(), chunking, PATIENCE);
        let heard = self.script.run_on(&mut world).map_err(|f| f.to_string())?;
        said.compare(&heard)
            .and_then(|()| world.leave())
            .map_err(|difference| format!("{}: {difference}", self.script.name()))
    }
}

#[cfg(feature = "runtime-tokio")]
#[test]
fn a_wrong_answer_is_told_with_its_line() {
    let text = "== RFC 9051 §6.1.2: wrong\nS: * OK <any>\nC: a NOOP\nS: a OK Something else\n";
    let script = &Script::parse("wrong.txt", text).expect("it is a script")[0];
    let run = |patience| {
        let runtime = Runtime::tokio();
        let mut world = World::new(
            &runtime,
            ListenerKind::Plain,
            script.options(),
            Chunking::Whole,
            patience,
        );
        let failure = script.run_on(&mut world).expect_err("it is wrong");
        failure.to_string()
    };
    assert_eq!(
        run(PATIENCE),
        "wrong.txt (RFC 9051 §6.1.2: wrong), line 4: \n  - a OK Something else\n  + a OK NOOP completed"
    );
    let late = run(Duration::ZERO);
    assert!(
        late.starts_with("wrong.txt (RFC 9051 §6.1.2: wrong), line 2: "),
        "{late}"
    );
}
