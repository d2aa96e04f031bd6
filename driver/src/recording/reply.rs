//! Replies of the store as words: written with filler in the place of what is private, read for the effect they answer.

use pillarbox_core::effect::{
    Account, ChangesSince, Committed, Copied, Effect, ErrorKind, Expunged, FetchPage, FlagsSet,
    MailboxRow, MailboxStatus, Moved, Opened, Outcome, Reply, Row, SearchPage, SpecialUse,
    StoreError,
};
use pillarbox_core::flag::Keywords;
use pillarbox_core::message::Structure;

use super::fill::Filler;
use super::words::{Word, Words, fields, list, unlist};

/// One line per operation: what a reply of each kind is made of.
macro_rules! replies {
    ($($op:ident)*) => {
        /// What a reply says, without its token.
        pub(super) fn put(outcome: &Outcome, filler: &mut Filler, line: &mut String) {
            match outcome {
                $(Outcome::$op(Ok(value)) => {
                    line.push_str(" ok");
                    value.filled(filler).put(line);
                })*
                $(Outcome::$op(Err(error)) => {
                    line.push_str(" error");
                    error.filled(filler).put(line);
                })*
                _ => line.push_str(" lost"),
            }
        }

        /// Answers an effect with what [`put`] wrote; `None`: that is no answer to this effect.
        pub(super) fn answer(effect: Effect, words: &mut Words<'_>) -> Option<Reply> {
            let token = effect.token();
            let is_ok = match words.plain()? {
                "ok" => true,
                "error" => false,
                "lost" => return Some(Reply::lost(token)),
                _ => return None,
            };
            if !is_ok {
                return Some(effect.fail(words.take()?));
            }
            match effect {
                $(Effect::$op(call) => Some(call.answer(Ok(words.take()?))),)*
                _ => None,
            }
        }
    };
}

replies! {
    Authenticate Mailboxes Status Create Delete Rename Subscribe Open Fetch ReadBody Search SetFlags Copy Move Expunge
    UploadBegin UploadChunk UploadCommit UploadAbort Changes Watch Unwatch
}

/// What may be private in a reply is replaced by filler of the same length.
trait Filled: Clone {
    fn filled(&self, _filler: &mut Filler) -> Self {
        self.clone()
    }
}

macro_rules! public {
    ($($name:ty),* $(,)?) => { $(impl Filled for $name {})* };
}

// Names of mailboxes and keywords stay: what a client is answered depends on them.
public! {
    (), Vec<MailboxRow>, Vec<Option<MailboxStatus>>, pillarbox_core::id::MailboxId, pillarbox_core::id::UploadId, Box<Opened>, SearchPage,
    FlagsSet, Copied, Moved, Expunged, Committed, Box<ChangesSince>,
}

impl Filled for Account {
    fn filled(&self, filler: &mut Filler) -> Self {
        Self {
            id: self.id,
            name: filler.text(&self.name).into(),
        }
    }
}

impl Filled for bytes::Bytes {
    fn filled(&self, filler: &mut Filler) -> Self {
        filler.mail(self).into()
    }
}

impl Filled for StoreError {
    /// The text for the client is the store's own and may name a mailbox; the detail is for the log alone.
    fn filled(&self, filler: &mut Filler) -> Self {
        Self {
            kind: self.kind,
            client: self.client.clone(),
            detail: self.detail.as_ref().map(|d| filler.text(d).into()),
        }
    }
}

impl Filled for FetchPage {
    fn filled(&self, filler: &mut Filler) -> Self {
        Self {
            rows: self.rows.iter().map(|row| row.filled(filler)).collect(),
            resume: self.resume,
            keywords: self.keywords.clone(),
        }
    }
}

