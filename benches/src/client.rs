//! A client that blocks, for loopback.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

/// A client over TCP. It reads answers through one buffer and keeps only their end.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
    tag: u32,
}

/// Octets read at once.
const READ: usize = 256 << 10;
/// Longer than any tagged line here.
const LINE: usize = 256;

impl Client {
    /// Connects and reads the greeting.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let mut client = Self {
            stream,
            buffer: vec![0; READ],
            tag: 0,
        };
        client.read_until("*")?;
        Ok(client)
    }

    /// Signs in and selects INBOX.
    ///
    /// # Errors
    /// The server refuses, or the connection is gone.
    pub fn sign_in(&mut self) -> io::Result<()> {
        self.command("LOGIN tim pw")?;
        self.command("SELECT INBOX")?;
        Ok(())
    }

    /// Sends a command and reads its answer; how many octets that had.
    ///
    /// # Errors
    /// The answer is not OK, or the connection is gone.
    pub fn command(&mut self, command: &str) -> io::Result<u64> {
        self.tag += 1;
        let tag = format!("t{:06}", self.tag);
        let line = format!("{tag} {command}\r\n");
        self.stream.write_all(line.as_bytes())?;
        self.read_until(&tag)
    }

    /// Sends APPEND of this message to INBOX with a literal that is not waited for.
    ///
    /// # Errors
    /// The answer is not OK, or the connection is gone.
    pub fn append(&mut self, message: &[u8]) -> io::Result<()> {
        self.append_to("INBOX", message)
    }

    /// Sends APPEND of this message to a mailbox with a literal that is not waited for.
    ///
    /// # Errors
    /// The answer is not OK, or the connection is gone.
    pub fn append_to(&mut self, mailbox: &str, message: &[u8]) -> io::Result<()> {
        self.tag += 1;
        let tag = format!("t{:06}", self.tag);
        let mut octets = format!("{tag} APPEND {mailbox} {{{}+}}\r\n", message.len()).into_bytes();
        octets.extend_from_slice(message);
        octets.extend_from_slice(b"\r\n");
        self.stream.write_all(&octets)?;
        self.read_until(&tag).map(drop)
    }

    /// Reads until the last whole line begins with this tag, and says how many octets came.
    fn read_until(&mut self, tag: &str) -> io::Result<u64> {
        let (mut total, mut kept) = (0, 0);
        loop {
            let n = self.stream.read(&mut self.buffer[kept..])?;
            if n == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            total += n as u64;
            let held = kept + n;
            let line = last_line(&self.buffer[..held]);
            if let Some(answer) = line.and_then(|l| l.strip_prefix(tag.as_bytes())) {
                return if answer.starts_with(b" OK") {
                    Ok(total)
                } else {
                    Err(io::Error::other(String::from_utf8_lossy(answer)))
                };
            }
            kept = held.min(LINE);
            self.buffer.copy_within(held - kept..held, 0);
        }
    }
}

fn last_line(octets: &[u8]) -> Option<&[u8]> {
    let whole = octets.strip_suffix(b"\r\n")?;
    let start = whole
        .iter()
        .rposition(|b| *b == b'\n')
        .map_or(0, |at| at + 1);
    Some(&whole[start..])
}
