//! Mail that a program brings in: what LMTP hands over, what a test wants to be there.

use std::fmt;

use bytes::Bytes;
use pillarbox_core::date::DateTime;
use pillarbox_core::effect::{
    Actor, Committed, Create, ErrorKind, NewMessage, StoreError, UploadAbort, UploadBegin,
    UploadChunk, UploadCommit,
};
use pillarbox_core::flag::FlagNames;
use pillarbox_core::id::{AccountId, UploadId};
use pillarbox_core::mailbox::MailboxName;

use crate::contract::{Backend, ask};
use crate::memory::wall_clock;

/// Where a message goes and what it begins with: INBOX, no flags and the present as INTERNALDATE, if nothing else is said.
#[derive(Clone, Debug)]
pub struct Delivery {
    account: AccountId,
    mailbox: MailboxName,
    create: bool,
    flags: FlagNames,
    internal_date: Option<DateTime>,
}

impl Delivery {
    /// A delivery to this account.
    #[must_use]
    pub fn to(account: AccountId) -> Self {
        Self {
            account,
            mailbox: MailboxName::inbox(),
            create: false,
            flags: FlagNames::default(),
            internal_date: None,
        }
    }

    /// Into this mailbox, which must be there.
    #[must_use]
    pub fn mailbox(mut self, name: MailboxName) -> Self {
        self.mailbox = name;
        self
    }

    /// Makes the mailbox, and the parents it lacks, where it is not there.
    #[must_use]
    pub fn create(mut self) -> Self {
        self.create = true;
        self
    }

    /// With these flags; text becomes some: `"\\Seen $Work".parse()`.
    #[must_use]
    pub fn flags(mut self, flags: FlagNames) -> Self {
        self.flags = flags;
        self
    }

    /// With this INTERNALDATE.
    #[must_use]
    pub fn internal_date(mut self, date: DateTime) -> Self {
        self.internal_date = Some(date);
        self
    }

    /// Stores a message and waits until it is durable, as [`ask`] does: on a thread that may wait, never on an event loop. Sessions hear of it
    /// at once. Its octets are kept as they are: lines should end in CRLF.
    ///
    /// # Errors
    /// What the store says; nothing was stored then. [`ErrorKind::NonExistent`]: there is no such mailbox.
    pub fn deliver(&self, store: &dyn Backend, message: &[u8]) -> Result<Committed, StoreError> {
        let mut incoming = self.begin(store, message.len() as u64)?;
        for chunk in message.chunks(CHUNK) {
            incoming.write(chunk)?;
        }
        incoming.commit()
    }

    /// Begins a message of exactly so many octets, which come piece by piece: for one that should not be in memory as a whole. Each call waits
    /// for the store, as [`Delivery::deliver`] does.
    ///
    /// # Errors
    /// What the store says: it has no room for it, for instance. [`ErrorKind::NonExistent`]: there is no such mailbox.
    pub fn begin<'a>(
        &'a self,
        store: &'a dyn Backend,
        size: u64,
    ) -> Result<Incoming<'a>, StoreError> {
        let upload = self.upload(store, size)?;
        Ok(Incoming {
            delivery: self,
            store,
            upload: Some(upload),
        })
    }

    fn upload(&self, store: &dyn Backend, size: u64) -> Result<UploadId, StoreError> {
        let begin = UploadBegin {
            actor: self.actor(),
            name: self.mailbox.clone(),
            size,
        };
        match ask(store, begin.clone()) {
            Err(e) if e.kind == ErrorKind::NonExistent && self.create => {
                let made = ask(
                    store,
                    Create {
                        actor: self.actor(),
                        name: self.mailbox.clone(),
                        special_use: None,
                    },
                );
                match made {
                    // Somebody else was first.
                    Err(e) if e.kind != ErrorKind::AlreadyExists => Err(e),
                    _ => ask(store, begin),
                }
            }
            other => other,
        }
    }

    fn actor(&self) -> Actor {
        Actor {
            account: self.account,
        }
    }
}

/// A message on its way in; dropped before [`Incoming::commit`], nothing of it is kept.
#[must_use = "a message that is not committed is not stored"]
pub struct Incoming<'a> {
    delivery: &'a Delivery,
    store: &'a dyn Backend,
    upload: Option<UploadId>,
}

impl fmt::Debug for Incoming<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming")
            .field("delivery", &self.delivery)
            .field("upload", &self.upload)
            .finish_non_exhaustive()
    }
}

impl Incoming<'_> {
    /// The next octets: some 100 KB at once are a good measure, since they are held as a whole.
    ///
    /// # Errors
    /// What the store says: there is no room, or these are more octets than were announced.
    pub fn write(&mut self, octets: &[u8]) -> Result<(), StoreError> {
        let Some(upload) = self.upload else {
            return Err(StoreError::lost());
        };
        let data = Bytes::copy_from_slice(octets);
        ask(self.store, UploadChunk { upload, data })
    }

    /// Stores it and waits until it is durable. Sessions hear of it at once.
    ///
    /// # Errors
    /// What the store says, and that there are fewer octets than were announced; nothing was stored then.
    pub fn commit(mut self) -> Result<Committed, StoreError> {
        // Committed or refused, it is the store's from here on.
        let Some(upload) = self.upload.take() else {
            return Err(StoreError::lost());
        };
        let delivery = self.delivery;
        ask(
            self.store,
            UploadCommit {
                actor: delivery.actor(),
                name: delivery.mailbox.clone(),
                messages: vec![NewMessage {
                    upload,
                    flags: delivery.flags.clone(),
                    internal_date: delivery.internal_date,
                }],
                now: i64::from(wall_clock()),
            },
        )
    }
}

