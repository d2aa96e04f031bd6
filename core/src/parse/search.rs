//! SEARCH (RFC 9051 §9 `search`, RFC 4731, RFC 5182, RFC 7162 §7), on a stack of its own: no recursion on the client's nesting.

use alloc::string::String;
use alloc::vec::Vec;

use super::cursor::{Cursor, Parsed, syntax, upper};
use super::sync::{modseq, sequence_set};
use super::{ParseError, ParseErrorKind, lex};
use crate::ast::{ReturnOptions, Search, SearchKey, SearchStep};
use crate::date::Date;
use crate::flag::SystemFlags;
use crate::search::When;

/// search = "SEARCH" [search-return-opts] SP search-program
pub(super) fn search(c: &mut Cursor<'_>) -> Parsed<Search> {
    let mut search = Search::default();
    if c.skip(b"RETURN ") {
        search.result = Some(return_options(c)?);
        c.space()?;
    }
    if c.skip(b"CHARSET ") {
        search.charset = Some(upper(&c.astring("Expected a charset")?));
        c.space()?;
    }
    keys(c, &mut search)?;
    Ok(search)
}

fn return_options(c: &mut Cursor<'_>) -> Parsed<ReturnOptions> {
    let mut options = ReturnOptions::default();
    if c.skip(b"()") {
        c.word()?;
        options.all = true;
        return Ok(options);
    }
    c.list(|c| {
        match c.keyword("Expected a result option")?.as_str() {
            "MIN" => options.min = true,
            "MAX" => options.max = true,
            "ALL" => options.all = true,
            "COUNT" => options.count = true,
            "SAVE" => options.save = true,
            _ => return syntax("There is no such result option"),
        }
        Ok(())
    })?;
    Ok(options)
}

/// What waits for keys that are still to come.
enum Open {
    /// A list, of which so many keys were read: in parentheses, or the whole program.
    List { keys: usize, parenthesis: bool },
    /// NOT, for one key.
    Not,
    /// OR, for two keys.
    Or { second: bool },
}

fn keys(c: &mut Cursor<'_>, search: &mut Search) -> Parsed<()> {
    let mut open = alloc::vec![Open::List {
        keys: 0,
        parenthesis: false
    }];
    let depth = if c.cx.authenticated {
        c.cx.limits.search_depth
    } else {
        c.cx.limits.depth_before_login
    };
    loop {
        if open.len() - 1 > depth {
            return Err(ParseError {
                kind: ParseErrorKind::TooManyTokens,
                text: "The search keys are nested too deeply",
            });
        }
        c.word()?;
        if c.skip(b"(") {
            open.push(Open::List {
                keys: 0,
                parenthesis: true,
            });
            continue;
        }
        if c.skip(b"NOT ") {
            open.push(Open::Not);
            continue;
        }
        if c.skip(b"OR ") {
            open.push(Open::Or { second: false });
            continue;
        }
        key(c, search)?;
        if close(c, &mut open, &mut search.keys)? {
            return Ok(());
        }
    }
}

/// A key is complete: what it completes in turn; `true` at the end of the program.
fn close(c: &mut Cursor<'_>, open: &mut Vec<Open>, steps: &mut Vec<SearchStep>) -> Parsed<bool> {
    loop {
        match open.last_mut() {
            Some(Open::Not) => {
                steps.push(SearchStep::Not);
                open.pop();
            }
            Some(Open::Or {
                second: second @ false,
            }) => {
                *second = true;
                c.space()?;
                return Ok(false);
            }
            Some(Open::Or { second: true }) => {
                steps.push(SearchStep::Or);
                open.pop();
            }
            Some(Open::List { keys, parenthesis }) => {
                *keys += 1;
                if *keys > 1 {
                    steps.push(SearchStep::And);
                }
                if *parenthesis && c.skip(b")") {
                    open.pop();
                } else if !*parenthesis && c.end().is_ok() {
                    return Ok(true);
                } else {
                    c.space()?;
                    return Ok(false);
                }
            }
            None => return syntax("Expected a search key"),
        }
    }
}

/// search-key, but for NOT, OR and lists
fn key(c: &mut Cursor<'_>, search: &mut Search) -> Parsed<()> {
    if c.peek()
        .is_some_and(|b| b.is_ascii_digit() || b == b'*' || b == b'$')
    {
        search
            .keys
            .push(SearchStep::Key(SearchKey::Sequence(sequence_set(c)?)));
        return Ok(());
    }
    let name = c.keyword("Expected a search key")?;
    if let Some(plain) = plain(&name) {
        search.keys.extend(plain);
        return Ok(());
    }
    c.space()?;
    let key = with_argument(c, &name, search)?;
    search.keys.push(SearchStep::Key(key));
    if matches!(name.as_str(), "UNKEYWORD") {
        search.keys.push(SearchStep::Not);
    }
    Ok(())
}

