//! The crate async-imap, over TLS: what Rust programs do, IDLE among it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_imap::Session;
use async_imap::extensions::idle::IdleResponse;
use futures_lite::StreamExt;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::demo::{Demo, Folder};

type Error = Box<dyn std::error::Error>;

const MESSAGE: &[u8] = b"From: a@example.org\r\nSubject: from Rust\r\n\r\nbody \xc3\xa4\r\n";

fn async_imap_on(runtime: &str) {
    let folder = Folder::new(&format!("async-imap-{runtime}"));
    let demo = Demo::start(&["--runtime", runtime]);
    let tokio = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be built");
    tokio.block_on(async {
        in_time(converse(&demo, &folder)).await;
        in_time(idle(&demo, &folder)).await;
    });
    demo.terminate();
}

#[test]
fn async_imap_on_tokio() {
    async_imap_on("tokio");
}

#[cfg(feature = "runtime-smol")]
#[test]
fn async_imap_on_smol() {
    async_imap_on("smol");
}

async fn in_time(conversation: impl Future<Output = Result<(), Error>>) {
    let ended = tokio::time::timeout(Duration::from_secs(60), conversation).await;
    ended
        .expect("the conversation ends within a minute")
        .expect("the server does as it is asked");
}

async fn sign_in(demo: &Demo, folder: &Folder) -> Result<Session<TlsStream<TcpStream>>, Error> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(demo.certificate(folder))?)?;
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(("127.0.0.1", demo.tls)).await?;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = connector
        .connect(ServerName::try_from("localhost")?, stream)
        .await?;
    let mut client = async_imap::Client::new(stream);
    client.read_response().await?.ok_or("no greeting")?;
    Ok(client.login("user", "pass").await.map_err(|(e, _)| e)?)
}

async fn converse(demo: &Demo, folder: &Folder) -> Result<(), Error> {
    let mut session = sign_in(demo, folder).await?;
    assert!(session.capabilities().await?.has_str("IMAP4rev1"));
    let inbox = session.select("INBOX").await?;
    assert_eq!((inbox.exists, inbox.uid_next), (2, Some(3)));
    session
        .append("INBOX", Some("(\\Flagged)"), None, MESSAGE)
        .await?;
    let found: Vec<_> = session
        .uid_search("SUBJECT Rust")
        .await?
        .into_iter()
        .collect();
    assert_eq!(found, [3]);
    let fetched: Vec<_> = session
        .uid_fetch("3", "(UID FLAGS ENVELOPE BODYSTRUCTURE BODY.PEEK[])")
        .await?
        .try_collect()
        .await?;
    assert_eq!(fetched[0].body(), Some(MESSAGE));
    let subject = fetched[0].envelope().and_then(|e| e.subject.as_deref());
    assert_eq!(subject, Some(&b"from Rust"[..]));
    assert!(fetched[0].bodystructure().is_some());
    session.create("Archive").await?;
    session.uid_mv("3", "Archive").await?;
    let names: Vec<_> = session.list(None, Some("*")).await?.try_collect().await?;
    let names: Vec<_> = names.iter().map(|n| n.name()).collect();
    assert!(
        names.contains(&"Archive") && names.contains(&"INBOX"),
        "{names:?}"
    );
    assert_eq!(session.select("Archive").await?.exists, 1);
    let flags: Vec<_> = session
        .uid_store("1", "+FLAGS (\\Deleted)")
        .await?
        .try_collect()
        .await?;
    assert_eq!(flags.len(), 1);
    let expunged: Vec<_> = session.expunge().await?.try_collect().await?;
    assert_eq!(expunged, [1]);
    Ok(session.logout().await?)
}

/// A message that another connection delivers ends IDLE.
async fn idle(demo: &Demo, folder: &Folder) -> Result<(), Error> {
    let mut session = sign_in(demo, folder).await?;
    session.select("INBOX").await?;
    let mut idle = session.idle();
    idle.init().await?;
    let mut other = sign_in(demo, folder).await?;
    let (news, _interrupt) = idle.wait();
    other.append("INBOX", None, None, MESSAGE).await?;
    match news.await? {
        IdleResponse::NewData(data) => {
            let said = format!("{:?}", data.parsed());
            assert!(said.contains("Exists(3)"), "{said}");
        }
        other => panic!("IDLE ends with news: {other:?}"),
    }
    let mut session = idle.done().await?;
    session.noop().await?;
    Ok(session.logout().await?)
}
