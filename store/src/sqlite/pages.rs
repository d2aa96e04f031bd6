//! Pages of messages, each read by one statement: what a mailbox says of a message, and what is known of its content.

use bytes::{Bytes, BytesMut};
use pillarbox_core::date::DateTime;
use pillarbox_core::effect::{Fields, Row};
use pillarbox_core::flag::{Flags, SystemFlags};
use pillarbox_core::id::{EmailId, MailboxId, ModSeq, ThreadId, Uid};
use pillarbox_core::message::Structure;
use rusqlite::types::ValueRef;
use rusqlite::{Row as Columns, params, params_from_iter};

use super::bodies::AHEAD;
use super::columns::{keywords, number, signed, uid};
use super::transaction::{Transaction, missing};
use crate::record::{Derived, Message, Place, Sought};
use crate::row::{self, Octets, Rows, Want};
use crate::table::Result;

impl Transaction<'_> {
    pub(super) fn read_rows(&mut self, mailbox: MailboxId, want: &Want) -> Result<Rows> {
        if want.needs_content() {
            self.flush()?;
        }
        let bounds = [signed(mailbox.0), want.from.into(), want.to.into()];
        let since = want.changed_since.map(|modseq| signed(modseq.0));
        let and = match want.changed_since {
            // By itself the index would be looked up by modseq, and what it finds put in order.
            Some(_) => "AND +h.modseq > ?4",
            None => "",
        };
        let (conn, look) = (self.conn, Look::of(want));
        let mut statement = conn
            .prepare_cached(&rows_sql(&look, and))
            .map_err(|e| self.failed(e))?;
        let found = statement.query(params_from_iter(bounds.into_iter().chain(since)));
        let mut found = found.map_err(|e| self.failed(e))?;
        let (mut rows, mut room) = (Rows::of(want), BytesMut::new());
        while let Some(columns) = found.next().map_err(|e| self.failed(e))? {
            let uid = uid(columns, UID).map_err(|e| self.failed(e))?;
            if rows.end_at(want, self.scanned, uid) {
                break;
            }
            let message = message(columns, uid, &look).map_err(|e| self.failed(e))?;
            let mut row = row::bare(&message);
            if want.needs_content() {
                let found = content_row(columns, MESSAGE, &look, &mut room);
                let found = found.map_err(|e| self.failed(e))?;
                let left = want.weight.saturating_sub(rows.weight);
                self.fill(&mut row, found, want, left)?;
            }
            rows.push(row);
        }
        Ok(rows)
    }

    /// `left`: octets for which there is room in the page.
    fn fill(
        &mut self,
        row: &mut Row,
        found: Option<Found>,
        want: &Want,
        left: usize,
    ) -> Result<()> {
        let (email, place) = (row.email_id, found.as_ref().and_then(|f| f.place));
        let derived = match found {
            Some(found) => self.current(email, found),
            None => Err(missing()),
        };
        // Of bodies no more is read than the page has room for; headers stand far apart.
        let read = |which| match which {
            Octets::All(len) => self.read_at(place, len, left),
            Octets::Header(len) => match self.headers {
                Some(headers) => headers.get(email, || self.read_at(place, len, AHEAD)),
                None => self.read_at(place, len, AHEAD),
            },
        };
        row::fill(row, want, derived, read)
    }

    fn read_at(&mut self, place: Option<Place>, len: usize, ahead: usize) -> Result<Bytes> {
        let place = place.ok_or_else(missing)?;
        let files = self.files;
        files.read_in(&mut self.window, place, (0, len), ahead.min(AHEAD))
    }

    pub(super) fn read_sought(
        &self,
        mailbox: MailboxId,
        (from, to): (u32, u32),
        limit: usize,
        content: bool,
    ) -> Result<Vec<Sought>> {
        let look = Look {
            place: content,
            ..Look::at(Fields::default())
        };
        let sql = format!("{} LIMIT ?4", rows_sql(&look, ""));
        let values = params![
            signed(mailbox.0),
            from,
            to,
            i64::try_from(limit).unwrap_or(i64::MAX)
        ];
        let found = self.all(&sql, values, |r| {
            let known = match content {
                true => content_row(r, MESSAGE, &look, &mut BytesMut::new())?,
                false => None,
            };
            Ok(Sought {
                message: message(r, uid(r, UID)?, &look)?,
                header_len: known.as_ref().map(|found| found.derived.header_len),
                place: known.and_then(|found| found.place),
            })
        })?;
        match found.iter().all(|s| s.place.is_some() == content) {
            true => Ok(found),
            false => Err(missing()),
        }
    }

    /// What is kept of a message's content; its numbers, and of its forms at least those asked for.
    pub(super) fn read_derived(&mut self, email: EmailId, forms: Fields) -> Result<Derived> {
        let look = Look::at(forms);
        let columns = look.content();
        let sql = format!("SELECT {columns} FROM cold AS c WHERE c.email = ?1");
        let found = self.one(&sql, [signed(email.0)], |r| {
            content_row(r, 0, &look, &mut BytesMut::new())
        })?;
        self.current(email, found.flatten().ok_or_else(missing)?)
    }
}

/// What is looked up of messages.
struct Look {
    /// Keywords may be among their flags.
    keywords: bool,
    /// More than flags.
    meta: bool,
    forms: Fields,
    /// Where the octets are, and how many of them are the header.
    place: bool,
}

impl Look {
    /// These forms and all else.
    fn at(forms: Fields) -> Self {
        Self {
            keywords: true,
            meta: true,
            forms,
            place: true,
        }
    }

    fn of(want: &Want) -> Self {
        let read = [Fields::INLINE, Fields::HEADER];
        Self {
            keywords: want.keywords,
            meta: want.fields.0 != 0,
            forms: want.forms(),
            place: read.iter().any(|field| want.fields.has(*field)),
        }
    }

