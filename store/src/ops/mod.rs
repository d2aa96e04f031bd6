//! What the operations of the contract do to the tables, the same for every backend.

mod append;
mod change;
mod names;
mod transfer;
mod view;
mod windows;

use pillarbox_core::effect::{Effect, Notice, Op, Reply};
use pillarbox_core::id::AccountId;
#[cfg(feature = "sqlite")]
use pillarbox_core::id::UploadId;

use crate::table::{Result, Tables};
use crate::upload::Uploads;

#[cfg(feature = "sqlite")]
pub(crate) use change::resolve;
pub(crate) use names::create_mailbox;
#[cfg(feature = "sqlite")]
pub(crate) use windows::Windows;

/// A finished operation: its reply, whether it failed, and whom to tell.
pub(crate) struct Done {
    pub reply: Reply,
    #[cfg_attr(not(feature = "sqlite"), expect(dead_code))]
    pub failed: bool,
    pub notices: Vec<Notice>,
}

/// Whether the effect changes no table.
#[cfg(feature = "sqlite")]
pub(crate) fn only_reads(effect: &Effect) -> bool {
    match effect {
        Effect::Mailboxes(_)
        | Effect::Status(_)
        | Effect::Fetch(_)
        | Effect::ReadBody(_)
        | Effect::Search(_)
        | Effect::UploadBegin(_) => true,
        Effect::Open(call) => call.op().read_only,
        Effect::Changes(call) => !call.op().claim_recent,
        _ => false,
    }
}

/// The account whose tables the effect needs.
pub(crate) fn owner(effect: &Effect) -> Option<AccountId> {
    Some(match effect {
        Effect::Mailboxes(c) => c.op().actor.account,
        Effect::Status(c) => c.op().actor.account,
        Effect::Create(c) => c.op().actor.account,
        Effect::Delete(c) => c.op().actor.account,
        Effect::Rename(c) => c.op().actor.account,
        Effect::Subscribe(c) => c.op().actor.account,
        Effect::Purge(c) => c.op().actor.account,
        Effect::Open(c) => c.op().actor.account,
        Effect::Fetch(c) => c.op().actor.account,
        Effect::ReadBody(c) => c.op().actor.account,
        Effect::Search(c) => c.op().actor.account,
        Effect::SetFlags(c) => c.op().actor.account,
        Effect::Copy(c) => c.op().actor.account,
        Effect::Move(c) => c.op().actor.account,
        Effect::Expunge(c) => c.op().actor.account,
        Effect::UploadBegin(c) => c.op().actor.account,
        Effect::UploadCommit(c) => c.op().actor.account,
        Effect::Changes(c) => c.op().actor.account,
        _ => return None,
    })
}

/// The upload that the effect is about alone.
#[cfg(feature = "sqlite")]
pub(crate) fn upload(effect: &Effect) -> Option<UploadId> {
    match effect {
        Effect::UploadChunk(c) => Some(c.op().upload),
        Effect::UploadAbort(c) => Some(c.op().upload),
        _ => None,
    }
}

/// Runs one effect in the open transaction.
pub(crate) fn run(tables: &mut dyn Tables, uploads: &Uploads, effect: Effect) -> Done {
    let ready = owner(&effect).map_or(Ok(()), |owner| ensure_account(tables, owner));
    if let Err(e) = ready {
        return failed(effect.fail(e));
    }
    let mut notices = Vec::new();
    macro_rules! run {
        ($call:expr, $f:expr) => {{
            let (op, answer) = $call.into_parts();
            let result = $f(op);
            let failed = result.is_err();
            (answer.answer(result), failed)
        }};
    }
    let (reply, failed) = match effect {
        Effect::Mailboxes(c) => run!(c, |op| names::mailboxes(tables, &op)),
        Effect::Status(c) => run!(c, |op| names::status(tables, &op)),
        Effect::Create(c) => run!(c, |op| names::create(tables, &op)),
        Effect::Delete(c) => run!(c, |op| names::delete(tables, &op, &mut notices)),
        Effect::Rename(c) => run!(c, |op| names::rename(tables, &op, &mut notices)),
        Effect::Subscribe(c) => run!(c, |op| names::subscribe(tables, &op)),
        Effect::Purge(c) => run!(c, |op| names::purge(tables, &op, &mut notices)),
        Effect::Open(c) => run!(c, |op| view::open(tables, &op)),
        Effect::Fetch(c) => run!(c, |op| view::fetch(tables, &op)),
        Effect::ReadBody(c) => run!(c, |op| view::read_body(tables, &op)),
        Effect::Search(c) => run!(c, |op| view::search(tables, &op)),
        Effect::Changes(c) => run!(c, |op| view::changes(tables, &op)),
        Effect::SetFlags(c) => run!(c, |op| change::set_flags(tables, &op, &mut notices)),
        Effect::Copy(c) => run!(c, |op| transfer::copy(tables, &op, &mut notices)),
        Effect::Move(c) => run!(c, |op| transfer::relocate(tables, &op, &mut notices)),
        Effect::Expunge(c) => run!(c, |op| change::expunge(tables, &op, &mut notices)),
        Effect::UploadBegin(c) => run!(c, |op| append::begin(tables, uploads, &op)),
        Effect::UploadChunk(c) => run!(c, |op| append::chunk(uploads, &op)),
        Effect::UploadCommit(c) => run!(c, |op| append::commit(tables, uploads, &op, &mut notices)),
        Effect::UploadAbort(c) => run!(c, |op| append::abort(uploads, &op)),
        Effect::Authenticate(c) => (c.unsupported(), true),
        Effect::Watch(c) => (c.unsupported(), true),
        Effect::Unwatch(c) => (c.unsupported(), true),
        other => (other.fail(pillarbox_core::effect::StoreError::lost()), true),
    };
    Done {
        reply,
        failed,
        notices: if failed { Vec::new() } else { notices },
    }
}

/// Refuses an effect that was not run: a commit's uploads are not there any more, as after any commit.
#[cfg(feature = "sqlite")]
pub(crate) fn refuse(
    uploads: &Uploads,
    effect: Effect,
    error: pillarbox_core::effect::StoreError,
) -> Reply {
    if let Effect::UploadCommit(call) = &effect {
        for message in &call.op().messages {
            drop(uploads.take(message.upload));
        }
    }
    effect.fail(error)
}

/// Answers what touches no table; the others come back. `is_there`: so is the mailbox that an upload is begun for.
pub(crate) fn run_upload(
    uploads: &Uploads,
    effect: Effect,
    is_there: bool,
) -> std::result::Result<Reply, Effect> {
    fn done<O: Op>(
        call: pillarbox_core::effect::Call<O>,
        f: impl FnOnce(&O) -> Result<O::Reply>,
    ) -> Reply {
        let result = f(call.op());
        call.answer(result)
    }
    match effect {
        Effect::UploadChunk(c) => Ok(done(c, |op| append::chunk(uploads, op))),
        Effect::UploadAbort(c) => Ok(done(c, |op| append::abort(uploads, op))),
        Effect::UploadBegin(c) if is_there => Ok(done(c, |op| Ok(uploads.begin(op.size)))),
        other => Err(other),
    }
}

fn ensure_account(tables: &mut dyn Tables, owner: AccountId) -> Result<()> {
    if tables.has_account(owner)? {
        return Ok(());
    }
    tables.add_account(owner)?;
    create_mailbox(tables, owner, names::inbox(), None)?;
    Ok(())
}

fn failed(reply: Reply) -> Done {
    Done {
        reply,
        failed: true,
        notices: Vec::new(),
    }
}
