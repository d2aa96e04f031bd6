//! A client that sends octets and reads what comes back, each with a deadline.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// How long any answer may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// How octets are cut into writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Chunking {
    /// One write.
    Whole,
    /// Each octet by itself.
    Octets,
    /// Between CR and LF.
    AtCrLf,
    /// Blocks of 64 KiB.
    Blocks,
}

/// A connection.
pub struct Client {
    stream: TcpStream,
    /// Everything said so far.
    pub said: Vec<u8>,
}

/// What became of the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// It answers.
    Alive,
    /// The server ended it.
    Closed,
}

impl Client {
    /// Connects and reads the greeting.
    pub fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("the server takes connections");
        stream.set_nodelay(true).expect("a socket can be set up");
        stream
            .set_read_timeout(Some(PATIENCE))
            .and_then(|()| stream.set_write_timeout(Some(PATIENCE)))
            .expect("a socket can be set up");
        let mut client = Self {
            stream,
            said: Vec::new(),
        };
        client.read_until(b"\r\n");
        client
    }

    /// Connects, signs in and selects INBOX.
    pub fn selected(port: u16) -> Self {
        let mut client = Self::connect(port);
        client.send(b"l LOGIN user pass\r\ns SELECT INBOX\r\n", Chunking::Whole);
        assert_eq!(client.read_until(b"\r\ns OK"), End::Alive);
        client
    }

    /// Sends octets; a server that closes meanwhile is no error.
    pub fn send(&mut self, octets: &[u8], chunking: Chunking) {
        let chunks: Vec<&[u8]> = match chunking {
            Chunking::Whole => vec![octets],
            Chunking::Octets => octets.chunks(1).collect(),
            Chunking::AtCrLf => octets.split_inclusive(|b| *b == b'\r').collect(),
            Chunking::Blocks => octets.chunks(64 << 10).collect(),
        };
        for chunk in chunks {
            if self.stream.write_all(chunk).is_err() {
                return;
            }
        }
    }

    /// Reads until these octets were said, or the server closed.
    pub fn read_until(&mut self, wanted: &[u8]) -> End {
        let since = Instant::now();
        let mut seen = self.said.len().saturating_sub(wanted.len());
        let mut buffer = [0; 64 << 10];
        loop {
            if self.said[seen..].windows(wanted.len()).any(|w| w == wanted) {
                return End::Alive;
            }
            seen = self.said.len().saturating_sub(wanted.len());
            match self.stream.read(&mut buffer) {
                Ok(0) => return End::Closed,
                Ok(n) => self.said.extend_from_slice(&buffer[..n]),
                Err(e) if e.kind() == ErrorKind::ConnectionReset => return End::Closed,
                Err(e) => panic!(
                    "{e} after {:?}, waiting for {:?}; said: {}",
                    since.elapsed(),
                    String::from_utf8_lossy(wanted),
                    self.text()
                ),
            }
        }
    }

    /// Sends a NOOP and waits for its answer.
    pub fn noop(&mut self) -> End {
        self.send(b"zz NOOP\r\n", Chunking::Whole);
        self.read_until(b"zz OK")
    }

    /// The beginning and the end of what was said, for people.
    pub fn text(&self) -> String {
        let text = String::from_utf8_lossy(&self.said);
        if text.len() < 3000 {
            return text.into_owned();
        }
        let head: String = text.chars().take(1000).collect();
        let tail: String = text.chars().rev().take(1000).collect();
        format!("{head}\n…\n{}", tail.chars().rev().collect::<String>())
    }

    /// Forgets what was said and tells how long a command with this tag takes.
    pub fn timed(&mut self, command: &[u8], tag: &str) -> Duration {
        self.said.clear();
        let since = Instant::now();
        self.send(command, Chunking::Blocks);
        let end = self.read_until(format!("{tag} OK").as_bytes());
        assert_eq!(end, End::Alive, "{}", self.text());
        since.elapsed()
    }
}
