//! Every operation of the store fails in every way: the command is refused with the code of that failure, and the session goes on.

use std::sync::Arc;

use bytes::{Buf, Bytes};
use pillarbox_core::date::DateTime;
use pillarbox_core::effect::{Effect, ErrorKind, FetchPage, Reply, Row, StoreError};
use pillarbox_core::flag::Flags;
use pillarbox_core::id::{EmailId, ModSeq, ThreadId, Uid};
use pillarbox_core::now::{Now, Tick};
use pillarbox_core::session::{Action, CloseReason, Config, Event, Peer, Session};
use pillarbox_sim::answered;
use pillarbox_store::{Memory, StaticAccounts};

const NOW: Now = Now {
    tick: Tick(0),
    unix: 1_700_000_000,
};

/// Every kind with its response code (RFC 9051 §7.1, RFC 5530 §3).
const KINDS: [(ErrorKind, &str); 17] = [
    (ErrorKind::NonExistent, "NONEXISTENT"),
    (ErrorKind::AlreadyExists, "ALREADYEXISTS"),
    (ErrorKind::HasChildren, "HASCHILDREN"),
    (ErrorKind::NoPerm, "NOPERM"),
    (ErrorKind::Cannot, "CANNOT"),
    (ErrorKind::Limit, "LIMIT"),
    (ErrorKind::OverQuota, "OVERQUOTA"),
    (ErrorKind::TooBig, "TOOBIG"),
    (ErrorKind::Unavailable, "UNAVAILABLE"),
    (ErrorKind::Corruption, "CORRUPTION"),
    (ErrorKind::ExpungeIssued, "EXPUNGEISSUED"),
    (ErrorKind::InUse, "INUSE"),
    (ErrorKind::AuthenticationFailed, "AUTHENTICATIONFAILED"),
    (ErrorKind::UnknownCte, "UNKNOWN-CTE"),
    (ErrorKind::Disabled, "CONTACTADMIN"),
    (ErrorKind::Unsupported, "CANNOT"),
    (ErrorKind::ServerBug, "SERVERBUG"),
];

/// An operation, the commands before the one that it fails in, and that one.
const CASES: &[(&str, &[&str], &str)] = &[
    ("Authenticate", &[], "LOGIN tim pw"),
    ("Create", &[LOGIN], "CREATE work"),
    ("Delete", &[LOGIN, "CREATE work"], "DELETE work"),
    ("Rename", &[LOGIN, "CREATE work"], "RENAME work play"),
    ("Subscribe", &[LOGIN], "SUBSCRIBE work"),
    ("Mailboxes", &[LOGIN], "LIST \"\" *"),
    ("Mailboxes", &[LOGIN], "LSUB \"\" *"),
    ("Status", &[LOGIN], "STATUS INBOX (MESSAGES)"),
    ("Status", &[LOGIN], "LIST \"\" * RETURN (STATUS (MESSAGES))"),
    ("UploadBegin", &[LOGIN], "APPEND INBOX {3+}\r\nabc"),
    ("UploadChunk", &[LOGIN], "APPEND INBOX {3+}\r\nabc"),
    ("UploadCommit", &[LOGIN], "APPEND INBOX {3+}\r\nabc"),
    ("Open", &[LOGIN], "SELECT INBOX"),
    ("Watch", &[LOGIN], "SELECT INBOX"),
    (
        "Changes",
        &[LOGIN, ENABLE],
        "SELECT INBOX (QRESYNC (1700000000 1))",
    ),
    ("Fetch", &[LOGIN, MAIL, SELECT], "FETCH 1 (FLAGS ENVELOPE)"),
    ("SetFlags", &[LOGIN, MAIL, SELECT], "FETCH 1 BODY[]"),
    (
        "ReadBody",
        &[LOGIN, LARGE, SELECT],
        "FETCH 1 BINARY.PEEK[1]",
    ),
    (
        "Changes",
        &[LOGIN, ENABLE, MAIL, SELECT],
        "UID FETCH 1:9 (FLAGS) (CHANGEDSINCE 1 VANISHED)",
    ),
    (
        "SetFlags",
        &[LOGIN, MAIL, SELECT],
        "STORE 1 +FLAGS (\\Seen)",
    ),
    ("Search", &[LOGIN, MAIL, SELECT], "SEARCH TEXT abc"),
    (
        "Search",
        &[LOGIN, MAIL, SELECT],
        "SEARCH RETURN (SAVE) TEXT abc",
    ),
    ("Copy", &[LOGIN, MAIL, SELECT], "COPY 1 INBOX"),
    ("Move", &[LOGIN, MAIL, SELECT], "MOVE 1 INBOX"),
    ("Expunge", &[LOGIN, MAIL, SELECT, DELETED], "EXPUNGE"),
    ("Expunge", &[LOGIN, MAIL, SELECT, DELETED], "CLOSE"),
];

