//! Parsing never panics, does not depend on where in a buffer the frame lies, and reads what is printed as what it was read from.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use pillarbox_core::ast::Command;
use pillarbox_core::limits::Limits;
use pillarbox_core::parse::{
    Context, ParseErrorKind, parse_append_end, parse_append_head, parse_append_next, parse_command,
    parse_tag,
};
use pillarbox_fuzz::print::print;

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
        if let (Ok(command), true) = (&here, authenticated) {
            again(command, &cx);
        }
        let _ = parse_append_head(&within, &cx);
        let _ = parse_append_next(&within, &cx);
        let _ = parse_append_end(&within, &cx);
    }
});

fn again(command: &Command, cx: &Context) {
    let Some(printed) = print(command) else {
        return;
    };
    match parse_command(&Bytes::from(printed.clone()), 0, cx) {
        // Literals and parentheses are more words.
        Err(e) if e.kind == ParseErrorKind::TooManyTokens => {}
        read => assert_eq!(
            without_spelling(&format!("{read:?}")),
            without_spelling(&format!("Ok({command:?})")),
            "{}",
            String::from_utf8_lossy(&printed)
        ),
    }
}

/// Header fields named by atoms are kept in another form than those named by strings.
fn without_spelling(debug: &str) -> String {
    match debug.find("FieldNames") {
        Some(at) => debug[..at].to_owned(),
        None => debug.to_owned(),
    }
}
