//! command = … : from the name to the arguments (RFC 9051 §9).

use alloc::string::String;
use alloc::vec::Vec;
use bytes::Bytes;

use super::cursor::{Cursor, Parsed, syntax, upper};
use super::list::{list, status_items};
use super::search::search;
use super::sync::{select_params, sequence_set, store_flags};
use super::{Context, ParseError, ParseErrorKind, fetch, lex, sync};
use crate::ast::Command;
use crate::effect::{FlagOp, SpecialUse};
use crate::sasl::Secret;

/// Every command's name, the longest first where one begins another.
const NAMES: [&str; 34] = [
    "UID FETCH",
    "UID STORE",
    "UID SEARCH",
    "UID COPY",
    "UID MOVE",
    "UID EXPUNGE",
    "FETCH",
    "NOOP",
    "SELECT",
    "STORE",
    "SEARCH",
    "IDLE",
    "APPEND",
    "STATUS",
    "LIST",
    "LOGIN",
    "LOGOUT",
    "CAPABILITY",
    "COPY",
    "MOVE",
    "EXAMINE",
    "EXPUNGE",
    "CLOSE",
    "CHECK",
    "UNSELECT",
    "ENABLE",
    "ID",
    "AUTHENTICATE",
    "STARTTLS",
    "CREATE",
    "DELETE",
    "RENAME",
    "LSUB",
    "NAMESPACE",
];
const SUBSCRIPTION: [&str; 2] = ["SUBSCRIBE", "UNSUBSCRIBE"];

/// The command's name and its octets, if there is one of that name.
#[must_use]
pub fn command_name(rest: &[u8]) -> Option<(&'static str, usize)> {
    NAMES.iter().chain(&SUBSCRIPTION).copied().find_map(|name| {
        let (head, tail) = rest.split_at_checked(name.len())?;
        let ends = matches!(tail.first(), None | Some(b' '));
        (ends && head.eq_ignore_ascii_case(name.as_bytes())).then_some((name, name.len()))
    })
}

/// Parses one whole frame: everything after the tag and its space, without the last CRLF, literals in place.
///
/// # Errors
/// What was expected, where the grammar was broken.
pub fn parse_command(rest: &Bytes, cx: &Context<'_>) -> Result<Command, ParseError> {
    let Some((name, length)) = command_name(rest) else {
        return Err(ParseError {
            kind: ParseErrorKind::UnknownCommand,
            text: "There is no such command",
        });
    };
    let mut c = Cursor::new(rest, cx);
    c.skip(&rest[..length]);
    let command = arguments(&mut c, name)?;
    c.end()?;
    Ok(command)
}

fn arguments(c: &mut Cursor<'_>, name: &'static str) -> Parsed<Command> {
    Ok(match name {
        "NOOP" => Command::Noop,
        "CAPABILITY" => Command::Capability,
        "LOGOUT" => Command::Logout,
        "STARTTLS" => Command::StartTls,
        "NAMESPACE" => Command::Namespace,
        "IDLE" => Command::Idle,
        "CHECK" => Command::Check,
        "CLOSE" => Command::Close,
        "UNSELECT" => Command::Unselect,
        "EXPUNGE" => Command::Expunge(None),
        _ => {
            c.expect(b" ", "Expected a space and arguments")?;
            return with_arguments(c, name);
        }
    })
}

fn with_arguments(c: &mut Cursor<'_>, name: &'static str) -> Parsed<Command> {
    match name {
        "UID FETCH" => fetch::fetch(c, true),
        "FETCH" => fetch::fetch(c, false),
        "UID STORE" => store(c, true),
        "STORE" => store(c, false),
        "UID SEARCH" => Ok(Command::Search {
            uid: true,
            search: search(c)?,
        }),
        "SEARCH" => Ok(Command::Search {
            uid: false,
            search: search(c)?,
        }),
        "UID COPY" => copy(c, true, false),
        "COPY" => copy(c, false, false),
        "UID MOVE" => copy(c, true, true),
        "MOVE" => copy(c, false, true),
        "UID EXPUNGE" => Ok(Command::Expunge(Some(sequence_set(c)?))),
        "SELECT" => select(c, false),
        "EXAMINE" => select(c, true),
        "LOGIN" => login(c),
        "AUTHENTICATE" => authenticate(c),
        "ENABLE" => enable(c),
        "ID" => id(c),
        "CREATE" => create(c),
        "DELETE" => Ok(Command::Delete(mailbox(c)?)),
        "RENAME" => {
            let from = mailbox(c)?;
            c.space()?;
            Ok(Command::Rename {
                from,
                to: mailbox(c)?,
            })
        }
        "SUBSCRIBE" => Ok(Command::Subscribe(mailbox(c)?)),
        "UNSUBSCRIBE" => Ok(Command::Unsubscribe(mailbox(c)?)),
        "LIST" => Ok(Command::List(list(c)?)),
        "LSUB" => {
            let reference = mailbox(c)?;
            c.space()?;
            Ok(Command::Lsub {
                reference,
                pattern: c.list_mailbox()?,
            })
        }
        "STATUS" => {
            let mailbox = mailbox(c)?;
            c.space()?;
            Ok(Command::Status {
                mailbox,
                items: status_items(c)?,
            })
        }
        _ => syntax("Expected a message literal"),
    }
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
    let mechanism = c.keyword("Expected a SASL mechanism")?;
    let initial = if c.skip(b" ") {
        let octets = c.take(lex::astring_chars, "Expected base64 or =")?;
        Some(c.bytes(octets))
    } else {
        None
    };
    Ok(Command::Authenticate { mechanism, initial })
}

/// enable = "ENABLE" 1*(SP capability)
fn enable(c: &mut Cursor<'_>) -> Parsed<Command> {
    let mut names: Vec<String> = alloc::vec![c.keyword("Expected a capability")?];
    while !c.at_end() {
        c.space()?;
        if !c.at_end() {
            names.push(c.keyword("Expected a capability")?);
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

/// create = "CREATE" SP mailbox [create-params] (RFC 6154 §6)
fn create(c: &mut Cursor<'_>) -> Parsed<Command> {
    let mailbox = mailbox(c)?;
    let mut special_use = Vec::new();
    if c.skip(b" (") {
        c.expect(b"USE ", "Expected USE (…)")?;
        c.open()?;
        while !c.skip(b")") {
            if !special_use.is_empty() {
                c.space()?;
            }
            let name = c.take(lex::system_flag, "Expected a special-use attribute")?;
            let name: String = name.iter().map(|b| char::from(*b)).collect();
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
    let op = match c.peek() {
        Some(b'+') => FlagOp::Add,
        Some(b'-') => FlagOp::Remove,
        _ => FlagOp::Replace,
    };
    if op != FlagOp::Replace {
        c.skip(b"+");
        c.skip(b"-");
    }
    let name = upper(c.take(lex::atom, EXPECTED)?);
    let silent = match name.as_str() {
        "FLAGS" => false,
        "FLAGS.SILENT" => true,
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
