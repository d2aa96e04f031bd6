//! Plays a recording on a session of its own, without a store.

use super::VERSION;
use super::config::Beginning;
use super::player::{Digest, Fault, Player};
use super::words::Words;

/// A recording that was played: the session did what it did then, octet for octet.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Replayed {
    /// Lines played.
    pub lines: usize,
    /// Octets from the client.
    pub octets_in: u64,
    /// Octets to the client.
    pub octets_out: u64,
    /// Why the recording ended before the session did, if it did.
    pub stopped: Option<String>,
}

/// Why a recording could not be played to its end.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// It is something else.
    #[error("this is not a recording of a session: it does not begin with \"{VERSION}\"")]
    NotARecording,
    /// Another version of the format.
    #[error(
        "this is a recording of format {0}, and this program plays \"{VERSION}\"; use the version of Pillarbox that wrote it"
    )]
    Version(String),
    /// Its end is missing.
    #[error("the recording is cut: its end is missing, after line {0}")]
    Cut(usize),
    /// Octets of it were changed.
    #[error("the recording is damaged in line {0}, or was written by a newer version of Pillarbox")]
    Damaged(usize),
    /// It was changed somewhere.
    #[error("the recording is damaged: its checksum is another")]
    Checksum,
    /// The session does something else than it did then.
    #[error("the session differs in line {line}: {how}")]
    Differs {
        /// The line of the recording.
        line: usize,
        /// What was expected.
        how: String,
    },
}

/// What was said on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Spoken<'a> {
    /// By the client.
    Client(&'a [u8]),
    /// By the server.
    Server(&'a [u8]),
}

/// Plays a whole recording and shows what is said.
///
/// # Errors
/// It is no recording, of another format, cut or damaged; or the session does something else than it did then.
pub fn replay(recording: &str, see: impl FnMut(Spoken<'_>)) -> Result<Replayed, ReplayError> {
    check_version(recording)?;
    let lines = recording.lines().count();
    let content = recording
        .strip_suffix('\n')
        .ok_or(ReplayError::Cut(lines.saturating_sub(1)))?;
    let (content, end) = content.rsplit_once('\n').ok_or(ReplayError::Cut(lines))?;
    let content = &recording[..=content.len()];
    let ("end", mut words) = Words::of(end) else {
        return Err(ReplayError::Cut(lines));
    };
    let mut digest = Digest::default();
    digest.add(content.as_bytes());
    let octets: Option<usize> = words.take();
    if octets != Some(content.len()) || words.plain() != Some(&digest.to_string()) {
        return Err(ReplayError::Checksum);
    }
    play(content, see)
}

/// Plays what there is of a recording whose end is missing, as after the end of a process; its last line may be half a line.
///
/// # Errors
/// As [`replay`], except that neither the end nor a checksum of the whole is looked for.
pub fn replay_unfinished(
    recording: &str,
    see: impl FnMut(Spoken<'_>),
) -> Result<Replayed, ReplayError> {
    check_version(recording)?;
    let whole = recording.rfind('\n').map_or(0, |at| at + 1);
    play(&recording[..whole], see)
}

fn check_version(recording: &str) -> Result<(), ReplayError> {
    let first = recording.lines().next().unwrap_or_default();
    if first == VERSION {
        return Ok(());
    }
    let name = VERSION.trim_end_matches(|c: char| c.is_ascii_digit());
    Err(match first.strip_prefix(name) {
        Some(version) => ReplayError::Version(version.chars().take(20).collect()),
        None => ReplayError::NotARecording,
    })
}

fn play(content: &str, mut see: impl FnMut(Spoken<'_>)) -> Result<Replayed, ReplayError> {
    let mut at = 0;
    let mut lines = content.lines().inspect(|_| at += 1);
    lines.next();
    let beginning = Beginning::read(&mut lines);
    drop(lines);
    let mut player = Player::new(beginning.ok_or(ReplayError::Damaged(at))?);
    let mut stopped = None;
    for line in content.lines().skip(at) {
        at += 1;
        let (kind, mut words) = Words::of(line);
        match kind {
            "stopped" => {
                stopped = Some(words.take().ok_or(ReplayError::Damaged(at))?);
                break;
            }
            "end" => break,
            _ => {}
        }
        player.play(line).map_err(|fault| match fault {
            Fault::Damaged => ReplayError::Damaged(at),
            Fault::Differs(how) => ReplayError::Differs { line: at, how },
        })?;
        if kind == "in"
            && let Some(octets) = words.take::<Vec<u8>>()
        {
            see(Spoken::Client(&octets));
        }
        if !player.said.is_empty() {
            see(Spoken::Server(&player.said));
        }
    }
    Ok(Replayed {
        lines: at,
        octets_in: player.octets_in,
        octets_out: player.octets_out,
        stopped,
    })
}
