//! The end of a command: what changed elsewhere is told, then the tagged answer is written.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;

use super::run::Input;
use super::{Action, CloseReason, Condition, Current, Event, Going, Session, Telling, changed};
use crate::effect::{Account, Changes, ChangesSince, ErrorKind, Op, Outcome, StoreError};
use crate::id::Uid;
use crate::response::Code;
use crate::schedule::Tell;
use crate::wire::output::Output;

/// The outcome of a command, to be written after its tag.
#[derive(Debug)]
pub(crate) struct Done {
    pub condition: Condition,
    /// A response code that may be long.
    pub code: Option<Box<Code>>,
    /// Any other response code with its brackets and a space, and the text.
    pub text: Cow<'static, str>,
    /// Whether the session ends after it.
    pub close: Option<CloseReason>,
    /// Messages were removed: a client of CONDSTORE is told HIGHESTMODSEQ (RFC 7162 §3.2.7, RFC 6851 §4.4).
    pub removed: bool,
}

impl Done {
    pub(crate) fn ok(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Condition::Ok, text.into())
    }

    pub(crate) fn no(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Condition::No, text.into())
    }

    pub(crate) fn bad(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Condition::Bad, text.into())
    }

    fn new(condition: Condition, text: Cow<'static, str>) -> Self {
        Self {
            condition,
            code: None,
            text,
            close: None,
            removed: false,
        }
    }

    pub(crate) fn with(mut self, code: Option<Code>) -> Self {
        self.code = code.map(Box::new);
        self
    }

    pub(crate) fn removing(mut self, removed: bool) -> Self {
        self.removed = removed;
        self
    }

    pub(crate) fn closing(mut self, reason: CloseReason) -> Self {
        self.close = Some(reason);
        self
    }
}

/// The response code of a failure (RFC 5530, RFC 9051 §7.1). `target`: a mailbox that a CREATE would bring (TRYCREATE).
fn code(kind: ErrorKind, target: bool) -> &'static str {
    match kind {
        ErrorKind::NonExistent if target => "TRYCREATE",
        ErrorKind::NonExistent => "NONEXISTENT",
        ErrorKind::AlreadyExists => "ALREADYEXISTS",
        ErrorKind::HasChildren => "HASCHILDREN",
        ErrorKind::NoPerm => "NOPERM",
        ErrorKind::Cannot | ErrorKind::Unsupported => "CANNOT",
        ErrorKind::Limit => "LIMIT",
        ErrorKind::OverQuota => "OVERQUOTA",
        ErrorKind::TooBig => "TOOBIG",
        ErrorKind::Unavailable => "UNAVAILABLE",
        ErrorKind::Corruption => "CORRUPTION",
        ErrorKind::ExpungeIssued => "EXPUNGEISSUED",
        ErrorKind::InUse => "INUSE",
        ErrorKind::AuthenticationFailed => "AUTHENTICATIONFAILED",
        ErrorKind::UnknownCte => "UNKNOWN-CTE",
        ErrorKind::Disabled => "CONTACTADMIN",
        ErrorKind::ServerBug => "SERVERBUG",
    }
}

/// The text of a NO for this failure; `utf8`: it may hold more than ASCII (RFC 9051 §9).
pub(crate) fn refusal(error: &StoreError, target: bool, utf8: bool) -> String {
    // The text is the store's: it must not break the line.
    let printable = |c: char| match c {
        _ if c.is_control() => ' ',
        _ if c.is_ascii() || utf8 => c,
        _ => '?',
    };
    let text: String = error.client.chars().map(printable).collect();
    format!("[{}] {text}", code(error.kind, target))
}

impl Session {
    /// A NO for this failure; one that is the store's fault reaches the log.
    pub(crate) fn failed(&mut self, operation: &'static str, error: &StoreError) -> Done {
        self.failed_on(operation, error, false)
    }

    /// The same for a command with a target mailbox, where NONEXISTENT is TRYCREATE.
    pub(crate) fn failed_target(&mut self, operation: &'static str, error: &StoreError) -> Done {
        self.failed_on(operation, error, true)
    }

    fn failed_on(&mut self, operation: &'static str, error: &StoreError, target: bool) -> Done {
        let fault = matches!(
            error.kind,
            ErrorKind::ServerBug | ErrorKind::Corruption | ErrorKind::Unavailable
        );
        if fault || error.detail.is_some() {
            self.store_failed(operation, error);
        }
        Done::no(refusal(error, target, self.enabled.rev2))
    }

