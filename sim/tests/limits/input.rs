//! What a client may send: lines, commands, literals, tokens, depth.

use pillarbox_core::limits::Limits;
use pillarbox_core::session::CloseReason;

use crate::talk::{Talk, both_ways, filled};

pub(crate) fn line_before_login() {
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

pub(crate) fn line() {
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

pub(crate) fn command_before_login() {
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

pub(crate) fn command() {
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

pub(crate) fn skip() {
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

pub(crate) fn literal_minus() {
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

pub(crate) fn append() {
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
pub(crate) fn append_refused() {
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

pub(crate) fn tokens_before_login() {
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

pub(crate) fn tokens() {
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

pub(crate) fn depth_before_login() {
    let mut talk = Talk::new(|_| {});
    talk.says(&nested(0), "a BAD Sign in first");
    talk.says(&nested(1), "a BAD Sign in first");
    talk.lives();
    talk.says(&nested(2), "a BAD [LIMIT]");
    talk.lives();
    talk.bystander();
}

pub(crate) fn search_depth() {
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

pub(crate) fn search_texts() {
    let search = |n: usize| format!("a SEARCH{}", " TEXT x".repeat(n));
    let mut talk = Talk::selected(|l| l.search_texts = 3, 1);
    talk.says(&search(2), "* SEARCH 1");
    talk.says(&search(3), "* SEARCH 1");
    talk.says(&search(4), "a BAD [LIMIT]");
    talk.lives();
}

pub(crate) fn tag() {
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

pub(crate) fn sasl() {
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
pub(crate) fn sasl_line() {
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

pub(crate) fn section_depth() {
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
