//! Who may wait for a disk: only where a message is to be kept, once a turn, and nobody without leave.

use std::sync::{Arc, Mutex};

use pillarbox_core::effect::Effect;
use pillarbox_driver::{Leave, ListenerKind, Service};
use pillarbox_store::{Accounts, Backend, Job, Memory, Notices, StaticAccounts};

use crate::wire::Client;

/// A store and accounts that note what they are asked, and whether they may wait.
struct Noting {
    store: Memory,
    accounts: StaticAccounts,
    asked: Mutex<Vec<(Asked, bool)>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Asked {
    SignIn,
    Commit,
    Other,
}

impl Noting {
    fn note(&self, job: &Job) {
        let asked = match job.effect() {
            Effect::Authenticate(_) => Asked::SignIn,
            Effect::UploadCommit(_) => Asked::Commit,
            _ => Asked::Other,
        };
        let mut noted = self.asked.lock().expect("nothing panics");
        noted.push((asked, job.leave().is_some()));
    }

    fn take(&self) -> Vec<(Asked, bool)> {
        std::mem::take(&mut self.asked.lock().expect("nothing panics"))
    }
}

impl Backend for Noting {
    fn submit(&self, job: Job) {
        self.note(&job);
        self.store.submit(job);
    }

    fn subscribe(&self, notices: Notices) {
        self.store.subscribe(notices);
    }
}

impl Accounts for Noting {
    fn authenticate(&self, job: Job) {
        self.note(&job);
        self.accounts.authenticate(job);
    }
}

fn service() -> (Arc<Noting>, Arc<Service>) {
    let noting = Arc::new(Noting {
        store: Memory::with_validity(1),
        accounts: StaticAccounts::new().with("tim", "pw"),
        asked: Mutex::default(),
    });
    let service = Service::builder(noting.clone(), noting.clone()).plaintext_login(true);
    (noting, service.build())
}

const CONVERSATION: &[u8] = b"a LOGIN tim pw\r\nb CREATE Mine\r\nc APPEND Mine {12+}\r\nSubject: x\r\n\r\n\
    d SELECT Mine\r\ne STORE 1 FLAGS (\\Seen)\r\nf FETCH 1 BODY[]\r\ng COPY 1 INBOX\r\nh EXPUNGE\r\ni LOGOUT\r\n";

#[test]
fn leave_is_for_what_keeps_a_message_and_for_who_has_it() {
    for leave in [None, Some(Leave::new(1, || {}))] {
        let may = leave.is_some();
        let (noting, service) = service();
        let mut client = Client::with_leave(&service, ListenerKind::Plain, leave);
        client.send(CONVERSATION);
        assert!(client.said().contains("i OK "));
        let noted = noting.take();
        let commits = noted.iter().filter(|(asked, _)| *asked == Asked::Commit);
        assert_eq!(commits.collect::<Vec<_>>(), [&(Asked::Commit, may)]);
        assert!(noted.contains(&(Asked::SignIn, false)), "{noted:?}");
        let waits = noted.iter().filter(|(_, may)| *may).count();
        assert_eq!(waits, usize::from(may), "{noted:?}");
    }
}

#[test]
fn leave_is_given_once_a_turn() {
    let (noting, service) = service();
    let leave = Some(Leave::new(1, || {}));
    let mut client = Client::with_leave(&service, ListenerKind::Plain, leave);
    client.send(b"a LOGIN tim pw\r\n");
    noting.take();
    let append = b"b APPEND INBOX {12+}\r\nSubject: x\r\n\r\n";
    client.pipe().put(&append.repeat(100));
    let (mut commits, mut most) = (0, 0);
    while commits < 100 {
        client.turn();
        let noted = noting.take();
        let turn = noted.iter().filter(|(asked, _)| *asked == Asked::Commit);
        let turn: Vec<bool> = turn.map(|(_, may)| *may).collect();
        commits += turn.len();
        most = most.max(turn.len());
        for (place, may) in turn.into_iter().enumerate() {
            assert_eq!(may, place == 0, "the first of a turn, and no other");
        }
        assert!(commits == 100 || client.woken(), "it goes on");
    }
    assert!(most > 1, "many are one turn's");
}
