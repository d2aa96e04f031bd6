//! Stands before the store and notes what is done in it, in which order, and with which numbers: what the model cannot know beforehand.

use pillarbox_core::effect::{
    Actor, Call, Effect, ErrorKind, Move, Op, Open, Rename, Reply, SetFlags, Status, StoreError,
};
use pillarbox_core::id::{AccountId, Uid};
use pillarbox_core::mailbox::MailboxName;
use pillarbox_core::set::UidSet;
use pillarbox_store::{Memory, StaticAccounts, ask};

use crate::host::answered;
use crate::model::{Counters, Deed, Outcome};

/// The store, and what was done in it.
pub(crate) struct Witness {
    backend: Memory,
    accounts: StaticAccounts,
    pub deeds: Vec<Deed>,
}

impl Witness {
    pub fn new(backend: Memory, accounts: StaticAccounts) -> Self {
        Self {
            backend,
            accounts,
            deeds: Vec::new(),
        }
    }

    /// Fails an effect; the store hears nothing of it.
    pub fn fail(&mut self, effect: Effect) -> Reply {
        self.deeds.push(Deed {
            account: 0,
            mailbox: None,
            outcome: None,
            unix: 0,
            fault: true,
        });
        effect.fail(StoreError::new(ErrorKind::Unavailable, "Not now"))
    }

    /// Carries an effect out; `unix`: the wall clock when it was asked for.
    pub fn run(&mut self, effect: Effect, unix: i64) -> Reply {
        match effect {
            Effect::SetFlags(call) => {
                let asked = uids(&call.op().uids);
                let at = Some(call.op().mailbox.id.0);
                let see = |_: &SetFlags, set: &pillarbox_core::effect::FlagsSet| Outcome::Flags {
                    asked,
                    refused: uids(&set.refused),
                };
                self.note(call.op().actor, at, unix, call, see)
            }
            Effect::UploadCommit(call) => {
                self.note(call.op().actor, None, unix, call, |_, done| {
                    Outcome::Append(done.uids.iter().map(|u| u.get()).collect())
                })
            }
            Effect::Copy(call) => {
                let at = Some(call.op().mailbox.id.0);
                self.note(call.op().actor, at, unix, call, |_, done| {
                    Outcome::Copy(pairs(&done.uids), false)
                })
            }
            Effect::Move(call) => {
                let at = Some(call.op().mailbox.id.0);
                self.note(call.op().actor, at, unix, call, |_: &Move, done| {
                    Outcome::Copy(pairs(&done.copied.uids), true)
                })
            }
            Effect::Expunge(call) => {
                let at = Some(call.op().mailbox.id.0);
                self.note(call.op().actor, at, unix, call, |_, done| {
                    Outcome::Expunge(uids(&done.uids))
                })
            }
            Effect::Create(call) => {
                self.note(call.op().actor, None, unix, call, |_, _| Outcome::Create)
            }
            Effect::Delete(call) => {
                self.note(call.op().actor, None, unix, call, |_, ()| Outcome::Delete)
            }
            Effect::Subscribe(call) => self.note(call.op().actor, None, unix, call, |_, ()| {
                Outcome::Subscribe
            }),
            Effect::Rename(call) => {
                let (actor, to) = (call.op().actor, call.op().to.clone());
                let reply = self.note(actor, None, unix, call, |_: &Rename, ()| {
                    Outcome::Rename(Vec::new())
                });
                self.moved_to(actor, to);
                reply
            }
            effect => answered(&self.backend, &self.accounts, effect),
        }
    }

    fn note<O: Op + Clone>(
        &mut self,
        actor: Actor,
        mailbox: Option<u64>,
        unix: i64,
        call: Call<O>,
        see: impl FnOnce(&O, &O::Reply) -> Outcome,
    ) -> Reply
    where
        Effect: From<Call<O>>,
    {
        let (op, answer) = call.into_parts();
        let result: Result<O::Reply, StoreError> = ask(&self.backend, op.clone());
        self.deeds.push(Deed {
            account: actor.account.0,
            mailbox,
            outcome: result.as_ref().ok().map(|reply| see(&op, reply)),
            unix,
            fault: false,
        });
        answer.answer(result)
    }

    /// After RENAME: the UIDs of the mailbox by its new name.
    fn moved_to(&mut self, actor: Actor, name: MailboxName) {
        let open = Open {
            actor,
            name,
            read_only: true,
        };
        let opened = ask(&self.backend, open).ok();
        if let (Some(deed), Some(opened)) = (self.deeds.last_mut(), opened)
            && let Some(Outcome::Rename(there)) = &mut deed.outcome
        {
            *there = uids(&opened.uids);
        }
    }

    /// STATUS, from the store itself.
    pub fn counters(&self, account: u64, name: &str) -> Option<Counters> {
        let actor = Actor {
            account: AccountId(account),
        };
        let name = MailboxName::new(name).ok()?;
        let names = vec![name];
        let status = ask(&self.backend, Status { actor, names }).ok()?.pop()??;
        Some(Counters {
            id: status.id.0,
            messages: status.messages,
            unseen: status.unseen,
            deleted: status.deleted,
            size: status.size,
            uid_next: status.uid_next.get(),
            uid_validity: status.uid_validity.0.get(),
            highest: status.highest_modseq.0,
        })
    }
}

fn uids(set: &UidSet) -> Vec<u32> {
    set.iter().map(Uid::get).collect()
}

fn pairs(uids: &[(Uid, Uid)]) -> Vec<(u32, u32)> {
    uids.iter().map(|(a, b)| (a.get(), b.get())).collect()
}
