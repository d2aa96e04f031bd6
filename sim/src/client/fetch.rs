//! FETCH responses: what is told of a message was so at some time since the command began, and is never older than what was told before.

use std::collections::BTreeSet;

use super::{Client, Sent, Who};
use crate::model::{Command, Content, FetchItem, FlagSet, Flags, Message, Wrong};
use crate::wire::Att;

/// What one FETCH response says.
#[derive(Default)]
struct Said<'a> {
    uid: Option<u32>,
    flags: Option<(FlagSet, &'a [String])>,
    modseq: Option<u64>,
    names: BTreeSet<String>,
    /// Items that only come when they are asked for.
    asked: bool,
}

impl Client {
    pub(super) fn fetch(&mut self, n: u32, items: &[Att], who: Who<'_>) -> Result<(), Wrong> {
        self.needs_mailbox("FETCH")?;
        self.open(who)?;
        let said = said(items)?;
        let count = self.entries.len();
        let place = n as usize - 1;
        if place >= count {
            return Err(format!("INV-09: FETCH {n} of {count}"));
        }
        if let Some(uid) = said.uid {
            self.uid_is(place, uid)?;
        }
        self.unasked(&said)?;
        self.modseq = self.modseq.max(said.modseq.unwrap_or(0));
        let (Some(selected), Some(account)) = (&self.selected, who) else {
            return Ok(());
        };
        if let Some((bits, names)) = said.flags {
            if bits & Flags::KEYWORDS & !selected.announced != 0 {
                return Err(format!(
                    "RFC 9051 §7.3.5: {names:?} hold a keyword FLAGS did not name"
                ));
            }
            if self.rev2 && names.iter().any(|n| n == "\\Recent") {
                return Err("RFC 9051 Appendix E: \\Recent after ENABLE IMAP4rev2".to_owned());
            }
            self.entries[place].flags = Some(bits);
        }
        let Some(uid) = self.entries[place].uid else {
            return Ok(());
        };
        let Some(message) = account.boxes[selected.at].messages.get(&uid) else {
            return Err(format!("INV-09: there never was a UID {uid}"));
        };
        let begun = self.last_begun;
        self.version(place, message, begun, &said)?;
        let mut sent = self.sent.front_mut().filter(|s| s.begun.is_some());
        for item in items {
            if let (Some(sent), Att::Section(.., None) | Att::Binary(.., None)) = (&mut sent, item)
            {
                // Only a store that fails gives no octets, and then the answer is NO.
                sent.nil = true;
                continue;
            }
            content(item, message)?;
        }
        if let Some(sent) = sent {
            sent.told.entry(uid).or_default().extend(said.names);
        }
        Ok(())
    }

    /// INV-09: the message at this place has this UID.
    fn uid_is(&mut self, place: usize, uid: u32) -> Result<(), Wrong> {
        let before = self.entries[..place].iter().rev().find_map(|e| e.uid);
        let after = self.entries[place + 1..].iter().find_map(|e| e.uid);
        let known = self.entries[place].uid;
        if known.is_some_and(|k| k != uid) || before >= Some(uid) || after.is_some_and(|a| a <= uid)
        {
            return Err(format!(
                "INV-09: message {} has UID {uid}, and was {known:?}, between {before:?} and {after:?}",
                place + 1
            ));
        }
        let entry = &mut self.entries[place];
        (entry.uid, entry.uid_told) = (Some(uid), true);
        if let Some(flags) = self.cache.remove(&uid) {
            entry.flags = entry.flags.or(flags);
        }
        Ok(())
    }

    /// With CONDSTORE flags told unasked come with UID and MODSEQ (RFC 7162 §3.2.4).
    fn unasked(&self, said: &Said<'_>) -> Result<(), Wrong> {
        let asked = match self.sent.front().map(|s| &s.command) {
            Some(Command::Fetch { items, .. }) => items
                .iter()
                .any(|i| matches!(i, FetchItem::Plain("FLAGS" | "FAST" | "ALL"))),
            _ => said.asked,
        };
        if asked || said.flags.is_none() {
            return Ok(());
        }
        match self.condstore && (said.modseq.is_none() || said.uid.is_none()) {
            true => {
                Err("RFC 7162 §3.2.4: flags are told unasked, without UID or MODSEQ".to_owned())
            }
            false => Ok(()),
        }
    }

