//! What one hostile client can make a session hold: counted by the allocator, in octets, at its worst.

use std::sync::{Mutex, PoisonError};

use pillarbox_benches::alloc::Counting;
use pillarbox_benches::attack::{Attack, store};
use pillarbox_benches::cpu::of_thread;
use pillarbox_core::effect::MailboxRow;
use pillarbox_core::id::MailboxId;
use pillarbox_core::mailbox::MailboxName;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What a session may hold before login, whatever its client does.
const BEFORE_LOGIN: i64 = 64 << 10;
/// What it may hold after login.
const SIGNED_IN: i64 = (2 << 20) + (64 << 10);
/// What it may hold when nothing is going on.
const AT_REST: i64 = 8 << 10;

fn check(name: &str, attack: &Attack, bound: i64) {
    println!("{name}: {} KiB at worst", attack.worst >> 10);
    assert!(
        attack.worst < bound,
        "{name}: the session held {} octets, {bound} are allowed",
        attack.worst
    );
}

fn before_login(name: &str, reads: bool, octets: &[u8], times: u32) {
    let mut attack = Attack::new(store(), reads);
    attack.flood(octets, times);
    check(name, &attack, BEFORE_LOGIN);
}

fn after_login(name: &str, reads: bool, octets: &[u8], times: u32) {
    let mut attack = Attack::signed_in(reads);
    attack.flood(octets, times);
    check(name, &attack, SIGNED_IN);
}

/// A command with this word so many times.
fn many(head: &str, times: usize, word: &str, tail: &str) -> Vec<u8> {
    format!("{head}{}{tail}\r\n", word.repeat(times)).into_bytes()
}

/// Octets are counted for all threads: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn a_session_holds_what_its_limits_say() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let x = [b'x'; 1000];
    before_login("no end of a line", true, &x, 20_000);
    before_login(
        "no end of parentheses",
        true,
        b"a NOOP ((((((((((((((((((((",
        20_000,
    );
    before_login("no end of bare LF", true, b"a NOOP\n", 100_000);
    before_login(
        "lines too long",
        true,
        &[&[b'x'; 30_000][..], b"\r\n"].concat(),
        100,
    );
    before_login(
        "100,000 commands, answers unread",
        false,
        b"a NOOP\r\n",
        100_000,
    );
    before_login(
        "100,000 capabilities, answers unread",
        false,
        b"a CAPABILITY\r\n",
        100_000,
    );
    before_login(
        "a literal announced, silence",
        true,
        b"a LOGIN {1000000000}\r\n",
        1,
    );
    before_login("literals without end", true, b"a LOGIN {4000+}\r\n", 1);
    before_login("many small literals", true, b" {1+}\r\nx", 100_000);
    before_login(
        "AUTHENTICATE, given up",
        true,
        b"a AUTHENTICATE PLAIN\r\n*\r\nb NOOP\r\n",
        100_000,
    );
    let pair = format!("\"{}\" \"{}\"", "n".repeat(30), "v".repeat(700));
    let id = format!("a ID ({})\r\n", vec![pair; 30].join(" "));
    before_login("ID at its largest", false, id.as_bytes(), 1000);

    let commas = many("a FETCH 1", 900_000, ",", " FLAGS");
    after_login("a set of commas", true, &commas, 10);
    after_login("no end of a line", true, &x, 20_000);
    after_login(
        "100,000 commands, answers unread",
        false,
        b"a NOOP\r\n",
        100_000,
    );
    after_login(
        "100,000 FETCHes, answers unread",
        false,
        b"a FETCH 1:* (FLAGS ENVELOPE BODYSTRUCTURE)\r\n",
        100_000,
    );
    after_login(
        "bodies, unread",
        false,
        b"a FETCH 1:* BODY.PEEK[]\r\n",
        10_000,
    );
    after_login("LIST, unread", false, b"a LIST \"\" *\r\n", 100_000);
    after_login("SEARCH, unread", false, b"a SEARCH ALL\r\n", 100_000);
    after_login(
        "IDLE and DONE, unread",
        false,
        b"a IDLE\r\nDONE\r\n",
        100_000,
    );
    after_login(
        "a set of 60,000 numbers",
        true,
        &many("a UID FETCH 1", 60_000, ",3", " UID"),
        3,
    );
    after_login(
        "5,000 search keys",
        true,
        &many("a SEARCH ALL", 5_000, " UNSEEN", ""),
        3,
    );
    after_login(
        "5,000 search strings",
        true,
        &many("a SEARCH ALL", 5_000, " SUBJECT x", ""),
        3,
    );
    after_login("499 NOTs", true, &many("a SEARCH ", 499, "NOT ", "ALL"), 3);
    after_login(
        "7,000 FETCH items",
        true,
        &many("a FETCH 1 (UID", 7_000, " FLAGS", ")"),
        3,
    );
    after_login(
        "13,000 header names",
        true,
        &many("a FETCH 1 BODY.PEEK[HEADER.FIELDS (x", 13_000, " y", ")]"),
        3,
    );
    after_login(
        "60,000 keywords",
        true,
        &many("a STORE 1 +FLAGS (x", 60_000, " y", ")"),
        3,
    );
    after_login(
        "60,000 patterns",
        true,
        &many("a LIST \"\" (x", 60_000, " *", ")"),
        3,
    );
    after_login(
        "60,000 STATUS items",
        true,
        &many("a STATUS INBOX (MESSAGES", 60_000, " UNSEEN", ")"),
        3,
    );
    after_login(
        "20,000 names for ENABLE",
        true,
        &many("a ENABLE x", 20_000, " y", ""),
        3,
    );
    after_login(
        "a message of 100 MiB",
        true,
        b"a APPEND INBOX {104857600+}\r\n",
        1,
    );
    full_lines();
    let mut attack = Attack::signed_in(true);
    attack.send(b"a APPEND INBOX {104857600+}\r\n");
    attack.flood(&x, 100_000);
    check("a message of 100 MiB, sent", &attack, 1 << 20);
    let mut attack = Attack::signed_in(true);
    attack.send(b"a APPEND INBOX");
    attack.flood(b" {2+}\r\n\r\n", 100_000);
    check("no end of messages in one APPEND", &attack, SIGNED_IN);

    let mut attack = Attack::signed_in(true);
    attack.send(&many("a SEARCH ALL", 5_000, " UNSEEN", ""));
    attack.send(b"b NOOP\r\n");
    let held = attack.held();
    println!("at rest after all that: {held} octets");
    assert!(held < AT_REST, "at rest the session holds {held} octets");
}