    fn forms(&self) -> impl Iterator<Item = (Fields, &'static str)> {
        let wanted = self.forms.0;
        FORMS
            .into_iter()
            .filter(move |(form, _)| wanted & form.0 != 0)
    }

    /// The columns of the content; none if it is not looked at.
    fn content(&self) -> String {
        let forms = self.forms().map(|(_, column)| column);
        let columns = forms.chain(self.place.then_some(PLACE));
        columns.collect::<Vec<_>>().join(", ")
    }
}

/// What the index has of a message's content, and whether an earlier version computed it.
pub(super) struct Found {
    pub derived: Derived,
    pub is_old: bool,
    place: Option<Place>,
}

/// The forms and the columns they are in. The index's last comes first: SQLite takes a row apart as far as a column needs it, and goes on from
/// there for one behind it.
const FORMS: [(Fields, &str); 4] = [
    // It says which version computed it and the two before.
    (OF_STRUCTURE, "c.structure"),
    (Fields::BODY_STRUCTURE, "c.body_structure"),
    (Fields::BODY, "c.body"),
    (Fields::ENVELOPE, "c.envelope"),
];
const PLACE: &str = "c.header, c.size, c.place, c.segment";

/// `and`: what else is to be true of a message.
fn rows_sql(look: &Look, and: &str) -> String {
    let keywords = match look.keywords {
        true => "h.keywords",
        false => "NULL",
    };
    let meta = match look.meta {
        true => ", h.thread, h.email, h.saved, h.zone, h.date, h.size",
        false => "",
    };
    let (mut content, mut join) = (look.content(), "");
    if !content.is_empty() {
        content.insert_str(0, ", ");
        join = "LEFT JOIN cold AS c ON c.email = h.email";
    }
    format!(
        "SELECT {keywords}, h.system, h.modseq, h.uid{meta}{content} FROM hot AS h {join}
         WHERE h.mailbox = ?1 AND h.uid BETWEEN ?2 AND ?3 {and} ORDER BY h.uid"
    )
}

#[inline]
fn message(r: &Columns<'_>, uid: Uid, look: &Look) -> rusqlite::Result<Message> {
    let mut message = Message {
        uid,
        modseq: ModSeq(number(r, 2)?),
        flags: Flags {
            system: SystemFlags(r.get(1)?),
            keywords: 0,
        },
        size: 0,
        internal_date: DateTime {
            unix: 0,
            zone_minutes: 0,
        },
        save_date: 0,
        email_id: EmailId(0),
        thread_id: ThreadId(0),
    };
    if look.keywords {
        message.flags.keywords = keywords(r, 0)?;
    }
    if look.meta {
        message.thread_id = ThreadId(number(r, 4)?);
        message.email_id = EmailId(number(r, 5)?);
        message.save_date = r.get(6)?;
        message.internal_date.zone_minutes = r.get(7)?;
        message.internal_date.unix = r.get(8)?;
        message.size = number(r, 9)?;
    }
    Ok(message)
}

/// The content, of which the first column is this one; `None`: there is none.
fn content_row(
    r: &Columns<'_>,
    mut at: usize,
    look: &Look,
    room: &mut BytesMut,
) -> rusqlite::Result<Option<Found>> {
    let mut found = Found {
        derived: Derived::default(),
        is_old: false,
        place: None,
    };
    for (form, _) in look.forms() {
        let octets = match r.get_ref(at)? {
            ValueRef::Null => return Ok(None),
            value => value.as_blob()?,
        };
        at += 1;
        let derived = &mut found.derived;
        let (to, form) = match form {
            Fields::ENVELOPE => (&mut derived.envelope, form),
            Fields::BODY => (&mut derived.body, form),
            Fields::BODY_STRUCTURE => (&mut derived.body_structure, form),
            _ => {
                found.is_old = !Structure::is_current(octets);
                (&mut derived.structure, Fields::STRUCTURE)
            }
        };
        if look.forms.has(form) {
            *to = keep(octets, room);
        }
    }
    if look.place {
        if r.get_ref(at)? == ValueRef::Null {
            return Ok(None);
        }
        found.derived.header_len = number(r, at)?;
        found.place = Some(Place {
            size: number(r, at + 1)?,
            offset: number(r, at + 2)?,
            segment: number(r, at + 3)?,
        });
    }
    Ok(Some(found))
}

/// A copy of a form. Those of several rows share a block of memory, which takes longer to get and to give back than to fill.
fn keep(octets: &[u8], room: &mut BytesMut) -> Bytes {
    if octets.len() > room.capacity() {
        *room = BytesMut::with_capacity(octets.len().max(ROOM));
    }
    room.extend_from_slice(octets);
    room.split().freeze()
}

/// The column of the UID, and the first behind those of a message.
const UID: usize = 3;
const MESSAGE: usize = 10;
/// Octets of such a block: a form may be held when the others are not any more.
const ROOM: usize = 4 << 10;
/// What comes of the structure of a message.
const OF_STRUCTURE: Fields = Fields::BODY
    .with(Fields::BODY_STRUCTURE)
    .with(Fields::STRUCTURE);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_stand_one_behind_the_other_and_a_large_one_alone() {
        let mut room = BytesMut::new();
        let large = vec![b'l'; 2 * ROOM];
        let kept: Vec<Bytes> = [&b"first"[..], b"", b"second", &large, b"third"]
            .map(|form| keep(form, &mut room))
            .into();
        assert_eq!(kept, [&b"first"[..], b"", b"second", &large, b"third"]);
        assert_eq!(kept[0].as_ptr().wrapping_add(5), kept[2].as_ptr());
        assert!(room.capacity() < ROOM);
    }
}
