//! Commands as the client that sends them means them.

use std::rc::Rc;

use super::flags::{FlagSet, Flags};
use super::mailbox::Content;
use super::search::Key;

/// A number of a set, or `*`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Star {
    /// A number.
    Number(u32),
    /// `*`.
    Last,
}

/// A sequence set (RFC 9051 §9), or `$` (RFC 5182).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SetArg {
    /// Ranges, both ends included, in either order.
    Ranges(Vec<(Star, Star)>),
    /// `$`.
    Saved,
}

/// How flags change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StoreOp {
    /// FLAGS.
    Replace,
    /// +FLAGS.
    Add,
    /// -FLAGS.
    Remove,
}

impl StoreOp {
    /// The flags after it.
    #[must_use]
    pub fn apply(self, now: FlagSet, named: FlagSet) -> FlagSet {
        match self {
            Self::Replace => named,
            Self::Add => now | named,
            Self::Remove => now & !named,
        }
    }
}

/// A message to be appended.
#[derive(Clone, Debug)]
pub struct NewMail {
    /// Its flags.
    pub flags: FlagSet,
    /// INTERNALDATE in seconds since 1970, if given.
    pub date: Option<i64>,
    /// Its octets.
    pub content: Rc<Content>,
    /// Its literal waits for a continuation.
    pub synchronizing: bool,
}

/// What QRESYNC says it knows (RFC 7162 §3.2.5).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Qresync {
    /// UIDVALIDITY.
    pub validity: u32,
    /// The modification sequence.
    pub modseq: u64,
    /// Whether the known UIDs are sent.
    pub known: Option<Vec<u32>>,
    /// Sequence numbers and their UIDs.
    pub matching: Option<(Vec<u32>, Vec<u32>)>,
}

/// SELECT or EXAMINE.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Select {
    /// Which mailbox.
    pub name: String,
    /// EXAMINE.
    pub read_only: bool,
    /// CONDSTORE.
    pub condstore: bool,
    /// QRESYNC.
    pub qresync: Option<Qresync>,
}

/// LIST and its options (RFC 5258, RFC 5819, RFC 6154).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ListCommand {
    /// LSUB.
    pub lsub: bool,
    /// Patterns, in characters.
    pub patterns: Vec<String>,
    /// Selects SUBSCRIBED.
    pub subscribed: bool,
    /// RECURSIVEMATCH.
    pub recursive: bool,
    /// Selects SPECIAL-USE.
    pub special: bool,
    /// RETURN (SUBSCRIBED).
    pub return_subscribed: bool,
    /// RETURN (STATUS (…)).
    pub status: Vec<&'static str>,
}

/// RETURN options of SEARCH.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Return {
    /// MIN.
    pub min: bool,
    /// MAX.
    pub max: bool,
    /// ALL.
    pub all: bool,
    /// COUNT.
    pub count: bool,
    /// SAVE.
    pub save: bool,
}