    /// The command may never be whole: no EXPUNGE may be told with its answer (RFC 9051 §7.5.1).
    pub(crate) fn tell_nothing(&mut self) {
        if let Some(current) = &mut self.current {
            current.row.tell = Tell::Nothing;
        }
    }

    /// Tells what is to be told, then writes the tagged answer.
    pub(crate) fn finish(&mut self, input: Input) -> bool {
        if self.current.as_ref().is_some_and(|c| c.begun) {
            self.answer();
            return true;
        }
        if let Input::Reply(outcome) = input {
            self.tell(outcome);
            return true;
        }
        match self.wanted_changes() {
            Some(changes) => {
                let _ = self.ask(changes);
            }
            None => self.answer(),
        }
        true
    }

    fn wanted_changes(&mut self) -> Option<Changes> {
        let tell = self.current.as_ref().map_or(Tell::Nothing, |c| c.row.tell);
        let bad = self
            .current
            .as_ref()
            .and_then(|c| c.done.as_ref())
            .is_none_or(|d| d.condition == Condition::Bad);
        let told = self.current.as_ref().is_some_and(|c| c.told);
        let selected = self.selected.as_ref()?;
        let wanted = match tell {
            _ if bad || told => false,
            Tell::Nothing => false,
            Tell::NoExpunge | Tell::All => selected.dirty(),
            Tell::Fresh => true,
        };
        (wanted && !selected.deleted)
            .then(|| self.changes())
            .flatten()
    }

    /// Asks what happened to the selected mailbox since it was last told.
    pub(crate) fn changes(&self) -> Option<Changes> {
        let selected = self.selected.as_ref()?;
        Some(Changes {
            actor: self.actor(),
            mailbox: selected.mailbox,
            since: selected.told,
            known_below: selected.uid_next,
            claim_recent: !selected.read_only,
            from: Uid::MIN,
            ranges: self.config.limits.ranges_page,
            limit: self.config.limits.changes_page,
        })
    }

    fn tell(&mut self, outcome: Outcome) {
        let expunge = self
            .current
            .as_ref()
            .is_none_or(|c| c.row.tell != Tell::NoExpunge);
        if let Some(current) = &mut self.current {
            current.told = true;
        }
        self.tell_changes(outcome, expunge);
    }

    /// Begins to tell what changed; `expunge`: whether EXPUNGE may be told now.
    pub(crate) fn tell_changes(&mut self, outcome: Outcome, expunge: bool) {
        match Changes::result(outcome).unwrap_or_else(|| Err(StoreError::lost())) {
            Ok(changes) => self.begin_telling(changes, expunge),
            Err(error) => self.untold("Changes", &error),
        }
    }

    /// The store failed, and what changed is told later: the mailbox stays dirty, unless it is gone.
    fn untold(&mut self, operation: &'static str, error: &StoreError) {
        if error.kind == ErrorKind::NonExistent {
            if let Some(selected) = &mut self.selected {
                selected.deleted = true;
            }
            return;
        }
        self.store_failed(operation, error);
        if let Some(selected) = &mut self.selected {
            selected.doubt();
            selected.holds = true;
            selected.failed_at = Some(selected.latest);
        }
    }

    fn begin_telling(&mut self, changes: Box<ChangesSince>, expunge: bool) {
        let uids = self
            .current
            .as_ref()
            .is_some_and(|c| c.row.name.starts_with("UID "));
        if let Some(selected) = &mut self.selected {
            let telling = Telling::new(changes, selected, &mut self.out, expunge, uids);
            self.telling = Some(Box::new(telling));
            self.tell_more(Input::Nothing);
        }
    }

    /// Tells changes as far as there is room, with more of them from the store if it is to be asked; nothing else goes on before all are told.
    pub(crate) fn tell_more(&mut self, input: Input) {
        let room = self.config.limits.output_high_water;
        let (Some(mut telling), Some(selected)) = (self.telling.take(), &mut self.selected) else {
            return;
        };
        if let Input::Reply(outcome) = input
            && let Err((operation, error)) = telling.page(selected, &mut self.out, outcome)
        {
            return self.untold(operation, &error);
        }
        match telling.go_on(selected, &mut self.out, self.enabled, room) {
            Going::Told => {}
            Going::Torn => {
                if let Some(current) = &mut self.current {
                    current.told = false;
                }
            }
            Going::Full => self.telling = Some(telling),
            Going::Uids(from) => {
                if let Some(changes) = self.changes() {
                    let _ = self.ask(telling.uids_from(from, changes));
                    self.telling = Some(telling);
                }
            }
            Going::Page(uids) => {
                let (mailbox, since) = (selected.mailbox, telling.since);
                self.telling = Some(telling);
                let _ = self.ask(changed(self, mailbox, uids, since));
            }
        }
    }

