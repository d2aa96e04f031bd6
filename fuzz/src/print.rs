//! Writes commands as a client would, each string as a literal: what is read from that must be the same command.

use pillarbox_core::ast::{
    Command, FetchItem, List, Search, SearchKey, SearchStep, Section, SectionName, SectionText,
    SelectParams, SeqNumber, SequenceSet, StatusItem,
};
use pillarbox_core::date::Date;
use pillarbox_core::effect::FlagOp;
use pillarbox_core::flag::SystemFlags;
use pillarbox_core::search::When;

type Octets = Vec<u8>;

/// The command without its tag; `None`: it is one of those whose text is not kept.
pub fn print(command: &Command) -> Option<Octets> {
    Some(match command {
        Command::Create {
            mailbox,
            special_use,
        } if special_use.is_empty() => named("CREATE", &[mailbox]),
        Command::Delete(mailbox) => named("DELETE", &[mailbox]),
        Command::Rename { from, to } => named("RENAME", &[from, to]),
        Command::Subscribe(mailbox) => named("SUBSCRIBE", &[mailbox]),
        Command::Unsubscribe(mailbox) => named("UNSUBSCRIBE", &[mailbox]),
        Command::Lsub { reference, pattern } => named("LSUB", &[reference, pattern]),
        Command::Select {
            mailbox,
            read_only,
            params,
        } => {
            let verb = if *read_only { "EXAMINE" } else { "SELECT" };
            join(&[named(verb, &[mailbox]), select_params(params)], "")
        }
        Command::List(l) => list(l),
        Command::Status { mailbox, items } => {
            join(&[named("STATUS", &[mailbox]), status_items(items)], " ")
        }
        Command::Expunge(Some(uids)) => join(&[text("UID EXPUNGE"), set(uids)], " "),
        Command::Search { uid, search } => verb(*uid, "SEARCH", &[self::search(search)?]),
        Command::Fetch {
            uid,
            set,
            items,
            changed_since,
            vanished,
        } => {
            let items: Option<Vec<_>> = items.iter().map(item).collect();
            let vanished = if *vanished { " VANISHED" } else { "" };
            let since = changed_since.map(|m| format!("(CHANGEDSINCE {}{vanished})", m.0));
            let mut words = vec![self::set(set), group(&items?)];
            words.extend(since.map(String::into_bytes));
            verb(*uid, "FETCH", &words)
        }
        Command::Store {
            uid,
            set,
            unchanged_since,
            op,
            silent,
            flags,
        } => {
            let mut words = vec![self::set(set)];
            words.extend(unchanged_since.map(|m| format!("(UNCHANGEDSINCE {})", m.0).into_bytes()));
            let sign = match op {
                FlagOp::Replace => "",
                FlagOp::Add => "+",
                FlagOp::Remove => "-",
            };
            words.push(text(&format!(
                "{sign}FLAGS{}",
                if *silent { ".SILENT" } else { "" }
            )));
            let system = SystemFlags::TABLE
                .iter()
                .filter(|(f, _)| flags.system.has(*f))
                .map(|(_, n)| text(n));
            words.push(group(
                &system
                    .chain(flags.keywords.iter().map(|k| text(k)))
                    .collect::<Vec<_>>(),
            ));
            verb(*uid, "STORE", &words)
        }
        Command::Copy {
            uid,
            remove,
            set,
            mailbox,
        } => {
            let name = if *remove { "MOVE" } else { "COPY" };
            verb(*uid, name, &[self::set(set), literal(mailbox)])
        }
        _ => return None,
    })
}

fn text(text: &str) -> Octets {
    text.as_bytes().to_vec()
}

fn join(words: &[Octets], between: &str) -> Octets {
    words.join(between.as_bytes())
}

fn group(words: &[Octets]) -> Octets {
    [&b"("[..], &join(words, " "), b")"].concat()
}

fn literal(octets: &[u8]) -> Octets {
    [format!("{{{}+}}\r\n", octets.len()).as_bytes(), octets].concat()
}

fn named(verb: &str, strings: &[&[u8]]) -> Octets {
    let words: Vec<_> = [text(verb)]
        .into_iter()
        .chain(strings.iter().map(|s| literal(s)))
        .collect();
    join(&words, " ")
}

fn verb(uid: bool, name: &str, words: &[Octets]) -> Octets {
    let name = if uid {
        format!("UID {name}")
    } else {
        name.to_owned()
    };
    join(&[text(&name), join(words, " ")], " ")
}

