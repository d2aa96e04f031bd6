//! What a store acknowledged and what was seen of it, and whether a store still has it.

use std::collections::{BTreeMap, BTreeSet};

use pillarbox_store::Backend;
use pillarbox_store::conformance::{Client, MailboxState, MessageState, Model};

/// An account whose INBOX several threads append to.
pub const SHARED: u64 = 9;
/// An account whose messages two threads move round.
pub const RING: u64 = 8;
pub const RING_SIZE: usize = 12;

/// An account whose messages mostly go at once.
pub const BRIEF: u64 = 7;

/// What is wrong, for people.
pub type Finding = Result<(), String>;

#[derive(Clone, Default)]
pub struct Known {
    /// Accounts that nobody changes.
    fixed: BTreeMap<u64, Vec<MailboxState>>,
    models: BTreeMap<u64, Followed>,
    /// By UID: the key of an acknowledged message.
    kept: BTreeMap<u32, String>,
    /// By UID: the key of a message that passed by and stays, and UIDs of those that went.
    stays: BTreeMap<u32, String>,
    went: BTreeSet<u32>,
    /// By thread: the key of an append that was refused when the disk failed.
    doubtful: BTreeMap<String, String>,
    refused: BTreeSet<String>,
    ring: bool,
    /// By mailbox: validity, UIDNEXT and HIGHESTMODSEQ, which may only grow.
    counters: BTreeMap<(u64, u64), (u32, u32, u64)>,
    /// Which mailbox a validity stands for, by account and name.
    names: BTreeMap<(u64, String, u32), u64>,
}

/// One account's model, and how it would be with each of the changes that were refused since one was made and acknowledged: while the disk
/// fails it is not known which of them stands in the log, and the one that is acknowledged comes with word of those that do not count.
#[derive(Clone)]
struct Followed {
    model: Model,
    doubts: Vec<Model>,
}

impl Known {
    /// The models that are followed.
    pub fn new(accounts: impl IntoIterator<Item = u64>) -> Self {
        let followed = |account| Followed {
            model: Model::new(account),
            doubts: Vec::new(),
        };
        let models = accounts.into_iter().map(|a| (a, followed(a)));
        Self {
            models: models.collect(),
            ..Self::default()
        }
    }

    /// These accounts, which are only looked at.
    pub fn of(fixed: BTreeMap<u64, Vec<MailboxState>>) -> Self {
        Self {
            fixed,
            ..Self::default()
        }
    }

    pub fn hear(&mut self, line: &str) -> Finding {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |n: usize| words[n].parse::<u64>().unwrap();
        match words[0] {
            "did" => {
                let followed = self.models.get_mut(&number(1)).unwrap();
                let before = followed.model.clone();
                followed.model.advance();
                if followed.model.agrees_with(&before) {
                    followed.doubts.iter_mut().for_each(Model::pass);
                } else {
                    followed.doubts.clear();
                }
            }
            "failed" => {
                let followed = self.models.get_mut(&number(1)).unwrap();
                let mut with = followed.model.clone();
                with.advance();
                followed.model.pass();
                followed.doubts.iter_mut().for_each(Model::pass);
                followed.doubts.push(with);
            }
            "kept" => return self.hear_kept(words[1], words[2], &words[3..]),
            "refused" => drop(self.doubtful.insert(words[1].into(), words[2].into())),
            "stays" => drop(self.stays.insert(number(1) as u32, words[2].into())),
            "went" => self.went.extend(number(1) as u32..=number(2) as u32),
            "ring" => self.ring = true,
            "done" => {}
            "seen" => {
                let now = (number(3) as u32, number(4) as u32, number(5));
                return self.see(number(1), number(2), &words[6..].join(" "), now);
            }
            other => panic!("nobody says {other}"),
        }
        Ok(())
    }

