//! Accepting: errors that are waited out and others, floods, and the end.

use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use pillarbox_driver::{
    Connection, Listener, ListenerKind, Observer, Service, Summary, accept, accept_all, drain,
};

use crate::wire::{ADDRESS, Bell, Hand, Wire};
use crate::{builder, connect};

/// What waits to be accepted, and what was.
#[derive(Default)]
struct Door {
    waiting: VecDeque<Result<(), ErrorKind>>,
    served: Vec<Connection<Wire, Hand>>,
    /// Their clients' ends.
    wires: Vec<Wire>,
    /// Times it was asked.
    asked: usize,
    /// What happens while it is asked.
    meanwhile: Option<Box<dyn FnOnce() + Send>>,
}

#[derive(Clone, Default)]
struct Scripted {
    door: Arc<Mutex<Door>>,
    clock: Hand,
}

impl Scripted {
    fn door(&self) -> std::sync::MutexGuard<'_, Door> {
        self.door.lock().expect("no test panics with the lock")
    }

    fn comes(&self, what: impl IntoIterator<Item = Result<(), ErrorKind>>) {
        self.door().waiting.extend(what);
    }
}

impl Listener for Scripted {
    type Stream = Wire;
    type Clock = Hand;

    fn poll_accept(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<(Wire, SocketAddr)>> {
        let mut door = self.door();
        door.asked += 1;
        if let Some(happens) = door.meanwhile.take() {
            happens();
        }
        match door.waiting.pop_front() {
            None => Poll::Pending,
            Some(Ok(())) => {
                let wire = Wire::default();
                wire.pipe().window = 1 << 16;
                door.wires.push(wire.clone());
                Poll::Ready(Ok((wire, ADDRESS.into())))
            }
            Some(Err(kind)) => Poll::Ready(Err(kind.into())),
        }
    }

    fn clock(&self) -> Hand {
        self.clock.clone()
    }

    fn spawn(&mut self, connection: Connection<Wire, Hand>) {
        self.door().served.push(connection);
    }
}

/// Counts what it hears of accepting.
#[derive(Default)]
struct Failures(Mutex<Vec<ErrorKind>>);

impl Failures {
    fn told(&self) -> Vec<ErrorKind> {
        self.0.lock().expect("no test panics with the lock").clone()
    }
}

impl Observer for Failures {
    fn event(&self, _: Option<SocketAddr>, _: &pillarbox_core::session::Event) {}
    fn closed(&self, _: Option<SocketAddr>, _: &Summary) {}

    fn accept_failed(&self, error: &io::Error) {
        let mut all = self.0.lock().expect("no test panics with the lock");
        all.push(error.kind());
    }
}

/// Accepting, polled by hand.
struct World {
    listener: Scripted,
    service: Arc<Service>,
    failures: Arc<Failures>,
    accepting: Pin<Box<dyn Future<Output = io::Result<()>>>>,
    bell: Arc<Bell>,
}

impl World {
    fn new(most: usize) -> Self {
        let failures = Arc::new(Failures::default());
        let service = builder()
            .max_connections(most, most)
            .observer(failures.clone())
            .build();
        let listener = Scripted::default();
        let accepting = accept(listener.clone(), ListenerKind::Plain, service.clone());
        Self {
            accepting: Box::pin(accepting),
            listener,
            service,
            failures,
            bell: Arc::default(),
        }
    }

    /// Polls once.
    fn poll(&mut self) -> Poll<io::Result<()>> {
        let waker = Waker::from(self.bell.clone());
        self.accepting
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
    }

