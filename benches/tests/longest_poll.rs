//! What one poll of a session does at the most while very much is to be done. Time is not measured: what is counted are the octets it writes, the
//! ranges of UIDs it asks the store about, and the memory it asks for on the way, given back or not. The store of an [`Attack`] answers as much as it
//! is asked for.

use pillarbox_benches::alloc::Counting;
use pillarbox_benches::attack::{Attack, Next, Polls};
use pillarbox_core::effect::MailboxRow;
use pillarbox_core::id::MailboxId;
use pillarbox_core::mailbox::MailboxName;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What may be written in one poll: the high-water mark, and the piece that goes over it.
const TOLD: usize = (256 + 64) << 10;
/// Ranges that are gone through at once, and a block of them more.
const RANGES: usize = 8192 + 2048 + 1;
/// Memory that one poll may ask for: such a window of ranges, looked up in a vector that grows, put to what was left, and copied into a question.
const MEMORY: u64 = 6 * 8 * RANGES as u64 + (256 << 10);
/// Memory for a number of a client's set: parsed, as a range, and while ranges are put in order. A command is parsed in one poll.
const NUMBER: u64 = 16 + 8 + 8 + 2;

/// Numbers of a client's set.
const NUMBERS: u32 = 60_000;
/// Ranges of UIDs that are gone in one page of the store.
const PAGE: u32 = 16 << 10;
/// Names of an account's mailboxes, as many as a store tells of these.
const NAMES: usize = 10_000;

/// What a command has the session do; so many numbers are in its line, or in what the store says.
fn bounded(attack: &mut Attack, numbers: u32, command: &str) {
    (attack.polls, attack.named) = (Polls::default(), 0);
    attack.send(format!("{command}\r\n").as_bytes());
    while attack.unread() > 0 {
        attack.read(100_000);
    }
    let (Polls { memory, told, .. }, named) = (attack.polls, attack.named);
    let shown: String = command.chars().take(60).collect();
    println!("{shown}: {named} ranges at once, {:?}", attack.polls);
    assert!(named < RANGES, "{shown}: {named} ranges");
    assert!(told < TOLD, "{shown}: {told} octets were written");
    let most = MEMORY + NUMBER * u64::from(numbers);
    assert!(
        memory < most,
        "{shown}: {memory} octets of memory, {most} are allowed"
    );
}

/// A set of very many numbers costs what its line does, once, and then a window at a time; one that names everything, a window at a time.
#[test]
fn a_poll_goes_through_a_part_of_a_set() {
    let mut attack = Attack::signed_in(false);
    attack.enlarge();
    attack.read(usize::MAX);
    let numbers: Vec<_> = (1..=NUMBERS).map(|n| (4 * n).to_string()).collect();
    let numbers = numbers.join(",");
    for (count, set) in [(NUMBERS, numbers.as_str()), (1, "1:*")] {
        for command in [
            format!("a UID FETCH {set} (FLAGS)"),
            format!("a FETCH {set} (UID)"),
            format!("a UID STORE {set} +FLAGS.SILENT (\\Seen)"),
            format!("a UID STORE {set} +FLAGS (\\Seen)"),
            format!("a STORE {set} (UNCHANGEDSINCE 1) FLAGS (\\Seen)"),
            format!("a STORE {set} (UNCHANGEDSINCE 0) FLAGS (\\Seen)"),
            format!("a UID MOVE {set} INBOX"),
            format!("a SEARCH {set}"),
            format!("a UID SEARCH UID {set}"),
            format!("a SEARCH RETURN (ALL) {set}"),
            format!("a UID SEARCH RETURN (MIN MAX COUNT) TEXT x UID {set}"),
        ] {
            bounded(&mut attack, count, &command);
        }
    }
}

/// What happened to very many messages is told a part at a time.
#[test]
fn a_poll_tells_a_part_of_what_changed() {
    for enable in ["a NOOP", "a ENABLE QRESYNC"] {
        let mut attack = Attack::signed_in(false);
        attack.send(format!("{enable}\r\n").as_bytes());
        attack.enlarge();
        attack.read(usize::MAX);
        for (next, ranges) in [(Next::Flags, 0), (Next::Gone, PAGE)] {
            attack.happens(next);
            bounded(&mut attack, ranges, "a NOOP");
        }
    }
}

/// Sections of which there are very many: others have their turn after each megabyte that they are looked for in.
#[test]
fn a_poll_looks_through_a_part_of_what_sections_are_in() {
    let (header, sections) = ("X: y\r\n".repeat(10_000), 300);
    let message = format!("{{{}+}}\r\n{header}\r\n", header.len() + 2);
    for section in ["BODY.PEEK[HEADER.FIELDS (z)]", "BINARY.SIZE[1]"] {
        let mut attack = Attack::signed_in(true);
        attack.stores = true;
        attack.send(format!("a APPEND INBOX {message}\r\nb NOOP\r\n").as_bytes());
        attack.polls = Polls::default();
        let sections_of_it = vec![section; sections].join(" ");
        attack.send(format!("c UID FETCH 101 ({sections_of_it})\r\n").as_bytes());
        let turns = attack.polls.count as usize;
        let least = sections * header.len() / (1 << 20);
        assert!(turns > least, "{section}: {turns} polls, not {least}");
    }
}

/// A text that is very long is made ready for a few messages at a time.
#[test]
fn a_long_text_is_looked_for_in_a_part_of_the_messages() {
    let polls = |octets: usize| {
        let mut attack = Attack::signed_in(true);
        let text = "x".repeat(octets);
        attack.send(format!("a SEARCH TEXT {{{octets}+}}\r\n{text}").as_bytes());
        attack.polls = Polls::default();
        attack.send(b"\r\n");
        attack.polls.count
    };
    let (short, long) = (polls(10), polls(250_000));
    assert!(long >= short + 3, "{short} polls, {long} for a long text");
}

/// LIST of very many mailboxes.
#[test]
fn a_poll_lists_a_part_of_the_mailboxes() {
    let rows = (0..NAMES).map(|n| {
        let name = format!("{n:076}");
        let mut row = MailboxRow::new(MailboxName::new(&name).expect("it is a name"));
        (row.id, row.subscribed) = (Some(MailboxId(1)), true);
        row
    });
    let mut attack = Attack::signed_in(false);
    attack.names = Some(rows.collect());
    for command in [
        "a LIST \"\" *",
        "a LSUB \"\" %",
        "a LIST \"\" * RETURN (CHILDREN SUBSCRIBED)",
        "a LIST \"\" * RETURN (STATUS (MESSAGES UNSEEN))",
        "a LIST (SUBSCRIBED RECURSIVEMATCH) \"\" (% %/% nowhere*)",
    ] {
        bounded(&mut attack, 0, command);
    }
}
