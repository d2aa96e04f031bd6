//! Pages of messages, each read by one statement: what a mailbox says of a message, and what is known of its content.

use bytes::Bytes;
use pillarbox_core::date::DateTime;
use pillarbox_core::effect::{Fields, Row};
use pillarbox_core::id::{EmailId, MailboxId, ModSeq, ThreadId};
use pillarbox_core::message::Structure;
use rusqlite::types::ValueRef;
use rusqlite::{Row as Columns, params, params_from_iter};

use super::bodies::AHEAD;
use super::columns::{flags, message_row, number, signed, uid};
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
        let conn = self.conn;
        let mut statement = conn
            .prepare_cached(&rows_sql(want))
            .map_err(|e| self.failed(e))?;
        let found = statement.query(params_from_iter(bounds.into_iter().chain(since)));
        let mut found = found.map_err(|e| self.failed(e))?;
        let mut rows = Rows::of(want);
        while let Some(columns) = found.next().map_err(|e| self.failed(e))? {
            let message = match want.fields.0 {
                0 => flags_row(columns),
                _ => message_row(columns),
            };
            let message = message.map_err(|e| self.failed(e))?;
            if rows.end_at(want, self.scanned, message.uid) {
                break;
            }
            let left = want.weight.saturating_sub(rows.weight);
            rows.push(self.row(columns, &message, want, left)?);
        }
        Ok(rows)
    }

    /// `left`: octets for which there is room in the page.
    fn row(
        &mut self,
        columns: &Columns<'_>,
        message: &Message,
        want: &Want,
        left: usize,
    ) -> Result<Row> {
        let mut row = row::bare(message);
        if want.needs_content() {
            let content = content_row(columns, CONTENT, want.forms());
            let content = content.map_err(|e| self.failed(e))?;
            let place = content.as_ref().map(|(place, _)| *place);
            let derived = content.ok_or_else(missing);
            let derived = derived.and_then(|(_, d)| self.current(row.email_id, d));
            // Of bodies no more is read than the page has room for; headers stand far apart.
            let read = |which| match which {
                Octets::All(len) => self.read_at(place, len, left),
                Octets::Header(len) => match self.headers {
                    Some(headers) => {
                        headers.get(message.email_id, || self.read_at(place, len, AHEAD))
                    }
                    None => self.read_at(place, len, AHEAD),
                },
            };
            row::fill(&mut row, want, derived, read)?;
        }
        Ok(row)
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
        let (columns, join) = content_sql(content, Fields::default());
        let sql =
            format!("SELECT h.*{columns} FROM hot AS h {join} {BETWEEN} ORDER BY h.uid LIMIT ?4");
        let values = params![
            signed(mailbox.0),
            from,
            to,
            i64::try_from(limit).unwrap_or(i64::MAX)
        ];
        let found = self.all(&sql, values, |r| {
            let known = match content {
                true => content_row(r, CONTENT, Fields::default())?,
                false => None,
            };
            Ok(Sought {
                message: message_row(r)?,
                header_len: known.as_ref().map(|(_, found)| found.derived.header_len),
                place: known.map(|(place, _)| place),
            })
        })?;
        match found.iter().all(|s| s.place.is_some() == content) {
            true => Ok(found),
            false => Err(missing()),
        }
    }

    /// What is kept of a message's content; its numbers, and of its forms at least those asked for.
    pub(super) fn read_derived(&mut self, email: EmailId, fields: Fields) -> Result<Derived> {
        let (columns, _) = content_sql(true, fields);
        let sql = format!("SELECT 0{columns} FROM cold AS c WHERE c.email = ?1");
        let found = self.one(&sql, [signed(email.0)], |r| content_row(r, 1, fields))?;
        let (_, found) = found.flatten().ok_or_else(missing)?;
        self.current(email, found)
    }
}

/// What the index has of a message's content, and whether an earlier version computed it.
pub(super) struct Found {
    pub derived: Derived,
    pub is_old: bool,
}

/// Those forms that a look at the index tells of, in the order of their columns.
const FORMS: [(Fields, &str); 4] = [
    (Fields::ENVELOPE, ", c.envelope"),
    (Fields::BODY, ", c.body"),
    (Fields::BODY_STRUCTURE, ", c.body_structure"),
    // It says which version computed it and the two before.
    (OF_STRUCTURE, ", c.structure"),
];

fn rows_sql(want: &Want) -> String {
    let since = match want.changed_since {
        // By itself the index would be looked up by modseq, and what it finds put in order.
        Some(_) => "AND +h.modseq > ?4",
        None => "",
    };
    let (columns, join) = content_sql(want.needs_content(), want.forms());
    let message = match want.fields.0 {
        0 => "h.uid, h.modseq, h.system, h.keywords",
        _ => "h.*",
    };
    format!("SELECT {message}{columns} FROM hot AS h {join} {BETWEEN} {since} ORDER BY h.uid")
}

/// The columns of the content, and where they come from.
fn content_sql(content: bool, fields: Fields) -> (String, &'static str) {
    if !content {
        return (String::new(), "");
    }
    let mut columns = String::from(", c.segment, c.place, c.size, c.header");
    let wanted = FORMS.iter().filter(|(form, _)| fields.0 & form.0 != 0);
    columns.extend(wanted.map(|(_, column)| *column));
    (columns, "LEFT JOIN cold AS c ON c.email = h.email")
}

/// The content, of which the first column is this one; `None`: there is none.
fn content_row(
    r: &Columns<'_>,
    at: usize,
    fields: Fields,
) -> rusqlite::Result<Option<(Place, Found)>> {
    if r.get_ref(at)? == ValueRef::Null {
        return Ok(None);
    }
    let place = Place {
        segment: number(r, at)?,
        offset: number(r, at + 1)?,
        size: number(r, at + 2)?,
    };
    let mut derived = Derived {
        header_len: number(r, at + 3)?,
        ..Derived::default()
    };
    let (mut at, mut is_old) = (at + 3, false);
    for (form, _) in FORMS.iter().filter(|(form, _)| fields.0 & form.0 != 0) {
        at += 1;
        let octets = r.get_ref(at)?.as_blob()?;
        let (kept, form) = match *form {
            Fields::ENVELOPE => (&mut derived.envelope, *form),
            Fields::BODY => (&mut derived.body, *form),
            Fields::BODY_STRUCTURE => (&mut derived.body_structure, *form),
            _ => {
                is_old = !Structure::is_current(octets);
                (&mut derived.structure, Fields::STRUCTURE)
            }
        };
        if fields.has(form) {
            *kept = Bytes::copy_from_slice(octets);
        }
    }
    Ok(Some((place, Found { derived, is_old })))
}

fn flags_row(r: &Columns<'_>) -> rusqlite::Result<Message> {
    Ok(Message {
        uid: uid(r, 0)?,
        modseq: ModSeq(number(r, 1)?),
        flags: flags(r, 2)?,
        size: 0,
        internal_date: DateTime {
            unix: 0,
            zone_minutes: 0,
        },
        save_date: 0,
        email_id: EmailId(0),
        thread_id: ThreadId(0),
    })
}

const BETWEEN: &str = "WHERE h.mailbox = ?1 AND h.uid BETWEEN ?2 AND ?3";
/// The first column behind those of a message.
const CONTENT: usize = 11;
/// What comes of the structure of a message.
const OF_STRUCTURE: Fields = Fields::BODY
    .with(Fields::BODY_STRUCTURE)
    .with(Fields::STRUCTURE);
