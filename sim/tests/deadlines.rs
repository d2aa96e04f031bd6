//! When a session gives up, as a table: by the default limits and simulated time, to the second, and never a moment before.

use pillarbox_core::now::Tick;
use pillarbox_core::session::{Bye, CloseReason};
use pillarbox_sim::{Chunking, Host, Options};

/// What the client does: lines sent, seconds that pass, or no more reading.
enum Do {
    Send(&'static [u8]),
    Wait(u64),
    StopReading,
}
use Do::{Send, StopReading, Wait};

/// What comes of silence.
struct Row {
    state: &'static str,
    before: &'static [Do],
    /// Seconds of silence from there on, until this is said, and why the session then ends, if it does.
    events: &'static [(u64, &'static str, Option<CloseReason>)],
}

const LOGIN: Do = Send(b"l LOGIN tim pw\r\n");
const STILL: &str = "* OK Still here\r\n";
const IDLE_END: (u64, &str, Option<CloseReason>) = (
    2100,
    "* BYE Idle for too long\r\n",
    Some(CloseReason::IdleTimeout),
);
const NO_LOGIN: &str = "* BYE Not signed in in time\r\n";
const LATE: Option<CloseReason> = Some(CloseReason::LoginTimeout);

const TABLE: &[Row] = &[
    Row {
        state: "greeted: a minute to the first valid command",
        before: &[],
        events: &[(60, NO_LOGIN, LATE)],
    },
    Row {
        state: "a BAD is no valid command",
        before: &[Wait(50), Send(b"a XYZZY\r\n")],
        events: &[(10, NO_LOGIN, LATE)],
    },
    Row {
        state: "half a command is none",
        before: &[Wait(50), Send(b"a NOO")],
        events: &[(10, NO_LOGIN, LATE)],
    },
    Row {
        state: "three minutes to the login, whatever else is said",
        before: &[
            Wait(50),
            Send(b"a NOOP\r\n"),
            Wait(100),
            Send(b"b NOOP\r\n"),
        ],
        events: &[(30, NO_LOGIN, LATE)],
    },
    Row {
        state: "a failed login does not help",
        before: &[Wait(50), Send(b"a LOGIN x y\r\n")],
        events: &[(130, NO_LOGIN, LATE)],
    },
    Row {
        state: "an AUTHENTICATE that is not gone on with",
        before: &[
            Send(b"a NOOP\r\n"),
            Wait(20),
            Send(b"b AUTHENTICATE PLAIN\r\n"),
        ],
        events: &[(160, NO_LOGIN, LATE)],
    },
    Row {
        state: "a literal before login that does not come",
        before: &[
            Send(b"a NOOP\r\n"),
            Send(b"b LOGIN {3}\r\n"),
            Wait(100),
            Send(b"ti"),
        ],
        events: &[(80, NO_LOGIN, LATE)],
    },
    Row {
        state: "signed in: 35 minutes, 30 being the least allowed (RFC 9051 §5.4)",
        before: &[LOGIN],
        events: &[IDLE_END],
    },
    Row {
        state: "each command begins them anew, a BAD too",
        before: &[
            LOGIN,
            Wait(2000),
            Send(b"a NOOP\r\n"),
            Wait(2000),
            Send(b"b XYZZY\r\n"),
        ],
        events: &[IDLE_END],
    },
    Row {
        state: "half a command does not",
        before: &[LOGIN, Wait(2000), Send(b"a NOO")],
        events: &[(100, IDLE_END.1, IDLE_END.2)],
    },
    Row {
        state: "a mailbox is selected",
        before: &[LOGIN, Send(b"a SELECT INBOX\r\n")],
        events: &[IDLE_END],
    },
    Row {
        state: "IDLE: a word every ten minutes, and no more than 35 (RFC 2177)",
        before: &[LOGIN, Wait(2000), Send(b"a IDLE\r\n")],
        events: &[
            (600, STILL, None),
            (600, STILL, None),
            (600, STILL, None),
            (300, IDLE_END.1, IDLE_END.2),
        ],
    },
    Row {
        state: "IDLE ends: the words too",
        before: &[LOGIN, Send(b"a IDLE\r\n"), Wait(500), Send(b"DONE\r\n")],
        events: &[IDLE_END],
    },
    Row {
        state: "a message that was asked for does not come",
        before: &[LOGIN, Wait(1000), Send(b"a APPEND INBOX {10}\r\n")],
        events: &[IDLE_END],
    },
    Row {
        state: "a message stops in the middle",
        before: &[
            LOGIN,
            Send(b"a APPEND INBOX {10+}\r\nxx"),
            Wait(2000),
            Send(b"xx"),
        ],
        events: &[IDLE_END],
    },
    Row {
        state: "behind a message nothing comes",
        before: &[LOGIN, Send(b"a APPEND INBOX {2+}\r\n\r\n")],
        events: &[IDLE_END],
    },
    Row {
        state: "a refused literal is not sent to its end",
        before: &[LOGIN, Send(b"a APPEND Nowhere {10+}\r\nxx")],
        events: &[IDLE_END],
    },
    Row {
        state: "answers are not read: five minutes",
        before: &[LOGIN, StopReading, Send(b"a NOOP\r\n")],
        events: &[(300, "", Some(CloseReason::WriteStall))],
    },
    Row {
        state: "further commands do not help",
        before: &[
            LOGIN,
            StopReading,
            Send(b"a NOOP\r\n"),
            Wait(200),
            Send(b"b NOOP\r\n"),
        ],
        events: &[(100, "", Some(CloseReason::WriteStall))],
    },
    Row {
        state: "the word of IDLE is not read",
        before: &[LOGIN, Send(b"a IDLE\r\n"), StopReading],
        events: &[(600, "", None), (300, "", Some(CloseReason::WriteStall))],
    },
    Row {
        state: "the greeting is not read",
        before: &[StopReading],
        events: &[(60, "", LATE)],
    },
];

