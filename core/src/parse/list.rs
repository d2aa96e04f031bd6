//! LIST and STATUS (RFC 9051 §9 `list`, RFC 5258 §6, RFC 5819).

use alloc::vec::Vec;

use super::command::mailbox;
use super::cursor::{Cursor, Parsed, syntax, too_many};
use crate::ast::{List, StatusItem};

/// list = "LIST" [SP list-select-opts] SP mailbox SP mbox-or-pat [SP list-return-opts]
pub(super) fn list(c: &mut Cursor<'_>) -> Parsed<List> {
    let mut list = List::default();
    if c.peek() == Some(b'(') {
        list.extended = true;
        options(c, |c| select_option(c, &mut list))?;
        c.space()?;
    }
    list.reference = mailbox(c)?;
    c.space()?;
    list.patterns = if c.peek() == Some(b'(') {
        list.extended = true;
        let mut left = c.cx.limits.list_patterns;
        c.list(|c| match left.checked_sub(1) {
            Some(fewer) => {
                left = fewer;
                c.list_mailbox()
            }
            None => too_many("The LIST has too many patterns"),
        })?
    } else {
        alloc::vec![c.list_mailbox()?]
    };
    if c.skip(b" RETURN ") {
        list.extended = true;
        options(c, |c| return_option(c, &mut list))?;
    }
    Ok(list)
}

/// A parenthesised list that may be empty.
fn options(
    c: &mut Cursor<'_>,
    mut option: impl FnMut(&mut Cursor<'_>) -> Parsed<()>,
) -> Parsed<()> {
    if c.skip(b"()") {
        return c.word();
    }
    c.list(|c| option(c)).map(|_| ())
}

fn select_option(c: &mut Cursor<'_>, list: &mut List) -> Parsed<()> {
    match c.keyword("Expected a selection option")?.octets() {
        b"SUBSCRIBED" => list.select_subscribed = true,
        b"REMOTE" => list.select_remote = true,
        b"RECURSIVEMATCH" => list.recursive_match = true,
        b"SPECIAL-USE" => list.select_special_use = true,
        _ => return syntax("There is no such selection option"),
    }
    Ok(())
}

fn return_option(c: &mut Cursor<'_>, list: &mut List) -> Parsed<()> {
    match c.keyword("Expected a return option")?.octets() {
        b"SUBSCRIBED" => list.return_subscribed = true,
        b"CHILDREN" => list.return_children = true,
        b"SPECIAL-USE" => list.return_special_use = true,
        b"STATUS" => {
            c.space()?;
            list.return_status = Some(status_items(c)?);
        }
        _ => return syntax("There is no such return option"),
    }
    Ok(())
}

/// Room for the items of most commands.
const ITEMS: usize = 8;

/// "(" status-att *(SP status-att) ")"
pub(super) fn status_items(c: &mut Cursor<'_>) -> Parsed<Vec<StatusItem>> {
    let mut items = Vec::with_capacity(ITEMS);
    c.list(|c| {
        let item = status_item(c)?;
        // Named twice it is told once.
        if !items.contains(&item) {
            items.push(item);
        }
        Ok(())
    })?;
    Ok(items)
}

fn status_item(c: &mut Cursor<'_>) -> Parsed<StatusItem> {
    Ok(match c.keyword("Expected a STATUS item")?.octets() {
        b"MESSAGES" => StatusItem::Messages,
        b"RECENT" => StatusItem::Recent,
        b"UIDNEXT" => StatusItem::UidNext,
        b"UIDVALIDITY" => StatusItem::UidValidity,
        b"UNSEEN" => StatusItem::Unseen,
        b"DELETED" => StatusItem::Deleted,
        b"SIZE" => StatusItem::Size,
        b"HIGHESTMODSEQ" => StatusItem::HighestModSeq,
        b"MAILBOXID" => StatusItem::MailboxId,
        b"APPENDLIMIT" => StatusItem::AppendLimit,
        _ => return syntax("There is no such STATUS item"),
    })
}