impl Filled for Row {
    fn filled(&self, filler: &mut Filler) -> Self {
        let bare = Structure::decode(&self.structure).map(|s| s.without_words().encode());
        // One that cannot be read is still not none.
        let unread = self.structure.iter().take(1).map(|_| 0).collect();
        Self {
            envelope: filler.wire(&self.envelope).into(),
            body: filler.wire(&self.body).into(),
            body_structure: filler.wire(&self.body_structure).into(),
            structure: bare.unwrap_or(unread).into(),
            header: filler.message(&self.header).into(),
            inline: self.inline.as_ref().map(|m| filler.message(m).into()),
            damaged: self.damaged.as_ref().map(|e| e.filled(filler)),
            ..self.clone()
        }
    }
}

fields! {
    Account { id, name }
    MailboxStatus { id, messages, unseen, deleted, recent, size, uid_next, uid_validity, highest_modseq }
    Opened { mailbox, name, read_only, uid_validity, uid_next, highest_modseq, uids, keywords, first_unseen, recent_from }
    FetchPage { rows, resume, keywords }
    Row {
        uid, modseq, flags, size, internal_date, save_date, email_id, thread_id, envelope, body, body_structure, structure, header,
        inline, damaged
    }
    SearchPage { uids, highest_modseq, resume }
    FlagsSet { rows, changed, refused, gone, keywords, modseq }
    Copied { target, uid_validity, uids }
    Moved { copied, modseq }
    Expunged { uids, modseq }
    Committed { mailbox, uid_validity, uids }
    ChangesSince { fresh, flags, resume, gone, more, gone_is_complement, keywords, to, uid_next, recent_from, name }
    StoreError { kind, client, detail }
}

/// Lists of values that have no other form.
macro_rules! lists {
    ($($name:ty),* $(,)?) => {
        $(impl Word for Vec<$name> {
            fn put(&self, line: &mut String) {
                list(self, line);
            }

            fn take(words: &mut Words<'_>) -> Option<Self> {
                unlist(words)
            }
        })*
    };
}

lists! {
    MailboxRow, Option<MailboxStatus>, Row, pillarbox_core::id::Uid, (pillarbox_core::id::Uid, pillarbox_core::id::Uid),
    (pillarbox_core::id::Uid, pillarbox_core::id::ModSeq, pillarbox_core::flag::Flags),
}

impl Word for Keywords {
    fn put(&self, line: &mut String) {
        list(self, line);
    }

    fn take(words: &mut Words<'_>) -> Option<Self> {
        unlist(words).map(Into::into)
    }
}

impl Word for MailboxRow {
    fn put(&self, line: &mut String) {
        self.name.put(line);
        self.id.put(line);
        self.subscribed.put(line);
        self.special_use.put(line);
    }

    fn take(words: &mut Words<'_>) -> Option<Self> {
        let mut row = Self::new(words.take()?);
        row.id = words.take()?;
        row.subscribed = words.take()?;
        row.special_use = words.take()?;
        Some(row)
    }
}

impl Word for SpecialUse {
    fn put(&self, line: &mut String) {
        line.push(' ');
        line.push_str(self.name());
    }

    fn take(words: &mut Words<'_>) -> Option<Self> {
        Self::from_name(words.plain()?)
    }
}

/// Every class of failure.
const KINDS: [ErrorKind; 17] = [
    ErrorKind::NonExistent,
    ErrorKind::AlreadyExists,
    ErrorKind::HasChildren,
    ErrorKind::NoPerm,
    ErrorKind::Cannot,
    ErrorKind::Limit,
    ErrorKind::OverQuota,
    ErrorKind::TooBig,
    ErrorKind::Unavailable,
    ErrorKind::Corruption,
    ErrorKind::ExpungeIssued,
    ErrorKind::InUse,
    ErrorKind::AuthenticationFailed,
    ErrorKind::UnknownCte,
    ErrorKind::Disabled,
    ErrorKind::Unsupported,
    ErrorKind::ServerBug,
];

impl Word for ErrorKind {
    fn put(&self, line: &mut String) {
        line.push_str(&format!(" {self:?}"));
    }

    fn take(words: &mut Words<'_>) -> Option<Self> {
        let name = words.plain()?;
        KINDS.into_iter().find(|kind| format!("{kind:?}") == name)
    }
}