    fn hear_kept(&mut self, thread: &str, key: &str, uids: &[&str]) -> Finding {
        self.refused.extend(self.doubtful.remove(thread));
        for (n, uid) in uids.iter().enumerate() {
            let before = self.kept.insert(uid.parse().unwrap(), format!("{key}/{n}"));
            if let Some(before) = before {
                return Err(format!("UID {uid} was given to {before} and to {key}"));
            }
        }
        Ok(())
    }

    fn see(&mut self, account: u64, id: u64, name: &str, now: (u32, u32, u64)) -> Finding {
        let before = self.counters.entry((account, id)).or_insert(now);
        if before.0 != now.0 || now.1 < before.1 || now.2 < before.2 {
            return Err(format!(
                "{name} of account {account} went from validity, UIDNEXT, HIGHESTMODSEQ {before:?} to {now:?}"
            ));
        }
        *before = now;
        let key = (account, name.to_owned(), now.0);
        let known = *self.names.entry(key).or_insert(id);
        if known != id {
            return Err(format!(
                "two mailboxes had the name {name} with validity {}",
                now.0
            ));
        }
        Ok(())
    }

    /// Whether the store has all of it, and nothing in part.
    pub fn check(&mut self, store: &dyn Backend) -> Finding {
        let accounts: Vec<u64> = self.models.keys().copied().collect();
        for account in accounts {
            let state = read(store, account)?;
            self.follow(account, &state)?;
            self.compare(account, &state)?;
        }
        for (account, before) in &self.fixed {
            let now = read(store, *account)?;
            if now != *before {
                return Err(differing(*account, before, &now));
            }
        }
        let shared = read(store, SHARED)?;
        self.compare(SHARED, &shared)?;
        self.check_shared(&shared)?;
        let brief = read(store, BRIEF)?;
        self.compare(BRIEF, &brief)?;
        self.check_brief(&brief)?;
        let ring = read(store, RING)?;
        self.compare(RING, &ring)?;
        if self.ring { check_ring(&ring) } else { Ok(()) }
    }

    /// The account is where the acknowledged changes bring it, or one change further.
    fn follow(&mut self, account: u64, state: &[MailboxState]) -> Finding {
        let followed = self.models.get_mut(&account).unwrap();
        let mut further = followed.model.clone();
        further.advance();
        let candidates = [followed.model.clone(), further].into_iter();
        let mut differences = Vec::new();
        for mut model in candidates.chain(std::mem::take(&mut followed.doubts)) {
            model.adopt(state);
            match model.disagreement(state) {
                Some(difference) => differences.push(difference),
                None => {
                    followed.model = model;
                    return Ok(());
                }
            }
        }
        Err(format!("lost or torn: account {account}: {differences:?}"))
    }

    fn compare(&mut self, account: u64, state: &[MailboxState]) -> Finding {
        for m in state {
            if let Some(id) = m.id {
                let now = (m.uid_validity, m.uid_next, m.highest_modseq);
                self.see(account, id.0, &m.name, now)?;
            }
        }
        Ok(())
    }

    fn check_shared(&self, state: &[MailboxState]) -> Finding {
        let inbox = state.iter().find(|m| m.name == "INBOX");
        let messages = inbox.map_or(&[][..], |m| &m.messages[..]);
        let found: BTreeMap<u32, String> =
            messages.iter().map(|m| (m.uid, key(&m.octets))).collect();
        for (uid, key) in &self.kept {
            if found.get(uid) != Some(key) {
                return Err(format!(
                    "lost: {key} with UID {uid}: there is {:?}",
                    found.get(uid)
                ));
            }
        }
        let mut there: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (message, key) in messages.iter().zip(found.values()) {
            let (name, n) = key.split_once('/').ok_or("a message nobody sent")?;
            there.entry(name).or_default().push(n);
            if message.octets != crate::work::mail(name, n.parse().unwrap()) {
                return Err(format!("the octets of UID {} ({key})", message.uid));
            }
        }
        for (name, parts) in there {
            let whole: Vec<String> = (0..crate::work::parts(name))
                .map(|n| n.to_string())
                .collect();
            if parts != whole {
                return Err(format!("torn: of {name} there are the parts {parts:?}"));
            }
            if self.refused.contains(name) {
                return Err(format!("{name} is there and was refused"));
            }
        }
        Ok(())
    }

