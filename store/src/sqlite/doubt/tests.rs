//! Who meets what may be damage is not held while all of the index is looked at.

use std::process::Command;

use super::*;

fn corrupt() -> rusqlite::Error {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    rusqlite::Error::SqliteFailure(code, None)
}

/// Its log is a pipe: whoever looks at it waits until the test lets them.
#[test]
fn nobody_waits_for_a_look_that_takes_long() {
    let name = format!("pillarbox-doubt-{}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir(&folder).unwrap();
    let (index, log) = (folder.join("index.sqlite"), folder.join("index.sqlite-wal"));
    std::fs::write(&index, [0xff; 4096]).unwrap();
    assert!(Command::new("mkfifo").arg(&log).status().unwrap().success());
    let doubt = Doubt::new(&index).unwrap();
    for _ in 0..20 {
        assert_eq!(doubt.judge(corrupt()).kind, ErrorKind::Unavailable);
    }
    // What is read of a pipe is an error: that look tells nothing, and the next one does.
    let pipe = File::options().write(true).open(&log).unwrap();
    std::fs::remove_file(&log).unwrap();
    drop(pipe);
    let mut state = lock(&doubt.look.state);
    while state.running {
        state = doubt.look.ended.wait(state).unwrap();
    }
    assert_eq!(state.looked.take().map(|l| l.1), Some(false));
    drop(state);
    let end = Instant::now() + Duration::from_secs(30);
    while doubt.judge(corrupt()).kind != ErrorKind::Corruption {
        assert!(Instant::now() < end, "damage is not told");
        std::thread::yield_now();
    }
    drop(doubt);
    std::fs::remove_dir_all(&folder).unwrap();
}

/// What was called damage before somebody looked.
#[test]
fn an_index_that_is_well_is_not_told_to_be_damaged() {
    let name = format!("pillarbox-doubt-well-{}", std::process::id());
    let index = std::env::temp_dir().join(name);
    let made = Connection::open(&index).unwrap();
    made.execute_batch("CREATE TABLE t (n INTEGER)").unwrap();
    let doubt = Doubt::new(&index).unwrap();
    let told = doubt.review(failed(corrupt()));
    assert_eq!(told.kind, ErrorKind::Unavailable, "{told}");
    drop(made);
    drop(doubt);
    std::fs::remove_file(&index).unwrap();
}
