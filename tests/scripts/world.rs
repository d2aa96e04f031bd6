//! A server as scripts speak to it, over sockets.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pillarbox::driver::{ListenerKind, Service};
use pillarbox::store::Memory;
use pillarbox_sim::{Chunking, Options, Server, UID_VALIDITY, accounts};

use crate::calm::Calm;
use crate::client::{Client, certificate};
use crate::runtime::Runtime;

/// One run of a script: a server of its own, and its clients.
pub struct World<'a> {
    runtime: &'a Runtime,
    kind: ListenerKind,
    service: Arc<Service>,
    calm: Arc<Calm>,
    clients: BTreeMap<String, Client>,
    chunking: Chunking,
    deadline: Instant,
}

impl<'a> World<'a> {
    /// The same server as the simulation's.
    pub fn new(
        runtime: &'a Runtime,
        kind: ListenerKind,
        options: &Options,
        chunking: Chunking,
        patience: Duration,
    ) -> Self {
        let backend = Arc::new(Memory::with_validity(UID_VALIDITY));
        let mut service = Service::builder(backend, Arc::new(accounts()))
            .limits(options.limits.clone())
            .plaintext_login(!options.no_plaintext);
        if options.starttls || kind == ListenerKind::Tls {
            service = service.tls(certificate().server.clone());
        }
        Self {
            runtime,
            kind,
            service: service.build(),
            calm: Calm::new(),
            clients: BTreeMap::new(),
            chunking,
            deadline: Instant::now() + patience,
        }
    }

    /// All clients close; the server's side of each must end too.
    pub fn leave(mut self) -> Result<(), String> {
        for client in self.clients.values_mut() {
            client.end()?;
        }
        self.settle()?;
        let calm = &self.calm;
        match self.clients.iter().find(|(_, c)| !calm.is_over(c.id)) {
            Some((name, _)) => Err(format!("{name} left, and its connection stays")),
            None => Ok(()),
        }
    }

    fn client(&mut self, name: &str) -> Result<&mut Client, String> {
        if !self.clients.contains_key(name) {
            let client = self.connect().map_err(|e| format!("cannot connect: {e}"))?;
            self.clients.insert(name.to_owned(), client);
            if self.kind == ListenerKind::Tls {
                self.client(name)?.begin_tls()?;
            }
            self.settle()?;
        }
        self.clients
            .get_mut(name)
            .ok_or_else(|| format!("{name} is not there"))
    }

    fn connect(&self) -> std::io::Result<Client> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let client = TcpStream::connect(listener.local_addr()?)?;
        let (server, _) = listener.accept()?;
        for socket in [&client, &server] {
            socket.set_nodelay(true)?;
        }
        let left = self.deadline.saturating_duration_since(Instant::now());
        let left = left.max(Duration::from_millis(1));
        client.set_read_timeout(Some(left))?;
        client.set_write_timeout(Some(left))?;
        server.set_nonblocking(true)?;
        let service = self.service.clone();
        let id = self.runtime.serve(server, self.kind, service, &self.calm);
        Ok(Client::new(client, self.calm.clone(), id))
    }

    /// Reads what the server writes until nothing moves; a client that hears the end ends, too.
    fn settle(&mut self) -> Result<(), String> {
        loop {
            let mut read = vec![0; self.clients.len()];
            for client in self.clients.values() {
                read[client.id] = client.read;
            }
            let written = self.calm.wait(&read, self.deadline)?;
            if written == read {
                let calm = &self.calm;
                let mut clients = self.clients.values_mut();
                match clients.find(|client| calm.awaits_end(client.id)) {
                    Some(client) => client.end()?,
                    None => return Ok(()),
                }
                continue;
            }
            for (name, client) in &mut self.clients {
                let more = written[client.id] - client.read;
                if more > 0 {
                    client.take(more).map_err(|e| format!("{name}: {e}"))?;
                }
            }
        }
    }
}

impl Server for World<'_> {
    fn send(&mut self, name: &str, octets: &[u8]) -> Result<(), String> {
        let chunking = self.chunking;
        let client = self.client(name)?;
        for chunk in chunking.cut(octets) {
            client.send(chunk)?;
        }
        self.settle()
    }

    fn take_output(&mut self, name: &str) -> Result<Vec<u8>, String> {
        Ok(std::mem::take(&mut self.client(name)?.heard))
    }

    fn names(&self) -> Vec<String> {
        self.clients.keys().cloned().collect()
    }

    fn advance(&mut self, seconds: u64) -> Result<(), String> {
        self.calm.advance(seconds);
        self.settle()
    }

    fn end_input(&mut self, name: &str) -> Result<(), String> {
        self.client(name)?.end()?;
        self.settle()
    }

    fn begin_tls(&mut self, name: &str) -> Result<(), String> {
        self.client(name)?.begin_tls()?;
        self.settle()?;
        if self.client(name)?.is_handshaking() {
            return Err(format!("{name} waits for the handshake"));
        }
        Ok(())
    }

    fn is_closed(&mut self, name: &str) -> Result<bool, String> {
        let id = self.client(name)?.id;
        let over = self.calm.is_over(id);
        if over {
            self.client(name)?.ends_clean()?;
        }
        Ok(over)
    }
}
