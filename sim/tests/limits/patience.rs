//! How long and how often: errors, failed logins, silence, and clients that do not read.

use pillarbox_core::limits::Limits;
use pillarbox_core::session::{Bye, CloseReason};
use pillarbox_sim::Chunking;

use crate::talk::{Talk, both_ways};

pub(crate) fn bad_before_login() {
    both_ways(
        || Talk::new(|l| l.bad_before_login = 4),
        |mut talk| {
            for _ in 0..3 {
                talk.says("a XYZZY", "a BAD");
            }
            talk.lives();
            for _ in 0..3 {
                talk.says("a XYZZY", "a BAD");
            }
            let said = talk.ask("a XYZZY\r\nb NOOP");
            assert!(
                said.starts_with("a BAD") && said.contains("* BYE") && !said.contains("b OK"),
                "{said}"
            );
            talk.ended(CloseReason::TooManyBad);
        },
    );
}

pub(crate) fn bad() {
    let mut talk = Talk::signed_in(|l| l.bad = 4);
    for _ in 0..3 {
        talk.says("(", "* BAD");
    }
    talk.lives();
    for _ in 0..3 {
        talk.says("a XYZZY", "a BAD");
    }
    let said = talk.ask("a FETCH 1 UID");
    assert!(
        said.starts_with("a BAD") && said.contains("* BYE"),
        "{said}"
    );
    talk.ended(CloseReason::TooManyBad);
}

pub(crate) fn failed_logins() {
    let mut talk = Talk::new(|l| l.failed_logins = 3);
    talk.says("a LOGIN x y", "a NO");
    talk.says("b AUTHENTICATE PLAIN AHRpbQB4", "b NO");
    talk.says("c LOGIN tim pw", "c OK");
    let mut talk = Talk::new(|l| l.failed_logins = 3);
    talk.says("a LOGIN x y", "a NO");
    talk.says("b AUTHENTICATE PLAIN AHRpbQB4", "b NO");
    let said = talk.ask("c LOGIN x y\r\nd LOGIN tim pw");
    assert!(
        said.starts_with("c NO") && said.contains("* BYE") && !said.contains("d OK"),
        "{said}"
    );
    talk.ended(CloseReason::TooManyLogins);
}

pub(crate) fn login_millis() {
    let mut talk = Talk::new(|l| l.login_millis = 100_000);
    talk.says("a NOOP", "a OK");
    talk.host.advance(99);
    talk.lives();
    talk.host.advance(1);
    assert!(talk.ask("b NOOP").starts_with("* BYE"));
    talk.ended(CloseReason::LoginTimeout);
    // One who signed in is let be.
    let mut talk = Talk::signed_in(|l| l.login_millis = 100_000);
    talk.host.advance(200);
    talk.lives();
}

pub(crate) fn first_command_millis() {
    let mut talk = Talk::new(|l| l.first_command_millis = 10_000);
    talk.host.advance(9);
    // What is BAD is no valid command, and half a command is none either.
    talk.says("a XYZZY", "a BAD");
    talk.host.send("A", b"b NO", Chunking::Whole);
    talk.host.advance(1);
    assert!(talk.ask("OP").starts_with("* BYE"));
    talk.ended(CloseReason::LoginTimeout);
    let mut talk = Talk::new(|l| l.first_command_millis = 10_000);
    talk.says("a NOOP", "a OK");
    talk.host.advance(20);
    talk.lives();
}

pub(crate) fn idle_millis() {
    let silent = |mut talk: Talk| {
        talk.host.advance(1799);
        assert_eq!(talk.host.close_reason("A"), None);
        talk.host.advance(1);
        assert!(String::from_utf8_lossy(&talk.host.take_output("A")).contains("* BYE"));
        talk.ended(CloseReason::IdleTimeout);
    };
    let set = |l: &mut Limits| {
        l.idle_millis = 1_800_000;
        l.still_here_millis = 10_000_000;
    };
    silent(Talk::signed_in(set));
    // In IDLE, in the middle of a message, before a literal asked for, in the middle of a command.
    for begun in [
        "a IDLE",
        "a APPEND INBOX {100}",
        "a LIST \"\" {10}",
        "a APPEND INBOX {100+}\r\nSubject",
    ] {
        let mut talk = Talk::signed_in(set);
        talk.host.advance(100);
        talk.says("b NOOP", "b OK");
        talk.ask(begun);
        silent(talk);
    }
    // A client that goes on with its message, however slowly, is let be.
    let mut talk = Talk::signed_in(set);
    talk.says("a APPEND INBOX {10}", "+ ");
    for _ in 0..10 {
        talk.host.advance(1000);
        talk.host.send("A", b"x", Chunking::Whole);
    }
    talk.says("", "a OK");
}

