//! What is private is replaced by filler of the same length, so that framing and lengths stay.
//!
//! Private are: passwords and user names, whatever a SASL line holds, messages, what SEARCH looks for, values of ID, and every word of a
//! line that is no valid command. What stays: tags and names of commands, mailbox names, keywords, numbers, dates, names of header fields.

use std::collections::BTreeSet;

use bytes::Bytes;
use pillarbox_core::limits::Limits;
use pillarbox_core::parse::{self, Context};
use pillarbox_core::session::TakenAs;

use super::commands::{self, CLIENT};

/// Stands for an octet of mail: in base64 it is no NUL, and after `=` it is hexadecimal.
const MAIL: u8 = b'E';

/// Names of header fields that stay.
const FIELDS: &str = "bcc cc comments content-description content-disposition content-id content-language \
    content-location content-md5 content-transfer-encoding content-type date delivered-to \
    dkim-signature from in-reply-to keywords list-id list-post list-unsubscribe message-id \
    mime-version newsgroups received references reply-to resent-date resent-from resent-to \
    return-path sender subject to user-agent x-mailer x-priority";
/// Names of fields that clients asked for and that stay too.
const ASKED: usize = 500;

/// Replaces what is private; remembers what it must so that pieces of one thing fit together.
#[derive(Debug)]
pub(super) struct Filler {
    limits: Limits,
    /// Names of header fields that the client asked for, in lower case.
    asked: BTreeSet<Vec<u8>>,
    /// Of a message that is read in pieces: the present line so far, while it may be the name of a field.
    head: Option<Vec<u8>>,
}

