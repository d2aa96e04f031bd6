//! What is asked of the store at once: the answers are the same with any bound.

use std::cell::RefCell;
use std::rc::Rc;

use pillarbox_core::effect::Effect;
use pillarbox_core::limits::Limits;
use pillarbox_sim::Chunking;

use crate::talk::Talk;

/// What is looked for ends with the last octet that is looked through, or one later, or begins behind it: in the message's header, and in that of a
/// message within it.
pub(crate) fn search_header() {
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

/// Twelve mailboxes and a name that is none: a page is full, has room for one more, or is one too small; the answer is the same.
pub(crate) fn status_page() {
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

pub(crate) fn changes_page() {
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
pub(crate) fn ranges_page() {
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

pub(crate) fn fetch_page() {
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

pub(crate) fn inline_body() {
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

pub(crate) fn body_window() {
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

pub(crate) fn store_window() {
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

pub(crate) fn move_window() {
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
pub(crate) fn a_move_of_several_windows_meets_a_message_that_is_gone() {
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
