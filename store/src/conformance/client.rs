//! Operations of the contract as plain calls, and the whole of what an account sees as one value.

use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;
use pillarbox_core::date::DateTime;
use pillarbox_core::effect::{
    Absent, Actor, Call, Changes, ChangesSince, Committed, Copied, Copy, Create, Delete, Effect,
    Expunge, Expunged, Fetch, FetchPage, Fields, FlagOp, FlagsSet, MailboxRef, MailboxRow,
    MailboxStatus, Mailboxes, Move, Moved, NewMessage, Op, Open, Opened, ReadBody, Rename,
    SetFlags, SpecialUse, Status, StoreError, Subscribe, UploadAbort, UploadBegin, UploadChunk,
    UploadCommit,
};
use pillarbox_core::flag::{FlagNames, SystemFlags};
use pillarbox_core::id::{AccountId, EmailId, MailboxId, ModSeq, ThreadId, Uid, UploadId};
use pillarbox_core::mailbox::MailboxName;
use pillarbox_core::set::UidSet;

use crate::contract::{Backend, Job};

/// When everything happens, seconds since 1970.
const NOW: i64 = 1_000_000;

/// What a call gives: the reply's value or the store's refusal.
pub type Answer<T> = Result<T, StoreError>;

/// One account's view of a store, for tests: each call waits for its reply, and panics when none comes within a minute or a name is not one.
#[derive(Clone, Copy)]
pub struct Client<'a> {
    store: &'a dyn Backend,
    actor: Actor,
}

/// A mailbox as [`Client::state`] sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct MailboxState {
    /// Its name.
    pub name: String,
    /// Its identity.
    pub id: Option<MailboxId>,
    /// Whether the account subscribes to it.
    pub subscribed: bool,
    /// What it is for.
    pub special_use: Option<SpecialUse>,
    /// Its validity.
    pub uid_validity: u32,
    /// Above every UID ever given.
    pub uid_next: u32,
    /// Its highest modification sequence.
    pub highest_modseq: u64,
    /// Its messages, ascending by UID.
    pub messages: Vec<MessageState>,
}

/// A message as [`Client::state`] sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct MessageState {
    /// Its UID.
    pub uid: u32,
    /// Its last change.
    pub modseq: u64,
    /// Its system flags.
    pub system: u8,
    /// Its keywords, sorted.
    pub keywords: Vec<String>,
    /// INTERNALDATE.
    pub internal_date: DateTime,
    /// When it came into this mailbox.
    pub save_date: i64,
    /// Its content's identity.
    pub email_id: EmailId,
    /// Its conversation.
    pub thread_id: ThreadId,
    /// ENVELOPE and BODYSTRUCTURE in wire form.
    pub derived: (Bytes, Bytes),
    /// Its octets.
    pub octets: Vec<u8>,
}

impl<'a> Client<'a> {
    /// This account's view.
    #[must_use]
    pub fn new(store: &'a dyn Backend, account: u64) -> Self {
        let account = AccountId(account);
        Self {
            store,
            actor: Actor { account },
        }
    }

    /// Who asks.
    #[must_use]
    pub fn actor(&self) -> Actor {
        self.actor
    }

    /// Submits one operation and waits for its reply.
    ///
    /// # Errors
    /// What the store answers; the same for every call below.
    ///
    /// # Panics
    /// When no reply comes within a minute, or one to another operation.
    pub fn ask<O: Op>(&self, op: O) -> Answer<O::Reply>
    where
        Effect: From<Call<O>>,
    {
        let (send, replies) = mpsc::channel();
        self.store
            .submit(Job::new(Call::detached(op).into(), move |reply| {
                // Nobody waits any more: the check has failed already.
                let _ = send.send(reply);
            }));
        let reply = replies.recv_timeout(Duration::from_secs(60));
        let reply = reply.expect("every job is answered within a minute");
        reply
            .into_result::<O>()
            .expect("a reply fits its operation")
    }

    /// CREATE.
    pub fn create(&self, n: &str) -> Answer<MailboxId> {
        let (actor, name) = (self.actor, name(n));
        self.ask(Create {
            actor,
            name,
            special_use: None,
        })
    }

    /// DELETE.
    pub fn delete(&self, n: &str) -> Answer<()> {
        let (actor, name) = (self.actor, name(n));
        self.ask(Delete { actor, name })
    }

    /// RENAME.
    pub fn rename(&self, from: &str, to: &str) -> Answer<()> {
        let (actor, from, to) = (self.actor, name(from), name(to));
        let now = NOW;
        self.ask(Rename {
            actor,
            from,
            to,
            now,
        })
    }

    /// SUBSCRIBE or UNSUBSCRIBE.
    pub fn subscribe(&self, n: &str, on: bool) -> Answer<()> {
        let (actor, name) = (self.actor, name(n));
        self.ask(Subscribe { actor, name, on })
    }