impl Filler {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            asked: BTreeSet::new(),
            head: Some(Vec::new()),
        }
    }

    /// Octets of the client, by what they were taken for.
    pub(super) fn client(&mut self, kind: TakenAs, octets: &[u8], authenticated: bool) -> Vec<u8> {
        match kind {
            TakenAs::Command => self.command(octets, authenticated),
            TakenAs::Append => self.append(octets, authenticated),
            TakenAs::Line => line(octets),
            TakenAs::Refused => self.refused(octets),
            TakenAs::Message => mail(octets),
            _ => skipped(octets),
        }
    }

    /// A name or a text that is no mail.
    pub(super) fn text(&self, text: &str) -> String {
        text.chars()
            .map(|c| match c.len_utf8() {
                1 => 'x',
                2 => 'é',
                3 => '€',
                _ => '😀',
            })
            .collect()
    }

    /// The next read of a message begins anew.
    pub(super) fn rewind(&mut self) {
        self.head = Some(Vec::new());
    }

    /// Octets of a message that is read in pieces.
    pub(super) fn mail(&mut self, octets: &[u8]) -> Vec<u8> {
        let mut head = self.head.take();
        let filled = self.lines(octets, &mut head);
        self.head = head;
        filled
    }

    /// A whole message or header.
    pub(super) fn message(&self, octets: &[u8]) -> Vec<u8> {
        self.lines(octets, &mut Some(Vec::new()))
    }

    /// Names of known fields stay, their colons, and white space where a line begins or ends.
    fn lines(&self, octets: &[u8], head: &mut Option<Vec<u8>>) -> Vec<u8> {
        let mut filled = Vec::with_capacity(octets.len());
        for line in octets.split_inclusive(|b| *b == b'\n') {
            let name = self.field(line, head, &mut filled);
            let rest = &line[name..];
            let (begins, rest) = rest.split_at(rest.len() - rest.trim_ascii_start().len());
            let (words, ends) = rest.split_at(rest.trim_ascii_end().len());
            filled.extend_from_slice(begins);
            filled.extend(mail(words));
            filled.extend_from_slice(ends);
            if line.ends_with(b"\n") {
                *head = Some(Vec::new());
            }
        }
        filled
    }

    /// Fills the name of a header field with its colon, or the part of it that is here; its octets.
    fn field(&self, line: &[u8], head: &mut Option<Vec<u8>>, filled: &mut Vec<u8>) -> usize {
        let Some(mut name) = head.take() else {
            return 0;
        };
        let colon = line.iter().position(|b| *b == b':');
        name.extend(line[..colon.unwrap_or(line.len())].to_ascii_lowercase());
        let bare = name.trim_ascii_end();
        let Some(colon) = colon else {
            if self.names().any(|known| known.starts_with(bare)) {
                filled.extend_from_slice(line);
                *head = Some(name);
                return line.len();
            }
            return 0;
        };
        if self.names().any(|known| known == bare) {
            filled.extend_from_slice(&line[..=colon]);
        } else if !bare.is_empty() && bare.iter().all(u8::is_ascii_graphic) {
            filled.extend(mail(&line[..colon]));
            filled.push(b':');
        } else {
            return 0;
        }
        colon + 1
    }

    /// Names of fields that stay.
    fn names(&self) -> impl Iterator<Item = &[u8]> {
        let known = FIELDS.split(' ').map(str::as_bytes);
        known.chain(self.asked.iter().map(Vec::as_slice))
    }

    /// ENVELOPE and the like as they are sent: what is in quotes or in a literal.
    pub(super) fn wire(&self, octets: &[u8]) -> Vec<u8> {
        let mut filled = Vec::with_capacity(octets.len());
        let mut rest = octets;
        while let Some(&octet) = rest.first() {
            let taken = match octet {
                b'"' => quoted(rest),
                b'{' => literal(rest),
                _ => 0,
            };
            if taken == 0 {
                filled.push(octet);
                rest = &rest[1..];
                continue;
            }
            let (string, after) = rest.split_at(taken);
            filled.extend(commands::string(string, MAIL));
            rest = after;
        }
        filled
    }

    fn context(&self, authenticated: bool) -> Context<'_> {
        Context {
            limits: &self.limits,
            authenticated,
        }
    }

    fn command(&mut self, octets: &[u8], authenticated: bool) -> Vec<u8> {
        let frame = Bytes::copy_from_slice(octets.strip_suffix(b"\r\n").unwrap_or(octets));
        let Some((name, from)) = self.name(&frame) else {
            return commands::unknown(octets);
        };
        let parsed = parse::parse_command(&frame, from, &self.context(authenticated));
        if name == "FETCH" || name == "UID FETCH" {
            let room = ASKED - self.asked.len().min(ASKED);
            self.asked.extend(commands::field_names(&frame).take(room));
        }
        commands::known(octets, from, name, parsed.is_ok())
    }

    fn append(&self, octets: &[u8], authenticated: bool) -> Vec<u8> {
        let Some(piece) = commands::announced(octets) else {
            return commands::unknown(octets);
        };
        let piece = Bytes::copy_from_slice(piece);
        let context = self.context(authenticated);
        let is_next = parse::parse_append_next(&piece, &context).is_ok();
        let is_head = || {
            let rest =
                parse::parse_tag(&piece, &self.limits).map(|(_, rest)| piece.slice_ref(rest));
            rest.is_some_and(|rest| parse::parse_append_head(&rest, &context).is_ok())
        };
        if is_next || is_head() {
            return octets.to_vec();
        }
        let filled = match self.name(&piece) {
            Some((name, from)) => commands::known(&piece, from, name, false),
            None => commands::untagged(&piece),
        };
        [&filled, &octets[piece.len()..]].concat()
    }

    /// The command's name, and where it begins.
    fn name(&self, frame: &[u8]) -> Option<(&'static str, usize)> {
        let (_, rest) = parse::parse_tag(frame, &self.limits)?;
        let line = rest.split(|b| *b == b'\r').next().unwrap_or_default();
        let (name, _) = parse::command_name(line)?;
        Some((name, frame.len() - rest.len()))
    }

    /// The tag and the name of a command that is too long, and no more.
    fn refused(&self, octets: &[u8]) -> Vec<u8> {
        let kept = self
            .name(octets)
            .map_or(0, |(name, from)| from + name.len());
        let (head, rest) = octets.split_at(kept.min(octets.len()));
        [head, &skipped(rest)].concat()
    }
}

fn mail_octet(octet: u8) -> u8 {
    match octet {
        // Framing: of lines, of transfer encodings, and what only a binary part has.
        b'\r' | b'\n' | b'=' | b'\0' => octet,
        _ => MAIL,
    }
}

fn mail(octets: &[u8]) -> Vec<u8> {
    octets.iter().map(|b| mail_octet(*b)).collect()
}

/// What is skipped: line ends stay, and what may announce a literal.
fn skipped(octets: &[u8]) -> Vec<u8> {
    let mut number = false;
    let keep = |octet: &u8| {
        number = *octet == b'{' || number && (octet.is_ascii_digit() || *octet == b'+');
        let kept = number || matches!(octet, b'\r' | b'\n' | b'}' | b'~');
        if kept { *octet } else { CLIENT }
    };
    octets.iter().map(keep).collect()
}

/// A line that is no command: a SASL response, or the end of IDLE.
fn line(octets: &[u8]) -> Vec<u8> {
    let (line, end) = match octets.strip_suffix(b"\r\n") {
        Some(line) => (line, &b"\r\n"[..]),
        None => (octets, &b""[..]),
    };
    if line.eq_ignore_ascii_case(b"DONE") {
        return octets.to_vec();
    }
    [&commands::sasl(line)[..], end].concat()
}