/// The keys without an argument, as steps.
fn plain(name: &str) -> Option<Vec<SearchStep>> {
    use SearchStep::{And, Key, Not};
    let flag = |flag| Key(SearchKey::Flag(flag));
    Some(match name {
        "ALL" | "SAVEDATESUPPORTED" => alloc::vec![Key(SearchKey::All)],
        "ANSWERED" => alloc::vec![flag(SystemFlags::ANSWERED)],
        "DELETED" => alloc::vec![flag(SystemFlags::DELETED)],
        "DRAFT" => alloc::vec![flag(SystemFlags::DRAFT)],
        "FLAGGED" => alloc::vec![flag(SystemFlags::FLAGGED)],
        "SEEN" => alloc::vec![flag(SystemFlags::SEEN)],
        "UNANSWERED" => alloc::vec![flag(SystemFlags::ANSWERED), Not],
        "UNDELETED" => alloc::vec![flag(SystemFlags::DELETED), Not],
        "UNDRAFT" => alloc::vec![flag(SystemFlags::DRAFT), Not],
        "UNFLAGGED" => alloc::vec![flag(SystemFlags::FLAGGED), Not],
        "UNSEEN" => alloc::vec![flag(SystemFlags::SEEN), Not],
        "RECENT" => alloc::vec![Key(SearchKey::Recent)],
        "OLD" => alloc::vec![Key(SearchKey::Recent), Not],
        "NEW" => alloc::vec![Key(SearchKey::Recent), flag(SystemFlags::SEEN), Not, And],
        _ => return None,
    })
}

fn with_argument(c: &mut Cursor<'_>, name: &str, search: &mut Search) -> Parsed<SearchKey> {
    Ok(match name {
        "UID" => SearchKey::Uid(sequence_set(c)?),
        "KEYWORD" | "UNKEYWORD" => SearchKey::Keyword(ascii(c.atom("Expected a keyword")?)),
        "LARGER" => SearchKey::Larger(c.take(lex::number64, "Expected a number")?),
        "SMALLER" => SearchKey::Smaller(c.take(lex::number64, "Expected a number")?),
        "BEFORE" => SearchKey::Internal(When::Before, date(c)?),
        "ON" => SearchKey::Internal(When::On, date(c)?),
        "SINCE" => SearchKey::Internal(When::Since, date(c)?),
        "SENTBEFORE" => SearchKey::Sent(When::Before, date(c)?),
        "SENTON" => SearchKey::Sent(When::On, date(c)?),
        "SENTSINCE" => SearchKey::Sent(When::Since, date(c)?),
        "SAVEDBEFORE" => SearchKey::Saved(When::Before, date(c)?),
        "SAVEDON" => SearchKey::Saved(When::On, date(c)?),
        "SAVEDSINCE" => SearchKey::Saved(When::Since, date(c)?),
        "BCC" | "CC" | "FROM" | "SUBJECT" | "TO" => SearchKey::Header(String::from(name), text(c)?),
        "HEADER" => {
            let field = ascii(&c.astring("Expected a header field's name")?);
            c.space()?;
            SearchKey::Header(field, text(c)?)
        }
        "BODY" | "TEXT" if too_many_texts(c, search) => {
            return Err(ParseError {
                kind: ParseErrorKind::TooManyTokens,
                text: "There are too many texts to look for",
            });
        }
        "BODY" => SearchKey::Body(text(c)?),
        "TEXT" => SearchKey::Text(text(c)?),
        "MODSEQ" => {
            search.modseq = true;
            SearchKey::ModSeq(search_modseq(c)?)
        }
        "EMAILID" => SearchKey::EmailId(object_id(c, b'M')?.map(crate::id::EmailId)),
        "THREADID" => SearchKey::ThreadId(object_id(c, b'T')?.map(crate::id::ThreadId)),
        _ => return syntax("There is no such search key"),
    })
}

fn too_many_texts(c: &Cursor<'_>, search: &Search) -> bool {
    let is_text =
        |s: &&SearchStep| matches!(s, SearchStep::Key(SearchKey::Body(_) | SearchKey::Text(_)));
    search.keys.iter().filter(is_text).count() >= c.cx.limits.search_texts
}

fn text(c: &mut Cursor<'_>) -> Parsed<bytes::Bytes> {
    c.astring("Expected a text to search for")
}

fn ascii(octets: &[u8]) -> String {
    octets.iter().map(|b| char::from(*b)).collect()
}

/// date = date-text / DQUOTE date-text DQUOTE
fn date(c: &mut Cursor<'_>) -> Parsed<Date> {
    const EXPECTED: &str = "Expected a date such as 1-Feb-2024";
    let text = c.astring(EXPECTED)?;
    Date::parse(&text).map_or_else(|| syntax(EXPECTED), Ok)
}

/// search-modsequence = "MODSEQ" [search-modseq-ext] SP mod-sequence-valzer; entry names are read and not told apart (RFC 7162 §3.1.5)
fn search_modseq(c: &mut Cursor<'_>) -> Parsed<crate::id::ModSeq> {
    if c.peek() == Some(b'"') {
        c.string("Expected an entry name")?;
        c.space()?;
        match c.keyword("Expected priv, shared or all")?.as_str() {
            "PRIV" | "SHARED" | "ALL" => c.space()?,
            _ => return syntax("Expected priv, shared or all"),
        }
    }
    modseq(c)
}

/// An identity of ours is a letter and hexadecimal digits (RFC 8474 §7 allows any, none of which can be ours).
fn object_id(c: &mut Cursor<'_>, letter: u8) -> Parsed<Option<u64>> {
    let text = c.astring("Expected an object identity")?;
    let digits = text
        .strip_prefix(&[letter])
        .and_then(|d| core::str::from_utf8(d).ok());
    let plain = digits.filter(|d| {
        d.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) && !d.starts_with('0')
            || d == &"0"
    });
    Ok(plain.and_then(|d| u64::from_str_radix(d, 16).ok()))
}