    /// STATUS of several at once; nothing where there is no such mailbox.
    pub fn statuses(&self, names: &[&str]) -> Answer<Vec<Option<MailboxStatus>>> {
        let names = names.iter().map(|n| name(n)).collect();
        let actor = self.actor;
        self.ask(Status { actor, names })
    }

    /// STATUS of a mailbox that is there.
    pub fn status(&self, n: &str) -> Answer<MailboxStatus> {
        let status = self.statuses(&[n])?.pop().flatten();
        status.ok_or_else(|| StoreError::no_mailbox(&name(n)))
    }

    /// Every name.
    pub fn list(&self) -> Answer<Vec<MailboxRow>> {
        self.ask(Mailboxes { actor: self.actor })
    }

    /// EXAMINE.
    pub fn examine(&self, n: &str) -> Answer<Box<Opened>> {
        let (actor, name) = (self.actor, name(n));
        self.ask(Open {
            actor,
            name,
            read_only: true,
        })
    }

    /// SELECT: claims what is \Recent.
    pub fn select(&self, n: &str) -> Answer<Box<Opened>> {
        let (actor, name) = (self.actor, name(n));
        self.ask(Open {
            actor,
            name,
            read_only: false,
        })
    }

    /// The octets of one message on their way in, not committed.
    pub fn upload(&self, n: &str, octets: &[u8]) -> Answer<UploadId> {
        let upload = self.ask(UploadBegin {
            actor: self.actor,
            name: name(n),
            size: octets.len() as u64,
        })?;
        for chunk in octets.chunks(100_000) {
            let data = Bytes::copy_from_slice(chunk);
            if let Err(e) = self.ask(UploadChunk { upload, data }) {
                self.ask(UploadAbort { upload })?;
                return Err(e);
            }
        }
        Ok(upload)
    }

    /// Commits uploads as one APPEND.
    pub fn commit(&self, n: &str, uploads: &[UploadId], flags: &FlagNames) -> Answer<Committed> {
        let new = |upload: &UploadId| NewMessage {
            upload: *upload,
            flags: flags.clone(),
            internal_date: None,
        };
        self.ask(UploadCommit {
            actor: self.actor,
            name: name(n),
            messages: uploads.iter().map(new).collect(),
            now: NOW,
        })
    }

    /// APPEND of one message.
    pub fn append(&self, n: &str, octets: &[u8]) -> Answer<Uid> {
        self.append_with(n, octets, &FlagNames::default())
    }

    /// APPEND of one message with flags.
    pub fn append_with(&self, n: &str, octets: &[u8], flags: &FlagNames) -> Answer<Uid> {
        let committed = self.append_all(n, &[(octets.to_vec(), flags.clone())])?;
        Ok(committed.uids[0])
    }

    /// APPEND of several messages at once, each with its flags.
    pub fn append_all(&self, n: &str, messages: &[(Vec<u8>, FlagNames)]) -> Answer<Committed> {
        let new = |(octets, flags): &(Vec<u8>, FlagNames)| {
            Ok(NewMessage {
                upload: self.upload(n, octets)?,
                flags: flags.clone(),
                internal_date: None,
            })
        };
        self.ask(UploadCommit {
            actor: self.actor,
            name: name(n),
            messages: messages.iter().map(new).collect::<Answer<_>>()?,
            now: NOW,
        })
    }

    /// All octets of a message, read in pieces.
    pub fn body(&self, mailbox: MailboxRef, uid: Uid) -> Answer<Vec<u8>> {
        let mut octets = Vec::new();
        loop {
            let part = self.ask(ReadBody {
                actor: self.actor,
                mailbox,
                uid,
                offset: octets.len() as u64,
                max: 50_000,
            })?;
            octets.extend_from_slice(&part);
            if part.len() < 50_000 {
                return Ok(octets);
            }
        }
    }

    /// A page of rows with all that a row can carry.
    pub fn fetch(&self, mailbox: MailboxRef, uids: UidSet, budget: usize) -> Answer<FetchPage> {
        let fields = [
            Fields::ENVELOPE,
            Fields::BODY_STRUCTURE,
            Fields::HEADER,
            Fields::INLINE,
        ];
        self.ask(Fetch {
            actor: self.actor,
            mailbox,
            uids,
            changed_since: None,
            fields: fields.into_iter().fold(Fields::META, Fields::with),
            inline: 65_536,
            budget,
        })
    }

    /// STORE.
    pub fn set(
        &self,
        mailbox: MailboxRef,
        uids: UidSet,
        op: FlagOp,
        flags: FlagNames,
        unchanged_since: Option<ModSeq>,
    ) -> Answer<FlagsSet> {
        self.ask(SetFlags {
            actor: self.actor,
            mailbox,
            uids,
            op,
            flags,
            unchanged_since,
        })
    }