/// The octets of a quoted string; none if it has no end.
pub(super) fn quoted(octets: &[u8]) -> usize {
    let mut at = 1;
    while let Some(octet) = octets.get(at) {
        match octet {
            b'"' => return at + 1,
            b'\r' | b'\n' => return 0,
            b'\\' if matches!(octets.get(at + 1), Some(b'\r' | b'\n')) => return 0,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    0
}

/// The octets of a literal, its announcement included; none if there is not one whole here.
pub(super) fn literal(octets: &[u8]) -> usize {
    let Some(close) = octets.iter().position(|b| *b == b'}') else {
        return 0;
    };
    let digits = octets[1..close]
        .strip_suffix(b"+")
        .unwrap_or(&octets[1..close]);
    let size = std::str::from_utf8(digits)
        .ok()
        .and_then(|d| d.parse().ok());
    let whole = size.map(|size: usize| (close + 3).saturating_add(size));
    match whole {
        Some(whole) if octets[close..].starts_with(b"}\r\n") && whole <= octets.len() => whole,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIECES: &[&[u8]] = &[
        b"a",
        b" ",
        b"\"",
        b"\\",
        b"{3}\r\n",
        b"{3+}\r\n",
        b"~{1}",
        b"\r\n",
        b"\n",
        b"\r",
        b"\0",
        b"\xff",
        "é€😀".as_bytes(),
        b"(",
        b")",
        b"LOGIN",
        b"AUTHENTICATE PLAIN ",
        b"APPEND",
        b"SEARCH",
        b"HEADER",
        b"BODY",
        b"UID",
        b"AGEAYg==",
        b"=",
        b"*",
        b"Subject:",
        b"x :",
        b"1:*",
        b"FETCH",
        b"HEADER.FIELDS (",
        b"ID (",
        b"\t",
        b"+",
        b"}",
        b"{99999999999999999999}",
    ];
    const KINDS: [TakenAs; 7] = [
        TakenAs::Command,
        TakenAs::Line,
        TakenAs::Append,
        TakenAs::Message,
        TakenAs::Refused,
        TakenAs::Skipped,
        TakenAs::Residue,
    ];

    /// Whatever the octets are, there are as many of them afterwards, and lines end where they did.
    #[test]
    fn lengths_and_line_ends_stay() {
        let mut state = 1u64;
        let mut random = |below: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            usize::try_from(state >> 33).unwrap_or(0) % below
        };
        let ends = |octets: &[u8]| {
            octets
                .iter()
                .map(|b| matches!(b, b'\r' | b'\n'))
                .collect::<Vec<_>>()
        };
        let mut filler = Filler::new(Limits::default());
        for case in 0..30_000 {
            let octets: Vec<u8> = (0..random(14))
                .flat_map(|_| PIECES[random(PIECES.len())])
                .copied()
                .collect();
            for kind in KINDS {
                let filled = filler.client(kind, &octets, case % 2 == 0);
                assert_eq!(filled.len(), octets.len(), "{case} {kind:?} {octets:?}");
                if kind != TakenAs::Line {
                    assert_eq!(
                        ends(&filled),
                        ends(&octets),
                        "{case} {kind:?} {octets:?} {filled:?}"
                    );
                }
            }
            for filled in [
                filler.mail(&octets),
                filler.message(&octets),
                filler.wire(&octets),
            ] {
                assert_eq!(ends(&filled), ends(&octets), "{case} {octets:?} {filled:?}");
            }
        }
    }

    #[test]
    fn names_of_fields_stay_in_any_pieces() {
        let mail = b"Subject: what\r\n x: y\r\nX-Own: z\r\nToo: t\r\nTo : me\r\n\r\nFrom here\r\n";
        let whole = "Subject: EEEE\r\n EEEE\r\nEEEEE: E\r\nEEE: E\r\nTo : EE\r\n\r\nEEEEEEEEE\r\n";
        let filler = Filler::new(Limits::default());
        assert_eq!(String::from_utf8_lossy(&filler.message(mail)), whole);
        for size in 1..mail.len() {
            let mut filler = Filler::new(Limits::default());
            let pieces = mail.chunks(size).flat_map(|piece| filler.mail(piece));
            let filled = String::from_utf8(pieces.collect()).unwrap();
            for line in ["Subject: ", "To : ", "\r\n\r\n"] {
                assert!(filled.contains(line), "{size} {filled}");
            }
            for word in ["what", "Own", "me\r", "here"] {
                assert!(!filled.contains(word), "{size} {filled}");
            }
        }
    }
}