const LOGIN: &str = "LOGIN tim pw";
const ENABLE: &str = "ENABLE QRESYNC";
const MAIL: &str = "APPEND INBOX {3+}\r\nabc";
/// Replaced by a message that does not come with its row.
const LARGE: &str = "large";
const SELECT: &str = "SELECT INBOX";
const DELETED: &str = "STORE 1 +FLAGS.SILENT (\\Deleted)";

struct Server {
    session: Session,
    backend: Memory,
    accounts: StaticAccounts,
    /// What fails next, once.
    failing: Option<(&'static str, ErrorKind)>,
    /// How often it passes before.
    passes: usize,
    /// Answers an effect in place of the store.
    tamper: fn(Effect) -> Result<Reply, Effect>,
    failed: usize,
    logged: usize,
    closed: Option<CloseReason>,
}

impl Server {
    fn new() -> Self {
        let mut config = Config::default();
        config.plaintext_login = true;
        Self {
            session: Session::new(Arc::new(config), Peer::default(), [0; 32], NOW),
            backend: Memory::with_validity(1_700_000_000),
            accounts: StaticAccounts::new().with("tim", "pw"),
            failing: None,
            passes: 0,
            tamper: Err,
            failed: 0,
            logged: 0,
            closed: None,
        }
    }

    /// Runs one command, and gives all that is said.
    fn command(&mut self, command: &str) -> String {
        let large = format!("APPEND INBOX {{200002+}}\r\n\r\n{}", "x".repeat(200_000));
        let command = if command == LARGE { &large } else { command };
        let line = format!("t {command}\r\n");
        let (mut rest, mut said) = (line.as_bytes(), Vec::new());
        loop {
            self.work(&mut said);
            let Some(mut slot) = self.session.recv_slot() else {
                break;
            };
            if rest.is_empty() {
                break;
            }
            let octets = slot.capacity().min(rest.len());
            slot.put(&rest[..octets]);
            rest = &rest[octets..];
        }
        String::from_utf8(said).expect("all of it is ASCII here")
    }

    fn work(&mut self, said: &mut Vec<u8>) {
        loop {
            let action = self.session.poll(NOW);
            let mut out = self.session.transmit(NOW);
            let sent = out.remaining();
            said.extend_from_slice(&out.copy_to_bytes(sent));
            match action {
                Some(Action::Effect(effect)) => {
                    let reply = self.answer(effect);
                    self.session.handle_reply(reply);
                }
                Some(Action::Event(Event::StoreFailed { .. })) => self.logged += 1,
                Some(Action::Closed(reason)) => self.closed = Some(reason),
                Some(_) => {}
                None if sent == 0 => return,
                None => {}
            }
        }
    }

