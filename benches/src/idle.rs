//! What a connection that does nothing costs in memory.

use std::error::Error;
use std::io::{Read, Write};
use std::sync::Arc;

use pillarbox_core::effect::{Expunge, FlagOp, MailboxRef, Open, SetFlags};
use pillarbox_core::flag::{FlagNames, SystemFlags};
use pillarbox_core::mailbox::MailboxName;
use pillarbox_core::set::UidSet;
use pillarbox_driver::{ListenerKind, Service, TlsConfig};
use pillarbox_store::{AnyAccounts, Backend, Memory, ask};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use crate::alloc;
use crate::fill::{ACTOR, fill};
use crate::wire::Wire;

/// UIDs that were given in the mailbox.
const UIDS: u32 = 10_000;
/// Connections that are measured together.
const CONNECTIONS: usize = 20;
/// Ten minutes, in steps in which timers run out.
const MINUTES: u64 = 10;

/// How the connections wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Waiting {
    /// Between two commands.
    Silent,
    /// In IDLE.
    Idle,
}

/// Octets on the heap that one connection holds, the future itself included, after SELECT of a mailbox of 10,000 UIDs of which 30 % were
/// expunged at random, `FETCH 1:* (FLAGS)` and ten minutes without a word. Needs [`Counting`](alloc::Counting) as the allocator. It is what
/// comes back when the server's side of the connections is dropped.
///
/// # Errors
/// The store or TLS refuses, or a connection ended by itself.
pub fn octets(kind: ListenerKind, waiting: Waiting) -> Result<i64, Box<dyn Error>> {
    let store = Arc::new(Memory::new());
    fill(&*store, UIDS as usize, 0)?;
    let (tls, config) = certificate()?;
    let service = Service::builder(store.clone(), Arc::new(AnyAccounts::new()))
        .plaintext_login(true)
        .tls(tls)
        .build();
    let mailbox = mailbox(&*store)?;
    let (before, during) = victims();
    expunge(&*store, mailbox, before)?;
    let mut clients = connect(&service, kind, &config)?;
    for client in &mut clients {
        client.say("a LOGIN tim pw\r\nb SELECT INBOX\r\n", "b OK")?;
    }
    expunge(&*store, mailbox, during)?;
    for client in &mut clients {
        client.say("c NOOP\r\n", "c OK")?;
        client.say("d FETCH 1:* (FLAGS)\r\n", "d OK")?;
        if waiting == Waiting::Idle {
            client.say("e IDLE\r\n", "+ ")?;
        }
        for _ in 0..MINUTES {
            client.wire.wait(60_000);
        }
        // What was said meanwhile lies in the wire, not in the server.
        client.exchange("")?;
    }
    let held = alloc::in_use();
    if !clients.iter_mut().all(|c| c.wire.cut()) {
        return Err("a connection did not last ten minutes".into());
    }
    Ok((held - alloc::in_use()) / CONNECTIONS as i64)
}

/// The same of one that has not signed in: after the greeting and some commands, good and bad, a minute without a word.
///
/// # Errors
/// TLS refuses, or a connection ended by itself.
pub fn before_login(kind: ListenerKind) -> Result<i64, Box<dyn Error>> {
    let (tls, config) = certificate()?;
    let store = Arc::new(Memory::new());
    let service = Service::builder(store, Arc::new(AnyAccounts::new()))
        .plaintext_login(true)
        .tls(tls)
        .build();
    let mut clients = connect(&service, kind, &config)?;
    for client in &mut clients {
        client.say("a CAPABILITY\r\n", "a OK")?;
        client.say("b ID (\"name\" \"x\")\r\n", "b OK")?;
        client.say("c AUTHENTICATE PLAIN\r\n*\r\n", "c BAD")?;
        client.say(&format!("d NOOP {}\r\n", "x".repeat(20_000)), "d BAD")?;
        client.say("z NOOP\r\n", "z OK")?;
        client.say("e NOOP {1000+}\r\n", "")?;
        client.say(&format!("{}\r\n", "x".repeat(1000)), "e BAD")?;
        client.say("f NOOP\r\n", "f OK")?;
        client.wire.wait(60_000);
        client.exchange("")?;
    }
    let held = alloc::in_use();
    if !clients.iter_mut().all(|c| c.wire.cut()) {
        return Err("a connection did not last a minute".into());
    }
    Ok((held - alloc::in_use()) / CONNECTIONS as i64)
}

