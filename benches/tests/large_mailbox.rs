//! A mailbox of very many messages with a hole beside each: what is said of it waits in slices, and what a session holds for it is small. One test:
//! octets are counted for all threads.

use pillarbox_benches::alloc::Counting;
use pillarbox_benches::attack::{Attack, FLAGS, MANY, Next};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What may wait to be read: the high-water mark, and the piece that went over it.
const UNREAD: usize = (256 + 64) << 10;
/// What a command may hold, besides what the store answered.
const HELD: i64 = (2 << 20) + (64 << 10);

/// Octets of a number in a set, with its comma.
const NUMBER: usize = 11;
/// Octets of a UID in what the store answers.
const UID: usize = 4;
/// What a session may hold besides what the store answered while a response code is written: the output's buffer doubles as it grows.
const HELD_FOR_CODE: i64 = (512 + 64) << 10;

/// Ranges of UIDs that a store tells at once, some of them being written.
const HELD_FOR_GONE: i64 = HELD_FOR_CODE + 4 * 8 * (16 << 10);

/// The refused ones of STORE: a bit for each UID.
const REFUSED: usize = 2 * MANY as usize / 8;
/// Ranges that a command goes through at once, a block of them more than that.
const WINDOW: usize = 8192 + 2048 + 1;
/// What a command may hold that goes through a set, the refused ones of STORE in it.
const HELD_FOR_SET: i64 = HELD_FOR_CODE + 8 * 8 * WINDOW as i64;

/// Sends a command and reads all of its answer, a part at a time; what was said.
fn say(attack: &mut Attack, what: &str, command: &[u8], end: &str) -> Vec<u8> {
    attack.said.clear();
    attack.send(command);
    let mut most = 0;
    while attack.unread() > 0 {
        most = most.max(attack.unread());
        // Less than waits, so that the session goes on in the middle of everything.
        attack.read(100_000);
    }
    println!(
        "{what}: {} octets, {most} of them at once",
        attack.said.len()
    );
    assert!(most < UNREAD, "{what}: {most} octets waited to be read");
    let said = std::mem::take(&mut attack.said);
    let tail = String::from_utf8_lossy(&said[said.len().saturating_sub(200)..]).into_owned();
    assert!(tail.contains(end), "{what}: {tail}");
    said
}

fn count(said: &[u8], word: &str) -> usize {
    said.windows(word.len())
        .filter(|w| *w == word.as_bytes())
        .count()
}

