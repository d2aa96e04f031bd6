//! Where bodies are, and what was computed from them.

use pillarbox_core::effect::ErrorKind;
use pillarbox_core::id::{EmailId, ThreadId};
use rusqlite::params;

use super::columns::{number, signed};
use super::pages::Found;
use super::transaction::{Transaction, missing};
use crate::derive::derive_stored;
use crate::pack::{Entry, Part, Place};
use crate::record::Derived;
use crate::table::Result;

impl Transaction<'_> {
    /// Where a body is.
    pub(super) fn place(&mut self, email: EmailId) -> Result<Option<Place>> {
        let sql = "SELECT segment, place, size FROM cold WHERE email = ?1";
        self.one(sql, [signed(email.0)], |r| {
            Ok(Place {
                segment: number(r, 0)?,
                offset: number(r, 1)?,
                size: number(r, 2)?,
            })
        })
    }

    /// Whether a mailbox or a grave has this body.
    pub(super) fn is_placed(&mut self, thread: ThreadId, email: EmailId) -> Result<bool> {
        let sql = "SELECT 1 FROM hot WHERE thread = ?1 AND email = ?2 UNION ALL
                   SELECT 1 FROM grave WHERE thread = ?1 AND email = ?2 LIMIT 1";
        let values = [signed(thread.0), signed(email.0)];
        Ok(self.one(sql, values, |_| Ok(()))?.is_some())
    }

    /// A body is in another place from now on.
    pub(super) fn move_cold(&self, email: EmailId, to: Place) -> Result<()> {
        let sql = "UPDATE cold SET segment = ?2, place = ?3 WHERE email = ?1";
        let values = [signed(email.0), signed(to.segment), signed(to.offset)];
        self.run(sql, values).map(drop)
    }

    /// A body that the log's new segment begins with has its place there from now on.
    pub(super) fn take_in(&mut self, body: &Entry, part: Part) -> Result<()> {
        let pack = self.pack.as_mut();
        let place = pack.map(|pack| pack.claim(body, part)).transpose()?;
        match (body, place) {
            (Entry::Body(_, email, _), Some(place)) => self.move_cold(*email, place),
            _ => Ok(()),
        }
    }

    pub(super) fn put_cold(&self, email: EmailId, place: Place, d: &Derived) -> Result<()> {
        let values = params![
            signed(email.0),
            signed(place.segment),
            signed(place.offset),
            signed(place.size),
            signed(d.header_len),
            &d.envelope[..],
            &d.body[..],
            &d.body_structure[..],
            &d.structure[..],
        ];
        self.run(
            "INSERT OR REPLACE INTO cold VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9)",
            values,
        )?;
        Ok(())
    }

    /// What a message has instead of what an earlier version computed.
    pub(super) fn renew_cold(&self, email: EmailId, d: &Derived) -> Result<()> {
        let forms = [&d.body[..], &d.body_structure[..], &d.structure[..]];
        let values = params![signed(email.0), forms[0], forms[1], forms[2]];
        let sql = "UPDATE cold SET body = ?2, body_structure = ?3, structure = ?4 WHERE email = ?1";
        self.run(sql, values).map(drop)
    }

    /// What was found, as this version computes it.
    #[inline]
    pub(super) fn current(&mut self, email: EmailId, found: Found) -> Result<Derived> {
        match found.is_old {
            true => self.derive_anew(email, found.derived),
            false => Ok(found.derived),
        }
    }

    /// What an earlier version computed stays where the message is damaged.
    fn derive_anew(&mut self, email: EmailId, old: Derived) -> Result<Derived> {
        if let Some(new) = self.renewed.and_then(|r| r.get(email)) {
            return Ok(new);
        }
        let place = self.place(email)?.ok_or_else(missing)?;
        self.scanned += place.size;
        let new = match derive_stored(self.files, place) {
            Err(e) if e.kind == ErrorKind::Corruption => return Ok(old),
            new => new?,
        };
        if let Some(renewed) = self.renewed {
            renewed.keep(email, &new);
        }
        Ok(new)
    }
}

/// Octets of the packs read ahead at most.
pub(super) const AHEAD: usize = 256 << 10;