impl Drop for Incoming<'_> {
    fn drop(&mut self) {
        if let Some(upload) = self.upload.take() {
            // It never fails for one that is not there.
            let _ = ask(self.store, UploadAbort { upload });
        }
    }
}

const CHUNK: usize = 128 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Memory;
    use crate::contract::{Job, Notices};
    use pillarbox_core::effect::{Effect, Fetch, Fields, Open, ReadBody};
    use std::sync::atomic::{AtomicUsize, Ordering};

    const TIM: AccountId = AccountId(1);

    #[test]
    fn a_message_is_there_as_it_was_given() {
        let store = Memory::new();
        let text: Vec<u8> = b"Subject: x\r\n\r\n"
            .iter()
            .copied()
            .chain((0..3 * CHUNK).map(|i| b'a' + (i % 23) as u8))
            .collect();
        let date = DateTime {
            unix: 1_000_000,
            zone_minutes: 60,
        };
        let name = MailboxName::new("Work/2026").unwrap();
        let delivery = Delivery::to(TIM)
            .mailbox(name.clone())
            .flags("\\Flagged $Work".parse().unwrap())
            .internal_date(date);
        let missing = delivery.deliver(&store, &text).unwrap_err();
        assert_eq!(missing.kind, ErrorKind::NonExistent);
        let delivery = delivery.create();
        for uid in [1, 2] {
            let done = delivery.deliver(&store, &text).unwrap();
            assert_eq!(done.uids[0].get(), uid);
        }
        let actor = Actor { account: TIM };
        let read_only = true;
        let opened = ask(
            &store,
            Open {
                actor,
                name,
                read_only,
            },
        )
        .unwrap();
        let page = Fetch {
            actor,
            mailbox: opened.mailbox,
            uids: opened.uids.clone(),
            changed_since: None,
            fields: Fields::META,
            inline: 0,
            budget: usize::MAX,
        };
        let page = ask(&store, page).unwrap();
        let row = &page.rows[1];
        assert_eq!((row.internal_date, row.size), (date, text.len() as u64));
        let names: Vec<_> = row.flags.names(&page.keywords).collect();
        assert_eq!((row.flags.system.0, names), (4, vec!["$Work"]));
        let read = ReadBody {
            actor,
            mailbox: opened.mailbox,
            uid: row.uid,
            offset: 0,
            max: usize::MAX,
        };
        assert_eq!(ask(&store, read).unwrap(), text);
    }

    /// Refuses what comes in, and counts what is begun and given up.
    #[derive(Default)]
    struct Full(Memory, AtomicUsize);

    impl Backend for Full {
        fn submit(&self, job: Job) {
            let (effect, slot) = job.into_parts();
            let full = StoreError::new(ErrorKind::OverQuota, "full");
            match effect {
                Effect::UploadChunk(call) => slot.send(call.answer(Err(full))),
                other => {
                    let abort = matches!(other, Effect::UploadAbort(_));
                    self.1.fetch_add(usize::from(abort), Ordering::Relaxed);
                    self.0.submit(Job::new(other, |reply| slot.send(reply)));
                }
            }
        }

        fn subscribe(&self, notices: Notices) {
            self.0.subscribe(notices);
        }
    }

    #[test]
    fn what_is_refused_half_way_is_given_up() {
        let store = Full::default();
        let refused = Delivery::to(TIM).deliver(&store, b"x").unwrap_err();
        assert_eq!(refused.kind, ErrorKind::OverQuota);
        assert_eq!(store.1.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_message_in_pieces_is_all_there_or_not_at_all() {
        let store = Full::default();
        let delivery = Delivery::to(TIM);
        drop(delivery.begin(&store.0, 3).unwrap());
        let mut short = delivery.begin(&store.0, 3).unwrap();
        short.write(b"ab").unwrap();
        assert!(short.commit().is_err(), "an octet is missing");
        let mut long = delivery.begin(&store.0, 3).unwrap();
        long.write(b"ab").unwrap();
        assert!(long.write(b"cd").is_err(), "an octet is too much");
        drop(long);
        let mut whole = delivery.begin(&store.0, 3).unwrap();
        for octet in [b"a", b"b", b"c"] {
            whole.write(octet).unwrap();
        }
        assert_eq!(whole.commit().unwrap().uids.len(), 1);
        // One that is given up is given up once.
        drop(delivery.begin(&store, 3).unwrap());
        assert_eq!(store.1.load(Ordering::Relaxed), 1);
    }
}
