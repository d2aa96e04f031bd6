//! What a connection waits for, and the thread that waits for its socket.

use std::io::Read;
use std::net::TcpStream;
use std::sync::mpsc::{Sender, channel};

use pillarbox_core::effect::{Notice, Reply};

/// What a connection waits for.
pub enum Letter {
    /// From the client; none when it has no more to say.
    Octets(Vec<u8>),
    Reply(Reply),
    Notice(Notice),
}

/// A thread that reads the socket once each time it is asked to.
pub fn reader(mut socket: TcpStream, letters: Sender<Letter>) -> Sender<()> {
    let (ask, asked) = channel();
    std::thread::spawn(move || {
        while let Ok(()) = asked.recv() {
            let mut octets = vec![0; 8192];
            let read = socket.read(&mut octets).unwrap_or(0);
            octets.truncate(read);
            // Nobody hears it when the connection is over.
            let _ = letters.send(Letter::Octets(octets));
        }
    });
    ask
}
