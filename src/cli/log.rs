//! The log: logfmt lines on stderr, one per event, written by a thread of its own so that a slow reader holds up no connection.

use std::fmt::{Display, Write as _};
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pillarbox::driver::{Observer, Summary};
use pillarbox::protocol::date::Date;
use pillarbox::protocol::effect::ErrorKind;
use pillarbox::protocol::session::{Bye, CloseReason, Event};

/// Writes lines; cheap to clone.
#[derive(Clone, Debug)]
pub struct Log {
    lines: SyncSender<Entry>,
    lost: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Entry {
    Line(String),
    Flush(Sender<()>),
}

impl Log {
    /// Starts the thread that writes.
    pub fn start() -> io::Result<Self> {
        let (lines, entries) = sync_channel(QUEUE);
        let lost = Arc::new(AtomicU64::new(0));
        let counted = lost.clone();
        std::thread::Builder::new()
            .name(String::from("log"))
            .spawn(move || write(&entries, &counted))?;
        Ok(Self { lines, lost })
    }

    /// Writes a line, or counts it as lost when too many wait to be written.
    pub fn write(&self, line: Line) {
        if self.lines.try_send(Entry::Line(line.0)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns when what came before is written, or after a second; at once when the log is stuck.
    pub fn flush(&self) {
        let (done, written) = channel();
        if self.lines.try_send(Entry::Flush(done)).is_ok() {
            // Nobody reads the log: nothing is to be done about it.
            let _ = written.recv_timeout(Duration::from_secs(1));
        }
    }
}

fn write(entries: &Receiver<Entry>, lost: &AtomicU64) {
    for entry in entries {
        match entry {
            Entry::Line(line) => put(&line),
            Entry::Flush(done) => {
                // Who asked may have stopped waiting.
                let _ = done.send(());
            }
        }
        let missing = lost.swap(0, Ordering::Relaxed);
        if missing > 0 {
            put(&Line::new(Level::Warn, "log_lines_lost")
                .field("count", missing)
                .0);
        }
    }
}

fn put(line: &str) {
    // Where the log cannot be written there is nowhere to say so.
    let _ = io::stderr()
        .lock()
        .write_all(format!("{line}\n").as_bytes());
}

/// How much a line matters.
#[derive(Clone, Copy, Debug)]
pub enum Level {
    Info,
    Warn,
    Error,
}

/// A line being made: `time=… level=… event=… key=value …`.
#[derive(Debug)]
pub struct Line(String);

impl Line {
    pub fn new(level: Level, event: &str) -> Self {
        let level = match level {
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        };
        Self(format!("time={} level={level} event={event}", time()))
    }

    /// The line of an event that has one.
    fn of_event(peer: Option<SocketAddr>, event: &Event) -> Option<Self> {
        let line = |level, event| Self::new(level, event).option("peer", peer);
        Some(match event {
            Event::LoggedIn { account, mechanism } => line(Level::Info, "login")
                .field("account", &account.name)
                .field("mechanism", mechanism),
            Event::LoginFailed {
                user,
                mechanism,
                kind,
            } => line(Level::Warn, "login_failed")
                .field("user", user)
                .field("mechanism", mechanism)
                .field("reason", refusal(*kind)),
            Event::StoreFailed { operation, error } => line(Level::Error, "store_failed")
                .field("operation", operation)
                .field("error", error),
            _ => return None,
        })
    }

    /// Adds a value; whatever it holds, it stays one printable word.
    pub fn field(mut self, key: &str, value: impl Display) -> Self {
        let _ = write!(self.0, " {key}=");
        put_value(&mut self.0, &value.to_string());
        self
    }

    /// The same, if there is one.
    pub fn option(self, key: &str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.field(key, value),
            None => self,
        }
    }
}

impl Observer for Log {
    fn event(&self, peer: Option<SocketAddr>, event: &Event) {
        if let Some(line) = Line::of_event(peer, event) {
            self.write(line);
        }
    }

    fn closed(&self, peer: Option<SocketAddr>, summary: &Summary) {
        let seconds = format!("{:.3}", summary.duration.as_secs_f64());
        let line = Line::new(Level::Info, "connection")
            .option("peer", peer)
            .field("tls", summary.tls)
            .option("account", summary.account.as_deref())
            .field("reason", reason(summary.reason))
            .option("error", summary.error.as_deref())
            .field("in", summary.octets_in)
            .field("out", summary.octets_out)
            .field("commands", summary.commands)
            .field("seconds", seconds);
        self.write(line);
    }

