//! Children with the recorder preloaded.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{OnceLock, RwLock};
use std::time::{Duration, Instant};

use crate::log::{self, Step};

/// A folder of its own, in memory where there is such a place; removed when it is dropped, kept after a panic.
pub struct Place(pub PathBuf);

impl Place {
    pub fn new(name: &str) -> Self {
        let memory = Path::new("/dev/shm");
        let parent = if memory.is_dir() {
            memory.to_owned()
        } else {
            std::env::temp_dir()
        };
        let path = parent.join(format!("pillarbox-crash-{}-{name}", std::process::id()));
        // What a process with the same number left.
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            std::fs::remove_dir_all(&self.0).unwrap();
        }
    }
}

fn recorder() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/crash/recorder.c");
        let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let library = target.join(format!("recorder-{}.so", std::process::id()));
        let _none_is_open = STORES.write().unwrap();
        let done = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-o"])
            .args([&library, &source])
            .arg("-pthread")
            .output()
            .expect("cc is needed to build the recorder of the crash tests: install a C compiler");
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(
            done.status.success(),
            "cc could not build {source:?}: {said}"
        );
        library
    })
}

/// A process that was just made has a store's lock too until it runs its program: none is made while a store is open.
pub static STORES: RwLock<()> = RwLock::new(());

/// Runs a child to its end in `root`, and gives what it did. Its working folders are `store` and `tmp`.
pub fn run(root: &Path, what: &str, seed: u64, steps: u32, record: bool) -> Vec<Step> {
    std::fs::create_dir_all(root.join("tmp")).unwrap();
    let notes = root.with_extension("log");
    let output = root.with_extension("output");
    let out = std::fs::File::create(&output).unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "child", "--nocapture"])
        .env("PILLARBOX_CRASH_CHILD", format!("{what} {seed} {steps}"))
        .env("RECORD_ROOT", root)
        .env("LD_PRELOAD", recorder())
        .env("SQLITE_TMPDIR", root.join("tmp"))
        .stderr(out.try_clone().unwrap())
        .stdout(out);
    if record {
        command.env("RECORD_LOG", &notes);
    }
    let child = {
        let _none_is_open = STORES.write().unwrap();
        command.spawn().unwrap()
    };
    let succeeded = wait(child);
    let said = std::fs::read_to_string(&output).unwrap();
    assert!(
        succeeded,
        "the child {what} with seed {seed} failed or took more than 15 minutes:\n{said}"
    );
    if record {
        log::read(&notes)
    } else {
        Vec::new()
    }
}

fn wait(mut child: Child) -> bool {
    let deadline = Instant::now() + Duration::from_secs(900);
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.success();
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
            child.wait().unwrap();
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