fn set(set: &SequenceSet) -> Octets {
    let number = |n: &SeqNumber| match n {
        SeqNumber::Number(n) => n.to_string(),
        SeqNumber::Last => "*".to_owned(),
    };
    match set {
        SequenceSet::Saved => text("$"),
        SequenceSet::Ranges(ranges) => {
            let ranges: Vec<_> = ranges
                .iter()
                .map(|(a, b)| format!("{}:{}", number(a), number(b)))
                .collect();
            text(&ranges.join(","))
        }
    }
}

fn select_params(params: &SelectParams) -> Octets {
    let mut words = Vec::new();
    if params.condstore {
        words.push(text("CONDSTORE"));
    }
    if let Some(q) = &params.qresync {
        let mut inner = vec![
            text(&q.uid_validity.to_string()),
            text(&q.modseq.0.to_string()),
        ];
        inner.extend(q.known_uids.as_ref().map(set));
        inner.extend(q.seq_match.as_ref().map(|(a, b)| group(&[set(a), set(b)])));
        words.push(join(&[text("QRESYNC"), group(&inner)], " "));
    }
    if words.is_empty() {
        Octets::new()
    } else {
        join(&[text(""), group(&words)], " ")
    }
}

fn list(l: &List) -> Octets {
    let chosen = |options: &[(bool, &str)]| -> Vec<Octets> {
        options
            .iter()
            .filter(|(on, _)| *on)
            .map(|(_, name)| text(name))
            .collect()
    };
    let mut words = vec![text("LIST")];
    if l.extended {
        words.push(group(&chosen(&[
            (l.select_subscribed, "SUBSCRIBED"),
            (l.select_remote, "REMOTE"),
            (l.recursive_match, "RECURSIVEMATCH"),
            (l.select_special_use, "SPECIAL-USE"),
        ])));
    }
    words.push(literal(&l.reference));
    let patterns: Vec<_> = l.patterns.iter().map(|p| literal(p)).collect();
    words.push(if l.extended {
        group(&patterns)
    } else {
        join(&patterns, " ")
    });
    let mut returned = chosen(&[
        (l.return_subscribed, "SUBSCRIBED"),
        (l.return_children, "CHILDREN"),
        (l.return_special_use, "SPECIAL-USE"),
    ]);
    if let Some(items) = &l.return_status {
        returned.push(join(&[text("STATUS"), status_items(items)], " "));
    }
    if l.extended {
        words.push(join(&[text("RETURN"), group(&returned)], " "));
    }
    join(&words, " ")
}

fn status_items(items: &[StatusItem]) -> Octets {
    // Their names are those of the protocol but for the case.
    let names: Vec<_> = items
        .iter()
        .map(|item| text(&format!("{item:?}").to_uppercase()))
        .collect();
    group(&names)
}

fn search(search: &Search) -> Option<Octets> {
    let mut keys: Vec<Octets> = Vec::new();
    for step in &search.keys {
        let key = match step {
            SearchStep::Key(key) => key_text(key)?,
            SearchStep::Not => join(&[text("NOT"), keys.pop()?], " "),
            SearchStep::And => {
                let last = keys.pop()?;
                group(&[keys.pop()?, last])
            }
            SearchStep::Or => {
                let last = keys.pop()?;
                join(&[text("OR"), keys.pop()?, last], " ")
            }
        };
        keys.push(key);
    }
    let mut words = Vec::new();
    if let Some(r) = search.result {
        let options = [
            (r.min, "MIN"),
            (r.max, "MAX"),
            (r.all, "ALL"),
            (r.count, "COUNT"),
            (r.save, "SAVE"),
        ];
        let names: Vec<_> = options
            .iter()
            .filter(|(on, _)| *on)
            .map(|(_, n)| text(n))
            .collect();
        words.push(join(&[text("RETURN"), group(&names)], " "));
    }
    if let Some(charset) = &search.charset {
        words.push(join(&[text("CHARSET"), literal(charset.as_bytes())], " "));
    }
    words.extend(keys);
    Some(join(&words, " "))
}

