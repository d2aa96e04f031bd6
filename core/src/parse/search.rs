//! SEARCH (RFC 9051 §9 `search`, RFC 4731, RFC 5182, RFC 7162 §7), on a stack of its own: no recursion on the client's nesting.

use alloc::string::String;
use alloc::vec::Vec;

use super::cursor::{Cursor, Parsed, syntax, too_many, upper};
use super::lex;
use super::sync::{modseq, sequence_set};
use crate::ast::{ReturnOptions, Search, SearchKey, SearchStep, SequenceSet};
use crate::date::Date;
use crate::flag::SystemFlags;
use crate::search::When;

/// Room for the steps of a common search; a key has mostly eight octets or more.
const KEYS: usize = 16;

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
    search.keys = Vec::with_capacity((c.left() / 8).clamp(1, KEYS));
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
        match c.keyword("Expected a result option")?.octets() {
            b"MIN" => options.min = true,
            b"MAX" => options.max = true,
            b"ALL" => options.all = true,
            b"COUNT" => options.count = true,
            b"SAVE" => options.save = true,
            _ => return syntax("There is no such result option"),
        }
        Ok(())
    })?;
    Ok(options)
}

/// What waits for keys that are still to come.
enum Open {
    /// A list in parentheses, of which so many keys were read.
    List { keys: usize },
    /// NOT, for one key.
    Not,
    /// OR, for two keys.
    Or { second: bool },
}

/// A search key holds as much as so many words.
const KEY: usize = 10;

