//! What is remembered of a connection, and told when it ends, however it ends.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pillarbox_core::now::Tick;
use pillarbox_core::session::Event;

use crate::service::{Observer, Summary};

/// A connection as its observer hears of it; dropped, it tells the end if that was not told.
pub(crate) struct Record {
    pub peer: Option<SocketAddr>,
    pub summary: Summary,
    observer: Arc<dyn Observer>,
    began: Tick,
    told: bool,
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Record")
            .field("peer", &self.peer)
            .field("summary", &self.summary)
            .finish_non_exhaustive()
    }
}

impl Record {
    pub(crate) fn new(
        observer: Arc<dyn Observer>,
        peer: Option<SocketAddr>,
        began: Tick,
        tls: bool,
    ) -> Self {
        Self {
            peer,
            summary: Summary {
                octets_in: 0,
                octets_out: 0,
                commands: 0,
                account: None,
                tls,
                reason: None,
                error: None,
                duration: Duration::ZERO,
            },
            observer,
            began,
            told: false,
        }
    }

    pub(crate) fn event(&mut self, event: &Event) {
        match event {
            Event::Command { .. } => self.summary.commands += 1,
            Event::LoggedIn { account, .. } => self.summary.account = Some(account.name.clone()),
            _ => {}
        }
        self.observer.event(self.peer, event);
    }

    /// The connection is alive now.
    pub(crate) fn at(&mut self, now: Tick) {
        self.summary.duration = Duration::from_millis(now.0.saturating_sub(self.began.0));
    }

    pub(crate) fn ended(&mut self) -> Summary {
        self.tell();
        self.summary.clone()
    }

    /// This connection is not worth a word.
    pub(crate) fn forget(&mut self) -> Summary {
        self.told = true;
        self.summary.clone()
    }

    fn tell(&mut self) {
        if !std::mem::replace(&mut self.told, true) {
            self.observer.closed(self.peer, &self.summary);
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.tell();
    }
}
