//! Every bound of a session, at, under and over it: what breaks one gets the answer it is due, and the session goes on or ends as it should;
//! another session of the same host never notices.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use pillarbox_core::effect::Effect;
use pillarbox_core::limits::Limits;
use pillarbox_core::session::CloseReason;
use pillarbox_sim::{Chunking, Host, Options};

/// A field of `Limits` and its case.
type Case = (&'static str, fn());

const CASES: &[Case] = &[
    ("line_before_login", line_before_login),
    ("line", line),
    ("command_before_login", command_before_login),
    ("command", command),
    ("skip", skip),
    ("literal_minus", literal_minus),
    ("append", append),
    ("tokens_before_login", tokens_before_login),
    ("tokens", tokens),
    ("depth_before_login", depth_before_login),
    ("search_depth", search_depth),
    ("search_texts", search_texts),
    ("search_header", search_header),
    ("tag", tag),
    ("sasl", sasl),
    ("bad_before_login", bad_before_login),
    ("bad", bad),
    ("failed_logins", failed_logins),
    ("login_millis", login_millis),
    ("first_command_millis", first_command_millis),
    ("idle_millis", idle_millis),
    ("still_here_millis", still_here_millis),
    ("write_stall_millis", write_stall_millis),
    ("output_before_login", output_before_login),
    ("output_high_water", output_high_water),
    ("mailbox_name", mailbox_name),
    ("mailbox_depth", mailbox_depth),
    ("id_pairs", id_pairs),
    ("id_field", id_field),
    ("id_value", id_value),
    ("append_messages", append_messages),
    ("list_patterns", list_patterns),
    ("list_octets", list_octets),
    ("status_page", status_page),
    ("changes_page", changes_page),
    ("ranges_page", ranges_page),
    ("fetch_page", fetch_page),
    ("inline_body", inline_body),
    ("body_window", body_window),
    ("store_window", store_window),
    ("move_window", move_window),
    ("section_depth", section_depth),
];

/// Bounds of a transport, which these sessions have none of: each has its case in driver/tests/connection/limits.rs.
const TRANSPORT: &[&str] = &[
    "handshake_millis",
    "leave_millis",
    "linger_millis",
    "linger",
];

#[test]
fn every_field_of_limits_has_a_case() {
    // `Limits` may grow, so it cannot be taken apart here; its debug form names every field.
    let printed = format!("{:?}", Limits::default());
    let fields: BTreeSet<&str> = printed
        .split_once("{ ")
        .map_or("", |(_, rest)| rest)
        .split(", ")
        .filter_map(|field| field.split(": ").next())
        .collect();
    assert!(
        fields.len() > 30,
        "the fields are not read rightly: {fields:?}"
    );
    let cases = CASES.iter().map(|(name, _)| name).chain(TRANSPORT);
    let cases: BTreeSet<&str> = cases.copied().collect();
    let transport = include_str!("../../driver/tests/connection/limits.rs");
    for name in TRANSPORT {
        let case = format!("#[test]\nfn {name}() {{");
        assert!(transport.contains(&case), "{name} has no case");
    }
    assert_eq!(
        fields, cases,
        "a field of Limits without a case, or a case without a field"
    );
    for (name, case) in CASES {
        println!("{name}");
        case();
    }
}

/// A host with these bounds, a bystander signed in as `B`, and `A` greeted.
struct Talk {
    host: Host,
    chunking: Chunking,
}

impl Talk {
    fn new(set: impl FnOnce(&mut Limits)) -> Self {
        let mut options = Options::default();
        set(&mut options.limits);
        let mut talk = Self {
            host: Host::new(&options),
            chunking: Chunking::Whole,
        };
        talk.host.take_output("A");
        talk
    }

    fn signed_in(set: impl FnOnce(&mut Limits)) -> Self {
        let mut talk = Self::new(set);
        talk.says("l LOGIN tim pw", "l OK");
        talk
    }

    fn selected(set: impl FnOnce(&mut Limits), messages: usize) -> Self {
        let mut talk = Self::signed_in(set);
        for n in 0..messages {
            let message = format!("Subject: {n}\r\n\r\n{}\r\n", "x".repeat(100));
            talk.says(
                &format!("p APPEND INBOX {{{}+}}\r\n{message}", message.len()),
                "p OK",
            );
        }
        let answer = talk.ask("s SELECT INBOX");
        assert!(answer.contains("s OK"), "{answer}");
        talk
    }

    fn ask(&mut self, line: &str) -> String {
        let octets = format!("{line}\r\n");
        self.host.send("A", octets.as_bytes(), self.chunking);
        String::from_utf8_lossy(&self.host.take_output("A")).into_owned()
    }

    /// The answer begins so.
    fn says(&mut self, line: &str, answer: &str) {
        let said = self.ask(line);
        let shown: String = line.chars().take(80).collect();
        assert!(
            said.starts_with(answer),
            "to {shown:?}: {said:?}, not {answer:?}"
        );
    }

    /// The session lives, and answers in step.
    fn lives(&mut self) {
        self.says("alive NOOP", "alive OK");
        assert_eq!(self.host.close_reason("A"), None);
    }

    fn ended(&mut self, reason: CloseReason) {
        assert_eq!(self.host.close_reason("A"), Some(reason));
        self.bystander();
    }

    /// Another session of this host is served.
    fn bystander(&mut self) {
        self.host.send("B", b"a NOOP\r\n", Chunking::Whole);
        let said = String::from_utf8_lossy(&self.host.take_output("B")).into_owned();
        assert!(said.contains("a OK"), "the other session: {said:?}");
    }
}

/// Runs a case with octets in one piece and one by one.
fn both_ways(make: impl Fn() -> Talk, case: impl Fn(Talk)) {
    for chunking in [Chunking::Whole, Chunking::Octets, Chunking::AtCrLf] {
        let mut talk = make();
        talk.chunking = chunking;
        case(talk);
    }
}

/// `start`, filled up to `size` octets.
fn filled(start: &str, size: usize) -> String {
    format!("{start}{}", "x".repeat(size - start.len()))
}

fn line_before_login() {
    both_ways(
        || Talk::new(|l| l.line_before_login = 100),
        |mut talk| {
            talk.says(&filled("a LOGIN u ", 99), "a NO [AUTHENTICATIONFAILED]");
            talk.says(&filled("b LOGIN u ", 100), "b NO [AUTHENTICATIONFAILED]");
            talk.says(&filled("c LOGIN u ", 101), "c BAD [TOOBIG]");
            talk.lives();
            talk.says(&filled("d LOGIN u ", 5000), "d BAD [TOOBIG]");
            talk.lives();
            talk.bystander();
        },
    );
}

fn line() {
    both_ways(
        || Talk::signed_in(|l| l.line = 100),
        |mut talk| {
            talk.says(&filled("a LIST \"\" ", 99), "a OK");
            talk.says(&filled("b LIST \"\" ", 100), "b OK");
            talk.says(&filled("c LIST \"\" ", 101), "c BAD [TOOBIG]");
            talk.lives();
            // A literal behind a line too long is swallowed, not run.
            talk.says(
                &format!("{} {{10+}}\r\nz LOGOUT\r\n", filled("d LIST \"\" ", 200)),
                "d BAD [TOOBIG]",
            );
            talk.lives();
            talk.bystander();
        },
    );
}

/// A LOGIN whose octets, its last CRLF left out, are `size`.
fn login_of(size: usize) -> String {
    let head = "a LOGIN {3+}\r\nxyz ";
    filled(head, size)
}

fn command_before_login() {
    let set = |l: &mut Limits| {
        l.command_before_login = 150;
        l.failed_logins = 9;
    };
    both_ways(
        || Talk::new(set),
        |mut talk| {
            talk.says(&login_of(149), "a NO [AUTHENTICATIONFAILED]");
            talk.says(&login_of(150), "a NO [AUTHENTICATIONFAILED]");
            talk.says(&login_of(151), "a BAD [TOOBIG]");
            talk.lives();
            talk.says("b LOGIN {200}", "b BAD [TOOBIG]");
            talk.lives();
            talk.says(
                &format!("c LOGIN {{200+}}\r\n{} pw", "x".repeat(200)),
                "c BAD [TOOBIG]",
            );
            talk.lives();
            talk.bystander();
        },
    );
}

fn command() {
    both_ways(
        || Talk::signed_in(|l| l.command = 300),
        |mut talk| {
            let list = |size: usize| filled("a LIST \"\" ({1+}\r\nx ", size - 1) + ")";
            talk.says(&list(299), "a OK");
            talk.says(&list(300), "a OK");
            talk.says(&list(301), "a BAD [TOOBIG]");
            talk.lives();
            talk.says("b LIST \"\" {400}", "b BAD [TOOBIG]");
            talk.lives();
            // Many small literals count together.
            let many: String = (0..100).map(|_| " {1+}\r\nx").collect();
            talk.says(&format!("c SEARCH OR{many}"), "c BAD [TOOBIG]");
            talk.lives();
            talk.bystander();
        },
    );
}

fn skip() {
    let set = |l: &mut Limits| {
        l.line_before_login = 100;
        l.skip = 1000;
    };
    both_ways(
        || Talk::new(set),
        |mut talk| {
            // CR and LF are skipped with the line.
            talk.says(&filled("a LOGIN u ", 997), "a BAD [TOOBIG]");
            talk.lives();
            talk.says(&filled("b LOGIN u ", 998), "b BAD [TOOBIG]");
            talk.lives();
            let said = talk.ask(&filled("c LOGIN u ", 999));
            assert!(
                said.contains("c BAD [TOOBIG]") && said.contains("* BYE [TOOBIG]"),
                "{said}"
            );
            talk.ended(CloseReason::TooBig);
        },
    );
}

fn literal_minus() {
    both_ways(
        || Talk::new(|l| l.literal_minus = 50),
        |mut talk| {
            talk.says(
                &format!("a LOGIN {{49+}}\r\n{} x", "x".repeat(49)),
                "a NO [AUTHENTICATIONFAILED]",
            );
            talk.says(
                &format!("b LOGIN {{50+}}\r\n{} x", "x".repeat(50)),
                "b NO [AUTHENTICATIONFAILED]",
            );
            // A synchronising one is another matter.
            talk.says("c LOGIN {51}", "+ ");
            talk.says(
                &format!("{} x", "x".repeat(51)),
                "c NO [AUTHENTICATIONFAILED]",
            );
        },
    );
    both_ways(
        || Talk::new(|l| l.literal_minus = 50),
        |mut talk| {
            let said = talk.ask(&format!("a LOGIN {{51+}}\r\n{} x", "x".repeat(51)));
            assert!(
                said.starts_with("a BAD [TOOBIG]") && said.contains("* BYE [TOOBIG]"),
                "{said}"
            );
            assert_eq!(
                said.matches("\r\n").count(),
                2,
                "its octets were run: {said}"
            );
            talk.ended(CloseReason::TooBig);
        },
    );
}

fn append() {
    append_refused();
    let message = |n: usize| filled("Subject: x\r\n\r\n", n);
    both_ways(
        || Talk::signed_in(|l| l.append = 60),
        |mut talk| {
            talk.says(
                &format!("a APPEND INBOX {{59+}}\r\n{}", message(59)),
                "a OK",
            );
            talk.says(
                &format!("b APPEND INBOX {{60+}}\r\n{}", message(60)),
                "b OK",
            );
            talk.says("c APPEND INBOX {60}", "+ ");
            talk.says(&message(60), "c OK");
            talk.says("d APPEND INBOX {61}", "d NO [TOOBIG]");
            talk.lives();
            talk.says(
                "e STATUS INBOX (MESSAGES)",
                "* STATUS \"INBOX\" (MESSAGES 3)",
            );
            let said = talk.ask(&format!("f APPEND INBOX {{61+}}\r\n{}", message(61)));
            assert!(
                said.starts_with("f NO [TOOBIG]") && said.contains("* BYE"),
                "{said}"
            );
            talk.ended(CloseReason::TooBig);
        },
    );
}

/// What is refused for another reason is dropped up to the same size, the messages behind it too.
fn append_refused() {
    let message = |n: usize| filled("Subject: x\r\n\r\n", n);
    let (most, more) = (message(60), message(61));
    both_ways(
        || Talk::signed_in(|l| l.append = 60),
        |mut talk| {
            for name in ["none", "&-&"] {
                talk.says(&format!("a APPEND {name} {{60+}}\r\n{most}"), "a NO [");
                let two = format!("b APPEND {name} {{60+}}\r\n{most} {{60+}}\r\n{most}");
                talk.says(&two, "b NO [");
            }
            talk.lives();
            talk.bystander();
            let said = talk.ask(&format!(
                "c APPEND none {{60+}}\r\n{most} {{61+}}\r\n{more}"
            ));
            assert!(said.starts_with("* BYE [TOOBIG]"), "{said}");
            talk.ended(CloseReason::TooBig);
        },
    );
}

fn tokens_before_login() {
    // A user name and a password are two.
    let mut talk = Talk::new(|l| l.tokens_before_login = 3);
    talk.says("a LOGIN u p", "a NO");
    let mut talk = Talk::new(|l| l.tokens_before_login = 2);
    talk.says("a LOGIN u p", "a NO");
    let mut talk = Talk::new(|l| l.tokens_before_login = 1);
    talk.says("a LOGIN u p", "a BAD [LIMIT]");
    talk.lives();
    talk.bystander();
}

fn tokens() {
    let items = |n: usize| vec!["MESSAGES"; n].join(" ");
    let mut talk = Talk::signed_in(|l| l.tokens = 20);
    // The name and the parenthesis are two.
    talk.says(&format!("a STATUS INBOX ({})", items(17)), "* STATUS");
    talk.says(&format!("b STATUS INBOX ({})", items(18)), "* STATUS");
    talk.says(&format!("c STATUS INBOX ({})", items(19)), "c BAD [LIMIT]");
    talk.lives();
    talk.bystander();
}

fn nested(depth: usize) -> String {
    format!("a SEARCH {}ALL{}", "(".repeat(depth), ")".repeat(depth))
}

fn depth_before_login() {
    let mut talk = Talk::new(|_| {});
    talk.says(&nested(0), "a BAD Sign in first");
    talk.says(&nested(1), "a BAD Sign in first");
    talk.lives();
    talk.says(&nested(2), "a BAD [LIMIT]");
    talk.lives();
    talk.bystander();
}

fn search_depth() {
    let mut talk = Talk::selected(|l| l.search_depth = 10, 1);
    talk.says(&nested(9), "* SEARCH 1");
    talk.says(&nested(10), "* SEARCH 1");
    talk.says(&nested(11), "a BAD [LIMIT]");
    talk.says(&format!("b SEARCH {}ALL", "NOT ".repeat(10)), "* SEARCH 1");
    talk.says(
        &format!("c SEARCH {}ALL", "NOT ".repeat(11)),
        "c BAD [LIMIT]",
    );
    talk.lives();
    // The default, on an explicit stack.
    let mut talk = Talk::selected(|_| {}, 1);
    talk.says(&nested(500), "* SEARCH 1");
    talk.says(&nested(501), "a BAD [LIMIT]");
    talk.says(&nested(100_000), "a BAD [LIMIT]");
    talk.says(
        &format!("d SEARCH {}ALL", "OR ALL ".repeat(100_000)),
        "d BAD [LIMIT]",
    );
    talk.lives();
    talk.bystander();
}

fn search_texts() {
    let search = |n: usize| format!("a SEARCH{}", " TEXT x".repeat(n));
    let mut talk = Talk::selected(|l| l.search_texts = 3, 1);
    talk.says(&search(2), "* SEARCH 1");
    talk.says(&search(3), "* SEARCH 1");
    talk.says(&search(4), "a BAD [LIMIT]");
    talk.lives();
}

/// What is looked for ends with the last octet that is looked through, or one later, or begins behind it: in the message's header, and in that of a
/// message within it.
fn search_header() {
    let header = "X-Long: 0123456789 end";
    let mail = format!("{header}\r\nX-Next: behind\r\n\r\nthe body of it all\r\n");
    let whole = format!(
        "Content-Type: message/rfc822\r\nX: {}\r\n\r\n{mail}",
        "y".repeat(100)
    );
    for (octets, end) in [
        (header.len() - 1, false),
        (header.len(), true),
        (header.len() + 1, true),
    ] {
        let mut talk = Talk::selected(|l| l.search_header = octets as u64, 0);
        for mail in [&mail, &whole] {
            let literal = format!("p APPEND INBOX {{{}+}}\r\n{mail}", mail.len());
            assert!(talk.ask(&literal).contains("p OK"));
        }
        let found = |is: bool, uids: &'static str| if is { uids } else { "" };
        for (key, uids) in [
            ("HEADER X-Long end", found(end, " 1")),
            ("HEADER X-Next behind", ""),
            ("TEXT \"6789 en\"", " 1 2"),
            ("TEXT \"6789 end\"", found(end, " 1 2")),
            ("TEXT behind", ""),
            ("BODY \"it all\"", " 1 2"),
        ] {
            let answer = format!("* SEARCH{uids}\r\n");
            talk.says(&format!("s UID SEARCH {key}"), &answer);
        }
        talk.lives();
    }
}

fn tag() {
    both_ways(
        || Talk::new(|l| l.tag = 10),
        |mut talk| {
            talk.says(&format!("{} NOOP", "t".repeat(9)), "ttttttttt OK");
            talk.says(&format!("{} NOOP", "t".repeat(10)), "tttttttttt OK");
            talk.says(&format!("{} NOOP", "t".repeat(11)), "* BAD");
            talk.lives();
            talk.says(&format!("{} NOOP", "t".repeat(10_000)), "* BAD");
            talk.lives();
            talk.bystander();
        },
    );
}

fn sasl() {
    sasl_line();
    // Base64 of NUL, `tim`, NUL, and x as often as it takes.
    let response = |size: usize| format!("AHRpbQB4{}", "eHh4".repeat((size - 8) / 4));
    both_ways(
        || Talk::new(|l| l.sasl = 40),
        |mut talk| {
            talk.says(
                &format!("a AUTHENTICATE PLAIN {}", response(40)),
                "a NO [AUTHENTICATIONFAILED]",
            );
            talk.says(
                &format!("b AUTHENTICATE PLAIN {}", response(44)),
                "b BAD [TOOBIG]",
            );
            talk.lives();
            talk.says("c AUTHENTICATE PLAIN", "+ ");
            talk.says(&response(36), "c NO [AUTHENTICATIONFAILED]");
            talk.says("d AUTHENTICATE PLAIN", "+ ");
            talk.says(&response(44), "d BAD [TOOBIG]");
            talk.lives();
            talk.bystander();
            talk.says("e AUTHENTICATE PLAIN", "+ ");
            talk.says(&response(40), "e NO [AUTHENTICATIONFAILED]");
        },
    );
}

/// A response that is no line any more is refused as well, and one that is longer than is skipped ends the session.
fn sasl_line() {
    let set = |l: &mut Limits| {
        l.line_before_login = 100;
        l.skip = 1000;
    };
    both_ways(
        || Talk::new(set),
        |mut talk| {
            talk.says("a AUTHENTICATE PLAIN", "+ ");
            talk.says(&"x".repeat(101), "a BAD [TOOBIG]");
            talk.lives();
            talk.says("b AUTHENTICATE PLAIN", "+ ");
            let said = talk.ask(&"x".repeat(1001));
            let lines: Vec<_> = said.lines().collect();
            assert!(
                matches!(lines[..], [bad, bye] if bad.starts_with("b BAD [TOOBIG]") && bye.starts_with("* BYE")),
                "{said}"
            );
            talk.ended(CloseReason::TooBig);
        },
    );
}

fn bad_before_login() {
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

fn bad() {
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

fn failed_logins() {
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

fn login_millis() {
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

fn first_command_millis() {
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

fn idle_millis() {
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

fn still_here_millis() {
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

fn write_stall_millis() {
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

fn output_before_login() {
    unread(Talk::new(|l| l.output_before_login = 500));
}

fn output_high_water() {
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

fn mailbox_name() {
    let mut talk = Talk::signed_in(|l| l.mailbox_name = 20);
    for verb in ["CREATE", "SUBSCRIBE", "DELETE"] {
        talk.says(&format!("a {verb} {}", "x".repeat(19)), "a OK");
        talk.says(&format!("b {verb} {}", "x".repeat(20)), "b OK");
        talk.says(&format!("c {verb} {}", "x".repeat(21)), "c NO [CANNOT]");
    }
    // What a name can have at all.
    let mut talk = Talk::signed_in(|_| {});
    talk.says(&format!("a CREATE {}", "x".repeat(1000)), "a OK");
    talk.says(&format!("b CREATE {}", "x".repeat(1001)), "b NO [CANNOT]");
    talk.says(&format!("c LIST \"\" {}", "x".repeat(1024)), "c OK");
    // What is longer is ignored (RFC 9051 §6.3.9).
    let pattern = |n: usize| format!("{}%", "x".repeat(n));
    talk.says(&format!("d LIST \"\" {}", pattern(999)), "* LIST ");
    talk.says(&format!("e LIST \"\" (INBOX {})", pattern(1023)), "* LIST ");
    talk.says(&format!("f LIST \"\" (INBOX {})", pattern(1024)), "* LIST ");
    talk.says(&format!("g LIST \"\" {}", pattern(1024)), "g OK");
    talk.lives();
    talk.bystander();
}

fn mailbox_depth() {
    let deep = |n: usize| vec!["x"; n].join("/");
    let mut talk = Talk::signed_in(|l| l.mailbox_depth = 5);
    talk.says(&format!("a CREATE {}", deep(4)), "a OK");
    talk.says(&format!("b CREATE {}", deep(5)), "b OK");
    talk.says(&format!("c CREATE {}", deep(6)), "c NO [CANNOT]");
    talk.says(
        &format!("d RENAME {} {}", deep(5), deep(7)),
        "d NO [CANNOT]",
    );
    let mut talk = Talk::signed_in(|_| {});
    talk.says(&format!("a CREATE {}", deep(64)), "a OK");
    talk.says(&format!("b CREATE {}", deep(65)), "b NO [CANNOT]");
    talk.lives();
    talk.bystander();
}

fn id(pairs: usize, field: usize, value: usize) -> String {
    let pair = |n: usize| format!("\"{n:0>field$}\" \"{}\"", "v".repeat(value));
    let pairs: Vec<String> = (0..pairs).map(pair).collect();
    format!("a ID ({})", pairs.join(" "))
}

fn id_pairs() {
    let mut talk = Talk::new(|l| l.id_pairs = 5);
    talk.says(&id(4, 1, 1), "* ID");
    talk.says(&id(5, 1, 1), "* ID");
    talk.says(&id(6, 1, 1), "a BAD");
    talk.lives();
    let mut talk = Talk::new(|_| {});
    talk.says(&id(30, 5, 5), "* ID");
    talk.says(&id(31, 5, 5), "a BAD");
    talk.says(&id(3000, 5, 1), "a BAD");
    talk.lives();
    talk.bystander();
}

fn id_field() {
    let mut talk = Talk::new(|l| l.id_field = 8);
    talk.says(&id(1, 7, 1), "* ID");
    talk.says(&id(1, 8, 1), "* ID");
    talk.says(&id(1, 9, 1), "a BAD");
    talk.lives();
}

fn id_value() {
    let mut talk = Talk::new(|l| l.id_value = 8);
    talk.says(&id(1, 1, 7), "* ID");
    talk.says(&id(1, 1, 8), "* ID");
    talk.says(&id(1, 1, 9), "a BAD");
    talk.says("a ID (\"x\" NIL)", "* ID");
    talk.lives();
}

fn append_messages() {
    let append = |n: usize| {
        let messages = " {14+}\r\nSubject: x\r\n\r\n".repeat(n);
        format!("a APPEND INBOX{messages}")
    };
    both_ways(
        || Talk::signed_in(|l| l.append_messages = 3),
        |mut talk| {
            talk.says(&append(2), "a OK");
            talk.says(&append(3), "a OK");
            talk.says(&append(4), "a NO [LIMIT]");
            talk.says(
                "b STATUS INBOX (MESSAGES)",
                "* STATUS \"INBOX\" (MESSAGES 5)",
            );
            talk.lives();
            talk.bystander();
        },
    );
}

/// The answers are the same whatever the window, and no effect asks for more than it.
fn windowed(
    windows: [usize; 4],
    set: fn(&mut Limits, usize),
    messages: usize,
    commands: &[&str],
    size: fn(&Effect) -> Option<u64>,
) {
    let answers: Vec<String> = windows
        .iter()
        .map(|&window| {
            let mut talk = Talk::selected(|l| set(l, window), messages);
            talk.says("m CREATE Other", "m OK");
            let sizes: Rc<RefCell<Vec<u64>>> = Rc::default();
            let seen = sizes.clone();
            talk.host
                .on_effect(move |effect| seen.borrow_mut().extend(size(effect)));
            let said: String = commands.iter().map(|c| talk.ask(c)).collect();
            let sizes = sizes.borrow();
            assert!(!sizes.is_empty(), "nothing was asked for by {commands:?}");
            assert!(
                sizes.iter().all(|n| *n <= window as u64),
                "{sizes:?} with a window of {window}"
            );
            said
        })
        .collect();
    for said in &answers[1..] {
        assert_eq!(said, &answers[0]);
    }
}

fn list_patterns() {
    let list = |n: usize| format!("a LIST \"\" ({})", vec!["*"; n].join(" "));
    let mut talk = Talk::signed_in(|l| l.list_patterns = 5);
    talk.says(&list(4), "* LIST");
    talk.says(&list(5), "* LIST");
    talk.says(&list(6), "a BAD [LIMIT]");
    talk.lives();
}

/// A pattern has the reference before it, and however many wildcards are one. One that has no room is ignored, those behind it are not.
fn list_octets() {
    let mut talk = Talk::signed_in(|l| l.list_octets = 1030);
    talk.says("c CREATE zzq", "c OK");
    let long = "x".repeat(1000);
    let x = |n: usize| &long[..n];
    for (room, reference, patterns) in [
        (true, "", format!("({long} {} INBOX)", x(24))),
        (true, "", format!("({long} {} INBOX)", x(25))),
        (false, "", format!("({long} {} INBOX)", x(26))),
        (true, "", format!("({long} {} INBOX)", x(31))),
        (true, "", format!("(INBOX {long} {})", x(100))),
        (true, "zz", format!("({} {} q)", x(900), x(123))),
        (false, "zz", format!("({} {} q)", x(900), x(124))),
        (true, "", format!("({long} q{} INBOX)", "%".repeat(1030))),
        (false, "", format!("({long} {} INBOX)", "%x".repeat(13))),
    ] {
        let answer = match room {
            true => "* LIST (",
            false => "a OK LIST completed",
        };
        talk.says(&format!("a LIST \"{reference}\" {patterns}"), answer);
    }
    talk.lives();
}

/// Twelve mailboxes and a name that is none: a page is full, has room for one more, or is one too small; the answer is the same.
fn status_page() {
    let asks = |effect: &Effect| match effect {
        Effect::Status(call) => Some(call.op().names.len() as u64),
        _ => None,
    };
    let names: Vec<String> = (1..12).map(|n| format!("box {n:02}")).collect();
    let made: String = names.iter().fold(String::new(), |all, name| {
        all + &format!("c CREATE \"{name}\"\r\n")
    });
    let told = |window: usize| {
        let mut talk = Talk::selected(|l| l.status_page = window, 2);
        talk.ask(&format!("{made}c SUBSCRIBE \"box 05 gone\""));
        let sizes: Rc<RefCell<Vec<u64>>> = Rc::default();
        let seen = sizes.clone();
        talk.host
            .on_effect(move |effect| seen.borrow_mut().extend(asks(effect)));
        let options = "(SUBSCRIBED REMOTE) \"\" (* \"box 01\") RETURN (STATUS (MESSAGES))";
        let said = talk.ask("a LIST \"\" * RETURN (STATUS (MESSAGES UNSEEN))")
            + &talk.ask(&format!("b LIST {options}"))
            + &talk.ask("c LIST \"\" none RETURN (STATUS (MESSAGES))");
        (said, sizes.take())
    };
    let (said, sizes) = told(100);
    assert_eq!(sizes, [12], "nothing is asked where there is no mailbox");
    let first = "* STATUS \"INBOX\" (MESSAGES 2 UNSEEN 2)";
    assert_eq!(said.lines().nth(1), Some(first), "{said}");
    for (window, asked) in [
        (1, vec![1; 12]),
        (5, vec![5, 5, 2]),
        (11, vec![11, 1]),
        (12, vec![12]),
        (13, vec![12]),
    ] {
        let (again, sizes) = told(window);
        assert_eq!(again, said, "with a window of {window}");
        assert_eq!(sizes, asked, "with a window of {window}");
    }
}

fn changes_page() {
    let commands = [
        "a ENABLE QRESYNC",
        "b STORE 1:4 +FLAGS.SILENT (\\Seen)",
        "c SELECT INBOX (QRESYNC (1700000000 1))",
        "d STORE 2 +FLAGS.SILENT (\\Flagged)",
        "e UID FETCH 1:* (FLAGS) (CHANGEDSINCE 1 VANISHED)",
        "f NOOP",
    ];
    windowed(
        [2000, 1, 2, 5],
        |l, n| l.changes_page = n,
        5,
        &commands,
        |effect| match effect {
            Effect::Changes(call) => Some(call.op().limit as u64),
            _ => None,
        },
    );
}

/// Eight ranges of UIDs are gone: a page has all of them, has room for one more, or is one too small; what the client knows is the same.
fn ranges_page() {
    let told = |enable: &str, page: usize| {
        let mut talk = Talk::selected(|l| l.ranges_page = page, 20);
        let pages: Rc<RefCell<Vec<u32>>> = Rc::default();
        let seen = pages.clone();
        talk.host.on_effect(move |effect| {
            if let Effect::Changes(call) = effect {
                assert_eq!(call.op().ranges, page);
                seen.borrow_mut().push(call.op().from.get());
            }
        });
        let mut said = talk.ask(enable);
        said += &talk.ask("b STORE 1,3,5,7,9,11:15,17,20 +FLAGS.SILENT (\\Deleted)");
        let expunge = pages.borrow().len();
        said += &talk.ask("c EXPUNGE");
        let expunge = pages.borrow()[expunge..].to_vec();
        said += &talk.ask("d UID FETCH 1:* (UID FLAGS)");
        if enable.contains("QRESYNC") {
            said += &talk.ask("e UID FETCH 1:20 (FLAGS) (CHANGEDSINCE 1 VANISHED)");
            said += &talk.ask("f SELECT INBOX (QRESYNC (1700000000 1))");
            said += &talk.ask("g SELECT INBOX (QRESYNC (1700000000 1 3:16))");
            said += &talk.ask("h SELECT INBOX (QRESYNC (1700000000 1 1:20 (1:2 2,4)))");
        }
        (gathered(&said), expunge)
    };
    for enable in ["a ENABLE QRESYNC", "a NOOP"] {
        let (all, pages) = told(enable, 1000);
        assert_eq!(pages, [1], "one page, and no second look");
        if enable.contains("QRESYNC") {
            let gone = |earlier: &str| "* VANISHED".to_owned() + earlier + "1,3,5,7,9,11:15,17,20";
            assert!(all.contains(&gone(" ")), "{all}");
            assert_eq!(all.matches(&gone(" (EARLIER) ")).count(), 2, "{all}");
            assert!(all.contains("* VANISHED (EARLIER) 3,5,7,9,11:15"), "{all}");
            assert!(
                all.contains("* VANISHED (EARLIER) 5,7,9,11:15,17,20"),
                "{all}"
            );
        }
        for (page, wanted) in [
            (1, &[1, 3, 5, 7, 9, 11, 17, 20][..]),
            (7, &[1, 20]),
            (8, &[1]),
            (9, &[1]),
        ] {
            let (said, pages) = told(enable, page);
            assert_eq!(said, all, "{enable}, with {page} in a page");
            assert_eq!(pages, wanted, "{enable}, with {page} in a page");
        }
    }
}

/// What was said, each run of VANISHED as one, and EXPUNGE as how many went.
fn gathered(said: &str) -> String {
    let mut all: Vec<String> = Vec::new();
    for line in said.lines() {
        let vanished = ["* VANISHED (EARLIER) ", "* VANISHED "];
        let vanished = vanished
            .iter()
            .find_map(|head| Some((head, line.strip_prefix(head)?)));
        match (vanished, all.last_mut()) {
            (Some((head, uids)), Some(last)) if last.starts_with(head) => {
                *last += &format!(",{uids}");
            }
            _ if line.ends_with(" EXPUNGE") => all.push("* EXPUNGE".into()),
            _ => all.push(line.into()),
        }
    }
    all.join("\r\n")
}

fn fetch_page() {
    let commands = [
        "a FETCH 1:* (UID FLAGS ENVELOPE BODY.PEEK[])",
        "b UID FETCH 1:* BODY[]",
    ];
    windowed(
        [100_000, 1, 200, 1000],
        |l, n| l.fetch_page = n,
        5,
        &commands,
        |effect| match effect {
            Effect::Fetch(call) => Some(call.op().budget as u64),
            _ => None,
        },
    );
}

fn inline_body() {
    let commands = ["a FETCH 1:* (BODY.PEEK[] BODY.PEEK[TEXT] BODY.PEEK[HEADER])"];
    // A message has 116 octets.
    windowed(
        [100_000, 1, 115, 116],
        |l, n| l.inline_body = n as u64,
        2,
        &commands,
        |effect| match effect {
            Effect::Fetch(call) => Some(call.op().inline),
            _ => None,
        },
    );
}

fn body_window() {
    let commands = ["a FETCH 1:* (BODY.PEEK[] BODY.PEEK[TEXT]<5.50> BODY.PEEK[TEXT])"];
    let set = |l: &mut Limits, n: usize| {
        l.inline_body = 0;
        l.body_window = n;
    };
    windowed(
        [100_000, 1, 115, 116],
        set,
        2,
        &commands,
        |effect| match effect {
            Effect::ReadBody(call) => Some(call.op().max as u64),
            _ => None,
        },
    );
}

fn store_window() {
    let commands = [
        "a STORE 1:* +FLAGS (\\Seen)",
        "b UID STORE 1:* -FLAGS.SILENT (\\Seen)",
        "c FETCH 1:* FLAGS",
    ];
    windowed(
        [2000, 1, 4, 5],
        |l, n| l.store_window = n as u64,
        5,
        &commands,
        |effect| match effect {
            Effect::SetFlags(call) => Some(call.op().uids.len()),
            _ => None,
        },
    );
}

fn move_window() {
    let size = |effect: &Effect| match effect {
        Effect::Move(call) => Some(call.op().uids.len()),
        _ => None,
    };
    for window in [1, 4, 5, 1000] {
        // COPYUID comes once for each window: what counts is what is there in the end.
        let mut talk = Talk::selected(|l| l.move_window = window, 5);
        talk.says("m CREATE Other", "m OK");
        let sizes: Rc<RefCell<Vec<u64>>> = Rc::default();
        let seen = sizes.clone();
        talk.host
            .on_effect(move |effect| seen.borrow_mut().extend(size(effect)));
        let said = talk.ask("a MOVE 1:* Other");
        assert!(said.ends_with("a OK MOVE completed\r\n"), "{said}");
        assert_eq!(said.matches("EXPUNGE").count(), 5, "{said}");
        assert!(
            sizes.borrow().iter().all(|n| *n <= window),
            "{:?}",
            sizes.borrow()
        );
        talk.says(
            "b STATUS Other (MESSAGES)",
            "* STATUS \"Other\" (MESSAGES 5)",
        );
        talk.says(
            "c STATUS INBOX (MESSAGES)",
            "* STATUS \"INBOX\" (MESSAGES 0)",
        );
    }
}

/// A message is gone that a later window of a MOVE by number has: what was moved before it is told, and the client knows what there is.
#[test]
fn a_move_of_several_windows_meets_a_message_that_is_gone() {
    let mut talk = Talk::selected(|l| l.move_window = 2, 5);
    talk.says("m CREATE Other", "m OK");
    let other =
        b"b LOGIN tim pw\r\nb SELECT INBOX\r\nb STORE 3 +FLAGS (\\Deleted)\r\nb EXPUNGE\r\n";
    talk.host.send("B", other, Chunking::Whole);
    let said = String::from_utf8_lossy(&talk.host.take_output("B")).into_owned();
    assert!(said.contains("* 3 EXPUNGE"), "{said}");
    let said = talk.ask("a MOVE 1:* Other");
    let lines: Vec<&str> = said.lines().collect();
    let [moved, third, second, first, answer] = lines[..] else {
        panic!("{said}");
    };
    assert!(
        moved.starts_with("* OK [COPYUID ") && moved.contains(" 1:2 1:2]"),
        "{said}"
    );
    assert_eq!(
        [third, second, first],
        ["* 3 EXPUNGE", "* 2 EXPUNGE", "* 1 EXPUNGE"]
    );
    let text = "a NO [EXPUNGEISSUED] Some of the messages are gone; what COPYUID names was moved";
    assert_eq!(answer, text);
    talk.says(
        "c FETCH 1:* UID",
        "* 1 FETCH (UID 4)\r\n* 2 FETCH (UID 5)\r\nc OK",
    );
    talk.says(
        "d STATUS Other (MESSAGES)",
        "* STATUS \"Other\" (MESSAGES 2)",
    );
    talk.bystander();
}

fn section_depth() {
    let fetch = |n: usize| format!("a FETCH 1 BODY.PEEK[{}]", vec!["1"; n].join("."));
    let mut talk = Talk::selected(|l| l.section_depth = 5, 1);
    talk.says(&fetch(4), "* 1 FETCH");
    talk.says(&fetch(5), "* 1 FETCH");
    talk.says(&fetch(6), "a BAD");
    talk.says(&fetch(10_000), "a BAD");
    talk.lives();
    let mut talk = Talk::selected(|_| {}, 1);
    let most = Limits::default().section_depth;
    talk.says(&fetch(most), "* 1 FETCH");
    talk.says(&fetch(most + 1), "a BAD");
    talk.lives();
    talk.bystander();
}

/// A mailbox has 128 keywords, and no more: they are a bitmap in every row.
#[test]
fn a_mailbox_has_128_keywords() {
    let mut talk = Talk::selected(|_| {}, 2);
    let words = |from: usize, to: usize| {
        let words: Vec<String> = (from..to).map(|n| format!("k{n}")).collect();
        words.join(" ")
    };
    assert!(
        talk.ask(&format!("a STORE 1 +FLAGS.SILENT ({})", words(0, 127)))
            .contains("a OK")
    );
    assert!(talk.ask("b STORE 1 +FLAGS.SILENT (k127)").contains("b OK"));
    let many = talk.ask(&format!("b STORE 1 +FLAGS ({})", words(0, 129)));
    assert!(many.starts_with("b BAD [LIMIT]"), "{many}");
    let full = talk.ask("c STORE 1:2 +FLAGS (k128 \\Seen)");
    assert_eq!(
        full.lines().last().map(|l| &l[..12]),
        Some("c NO [LIMIT]"),
        "{full}"
    );
    talk.says("d FETCH 2 FLAGS", "* 2 FETCH (FLAGS (\\Recent))");
    // Those there are can still be used, and PERMANENTFLAGS no longer promises new ones.
    talk.says("e STORE 2 +FLAGS (K5)", "* 2 FETCH (FLAGS (\\Recent k5))");
    let opened = talk.ask("f SELECT INBOX");
    assert!(
        opened.contains("k127)] "),
        "PERMANENTFLAGS of a full table: {opened}"
    );
    let append = "g APPEND INBOX (k128) {14+}\r\nSubject: x\r\n\r\n";
    talk.says(append, "g NO [LIMIT]");
    talk.lives();
}
