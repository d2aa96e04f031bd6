//! Parsing never panics, and does not depend on where in a buffer the frame lies.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use pillarbox_core::limits::Limits;
use pillarbox_core::parse::{
    Context, parse_append_head, parse_append_next, parse_command, parse_tag,
};

fuzz_target!(|frame: &[u8]| {
    let limits = Limits::default();
    let Some((_, rest)) = parse_tag(frame, &limits) else {
        return;
    };
    for authenticated in [false, true] {
        let cx = Context {
            limits: &limits,
            authenticated,
        };
        let here = parse_command(&Bytes::copy_from_slice(rest), 0, &cx);
        let within = Bytes::copy_from_slice(&[b"xyz", rest].concat()).slice(3..);
        let there = parse_command(&Bytes::from([b"xyz", rest].concat()), 3, &cx);
        assert_eq!(format!("{here:?}"), format!("{there:?}"));
        let _ = parse_append_head(&within, false, &cx);
        let _ = parse_append_next(&within, Some(true), &cx);
    }
});
