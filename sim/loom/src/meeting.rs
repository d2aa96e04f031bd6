//! The hub: who watches hears, who enters while the server stops is told, and who waits for the end is woken.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use loom::future::block_on;
use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use loom::thread;
use pillarbox_core::id::AccountId;
use pillarbox_core::session::Bye;

use crate::hub::{Hub, Membership};
use crate::inbox::Inbox;
use crate::letters::{MAILBOX, next, notice};
use crate::model;
use crate::service::Settings;

const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// One more connection.
fn enter(hub: &Hub) -> (Arc<Inbox>, Membership) {
    enter_within(hub, 9, 9)
}

/// One more connection where there may be so many, and so many from its address.
fn enter_within(hub: &Hub, most: usize, from_one: usize) -> (Arc<Inbox>, Membership) {
    let inbox = Arc::new(Inbox::default());
    let settings = Settings {
        max_connections: most,
        max_per_address: from_one,
    };
    let membership = hub.enter(inbox.clone(), Some(ADDRESS), &settings);
    (inbox, membership.expect("there is room to be told"))
}

fn next_bye(inbox: &Inbox) -> Bye {
    loop {
        if let Some(bye) = next(inbox).bye {
            return bye;
        }
    }
}

pub fn models() {
    model("who watches and then looks misses no change", || {
        let hub = Hub::default();
        let (inbox, membership) = enter(&hub);
        let level = Arc::new(AtomicU64::new(1));
        let (there, tell) = (level.clone(), hub.notices());
        let store = thread::spawn(move || {
            there.store(2, Ordering::SeqCst);
            tell(notice(Some(2)));
        });
        membership.watch(MAILBOX);
        if level.load(Ordering::SeqCst) < 2 {
            assert!(next(&inbox).notices.contains_key(&MAILBOX));
        }
        store.join().expect("it does not panic");
    });
    model("who watches no more hears nothing more", || {
        let hub = Hub::default();
        let (inbox, membership) = enter(&hub);
        membership.watch(MAILBOX);
        let tell = hub.notices();
        let store = thread::spawn(move || tell(notice(Some(2))));
        membership.unwatch(MAILBOX);
        store.join().expect("it does not panic");
        let _ = inbox.take(None);
        hub.notices()(notice(Some(3)));
        assert!(inbox.take(None).is_none());
    });
    model(
        "a connection that ends while it is told something leaves nothing",
        || {
            let hub = Hub::default();
            let (_inbox, membership) = enter(&hub);
            membership.watch(MAILBOX);
            let tell = hub.notices();
            let store = thread::spawn(move || tell(notice(Some(2))));
            drop(membership);
            store.join().expect("it does not panic");
            assert_eq!((hub.connections(), hub.connections_from(ADDRESS)), (0, 0));
        },
    );
    model(
        "who enters while the server stops is told, and the end is waited for",
        || {
            let hub = Hub::default();
            let entering = hub.clone();
            let connection = thread::spawn(move || {
                let (inbox, membership) = enter(&entering);
                assert_eq!(next_bye(&inbox), Bye::Shutdown);
                drop(membership);
            });
            hub.shutdown();
            block_on(hub.stopping());
            connection.join().expect("it does not panic");
            block_on(hub.drained());
        },
    );
    model("two that wait for the stop are both woken", || {
        let hub = Hub::default();
        let (one, other) = (hub.clone(), hub.clone());
        let one = thread::spawn(move || block_on(one.stopping()));
        let other = thread::spawn(move || block_on(other.stopping()));
        hub.shutdown();
        one.join().expect("it does not panic");
        other.join().expect("it does not panic");
    });
    model("who waits until all are gone is woken by the last", || {
        let hub = Hub::default();
        let (one, other) = (enter(&hub), enter(&hub));
        let one = thread::spawn(move || drop(one));
        let other = thread::spawn(move || drop(other));
        block_on(hub.drained());
        assert_eq!(hub.connections(), 0);
        one.join().expect("it does not panic");
        other.join().expect("it does not panic");
    });
    model(
        "an account that is disabled while it signs in is out",
        || {
            let hub = Hub::default();
            let (inbox, membership) = enter(&hub);
            let admitted = Arc::new(AtomicBool::new(true));
            let (disabled, ends) = (admitted.clone(), hub.clone());
            let operator = thread::spawn(move || {
                disabled.store(false, Ordering::SeqCst);
                ends.disconnect(AccountId(7), Bye::AccountDisabled);
            });
            // As a connection does when its session has signed in.
            let _ = membership.signed_in(AccountId(7));
            if !admitted.load(Ordering::SeqCst) {
                inbox.bye(Bye::AccountDisabled);
            }
            assert_eq!(next_bye(&inbox), Bye::AccountDisabled);
            operator.join().expect("it does not panic");
        },
    );
    model(
        "a password that is changed while somebody signs in with it lets nobody in",
        || {
            let hub = Hub::default();
            let (inbox, membership) = enter(&hub);
            let is_old = Arc::new(AtomicBool::new(true));
            let (password, ends) = (is_old.clone(), hub.clone());
            let operator = thread::spawn(move || {
                password.store(false, Ordering::SeqCst);
                ends.disconnect(AccountId(7), Bye::PasswordChanged);
            });
            membership.signs_in();
            if is_old.load(Ordering::SeqCst) {
                if let Some(reason) = membership.signed_in(AccountId(7)) {
                    inbox.bye(reason);
                }
                assert_eq!(next_bye(&inbox), Bye::PasswordChanged);
            }
            operator.join().expect("it does not panic");
        },
    );
    for (most, from_one) in [(1, 9), (9, 1)] {
        let name = format!("two that enter at once do not slip past the cap ({most}, {from_one})");
        model(&name, move || {
            let hub = Hub::default();
            let entering = hub.clone();
            let other = thread::spawn(move || enter_within(&entering, most, from_one));
            let one = enter_within(&hub, most, from_one);
            let other = other.join().expect("it does not panic");
            assert_eq!((hub.connections(), hub.connections_from(ADDRESS)), (1, 1));
            let told = [&one, &other].map(|(inbox, _)| inbox.take(None).is_some());
            assert!(told[0] != told[1], "one is told that it is too many");
            drop((one, other));
            assert_eq!((hub.connections(), hub.connections_from(ADDRESS)), (0, 0));
        });
    }
}