/// An item of FETCH.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FetchItem {
    /// One without arguments, as written.
    Plain(&'static str),
    /// `BODY[section]`; the section, whether it leaves \Seen alone, the partial range.
    Body(&'static str, bool, Option<(u64, u64)>),
    /// `BINARY[1]`.
    Binary(bool, Option<(u64, u64)>),
}

/// One command.
#[derive(Clone, Debug)]
pub enum Command {
    /// LOGIN as this account.
    Login(String),
    /// ENABLE these.
    Enable(&'static [&'static str]),
    /// NOOP, CHECK, CAPABILITY, NAMESPACE, ID: only their name differs.
    Plain(&'static str),
    /// SELECT, EXAMINE.
    Select(Select),
    /// CLOSE.
    Close,
    /// UNSELECT.
    Unselect,
    /// LOGOUT.
    Logout,
    /// CREATE, with a special use.
    Create(String, Option<&'static str>),
    /// DELETE.
    Delete(String),
    /// RENAME.
    Rename(String, String),
    /// SUBSCRIBE or UNSUBSCRIBE.
    Subscribe(String, bool),
    /// LIST, LSUB.
    List(ListCommand),
    /// STATUS.
    Status(String, Vec<&'static str>),
    /// APPEND.
    Append(String, Vec<NewMail>),
    /// IDLE, until DONE.
    Idle,
    /// EXPUNGE, or UID EXPUNGE.
    Expunge(Option<SetArg>),
    /// SEARCH.
    Search {
        /// UID SEARCH.
        uid: bool,
        /// RETURN.
        returns: Option<Return>,
        /// The keys.
        key: Key,
    },
    /// FETCH.
    Fetch {
        /// UID FETCH.
        uid: bool,
        /// Which.
        set: SetArg,
        /// What.
        items: Vec<FetchItem>,
        /// CHANGEDSINCE.
        since: Option<u64>,
        /// VANISHED.
        vanished: bool,
    },
    /// STORE.
    Store {
        /// UID STORE.
        uid: bool,
        /// Which.
        set: SetArg,
        /// UNCHANGEDSINCE.
        since: Option<u64>,
        /// How.
        op: StoreOp,
        /// .SILENT.
        silent: bool,
        /// Which flags.
        flags: FlagSet,
    },
    /// COPY or MOVE.
    Copy {
        /// The UID form.
        uid: bool,
        /// MOVE.
        remove: bool,
        /// Which.
        set: SetArg,
        /// Where to.
        to: String,
    },
    /// What no grammar has: the answer is BAD and nothing happens.
    Broken(String),
}

/// A piece of a command: the client waits for a continuation before the next.
pub type Pieces = Vec<Vec<u8>>;

impl Command {
    /// The command on the wire without its tag, in pieces between which a continuation comes. `utf8`: names are in UTF-8.
    #[must_use]
    pub fn pieces(&self, utf8: bool) -> Pieces {
        let name = |name: &str| wire_name(name, utf8);
        let text = match self {
            Self::Append(to, mails) => return append(&name(to), mails),
            Self::Login(user) => format!("LOGIN {user} pw"),
            Self::Enable(names) => format!("ENABLE {}", names.join(" ")),
            Self::Plain(text) => (*text).to_owned(),
            Self::Select(select) => self::select(select, &name(&select.name)),
            Self::Close => "CLOSE".to_owned(),
            Self::Unselect => "UNSELECT".to_owned(),
            Self::Logout => "LOGOUT".to_owned(),
            Self::Create(to, None) => format!("CREATE {}", name(to)),
            Self::Create(to, Some(special)) => format!("CREATE {} (USE ({special}))", name(to)),
            Self::Delete(at) => format!("DELETE {}", name(at)),
            Self::Rename(from, to) => format!("RENAME {} {}", name(from), name(to)),
            Self::Subscribe(at, true) => format!("SUBSCRIBE {}", name(at)),
            Self::Subscribe(at, false) => format!("UNSUBSCRIBE {}", name(at)),
            Self::List(list) => self::list(list, utf8),
            Self::Status(at, items) => format!("STATUS {} ({})", name(at), items.join(" ")),
            Self::Idle => "IDLE".to_owned(),
            Self::Expunge(None) => "EXPUNGE".to_owned(),
            Self::Expunge(Some(set)) => format!("UID EXPUNGE {set}"),
            Self::Search { uid, returns, key } => {
                let returns = returns.map(|r| format!(" RETURN ({})", r.words()));
                let (uid, returns) = (if *uid { "UID " } else { "" }, returns.unwrap_or_default());
                format!("{uid}SEARCH{returns} {key}")
            }
            Self::Fetch {
                uid,
                set,
                items,
                since,
                vanished,
            } => {
                let items: Vec<String> = items.iter().map(FetchItem::written).collect();
                let uid = if *uid { "UID " } else { "" };
                let vanished = if *vanished { " VANISHED" } else { "" };
                let since = since.map(|m| format!(" (CHANGEDSINCE {m}{vanished})"));
                let since = since.unwrap_or_default();
                format!("{uid}FETCH {set} ({}){since}", items.join(" "))
            }
            Self::Store {
                uid,
                set,
                since,
                op,
                silent,
                flags,
            } => {
                let uid = if *uid { "UID " } else { "" };
                let since = since.map(|m| format!(" (UNCHANGEDSINCE {m})"));
                let since = since.unwrap_or_default();
                let sign = match op {
                    StoreOp::Replace => "",
                    StoreOp::Add => "+",
                    StoreOp::Remove => "-",
                };
                let silent = if *silent { ".SILENT" } else { "" };
                let flags = Flags::names(*flags);
                format!("{uid}STORE {set}{since} {sign}FLAGS{silent} ({flags})")
            }
            Self::Copy {
                uid,
                remove,
                set,
                to,
            } => {
                let uid = if *uid { "UID " } else { "" };
                let verb = if *remove { "MOVE" } else { "COPY" };
                format!("{uid}{verb} {set} {}", name(to))
            }
            Self::Broken(text) => text.clone(),
        };
        vec![format!("{text}\r\n").into_bytes()]
    }

    /// The command uses sequence numbers in a way that forbids EXPUNGE while it is answered (RFC 9051 §7.5.1).
    #[must_use]
    pub fn no_expunge(&self) -> bool {
        match self {
            Self::Fetch { uid, .. } | Self::Store { uid, .. } => !uid,
            Self::Search { uid, key, .. } => !uid || key.has_numbers(),
            _ => false,
        }
    }

    /// Whether the server sends `+` for it, and how often.
    #[must_use]
    pub fn continuations(&self) -> usize {
        match self {
            Self::Idle => 1,
            Self::Append(_, mails) => mails.iter().filter(|m| m.synchronizing).count(),
            _ => 0,
        }
    }
}

impl FetchItem {
    /// Whether it sets \Seen.
    #[must_use]
    pub fn sets_seen(&self) -> bool {
        match self {
            Self::Plain(name) => *name == "RFC822" || *name == "RFC822.TEXT",
            Self::Body(_, peek, _) | Self::Binary(peek, _) => !peek,
        }
    }

    fn written(&self) -> String {
        let partial = |p: &Option<(u64, u64)>| {
            p.map(|(from, n)| format!("<{from}.{n}>"))
                .unwrap_or_default()
        };
        let dot = |peek: &bool| if *peek { ".PEEK" } else { "" };
        match self {
            Self::Plain(name) => (*name).to_owned(),
            Self::Body(section, peek, part) => {
                format!("BODY{}[{section}]{}", dot(peek), partial(part))
            }
            Self::Binary(peek, part) => format!("BINARY{}[1]{}", dot(peek), partial(part)),
        }
    }
}

impl Return {
    fn words(self) -> String {
        let all = [
            (self.save, "SAVE"),
            (self.min, "MIN"),
            (self.max, "MAX"),
            (self.all, "ALL"),
            (self.count, "COUNT"),
        ];
        let words: Vec<&str> = all.iter().filter(|(on, _)| *on).map(|(_, w)| *w).collect();
        words.join(" ")
    }
}

impl std::fmt::Display for SetArg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self::Ranges(ranges) = self else {
            return f.write_str("$");
        };
        for (i, (a, b)) in ranges.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            match a == b {
                true => write!(f, "{a}")?,
                false => write!(f, "{a}:{b}")?,
            }
        }
        Ok(())
    }
}