fn keys(c: &mut Cursor<'_>, search: &mut Search) -> Parsed<()> {
    let (mut open, mut top) = (Vec::new(), 0);
    let depth = if c.cx.authenticated {
        c.cx.limits.search_depth
    } else {
        c.cx.limits.depth_before_login
    };
    loop {
        if open.len() > depth {
            return too_many("The search keys are nested too deeply");
        }
        c.weigh(KEY)?;
        if c.skip(b"(") {
            open.push(Open::List { keys: 0 });
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
        if close(c, &mut open, &mut top, &mut search.keys)? {
            return Ok(());
        }
    }
}

/// A key is complete: what it completes in turn, down to the program itself, of which `top` keys were read; `true` at its end.
fn close(
    c: &mut Cursor<'_>,
    open: &mut Vec<Open>,
    top: &mut usize,
    steps: &mut Vec<SearchStep>,
) -> Parsed<bool> {
    loop {
        let (keys, ends) = match open.last_mut() {
            Some(Open::Not) => {
                steps.push(SearchStep::Not);
                open.pop();
                continue;
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
                continue;
            }
            Some(Open::List { keys }) => (keys, c.skip(b")")),
            None => (&mut *top, c.end().is_ok()),
        };
        *keys += 1;
        if *keys > 1 {
            steps.push(SearchStep::And);
        }
        if !ends {
            c.space()?;
            return Ok(false);
        }
        if open.pop().is_none() {
            return Ok(true);
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
            .push(SearchStep::Key(SearchKey::Sequence(set(c)?)));
        return Ok(());
    }
    let name = c.keyword("Expected a search key")?;
    if plain(name.octets(), &mut search.keys) {
        return Ok(());
    }
    c.space()?;
    let key = with_argument(c, name.octets(), search)?;
    search.keys.push(SearchStep::Key(key));
    if matches!(name.octets(), b"UNKEYWORD") {
        search.keys.push(SearchStep::Not);
    }
    Ok(())
}

/// The keys without an argument, as steps; `false` for others.
fn plain(name: &[u8], steps: &mut Vec<SearchStep>) -> bool {
    use SearchStep::{And, Key, Not};
    let flag = |flag| Key(SearchKey::Flag(flag));
    match name {
        b"ALL" | b"SAVEDATESUPPORTED" => steps.push(Key(SearchKey::All)),
        b"ANSWERED" => steps.push(flag(SystemFlags::ANSWERED)),
        b"DELETED" => steps.push(flag(SystemFlags::DELETED)),
        b"DRAFT" => steps.push(flag(SystemFlags::DRAFT)),
        b"FLAGGED" => steps.push(flag(SystemFlags::FLAGGED)),
        b"SEEN" => steps.push(flag(SystemFlags::SEEN)),
        b"UNANSWERED" => steps.extend([flag(SystemFlags::ANSWERED), Not]),
        b"UNDELETED" => steps.extend([flag(SystemFlags::DELETED), Not]),
        b"UNDRAFT" => steps.extend([flag(SystemFlags::DRAFT), Not]),
        b"UNFLAGGED" => steps.extend([flag(SystemFlags::FLAGGED), Not]),
        b"UNSEEN" => steps.extend([flag(SystemFlags::SEEN), Not]),
        b"RECENT" => steps.push(Key(SearchKey::Recent)),
        b"OLD" => steps.extend([Key(SearchKey::Recent), Not]),
        b"NEW" => steps.extend([Key(SearchKey::Recent), flag(SystemFlags::SEEN), Not, And]),
        _ => return false,
    }
    true
}

fn with_argument(c: &mut Cursor<'_>, name: &[u8], search: &mut Search) -> Parsed<SearchKey> {
    Ok(match name {
        b"UID" => SearchKey::Uid(set(c)?),
        b"KEYWORD" | b"UNKEYWORD" => SearchKey::Keyword(keyword(c)?),
        b"LARGER" => SearchKey::Larger(c.take(lex::number64, "Expected a number")?),
        b"SMALLER" => SearchKey::Smaller(c.take(lex::number64, "Expected a number")?),
        b"BEFORE" => SearchKey::Internal(When::Before, date(c)?),
        b"ON" => SearchKey::Internal(When::On, date(c)?),
        b"SINCE" => SearchKey::Internal(When::Since, date(c)?),
        b"SENTBEFORE" => SearchKey::Sent(When::Before, date(c)?),
        b"SENTON" => SearchKey::Sent(When::On, date(c)?),
        b"SENTSINCE" => SearchKey::Sent(When::Since, date(c)?),
        b"SAVEDBEFORE" => SearchKey::Saved(When::Before, date(c)?),
        b"SAVEDON" => SearchKey::Saved(When::On, date(c)?),
        b"SAVEDSINCE" => SearchKey::Saved(When::Since, date(c)?),
        b"BCC" => header("BCC", c)?,
        b"CC" => header("CC", c)?,
        b"FROM" => header("FROM", c)?,
        b"SUBJECT" => header("SUBJECT", c)?,
        b"TO" => header("TO", c)?,
        b"HEADER" => {
            let field = c.astring("Expected a header field's name")?;
            heavy(c, &field)?;
            c.space()?;
            SearchKey::Header(field, text(c)?)
        }
        b"BODY" | b"TEXT" if too_many_texts(c, search) => {
            return too_many("There are too many texts to look for");
        }
        b"BODY" => SearchKey::Body(text(c)?),
        b"TEXT" => SearchKey::Text(text(c)?),
        b"MODSEQ" => {
            search.modseq = true;
            SearchKey::ModSeq(search_modseq(c)?)
        }
        b"EMAILID" => SearchKey::EmailId(object_id(c, b'M')?.map(crate::id::EmailId)),
        b"THREADID" => SearchKey::ThreadId(object_id(c, b'T')?.map(crate::id::ThreadId)),
        _ => return syntax("There is no such search key"),
    })
}

fn too_many_texts(c: &Cursor<'_>, search: &Search) -> bool {
    let is_text =
        |s: &&SearchStep| matches!(s, SearchStep::Key(SearchKey::Body(_) | SearchKey::Text(_)));
    search.keys.iter().filter(is_text).count() >= c.cx.limits.search_texts
}

fn header(field: &'static str, c: &mut Cursor<'_>) -> Parsed<SearchKey> {
    Ok(SearchKey::Header(field.as_bytes().into(), text(c)?))
}

fn text(c: &mut Cursor<'_>) -> Parsed<bytes::Bytes> {
    let text = c.astring("Expected a text to search for")?;
    heavy(c, &text)?;
    Ok(text)
}

/// Octets of a text to look for that weigh as much as a word: it is decoded, which may make it three times as long.
const TEXT: usize = 4;

fn heavy(c: &mut Cursor<'_>, text: &[u8]) -> Parsed<()> {
    c.weigh(text.len() / TEXT)
}

/// A set holds as much as so many words more than its numbers.
const SET: usize = 6;

fn set(c: &mut Cursor<'_>) -> Parsed<SequenceSet> {
    c.weigh(SET)?;
    sequence_set(c)
}

fn keyword(c: &mut Cursor<'_>) -> Parsed<String> {
    let keyword = c.atom("Expected a keyword")?;
    heavy(c, keyword)?;
    Ok(ascii(keyword))
}

fn ascii(octets: &[u8]) -> String {
    octets.iter().map(|b| char::from(*b)).collect()
}

/// date = date-text / DQUOTE date-text DQUOTE
fn date(c: &mut Cursor<'_>) -> Parsed<Date> {
    const EXPECTED: &str = "Expected a date such as 1-Feb-2024";
    let text = match c.peek() {
        Some(b'"') => c.take(lex::quoted, EXPECTED)?.0,
        _ => c.atom(EXPECTED)?,
    };
    Date::parse(text).map_or_else(|| syntax(EXPECTED), Ok)
}

/// search-modsequence = "MODSEQ" [search-modseq-ext] SP mod-sequence-valzer; entry names are read and not told apart (RFC 7162 §3.1.5)
fn search_modseq(c: &mut Cursor<'_>) -> Parsed<crate::id::ModSeq> {
    if c.peek() == Some(b'"') {
        c.string("Expected an entry name")?;
        c.space()?;
        match c.keyword("Expected priv, shared or all")?.octets() {
            b"PRIV" | b"SHARED" | b"ALL" => c.space()?,
            _ => return syntax("Expected priv, shared or all"),
        }
    }
    modseq(c)
}

/// objectid = 1*255(ALPHA / DIGIT / "_" / "-") (RFC 8474 §7); one of ours is a letter and hexadecimal digits, and no other can be.
fn object_id(c: &mut Cursor<'_>, letter: u8) -> Parsed<Option<u64>> {
    let text = c.astring("Expected an object identity")?;
    let allowed = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    if !(1..=255).contains(&text.len()) || !text.iter().all(allowed) {
        return syntax("Expected an object identity");
    }
    let digits = text
        .strip_prefix(&[letter])
        .and_then(|d| core::str::from_utf8(d).ok());
    let plain = digits.filter(|d| {
        d.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) && !d.starts_with('0')
            || d == &"0"
    });
    Ok(plain.and_then(|d| u64::from_str_radix(d, 16).ok()))
}
