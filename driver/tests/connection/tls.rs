//! TLS from the first octet on, and STARTTLS.

use std::io::{Read, Write};
use std::sync::Arc;

use pillarbox_core::session::CloseReason;
use pillarbox_driver::{ListenerKind, Service, TlsConfig};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use crate::wire::Client;

/// A service with a certificate, and a client's layer that trusts it.
pub fn service() -> (Arc<Service>, ClientConnection) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])
        .expect("a certificate can be made");
    let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let tls = TlsConfig::from_pem(chain.as_bytes(), key.as_bytes()).expect("it can be used");
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_slice(chain.as_bytes()).expect("it is PEM");
    roots.add(certificate).expect("it can be trusted");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has them")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("a name");
    let layer = ClientConnection::new(Arc::new(config), name).expect("a layer");
    (
        crate::builder().plaintext_login(false).tls(tls).build(),
        layer,
    )
}

/// Moves octets between the layer and the wire until nothing moves.
fn exchange(client: &mut Client, layer: &mut ClientConnection) -> String {
    let mut plain = Vec::new();
    loop {
        let mut out = Vec::new();
        while layer.wants_write() {
            layer.write_tls(&mut out).expect("a vector takes all");
        }
        client.send(&out);
        let octets = client.octets();
        let mut rest = &octets[..];
        while !rest.is_empty() {
            layer.read_tls(&mut rest).expect("octets are there");
            layer.process_new_packets().expect("the server speaks TLS");
            // An error says that there is nothing more for now.
            let _ = layer.reader().read_to_end(&mut plain);
        }
        if out.is_empty() && octets.is_empty() {
            return String::from_utf8(plain).expect("the server speaks ASCII here");
        }
    }
}

fn converse(client: &mut Client, layer: &mut ClientConnection) {
    let greeting = exchange(client, layer);
    assert!(greeting.contains("AUTH=PLAIN"), "{greeting}");
    // More than a record, and more than is read at once.
    let body = "x".repeat(200_000);
    let append = format!(
        "a LOGIN tim pw\r\nb APPEND INBOX {{{}+}}\r\n{body}\r\nc SELECT INBOX\r\n",
        body.len()
    );
    let mut said = String::new();
    for piece in append.as_bytes().chunks(30_000) {
        layer.writer().write_all(piece).expect("the layer takes it");
        said += &exchange(client, layer);
    }
    assert!(said.contains("* 1 EXISTS"), "{said}");
    layer
        .writer()
        .write_all(b"d FETCH 1 BODY[]\r\ne LOGOUT\r\n")
        .expect("the layer takes it");
    let said = exchange(client, layer);
    assert!(said.contains(&body));
    assert!(said.ends_with("e OK LOGOUT completed\r\n"));
    let summary = client.summary.take().expect("LOGOUT ends the connection");
    assert_eq!(summary.reason, Some(CloseReason::Logout));
    assert!(client.pipe().closed);
    assert_eq!(
        layer.reader().read(&mut [0; 1]).ok(),
        Some(0),
        "the layer was closed before the wire"
    );
}

#[test]
fn from_the_first_octet() {
    for read_at_once in [None, Some(1), Some(1000)] {
        let (service, mut layer) = service();
        let mut client = Client::connect(&service, ListenerKind::Tls);
        client.pipe().read_at_once = read_at_once;
        converse(&mut client, &mut layer);
    }
}

#[test]
fn over_a_narrow_wire() {
    let (service, mut layer) = service();
    let mut client = Client::connect(&service, ListenerKind::Tls);
    client.pipe().window = 100;
    converse(&mut client, &mut layer);
}

#[test]
fn after_starttls() {
    let (service, mut layer) = service();
    let mut client = Client::connect(&service, ListenerKind::Plain);
    assert!(client.said().contains("LOGINDISABLED"));
    client.send(b"a LOGIN tim pw\r\ns STARTTLS\r\n");
    let said = client.said();
    assert!(said.contains("a NO [PRIVACYREQUIRED]"), "{said}");
    assert!(said.contains("s OK "), "{said}");
    assert_eq!(exchange(&mut client, &mut layer), "", "no second greeting");
    layer
        .writer()
        .write_all(b"b CAPABILITY\r\n")
        .expect("the layer takes it");
    let said = exchange(&mut client, &mut layer);
    assert!(
        said.contains("AUTH=PLAIN") && !said.contains("STARTTLS"),
        "{said}"
    );
}

/// Who speaks no TLS, or none that is understood, is told so (RFC 8446 §6.2).
#[test]
fn what_is_no_handshake_gets_an_alert() {
    for kind in [ListenerKind::Tls, ListenerKind::Plain] {
        let (service, _) = service();
        let mut client = Client::connect(&service, kind);
        if kind == ListenerKind::Plain {
            client.send(b"s STARTTLS\r\n");
            assert!(client.said().contains("s OK "));
        }
        client.send(b"a CAPABILITY\r\n");
        let said = client.octets();
        const ALERT: u8 = 21;
        assert_eq!((said.first(), said.len()), (Some(&ALERT), 7), "{said:?}");
        assert!(client.summary.is_some(), "and that was all");
    }
}

#[test]
fn a_command_smuggled_in_before_the_handshake_never_runs() {
    let (service, _) = service();
    let mut client = Client::connect(&service, ListenerKind::Plain);
    client.send(b"s STARTTLS\r\nt CAPABILITY\r\n");
    let said = String::from_utf8_lossy(&client.octets()).into_owned();
    assert!(said.contains("s OK "), "{said}");
    assert!(!said.contains("t OK"), "{said}");
    assert!(client.summary.is_some(), "it is no handshake");
}
