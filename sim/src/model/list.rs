//! LIST and LSUB (RFC 9051 §6.3.9, RFC 5258, RFC 3501 §6.3.9).

use std::collections::{BTreeMap, BTreeSet};

use super::Time;
use super::account::Account;
use super::command::ListCommand;

/// One line as it is to be.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ListAnswer {
    /// Its attributes, in upper case.
    pub attributes: BTreeSet<String>,
    /// CHILDINFO is told.
    pub child_info: bool,
}

impl Account {
    /// What LIST or LSUB tells at this time: names to lines.
    #[must_use]
    pub fn list(&self, command: &ListCommand, at: Time) -> BTreeMap<String, ListAnswer> {
        let there: BTreeMap<&str, Option<&str>> = self
            .boxes
            .iter()
            .filter_map(|b| Some((b.name_at(at)?, b.special)))
            .collect();
        let subscribed: BTreeSet<&str> = self
            .subscriptions
            .iter()
            .filter(|(_, log)| {
                log.iter()
                    .rev()
                    .find(|(t, _)| *t <= at)
                    .is_some_and(|(_, on)| *on)
            })
            .map(|(name, _)| name.as_str())
            .collect();
        let chosen = |name: &str| {
            let special = there.get(name).is_some_and(Option::is_some);
            let by_name = command.subscribed || command.lsub || there.contains_key(name);
            by_name
                && (!(command.subscribed || command.lsub) || subscribed.contains(name))
                && (!command.special || special)
        };
        let matches = |name: &str| command.patterns.iter().any(|p| glob(p, name));
        let mut names: BTreeSet<&str> = there.keys().copied().collect();
        names.extend(&subscribed);
        let mut lines: BTreeMap<String, ListAnswer> = BTreeMap::new();
        for name in &names {
            if chosen(name) && matches(name) {
                lines.entry((*name).to_owned()).or_default();
            }
            if !chosen(name) || !(command.recursive || command.lsub) {
                continue;
            }
            for (end, _) in name.match_indices('/') {
                let parent = &name[..end];
                // A superior stands for an inferior that the pattern does not show; with RECURSIVEMATCH also one that is chosen itself.
                let hidden = !matches(name) || (command.recursive && chosen(parent));
                if matches(parent) && hidden {
                    lines.entry(parent.to_owned()).or_default().child_info = command.recursive;
                }
            }
        }
        for (name, line) in &mut lines {
            let below = format!("{name}/");
            let children = there.keys().any(|n| n.starts_with(&below));
            let is_there = there.contains_key(name.as_str());
            let subscribed = subscribed.contains(name.as_str());
            let mut add = |on: bool, attribute: &str| {
                if on {
                    line.attributes.insert(attribute.to_ascii_uppercase());
                }
            };
            if command.lsub {
                add(!is_there || !subscribed, "\\Noselect");
                continue;
            }
            add(!is_there, "\\NonExistent");
            add(children, "\\HasChildren");
            add(!children && is_there, "\\HasNoChildren");
            let told = command.subscribed || command.return_subscribed;
            add(told && subscribed, "\\Subscribed");
            if let Some(special) = there.get(name.as_str()).copied().flatten() {
                add(true, special);
            }
        }
        lines
    }
}

/// `*` is any characters, `%` any but the delimiter (RFC 9051 §6.3.9).
fn glob(pattern: &str, name: &str) -> bool {
    let Some(first) = pattern.chars().next() else {
        return name.is_empty();
    };
    let rest = &pattern[first.len_utf8()..];
    match first {
        '*' | '%' => {
            let ends = name.char_indices().map(|(i, _)| i).chain([name.len()]);
            ends.take_while(|end| first == '*' || !name[..*end].contains('/'))
                .any(|end| glob(rest, &name[end..]))
        }
        _ => name
            .strip_prefix(first)
            .is_some_and(|name| glob(rest, name)),
    }
}