#[test]
fn what_is_said_of_a_large_mailbox_comes_in_slices() {
    let mut attack = Attack::signed_in(false);
    attack.keeps = true;
    attack.enlarge();
    say(&mut attack, "SELECT", b"", "e OK");
    let all = say(&mut attack, "UID SEARCH", b"a UID SEARCH ALL\r\n", "a OK");
    let line = all.split(|b| *b == b'\r').next().unwrap_or_default();
    assert!(line.starts_with(b"* SEARCH 2 4 6 8 ") && line.ends_with(b" 499998 500000"));
    assert_eq!(count(line, " "), MANY as usize + 1);
    let all = say(&mut attack, "SEARCH", b"a SEARCH ALL\r\n", "a OK");
    assert!(all.starts_with(b"* SEARCH 1 2 3 4 ") && count(&all, " 250000\r\n") == 1);
    let all = say(
        &mut attack,
        "UID SEARCH RETURN",
        b"a UID SEARCH RETURN (MIN MAX ALL COUNT SAVE) MODSEQ 1\r\n",
        "a OK",
    );
    assert!(all.starts_with(b"* OK [HIGHESTMODSEQ "), "CONDSTORE is on");
    let at = all
        .windows(9)
        .position(|w| w == b"* ESEARCH")
        .expect("it is answered");
    assert!(all[at..].starts_with(b"* ESEARCH (TAG \"a\") UID MIN 2 MAX 500000 ALL 2,4,6,8,"));
    assert_eq!(count(&all, ",499998,500000 COUNT 250000 MODSEQ 7\r\n"), 1);
    let all = say(
        &mut attack,
        "SEARCH RETURN",
        b"a SEARCH RETURN (ALL) ALL\r\n",
        "a OK",
    );
    assert!(all.starts_with(b"* ESEARCH (TAG \"a\") ALL 1:250000\r\n"));
    let saved = [
        b"a UID SEARCH UID $".as_slice(),
        &b" UID $".repeat(3000),
        b"\r\n",
    ]
    .concat();
    say(&mut attack, "SEARCH of what is saved", &saved, "a OK");
    let ranges = [
        b"a UID SEARCH 1:*".as_slice(),
        &b" 1:*".repeat(3000),
        b"\r\n",
    ]
    .concat();
    say(
        &mut attack,
        "SEARCH of everything many times",
        &ranges,
        "a OK",
    );

    // What was said is not kept while it is counted what is held.
    attack.keeps = false;
    for command in [
        &b"a UID SEARCH ALL\r\n"[..],
        b"a SEARCH RETURN (ALL SAVE) 1:*\r\n",
    ] {
        attack.begin();
        attack.send(command);
        while attack.unread() > 0 {
            attack.read(100_000);
        }
        println!("searching: {} KiB at worst", attack.worst >> 10);
        assert!(attack.worst < HELD, "SEARCH held {} octets", attack.worst);
    }
    attack.happens(Next::Flags);
    attack.begin();
    attack.send(b"a NOOP\r\n");
    while attack.unread() > 0 {
        attack.read(100_000);
    }
    println!("changed flags: {} KiB at worst", attack.worst >> 10);
    assert!(attack.worst < HELD, "NOOP held {} octets", attack.worst);
    attack.keeps = true;

    let all = say(
        &mut attack,
        "STORE",
        b"a STORE 1:2000 +FLAGS (\\Seen)\r\n",
        "a OK",
    );
    assert_eq!(count(&all, " FETCH (UID "), 2000);
    sets(&mut attack);
    codes(&mut attack);
    attack.happens(Next::Flags);
    let all = say(&mut attack, "changed flags", b"a NOOP\r\n", "a OK");
    assert_eq!(count(&all, " FETCH (UID "), FLAGS as usize);
    attack.happens(Next::Gone);
    let all = say(&mut attack, "EXPUNGE", b"a NOOP\r\n", "a OK");
    let numbers = all.split(|b| *b == b'\n').filter_map(|line| {
        let number = line.strip_prefix(b"* ")?.strip_suffix(b" EXPUNGE\r")?;
        str::from_utf8(number).ok()?.parse::<u32>().ok()
    });
    let mut left = MANY;
    for number in numbers {
        assert!((1..=left).contains(&number), "{number} of {left}");
        left -= 1;
    }
    assert_eq!(left, 0, "all are told to be gone");
    gone(&mut attack);

    say(
        &mut attack,
        "SELECT again",
        b"a ENABLE QRESYNC\r\nb SELECT INBOX\r\n",
        "b OK",
    );
    attack.happens(Next::Flags);
    say(&mut attack, "changed flags", b"a NOOP\r\n", "a OK");
    attack.happens(Next::Gone);
    let all = say(&mut attack, "VANISHED", b"a NOOP\r\n", "a OK");
    assert!(all.starts_with(b"* VANISHED 2,4,6,8,"));
    let lines = count(&all, "* VANISHED ");
    assert!(lines <= 2 * (MANY as usize).div_ceil(4096), "{lines} lines");
    assert_eq!(count(&all, ",") + lines, MANY as usize);
    attack.happens(Next::Gone);
    let all = say(
        &mut attack,
        "FETCH VANISHED",
        b"a UID FETCH 1:500001 (FLAGS) (CHANGEDSINCE 1 VANISHED)\r\n",
        "a OK",
    );
    assert!(all.starts_with(b"* VANISHED (EARLIER) 2,4,6,8,"));
    let lines = count(&all, "* VANISHED ");
    assert_eq!(lines, (MANY as usize).div_ceil(4096));
    assert_eq!(count(&all, ",") + lines, MANY as usize);
}

/// A set that names all of it is looked up some messages at a time, whatever there are in it.
fn sets(attack: &mut Attack) {
    for command in [
        "a UID FETCH 1:* (FLAGS)",
        "a FETCH 1:250000 (UID)",
        "a UID STORE 1:* +FLAGS.SILENT (\\Seen)",
        "a STORE 1:* (UNCHANGEDSINCE 1) FLAGS (\\Seen)",
        "a UID MOVE 1:* INBOX",
    ] {
        attack.begin();
        attack.named = 0;
        tell(attack, command);
        let (worst, named) = (attack.worst, attack.named);
        println!("{command}: {} KiB, {named} ranges at once", worst >> 10);
        assert!((1000..WINDOW).contains(&named), "{command}: {named} ranges");
        assert!(worst < HELD_FOR_SET, "{command} held {worst} octets");
    }
}

