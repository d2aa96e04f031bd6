//! command = … : from the name to the arguments (RFC 9051 §9).

use alloc::string::String;
use alloc::vec::Vec;
use bytes::Bytes;

use super::cursor::{Cursor, Parsed, syntax, upper};
use super::list::{list, status_items};
use super::sync::{select_params, sequence_set, store_flags};
use super::{Context, ParseError, ParseErrorKind, fetch, lex, search, sync};
use crate::ast::Command;
use crate::effect::{FlagOp, SpecialUse};
use crate::sasl::Secret;

/// What follows a command's name.
enum Arguments {
    None(fn() -> Command),
    Some(fn(&mut Cursor<'_>) -> Parsed<Command>),
}

use Arguments::{None as Plain, Some as With};

/// Every command's name and what follows it, the most frequent first.
const COMMANDS: [(&str, Arguments); 36] = [
    ("UID FETCH", With(|c| fetch::fetch(c, true))),
    ("FETCH", With(|c| fetch::fetch(c, false))),
    ("NOOP", Plain(|| Command::Noop)),
    ("IDLE", Plain(|| Command::Idle)),
    ("SELECT", With(|c| select(c, false))),
    ("STATUS", With(status)),
    ("UID STORE", With(|c| store(c, true))),
    ("UID SEARCH", With(|c| search(c, true))),
    ("UID COPY", With(|c| copy(c, true, false))),
    ("UID MOVE", With(|c| copy(c, true, true))),
    ("LIST", With(|c| list(c).map(Command::List))),
    ("LOGIN", With(login)),
    ("AUTHENTICATE", With(authenticate)),
    ("CAPABILITY", Plain(|| Command::Capability)),
    ("LOGOUT", Plain(|| Command::Logout)),
    ("STORE", With(|c| store(c, false))),
    ("SEARCH", With(|c| search(c, false))),
    ("COPY", With(|c| copy(c, false, false))),
    ("MOVE", With(|c| copy(c, false, true))),
    ("EXPUNGE", Plain(|| Command::Expunge(None))),
    (
        "UID EXPUNGE",
        With(|c| Ok(Command::Expunge(Some(sequence_set(c)?)))),
    ),
    ("CLOSE", Plain(|| Command::Close)),
    ("EXAMINE", With(|c| select(c, true))),
    ("UNSELECT", Plain(|| Command::Unselect)),
    ("CHECK", Plain(|| Command::Check)),
    ("ENABLE", With(enable)),
    ("ID", With(id)),
    ("STARTTLS", Plain(|| Command::StartTls)),
    ("NAMESPACE", Plain(|| Command::Namespace)),
    ("LSUB", With(lsub)),
    ("SUBSCRIBE", With(|c| mailbox(c).map(Command::Subscribe))),
    (
        "UNSUBSCRIBE",
        With(|c| mailbox(c).map(Command::Unsubscribe)),
    ),
    ("CREATE", With(create)),
    ("DELETE", With(|c| mailbox(c).map(Command::Delete))),
    ("RENAME", With(rename)),
    ("APPEND", With(|_| syntax("Expected a message literal"))),
];

/// The row of the command that begins here.
fn row(rest: &[u8]) -> Option<&'static (&'static str, Arguments)> {
    let space = |from: usize| memchr::memchr(b' ', &rest[from..]).map(|at| from + at);
    let end = match space(0) {
        Some(3) if rest[..3].eq_ignore_ascii_case(b"UID") => space(4),
        end => end,
    };
    let name = &rest[..end.unwrap_or(rest.len())];
    let first = name.first()?.to_ascii_uppercase();
    COMMANDS.iter().find(|(known, _)| {
        let known = known.as_bytes();
        known.len() == name.len()
            && known[0] == first
            && (known == name || known.eq_ignore_ascii_case(name))
    })
}

/// The command's name and its octets, if there is one of that name.
#[must_use]
pub fn command_name(rest: &[u8]) -> Option<(&'static str, usize)> {
    row(rest).map(|(name, _)| (*name, name.len()))
}

/// Parses one whole frame, without the last CRLF, literals in place, from this octet on: after the tag and its space.
///
/// # Errors
/// What was expected, where the grammar was broken.
pub fn parse_command(frame: &Bytes, from: usize, cx: &Context<'_>) -> Result<Command, ParseError> {
    let rest = frame.get(from..).unwrap_or_default();
    let Some((name, arguments)) = row(rest) else {
        return Err(ParseError {
            kind: ParseErrorKind::UnknownCommand,
            text: "There is no such command",
        });
    };
    let mut c = Cursor::new(frame, cx);
    c.pass(from + name.len());
    match arguments {
        Plain(command) => c.end().map(|()| command()),
        With(parse) => {
            c.expect(b" ", "Expected a space and arguments")?;
            let command = parse(&mut c);
            if command.is_ok() {
                c.end()?;
            }
            command
        }
    }
}

fn search(c: &mut Cursor<'_>, uid: bool) -> Parsed<Command> {
    let search = search::search(c)?;
    Ok(Command::Search { uid, search })
}

/// rename = "RENAME" SP mailbox SP mailbox
fn rename(c: &mut Cursor<'_>) -> Parsed<Command> {
    let from = mailbox(c)?;
    c.space()?;
    let to = mailbox(c)?;
    Ok(Command::Rename { from, to })
}

/// lsub = "LSUB" SP mailbox SP list-mailbox
fn lsub(c: &mut Cursor<'_>) -> Parsed<Command> {
    let reference = mailbox(c)?;
    c.space()?;
    let pattern = c.list_mailbox()?;
    Ok(Command::Lsub { reference, pattern })
}

/// status = "STATUS" SP mailbox SP "(" status-att *(SP status-att) ")"
fn status(c: &mut Cursor<'_>) -> Parsed<Command> {
    let mailbox = mailbox(c)?;
    c.space()?;
    let items = status_items(c)?;
    Ok(Command::Status { mailbox, items })
}

/// mailbox = "INBOX" / astring
pub(super) fn mailbox(c: &mut Cursor<'_>) -> Parsed<Bytes> {
    c.astring("Expected a mailbox name")
}

/// login = "LOGIN" SP userid SP password
fn login(c: &mut Cursor<'_>) -> Parsed<Command> {
    let user = c.astring("Expected a user name")?;
    c.space()?;
    let password = c.astring("Expected a password")?;
    Ok(Command::Login {
        user,
        password: Secret::new(password.to_vec()),
    })
}

/// authenticate = "AUTHENTICATE" SP auth-type [SP initial-resp]
fn authenticate(c: &mut Cursor<'_>) -> Parsed<Command> {
    let mechanism = upper(c.atom("Expected a SASL mechanism")?);
    let initial = if c.skip(b" ") {
        let octets = c.take(lex::astring_chars, "Expected base64 or =")?;
        Some(c.bytes(octets))
    } else {
        None
    };
    Ok(Command::Authenticate { mechanism, initial })
}

/// More octets than any capability's name that can be enabled has.
const CAPABILITY: usize = 16;

/// enable = "ENABLE" 1*(SP capability)
fn enable(c: &mut Cursor<'_>) -> Parsed<Command> {
    // A longer one is none that could be enabled.
    let name = |atom: &[u8]| upper(&atom[..atom.len().min(CAPABILITY)]);
    let mut names: Vec<String> = alloc::vec![name(c.atom("Expected a capability")?)];
    while !c.at_end() {
        c.weigh(CAPABILITY / 4)?;
        c.space()?;
        if !c.at_end() {
            names.push(name(c.atom("Expected a capability")?));
        }
    }
    Ok(Command::Enable(names))
}

/// id = "ID" SP id-params-list (RFC 2971 §5)
fn id(c: &mut Cursor<'_>) -> Parsed<Command> {
    c.allow_words(2 * c.cx.limits.id_pairs + 2);
    if c.skip(b"NIL") {
        return Ok(Command::Id(Vec::new()));
    }
    if c.skip(b"()") {
        return Ok(Command::Id(Vec::new()));
    }
    let pairs = c.list(|c| {
        let field = c.string("Expected a string")?;
        c.space()?;
        Ok((field, c.nstring()?))
    })?;
    let limits = c.cx.limits;
    let fits = |(field, value): &(Bytes, Option<Bytes>)| {
        field.len() <= limits.id_field && value.as_ref().is_none_or(|v| v.len() <= limits.id_value)
    };
    if pairs.len() > limits.id_pairs || !pairs.iter().all(fits) {
        return syntax("ID holds more or longer fields than RFC 2971 allows");
    }
    Ok(Command::Id(pairs))
}

/// select = "SELECT" SP mailbox [select-params]
fn select(c: &mut Cursor<'_>, read_only: bool) -> Parsed<Command> {
    let mailbox = mailbox(c)?;
    let params = if c.skip(b" ") && !c.at_end() {
        select_params(c)?
    } else {
        crate::ast::SelectParams::default()
    };
    Ok(Command::Select {
        mailbox,
        read_only,
        params,
    })
}

/// A special-use attribute holds as much as so many words.
const SPECIAL_USE: usize = 32;

/// create = "CREATE" SP mailbox [create-params] (RFC 6154 §6)
fn create(c: &mut Cursor<'_>) -> Parsed<Command> {
    let mailbox = mailbox(c)?;
    let mut special_use = Vec::new();
    if c.skip(b" (") {
        c.expect(b"USE ", "Expected USE (...)")?;
        c.open()?;
        while !c.skip(b")") {
            if !special_use.is_empty() {
                c.space()?;
            }
            let name = c.take(lex::system_flag, "Expected a special-use attribute")?;
            // Of one that there is not the beginning will do.
            let name = name.iter().take(64);
            let name: String = name.map(|b| char::from(*b)).collect();
            c.weigh(SPECIAL_USE)?;
            special_use.push(SpecialUse::from_name(&name).ok_or(name));
        }
        c.expect(b")", "Expected )")?;
    }
    Ok(Command::Create {
        mailbox,
        special_use,
    })
}

/// copy = "COPY" SP sequence-set SP mailbox; move likewise
fn copy(c: &mut Cursor<'_>, uid: bool, remove: bool) -> Parsed<Command> {
    let set = sequence_set(c)?;
    c.space()?;
    Ok(Command::Copy {
        uid,
        remove,
        set,
        mailbox: mailbox(c)?,
    })
}

/// store = "STORE" SP sequence-set [store-modifiers] SP store-att-flags (RFC 7162 §7)
fn store(c: &mut Cursor<'_>, uid: bool) -> Parsed<Command> {
    const EXPECTED: &str = "Expected FLAGS, +FLAGS or -FLAGS, with or without .SILENT";
    let set = sequence_set(c)?;
    c.space()?;
    let mut unchanged_since = None;
    if c.skip(b"(") {
        c.expect(b"UNCHANGEDSINCE ", "Expected UNCHANGEDSINCE")?;
        unchanged_since = Some(sync::modseq(c)?);
        c.expect(b") ", "Expected ) and a space")?;
    }
    let op = if c.skip(b"+") {
        FlagOp::Add
    } else if c.skip(b"-") {
        FlagOp::Remove
    } else {
        FlagOp::Replace
    };
    let silent = match c.keyword(EXPECTED)?.octets() {
        b"FLAGS" => false,
        b"FLAGS.SILENT" => true,
        _ => return syntax(EXPECTED),
    };
    c.space()?;
    Ok(Command::Store {
        uid,
        set,
        unchanged_since,
        op,
        silent,
        flags: store_flags(c)?,
    })
}
