//! What the recorder noted, as a list.

use std::path::{Path, PathBuf};

use bytes::{Buf, Bytes};

/// One thing that a process did.
#[derive(Clone, Debug)]
pub enum Step {
    Open(i32, i64, PathBuf),
    Close(i32),
    Write(i32, u64, Bytes),
    Length(i32, u64),
    /// Whether it succeeded.
    Sync(i32, bool),
    Rename(PathBuf, PathBuf),
    Unlink(PathBuf),
    MakeDir(PathBuf),
    RemoveDir(PathBuf),
}

/// Every step, in the order in which they happened.
pub fn read(path: &Path) -> Vec<Step> {
    let mut octets = Bytes::from(std::fs::read(path).unwrap());
    let mut steps = Vec::new();
    while octets.has_remaining() {
        let (kind, fd) = (octets.get_u32_ne(), octets.get_i32_ne());
        let (value, len) = (octets.get_i64_ne(), octets.get_u64_ne());
        // A killed process leaves half a note at the end.
        if octets.remaining() < len as usize {
            break;
        }
        steps.push(step(kind, fd, value, octets.split_to(len as usize)));
    }
    steps
}

fn step(kind: u32, fd: i32, value: i64, octets: Bytes) -> Step {
    let text = || std::str::from_utf8(&octets).unwrap();
    match kind {
        1 => Step::Open(fd, value, text().into()),
        2 => Step::Close(fd),
        3 => Step::Write(fd, value.cast_unsigned(), octets),
        4 => Step::Length(fd, value.cast_unsigned()),
        5 => Step::Sync(fd, value == 0),
        6 => {
            let (from, to) = text().split_once('\n').unwrap();
            Step::Rename(from.into(), to.into())
        }
        7 => Step::Unlink(text().into()),
        8 => Step::MakeDir(text().into()),
        9 => Step::RemoveDir(text().into()),
        _ => panic!("the recorder has no note of kind {kind}"),
    }
}
