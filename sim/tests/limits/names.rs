//! Names, and what one command may have of things.

use crate::talk::{Talk, both_ways};

pub(crate) fn mailbox_name() {
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

pub(crate) fn mailbox_depth() {
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

pub(crate) fn id_pairs() {
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

pub(crate) fn id_field() {
    let mut talk = Talk::new(|l| l.id_field = 8);
    talk.says(&id(1, 7, 1), "* ID");
    talk.says(&id(1, 8, 1), "* ID");
    talk.says(&id(1, 9, 1), "a BAD");
    talk.lives();
}

pub(crate) fn id_value() {
    let mut talk = Talk::new(|l| l.id_value = 8);
    talk.says(&id(1, 1, 7), "* ID");
    talk.says(&id(1, 1, 8), "* ID");
    talk.says(&id(1, 1, 9), "a BAD");
    talk.says("a ID (\"x\" NIL)", "* ID");
    talk.lives();
}

pub(crate) fn append_messages() {
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

pub(crate) fn list_patterns() {
    let list = |n: usize| format!("a LIST \"\" ({})", vec!["*"; n].join(" "));
    let mut talk = Talk::signed_in(|l| l.list_patterns = 5);
    talk.says(&list(4), "* LIST");
    talk.says(&list(5), "* LIST");
    talk.says(&list(6), "a BAD [LIMIT]");
    talk.lives();
}

/// A pattern has the reference before it, and however many wildcards are one. One that has no room is ignored, those behind it are not.
pub(crate) fn list_octets() {
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