fn key_text(key: &SearchKey) -> Option<Octets> {
    let date = |prefix: &str, when: &When, date: &Date| {
        let name = match when {
            When::Before => "BEFORE",
            When::On => "ON",
            When::Since => "SINCE",
        };
        let months = [
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ];
        let month = months[usize::from(date.month) - 1];
        text(&format!(
            "{prefix}{name} {}-{month}-{:04}",
            date.day, date.year
        ))
    };
    Some(match key {
        SearchKey::All => text("ALL"),
        SearchKey::Sequence(numbers) => set(numbers),
        SearchKey::Uid(uids) => join(&[text("UID"), set(uids)], " "),
        SearchKey::Flag(flag) => {
            let (_, name) = SystemFlags::TABLE.iter().find(|(f, _)| f == flag)?;
            text(&name[1..].to_uppercase())
        }
        SearchKey::Recent => text("RECENT"),
        SearchKey::Keyword(keyword) => text(&format!("KEYWORD {keyword}")),
        SearchKey::Larger(n) => text(&format!("LARGER {n}")),
        SearchKey::Smaller(n) => text(&format!("SMALLER {n}")),
        SearchKey::Internal(when, day) => date("", when, day),
        SearchKey::Sent(when, day) => date("SENT", when, day),
        SearchKey::Saved(when, day) => date("SAVED", when, day),
        SearchKey::Header(name, value) => named("HEADER", &[name, value]),
        SearchKey::Body(value) => named("BODY", &[value]),
        SearchKey::Text(value) => named("TEXT", &[value]),
        SearchKey::ModSeq(modseq) => text(&format!("MODSEQ {}", modseq.0)),
        SearchKey::EmailId(id) => {
            let id = id.map_or("none".to_owned(), |id| format!("M{:x}", id.0));
            named("EMAILID", &[id.as_bytes()])
        }
        SearchKey::ThreadId(id) => {
            let id = id.map_or("none".to_owned(), |id| format!("T{:x}", id.0));
            named("THREADID", &[id.as_bytes()])
        }
        _ => return None,
    })
}

fn item(item: &FetchItem) -> Option<Octets> {
    let peeked = |peek: &bool| if *peek { ".PEEK" } else { "" };
    let cut = |partial: &Option<(u64, u64)>| {
        partial.map_or(String::new(), |(at, n)| format!("<{at}.{n}>"))
    };
    Some(match item {
        FetchItem::Flags => text("FLAGS"),
        FetchItem::Uid => text("UID"),
        FetchItem::InternalDate => text("INTERNALDATE"),
        FetchItem::Size => text("RFC822.SIZE"),
        FetchItem::Envelope => text("ENVELOPE"),
        FetchItem::Body => text("BODY"),
        FetchItem::BodyStructure => text("BODYSTRUCTURE"),
        FetchItem::ModSeq => text("MODSEQ"),
        FetchItem::SaveDate => text("SAVEDATE"),
        FetchItem::EmailId => text("EMAILID"),
        FetchItem::ThreadId => text("THREADID"),
        FetchItem::Section {
            name: SectionName::Body,
            section,
            peek,
            partial,
        } => [
            text(&format!("BODY{}[", peeked(peek))),
            self::section(section),
            text(&format!("]{}", cut(partial))),
        ]
        .concat(),
        FetchItem::Section { name, .. } => text(match name {
            SectionName::Rfc822Header => "RFC822.HEADER",
            SectionName::Rfc822Text => "RFC822.TEXT",
            _ => "RFC822",
        }),
        FetchItem::Binary {
            path,
            peek,
            partial,
        } => text(&format!(
            "BINARY{}[{}]{}",
            peeked(peek),
            dotted(path),
            cut(partial)
        )),
        FetchItem::BinarySize(path) => text(&format!("BINARY.SIZE[{}]", dotted(path))),
        _ => return None,
    })
}

fn dotted(path: &[u32]) -> String {
    path.iter()
        .map(u32::to_string)
        .collect::<Vec<_>>()
        .join(".")
}

fn section(section: &Section) -> Octets {
    let of = match &section.text {
        SectionText::Whole => Octets::new(),
        SectionText::Header => text("HEADER"),
        SectionText::Text => text("TEXT"),
        SectionText::Mime => text("MIME"),
        SectionText::Fields { names, not } => {
            let verb = if *not {
                "HEADER.FIELDS.NOT"
            } else {
                "HEADER.FIELDS"
            };
            join(
                &[
                    text(verb),
                    group(&names.iter().map(literal).collect::<Vec<_>>()),
                ],
                " ",
            )
        }
    };
    let dot = if section.path.is_empty() || of.is_empty() {
        ""
    } else {
        "."
    };
    join(&[text(&dotted(&section.path)), of], dot)
}