    fn accept_failed(&self, error: &io::Error) {
        let line = Line::new(Level::Error, "accept_failed");
        self.write(line.field("error", error));
    }
}

fn refusal(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::AuthenticationFailed => "wrong_name_or_password",
        ErrorKind::Disabled => "disabled",
        ErrorKind::Unavailable => "too_many_sign_ins",
        _ => "accounts_failed",
    }
}

fn reason(reason: Option<CloseReason>) -> &'static str {
    match reason {
        None => "connection_lost",
        Some(CloseReason::Logout) => "logout",
        Some(CloseReason::PeerClosed) => "peer_closed",
        Some(CloseReason::LoginTimeout) => "login_timeout",
        Some(CloseReason::IdleTimeout) => "idle_timeout",
        Some(CloseReason::WriteStall) => "write_stall",
        Some(CloseReason::TooManyBad) => "too_many_bad_commands",
        Some(CloseReason::TooManyLogins) => "too_many_failed_logins",
        Some(CloseReason::TooBig) => "too_big",
        Some(CloseReason::MailboxDeleted) => "mailbox_deleted",
        Some(CloseReason::Server(Bye::Shutdown)) => "shutdown",
        Some(CloseReason::Server(Bye::TooManyConnections)) => "too_many_connections",
        Some(CloseReason::Server(Bye::AccountDisabled)) => "account_disabled",
        Some(CloseReason::Server(Bye::PasswordChanged)) => "password_changed",
        Some(CloseReason::SwitchFailed) => "tls_failed",
        Some(CloseReason::ServerBug) => "server_bug",
        Some(_) => "other",
    }
}

/// Bare when it is one plain word, else quoted; what is not printable ASCII is escaped, and of long text the beginning has to do.
fn put_value(line: &mut String, value: &str) {
    let end = value.floor_char_boundary(LONGEST);
    let (value, cut) = (&value[..end], end < value.len());
    let plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\' | b'=');
    if !value.is_empty() && !cut && value.bytes().all(plain) {
        line.push_str(value);
        return;
    }
    line.push('"');
    for c in value.chars() {
        match c {
            '"' | '\\' => line.extend(['\\', c]),
            ' '..='~' => line.push(c),
            _ => line.extend(c.escape_unicode()),
        }
    }
    line.push_str(if cut { "...\"" } else { "\"" });
}

/// The present in UTC, as `2024-02-01T12:30:00.123Z`.
fn time() -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let seconds = now.as_secs();
    let date = Date::from_unix(i64::try_from(seconds).unwrap_or(0), 0);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        date.year,
        date.month,
        date.day,
        seconds / 3600 % 24,
        seconds / 60 % 60,
        seconds % 60,
        now.subsec_millis()
    )
}

/// Lines that wait to be written.
const QUEUE: usize = 4096;
/// Octets of one value.
const LONGEST: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> String {
        let mut line = String::new();
        put_value(&mut line, text);
        line
    }

    #[test]
    fn a_value_stays_one_printable_word() {
        assert_eq!(value("ann@example.org"), "ann@example.org");
        assert_eq!(value(""), "\"\"");
        assert_eq!(value("a b"), "\"a b\"");
        assert_eq!(value("x=1"), "\"x=1\"");
        assert_eq!(value("a\"\\"), "\"a\\\"\\\\\"");
        assert_eq!(
            value("a\r\nlevel=error\u{1b}[2J\0"),
            "\"a\\u{d}\\u{a}level=error\\u{1b}[2J\\u{0}\""
        );
        assert_eq!(value("grün"), "\"gr\\u{fc}n\"");
        let long = value(&"é".repeat(1000));
        assert!(long.is_ascii() && long.ends_with("...\"") && long.matches("u{e9}").count() == 128);
    }

    #[test]
    fn a_store_failure_is_an_error_of_its_own() {
        let event = Event::StoreFailed {
            operation: "UploadCommit",
            error: "The disk is full (write: No space left\n)".into(),
        };
        let peer = Some(([192, 0, 2, 1], 4711).into());
        let line = Line::of_event(peer, &event).unwrap().0;
        assert_eq!(
            line.split_once(' ').unwrap().1,
            "level=error event=store_failed peer=192.0.2.1:4711 operation=UploadCommit error=\"The disk is full (write: No space left\\u{a})\""
        );
    }

    #[test]
    fn a_line_says_when_and_what() {
        let line = Line::new(Level::Warn, "login_failed")
            .field("user", "a b")
            .option("peer", None::<u8>)
            .0;
        let (time, rest) = line.split_once(' ').unwrap();
        assert_eq!(time.len(), "time=2024-02-01T12:30:00.123Z".len());
        assert_eq!(rest, "level=warn event=login_failed user=\"a b\"");
    }
}