    /// COPY.
    pub fn copy(&self, mailbox: MailboxRef, uids: UidSet, to: &str) -> Answer<Copied> {
        let (actor, to) = (self.actor, name(to));
        self.ask(Copy {
            actor,
            mailbox,
            uids,
            absent: Absent::Ignore,
            to,
            now: NOW,
        })
    }

    /// MOVE.
    pub fn relocate(&self, mailbox: MailboxRef, uids: UidSet, to: &str) -> Answer<Moved> {
        let (actor, to) = (self.actor, name(to));
        self.ask(Move {
            actor,
            mailbox,
            uids,
            absent: Absent::Ignore,
            to,
            now: NOW,
        })
    }

    /// EXPUNGE among these.
    pub fn expunge(&self, mailbox: MailboxRef, uids: UidSet) -> Answer<Expunged> {
        let actor = self.actor;
        self.ask(Expunge {
            actor,
            mailbox,
            uids,
        })
    }

    /// What changed since, for one who knows the UIDs below `known_below`.
    pub fn changes(
        &self,
        mailbox: MailboxRef,
        since: ModSeq,
        known_below: std::num::NonZeroU32,
    ) -> Answer<Box<ChangesSince>> {
        self.ask(Changes {
            actor: self.actor,
            mailbox,
            since,
            known_below,
            claim_recent: false,
            from: Uid::MIN,
            ranges: usize::MAX,
            limit: usize::MAX,
        })
    }

    /// Everything the account sees, with counters compared to what they count.
    ///
    /// # Panics
    /// When a counter is not what it counts.
    pub fn state(&self) -> Answer<Vec<MailboxState>> {
        let mut all = Vec::new();
        for row in self.list()? {
            let mut state = MailboxState {
                name: row.name.as_str().to_owned(),
                id: row.id,
                subscribed: row.subscribed,
                special_use: row.special_use,
                uid_validity: 0,
                uid_next: 0,
                highest_modseq: 0,
                messages: Vec::new(),
            };
            if row.id.is_some() {
                let status = self.status(row.name.as_str())?;
                state.uid_validity = status.uid_validity.0.get();
                state.uid_next = status.uid_next.get();
                state.highest_modseq = status.highest_modseq.0;
                state.messages = self.messages(row.name.as_str())?;
                recount(&state, &status);
            }
            all.push(state);
        }
        Ok(all)
    }

    fn messages(&self, n: &str) -> Answer<Vec<MessageState>> {
        let opened = self.examine(n)?;
        let mut messages = Vec::new();
        let mut left = opened.uids.clone();
        while !left.is_empty() {
            let page = self.fetch(opened.mailbox, left.clone(), 100_000)?;
            for row in page.rows {
                let mut keywords: Vec<String> =
                    row.flags.names(&page.keywords).map(Into::into).collect();
                keywords.sort_unstable();
                messages.push(MessageState {
                    uid: row.uid.get(),
                    modseq: row.modseq.0,
                    system: row.flags.system.0,
                    keywords,
                    internal_date: row.internal_date,
                    save_date: row.save_date,
                    email_id: row.email_id,
                    thread_id: row.thread_id,
                    derived: (row.envelope, row.body_structure),
                    octets: self.body(opened.mailbox, row.uid)?,
                });
            }
            let rest = page.resume.map(|from| UidSet::range(from, Uid::MAX));
            left = rest.map_or_else(UidSet::new, |rest| left.intersection(&rest));
        }
        let uids: UidSet = messages.iter().filter_map(|m| Uid::new(m.uid)).collect();
        assert_eq!(uids, opened.uids, "{n}: every UID has a row");
        Ok(messages)
    }
}

fn recount(state: &MailboxState, status: &MailboxStatus) {
    let with = |flag: SystemFlags| {
        let has = |m: &&MessageState| SystemFlags(m.system).has(flag);
        state.messages.iter().filter(has).count() as u64
    };
    let messages = state.messages.len() as u64;
    let size: u64 = state.messages.iter().map(|m| m.octets.len() as u64).sum();
    assert_eq!(
        (
            status.messages,
            status.unseen,
            status.deleted,
            status.size,
            Some(status.id)
        ),
        (
            messages,
            messages - with(SystemFlags::SEEN),
            with(SystemFlags::DELETED),
            size,
            state.id
        ),
        "the counters of {}",
        state.name
    );
    let modseq = state.messages.iter().map(|m| m.modseq).max().unwrap_or(0);
    let uid = state.messages.last().map_or(0, |m| m.uid);
    assert!(modseq <= state.highest_modseq && uid < state.uid_next);
}

pub(super) fn name(text: &str) -> MailboxName {
    MailboxName::new(text).expect("the checks use good names")
}

/// Flags by name.
#[must_use]
pub fn flag_names(system: SystemFlags, keywords: &[&str]) -> FlagNames {
    FlagNames {
        system,
        keywords: keywords.iter().map(|k| (*k).to_owned()).collect(),
    }
}
