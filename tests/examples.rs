//! Every example under `examples/` runs to its end, and in time.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

#[path = "../examples/own_bodies.rs"]
#[allow(dead_code)] // its main runs as a program
mod own_bodies;

const DEADLINE: Duration = Duration::from_secs(30);

/// Each example, and whether the features of this build make it.
const EXAMPLES: [(&str, bool); 7] = [
    ("deliver", RUNS),
    ("embed_smol", cfg!(feature = "runtime-smol")),
    ("embed_tokio", cfg!(feature = "runtime-tokio")),
    ("in_process", true),
    ("own_accounts", RUNS),
    ("own_bodies", RUNS),
    ("test_double", RUNS),
];

const RUNS: bool = cfg!(any(feature = "runtime-tokio", feature = "runtime-smol"));

#[test]
fn every_example_is_listed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let entries = std::fs::read_dir(folder).expect("the examples are there");
    let paths = entries.map(|e| e.expect("a folder can be read").path());
    let mut names: Vec<_> = paths
        .filter(|p| p.extension().is_some_and(|e| e == "rs"))
        .filter_map(|p| Some(p.file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    assert_eq!(names, EXAMPLES.map(|(name, _)| name));
}

#[test]
fn every_example_runs_to_its_end() {
    for (name, _) in EXAMPLES.iter().filter(|(_, made)| *made) {
        run(name, &program(name));
    }
}

#[test]
fn the_backend_of_an_example_keeps_the_contract() {
    pillarbox_store::conformance::run(|| Box::new(own_bodies::Bodies::default()));
}

/// Where cargo puts an example that it builds together with this test.
fn program(name: &str) -> PathBuf {
    let this = std::env::current_exe().expect("a test knows where it is");
    let folder = this.parent().and_then(Path::parent).expect("target/debug");
    let program = folder.join("examples").join(name);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("examples/{name}.rs"));
    let changed = |path: &Path| path.metadata().and_then(|m| m.modified());
    let source = changed(&source).unwrap_or(SystemTime::UNIX_EPOCH);
    assert!(
        changed(&program).is_ok_and(|built| built >= source),
        "{} is missing or old: build the examples first, with the same features: cargo build --examples",
        program.display()
    );
    program
}

fn run(name: &str, program: &Path) {
    let mut child = Command::new(program)
        .stdout(Stdio::null())
        .spawn()
        .unwrap_or_else(|e| panic!("example {name} does not start: {e}"));
    let until = Instant::now() + DEADLINE;
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            break status;
        }
        if Instant::now() > until {
            let _ = child.kill();
            let _ = child.wait();
            panic!("example {name} did not end within {DEADLINE:?}");
        }
        std::thread::yield_now();
    };
    assert!(status.success(), "example {name} ended with {status}");
}
