//! What a session began with, as lines.

use std::sync::Arc;

use pillarbox_core::limits::Limits;
use pillarbox_core::now::{Now, Tick};
use pillarbox_core::session::{Bye, Config, Peer, TlsFacts};

use super::words::{Word, Words, fields};

/// All that a session is made from.
#[derive(Clone, Debug)]
pub(super) struct Beginning {
    pub config: Arc<Config>,
    pub peer: Peer,
    pub seed: [u8; 32],
    pub now: Now,
}

impl Beginning {
    /// The lines. The peer's address stays out: no answer depends on it.
    pub(super) fn write(&self) -> String {
        let mut lines = String::from("server");
        self.config.name.put(&mut lines);
        self.config.starttls.put(&mut lines);
        self.config.plaintext_login.put(&mut lines);
        write_limits(&self.config.limits, &mut lines);
        lines.push_str("\nbegin");
        self.now.put(&mut lines);
        self.seed.to_vec().put(&mut lines);
        self.peer.tls.put(&mut lines);
        lines.push('\n');
        lines
    }

    /// Reads what [`Beginning::write`] wrote; `None`: something else stands there.
    pub(super) fn read<'a>(lines: &mut impl Iterator<Item = &'a str>) -> Option<Self> {
        let mut config = Config::default();
        let ("server", mut words) = Words::of(lines.next()?) else {
            return None;
        };
        config.name = words.take()?;
        config.starttls = words.take()?;
        config.plaintext_login = words.take()?;
        words.end()?;
        loop {
            let (kind, mut words) = Words::of(lines.next()?);
            match kind {
                "limit" => read_limit(&mut config.limits, &mut words)?,
                "begin" => {
                    let now = words.take()?;
                    let seed = words.take::<Vec<u8>>()?.try_into().ok()?;
                    let mut peer = Peer::plain(None);
                    peer.tls = words.take()?;
                    words.end()?;
                    return Some(Self {
                        config: Arc::new(config),
                        peer,
                        seed,
                        now,
                    });
                }
                _ => return None,
            }
        }
    }
}

/// One row per bound.
macro_rules! limits {
    ($($name:ident)*) => {
        fn write_limits(limits: &Limits, lines: &mut String) {
            $(
                lines.push_str(concat!("\nlimit ", stringify!($name)));
                limits.$name.put(lines);
            )*
        }

        fn read_limit(limits: &mut Limits, words: &mut Words<'_>) -> Option<()> {
            match words.plain()? {
                $(stringify!($name) => limits.$name = words.take()?,)*
                _ => return None,
            }
            words.end()
        }
    };
}

limits! {
    line_before_login line command_before_login command skip literal_minus append tokens_before_login tokens
    depth_before_login search_depth search_texts search_header tag sasl bad_before_login bad failed_logins login_millis
    first_command_millis idle_millis still_here_millis write_stall_millis rest_millis output_before_login output_high_water
    mailbox_name mailbox_depth id_pairs id_field id_value append_messages list_patterns list_octets status_page changes_page
    ranges_page fetch_page inline_body body_window store_window move_window section_depth
    handshake_millis leave_millis linger_millis linger
}

fields! {
    Tick { 0 }
    Now { tick, unix }
}

impl Word for TlsFacts {
    /// The version alone: no answer depends on the rest.
    fn put(&self, line: &mut String) {
        self.version.clone().unwrap_or_default().put(line);
    }

    fn take(words: &mut Words<'_>) -> Option<Self> {
        let version: String = words.take()?;
        let mut facts = Self::default();
        facts.version = (!version.is_empty()).then_some(version);
        Some(facts)
    }
}

impl Word for Bye {
    fn put(&self, line: &mut String) {
        line.push_str(&format!(" {self:?}"));
    }

    fn take(words: &mut Words<'_>) -> Option<Self> {
        let all = [
            Self::Shutdown,
            Self::TooManyConnections,
            Self::AccountDisabled,
            Self::PasswordChanged,
        ];
        let name = words.plain()?;
        all.into_iter().find(|bye| format!("{bye:?}") == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bound_is_written_and_read() {
        let mut config = Config::default();
        config.limits.section_depth = 7;
        config.limits.line_before_login = 9;
        (config.name, config.starttls) = (String::from("a \"b\""), true);
        let mut peer = Peer::plain(None);
        let mut facts = TlsFacts::default();
        facts.version = Some(String::from("TLSv1.3"));
        peer.tls = Some(facts);
        let beginning = Beginning {
            config: Arc::new(config),
            peer,
            seed: [7; 32],
            now: Now {
                tick: Tick(5),
                unix: -1,
            },
        };
        let lines = beginning.write();
        let read = Beginning::read(&mut lines.lines()).unwrap();
        assert_eq!(format!("{beginning:?}"), format!("{read:?}"));
        let fields = format!("{:?}", Limits::default()).matches(':').count();
        let written = lines.lines().filter(|l| l.starts_with("limit ")).count();
        assert_eq!(written, fields, "each bound has its line");
    }
}
