//! Mailboxes by name: listing, making, deleting, renaming, subscribing.

use pillarbox_core::effect::{
    Create, Delete, ErrorKind, MailboxRow, MailboxStatus, Mailboxes, Notice, Purge, Purged, Rename,
    SpecialUse, Status, StoreError, Subscribe,
};
use pillarbox_core::id::{AccountId, MailboxId, Uid};
use pillarbox_core::mailbox::MailboxName;
use pillarbox_core::set::UidSet;

use super::change::{Leaving, remove};
use crate::record::Mailbox;
use crate::table::{Result, Tables};

pub(crate) fn inbox() -> MailboxName {
    MailboxName::inbox()
}

/// Two lists in order, read as one.
pub(super) fn mailboxes(t: &mut dyn Tables, op: &Mailboxes) -> Result<Vec<MailboxRow>> {
    let owner = op.actor.account;
    let mut subscriptions = t.subscriptions(owner)?.into_iter().peekable();
    let mut rows = Vec::new();
    let row = |name, subscribed| {
        let mut row = MailboxRow::new(name);
        row.subscribed = subscribed;
        row
    };
    for named in t.names(owner)? {
        while let Some(name) = subscriptions.next_if(|s| *s < named.name) {
            rows.push(row(name, true));
        }
        let subscribed = subscriptions.next_if_eq(&named.name).is_some();
        let mut row = row(named.name, subscribed);
        (row.id, row.special_use) = (Some(named.id), named.special_use);
        rows.push(row);
    }
    rows.extend(subscriptions.map(|name| row(name, true)));
    // A session holds them until they are told.
    rows.shrink_to_fit();
    Ok(rows)
}

/// Refuses names with which LIST would hold more than it may; `more`: octets of those that come, with [`ROW`] for each.
fn within_listing(t: &mut dyn Tables, owner: AccountId, more: u64) -> Result<()> {
    if more == 0 {
        return Ok(());
    }
    let listing = t.listing(owner)?;
    if listing.octets + listing.names * ROW + more <= LISTING {
        return Ok(());
    }
    Err(StoreError::new(
        ErrorKind::Limit,
        format!(
            "The names of an account's mailboxes and subscriptions have at most {LISTING} octets, with {ROW} for each"
        ),
    ))
}

fn weight(name: &MailboxName) -> u64 {
    ROW + name.as_str().len() as u64
}

pub(super) fn status(t: &mut dyn Tables, op: &Status) -> Result<Vec<Option<MailboxStatus>>> {
    let mut counted = Vec::with_capacity(op.names.len());
    for name in &op.names {
        let mailbox = t.mailbox_named(op.actor.account, name)?;
        counted.push(mailbox.map(|m| counters(t, &m)).transpose()?);
    }
    Ok(counted)
}

fn counters(t: &mut dyn Tables, mailbox: &Mailbox) -> Result<MailboxStatus> {
    // A client that asks about every mailbox is not to have all their messages gone through.
    let recent = match mailbox.recent_from.get() {
        from if from >= mailbox.uid_next.get() => 0,
        1 => mailbox.messages,
        from => t.count_from(mailbox.id, from)?,
    };
    Ok(mailbox.status(recent))
}

pub(super) fn create(t: &mut dyn Tables, op: &Create) -> Result<MailboxId> {
    let owner = op.actor.account;
    if t.mailbox_named(owner, &op.name)?.is_some() {
        return Err(exists(&op.name));
    }
    create_with_parents(t, owner, &op.name, op.special_use)
}

/// A mailbox that a client asks for, with the parents it lacks: all of them, or none when that is too many.
fn create_with_parents(
    t: &mut dyn Tables,
    owner: AccountId,
    name: &MailboxName,
    special_use: Option<SpecialUse>,
) -> Result<MailboxId> {
    let parents = lacking_parents(t, owner, name)?;
    room_for(t, owner, parents.len() + 1)?;
    let more = parents.iter().chain([name]).map(weight).sum();
    within_listing(t, owner, more)?;
    for parent in parents {
        create_mailbox(t, owner, parent, None)?;
    }
    create_mailbox(t, owner, name.clone(), special_use)
}

