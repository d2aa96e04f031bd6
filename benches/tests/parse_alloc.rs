//! Commands without lists and strings are parsed without asking for memory.

use bytes::{Bytes, BytesMut};
use pillarbox_benches::alloc::{Counting, calls};
use pillarbox_benches::commands::{PLAIN, frames};
use pillarbox_benches::parse::parse;
use pillarbox_core::limits::Limits;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// As the framer hands it over: part of a buffer that is shared already.
fn frame(line: &str) -> Bytes {
    let mut buffer = BytesMut::from(format!("{line}\r\n").as_bytes());
    buffer.split_to(line.len()).freeze()
}

#[test]
fn plain_commands_do_not_allocate() {
    let limits = Limits::default();
    for line in PLAIN {
        let frame = frame(line);
        let (calls, parsed) = calls(|| parse(&frame, &limits));
        assert!(parsed.is_some(), "{line} was not understood");
        assert_eq!(calls, 0, "{line} allocated");
    }
}

#[test]
fn the_counter_counts() {
    let limits = Limits::default();
    let frames = frames();
    let (calls, parsed) = calls(|| frames.iter().filter_map(|f| parse(f, &limits)).count());
    assert_eq!(parsed, frames.len());
    assert!(calls > 0, "lists need memory");
}