    /// The flags and modification sequence told are those of one version since the command began, none older than the one told before.
    fn version(
        &mut self,
        place: usize,
        message: &Message,
        begun: crate::model::Time,
        said: &Said<'_>,
    ) -> Result<(), Wrong> {
        if said.flags.is_none() && said.modseq.is_none() {
            return Ok(());
        }
        let told = self.entries[place].version;
        let since = message.since(begun);
        let fits = |i: &usize| {
            let version = &message.versions[*i];
            said.flags.is_none_or(|(bits, _)| bits == version.flags)
                && said.modseq.is_none_or(|m| version.modseq.may_be(m))
        };
        let found: Vec<usize> = (since.start.max(told)..since.end).filter(fits).collect();
        let Some(first) = found.first() else {
            let flags = said.flags.map(|(bits, _)| Flags::names(bits));
            return Err(format!(
                "INV-19: UID {:?} is told to have flags {flags:?} and MODSEQ {:?}; since then it had {:?}",
                self.entries[place].uid,
                said.modseq,
                &message.versions[since.start.max(told).min(message.versions.len())..]
            ));
        };
        if let ([one], Some(modseq)) = (&found[..], said.modseq) {
            message.versions[*one].modseq.is(modseq);
        }
        self.entries[place].version = *first;
        Ok(())
    }

    /// A FETCH that is answered OK told all it was asked for (RFC 9051 §6.4.5; RFC 7162 §3.1.4.1).
    pub(super) fn fetch_done(&self, sent: &Sent, who: Who<'_>) -> Result<(), Wrong> {
        let (Command::Fetch { items, since, .. }, Some(selected), Some(account)) =
            (&sent.command, &self.selected, who)
        else {
            return Ok(());
        };
        let mailbox = &account.boxes[selected.at];
        let asked: BTreeSet<String> = items.iter().map(name_of).collect();
        for uid in &sent.meant.must {
            let mut wanted = asked.clone();
            if sent.changed.contains(uid) {
                // \Seen was set: the flags are told too (RFC 9051 §6.4.5), and with CONDSTORE the numbers (RFC 7162 §3.2.4).
                wanted.insert("FLAGS".to_owned());
                let numbers = ["UID", "MODSEQ"].map(str::to_owned);
                wanted.extend(numbers.into_iter().filter(|_| self.condstore));
            }
            let Some(message) = mailbox.messages.get(uid) else {
                continue;
            };
            let versions = &message.versions[message.since(sent.begun.unwrap_or(0))];
            let above = |m: u64| {
                let all: BTreeSet<Option<bool>> =
                    versions.iter().map(|v| v.modseq.above(m)).collect();
                (all.len() == 1)
                    .then(|| all.first().copied().flatten())
                    .flatten()
            };
            let wants = since.map_or(Some(true), above);
            let told = sent.told.get(uid);
            let all = told.is_some_and(|t| wanted.is_subset(t));
            if wants == Some(true) && !all && message.gone.is_none() {
                return Err(format!(
                    "INV-16: UID {uid} is to be told {wanted:?}, CHANGEDSINCE {since:?}, and is told {told:?}"
                ));
            }
            let extra =
                |t: &BTreeSet<String>| wanted.iter().any(|w| t.contains(w) && !is_dynamic(w));
            if wants == Some(false) && told.is_some_and(extra) {
                return Err(format!(
                    "INV-16: UID {uid} did not change since {since:?}, and is told"
                ));
            }
        }
        Ok(())
    }
}

/// Items that may come unasked.
fn is_dynamic(name: &str) -> bool {
    matches!(name, "FLAGS" | "UID" | "MODSEQ")
}

