//! A client that sends octets and reads what comes back, each with a deadline.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, ClientConnection};

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
    /// In the middle of each literal.
    InLiterals,
    /// Blocks of 64 KiB.
    Blocks,
}

impl Chunking {
    /// Every one.
    pub const ALL: [Self; 5] = [
        Self::Whole,
        Self::Octets,
        Self::AtCrLf,
        Self::InLiterals,
        Self::Blocks,
    ];

    /// Cuts octets.
    pub fn cut(self, octets: &[u8]) -> Vec<&[u8]> {
        match self {
            Self::Whole => vec![octets],
            Self::Octets => octets.chunks(1).collect(),
            Self::AtCrLf => octets.split_inclusive(|b| *b == b'\r').collect(),
            Self::InLiterals => in_literals(octets),
            Self::Blocks => octets.chunks(64 << 10).collect(),
        }
    }
}

/// Cuts in the middle of whatever reads as a literal, and in the middle of its announcement.
fn in_literals(octets: &[u8]) -> Vec<&[u8]> {
    let (mut chunks, mut rest, mut from) = (Vec::new(), octets, 0);
    while let Some(at) = crate::find(&rest[from..], b"}\r\n") {
        let close = from + at;
        let head = &rest[..close];
        let open = head.iter().rposition(|b| *b == b'{').unwrap_or(close);
        let digits = String::from_utf8_lossy(&head[open..close]);
        let size = digits.trim_matches(['{', '+']).parse::<usize>().ok();
        let middle = size.unwrap_or(0) / 2;
        let cut = (close + 3).saturating_add(middle).min(rest.len());
        let (now, later) = rest.split_at(cut);
        let (announcement, begun) = now.split_at(close);
        chunks.extend([announcement, begun]);
        (rest, from) = (later, 0);
        if let Some(n) = size {
            from = (n - middle).min(rest.len());
        }
    }
    chunks.push(rest);
    chunks.retain(|chunk| !chunk.is_empty());
    chunks
}

/// Octets both ways.
trait Stream: Read + Write + Send {}

impl<T: Read + Write + Send> Stream for T {}

/// A connection.
pub struct Client {
    stream: Box<dyn Stream>,
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

/// A socket to the server, with deadlines.
pub fn socket(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the server takes connections");
    stream.set_nodelay(true).expect("a socket can be set up");
    stream
        .set_read_timeout(Some(PATIENCE))
        .and_then(|()| stream.set_write_timeout(Some(PATIENCE)))
        .expect("a socket can be set up");
    stream
}

/// TLS over a socket. What the server said is read even when nothing can be sent any more.
struct Tls {
    tls: ClientConnection,
    stream: TcpStream,
}

/// A client of TLS that asks for this name.
pub fn tls(config: &Arc<ClientConfig>, name: &str) -> ClientConnection {
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    ClientConnection::new(config.clone(), name).expect("a client can be made")
}

impl Tls {
    fn receive(&mut self) -> std::io::Result<usize> {
        let n = self.tls.read_tls(&mut self.stream)?;
        let processed = self.tls.process_new_packets();
        processed.map(|_| n).map_err(std::io::Error::other)
    }
}

impl Read for Tls {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        loop {
            match self.tls.reader().read(buffer) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                read => return read,
            }
            if self.receive()? == 0 {
                return Ok(0);
            }
        }
    }
}

impl Write for Tls {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        let n = self.tls.writer().write(octets)?;
        self.flush()?;
        Ok(n)
    }

    /// Also finishes the handshake.
    fn flush(&mut self) -> std::io::Result<()> {
        loop {
            while self.tls.wants_write() {
                self.tls.write_tls(&mut self.stream)?;
            }
            if !self.tls.is_handshaking() {
                return Ok(());
            }
            if self.receive()? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

impl Client {
    /// Connects and reads the greeting.
    pub fn connect(address: SocketAddr, config: Option<&Arc<ClientConfig>>) -> Self {
        let stream = socket(address);
        let mut client = match config {
            None => Self::over(stream),
            Some(config) => Self {
                stream: Box::new(Tls {
                    tls: tls(config, "localhost"),
                    stream,
                }),
                said: Vec::new(),
            },
        };
        let handshake = client.stream.flush();
        handshake.expect("the server agrees to TLS");
        client.read_until(b"\r\n");
        client
    }

    /// A client on a socket that is connected.
    pub fn over(stream: TcpStream) -> Self {
        Self {
            stream: Box::new(stream),
            said: Vec::new(),
        }
    }

    /// Sends octets; a server that closes meanwhile is no error.
    pub fn send(&mut self, octets: &[u8], chunking: Chunking) {
        for chunk in chunking.cut(octets) {
            let sent = self.stream.write_all(chunk);
            if sent.and_then(|()| self.stream.flush()).is_err() {
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
                Err(e)
                    if matches!(
                        e.kind(),
                        ErrorKind::ConnectionReset
                            | ErrorKind::ConnectionAborted
                            | ErrorKind::BrokenPipe
                            | ErrorKind::UnexpectedEof
                    ) =>
                {
                    return End::Closed;
                }
                Err(e) => panic!(
                    "{e} after {:?}, waiting for {:?}; said: {}",
                    since.elapsed(),
                    String::from_utf8_lossy(wanted),
                    text(&self.said)
                ),
            }
        }
    }

    /// Sends a NOOP and waits for its answer.
    pub fn noop(&mut self) -> End {
        self.send(b"zz NOOP\r\n", Chunking::Whole);
        self.read_until(b"zz OK NOOP completed\r\n")
    }

    /// Forgets what was said and tells how long a command with this tag takes.
    pub fn timed(&mut self, command: &[u8], tag: &str) -> Duration {
        self.said.clear();
        let since = Instant::now();
        self.send(command, Chunking::Blocks);
        let end = self.read_until(format!("{tag} OK").as_bytes());
        assert_eq!(end, End::Alive, "{}", text(&self.said));
        since.elapsed()
    }
}

/// The beginning and the end of what was said, for people.
pub fn text(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    if text.len() < 3000 {
        return text.into_owned();
    }
    let head: String = text.chars().take(1000).collect();
    let tail: String = text.chars().rev().take(1000).collect();
    format!("{head}\n…\n{}", tail.chars().rev().collect::<String>())
}
