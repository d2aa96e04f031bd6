//! `pillarbox demo`: a server without set-up, on loopback only.

use std::error::Error;
use std::io::Write;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use pillarbox::Server;
use pillarbox::driver::TlsConfig;
use pillarbox::protocol::date::DateTime;
use pillarbox::protocol::effect::{Account, Actor, Effect, MailboxStatus, Status, StoreError};
use pillarbox::protocol::id::AccountId;
use pillarbox::protocol::mailbox::MailboxName;
use pillarbox::store::{Accounts, Backend, Delivery, Job, Memory, ask};

use super::runtime::Choice;

/// The texts of the two messages that wait in INBOX.
const TEXTS: [(&str, &str); 2] = [
    ("Welcome", "Welcome to the IMAP server!"),
    ("Update", "This is an update."),
];

/// Options of `pillarbox demo`.
#[derive(Debug, Args)]
pub struct Demo {
    /// The port for plain text and STARTTLS; 0 takes any free one.
    #[arg(long, default_value_t = 1143)]
    port: u16,
    /// The port for TLS from the first octet on; 0 takes any free one.
    #[arg(long, default_value_t = 1993)]
    tls_port: u16,
    /// A folder that keeps the mail, made if it is not there; without it mail is in memory. Everyone who signs in has the same mail.
    #[arg(long)]
    store: Option<std::path::PathBuf>,
    /// The runtime to serve on.
    #[arg(long, value_enum, default_value_t = Choice::default())]
    runtime: Choice,
}

impl Demo {
    /// Serves until a signal.
    pub fn run(self) -> Result<(), Box<dyn Error>> {
        let backend = self.backend()?;
        greet(&*backend)?;
        let server = Server::builder(backend, Arc::new(Anyone))
            .listen(format!("127.0.0.1:{}", self.port))
            .listen_tls(format!("127.0.0.1:{}", self.tls_port))
            .tls(self_signed()?)
            .plaintext_login(true)
            .build()?;
        super::signals::watch(server.hub().clone(), None)?;
        let [plain, tls] = server.addresses() else {
            return Err("two listeners were asked for".into());
        };
        print_lines(plain.port(), tls.port())?;
        Ok(server.run(self.runtime.into())?)
    }

    /// The named store, else mail in memory.
    fn backend(&self) -> Result<Arc<dyn Backend>, Box<dyn Error>> {
        if let Some(folder) = &self.store {
            let store =
                pillarbox::store::Embedded::open(folder, pillarbox::store::Options::default())?;
            return Ok(Arc::new(store));
        }
        Ok(Arc::new(Memory::new()))
    }
}

fn print_lines(plain: u16, tls: u16) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "An IMAP server on loopback. Any user and password will do. Try:"
    )?;
    writeln!(
        out,
        "  curl \"imap://localhost:{plain}/\" -u user:pass --ssl-reqd -k"
    )?;
    writeln!(
        out,
        "  curl \"imap://localhost:{plain}/INBOX\" -u user:pass --ssl-reqd -k -X \"FETCH 1:* (FLAGS ENVELOPE)\""
    )?;
    writeln!(
        out,
        "  curl \"imap://localhost:{plain}/INBOX;UID=1\" -u user:pass --ssl-reqd -k"
    )?;
    writeln!(
        out,
        "  openssl s_client -connect localhost:{tls} -quiet -crlf"
    )?;
    out.flush()
}

/// A certificate for localhost, made on the spot.
fn self_signed() -> Result<TlsConfig, Box<dyn Error>> {
    let names = vec![String::from("localhost"), String::from("127.0.0.1")];
    let made = rcgen::generate_simple_self_signed(names)?;
    Ok(TlsConfig::from_pem(
        made.cert.pem().as_bytes(),
        made.signing_key.serialize_pem().as_bytes(),
    )?)
}

/// Lets anyone in with any password; all share one account.
struct Anyone;

impl Accounts for Anyone {
    fn authenticate(&self, job: Job) {
        let (effect, slot) = job.into_parts();
        slot.send(match effect {
            Effect::Authenticate(call) => {
                let name = call.op().user.as_str().into();
                call.answer(Ok(Account { id: SHARED, name }))
            }
            other => other.fail(StoreError::lost()),
        });
    }
}

/// The one account.
const SHARED: AccountId = AccountId(1);

/// Leaves two messages in an INBOX that never had any.
fn greet(backend: &dyn Backend) -> Result<(), StoreError> {
    let status = Status {
        actor: Actor { account: SHARED },
        names: vec![MailboxName::inbox()],
    };
    let is_new = |status: &MailboxStatus| status.uid_next.get() == 1;
    if !ask(backend, status)?.iter().flatten().all(is_new) {
        return Ok(());
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let date = date(now.map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(0)));
    for (subject, text) in TEXTS {
        let message = format!(
            "Date: {date}\r\nFrom: Pillarbox <pillarbox@localhost>\r\nTo: you@localhost\r\nSubject: {subject}\r\nMessage-ID: <{subject}.{}@localhost>\r\n\
             MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n",
            SHARED.0
        );
        Delivery::to(SHARED).deliver(backend, message.as_bytes())?;
    }
    Ok(())
}

/// As in a header (RFC 5322 §3.3): what IMAP writes (RFC 9051 §9, date-time), with spaces in the date.
fn date(unix: i64) -> String {
    let mut written = Vec::new();
    let zone_minutes = 0;
    DateTime { unix, zone_minutes }.write(&mut written);
    String::from_utf8_lossy(&written).replacen('-', " ", 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_as_in_a_header() {
        assert_eq!(date(0), "01 Jan 1970 00:00:00 +0000");
        assert_eq!(date(1_764_171_233), "26 Nov 2025 15:33:53 +0000");
    }
}
