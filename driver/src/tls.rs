//! TLS as a layer of octets over rustls, none of whose types are shown.

use std::io::{self, BufRead, IoSlice, Write};
use std::sync::{Arc, PoisonError, RwLock};

use pillarbox_core::session::TlsFacts;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};

/// Certificates and keys; a clone shares them, and [`TlsConfig::replace`] reaches all clones.
#[derive(Clone, Debug)]
pub struct TlsConfig(Arc<RwLock<Arc<ServerConfig>>>);

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The chain is not PEM, or empty.
    #[error("The certificate chain cannot be read as PEM: {0}")]
    Chain(String),
    /// The key is not PEM.
    #[error("The private key cannot be read as PEM: {0}")]
    Key(String),
    /// They do not go together, or cannot be used.
    #[error("The certificate and the key cannot be used: {0}")]
    Mismatch(String),
}

impl TlsConfig {
    /// A certificate chain, the server's own first, and its key, both in PEM.
    ///
    /// # Errors
    /// They cannot be read or do not go together.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        Ok(Self(Arc::new(RwLock::new(read(chain, key)?))))
    }

    /// Takes other certificates for connections from now on; on an error the old ones stay.
    ///
    /// # Errors
    /// They cannot be read or do not go together.
    pub fn replace(&self, chain: &[u8], key: &[u8]) -> Result<(), TlsError> {
        let config = read(chain, key)?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    pub(crate) fn begin(&self) -> Result<Tls, TlsError> {
        let config = self
            .0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let mut connection =
            ServerConnection::new(config).map_err(|e| TlsError::Mismatch(e.to_string()))?;
        connection.set_buffer_limit(Some(BUFFER));
        Ok(Tls(connection))
    }
}

/// Octets of plain text held in the layer.
const BUFFER: usize = 64 << 10;

fn read(chain: &[u8], key: &[u8]) -> Result<Arc<ServerConfig>, TlsError> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<_, _>>()
        .map_err(|e| TlsError::Chain(e.to_string()))?;
    if chain.is_empty() {
        return Err(TlsError::Chain(String::from("it holds no certificate")));
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|e| TlsError::Key(e.to_string()))?;
    #[cfg(feature = "tls")]
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    #[cfg(not(feature = "tls"))]
    let provider = rustls::crypto::ring::default_provider();
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .and_then(|b| b.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|e| TlsError::Mismatch(e.to_string()))?;
    config.alpn_protocols = vec![b"imap".to_vec()];
    Ok(Arc::new(config))
}

/// One connection's layer.
#[derive(Debug)]
pub(crate) struct Tls(ServerConnection);

impl Tls {
    pub(crate) fn handshaking(&self) -> bool {
        self.0.is_handshaking()
    }

    /// Takes some octets from the peer, at least one; `false`: the peer ended the layer.
    pub(crate) fn take(&mut self, octets: &mut &[u8]) -> io::Result<bool> {
        if self.0.read_tls(octets)? == 0 {
            // Behind the peer's end nothing is taken any more.
            *octets = &[];
        }
        let state = self.0.process_new_packets().map_err(io::Error::other)?;
        Ok(!state.peer_has_closed())
    }

    /// Hands the plain text that has come to `put`.
    pub(crate) fn drain(&mut self, mut put: impl FnMut(&[u8])) -> io::Result<()> {
        let mut reader = self.0.reader();
        loop {
            let n = match reader.fill_buf() {
                Ok([]) => return Ok(()),
                Ok(plain) => {
                    put(plain);
                    plain.len()
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) => return Err(e),
            };
            reader.consume(n);
        }
    }

    /// Takes plain text for the peer; how much of it.
    pub(crate) fn send(&mut self, octets: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.writer().write_vectored(octets)
    }

    pub(crate) fn wants_write(&self) -> bool {
        self.0.wants_write()
    }

    pub(crate) fn write(&mut self, to: &mut dyn Write) -> io::Result<usize> {
        self.0.write_tls(to)
    }

    pub(crate) fn close(&mut self) {
        self.0.send_close_notify();
    }

    pub(crate) fn facts(&self) -> TlsFacts {
        let mut facts = TlsFacts::default();
        facts.version = self
            .0
            .protocol_version()
            .and_then(|v| v.as_str())
            .map(str::to_owned);
        facts.sni = self.0.server_name().map(str::to_owned);
        facts.alpn = self.0.alpn_protocol().map(bytes::Bytes::copy_from_slice);
        facts
    }
}