fn lacking_parents(
    t: &mut dyn Tables,
    owner: AccountId,
    name: &MailboxName,
) -> Result<Vec<MailboxName>> {
    let mut lacking = Vec::new();
    for (at, _) in name.as_str().match_indices('/') {
        let Ok(parent) = MailboxName::new(&name.as_str()[..at]) else {
            continue;
        };
        if t.mailbox_named(owner, &parent)?.is_none() {
            lacking.push(parent);
        }
    }
    Ok(lacking)
}

fn room_for(t: &mut dyn Tables, owner: AccountId, more: usize) -> Result<()> {
    if t.listing(owner)?.mailboxes + more as u64 > NAMES {
        return Err(StoreError::new(
            ErrorKind::Limit,
            format!("An account has at most {NAMES} mailboxes"),
        ));
    }
    Ok(())
}

/// A mailbox that must be, however many there are: INBOX.
pub(crate) fn create_mailbox(
    t: &mut dyn Tables,
    owner: AccountId,
    name: MailboxName,
    special_use: Option<SpecialUse>,
) -> Result<MailboxId> {
    let id = MailboxId(t.next_id()?);
    let validity = t.next_validity(owner)?;
    let mut mailbox = Mailbox::new(owner, id, name, validity);
    mailbox.special_use = special_use;
    t.put_mailbox(&mailbox)?;
    Ok(id)
}

pub(super) fn delete(t: &mut dyn Tables, op: &Delete, notices: &mut Vec<Notice>) -> Result<()> {
    let owner = op.actor.account;
    if op.name == inbox() {
        return Err(StoreError::new(
            ErrorKind::Cannot,
            "INBOX cannot be deleted",
        ));
    }
    let mut mailbox = named(t, owner, &op.name)?;
    if has_below(t, owner, &op.name)? {
        return Err(StoreError::new(
            ErrorKind::HasChildren,
            "The mailbox has others below it; delete those first",
        ));
    }
    let all = UidSet::range(Uid::MIN, Uid::MAX);
    remove(t, &mut mailbox, &all, |_| true)?;
    t.drop_mailbox(&mailbox)?;
    notices.push(Notice {
        mailbox: mailbox.reference(),
        modseq: None,
    });
    Ok(())
}

pub(super) fn rename(t: &mut dyn Tables, op: &Rename, notices: &mut Vec<Notice>) -> Result<()> {
    let owner = op.actor.account;
    let source = named(t, owner, &op.from)?;
    if t.mailbox_named(owner, &op.to)?.is_some() {
        return Err(exists(&op.to));
    }
    if op.from == inbox() {
        create_with_parents(t, owner, &op.to, None)?;
        return super::transfer::move_all(t, source, &op.to, op.now, notices);
    }
    let prefix = format!("{}/", op.from.as_str());
    if op.to.as_str().starts_with(&prefix) {
        return Err(StoreError::new(
            ErrorKind::Cannot,
            "A mailbox cannot be moved below itself",
        ));
    }
    let mut moving = vec![(source, op.to.clone())];
    for child in below(t, owner, &op.from)? {
        let name = format!(
            "{}/{}",
            op.to.as_str(),
            &child.name.as_str()[prefix.len()..]
        );
        let name = MailboxName::new(&name).map_err(|_| bad_name())?;
        if t.mailbox_named(owner, &name)?.is_some() {
            return Err(exists(&name));
        }
        moving.push((child, name));
    }
    let parents = lacking_parents(t, owner, &op.to)?;
    room_for(t, owner, parents.len())?;
    let more = growth(t, owner, &parents, &moving)?;
    within_listing(t, owner, more)?;
    for (mailbox, name) in &mut moving {
        mailbox.name = name.clone();
        mailbox.next_modseq()?;
    }
    for parent in parents {
        create_mailbox(t, owner, parent, None)?;
    }
    for (mailbox, _) in moving {
        t.put_mailbox(&mailbox)?;
        notices.push(Notice {
            mailbox: mailbox.reference(),
            modseq: Some(mailbox.highest_modseq),
        });
    }
    Ok(())
}

/// How much more LIST holds after a rename; a subscription keeps the old name (RFC 9051 §6.3.9).
fn growth(
    t: &mut dyn Tables,
    owner: AccountId,
    parents: &[MailboxName],
    moving: &[(Mailbox, MailboxName)],
) -> Result<u64> {
    let comes: u64 = parents
        .iter()
        .chain(moving.iter().map(|m| &m.1))
        .map(weight)
        .sum();
    let mut goes = 0;
    for (mailbox, _) in moving {
        if !t.is_subscribed(owner, &mailbox.name)? {
            goes += weight(&mailbox.name);
        }
    }
    Ok(comes.saturating_sub(goes))
}

