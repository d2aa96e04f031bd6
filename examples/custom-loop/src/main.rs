//! The core in an event loop of one's own: threads and channels of the standard library, without the driver and without a runtime.
//! `cargo run -p custom-loop -- 127.0.0.1:1143 3` serves three connections, then ends. The user is `tim`, the password `secret`.

mod server;

use std::io::{self, ErrorKind::WouldBlock, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::sync_channel;
use std::{thread, time::Duration};

use bytes::Buf;
use pillarbox_core::session::Action;
use server::{Input, Server};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or("127.0.0.1:1143".into());
    let connections = arguments.next().map_or(Ok(usize::MAX), |n| n.parse())?;
    let (server, listener) = (&Server::new(), TcpListener::bind(address)?);
    println!("listening on {}", listener.local_addr()?);
    thread::scope(|scope| {
        for socket in listener.incoming().flatten().take(connections) {
            // A connection that breaks is none of the others' business; its reader ends with it.
            scope.spawn(move || serve(server, &socket).and(socket.shutdown(Shutdown::Both)));
        }
    });
    Ok(())
}

/// The loop of one connection. All it waits for comes through one channel, which has room for what there can be at a time.
fn serve(server: &Server, mut socket: &TcpStream) -> io::Result<()> {
    let (inbox, inputs) = sync_channel(8);
    let (reader, (ask, asked), octets) = (socket.try_clone()?, sync_channel(1), inbox.clone());
    thread::spawn(move || server::read(reader, asked, octets));
    let bell = server.bell(inbox);
    let mut session = server.session(socket.peer_addr()?.ip());
    let mut unread: Option<Vec<u8>> = None;
    let (mut reading, mut broken, mut closed) = (false, false, false);
    loop {
        if broken {
            session.handle_reset();
        }
        while let Some(action) = session.poll(server.now()) {
            match action {
                Action::Effect(effect) => server.submit(effect, &bell),
                Action::Closed(_) => closed = true,
                _ => {} // events are for logs, and TLS is not offered
            }
        }
        let wait = server.until(&session);
        let mut out = session.transmit(server.now());
        if out.has_remaining() && !broken {
            socket.set_write_timeout(wait.or(Some(Duration::from_secs(5))))?;
            match socket.write(out.chunk()) {
                Ok(sent) => out.advance(sent),
                Err(e) if e.kind() == WouldBlock && !closed => session.handle_timeout(server.now()),
                Err(_) => broken = true,
            }
            continue;
        } else if closed {
            return Ok(());
        }
        // No room, no reading: the client waits.
        if let Some(mut slot) = session.recv_slot() {
            if let Some(octets) = unread.take() {
                slot.put(&octets);
                continue;
            }
            reading = reading || ask.send(slot.capacity()).is_ok();
        }
        match inputs.recv_timeout(wait.unwrap_or(Duration::MAX)) {
            Ok(Input::Octets(octets)) => (unread, reading) = (Some(octets), false),
            Ok(Input::End) => session.handle_eof(),
            Ok(Input::Reply(reply)) => session.handle_reply(reply),
            Ok(Input::Notice) => bell.heard(&mut session),
            Err(_) => session.handle_timeout(server.now()),
        }
    }
}
