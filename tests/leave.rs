//! A runtime's thread that waits for a disk: all others are served meanwhile; and runtimes that are not the server's own give no leave.
#![cfg(any(feature = "runtime-tokio", feature = "runtime-smol"))]

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use pillarbox::driver::{Leave, ListenerKind, Service};
use pillarbox::protocol::effect::Effect;
use pillarbox::store::{Backend, Job, Memory, Notices, StaticAccounts};

/// More than anything here takes, on a machine that is busy.
const DEADLINE: Duration = Duration::from_secs(20);

/// Has the thread that is to keep a message wait until it is told to go on.
struct Waiting {
    store: Memory,
    /// Is handed the leave of each message, and where to send when it is to go on.
    waits: Mutex<mpsc::Sender<(Option<Leave>, mpsc::Sender<()>)>>,
}

impl Backend for Waiting {
    fn submit(&self, job: Job) {
        if let Effect::UploadCommit(_) = job.effect() {
            let leave = job.leave().cloned();
            let stay = leave.as_ref().map(|leave| leave.take());
            assert!(!matches!(stay, Some(None)), "nobody else waits");
            let may = leave.is_some();
            let (go_on, told) = mpsc::channel();
            let waits = self.waits.lock().expect("nothing panics with it");
            waits.send((leave, go_on)).expect("the test listens");
            drop(waits);
            if may {
                // Too late: the test has failed by then.
                let _ = told.recv_timeout(2 * DEADLINE);
            }
        }
        self.store.submit(job);
    }

    fn subscribe(&self, notices: Notices) {
        self.store.subscribe(notices);
    }
}

type Waits = mpsc::Receiver<(Option<Leave>, mpsc::Sender<()>)>;

fn service() -> (Arc<Service>, Waits) {
    let (sender, waits) = mpsc::channel();
    let backend = Waiting {
        store: Memory::new(),
        waits: Mutex::new(sender),
    };
    let accounts = StaticAccounts::new().with("ann", "pw");
    let service = Service::builder(Arc::new(backend), Arc::new(accounts));
    (service.plaintext_login(true).build(), waits)
}

struct Client(BufReader<TcpStream>);

impl Client {
    fn sign_in(address: SocketAddr) -> Self {
        let socket = TcpStream::connect_timeout(&address, DEADLINE).expect("the server accepts");
        socket.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        let mut client = Self(BufReader::new(socket));
        client.send("a LOGIN ann pw\r\n");
        client.until("a OK ");
        client
    }

    fn send(&mut self, text: &str) {
        let sent = self.0.get_mut().write_all(text.as_bytes());
        sent.expect("the server reads");
    }

    fn until(&mut self, begin: &str) {
        let mut line = String::new();
        while !line.starts_with(begin) {
            line.clear();
            let read = self.0.read_line(&mut line);
            assert_ne!(read.expect("it is answered in time"), 0, "no {begin}");
        }
    }
}

fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it has one");
    (listener, address)
}

/// A runtime of the server's own.
type Run = fn(Vec<(TcpListener, ListenerKind)>, Arc<Service>) -> std::io::Result<()>;

/// One thread of the runtime waits, for as long as another client is not answered.
fn others_are_served(run: Run, relieve: bool) {
    let ((listener, address), (service, waits)) = (listen(), service());
    let hub = service.hub().clone();
    let server = std::thread::spawn(move || run(vec![(listener, ListenerKind::Plain)], service));
    let (mut one, mut other) = (Client::sign_in(address), Client::sign_in(address));
    let mut waited = 0;
    for _ in 0..20 {
        one.send("b APPEND INBOX {12+}\r\nSubject: x\r\n\r\n");
        let (leave, go_on) = waits.recv_timeout(DEADLINE).expect("it comes to the store");
        let Some(leave) = leave else {
            // It came so soon that the connection's turn was not over.
            one.until("b OK ");
            continue;
        };
        waited += 1;
        assert!(leave.take().is_none(), "one at a time");
        if relieve {
            leave.relieve();
        }
        other.send("b NOOP\r\n");
        other.until("b OK ");
        go_on.send(()).expect("it waits");
        one.until("b OK ");
    }
    assert!(waited > 0, "the first may always wait");
    hub.shutdown();
    let ended = server.join().expect("it does not panic");
    ended.expect("it ends well");
}

#[cfg(feature = "runtime-tokio")]
#[test]
fn tokio_serves_others_when_it_is_relieved() {
    others_are_served(pillarbox::tokio::run, true);
}

#[cfg(feature = "runtime-smol")]
#[test]
fn smol_serves_others_without_relief() {
    others_are_served(pillarbox::smol::run, false);
}

/// A client of a runtime that is somebody else's keeps a message; ends it.
fn no_leave(address: SocketAddr, service: &Service, waits: &Waits) {
    let mut client = Client::sign_in(address);
    client.send("b APPEND INBOX {12+}\r\nSubject: x\r\n\r\n");
    client.until("b OK ");
    let (leave, _) = waits.recv_timeout(DEADLINE).expect("it came to the store");
    assert!(leave.is_none(), "its threads must not wait");
    client.send("c LOGOUT\r\n");
    client.until("c OK ");
    service.hub().shutdown();
}

#[cfg(feature = "runtime-tokio")]
#[test]
fn threads_of_somebody_elses_tokio_have_no_leave() {
    use tokio::runtime::Builder;
    for mut builder in [Builder::new_current_thread(), Builder::new_multi_thread()] {
        let ((listener, address), (service, waits)) = (listen(), service());
        let served = service.clone();
        let client = std::thread::spawn(move || no_leave(address, &served, &waits));
        let runtime = builder.enable_all().build().expect("a runtime");
        let served = runtime.block_on(async {
            listener.set_nonblocking(true)?;
            let listener = tokio::net::TcpListener::from_std(listener)?;
            pillarbox::tokio::serve(listener, ListenerKind::Plain, service).await
        });
        served.expect("it ends well");
        client.join().expect("it has no leave");
    }
}

#[cfg(feature = "runtime-smol")]
#[test]
fn threads_of_somebody_elses_executor_have_no_leave() {
    let ((listener, address), (service, waits)) = (listen(), service());
    let served = service.clone();
    let client = std::thread::spawn(move || no_leave(address, &served, &waits));
    let executor: &'static smol::Executor<'static> = Box::leak(Box::default());
    let served = smol::block_on(executor.run(async {
        let listener = smol::Async::new(listener)?;
        pillarbox::smol::serve(listener, ListenerKind::Plain, service, executor).await
    }));
    served.expect("it ends well");
    client.join().expect("it has no leave");
}