struct Client {
    wire: Wire,
    layer: Option<ClientConnection>,
}

impl Client {
    fn say(&mut self, line: &str, answer: &str) -> Result<(), Box<dyn Error>> {
        let said = self.exchange(line)?;
        let last = said.trim_end().rsplit("\r\n").next();
        if said.is_empty() && answer.is_empty() {
            return Ok(());
        }
        if last.is_some_and(|l| l.starts_with(answer)) {
            return Ok(());
        }
        Err(format!("{line:?} was answered {last:?}").into())
    }

    fn exchange(&mut self, line: &str) -> Result<String, Box<dyn Error>> {
        let Some(layer) = &mut self.layer else {
            return Ok(String::from_utf8(self.wire.exchange(line.as_bytes()))?);
        };
        layer.writer().write_all(line.as_bytes())?;
        let mut plain = Vec::new();
        loop {
            let mut out = Vec::new();
            while layer.wants_write() {
                layer.write_tls(&mut out)?;
            }
            let octets = self.wire.exchange(&out);
            if out.is_empty() && octets.is_empty() {
                return Ok(String::from_utf8(plain)?);
            }
            let mut rest = &octets[..];
            while !rest.is_empty() {
                layer.read_tls(&mut rest)?;
                layer.process_new_packets()?;
                // An error says that there is nothing more for now.
                let _ = layer.reader().read_to_end(&mut plain);
            }
        }
    }
}

/// A certificate made on the spot, and a client's configuration that trusts it.
fn certificate() -> Result<(TlsConfig, Arc<ClientConfig>), Box<dyn Error>> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let tls = TlsConfig::from_pem(chain.as_bytes(), key.as_bytes())?;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(chain.as_bytes())?)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok((tls, Arc::new(config)))
}

fn connect(
    service: &Arc<Service>,
    kind: ListenerKind,
    config: &Arc<ClientConfig>,
) -> Result<Vec<Client>, Box<dyn Error>> {
    let client = |_| {
        let layer = layer(kind, config)?;
        let wire = Wire::connect(service, kind);
        Ok(Client { wire, layer })
    };
    (0..CONNECTIONS).map(client).collect()
}

fn layer(
    kind: ListenerKind,
    config: &Arc<ClientConfig>,
) -> Result<Option<ClientConnection>, Box<dyn Error>> {
    if kind == ListenerKind::Plain {
        return Ok(None);
    }
    let name = ServerName::try_from("localhost")?;
    Ok(Some(ClientConnection::new(config.clone(), name)?))
}

fn mailbox(store: &dyn Backend) -> Result<MailboxRef, Box<dyn Error>> {
    let open = Open {
        actor: ACTOR,
        name: MailboxName::inbox(),
        read_only: true,
    };
    Ok(ask(store, open)?.mailbox)
}

/// Three of ten UIDs at random, in two halves.
fn victims() -> (UidSet, UidSet) {
    let (mut before, mut during) = (Vec::new(), Vec::new());
    let mut state = 42u64;
    for uid in 1..=UIDS {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        match (state >> 33) % 20 {
            0..3 => before.push((uid, uid)),
            3..6 => during.push((uid, uid)),
            _ => {}
        }
    }
    (UidSet::from_ranges(before), UidSet::from_ranges(during))
}

fn expunge(store: &dyn Backend, mailbox: MailboxRef, uids: UidSet) -> Result<(), Box<dyn Error>> {
    let flags = SetFlags {
        actor: ACTOR,
        mailbox,
        uids: uids.clone(),
        op: FlagOp::Add,
        flags: FlagNames {
            system: SystemFlags::DELETED,
            keywords: Vec::new(),
        },
        unchanged_since: None,
    };
    ask(store, flags)?;
    let expunge = Expunge {
        actor: ACTOR,
        mailbox,
        uids: uids.clone(),
    };
    if ask(store, expunge)?.uids != uids {
        return Err("the store did not expunge what it was asked to".into());
    }
    Ok(())
}
