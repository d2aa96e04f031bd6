//! The event loops serve clients side by side, tell one what another did, read no more than they can answer, and end when all are gone.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(30);

/// Killed when the test fails before it has ended.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream
            .set_read_timeout(Some(DEADLINE))
            .expect("a socket has a time-out");
        Self(BufReader::new(stream))
    }

    /// Sends octets and reads until a line begins with `end`.
    fn say(&mut self, octets: &str, end: &str) {
        self.0
            .get_mut()
            .write_all(octets.as_bytes())
            .expect("the server reads");
        let mut said = String::new();
        loop {
            let mut line = String::new();
            let read = self.0.read_line(&mut line);
            assert!(
                read.as_ref().is_ok_and(|n| *n > 0),
                "{read:?} while waiting for {end:?} after {octets:?}; the server said: {said}"
            );
            said.push_str(&line);
            if line.starts_with(end) {
                return;
            }
        }
    }
}

#[test]
fn the_core_in_threads_serves_clients_and_ends() {
    serves_clients_and_ends(env!("CARGO_BIN_EXE_custom-loop"));
}

#[test]
fn the_driver_on_one_thread_serves_clients_and_ends() {
    serves_clients_and_ends(env!("CARGO_BIN_EXE_polling-loop"));
}

fn serves_clients_and_ends(program: &str) {
    let mut server = Command::new(program)
        .args(["127.0.0.1:0", "4"])
        .stdout(Stdio::piped())
        .spawn()
        .map(Server)
        .expect("the example starts");
    let mut line = String::new();
    let stdout = server.0.stdout.take().expect("stdout is a pipe");
    BufReader::new(stdout)
        .read_line(&mut line)
        .expect("the example says where it listens");
    let address = line.trim().rsplit(' ').next().expect("an address");
    one_hears_what_another_does(address);
    what_came_before_the_end_is_answered(address);
    who_does_not_read_is_not_read(address);
    let until = Instant::now() + DEADLINE;
    let status = loop {
        match server.0.try_wait().expect("the example can be waited for") {
            Some(status) => break status,
            None => assert!(Instant::now() < until, "it serves on after its last client"),
        }
        std::thread::yield_now();
    };
    assert!(status.success(), "it ended with {status}");
}

fn one_hears_what_another_does(address: &str) {
    let (mut one, mut other) = (Client::connect(address), Client::connect(address));
    one.say("a LOGIN tim secret\r\nb SELECT INBOX\r\nc IDLE\r\n", "+ ");
    other.say("a LOGIN tim secret\r\n", "a OK");
    for count in 1..=3 {
        other.say("b APPEND INBOX {8+}\r\nS: x\r\n\r\n\r\n", "b OK");
        one.say("", &format!("* {count} EXISTS"));
    }
    one.say("DONE\r\nd FETCH 1 BODY[]\r\ne LOGOUT\r\n", "e OK");
    other.say("c LOGOUT\r\n", "c OK");
}

fn what_came_before_the_end_is_answered(address: &str) {
    let mut client = Client::connect(address);
    client.say("", "* OK");
    let socket = client.0.get_mut();
    socket.write_all(b"a NOOP\r\nb NO").expect("it reads");
    socket.shutdown(Shutdown::Write).expect("half is closed");
    client.say("", "a OK");
}

/// Nobody takes 30 MB of answers: 16 MB of commands behind them wait in the sockets, as far as they fit, and all are answered then.
fn who_does_not_read_is_not_read(address: &str) {
    let (fetches, others) = (150, 16_000);
    let mut client = Client::connect(address);
    let message = "x".repeat(998) + "\r\n";
    let message = "\r\n".to_owned() + &message.repeat(200);
    let append = format!("b APPEND INBOX {{{}+}}\r\n{message}\r\n", message.len());
    client.say("a LOGIN tim secret\r\n", "a OK");
    client.say(&append, "b OK");
    client.say("c SELECT INBOX\r\n", "c OK");
    let other = format!("n ID (\"name\" \"{}\")\r\n", "x".repeat(1000));
    let commands = "n FETCH * BODY.PEEK[]\r\n".repeat(fetches) + &other.repeat(others);
    let mut sender = client.0.get_ref().try_clone().expect("a second handle");
    sender
        .set_write_timeout(Some(Duration::from_millis(200)))
        .expect("a socket has a time-out");
    let mut sent = 0;
    while sent < commands.len()
        && let Ok(more) = sender.write(&commands.as_bytes()[sent..])
    {
        sent += more;
    }
    assert!(sent < commands.len(), "it took everything");
    sender.set_write_timeout(None).expect("none is one, too");
    let rest = commands[sent..].to_owned() + "z LOGOUT\r\n";
    let rest = std::thread::spawn(move || sender.write_all(rest.as_bytes()));
    for _ in 0..fetches + others {
        client.say("", "n OK");
    }
    client.say("", "z OK");
    assert!(rest.join().is_ok_and(|sent| sent.is_ok()));
}
