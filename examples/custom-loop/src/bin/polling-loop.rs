//! The driver in an event loop of one's own: one thread, the system's readiness, no runtime and no tasks.
//! `cargo run -p custom-loop --bin polling-loop -- 127.0.0.1:1143 3` serves three connections, then ends. The user is `tim`, the password `secret`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{TcpListener, TcpStream};
use std::pin::Pin;
use std::sync::{Arc, mpsc};
use std::task::{Context, Wake, Waker};

use pillarbox_driver::{Clock, Connection, ListenerKind, NonBlocking, Service, SystemClock};
use pillarbox_store::{Memory, StaticAccounts};
use polling::{Event, Events, PollMode, Poller};

/// Which connection is to be polled, told from any thread to the loop, which may be waiting.
struct Bell(usize, mpsc::Sender<usize>, Arc<Poller>);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        // Both fail when the loop has ended.
        let _ = (self.1.send(self.0), self.2.notify());
    }
}

#[expect(unsafe_code)] // what is added to the poller must not be closed before it is deleted
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or("127.0.0.1:1143".into());
    let most = arguments.next().map_or(Ok(usize::MAX), |n| n.parse())?;
    let accounts = Arc::new(StaticAccounts::new().with("tim", "secret"));
    let service = Service::builder(Arc::new(Memory::new()), accounts);
    let service = service.plaintext_login(true).build(); // no certificate here: loopback only
    let (listener, clock) = (TcpListener::bind(address)?, SystemClock::new());
    println!("listening on {}", listener.local_addr()?);
    listener.set_nonblocking(true)?;
    let (poller, (ring, rung)) = (Arc::new(Poller::new()?), mpsc::channel());
    // Connections are counted from 1.
    unsafe { poller.add_with_mode(&listener, Event::readable(0), PollMode::Level)? };
    let mut served = BTreeMap::<usize, (TcpStream, Connection<_, _>)>::new();
    let (mut accepted, mut events) = (0, Events::new());
    while accepted < most || !served.is_empty() {
        let ticks = served.values().filter_map(|(_, c)| c.deadline());
        events.clear();
        match ticks.min().and_then(|tick| clock.instant(tick)) {
            Some(instant) => poller.wait_deadline(&mut events, instant)?,
            None => poller.wait(&mut events, None)?,
        };
        let now = clock.now().tick;
        let late = |c: &Connection<_, _>| c.deadline().is_some_and(|tick| tick <= now);
        let mut due: BTreeSet<_> = events.iter().map(|event| event.key).collect();
        due.extend(rung.try_iter());
        due.extend(served.iter().filter(|(_, (_, c))| late(c)).map(|(k, _)| k));
        if due.remove(&0)
            && let Ok((socket, peer)) = listener.accept()
        {
            accepted += 1;
            if accepted == most {
                poller.delete(&listener)?;
            }
            socket.set_nonblocking(true)?;
            let stream = NonBlocking(socket.try_clone()?);
            // Told once of each change: a connection goes on until its socket would block.
            unsafe { poller.add_with_mode(&socket, Event::all(accepted), PollMode::Edge)? };
            let (service, kind) = (service.clone(), ListenerKind::Plain);
            let connection = Connection::new(service, kind, stream, clock, Some(peer));
            served.insert(accepted, (socket, connection));
        }
        for key in due {
            if let Some((socket, connection)) = served.get_mut(&key) {
                let waker = Waker::from(Arc::new(Bell(key, ring.clone(), poller.clone())));
                let mut context = Context::from_waker(&waker);
                if Pin::new(connection).poll(&mut context).is_ready() {
                    poller.delete(&*socket)?;
                    served.remove(&key);
                }
            }
        }
    }
    Ok(())
}
