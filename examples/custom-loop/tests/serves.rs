//! The event loop serves two clients at a time, tells one of them what the other did, and ends when both are gone.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
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
fn serves_two_clients_and_ends() {
    let mut server = Command::new(env!("CARGO_BIN_EXE_custom-loop"))
        .args(["127.0.0.1:0", "2"])
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
    let (mut one, mut other) = (Client::connect(address), Client::connect(address));
    one.say("a LOGIN tim secret\r\nb SELECT INBOX\r\nc IDLE\r\n", "+ ");
    other.say(
        "a LOGIN tim secret\r\nb APPEND INBOX {8+}\r\nS: x\r\n\r\n\r\n",
        "b OK",
    );
    one.say("", "* 1 EXISTS");
    one.say("DONE\r\nd FETCH 1 BODY[]\r\ne LOGOUT\r\n", "e OK");
    other.say("c LOGOUT\r\n", "c OK");
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