    fn answer(&mut self, effect: Effect) -> Reply {
        let fails = |failing: &mut (&str, ErrorKind)| failing.0 == effect.name();
        match self.passes.checked_sub(1) {
            Some(less) if self.failing.as_mut().is_some_and(fails) => self.passes = less,
            _ => {
                if let Some((_, kind)) = self.failing.take_if(fails) {
                    self.failed += 1;
                    return effect.fail(StoreError::new(kind, "It failed\r\nx OK"));
                }
            }
        }
        let effect = match (self.tamper)(effect) {
            Ok(reply) => return reply,
            Err(effect) => effect,
        };
        match effect {
            // No other session is there to tell of.
            Effect::Watch(call) => call.answer(Ok(())),
            Effect::Unwatch(call) => call.answer(Ok(())),
            effect => answered(&self.backend, &self.accounts, effect),
        }
    }
}

fn refused(operation: &'static str, before: &[&str], command: &str, kind: ErrorKind, code: &str) {
    let case = format!("{operation} fails with {kind:?} in {command:?}");
    let mut server = Server::new();
    for command in before {
        let said = server.command(command);
        assert!(said.contains("t OK"), "{case}: before it {said}");
    }
    server.failing = Some((operation, kind));
    let said = server.command(command);
    assert!(server.failed > 0, "{case}: it was not asked for: {said}");
    // What CREATE would mend (RFC 9051 §7.1).
    let target = ["UploadBegin", "UploadCommit", "Copy", "Move"].contains(&operation);
    let code = match kind {
        ErrorKind::NonExistent if target => "TRYCREATE",
        _ => code,
    };
    let tagged: Vec<&str> = said.lines().filter(|l| l.starts_with("t ")).collect();
    assert_eq!(tagged.len(), 1, "{case}: {said}");
    assert!(
        tagged[0].starts_with(&format!("t NO [{code}] ")),
        "{case}: {said}"
    );
    assert!(
        !said.contains("\nx OK"),
        "{case}: the store's text broke the line: {said}"
    );
    let is_fault = match kind {
        ErrorKind::ServerBug => true,
        // Too many who sign in at once is not worth a line for each.
        ErrorKind::Corruption | ErrorKind::Unavailable => operation != "Authenticate",
        _ => false,
    };
    assert!(
        server.logged > 0 || !is_fault,
        "{case}: the log does not say it"
    );
    assert!(
        server.command("NOOP").contains("t OK"),
        "{case}: NOOP after it"
    );
    assert_eq!(server.closed, None, "{case}");
}

#[test]
fn every_operation_may_fail_in_every_way() {
    for (operation, before, command) in CASES {
        for (kind, code) in KINDS {
            refused(operation, before, command, kind, code);
        }
    }
}

/// The messages that had changed are named, though the store fails behind them (RFC 7162 §3.1.3).
#[test]
fn a_store_that_fails_half_way_says_what_had_changed() {
    for uid in ["", "UID "] {
        let mut config = Config::default();
        config.plaintext_login = true;
        config.limits.store_window = 2;
        let mut server = Server::new();
        server.session = Session::new(Arc::new(config), Peer::default(), [0; 32], NOW);
        for command in [
            LOGIN,
            MAIL,
            MAIL,
            MAIL,
            SELECT,
            "STORE 2 +FLAGS.SILENT (\\Seen)",
        ] {
            server.command(command);
        }
        (server.failing, server.passes) = (Some(("SetFlags", ErrorKind::OverQuota)), 1);
        let store = format!("{uid}STORE 1:3 (UNCHANGEDSINCE 4) +FLAGS (\\Flagged)");
        let said = server.command(&store);
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(server.failed, 1, "{said}");
        assert!(said.contains("* 1 FETCH (UID 1 FLAGS (\\Flagged"), "{said}");
        let [.., warning, tagged] = lines[..] else {
            panic!("{said}")
        };
        assert!(warning.starts_with("* NO [OVERQUOTA] "), "{said}");
        assert!(tagged.starts_with("t NO [MODIFIED 2] "), "{said}");
    }
}

/// Those that have no command of their own to refuse: nothing is said of it, and the session goes on.
#[test]
fn what_the_session_does_besides_may_fail() {
    let besides: [(_, &[&str], _); 3] = [
        ("Unwatch", &[LOGIN, MAIL, SELECT], "UNSELECT"),
        ("UploadAbort", &[LOGIN], "APPEND INBOX {3+}\r\nabc x"),
        ("Changes", &[LOGIN, MAIL, SELECT, MAIL], "NOOP"),
    ];
    for (operation, before, command) in besides {
        for (kind, _) in KINDS {
            let case = format!("{operation} fails with {kind:?} in {command:?}");
            let mut server = Server::new();
            before.iter().for_each(|c| drop(server.command(c)));
            server.failing = Some((operation, kind));
            let said = server.command(command);
            assert_eq!(server.failed, 1, "{case}: it was not asked for: {said}");
            let tagged = said.lines().filter(|l| l.starts_with("t ")).count();
            assert_eq!(tagged, 1, "{case}: {said}");
            server.failing = None;
            let gone = operation == "Changes" && kind == ErrorKind::NonExistent;
            // A mailbox that is not there any more ends its sessions (RFC 2180 §3).
            let then = if gone { "* BYE" } else { "t OK" };
            assert!(
                format!("{said}{}", server.command("NOOP")).contains(then),
                "{case}: {said}"
            );
        }
    }
}

/// Once its length is told, a body that cannot be read leaves no other way out; before that NIL stands for it.
#[test]
fn a_body_that_fails_inside_its_literal_ends_the_session() {
    for (read, answer) in [(1, "* 1 FETCH (BODY[] NIL)\r\nt NO [UNAVAILABLE]"), (2, "")] {
        let mut server = Server::new();
        for command in [LOGIN, LARGE, SELECT] {
            server.command(command);
        }
        server.failing = Some(("ReadBody", ErrorKind::Unavailable));
        server.passes = read - 1;
        let said = server.command("FETCH 1 BODY.PEEK[]");
        assert_eq!(server.failed, 1);
        assert!(!said.contains("t OK"), "{said}");
        assert!(said.starts_with(answer), "{said}");
        let ended = (read == 2).then_some(CloseReason::ServerBug);
        assert_eq!(server.closed, ended, "read {read}");
        assert_eq!(said.contains("\r\nt "), ended.is_none(), "read {read}");
    }
}

/// A store that has less of a message than it said is not asked for ever.
#[test]
fn a_body_that_is_too_short_is_damaged() {
    let mut server = Server::new();
    for command in [LOGIN, LARGE, SELECT] {
        server.command(command);
    }
    server.tamper = |effect| match effect {
        Effect::ReadBody(call) => Ok(call.answer(Ok(Bytes::new()))),
        effect => Err(effect),
    };
    let said = server.command("FETCH 1 (BINARY.PEEK[1])");
    assert!(said.starts_with("* 1 FETCH (BINARY[1] NIL)\r\n"), "{said}");
    assert!(said.contains("t NO [CORRUPTION]"), "{said}");
}

/// A store that gives more of a message than it was asked for does not break out of the literal.
#[test]
fn a_body_that_is_too_long_ends_where_it_should() {
    let mut server = Server::new();
    for command in [LOGIN, LARGE, SELECT] {
        server.command(command);
    }
    server.tamper = |effect| match effect {
        Effect::ReadBody(call) => Ok(call.answer(Ok(vec![b'x'; 300_000].into()))),
        effect => Err(effect),
    };
    let said = server.command("FETCH 1 (BODY.PEEK[] UID)");
    let fetched = format!(
        "* 1 FETCH (BODY[] {{200002}}\r\n{} UID 1)\r\nt OK ",
        "x".repeat(200_002)
    );
    assert!(said.starts_with(&fetched), "{} octets", said.len());
}

/// What a row brings of a message may be less than its size: the rest is asked for, and what is not there is not made up. Nothing that comes later may pass
/// for octets of the message.
#[test]
fn a_row_that_brings_too_little_is_damaged() {
    for (items, answer) in [
        ("BODY.PEEK[] FLAGS", "* 1 FETCH (BODY[] {9}\r\nabc"),
        ("BINARY.PEEK[] FLAGS", "* 1 FETCH (BINARY[] NIL FLAGS "),
    ] {
        let mut server = Server::new();
        for command in [LOGIN, MAIL, SELECT] {
            server.command(command);
        }
        server.tamper = |effect| match effect {
            Effect::ReadBody(call) => Ok(call.answer(Ok(Bytes::new()))),
            effect => rows(effect, |row| {
                (row.size, row.inline) = (9, Some(Bytes::from_static(b"abc")));
            }),
        };
        let said = server.command(&format!("FETCH 1 ({items})"));
        assert!(said.starts_with(answer), "{items}: {said}");
        if server.closed.is_some() {
            assert_eq!(said, answer, "{items}");
        } else {
            assert!(said.contains("t NO [CORRUPTION]"), "{items}: {said}");
        }
    }
}

/// The row of message 1, as this makes it.
fn rows(effect: Effect, change: fn(&mut Row)) -> Result<Reply, Effect> {
    let Effect::Fetch(call) = effect else {
        return Err(effect);
    };
    let mut row = Row {
        uid: Uid::new(1).expect("not zero"),
        modseq: ModSeq(2),
        flags: Flags::default(),
        size: 3,
        internal_date: DateTime {
            unix: NOW.unix,
            zone_minutes: 0,
        },
        save_date: NOW.unix,
        email_id: EmailId(1),
        thread_id: ThreadId(1),
        envelope: Bytes::new(),
        body: Bytes::new(),
        body_structure: Bytes::new(),
        structure: Bytes::new(),
        header: Bytes::new(),
        inline: None,
        damaged: None,
    };
    change(&mut row);
    let page = FetchPage {
        rows: vec![row],
        ..FetchPage::default()
    };
    Ok(call.answer(Ok(page)))
}

/// What is known of a message whose content is damaged is told; what is not, is not made up (RFC 5530 §3).
#[test]
fn a_damaged_message_has_its_flags_and_sizes() {
    let mut server = Server::new();
    for command in [LOGIN, MAIL, SELECT] {
        server.command(command);
    }
    server.tamper = |effect| {
        rows(effect, |row| {
            row.damaged = Some(StoreError::new(ErrorKind::Corruption, "Damaged"));
        })
    };
    let known = "(UID 1 FLAGS (\\Recent) RFC822.SIZE 3 MODSEQ (2))";
    let said = server.command("FETCH 1 (UID FLAGS RFC822.SIZE MODSEQ)");
    assert!(said.contains(&format!("* 1 FETCH {known}\r\n")), "{said}");
    assert!(said.contains("t OK"), "{said}");
    let items = "ENVELOPE BODY BODYSTRUCTURE BODY.PEEK[] BODY.PEEK[HEADER] BINARY.SIZE[1]";
    for item in items.split(' ') {
        let said = server.command(&format!("FETCH 1 (UID {item})"));
        assert!(said.starts_with("t NO [CORRUPTION]"), "{item}: {said}");
    }
}

/// A store of one's own may have a message of no octets: that has an empty header, not none.
#[test]
fn a_message_of_no_octets_has_a_header() {
    let mut server = Server::new();
    for command in [LOGIN, MAIL, SELECT] {
        server.command(command);
    }
    server.tamper = |effect| rows(effect, |row| row.size = 0);
    let said = server.command("FETCH 1 (BODY.PEEK[HEADER] BODY.PEEK[HEADER.FIELDS (TO)])");
    let fetched = "* 1 FETCH (BODY[HEADER] {0}\r\n BODY[HEADER.FIELDS (TO)] {0}\r\n)\r\n";
    assert!(said.starts_with(fetched), "{said}");
}

/// Before its length is told, NIL stands for it, and it is not asked for again.
#[test]
fn a_body_that_fails_before_its_literal_is_nil() {
    let mut server = Server::new();
    for command in [LOGIN, LARGE, SELECT] {
        server.command(command);
    }
    server.failing = Some(("ReadBody", ErrorKind::Unavailable));
    let said = server.command("FETCH 1 (BINARY.PEEK[1] UID)");
    let fetched = "* 1 FETCH (BINARY[1] NIL UID 1)\r\n";
    assert!(said.starts_with(fetched), "{said}");
    assert!(said.contains("t NO [UNAVAILABLE]"), "{said}");
}
