//! What a client sends for an action, given what it knows.

use std::rc::Rc;

use super::plan::Action;
use crate::client::Client;
use crate::model::{
    Command, Content, FetchItem, Flags, Key, ListCommand, NewMail, Return, Select, SetArg, Star,
    StoreOp,
};
use crate::random::Random;

/// The names that histories use.
pub const NAMES: [&str; 8] = [
    "INBOX",
    "Work",
    "Work/x",
    "Old",
    "Entwürfe",
    "Work/x/y",
    "Old/2",
    "INBOX/sub",
];

const STATUS: [&str; 8] = [
    "MESSAGES",
    "UIDNEXT",
    "UIDVALIDITY",
    "UNSEEN",
    "DELETED",
    "SIZE",
    "HIGHESTMODSEQ",
    "MAILBOXID",
];

const PATTERNS: [&str; 9] = [
    "*", "%", "Work/%", "Work*", "%/%", "INBOX", "*y", "Entw%", "Nothing",
];

/// The command for this action; `None`: there is none now.
pub fn command(action: Action, client: &Client, r: &mut Random) -> Option<Command> {
    let uid = r.one_in(2);
    Some(match action {
        Action::Append => Command::Append(name(r), vec![mail(r)]),
        Action::MultiAppend => {
            let count = r.below(3) + 2;
            Command::Append(name(r), (0..count).map(|_| mail(r)).collect())
        }
        Action::Fetch | Action::FetchBody | Action::FetchChanged => fetch(action, uid, client, r)?,
        Action::Store | Action::StoreUnchanged => Command::Store {
            uid,
            set: set(uid, client, r)?,
            since: (action == Action::StoreUnchanged).then(|| modseq(client, r)),
            op: *r.pick(&[
                StoreOp::Replace,
                StoreOp::Add,
                StoreOp::Add,
                StoreOp::Remove,
            ]),
            silent: r.one_in(3),
            flags: flags(r),
        },
        Action::Search => Command::Search {
            uid,
            returns: None,
            key: key(client, r, 3),
        },
        Action::SearchReturn => Command::Search {
            uid,
            returns: Some(returns(r)),
            key: key(client, r, 2),
        },
        Action::Expunge => Command::Expunge(None),
        Action::UidExpunge => Command::Expunge(Some(set(true, client, r)?)),
        Action::Copy | Action::Move => Command::Copy {
            uid,
            // Copies alone would fill the mailboxes.
            remove: action == Action::Move || client.entries.len() > 20,
            set: set(uid, client, r)?,
            to: name(r),
        },
        Action::Noop => Command::Plain(word(r, &["NOOP", "NOOP", "CHECK"])),
        Action::Plain => Command::Plain(word(r, &["CAPABILITY", "NAMESPACE", "ID NIL"])),
        Action::Select => Command::Select(Select {
            name: name(r),
            read_only: r.one_in(6),
            condstore: r.one_in(6),
            qresync: None,
        }),
        Action::Leave if r.one_in(2) => Command::Close,
        Action::Leave => Command::Unselect,
        Action::Idle => Command::Idle,
        Action::Status => {
            let mut items: Vec<_> = STATUS.iter().copied().filter(|_| r.one_in(2)).collect();
            if items.is_empty() {
                items.push("MESSAGES");
            }
            Command::Status(name(r), items)
        }
        Action::List => Command::List(list(r)),
        Action::Create => {
            let special = r
                .one_in(4)
                .then(|| *r.pick(&["\\Drafts", "\\Archive", "\\Junk"]));
            Command::Create(name(r), special)
        }
        Action::Delete => Command::Delete(name(r)),
        Action::Rename => Command::Rename(name(r), name(r)),
        Action::Subscribe => Command::Subscribe(name(r), !r.one_in(3)),
        Action::Broken => Command::Broken(broken(r)),
        Action::Logout => Command::Logout,
        Action::Cut
        | Action::Stall
        | Action::Unstall
        | Action::Revoke
        | Action::Jump
        | Action::Compare => {
            return None;
        }
    })
}