/// Commands of a megabyte, with as many words as that takes.
fn full_lines() {
    let long = |head: &str, word: &str, tail: &str| {
        let room = (1 << 20) - head.len() - tail.len() - 2;
        many(head, room / word.len(), word, tail)
    };
    let n = |n: usize| "n".repeat(n);
    let mut over = Vec::new();
    for (name, command) in [
        (
            "ranges",
            long("a UID FETCH 1", ",4000000000:4000000001", " UID"),
        ),
        (
            "names for ENABLE",
            long("a ENABLE x", &format!(" {}", n(40)), ""),
        ),
        (
            "header names",
            long(
                "a FETCH 1 BODY.PEEK[HEADER.FIELDS (x",
                &format!(" {}", n(20)),
                ")]",
            ),
        ),
        (
            "quoted header names",
            long(
                "a FETCH 1 BODY.PEEK[HEADER.FIELDS (x",
                &format!(" \"{}\"", n(90)),
                ")]",
            ),
        ),
        (
            "texts",
            long("a SEARCH ALL", &format!(" SUBJECT {}", n(180)), ""),
        ),
        (
            "header texts",
            long(
                "a SEARCH ALL",
                &format!(" HEADER {} {}", n(100), n(100)),
                "",
            ),
        ),
        (
            "sets to search",
            long("a SEARCH ALL", " UID 4000000000:4000000001,4000000003", ""),
        ),
        ("one text", long("a SEARCH SUBJECT ", "x", "")),
        (
            "one text of marks",
            long("a SEARCH SUBJECT \"", "\u{301}", "\""),
        ),
        (
            "one header name",
            long("a FETCH 1 BODY.PEEK[HEADER.FIELDS (", "x", ")]"),
        ),
        (
            "special uses",
            long("a CREATE x (USE (\\Sent", &format!(" \\{}", n(80)), "))"),
        ),
        ("one mailbox name", long("a CREATE ", "x", "")),
        ("one name quoted", long("a CREATE \"", "\\\\", "\"")),
        (
            "parts",
            long(
                "a FETCH 1 (UID",
                &format!(" BODY.PEEK[1{}]", ".1".repeat(99)),
                ")",
            ),
        ),
        (
            "many parts",
            long(
                "a FETCH 1 (UID",
                &format!(" BODY.PEEK[1{}]", ".1".repeat(60)),
                ")",
            ),
        ),
        (
            "keywords to search",
            long("a SEARCH ALL", &format!(" KEYWORD {}", n(200)), ""),
        ),
    ] {
        let mut attack = Attack::signed_in(true);
        attack.flood(&command, 2);
        println!("a megabyte of {name}: {} KiB at worst", attack.worst >> 10);
        if attack.worst >= SIGNED_IN {
            over.push(format!("a megabyte of {name}: {} octets", attack.worst));
        }
    }
    assert!(over.is_empty(), "{over:#?}, {SIGNED_IN} are allowed");
}

