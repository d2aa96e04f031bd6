//! What a command means at the moment the server begins it: numbers are those of the mailbox as this client was told of it.

use std::collections::{BTreeMap, BTreeSet};

use super::Client;
use crate::model::{Account, Command, Meant, SetArg, Star};

/// The messages a set names for certain, and those it may name.
pub(super) type Named = (BTreeSet<u32>, BTreeSet<u32>);

impl Client {
    /// The server took so many octets; the first command may have begun.
    pub fn go_on(&mut self, taken: u64, who: &BTreeMap<String, Account>) {
        let Some(sent) = self.sent.front() else {
            return;
        };
        let whole = sent.end <= taken || matches!(sent.command, Command::Append(..));
        if sent.begun.is_some() || !whole {
            return;
        }
        let account = self.user.as_ref().and_then(|u| who.get(u));
        let now = account.map_or(0, |a| a.now);
        let (meant, out_of_range) = self.meaning(&sent.command, account);
        let last = self.entries.iter().rev().find_map(|e| e.uid);
        if let Some(sent) = self.sent.front_mut() {
            sent.last = last;
            (sent.begun, sent.meant, sent.out_of_range) = (Some(now), meant, out_of_range);
        }
        self.last_begun = now;
    }

    fn meaning(&self, command: &Command, account: Option<&Account>) -> (Meant, bool) {
        let mut meant = Meant {
            selected: self.selected.as_ref().map(|s| s.at),
            ..Meant::default()
        };
        let named = match command {
            Command::Fetch { uid, set, .. }
            | Command::Store { uid, set, .. }
            | Command::Copy { uid, set, .. } => self.resolve(set, !*uid, account),
            Command::Expunge(Some(set)) => self.resolve(set, false, account),
            Command::Expunge(None) | Command::Close => Some(self.all(account)),
            Command::Search { key, .. } => {
                let mut good = true;
                key.sets(&mut |set, numbers| {
                    good &= self.resolve(set, numbers, account).is_some();
                });
                good.then(Named::default)
            }
            _ => Some(Named::default()),
        };
        let out_of_range = named.is_none();
        (meant.must, meant.may) = named.unwrap_or_default();
        (meant, out_of_range)
    }

    fn all(&self, account: Option<&Account>) -> Named {
        let places: Vec<usize> = (0..self.entries.len()).collect();
        self.at_places(&places, account)
    }

    /// The messages of a set; `None`: a number in it is not there (RFC 9051 §9 `seq-number`).
    pub(super) fn resolve(
        &self,
        set: &SetArg,
        by_number: bool,
        account: Option<&Account>,
    ) -> Option<Named> {
        let SetArg::Ranges(ranges) = set else {
            return Some(self.saved.clone());
        };
        let length = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        let mut places = Vec::new();
        for (a, b) in ranges {
            let (a, b) = match by_number {
                true => (number(*a, length), number(*b, length)),
                false => {
                    let Some(last) = self.entries.last() else {
                        continue;
                    };
                    // Of an unknown last UID it is only known that it is above all others.
                    let last = last.uid.unwrap_or(u32::MAX);
                    (number(*a, last), number(*b, last))
                }
            };
            let (a, b) = (a.min(b), a.max(b));
            if by_number && (a == 0 || b > length) {
                return None;
            }
            for (at, n) in (0..self.entries.len()).zip(1..) {
                let inside = match by_number {
                    true => a <= n && n <= b,
                    false => self.entries[at].uid.is_none_or(|uid| a <= uid && uid <= b),
                };
                if inside {
                    places.push(at);
                }
            }
        }
        let mut named = self.at_places(&places, account);
        if !by_number && self.entries.iter().any(|e| e.uid.is_none()) {
            // A range by UID is certain only of what is known.
            named
                .0
                .retain(|uid| self.entries.iter().any(|e| e.uid == Some(*uid)));
        }
        Some(named)
    }

    fn at_places(&self, places: &[usize], account: Option<&Account>) -> Named {
        let mut named = Named::default();
        for &at in places {
            if let Some(uid) = self.entries[at].uid {
                named.0.insert(uid);
                named.1.insert(uid);
                continue;
            }
            let before = self.entries[..at].iter().rev().find_map(|e| e.uid);
            let messages = self.selected.as_ref().zip(account);
            let messages = messages.map(|(s, account)| &account.boxes[s.at].messages);
            let after = messages.into_iter().flat_map(|m| m.keys());
            named.1.extend(after.filter(|u| Some(**u) > before));
        }
        named
    }
}

fn number(n: Star, last: u32) -> u32 {
    match n {
        Star::Number(n) => n,
        Star::Last => last,
    }
}