pub(super) fn subscribe(t: &mut dyn Tables, op: &Subscribe) -> Result<()> {
    let owner = op.actor.account;
    if !op.on || t.is_subscribed(owner, &op.name)? {
        return t.set_subscribed(owner, &op.name, op.on);
    }
    if t.listing(owner)?.subscriptions >= NAMES {
        return Err(StoreError::new(
            ErrorKind::Limit,
            format!("An account has at most {NAMES} subscriptions"),
        ));
    }
    // One of a mailbox makes LIST no longer.
    if t.mailbox_named(owner, &op.name)?.is_none() {
        within_listing(t, owner, weight(&op.name))?;
    }
    t.set_subscribed(owner, &op.name, true)
}

pub(super) fn purge(t: &mut dyn Tables, op: &Purge, notices: &mut Vec<Notice>) -> Result<Purged> {
    let (owner, limit) = (op.actor.account, op.limit.max(1));
    let mut subscriptions = t.subscriptions(owner)?;
    subscriptions.truncate(limit);
    for name in &subscriptions {
        t.set_subscribed(owner, name, false)?;
    }
    let mut done = Purged {
        more: true,
        ..Purged::default()
    };
    if !subscriptions.is_empty() {
        return Ok(done);
    }
    // INBOX is the last, so that an account always has one.
    let mut boxes = t.mailboxes(owner, None, 2)?.into_iter();
    let other = boxes.find(|mailbox| mailbox.name != inbox());
    let mut mailbox = other.map_or_else(|| named(t, owner, &inbox()), Ok)?;
    // Only those that go are looked at: a mailbox of a million takes many steps.
    let messages = t.messages(mailbox.id, 0, u32::MAX, limit)?;
    let mut leaving = Leaving::default();
    for message in &messages {
        leaving.bury(t, &mut mailbox, message)?;
    }
    leaving.log(t, &mut mailbox)?;
    done.messages = messages.len() as u64;
    if messages.len() == limit {
        notices.push(super::change::notice(&mailbox));
        return Ok(done);
    }
    t.drop_mailbox(&mailbox)?;
    done.mailboxes = 1;
    notices.push(Notice {
        mailbox: mailbox.reference(),
        modseq: None,
    });
    if mailbox.name == inbox() {
        create_mailbox(t, owner, inbox(), None)?;
        done.more = false;
    }
    Ok(done)
}

pub(super) fn named(t: &mut dyn Tables, owner: AccountId, name: &MailboxName) -> Result<Mailbox> {
    t.mailbox_named(owner, name)?
        .ok_or_else(|| StoreError::no_mailbox(name))
}

fn has_below(t: &mut dyn Tables, owner: AccountId, name: &MailboxName) -> Result<bool> {
    let prefix = format!("{}/", name.as_str());
    let next = t.mailboxes(owner, Some(&prefix), 1)?;
    Ok(next.iter().any(|m| m.name.as_str().starts_with(&prefix)))
}

fn below(t: &mut dyn Tables, owner: AccountId, name: &MailboxName) -> Result<Vec<Mailbox>> {
    let prefix = format!("{}/", name.as_str());
    let mut found = Vec::new();
    let mut after = prefix.clone();
    loop {
        let page = t.mailboxes(owner, Some(&after), PAGE)?;
        let full = page.len() == PAGE;
        for mailbox in page {
            if !mailbox.name.as_str().starts_with(&prefix) {
                return Ok(found);
            }
            after = mailbox.name.as_str().to_owned();
            found.push(mailbox);
        }
        if !full {
            return Ok(found);
        }
    }
}

fn exists(name: &MailboxName) -> StoreError {
    StoreError::new(
        ErrorKind::AlreadyExists,
        format!("There is a mailbox {} already", name.as_str()),
    )
}

fn bad_name() -> StoreError {
    StoreError::new(ErrorKind::Cannot, "A name below the new one is too long")
}

/// Mailboxes of an account, and subscriptions beside them: LIST holds all of them at once.
const NAMES: u64 = 10_000;
/// Octets of all names that LIST tells, with [`ROW`] for each: with them a session holds two megabytes at the most.
const LISTING: u64 = 1_400_000;
/// Octets that a session holds for a name besides its own.
const ROW: u64 = 64;
const PAGE: usize = 500;