    fn served(&self) -> usize {
        self.listener.door().served.len()
    }
}

/// What the system says when a process has too many descriptors is of no kind that has a name.
const SHORTAGE: ErrorKind = ErrorKind::Other;

#[test]
fn a_shortage_of_descriptors_is_told_once_and_waited_out() {
    let mut world = World::new(10);
    world.listener.comes([Ok(()), Err(SHORTAGE)]);
    assert!(world.poll().is_pending());
    assert_eq!((world.served(), world.failures.told().len()), (1, 1));
    let asked = world.listener.door().asked;
    world
        .listener
        .comes([Err(SHORTAGE), Err(SHORTAGE), Ok(()), Ok(())]);
    for _ in 0..2 {
        world.listener.clock.pass(99);
        assert!(world.poll().is_pending());
        world.listener.clock.pass(1);
        assert!(world.poll().is_pending());
    }
    assert_eq!(world.listener.door().asked, asked + 2, "ten times a second");
    assert_eq!(world.served(), 1);
    world.listener.clock.pass(100);
    assert!(world.poll().is_pending());
    assert_eq!(world.served(), 3);
    assert_eq!(world.failures.told(), [SHORTAGE], "it was told once");
    world.listener.comes([Err(SHORTAGE)]);
    assert!(world.poll().is_pending());
    assert_eq!(world.failures.told().len(), 2, "and the next one again");
}

#[test]
fn a_connection_that_came_to_nothing_holds_up_no_other() {
    let mut world = World::new(10);
    let gone = [
        ErrorKind::ConnectionAborted,
        ErrorKind::ConnectionReset,
        ErrorKind::Interrupted,
    ];
    world.listener.comes(gone.map(Err));
    world.listener.comes([Ok(())]);
    assert!(world.poll().is_pending());
    assert_eq!(world.served(), 1);
    assert!(world.failures.told().is_empty());
}

#[test]
fn a_listener_of_no_use_is_the_end() {
    let mut world = World::new(10);
    world.listener.comes([Err(ErrorKind::InvalidInput)]);
    assert!(matches!(world.poll(), Poll::Ready(Err(e)) if e.kind() == ErrorKind::InvalidInput));
}

#[test]
fn a_flood_lets_others_have_their_turn_and_caps_hold() {
    let mut world = World::new(100);
    world.listener.comes((0..300).map(|_| Ok(())));
    let mut polls = 0;
    loop {
        assert!(world.poll().is_pending());
        polls += 1;
        if !world.bell.rang() {
            break;
        }
    }
    assert_eq!((world.served(), polls), (300, 5));
    assert_eq!(world.service.hub().connections(), 100);
    let address = SocketAddr::from(ADDRESS).ip();
    assert_eq!(world.service.hub().connections_from(address), 100);
    world.listener.door().served.clear();
    assert_eq!(world.service.hub().connections(), 0);
}

#[test]
fn the_end_is_heard_while_nothing_comes_and_while_an_error_is_waited_out() {
    for comes in [None, Some(Err(SHORTAGE))] {
        let mut world = World::new(10);
        world.listener.comes(comes);
        assert!(world.poll().is_pending());
        world.service.hub().shutdown();
        assert!(world.bell.rang());
        let asked = world.listener.door().asked;
        assert!(matches!(world.poll(), Poll::Ready(Ok(()))));
        assert_eq!(world.listener.door().asked, asked);
    }
    // What waits when the end comes is not accepted any more.
    let mut world = World::new(10);
    world.listener.comes([Ok(())]);
    world.service.hub().shutdown();
    assert!(matches!(world.poll(), Poll::Ready(Ok(()))));
    assert_eq!(world.served(), 0);
}

#[test]
fn listeners_come_and_go_while_it_runs() {
    let service = builder().build();
    let hub = service.hub().clone();
    let bind = || TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let doors: Arc<Mutex<Vec<Scripted>>> = Arc::default();
    let made = doors.clone();
    let door = move |number: usize| made.lock().expect("nothing panics")[number].clone();
    let first = bind();
    let address = first.local_addr().expect("it has one");
    let listeners = vec![(first, ListenerKind::Plain)];
    let listen = move |_| {
        let door = Scripted::default();
        door.comes([Ok(())]);
        doors.lock().expect("nothing panics").push(door.clone());
        Ok(door)
    };
    let mut accepting = Box::pin(accept_all(listeners, service.clone(), listen));
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(bell.clone());
    let mut poll = || accepting.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(poll().is_pending());
    assert_eq!(hub.connections(), 1);
    let second = hub.listen(bind(), ListenerKind::Tls).expect("it is good");
    assert_ne!(second, address);
    assert!(bell.rang());
    assert!(poll().is_pending());
    assert_eq!(hub.connections(), 2);
    // What one says of another's address changes nothing.
    hub.turn(([127, 0, 0, 1], 1).into(), ListenerKind::Tls);
    hub.close(address);
    assert!(bell.rang());
    door(0).comes([Ok(())]);
    door(1).comes([Ok(())]);
    assert!(poll().is_pending());
    assert_eq!(hub.connections(), 3, "those of the first live on");
    assert_eq!(door(0).door().waiting.len(), 1);
    hub.close(address);
    assert!(poll().is_pending());
    hub.shutdown();
    assert!(matches!(poll(), Poll::Ready(Ok(()))));
}

#[test]
fn who_connects_after_a_listener_turned_is_met_as_it_has_become() {
    let service = builder().build();
    let hub = service.hub().clone();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it has one");
    let door = Scripted::default();
    let listen = |_| Ok(door.clone());
    let listeners = vec![(listener, ListenerKind::Tls)];
    let mut accepting = Box::pin(accept_all(listeners, service.clone(), listen));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(accepting.as_mut().poll(&mut cx).is_pending());
    // It turns when the changes were looked at already, and then someone connects.
    let turns = hub.clone();
    door.door().meanwhile = Some(Box::new(move || turns.turn(address, ListenerKind::Plain)));
    door.comes([Ok(())]);
    assert!(accepting.as_mut().poll(&mut cx).is_pending());
    let mut connection = door.door().served.pop().expect("it was accepted");
    assert!(Pin::new(&mut connection).poll(&mut cx).is_pending());
    let said = door.door().wires[0].pipe().take();
    assert!(said.starts_with(b"* OK "), "{said:?}");
}

#[test]
fn connections_are_waited_for_and_not_for_ever() {
    let poll = |draining: &mut Pin<Box<dyn Future<Output = ()>>>| {
        draining
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
    };
    let service = builder().build();
    let clock = Hand::default();
    let hub = service.hub().clone();
    let mut draining: Pin<Box<dyn Future<Output = ()>>> = Box::pin({
        let clock = clock.clone();
        async move { drain(&hub, clock).await }
    });
    let client = connect(&service);
    assert!(poll(&mut draining).is_pending());
    clock.pass(9_999);
    assert!(poll(&mut draining).is_pending());
    clock.pass(1);
    assert!(poll(&mut draining).is_ready());
    let hub = service.hub().clone();
    draining = Box::pin(async move { drain(&hub, clock).await });
    assert!(poll(&mut draining).is_pending());
    drop(client);
    assert!(poll(&mut draining).is_ready());
}