pub(crate) fn still_here_millis() {
    let mut talk = Talk::signed_in(|l| l.still_here_millis = 60_000);
    talk.says("a IDLE", "+ ");
    talk.host.advance(59);
    assert!(talk.host.take_output("A").is_empty());
    talk.host.advance(1);
    assert_eq!(talk.host.take_output("A"), b"* OK Still here\r\n");
    talk.host.advance(60);
    assert_eq!(talk.host.take_output("A"), b"* OK Still here\r\n");
    talk.says("DONE", "a OK");
    talk.host.advance(600);
    assert!(talk.host.take_output("A").is_empty());
    talk.lives();
}

pub(crate) fn write_stall_millis() {
    let mut talk = Talk::signed_in(|l| l.write_stall_millis = 30_000);
    talk.host.stall("A", true);
    talk.host.send("A", b"a NOOP\r\n", Chunking::Whole);
    talk.host.advance(29);
    talk.host.stall("A", false);
    assert_eq!(talk.host.take_output("A"), b"a OK NOOP completed\r\n");
    talk.host.stall("A", true);
    talk.host.send("A", b"b NOOP\r\n", Chunking::Whole);
    talk.host.advance(29);
    assert_eq!(talk.host.close_reason("A"), None);
    talk.host.advance(1);
    talk.ended(CloseReason::WriteStall);
    // Nothing to send is no stall.
    let mut talk = Talk::signed_in(|l| l.write_stall_millis = 30_000);
    talk.host.advance(300);
    talk.lives();
}

pub(crate) fn rest_millis() {
    for begun in [
        "a APPEND INBOX {100+}\r\nSubject",
        "a APPEND INBOX {7+}\r\nSubject",
        "a APPEND INBOX {7+}\r\nSubject {100+}\r\nSubject",
        // Refused, and the rest is dropped as it comes.
        "a APPEND None {100+}\r\nSubject",
    ] {
        let mut talk = Talk::signed_in(|l| l.rest_millis = 5_000);
        talk.host.send("A", begun.as_bytes(), Chunking::Whole);
        talk.host.advance(60);
        talk.host.shut_down("A", Bye::Shutdown);
        talk.host.advance(4);
        // No octet extends it.
        talk.host.send("A", b"x", Chunking::Whole);
        assert_eq!(talk.host.take_output("A"), b"", "{begun}");
        talk.host.advance(1);
        let said = String::from_utf8_lossy(&talk.host.take_output("A")).into_owned();
        assert!(said.starts_with("* BYE ") && said.lines().count() == 1);
        assert_eq!(
            talk.host.close_reason("A"),
            Some(CloseReason::Server(Bye::Shutdown))
        );
        talk.bystander();
    }
    // It is for what comes from the client, and IDLE has none of it.
    let mut talk = Talk::signed_in(|l| l.rest_millis = 5_000);
    talk.says("a IDLE", "+ ");
    talk.host.shut_down("A", Bye::Shutdown);
    assert!(talk.host.take_output("A").starts_with(b"* BYE "));
}

pub(crate) fn output_before_login() {
    unread(Talk::new(|l| l.output_before_login = 500));
}

pub(crate) fn output_high_water() {
    unread(Talk::signed_in(|l| l.output_high_water = 500));
}

/// A client that sends hundreds of commands and reads nothing until then: no more than the bound is queued, and nothing is lost.
fn unread(mut talk: Talk) {
    const ANSWERS: usize = 500;
    talk.host.stall("A", true);
    let flood: String = (0..ANSWERS).map(|n| format!("f{n} NOOP\r\n")).collect();
    talk.host.send("A", flood.as_bytes(), Chunking::Whole);
    let queued = talk.host.queued("A");
    assert!((500..600).contains(&queued), "{queued} octets are queued");
    talk.bystander();
    talk.host.stall("A", false);
    let said = String::from_utf8_lossy(&talk.host.take_output("A")).into_owned();
    let tags: Vec<&str> = said.lines().filter_map(|l| l.split(' ').next()).collect();
    assert_eq!(
        tags,
        (0..ANSWERS).map(|n| format!("f{n}")).collect::<Vec<_>>()
    );
}
