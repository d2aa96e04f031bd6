//! Messages that come in.

use pillarbox_core::date::DateTime;
use pillarbox_core::effect::{
    Committed, Notice, UploadAbort, UploadBegin, UploadChunk, UploadCommit,
};
use pillarbox_core::id::{AccountId, EmailId, ModSeq, ThreadId, Uid, UploadId};

use super::change::{arrive, notice, resolve};
use super::names::named;
use crate::error::lock;
use crate::record::{Derived, Message};
use crate::table::{Result, Tables};
use crate::upload::{self, Uploads};

pub(super) fn begin(t: &mut dyn Tables, uploads: &Uploads, op: &UploadBegin) -> Result<UploadId> {
    named(t, op.actor.account, &op.name)?;
    Ok(uploads.begin(op.size))
}

pub(super) fn chunk(uploads: &Uploads, op: &UploadChunk) -> Result<()> {
    uploads.chunk(op.upload, &op.data)
}

pub(super) fn abort(uploads: &Uploads, op: &UploadAbort) -> Result<()> {
    drop(uploads.take(op.upload));
    Ok(())
}

pub(super) fn commit(
    t: &mut dyn Tables,
    uploads: &Uploads,
    op: &UploadCommit,
    notices: &mut Vec<Notice>,
) -> Result<Committed> {
    // Whatever fails below, the uploads are not there any more.
    let taken: Vec<_> = op.messages.iter().map(|m| uploads.take(m.upload)).collect();
    let owner = op.actor.account;
    let mut mailbox = named(t, owner, &op.name)?;
    let mut ready = Vec::new();
    for (new, upload) in op.messages.iter().zip(taken) {
        let upload = upload.ok_or_else(upload::unknown)?;
        lock(&upload).check()?;
        let (keywords, flags) = resolve(&mailbox.keywords, &new.flags)?;
        mailbox.keywords = keywords;
        let mut message = Message {
            uid: Uid::MAX,
            modseq: ModSeq(0),
            flags,
            size: lock(&upload).size(),
            internal_date: new.internal_date.unwrap_or(DateTime {
                unix: op.now,
                zone_minutes: 0,
            }),
            save_date: op.now,
            email_id: EmailId(0),
            thread_id: ThreadId(0),
        };
        arrive(&mut mailbox, &mut message)?;
        ready.push((message, upload));
    }
    let mut uids = Vec::new();
    for (mut message, upload) in ready {
        let mut upload = lock(&upload);
        let derived = upload.derive()?;
        message.email_id = EmailId(t.next_id()?);
        message.thread_id = thread(t, owner, message.email_id, &derived)?;
        t.put_content(&mailbox, &message, &derived, &mut upload)?;
        t.put_message(&mailbox, &message)?;
        uids.push(message.uid);
    }
    if !uids.is_empty() {
        t.put_mailbox(&mailbox)?;
        notices.push(notice(&mailbox));
    }
    Ok(Committed {
        mailbox: mailbox.reference(),
        uid_validity: mailbox.uid_validity,
        uids,
    })
}

/// The conversation that one of the message's ids is known in, else one of its own (RFC 8474 §5.2).
pub(crate) fn thread(
    t: &mut dyn Tables,
    owner: AccountId,
    email: EmailId,
    derived: &Derived,
) -> Result<ThreadId> {
    let mut thread = None;
    for hash in &derived.threads {
        thread = t.thread_of(owner, *hash)?;
        if thread.is_some() {
            break;
        }
    }
    let thread = thread.unwrap_or(ThreadId(email.0));
    for hash in &derived.threads {
        t.put_thread(owner, *hash, thread)?;
    }
    Ok(thread)
}