fn said(items: &[Att]) -> Result<Said<'_>, Wrong> {
    let mut said = Said::default();
    for item in items {
        let name = match item {
            Att::Flags(names) => {
                said.flags = Some((Flags::of(names)?, names));
                "FLAGS".to_owned()
            }
            Att::Uid(uid) => {
                said.uid = Some(*uid);
                "UID".to_owned()
            }
            Att::ModSeq(modseq) => {
                said.modseq = Some(*modseq);
                "MODSEQ".to_owned()
            }
            Att::InternalDate(_) => "INTERNALDATE".to_owned(),
            Att::SaveDate(_) => "SAVEDATE".to_owned(),
            Att::Size(_) => "RFC822.SIZE".to_owned(),
            Att::EmailId(_) => "EMAILID".to_owned(),
            Att::ThreadId(_) => "THREADID".to_owned(),
            Att::Envelope(_) => "ENVELOPE".to_owned(),
            Att::Structure => "BODYSTRUCTURE".to_owned(),
            Att::Section(name, origin, _) => section_name("BODY", name, *origin),
            Att::Binary(name, origin, _) => section_name("BINARY", name, *origin),
            Att::BinarySize(name, _) => format!("BINARY.SIZE[{name}]"),
        };
        said.asked |= !is_dynamic(&name);
        if !said.names.insert(name.clone()) {
            return Err(format!("INV-01: {name} comes twice in one FETCH"));
        }
    }
    Ok(said)
}

fn section_name(kind: &str, section: &str, origin: Option<u64>) -> String {
    let origin = origin.map(|o| format!("<{o}>"));
    format!("{kind}[{section}]{}", origin.unwrap_or_default())
}

/// Under which name an item asked for is told.
fn name_of(item: &FetchItem) -> String {
    match item {
        FetchItem::Plain("BODY") => "BODYSTRUCTURE".to_owned(),
        FetchItem::Plain(name) => (*name).to_owned(),
        FetchItem::Body(section, _, part) => {
            section_name("BODY", section, part.map(|(from, _)| from))
        }
        FetchItem::Binary(_, part) => section_name("BINARY", "1", part.map(|(from, _)| from)),
    }
}

/// INV-18: what never changes is as it was when the message came.
fn content(item: &Att, message: &Message) -> Result<(), Wrong> {
    let content = &message.content;
    let right = match item {
        Att::Size(size) => *size == content.octets.len() as u64,
        Att::InternalDate(date) => *date == message.date,
        Att::EmailId(id) => {
            let known = content
                .email_id
                .borrow_mut()
                .get_or_insert(id.clone())
                .clone();
            known == *id
        }
        Att::Envelope(envelope) => envelope.subject.as_deref() == Some(content.subject.as_bytes()),
        Att::Section(name, origin, data) | Att::Binary(name, origin, data) => {
            let Some(whole) = section(content, name) else {
                return Ok(());
            };
            let data = data.as_deref().unwrap_or_default();
            let from = usize::try_from(origin.unwrap_or(0)).unwrap_or(usize::MAX);
            let rest = &whole[from.min(whole.len())..];
            match origin {
                None => rest == data,
                Some(_) => rest.starts_with(data) && (!data.is_empty() || rest.is_empty()),
            }
        }
        Att::BinarySize(name, size) => {
            section(content, name).is_none_or(|whole| whole.len() as u64 == *size)
        }
        _ => true,
    };
    match right {
        true => Ok(()),
        false => Err(format!(
            "INV-18: {item:?} is told of a message of {} octets, dated {}, Subject {}, EMAILID {:?}",
            content.octets.len(),
            message.date,
            content.subject,
            content.email_id
        )),
    }
}

/// The octets a section names, of a message of one part in no encoding.
fn section(content: &Content, name: &str) -> Option<Vec<u8>> {
    let (header, text) = content.octets.split_at(content.header);
    Some(match name {
        "" => content.octets.clone(),
        "HEADER" => header.to_vec(),
        "TEXT" | "1" => text.to_vec(),
        "HEADER.FIELDS (SUBJECT)" => format!("Subject: {}\r\n\r\n", content.subject).into_bytes(),
        _ => return None,
    })
}
