//! FETCH (RFC 9051 §9 `fetch`, `section`; RFC 3516; RFC 7162 §7).

use alloc::vec::Vec;

use super::cursor::{Cursor, NAME, Parsed, syntax};
use super::lex;
use super::sync::{modseq, sequence_set};
use crate::ast::{Command, FetchItem, FieldNames, Section, SectionName, SectionText};
use crate::id::ModSeq;

/// fetch = "FETCH" SP sequence-set SP ("ALL" / "FULL" / "FAST" / fetch-att / "(" fetch-att *(SP fetch-att) ")") [fetch-modifiers]
pub(super) fn fetch(c: &mut Cursor<'_>, uid: bool) -> Parsed<Command> {
    let set = sequence_set(c)?;
    c.space()?;
    let mut items = Vec::with_capacity(ITEMS);
    if c.skip(b"(") {
        loop {
            item(c, &mut items, false)?;
            if c.list_ends()? {
                break;
            }
        }
    } else {
        item(c, &mut items, true)?;
    }
    let (mut changed_since, mut vanished) = (None, false);
    if c.skip(b" (") {
        modifiers(c, &mut changed_since, &mut vanished)?;
    }
    if vanished && (!uid || changed_since.is_none()) {
        return syntax("VANISHED needs UID FETCH and CHANGEDSINCE");
    }
    Ok(Command::Fetch {
        uid,
        set,
        items,
        changed_since,
        vanished,
    })
}

/// Room for the items of most commands.
const ITEMS: usize = 4;
/// A FETCH item holds as much as so many words.
const ITEM: usize = 8;
/// And the name of a header field.
const FIELD: usize = 4;

fn modifiers(
    c: &mut Cursor<'_>,
    changed_since: &mut Option<ModSeq>,
    vanished: &mut bool,
) -> Parsed<()> {
    loop {
        if c.skip(b"CHANGEDSINCE ") {
            // Zero is not in the grammar: Thunderbird says it of a mailbox whose modseqs it never asked for, and means all.
            *changed_since = Some(modseq(c)?);
        } else if c.skip(b"VANISHED") {
            *vanished = true;
        } else {
            return syntax("Expected CHANGEDSINCE or VANISHED");
        }
        if c.list_ends()? {
            return Ok(());
        }
    }
}

/// fetch-att, or a macro if it is `alone` (RFC 9051 §6.4.5)
fn item(c: &mut Cursor<'_>, items: &mut Vec<FetchItem>, alone: bool) -> Parsed<()> {
    use FetchItem::{
        Body, BodyStructure, EmailId, Envelope, Flags, InternalDate, ModSeq, SaveDate, Size,
        ThreadId, Uid,
    };
    c.weigh(ITEM)?;
    const EXPECTED: &str = "Expected a FETCH item";
    // An item's name ends before "[", which atoms may hold.
    if sectioned(c, items)? {
        return Ok(());
    }
    let name = c.keyword(EXPECTED)?;
    match name.octets() {
        b"FLAGS" => items.push(Flags),
        b"UID" => items.push(Uid),
        b"INTERNALDATE" => items.push(InternalDate),
        b"RFC822.SIZE" => items.push(Size),
        b"ENVELOPE" => items.push(Envelope),
        b"BODY" => items.push(Body),
        b"BODYSTRUCTURE" => items.push(BodyStructure),
        b"MODSEQ" => items.push(ModSeq),
        b"SAVEDATE" => items.push(SaveDate),
        b"EMAILID" => items.push(EmailId),
        b"THREADID" => items.push(ThreadId),
        b"RFC822" => items.push(rfc822(SectionName::Rfc822, SectionText::Whole, false)),
        b"RFC822.HEADER" => {
            items.push(rfc822(SectionName::Rfc822Header, SectionText::Header, true))
        }
        b"RFC822.TEXT" => items.push(rfc822(SectionName::Rfc822Text, SectionText::Text, false)),
        b"FAST" if alone => items.extend([Flags, InternalDate, Size]),
        b"ALL" if alone => items.extend([Flags, InternalDate, Size, Envelope]),
        b"FULL" if alone => items.extend([Flags, InternalDate, Size, Envelope, Body]),
        b"FAST" | b"ALL" | b"FULL" => {
            return syntax("ALL, FAST and FULL stand alone, not in a list");
        }
        _ => return syntax(EXPECTED),
    }
    Ok(())
}