/// All that was said, and whether reading was stopped on the way.
fn play(row: &Row) -> Host {
    let mut host = Host::new(&Options::default());
    if !matches!(row.before.first(), Some(StopReading)) {
        host.take_output("A");
    }
    for what in row.before {
        match what {
            Send(octets) => drop(host.send("A", octets, Chunking::Whole)),
            Wait(seconds) => host.advance(*seconds),
            StopReading => {
                host.take_output("A");
                host.stall("A", true);
            }
        }
        assert_eq!(
            host.close_reason("A"),
            None,
            "{}: ended too early",
            row.state
        );
    }
    if !row.before.iter().any(|w| matches!(w, StopReading)) {
        host.take_output("A");
    }
    host
}

#[test]
fn silence_ends_when_it_is_due() {
    for row in TABLE {
        let mut host = play(row);
        let mut passed: u64 = row
            .before
            .iter()
            .map(|w| if let Wait(n) = w { *n } else { 0 })
            .sum();
        for &(seconds, said, reason) in row.events {
            passed += seconds;
            assert_eq!(
                host.deadline("A"),
                Some(Tick(passed * 1000)),
                "{}: the deadline",
                row.state
            );
            host.advance(seconds - 1);
            assert_eq!(
                host.close_reason("A"),
                None,
                "{}: ended too early",
                row.state
            );
            assert!(
                host.take_output("A").is_empty(),
                "{}: something is said too early",
                row.state
            );
            host.advance(1);
            let heard = String::from_utf8_lossy(&host.take_output("A")).into_owned();
            assert_eq!(heard, said, "{}", row.state);
            assert_eq!(host.close_reason("A"), reason, "{}", row.state);
        }
        if row.events.last().is_some_and(|e| e.2.is_some()) {
            assert_eq!(
                host.deadline("A"),
                None,
                "{}: over, and still a deadline",
                row.state
            );
            host.advance(100_000);
            assert!(
                host.take_output("A").is_empty(),
                "{}: speaks after its end",
                row.state
            );
        }
    }
}

#[test]
fn the_server_ends_sessions_between_commands() {
    for (state, begun) in [
        ("greeted", &b""[..]),
        ("signed in", b"l LOGIN tim pw\r\n"),
        ("in IDLE", b"l LOGIN tim pw\r\na IDLE\r\n"),
        ("in AUTHENTICATE", b"a AUTHENTICATE PLAIN\r\n"),
    ] {
        let mut host = Host::new(&Options::default());
        host.send("A", begun, Chunking::Whole);
        host.take_output("A");
        host.shut_down("A", Bye::Shutdown);
        let said = String::from_utf8_lossy(&host.take_output("A")).into_owned();
        assert!(
            said.starts_with("* BYE ") && said.matches("\r\n").count() == 1,
            "{state}: {said}"
        );
        assert_eq!(
            host.close_reason("A"),
            Some(CloseReason::Server(Bye::Shutdown)),
            "{state}"
        );
    }
}

/// A message that is on its way is still stored, and only then comes the end.
#[test]
fn the_server_lets_a_message_finish() {
    let mut host = Host::new(&Options::default());
    let begun = b"l LOGIN tim pw\r\na APPEND INBOX {14+}\r\nSubject";
    host.send("A", begun, Chunking::Whole);
    host.take_output("A");
    host.shut_down("A", Bye::Shutdown);
    assert!(host.take_output("A").is_empty());
    host.send("A", b": x\r\n\r\n\r\nb NOOP\r\n", Chunking::Whole);
    let said = String::from_utf8_lossy(&host.take_output("A")).into_owned();
    assert!(
        said.starts_with("a OK ") && said.contains("\r\n* BYE ") && !said.contains("b OK"),
        "{said}"
    );
    assert_eq!(
        host.close_reason("A"),
        Some(CloseReason::Server(Bye::Shutdown))
    );
}