/// A command that goes on holds what it needs of its line, and its tag is not the whole of it.
#[test]
fn a_tag_does_not_keep_a_long_line() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut attack = Attack::signed_in(false);
    let head = "a UID FETCH 1:*";
    let line = many(
        head,
        60_000,
        ",4000000003",
        " (BODY.PEEK[] BODY.PEEK[] BODY.PEEK[])",
    );
    assert!(attack.send(&line), "the command is taken");
    let (held, unread) = (attack.held(), attack.unread());
    println!(
        "{} octets of a line: {held} held, {unread} to be read",
        line.len()
    );
    assert!(unread >= 256 << 10, "the answer is not under way");
    assert!(held < SIGNED_IN, "the session holds {held} octets");
}

/// 60,000 words that differ: work must not grow with their square.
#[test]
fn many_different_words_are_no_work() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let words: String = (0..60_000).map(|n| format!(" k{n}")).collect();
    for (head, tail) in [
        ("a STORE 1 +FLAGS (x", ")"),
        ("a LIST \"\" (x", ")"),
        ("a ENABLE x", ""),
        ("a FETCH 1 BODY.PEEK[HEADER.FIELDS (x", ")]"),
    ] {
        let begun = of_thread();
        let mut attack = Attack::signed_in(true);
        attack.send(format!("{head}{words}{tail}\r\n").as_bytes());
        let took = of_thread() - begun;
        println!("{head}: {took:?}");
        assert!(took.as_secs() < 3, "{head} with 60,000 words took {took:?}");
    }
}

/// As many octets of names as a store lets LIST tell, with 64 for each: few long ones, many short ones, those of 10,000 mailboxes, and deep ones that
/// are all subscriptions, so that there are 63 parents for each.
#[test]
fn names_at_their_bound_are_held_once() {
    const NAMES: usize = 1_400_000;
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let names = |octets: usize, make: &dyn Fn(usize) -> String, there: bool| {
        let rows = (0..NAMES / (64 + octets)).map(|n| {
            let name = make(n);
            assert_eq!(name.len(), octets);
            let mut row = MailboxRow::new(MailboxName::new(&name).expect("it is a name"));
            (row.id, row.subscribed) = (there.then_some(MailboxId(1)), true);
            row
        });
        rows.collect::<Vec<_>>()
    };
    let parents = [0, 20, 40, 62].map(|n| format!("{}%", "%/".repeat(n)));
    let recursive = format!(
        "a LIST (SUBSCRIBED RECURSIVEMATCH) \"\" ({})\r\n",
        parents.join(" ")
    );
    // As many different characters as patterns can have.
    let characters =
        |pattern: u32| (0..511).filter_map(move |n| char::from_u32(0x400 + pattern * 64 + n));
    let characters = (0..4).map(|pattern| characters(pattern).collect::<String>());
    let characters = characters.collect::<Vec<_>>().join("*\" \"");
    let characters = format!("a ENABLE IMAP4rev2\r\nb LIST \"\" (\"{characters}\" *)\r\n");
    let deep = |n: usize| format!("{n:05}{}", "/d".repeat(63));
    for (what, rows) in [
        ("long names", names(1000, &|n| format!("{n:01000}"), true)),
        ("short names", names(19, &|n| format!("{n:019}"), false)),
        ("10,000 names", names(76, &|n| format!("{n:076}"), true)),
        ("deep names", names(131, &deep, false)),
    ] {
        let count = rows.len();
        for command in [
            "a LIST \"\" *\r\n",
            "a LSUB \"\" %\r\n",
            "a LIST \"\" * RETURN (CHILDREN SUBSCRIBED)\r\n",
            "a LIST \"\" * RETURN (STATUS (MESSAGES UNSEEN))\r\n",
            &recursive,
            &characters,
        ] {
            let mut attack = Attack::signed_in(false);
            attack.names = Some(rows.clone());
            attack.begin();
            attack.send(command.as_bytes());
            while attack.unread() > 0 {
                attack.read(100_000);
            }
            assert!(attack.worst > 1 << 20, "the names were not asked for");
            let shown: String = command.chars().take(30).collect();
            let shown = shown.replace("\r\n", " ");
            check(
                &format!("{count} {what}, {}", shown.trim_end()),
                &attack,
                SIGNED_IN,
            );
        }
    }
}