    /// The tagged answer, as there is room for it; once it is written the next command may begin.
    pub(crate) fn answer(&mut self) {
        let room = self.high_water();
        let Some(mut current) = self.current.take() else {
            return;
        };
        let Some(mut done) = current.done.take() else {
            return;
        };
        if !core::mem::replace(&mut current.begun, true) {
            self.begin_answer(&current.tag, &done);
        }
        let view = self.selected.as_ref().map(|m| &m.view);
        let mut code = done.code.as_mut();
        if code
            .as_mut()
            .is_some_and(|code| !code.write(&mut self.out, view, room))
        {
            current.done = Some(done);
            self.current = Some(current);
            if self.out.len() < room {
                self.actions.push_back(Action::Yield);
            }
            return;
        }
        self.out.put_str(&done.text);
        self.out.put(b"\r\n");
        self.answered(&current, &done);
    }

    /// The tagged answer up to its response code.
    fn begin_answer(&mut self, tag: &[u8], done: &Done) {
        if done.close.is_none() {
            self.told_while_holding();
        }
        self.out.put(tag);
        self.out.put(match done.condition {
            Condition::Ok => b" OK ",
            Condition::No => b" NO ",
            Condition::Bad => b" BAD ",
        });
        if let (true, true, Some(selected)) = (done.removed, self.enabled.condstore, &self.selected)
        {
            let code = format!("[HIGHESTMODSEQ {}] ", selected.told.0);
            self.out.put_str(&code);
        }
    }

    fn answered(&mut self, current: &Current, done: &Done) {
        self.event(Event::Command {
            name: current.row.name,
            condition: done.condition,
        });
        if self.account.is_some() {
            self.timers.answered(&self.config.limits, self.now);
        }
        self.count(done.condition);
        match done.close {
            Some(CloseReason::Logout) => self.close(CloseReason::Logout),
            Some(reason) => self.bye("The session ends here", reason),
            None => {}
        }
    }

    /// While something is held back, MODSEQs above it may have been told: the client must not go by those (RFC 7162 §3.2, §6).
    fn told_while_holding(&mut self) {
        if let Some(selected) = self.selected.as_ref().filter(|m| m.holds)
            && self.enabled.condstore
        {
            crate::response::ok_code(
                &mut self.out,
                format_args!("HIGHESTMODSEQ {}", selected.told.0),
                "Something below is still to be told",
            );
        }
    }

    /// Answers at once; what follows is no longer part of the command.
    pub(crate) fn answer_now(&mut self, done: Done) {
        self.done(done);
        self.answer();
    }

    /// A NO after a failed login; the last one allowed ends the session.
    pub(crate) fn count_login_failure(&mut self, done: Done) -> Done {
        self.failed_logins += 1;
        if self.failed_logins < self.config.limits.failed_logins {
            return done;
        }
        done.closing(CloseReason::TooManyLogins)
    }

    pub(crate) fn logged_in(&mut self, account: Account, mechanism: &'static str) {
        self.timers.logged_in(&self.config.limits, self.now);
        self.account = Some(account.clone());
        self.event(Event::LoggedIn { account, mechanism });
    }

    /// The capabilities as a response code, and a text.
    pub(crate) fn capability_code(&mut self, text: &str) -> String {
        let mut out = Output::default();
        core::mem::swap(&mut self.out, &mut out);
        self.put_capabilities();
        core::mem::swap(&mut self.out, &mut out);
        let capabilities: String = out.chunks().map(String::from_utf8_lossy).collect();
        format!("[CAPABILITY {capabilities}] {text}")
    }

    fn count(&mut self, condition: Condition) {
        if condition != Condition::Bad {
            self.bad_in_row = 0;
            self.timers.valid_command();
            return;
        }
        self.bad_in_row += 1;
        let limits = &self.config.limits;
        let limit = if self.account.is_some() {
            limits.bad
        } else {
            limits.bad_before_login
        };
        if self.bad_in_row >= limit {
            self.bye("Too many bad commands", CloseReason::TooManyBad);
        }
    }

    /// A bad line that has no tag.
    pub(crate) fn bad_untagged(&mut self, text: &str) {
        self.out.put(b"* BAD ");
        self.out.put_str(text);
        self.out.put(b"\r\n");
        self.event(Event::Command {
            name: "?",
            condition: Condition::Bad,
        });
        self.count(Condition::Bad);
    }
}
