//! One connection: octets, replies, notices and time go into its session; effects and octets come out.

use std::io::{self, Write};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant, SystemTime};

use bytes::Buf;
use pillarbox_core::now::{Now, Tick};
use pillarbox_core::session::{Action, Config, Peer, Session};

use crate::Store;
use crate::letter::{self, Letter};

/// Serves one client until it or the session has enough. `letters` is the way into `inbox`, for the store and for whoever reads the socket.
pub fn serve(
    store: &Store,
    mut socket: &TcpStream,
    letters: &Sender<Letter>,
    inbox: &Receiver<Letter>,
) -> io::Result<()> {
    socket.set_write_timeout(Some(Duration::from_secs(300)))?;
    let began = Instant::now();
    let now = || Now {
        tick: Tick(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)),
        unix: SystemTime::UNIX_EPOCH
            .elapsed()
            .map_or(0, |d| d.as_secs().cast_signed()),
    };
    let mut config = Config::default();
    config.plaintext_login = true; // there is no TLS here: loopback only
    let peer = Peer::plain(Some(socket.peer_addr()?.ip()));
    let mut session = Session::new(config.into(), peer, [0; 32], now());
    let ask = letter::reader(socket.try_clone()?, letters.clone());
    let (mut octets, mut asked) = (Vec::new(), false);
    loop {
        let mut closed = false;
        while let Some(action) = session.poll(now()) {
            match action {
                Action::Effect(effect) => store.submit(effect, letters.clone()),
                Action::Closed(_) => closed = true,
                _ => {} // events are for logs; TLS was not offered
            }
        }
        let mut answers = session.transmit(now());
        while answers.has_remaining() {
            let sent = socket.write(answers.chunk())?;
            answers.advance(sent);
        }
        if closed {
            return Ok(());
        }
        // No slot: no octets are taken and none are asked for, which is all the backpressure there is.
        if let Some(mut slot) = session.recv_slot() {
            let taken = slot.capacity().min(octets.len());
            slot.put(&octets[..taken]);
            octets.drain(..taken);
            if taken > 0 {
                continue;
            }
            asked = asked || ask.send(()).is_ok();
        }
        let left = session
            .deadline()
            .map(|at| at.0.saturating_sub(now().tick.0));
        match inbox.recv_timeout(left.map_or(Duration::MAX, Duration::from_millis)) {
            Ok(Letter::Octets(end)) if end.is_empty() => session.handle_eof(),
            Ok(Letter::Octets(read)) => (octets, asked) = (read, false),
            Ok(Letter::Reply(reply)) => session.handle_reply(reply),
            Ok(Letter::Notice(notice)) => session.handle_notice(notice),
            Err(_) => session.handle_timeout(now()),
        }
    }
}