impl std::fmt::Display for Star {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(n) => write!(f, "{n}"),
            Self::Last => f.write_str("*"),
        }
    }
}

/// A mailbox name on the wire: modified UTF-7 (RFC 3501 §5.1.3), or with `utf8` as it is. Of the characters outside ASCII there is one.
#[must_use]
pub fn wire_name(name: &str, utf8: bool) -> String {
    let name = if utf8 {
        name.to_owned()
    } else {
        name.replace('ü', "&APw-")
    };
    format!("\"{name}\"")
}

fn append(to: &str, mails: &[NewMail]) -> Pieces {
    let mut pieces = vec![format!("APPEND {to}").into_bytes()];
    for mail in mails {
        let last = pieces.len() - 1;
        let date = mail.date.map(|unix| format!(" \"{}\"", date_time(unix)));
        let size = mail.content.octets.len();
        let plus = if mail.synchronizing { "" } else { "+" };
        let flags = match mail.flags {
            0 => String::new(),
            flags => format!(" ({})", Flags::names(flags)),
        };
        let head = format!("{flags}{} {{{size}{plus}}}\r\n", date.unwrap_or_default());
        pieces[last].extend(head.into_bytes());
        if mail.synchronizing {
            pieces.push(Vec::new());
        }
        let last = pieces.len() - 1;
        pieces[last].extend(&mail.content.octets);
    }
    let last = pieces.len() - 1;
    pieces[last].extend(b"\r\n");
    pieces
}