fn rfc822(name: SectionName, text: SectionText, peek: bool) -> FetchItem {
    FetchItem::Section {
        name,
        section: Section {
            path: Vec::new(),
            text,
        },
        peek,
        partial: None,
    }
}

/// The items that end in a section; `false`: the next one is none of them.
fn sectioned(c: &mut Cursor<'_>, items: &mut Vec<FetchItem>) -> Parsed<bool> {
    if !matches!(c.peek(), Some(b'B' | b'b')) {
        return Ok(false);
    }
    let peek = c.skip(b"BODY.PEEK[");
    if peek || c.skip(b"BODY[") {
        let section = section(c)?;
        let partial = partial(c)?;
        items.push(FetchItem::Section {
            name: SectionName::Body,
            section,
            peek,
            partial,
        });
        return Ok(true);
    }
    let peek = c.skip(b"BINARY.PEEK[");
    if peek || c.skip(b"BINARY[") {
        let path = binary_path(c)?;
        let partial = partial(c)?;
        items.push(FetchItem::Binary {
            path,
            peek,
            partial,
        });
        return Ok(true);
    }
    if c.skip(b"BINARY.SIZE[") {
        items.push(FetchItem::BinarySize(binary_path(c)?));
        return Ok(true);
    }
    Ok(false)
}

/// section-binary = "[" [section-part] "]"
fn binary_path(c: &mut Cursor<'_>) -> Parsed<Vec<u32>> {
    let (path, dot) = part_numbers(c)?;
    if dot {
        return syntax("Expected a part number");
    }
    c.expect(b"]", "Expected ]")?;
    Ok(path)
}

/// section-part = nz-number *("." nz-number); whether a dot follows that begins a section text
fn part_numbers(c: &mut Cursor<'_>) -> Parsed<(Vec<u32>, bool)> {
    let mut path = Vec::new();
    let mut dot = false;
    while c.peek().is_some_and(|b| b.is_ascii_digit()) {
        if path.len() >= c.cx.limits.section_depth {
            return syntax("The section has too many part numbers");
        }
        path.push(c.take(lex::nz_number, "Expected a part number")?.get());
        dot = c.skip(b".");
        if !dot {
            break;
        }
    }
    Ok((path, dot))
}

/// section = "[" [section-spec] "]"
fn section(c: &mut Cursor<'_>) -> Parsed<Section> {
    const EXPECTED: &str = "Expected HEADER, HEADER.FIELDS, HEADER.FIELDS.NOT, TEXT or MIME";
    let (path, dot) = part_numbers(c)?;
    if c.peek() == Some(b']') && !dot {
        c.skip(b"]");
        return Ok(Section {
            path,
            text: SectionText::Whole,
        });
    }
    if !path.is_empty() && !dot {
        return syntax(EXPECTED);
    }
    let text = if c.skip(b"HEADER.FIELDS.NOT ") {
        fields(c, true)?
    } else if c.skip(b"HEADER.FIELDS ") {
        fields(c, false)?
    } else if c.skip(b"HEADER") {
        SectionText::Header
    } else if c.skip(b"TEXT") {
        SectionText::Text
    } else if !path.is_empty() && c.skip(b"MIME") {
        SectionText::Mime
    } else {
        return syntax(EXPECTED);
    };
    c.word()?;
    c.expect(b"]", "Expected ]")?;
    Ok(Section { path, text })
}

/// header-list = "(" header-fld-name *(SP header-fld-name) ")"
fn fields(c: &mut Cursor<'_>, not: bool) -> Parsed<SectionText> {
    let names = match c.atoms()? {
        Some(atoms) => FieldNames::atoms(atoms),
        None => FieldNames::any(c.list(|c| {
            c.weigh(FIELD)?;
            let name = c.astring("Expected a header field's name")?;
            c.weigh(name.len() / NAME)?;
            Ok(name)
        })?),
    };
    Ok(SectionText::Fields { names, not })
}

/// partial = "<" number64 "." nz-number64 ">"
fn partial(c: &mut Cursor<'_>) -> Parsed<Option<(u64, u64)>> {
    const EXPECTED: &str = "Expected <offset.length>, the length not zero";
    if !c.skip(b"<") {
        return Ok(None);
    }
    let offset = c.take(lex::number64, EXPECTED)?;
    c.expect(b".", EXPECTED)?;
    let length = c.take(lex::number64, EXPECTED)?;
    c.expect(b">", EXPECTED)?;
    if length == 0 {
        syntax(EXPECTED)
    } else {
        Ok(Some((offset, length)))
    }
}