fn word(r: &mut Random, words: &[&'static str]) -> &'static str {
    words[r.below(words.len())]
}

fn name(r: &mut Random) -> String {
    let few = r.below(NAMES.len()).min(r.below(NAMES.len()));
    NAMES[few].to_owned()
}

fn mail(r: &mut Random) -> NewMail {
    let subject = format!("s{}", r.below(40));
    let header = format!(
        "From: a@example.org\r\nSubject: {subject}\r\nMessage-ID: <{}@example.org>\r\n\r\n",
        r.below(1000)
    );
    let lines = match r.below(8) {
        0 => 0,
        1 => r.below(60),
        _ => r.below(5),
    };
    let mut octets = header.clone().into_bytes();
    for _ in 0..lines {
        let word = *r.pick(&[
            "plain",
            "caf\u{e9}",
            "tab\there",
            "{5}",
            "\"quoted\\",
            "* 1 EXPUNGE",
        ]);
        octets.extend(format!("{word} w{}\r\n", r.below(30)).into_bytes());
    }
    NewMail {
        flags: if r.one_in(2) { flags(r) } else { 0 },
        date: r.one_in(2).then(|| {
            let second = i64::try_from(r.below(28 * 86_400)).unwrap_or(0);
            crate::model::FIRST_DAY + second
        }),
        content: Rc::new(Content {
            header: header.len(),
            octets,
            subject,
            ..Content::default()
        }),
        synchronizing: r.one_in(4),
    }
}

fn flags(r: &mut Random) -> u16 {
    let one = 1 << r.below(Flags::NAMES.len());
    match r.below(4) {
        0 => one | 1 << r.below(Flags::NAMES.len()),
        1 => Flags::DELETED,
        _ => one,
    }
}

fn modseq(client: &Client, r: &mut Random) -> u64 {
    let highest = client.highest().max(1);
    match r.below(4) {
        0 => highest.saturating_sub(r.below(6) as u64).max(1),
        1 => r.below(4) as u64 + 1,
        _ => highest,
    }
}

/// A set of messages this client knows of; now and then one it does not, or `$`.
fn set(uid: bool, client: &Client, r: &mut Random) -> Option<SetArg> {
    if r.one_in(12) {
        return Some(SetArg::Saved);
    }
    let count = client.entries.len();
    if uid && r.one_in(6) {
        return Some(SetArg::Ranges(vec![(Star::Number(1), Star::Last)]));
    }
    let mut number = || {
        if r.one_in(10) {
            return Star::Last;
        }
        let beyond = usize::from(r.one_in(30));
        let at = r.below(count + beyond);
        let place = u32::try_from(at + 1).unwrap_or(1);
        match client.entries.get(at) {
            Some(entry) if uid => Star::Number(entry.uid.unwrap_or(place)),
            _ => Star::Number(place),
        }
    };
    if count == 0 && !uid {
        return None;
    }
    let one = number();
    let mut ranges = vec![(one, number())];
    if count > 2 {
        let (a, b) = (number(), number());
        ranges.push((a, if r.one_in(2) { a } else { b }));
        if r.one_in(2) {
            ranges.remove(0);
        }
    }
    Some(SetArg::Ranges(ranges))
}

fn fetch(action: Action, uid: bool, client: &Client, r: &mut Random) -> Option<Command> {
    use FetchItem::{Binary, Body, Plain};
    let mut items = match action {
        Action::FetchBody => vec![
            r.pick(&[
                Body("", true, None),
                Body("", false, None),
                Body("HEADER", true, None),
                Body("TEXT", false, None),
                Body("1", true, None),
                Body("HEADER.FIELDS (SUBJECT)", true, None),
                Body("", true, Some((10, 30))),
                Body("TEXT", true, Some((0, 5))),
                Binary(true, None),
                Binary(false, Some((3, 9))),
                Plain("ENVELOPE"),
                Plain("BODYSTRUCTURE"),
                Plain("BODY"),
            ])
            .clone(),
        ],
        _ => vec![Plain(word(
            r,
            &["FLAGS", "FLAGS", "UID", "INTERNALDATE", "RFC822.SIZE"],
        ))],
    };
    for (name, often) in [
        ("UID", 2),
        ("FLAGS", 3),
        ("MODSEQ", 4),
        ("EMAILID", 8),
        ("THREADID", 12),
    ] {
        if r.one_in(often) && !items.contains(&Plain(name)) {
            items.push(Plain(name));
        }
    }
    let changed = action == Action::FetchChanged;
    let vanished = changed && client.qresync && r.one_in(2);
    let uid = uid || vanished;
    let set = match vanished || r.one_in(4) {
        true if uid => SetArg::Ranges(vec![(Star::Number(1), Star::Number(1000))]),
        _ => set(uid, client, r)?,
    };
    Some(Command::Fetch {
        uid,
        set,
        items,
        since: changed.then(|| modseq(client, r)),
        vanished,
    })
}

fn returns(r: &mut Random) -> Return {
    let mut on = || r.one_in(3);
    let mut returns = Return {
        min: on(),
        max: on(),
        all: on(),
        count: on(),
        save: on() || on(),
    };
    if returns == Return::default() {
        returns.all = true;
    }
    returns
}

fn key(client: &Client, r: &mut Random, depth: usize) -> Key {
    let bit = 1 << r.below(Flags::NAMES.len());
    if depth > 0 && r.one_in(3) {
        let a = Box::new(key(client, r, depth - 1));
        let b = Box::new(key(client, r, depth - 1));
        return match r.below(3) {
            0 => Key::Not(a),
            1 => Key::Or(a, b),
            _ => Key::And(a, b),
        };
    }
    match r.below(14) {
        0 => Key::All,
        1..4 => Key::Flag(bit),
        4..6 => Key::NoFlag(bit),
        6 => set(false, client, r).map_or(Key::All, Key::Numbers),
        7 => set(true, client, r).map_or(Key::All, Key::Uids),
        8 => Key::Larger(r.below(400) as u64),
        9 => Key::Smaller(r.below(400) as u64 + 1),
        10 => Key::Subject(format!("s{}", r.below(40))),
        11 => Key::Text(format!("w{}", r.below(30))),
        12 => match r.one_in(3) {
            true => Key::Recent(word(r, &["RECENT", "NEW", "OLD"])),
            false => Key::On(u32::try_from(r.below(28) + 1).unwrap_or(1)),
        },
        _ => Key::ModSeq(modseq(client, r)),
    }
}

fn list(r: &mut Random) -> ListCommand {
    let mut list = ListCommand {
        lsub: r.one_in(6),
        patterns: vec![(*r.pick(&PATTERNS)).to_owned()],
        ..ListCommand::default()
    };
    if list.lsub || r.one_in(2) {
        return list;
    }
    if r.one_in(3) {
        list.patterns.push((*r.pick(&PATTERNS)).to_owned());
    }
    list.subscribed = r.one_in(2);
    list.special = r.one_in(4);
    list.recursive = (list.subscribed || list.special) && r.one_in(2);
    list.return_subscribed = r.one_in(3);
    if r.one_in(3) {
        list.status = vec!["MESSAGES", "UIDNEXT", "HIGHESTMODSEQ"];
    }
    list
}

/// A command with one fault that makes it none of the grammar's.
fn broken(r: &mut Random) -> String {
    let good = *r.pick(&[
        "FETCH 1 FLAGS",
        "UID FETCH 1:* (FLAGS)",
        "STORE 1 +FLAGS (\\Seen)",
        "UID STORE 1:* FLAGS (\\Deleted)",
        "SEARCH ALL",
        "COPY 1 Work",
        "UID MOVE 1:* Old",
        "STATUS INBOX (MESSAGES)",
        "LIST \"\" *",
        "SELECT INBOX",
        "CREATE Old",
        "RENAME Old Work",
    ]);
    let (verb, rest) = good.split_at(good.rfind(' ').unwrap_or(0));
    match r.below(7) {
        0 => format!("X{good}"),
        1 => verb.to_owned(),
        2 => format!("{good} ("),
        3 => good.replace(' ', "  "),
        4 => format!("{verb} {}{rest}", "\u{1}"),
        5 => format!("{verb} ({rest}"),
        _ => format!("{verb} {{x}}"),
    }
}