/// What is gone comes in pages, from the store too: besides what the same command holds when nothing is gone, and what waits to be read, a session
/// holds little of it at once.
fn gone(attack: &mut Attack) {
    for (what, before, command) in [
        ("EXPUNGE", "a SELECT INBOX", "a NOOP"),
        ("EXPUNGE held back", "a SELECT INBOX", "a SEARCH 1"),
        ("VANISHED", "a ENABLE QRESYNC\r\nb SELECT INBOX", "a NOOP"),
        (
            "VANISHED (EARLIER)",
            "a SELECT INBOX",
            "a UID FETCH 1:500001 (FLAGS) (CHANGEDSINCE 1 VANISHED)",
        ),
        (
            "QRESYNC",
            "a NOOP",
            "a SELECT INBOX (QRESYNC (4294967295 1))",
        ),
    ] {
        let mut held = |next| {
            tell(attack, before);
            attack.happens(next);
            attack.begin();
            tell(attack, command);
            attack.worst
        };
        let (without, with) = (held(Next::Nothing), held(Next::Gone));
        println!("{what}: {} KiB, {} without", with >> 10, without >> 10);
        assert!(with - without < HELD_FOR_GONE, "{what} held {with} octets");
    }
}

/// Says these commands, and reads all of their answers, a part at a time.
fn tell(attack: &mut Attack, commands: &str) {
    attack.keeps = false;
    attack.send(format!("{commands}\r\n").as_bytes());
    while attack.unread() > 0 {
        attack.read(100_000);
    }
    attack.keeps = true;
}

/// A response code stands in one line, with at most one number in a set for each message that the command names (RFC 4315 §3, RFC 7162 §3.1.3). It
/// is written as there is room for it, and what comes behind it waits for its end. For as many windows of a MOVE there are as many codes.
fn codes(attack: &mut Attack) {
    let all = say(attack, "MOVE", b"a UID MOVE 1:* INBOX\r\n", "a OK");
    assert_eq!(
        count(&all, "* OK [COPYUID "),
        (MANY as usize).div_ceil(1000)
    );
    for line in all.split(|b| *b == b'\n') {
        assert!(line.len() <= 2 * 1000 * NUMBER + 100);
    }
    let every_other = |step: u32| {
        let uids = (1..=MANY).step_by(step as usize).map(|n| 2 * n);
        uids.map(|uid| uid.to_string())
            .collect::<Vec<_>>()
            .join(",")
    };
    let (all, half) = (every_other(1), every_other(2));
    let odd: Vec<_> = (1..=MANY).step_by(2).map(|n| n.to_string()).collect();
    let appended: Vec<_> = (1..=1000).map(|n| (2 * n).to_string()).collect();
    for (what, command, held, wanted) in [
        (
            "APPENDUID",
            format!("a APPEND INBOX{}\r\n", " {1+}\r\nx".repeat(1000)),
            // Each message has an upload until all are stored.
            1000 * (UID + 200),
            format!(
                "[APPENDUID 4294967295 {}] APPEND completed",
                appended.join(",")
            ),
        ),
        (
            "COPYUID",
            "a UID COPY 1:* INBOX\r\n".into(),
            2 * MANY as usize * UID,
            format!("[COPYUID 4294967295 {all} {all}] UID COPY completed"),
        ),
        (
            "MODIFIED by UID",
            "a UID STORE 1:* (UNCHANGEDSINCE 1) FLAGS (\\Seen)\r\n".into(),
            REFUSED,
            format!("[MODIFIED {half}] UID STORE completed but for these"),
        ),
        (
            "MODIFIED",
            "a STORE 1:* (UNCHANGEDSINCE 1) FLAGS (\\Seen)\r\n".into(),
            REFUSED,
            format!("[MODIFIED {}] STORE completed but for these", odd.join(",")),
        ),
    ] {
        let pipelined = format!("{command}b NOOP\r\n");
        let said = say(attack, what, pipelined.as_bytes(), "b OK");
        let said = String::from_utf8_lossy(&said);
        let lines: Vec<_> = said.lines().filter(|l| !l.starts_with("* OK [H")).collect();
        assert_eq!(lines.len(), 2, "{what}: {} lines", lines.len());
        assert!(lines[0] == format!("a OK {wanted}"), "{what} is told");
        assert!(
            lines[1].starts_with("b OK"),
            "{what}: the next command waits"
        );
        // What was said is not kept while it is counted what is held.
        (attack.keeps, attack.worst) = (false, 0);
        attack.begin();
        attack.send(command.as_bytes());
        let answered = attack.held();
        while attack.unread() > 0 {
            attack.read(100_000);
        }
        attack.keeps = true;
        println!(
            "{what}: {} KiB at worst, {} KiB while it is told",
            attack.worst >> 10,
            answered >> 10
        );
        let most = HELD_FOR_CODE + held as i64;
        assert!(answered < most, "{what}: {answered} octets were held");
        let (worst, most) = (attack.worst, HELD_FOR_SET + held as i64);
        assert!(worst < most, "{what}: {worst} octets were held at worst");
    }
}
