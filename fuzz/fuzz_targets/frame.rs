//! The framer, cut in any way, hands out what a slow reader of the whole input hands out, and no octet is lost or read twice. The input: three
//! bounds, what becomes of messages, and what a client sends.
#![no_main]

extern crate alloc;

use libfuzzer_sys::fuzz_target;
use pillarbox_core::{limits, parse};

use wire::{announce, frame, taken};

#[path = "../../core/src/wire/slow.rs"]
mod slow;
#[allow(dead_code)]
#[path = "../../core/src/wire/mod.rs"]
mod wire;

fuzz_target!(|input: &[u8]| {
    if let Some((&[line, command, swallow, choices], octets)) = input.split_first_chunk() {
        slow::compare(octets, slow::bounds(line, command, swallow), choices);
    }
});
