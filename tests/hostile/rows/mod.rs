//! Octets that a hostile client may send, by what they are to bring out, and what must come of each.
//!
//! Every row has an account of its own, with two small messages in INBOX; where a row needs one, it is selected.

mod append;
mod fetch;
mod framing;
mod idle;
mod literals;
mod login;
mod names;
mod pipelines;
mod search;
mod sets;
mod starttls;
mod sync;

use crate::wire::End;

/// A class of faults that servers had, and the rows that would show it.
pub struct Class {
    /// What goes wrong elsewhere, or the rule that forbids it.
    pub why: &'static str,
    /// What shows it.
    pub rows: Vec<Row>,
}

/// One row of the table.
pub struct Row {
    /// What it is.
    pub name: &'static str,
    /// Whether the client has signed in and selected INBOX before.
    pub selected: bool,
    /// What it sends.
    pub octets: Vec<u8>,
    /// What must be said, in this order.
    pub says: &'static [&'static str],
    /// What must not be said.
    pub never: &'static str,
    /// Whether the session lives on.
    pub end: End,
    /// Where it says what it is to say.
    pub place: Place,
}

/// Where a row is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// On any connection, and to the core alone.
    Everywhere,
    /// Without TLS: it asks for it.
    Plain,
    /// Under TLS.
    Tls,
    /// To the core alone: a wrong password is answered late, and makes the next sign-in from its address wait.
    Core,
}

fn row(
    name: &'static str,
    octets: impl AsRef<[u8]>,
    says: &'static [&'static str],
    selected: bool,
) -> Row {
    Row {
        name,
        selected,
        octets: octets.as_ref().to_vec(),
        says,
        never: "\u{0}",
        end: End::Alive,
        place: Place::Everywhere,
    }
}

/// Before login; the session lives.
fn early(name: &'static str, octets: impl AsRef<[u8]>, says: &'static [&'static str]) -> Row {
    row(name, octets, says, false)
}

/// After SELECT; the session lives.
fn late(name: &'static str, octets: impl AsRef<[u8]>, says: &'static [&'static str]) -> Row {
    row(name, octets, says, true)
}

impl Row {
    fn closes(mut self) -> Self {
        self.end = End::Closed;
        self
    }

    fn never(mut self, text: &'static str) -> Self {
        self.never = text;
        self
    }

    fn only(mut self, place: Place) -> Self {
        self.place = place;
        self
    }
}

fn repeated(head: &str, middle: &str, times: usize, tail: &str) -> String {
    format!("{head}{}{tail}", middle.repeat(times))
}

/// Every class.
pub fn classes() -> Vec<Class> {
    [
        framing::classes(),
        literals::classes(),
        login::classes(),
        starttls::classes(),
        sets::classes(),
        fetch::classes(),
        search::classes(),
        sync::classes(),
        names::classes(),
        append::classes(),
        idle::classes(),
        pipelines::classes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Every row.
pub fn all() -> Vec<Row> {
    classes().into_iter().flat_map(|class| class.rows).collect()
}

/// The table is not to shrink unnoticed, and a name is one row's.
#[test]
fn the_table_is_whole() {
    let classes = classes();
    assert!(classes.iter().all(|c| !c.rows.is_empty()));
    let names: std::collections::BTreeSet<&str> = classes
        .iter()
        .flat_map(|c| &c.rows)
        .map(|r| r.name)
        .collect();
    let rows = classes.iter().map(|c| c.rows.len()).sum::<usize>();
    assert_eq!(names.len(), rows, "each row has a name of its own");
    for class in &classes {
        println!("{:3} {}", class.rows.len(), class.why);
    }
    assert!(rows >= ROWS, "{rows} rows");
}

/// So many rows there are at least.
const ROWS: usize = 300;
