//! A client's end of a connection: a socket, and TLS when it is in place.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, OnceLock};

use pillarbox::driver::TlsConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore};

use crate::calm::Calm;

pub struct Client {
    socket: TcpStream,
    tls: Option<ClientConnection>,
    calm: Arc<Calm>,
    pub id: usize,
    /// Octets read from the socket.
    pub read: u64,
    /// What the server said since it was last asked.
    pub heard: Vec<u8>,
    /// TLS was ended by the server.
    farewell: bool,
}

impl Client {
    pub fn new(socket: TcpStream, calm: Arc<Calm>, id: usize) -> Self {
        Self {
            socket,
            tls: None,
            calm,
            id,
            read: 0,
            heard: Vec::new(),
            farewell: false,
        }
    }

    /// Begins the handshake.
    pub fn begin_tls(&mut self) -> Result<(), String> {
        let name = ServerName::try_from("localhost").expect("a name");
        let tls = ClientConnection::new(certificate().client.clone(), name);
        self.tls = Some(tls.map_err(|e| e.to_string())?);
        self.flush()
    }

    pub fn is_handshaking(&self) -> bool {
        self.tls.as_ref().is_some_and(|t| t.is_handshaking())
    }

    /// Sends octets in one write, or in one record if that is all they fill.
    pub fn send(&mut self, octets: &[u8]) -> Result<(), String> {
        if self.tls.is_none() {
            return self.write(octets);
        }
        for piece in octets.chunks(RECORD) {
            if let Some(tls) = &mut self.tls {
                let taken = tls.writer().write_all(piece);
                taken.map_err(|e| e.to_string())?;
            }
            self.flush()?;
        }
        Ok(())
    }

    /// Closes this side.
    pub fn end(&mut self) -> Result<(), String> {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
        }
        self.flush()?;
        self.calm.ending(self.id);
        // A server that is gone has closed it.
        let _ = self.socket.shutdown(Shutdown::Write);
        Ok(())
    }

    /// Takes so many octets, which the server is known to have written.
    pub fn take(&mut self, octets: u64) -> Result<(), String> {
        let mut raw = vec![0; usize::try_from(octets).expect("scripts are short")];
        self.socket
            .read_exact(&mut raw)
            .map_err(|e| format!("octets were written and cannot be read: {e}"))?;
        self.read += octets;
        let Some(tls) = &mut self.tls else {
            self.heard.append(&mut raw);
            return Ok(());
        };
        let mut rest = &raw[..];
        while !rest.is_empty() {
            tls.read_tls(&mut rest).map_err(|e| e.to_string())?;
            let state = tls.process_new_packets().map_err(|e| format!("TLS: {e}"))?;
            self.farewell |= state.peer_has_closed();
            // An error says that there is nothing more for now.
            let _ = tls.reader().read_to_end(&mut self.heard);
        }
        self.flush()
    }

    /// The server ended: TLS with its word, the socket without another octet.
    pub fn ends_clean(&mut self) -> Result<(), String> {
        if self.tls.is_some() && !self.farewell {
            return Err(String::from("the server closed, and TLS was not ended"));
        }
        match self.socket.read(&mut [0]) {
            Ok(0) => Ok(()),
            // What it no longer wanted to read was on its way.
            Err(e) if e.kind() == ErrorKind::ConnectionReset => Ok(()),
            other => Err(format!("the server closed, and then: {other:?}")),
        }
    }

    fn flush(&mut self) -> Result<(), String> {
        let mut raw = Vec::new();
        while let Some(tls) = &mut self.tls
            && tls.wants_write()
        {
            tls.write_tls(&mut raw).map_err(|e| e.to_string())?;
        }
        if raw.is_empty() {
            Ok(())
        } else {
            self.write(&raw)
        }
    }

    fn write(&mut self, raw: &[u8]) -> Result<(), String> {
        self.calm.sending(self.id, raw.len());
        match self.socket.write_all(raw) {
            Err(e) if !self.calm.is_over(self.id) => Err(format!("cannot send: {e}")),
            // A server that has ended takes no more.
            _ => Ok(()),
        }
    }
}

/// Octets that fit a record, and a client's buffer.
const RECORD: usize = 16 << 10;

/// A certificate that nobody signed, and a client that trusts it.
pub struct Certificate {
    pub server: TlsConfig,
    client: Arc<ClientConfig>,
}

pub fn certificate() -> &'static Certificate {
    static MADE: OnceLock<Certificate> = OnceLock::new();
    MADE.get_or_init(|| {
        let made = rcgen::generate_simple_self_signed([String::from("localhost")]);
        let made = made.expect("a certificate can be made");
        let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let mut roots = RootCertStore::empty();
        let trusted = CertificateDer::from_pem_slice(chain.as_bytes()).expect("it is PEM");
        roots.add(trusted).expect("it can be trusted");
        let client = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider has them")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Certificate {
            server: TlsConfig::from_pem(chain.as_bytes(), key.as_bytes()).expect("it can be used"),
            client: Arc::new(client),
        }
    })
}
