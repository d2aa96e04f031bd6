//! A sequential model of one account, random changes to it, and the same changes done to a store.

use std::collections::{BTreeMap, BTreeSet};

use pillarbox_core::effect::FlagOp;
use pillarbox_core::flag::{FlagNames, SystemFlags};
use pillarbox_core::id::Uid;
use pillarbox_core::set::UidSet;

use super::client::{Answer, Client, MailboxState};

/// What an account should look like after so many random changes; the seed decides them all, so that a run can be continued elsewhere.
#[derive(Clone, Debug)]
pub struct Model {
    seed: u64,
    random: u64,
    texts: u32,
    boxes: BTreeMap<String, Mailbox>,
    subscribed: BTreeSet<String>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Mailbox {
    uid_next: u32,
    messages: BTreeMap<u32, Message>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Message {
    text: u32,
    system: u8,
    keywords: BTreeSet<&'static str>,
}

/// One change.
#[derive(Clone, Debug)]
enum Action {
    Append(&'static str, Vec<Message>),
    Set(&'static str, UidSet, FlagOp, Message),
    Copy(&'static str, UidSet, &'static str),
    Move(&'static str, UidSet, &'static str),
    Expunge(&'static str, UidSet),
    Create(&'static str),
    Delete(&'static str),
    Rename(&'static str, &'static str),
    Subscribe(&'static str, bool),
}

/// What a change gives: UIDs made or taken, or `None` when it is refused.
type Outcome = Option<Vec<u32>>;

impl Model {
    /// A new account.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            texts: 0,
            boxes: [("INBOX".to_owned(), Mailbox::default())].into(),
            subscribed: BTreeSet::new(),
        }
    }

    /// Does the next change to the model alone.
    pub fn advance(&mut self) {
        let action = self.next();
        self.apply(&action);
    }

    /// Does the next change to the model and to a store.
    ///
    /// # Panics
    /// When the store gives other UIDs than the model, refuses what it should do, or does what it should refuse.
    pub fn step(&mut self, client: Client<'_>) {
        let answered = self.try_step(client);
        let shown = format!("seed {}: the store answered {answered:?}", self.seed);
        assert!(answered.is_ok(), "{shown}");
    }

    /// The same for a store that may be out of order.
    ///
    /// # Errors
    /// When the store could not do what it should; the model is as it was, and goes on with another change.
    ///
    /// # Panics
    /// When the store gives other UIDs than the model, or does what it should refuse.
    pub fn try_step(&mut self, client: Client<'_>) -> Answer<()> {
        let action = self.next();
        let mut after = self.clone();
        let want = after.apply(&action);
        let got = run(client, &action, self.seed);
        match got {
            Err(e) if want.is_some() => return Err(e),
            got => {
                let shown = format!("seed {}: {action:?} answered {got:?}", self.seed);
                assert_eq!(got.ok(), want, "{shown}");
            }
        }
        *self = after;
        Ok(())
    }

    /// Does the next change to a store, and to the model if the store did it.
    ///
    /// # Errors
    /// The store's refusal of what it should do, as when its disk fails.
    ///
    /// # Panics
    /// When the store gives other UIDs than the model, or does what it should refuse.
    pub fn attempt(&mut self, client: Client<'_>) -> Answer<()> {
        let action = self.next();
        let before = (self.boxes.clone(), self.subscribed.clone());
        let want = self.apply(&action);
        match (run(client, &action, self.seed), want) {
            (Err(e), Some(_)) => {
                (self.boxes, self.subscribed) = before;
                Err(e)
            }
            (got, want) => {
                let shown = format!("seed {}: {action:?} answered {got:?}", self.seed);
                assert_eq!(got.ok(), want, "{shown}");
                Ok(())
            }
        }
    }

    /// Passes over the next change, which a store refused.
    pub fn pass(&mut self) {
        self.next();
    }

    /// Whether both say the same of the account, whatever comes next.
    #[must_use]
    pub fn agrees_with(&self, other: &Self) -> bool {
        self.boxes == other.boxes && self.subscribed == other.subscribed
    }

    /// Takes over UIDNEXT where the store's is greater: it gives up UIDs that a crash left in doubt.
    pub fn adopt(&mut self, state: &[MailboxState]) {
        for mailbox in state {
            if let Some(own) = self.boxes.get_mut(&mailbox.name) {
                own.uid_next = own.uid_next.max(mailbox.uid_next);
            }
        }
    }

    /// How a store's state differs from the model, if it does.
    #[must_use]
    pub fn disagreement(&self, state: &[MailboxState]) -> Option<String> {
        let names: BTreeSet<&String> = self.boxes.keys().chain(&self.subscribed).collect();
        let listed: BTreeSet<&String> = state.iter().map(|m| &m.name).collect();
        if names != listed {
            return Some(format!("the names are {listed:?}, not {names:?}"));
        }
        state.iter().find_map(|m| self.mailbox_differs(m))
    }

    fn mailbox_differs(&self, state: &MailboxState) -> Option<String> {
        let name = &state.name;
        let Some(mailbox) = self.boxes.get(name) else {
            return state.id.map(|_| format!("{name} is there"));
        };
        if state.subscribed != self.subscribed.contains(name) {
            return Some(format!("the subscription of {name}"));
        }
        if (state.id.is_none(), state.uid_next) != (false, mailbox.uid_next) {
            return Some(format!(
                "UIDNEXT of {name} is {}, not {}",
                state.uid_next, mailbox.uid_next
            ));
        }
        let uids: Vec<u32> = state.messages.iter().map(|m| m.uid).collect();
        if !uids.iter().eq(mailbox.messages.keys()) {
            let want: Vec<_> = mailbox.messages.keys().collect();
            return Some(format!("the UIDs of {name} are {uids:?}, not {want:?}"));
        }
        let differs = state.messages.iter().find(|m| {
            let want = &mailbox.messages[&m.uid];
            m.octets != octets(self.seed, want.text)
                || m.system != want.system
                || !m.keywords.iter().eq(want.keywords.iter())
        });
        differs.map(|m| {
            format!(
                "message {} of {name}: {:?} {:?}",
                m.uid, m.system, m.keywords
            )
        })
    }

    fn below(&mut self, n: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        usize::try_from((self.random >> 20) % n as u64).unwrap_or(0)
    }

    fn next(&mut self) -> Action {
        let (a, b) = (self.name(), self.name());
        match self.below(20) {
            0..6 => {
                let n = self.below(3) + 1;
                Action::Append(a, (0..n).map(|_| self.message()).collect())
            }
            6..10 => {
                let op = [FlagOp::Replace, FlagOp::Add, FlagOp::Remove][self.below(3)];
                Action::Set(a, self.uids(a), op, self.message())
            }
            10..12 => Action::Copy(a, self.uids(a), b),
            12..14 => Action::Move(a, self.uids(a), b),
            14..16 => Action::Expunge(a, self.uids(a)),
            16 => Action::Create(a),
            17 => Action::Delete(a),
            18 => Action::Rename(a, b),
            _ => Action::Subscribe(a, self.below(2) == 0),
        }
    }

    fn name(&mut self) -> &'static str {
        // INBOX is where most happens.
        NAMES[self.below(NAMES.len() + 3).saturating_sub(3)]
    }

    fn message(&mut self) -> Message {
        self.texts += 1;
        let keywords = ["$A", "$B", "$C"];
        Message {
            text: self.texts,
            system: u8::try_from(self.below(32)).unwrap_or(0),
            keywords: keywords[..self.below(4)].iter().copied().collect(),
        }
    }

    fn uids(&mut self, name: &str) -> UidSet {
        let next = self.boxes.get(name).map_or(1, |m| m.uid_next) as usize;
        let from = self.below(next) + 1;
        let to = from + self.below(4);
        UidSet::from_ranges([(from as u32, to as u32)])
    }

    fn apply(&mut self, action: &Action) -> Outcome {
        match action {
            Action::Append(to, messages) => {
                let mailbox = self.boxes.get_mut(*to)?;
                Some(mailbox.put(messages.iter().cloned()))
            }
            Action::Set(at, uids, op, flags) => {
                let mailbox = self.boxes.get_mut(*at)?;
                let there = mailbox.pick(uids, |_| true);
                for uid in &there {
                    if let Some(message) = mailbox.messages.get_mut(uid) {
                        message.set(*op, flags);
                    }
                }
                Some(there)
            }
            Action::Copy(from, uids, to) => {
                let (_, copies) = self.taken(from, uids)?;
                Some(self.boxes.get_mut(*to)?.put(copies))
            }
            Action::Move(from, uids, to) => {
                let (taken, copies) = self.taken(from, uids)?;
                let made = self.boxes.get_mut(*to)?.put(copies);
                let source = self.boxes.get_mut(*from)?;
                source.messages.retain(|uid, _| !taken.contains(uid));
                Some(made)
            }
            Action::Expunge(at, uids) => {
                let mailbox = self.boxes.get_mut(*at)?;
                let gone = mailbox.pick(uids, |m| m.system & SystemFlags::DELETED.0 != 0);
                mailbox.messages.retain(|uid, _| !gone.contains(uid));
                Some(gone)
            }
            Action::Create(name) => self.create(name),
            Action::Delete(name) => {
                let there = self.boxes.contains_key(*name) && *name != "INBOX";
                (there && self.children(name).is_empty()).then(|| {
                    self.boxes.remove(*name);
                    Vec::new()
                })
            }
            Action::Rename(from, to) => self.rename(from, to),
            Action::Subscribe(name, on) => {
                if *on {
                    self.subscribed.insert((*name).to_owned());
                } else {
                    self.subscribed.remove(*name);
                }
                Some(Vec::new())
            }
        }
    }

    fn taken(&self, from: &str, uids: &UidSet) -> Option<(Vec<u32>, Vec<Message>)> {
        let source = self.boxes.get(from)?;
        let taken = source.pick(uids, |_| true);
        let copies = taken.iter().map(|uid| source.messages[uid].clone());
        let copies = copies.collect();
        Some((taken, copies))
    }

    fn children(&self, name: &str) -> Vec<String> {
        let prefix = format!("{name}/");
        let below = self.boxes.keys().filter(|n| n.starts_with(&prefix));
        below.cloned().collect()
    }

    fn create(&mut self, name: &str) -> Outcome {
        if self.boxes.contains_key(name) {
            return None;
        }
        let parents = name.match_indices('/').map(|(at, _)| &name[..at]);
        for name in parents.chain([name]) {
            self.boxes.entry(name.to_owned()).or_default();
        }
        Some(Vec::new())
    }

    fn rename(&mut self, from: &str, to: &str) -> Outcome {
        let there = self.boxes.contains_key(from) && !self.boxes.contains_key(to);
        if !there || (from != "INBOX" && to.starts_with(&format!("{from}/"))) {
            return None;
        }
        if from == "INBOX" {
            self.create(to);
            let all = self
                .boxes
                .get_mut(from)
                .map(|m| std::mem::take(&mut m.messages));
            let all = all.unwrap_or_default().into_values();
            self.boxes.get_mut(to)?.put(all);
            return Some(Vec::new());
        }
        let moved = |n: &str| format!("{to}{}", &n[from.len()..]);
        let children = self.children(from);
        if children.iter().any(|n| self.boxes.contains_key(&moved(n))) {
            return None;
        }
        self.create(to);
        for name in children.iter().map(String::as_str).chain([from]) {
            let mailbox = self.boxes.remove(name).unwrap_or_default();
            self.boxes.insert(moved(name), mailbox);
        }
        Some(Vec::new())
    }
}

impl Default for Mailbox {
    fn default() -> Self {
        Self {
            uid_next: 1,
            messages: BTreeMap::new(),
        }
    }
}

impl Mailbox {
    fn put(&mut self, messages: impl IntoIterator<Item = Message>) -> Vec<u32> {
        let first = self.uid_next;
        for message in messages {
            self.messages.insert(self.uid_next, message);
            self.uid_next += 1;
        }
        (first..self.uid_next).collect()
    }

    fn pick(&self, uids: &UidSet, which: impl Fn(&Message) -> bool) -> Vec<u32> {
        let named = self.messages.iter().filter(|(uid, message)| {
            Uid::new(**uid).is_some_and(|u| uids.contains(u)) && which(message)
        });
        named.map(|(uid, _)| *uid).collect()
    }
}

impl Message {
    fn set(&mut self, op: FlagOp, flags: &Self) {
        match op {
            FlagOp::Replace => {
                self.system = flags.system;
                self.keywords.clone_from(&flags.keywords);
            }
            FlagOp::Add => {
                self.system |= flags.system;
                self.keywords.extend(&flags.keywords);
            }
            FlagOp::Remove => {
                self.system &= !flags.system;
                self.keywords.retain(|k| !flags.keywords.contains(k));
            }
        }
    }

    fn flags(&self) -> FlagNames {
        FlagNames {
            system: SystemFlags(self.system),
            keywords: self.keywords.iter().map(|k| (*k).to_owned()).collect(),
        }
    }
}

fn run(c: Client<'_>, action: &Action, seed: u64) -> Answer<Vec<u32>> {
    let numbers = |uids: &[(Uid, Uid)]| uids.iter().map(|(_, to)| to.get()).collect();
    let at = |name| c.examine(name).map(|opened| opened.mailbox);
    match action {
        Action::Append(to, messages) => {
            let new = |m: &Message| (octets(seed, m.text), m.flags());
            let messages: Vec<_> = messages.iter().map(new).collect();
            let committed = c.append_all(to, &messages)?;
            Ok(committed.uids.iter().map(|u| u.get()).collect())
        }
        Action::Set(name, uids, op, flags) => {
            let done = c.set(at(name)?, uids.clone(), *op, flags.flags(), None)?;
            Ok(done.rows.iter().map(|row| row.0.get()).collect())
        }
        Action::Copy(from, uids, to) => {
            let copied = c.copy(at(from)?, uids.clone(), to)?;
            Ok(numbers(&copied.uids))
        }
        Action::Move(from, uids, to) => {
            let moved = c.relocate(at(from)?, uids.clone(), to)?;
            Ok(numbers(&moved.copied.uids))
        }
        Action::Expunge(name, uids) => {
            let gone = c.expunge(at(name)?, uids.clone())?;
            Ok(gone.uids.iter().map(Uid::get).collect())
        }
        Action::Create(name) => c.create(name).map(|_| Vec::new()),
        Action::Delete(name) => c.delete(name).map(|()| Vec::new()),
        Action::Rename(from, to) => c.rename(from, to).map(|()| Vec::new()),
        Action::Subscribe(name, on) => c.subscribe(name, *on).map(|()| Vec::new()),
    }
}

/// The octets of a message, told apart by its number: mostly small, some longer than a window, few than what is kept in memory.
fn octets(seed: u64, text: u32) -> Vec<u8> {
    let lines = match text % 40 {
        7 => 5000,
        17 => 15_000,
        n => 1 + n * 3,
    };
    let mut octets = format!("Message-ID: <{text}@{seed}>\r\nSubject: {text}\r\n\r\n").into_bytes();
    for line in 0..lines {
        octets.extend(format!("line {line} of {text}\r\n").as_bytes());
    }
    octets
}

const NAMES: [&str; 7] = ["INBOX", "a", "a/b", "a/b/c", "d", "d/e", "INBOX/f"];
