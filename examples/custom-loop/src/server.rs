//! What the connections share: mail, accounts, the clock, and who is to hear of which mailbox.

use std::io::Read;
use std::net::{IpAddr, TcpStream};
use std::sync::mpsc::{Receiver, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime};

use pillarbox_core::effect::{Effect, MailboxRef, Notice, Reply};
use pillarbox_core::now::{Now, Tick};
use pillarbox_core::session::{Config, Peer, Session};
use pillarbox_store::{Accounts, Backend, Job, Memory, StaticAccounts};

/// What a connection waits for.
pub enum Input {
    Octets(Vec<u8>),
    End,
    Reply(Reply),
    /// There is something to be heard in the bell.
    Notice,
}

pub struct Server {
    config: Arc<Config>,
    store: Memory,
    accounts: StaticAccounts,
    bells: Arc<Mutex<Vec<Weak<Bell>>>>,
    began: Instant,
}

impl Server {
    pub fn new() -> Self {
        let mut config = Config::default();
        config.plaintext_login = true; // no certificate here: loopback only
        let (store, bells) = (Memory::new(), Arc::<Mutex<Vec<Weak<Bell>>>>::default());
        let rung = bells.clone();
        store.subscribe(Arc::new(move |notice| {
            let bells = lock(&rung).clone();
            bells
                .iter()
                .filter_map(Weak::upgrade)
                .for_each(|b| b.ring(notice));
        }));
        Self {
            config: Arc::new(config),
            store,
            accounts: StaticAccounts::new().with("tim", "secret"),
            bells,
            began: Instant::now(),
        }
    }

    /// A session with whoever is at this address.
    pub fn session(&self, address: IpAddr) -> Session {
        let peer = Peer::plain(Some(address));
        Session::new(self.config.clone(), peer, [0; 32], self.now())
    }

    pub fn now(&self) -> Now {
        let unix = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |d| d.as_secs());
        Now {
            tick: Tick(self.began.elapsed().as_millis() as u64),
            unix: unix as i64,
        }
    }

    /// How long the session waits at most; a little longer, since the present is rounded down.
    pub fn until(&self, session: &Session) -> Option<Duration> {
        let left = session.deadline()?.0.saturating_sub(self.now().tick.0);
        Some(Duration::from_millis(left + 1))
    }

    /// Answers the effect, now or later, into the inbox of this bell.
    pub fn submit(&self, effect: Effect, bell: &Arc<Bell>) {
        match &effect {
            Effect::Watch(call) => *lock(&bell.watch) = Some((call.op().mailbox, None)),
            Effect::Unwatch(call) => {
                let mailbox = call.op().mailbox;
                lock(&bell.watch).take_if(|(watched, _)| *watched == mailbox);
            }
            _ => {}
        }
        let answered = bell.clone();
        let job = |effect| Job::new(effect, move |reply| answered.put(Input::Reply(reply)));
        match effect {
            Effect::Watch(call) => bell.put(Input::Reply(call.answer(Ok(())))),
            Effect::Unwatch(call) => bell.put(Input::Reply(call.answer(Ok(())))),
            Effect::Authenticate(_) => self.accounts.authenticate(job(effect)),
            _ => self.store.submit(job(effect)),
        }
    }

    /// A new connection's bell.
    pub fn bell(&self, inbox: SyncSender<Input>) -> Arc<Bell> {
        let bell = Arc::new(Bell {
            inbox,
            watch: Mutex::default(),
        });
        let mut bells = lock(&self.bells);
        bells.retain(|bell| bell.strong_count() > 0);
        bells.push(Arc::downgrade(&bell));
        bell
    }
}

/// Where a connection is told that its mailbox moved on: the latest notice alone waits, so that however many there are, the inbox never fills.
pub struct Bell {
    inbox: SyncSender<Input>,
    watch: Mutex<Option<(MailboxRef, Option<Notice>)>>,
}

impl Bell {
    /// Tells the session what is to be heard.
    pub fn heard(&self, session: &mut Session) {
        let heard = lock(&self.watch)
            .as_mut()
            .and_then(|(_, heard)| heard.take());
        heard
            .into_iter()
            .for_each(|notice| session.handle_notice(notice));
    }

    fn ring(&self, notice: Notice) {
        // They may come in any order; a mailbox that is gone is gone for good.
        let level = |n: Notice| n.modseq.map_or(u64::MAX, |m| m.0);
        if let Some((mailbox, heard)) = &mut *lock(&self.watch)
            && *mailbox == notice.mailbox
            && heard.map(level) < Some(level(notice))
            && heard.replace(notice).is_none()
        {
            self.put(Input::Notice);
        }
    }

    fn put(&self, input: Input) {
        // It fails when the connection is gone, and then nobody waits.
        let _ = self.inbox.send(input);
    }
}

/// Reads as much as there is room for, whenever it is asked.
pub fn read(mut socket: TcpStream, asked: Receiver<usize>, inbox: SyncSender<Input>) {
    let mut buffer = [0; 8 << 10];
    for room in asked {
        let room = room.min(buffer.len());
        let input = match socket.read(&mut buffer[..room]) {
            Ok(0) | Err(_) => Input::End,
            Ok(octets) => Input::Octets(buffer[..octets].to_vec()),
        };
        if inbox.send(input).is_err() {
            return;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