    fn check_brief(&self, state: &[MailboxState]) -> Finding {
        let messages = state.iter().flat_map(|m| &m.messages);
        let found: BTreeMap<u32, &[u8]> = messages.map(|m| (m.uid, &m.octets[..])).collect();
        for (uid, name) in &self.stays {
            let (key, part) = name.split_once('/').ok_or("a message nobody sent")?;
            let octets = crate::work::mail(key, part.parse().unwrap());
            if found.get(uid) != Some(&&octets[..]) {
                return Err(format!(
                    "lost: {name} with UID {uid} of those that passed by"
                ));
            }
        }
        match self.went.iter().find(|uid| found.contains_key(uid)) {
            Some(uid) => Err(format!("UID {uid} went and is there")),
            None => Ok(()),
        }
    }

    /// New mail gets UIDs, and new mailboxes get validities, that were never given.
    pub fn deliver(&self, store: &dyn Backend) -> Finding {
        let accounts = self.models.keys().copied().chain([SHARED, RING, BRIEF]);
        for account in accounts {
            let client = Client::new(store, account);
            let fail = |e| format!("account {account} after the crash: {e:?}");
            for row in client.list().map_err(fail)? {
                let Some(id) = row.id else { continue };
                let uid = client.append(row.name.as_str(), b"after").map_err(fail)?;
                let given = self.counters.get(&(account, id.0)).map_or(1, |c| c.1);
                if uid.get() < given {
                    return Err(format!(
                        "UID {} of {} was given again",
                        uid.get(),
                        row.name.as_str()
                    ));
                }
            }
            client.create("new").map_err(fail)?;
            let validity = client.status("new").map_err(fail)?.uid_validity.0.get();
            let mut known = self.counters.iter().filter(|(key, _)| key.0 == account);
            if let Some((key, _)) = known.find(|(_, c)| c.0 >= validity) {
                return Err(format!(
                    "validity {validity} is not above that of mailbox {key:?}"
                ));
            }
        }
        Ok(())
    }
}

fn read(store: &dyn Backend, account: u64) -> Result<Vec<MailboxState>, String> {
    let state = Client::new(store, account).state();
    state.map_err(|e| format!("lost: account {account} cannot be read: {e:?}"))
}

fn differing(account: u64, before: &[MailboxState], now: &[MailboxState]) -> String {
    let brief = |all: &[MailboxState]| {
        let one = |m: &MailboxState| {
            let of = |m: &MessageState| (m.uid, m.modseq, m.system, m.octets.len());
            let messages: Vec<_> = m.messages.iter().map(of).collect();
            format!(
                "{} {} {} {messages:?}",
                m.name, m.uid_next, m.highest_modseq
            )
        };
        all.iter().map(one).collect::<Vec<_>>().join("\n")
    };
    let (before, now) = (brief(before), brief(now));
    format!("lost or changed: account {account} was\n{before}\nand is\n{now}")
}

fn check_ring(state: &[MailboxState]) -> Finding {
    let all = state.iter().flat_map(|m| &m.messages);
    let mut found: Vec<String> = all.map(|m| key(&m.octets)).collect();
    found.sort_unstable();
    let mut whole: Vec<String> = (0..RING_SIZE).map(|n| format!("ring-{n}/0")).collect();
    whole.sort_unstable();
    if found == whole {
        return Ok(());
    }
    Err(format!("lost or doubled: the ring holds {found:?}"))
}

/// What the first line says.
fn key(octets: &[u8]) -> String {
    let line = octets.split(|b| *b == b'\r').next().unwrap_or(&[]);
    let line = String::from_utf8_lossy(line);
    line.strip_prefix("Subject: ").unwrap_or(&line).to_owned()
}