fn select(select: &Select, name: &str) -> String {
    let verb = if select.read_only {
        "EXAMINE"
    } else {
        "SELECT"
    };
    let mut params = Vec::new();
    if select.condstore {
        params.push("CONDSTORE".to_owned());
    }
    if let Some(q) = &select.qresync {
        let commas = |n: &[u32]| n.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        let known = q.known.as_ref().map(|k| format!(" {}", commas(k)));
        let matching = q.matching.as_ref();
        let matching = matching.map(|(s, u)| format!(" ({} {})", commas(s), commas(u)));
        params.push(format!(
            "QRESYNC ({} {}{}{})",
            q.validity,
            q.modseq,
            known.unwrap_or_default(),
            matching.unwrap_or_default()
        ));
    }
    match params.is_empty() {
        true => format!("{verb} {name}"),
        false => format!("{verb} {name} ({})", params.join(" ")),
    }
}

fn list(list: &ListCommand, utf8: bool) -> String {
    let patterns: Vec<String> = list.patterns.iter().map(|p| wire_name(p, utf8)).collect();
    if list.lsub {
        return format!("LSUB \"\" {}", patterns[0]);
    }
    let words = |options: &[(bool, &str)]| {
        let on: Vec<&str> = options.iter().filter(|o| o.0).map(|o| o.1).collect();
        on.join(" ")
    };
    let selects = words(&[
        (list.subscribed, "SUBSCRIBED"),
        (list.special, "SPECIAL-USE"),
        (list.recursive, "RECURSIVEMATCH"),
    ]);
    let status = format!("STATUS ({})", list.status.join(" "));
    let returns = words(&[
        (list.return_subscribed, "SUBSCRIBED"),
        (!list.status.is_empty(), &status),
    ]);
    let selects = match selects.is_empty() {
        true => String::new(),
        false => format!(" ({selects})"),
    };
    let patterns = match &patterns[..] {
        [one] => one.clone(),
        many => format!("({})", many.join(" ")),
    };
    let returns = match returns.is_empty() {
        true => String::new(),
        false => format!(" RETURN ({returns})"),
    };
    format!("LIST{selects} \"\" {patterns}{returns}")
}

/// date-time in UTC, of a day between 2001-01-01 and 2001-01-28: `unix` is chosen so.
fn date_time(unix: i64) -> String {
    let in_day = unix.rem_euclid(86_400);
    let day = (unix - FIRST_DAY).div_euclid(86_400) + 1;
    let (hour, minute, second) = (in_day / 3600, in_day / 60 % 60, in_day % 60);
    format!("{day:02}-Jan-2001 {hour:02}:{minute:02}:{second:02} +0000")
}

/// 2001-01-01, the first day that a history dates a message.
pub(crate) const FIRST_DAY: i64 = 978_307_200;
