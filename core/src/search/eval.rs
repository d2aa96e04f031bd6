//! Runs a program on one message: an explicit stack, what costs nothing first, octets only when they decide.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;

use super::text::{Finder, fold};
use super::{Leaf, Program, Step, When};
use crate::date::{Date, DateTime};
use crate::effect::StoreError;
use crate::flag::{Flags, find_keyword};
use crate::id::{EmailId, ModSeq, ThreadId, Uid};
use crate::message::{CharsetDecoder, Decoder, TextPart, decode_header, header_fields, sent_date};

/// A message that a search looks at; only [`Candidate::read`] costs more than a row.
pub trait Candidate {
    /// Its UID.
    fn uid(&self) -> Uid;
    /// Its flags.
    fn flags(&self) -> Flags;
    /// The keywords of its mailbox.
    fn keywords(&self) -> &[Arc<str>];
    /// Its last change.
    fn modseq(&self) -> ModSeq;
    /// Octets in all.
    fn size(&self) -> u64;
    /// INTERNALDATE.
    fn internal_date(&self) -> DateTime;
    /// When it came into its mailbox, seconds since 1970.
    fn save_date(&self) -> i64;
    /// Its content's identity.
    fn email_id(&self) -> EmailId;
    /// Its conversation.
    fn thread_id(&self) -> ThreadId;
    /// Octets of its header, blank line included.
    fn header_len(&self) -> u64;
    /// Where its text is.
    fn text_parts(&mut self) -> Result<Vec<TextPart>, StoreError>;
    /// At most `max` octets from `offset` on; none at the end.
    fn read(&mut self, offset: u64, max: usize) -> Result<Bytes, StoreError>;
}

impl Program {
    /// Whether the message matches; a program that leaves no value matches nothing.
    ///
    /// # Errors
    /// When octets that decide could not be read.
    pub fn matches(&self, candidate: &mut dyn Candidate) -> Result<bool, StoreError> {
        if let Some(known) = self.decide(candidate, false)? {
            return Ok(known);
        }
        Ok(self.decide(candidate, true)? == Some(true))
    }

    /// Three-valued evaluation: without reading, a leaf that needs octets is unknown.
    fn decide(
        &self,
        candidate: &mut dyn Candidate,
        read: bool,
    ) -> Result<Option<bool>, StoreError> {
        let mut stack: Vec<Option<bool>> = Vec::new();
        for step in &self.steps {
            let value = match step {
                Step::Test(leaf) => match cheap(leaf, candidate) {
                    None if read => Some(costly(leaf, candidate)?),
                    known => known,
                },
                Step::Not => stack.pop().flatten().map(|v| !v),
                Step::And => match (stack.pop().flatten(), stack.pop().flatten()) {
                    (Some(false), _) | (_, Some(false)) => Some(false),
                    (Some(true), Some(true)) => Some(true),
                    _ => None,
                },
                Step::Or => match (stack.pop().flatten(), stack.pop().flatten()) {
                    (Some(true), _) | (_, Some(true)) => Some(true),
                    (Some(false), Some(false)) => Some(false),
                    _ => None,
                },
            };
            stack.push(value);
        }
        Ok(match stack.pop() {
            Some(value) => value,
            None => Some(false),
        })
    }
}

fn cheap(leaf: &Leaf, c: &dyn Candidate) -> Option<bool> {
    Some(match leaf {
        Leaf::All => true,
        Leaf::Uids(set) => set.contains(c.uid()),
        Leaf::Flag(flag) => c.flags().system.has(*flag),
        Leaf::Keyword(name) => {
            find_keyword(c.keywords(), name).is_some_and(|i| c.flags().keywords >> i & 1 == 1)
        }
        Leaf::Larger(n) => c.size() > *n,
        Leaf::Smaller(n) => c.size() < *n,
        Leaf::Internal(when, date) => {
            let at = c.internal_date();
            compare(*when, at.date(), *date)
        }
        Leaf::Saved(when, date) => compare(*when, Date::from_unix(c.save_date(), 0), *date),
        Leaf::ModSeq(least) => c.modseq() >= *least,
        Leaf::EmailId(id) => c.email_id() == *id,
        Leaf::ThreadId(id) => c.thread_id() == *id,
        Leaf::Sent(..) | Leaf::Header(..) | Leaf::Body(_) | Leaf::Text(_) => return None,
    })
}

fn costly(leaf: &Leaf, c: &mut dyn Candidate) -> Result<bool, StoreError> {
    Ok(match leaf {
        Leaf::Sent(when, date) => {
            sent_date(&header(c)?).is_some_and(|day| compare(*when, day, *date))
        }
        Leaf::Header(name, text) => {
            let wanted = fold(text);
            header_fields(&header(c)?)
                .filter(|(field, _)| field.eq_ignore_ascii_case(name.as_bytes()))
                .any(|(_, value)| fold(&decode_header(value)).contains(&wanted))
        }
        Leaf::Body(text) => body(c, text)?,
        Leaf::Text(text) => {
            let wanted = fold(text);
            let in_header = header_fields(&header(c)?).any(|(name, value)| {
                let line = alloc::format!(
                    "{}: {}",
                    String::from_utf8_lossy(name),
                    decode_header(value)
                );
                fold(&line).contains(&wanted)
            });
            in_header || body(c, text)?
        }
        _ => false,
    })
}

fn header(c: &mut dyn Candidate) -> Result<Bytes, StoreError> {
    let len = usize::try_from(c.header_len()).unwrap_or(usize::MAX);
    c.read(0, len.min(HEADER))
}

/// Looks through the decoded text of every part, in windows.
fn body(c: &mut dyn Candidate, text: &str) -> Result<bool, StoreError> {
    for part in c.text_parts()? {
        if part_contains(c, &part, text)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn part_contains(c: &mut dyn Candidate, part: &TextPart, text: &str) -> Result<bool, StoreError> {
    let mut finder = Finder::new(text);
    let mut charset = CharsetDecoder::new(part.charset.as_deref());
    let mut transfer = Decoder::new(part.encoding);
    let mut at = part.span.start;
    while at < part.span.end {
        let max = usize::try_from(part.span.end - at)
            .unwrap_or(WINDOW)
            .min(WINDOW);
        let window = c.read(at, max)?;
        if window.is_empty() {
            break;
        }
        at += window.len() as u64;
        let mut octets = Vec::new();
        // What cannot be decoded is looked through as it is.
        let undecodable = transfer
            .as_mut()
            .is_none_or(|d| d.feed(&window, &mut octets).is_err());
        let octets = if undecodable { &window } else { &octets[..] };
        if finder.feed(charset.feed(octets).as_bytes()) {
            return Ok(true);
        }
    }
    Ok(finder.feed(charset.finish().as_bytes()))
}

fn compare(when: When, day: Date, with: Date) -> bool {
    match when {
        When::Before => day < with,
        When::On => day == with,
        When::Since => day >= with,
    }
}

const WINDOW: usize = 64 << 10;
const HEADER: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flag::SystemFlags;
    use alloc::string::ToString;
    use alloc::vec;

    struct Mail(&'static [u8], u32);
    impl Candidate for Mail {
        fn uid(&self) -> Uid {
            Uid::new(7).unwrap()
        }
        fn flags(&self) -> Flags {
            Flags {
                system: SystemFlags::SEEN,
                keywords: 0,
            }
        }
        fn keywords(&self) -> &[Arc<str>] {
            &[]
        }
        fn modseq(&self) -> ModSeq {
            ModSeq(5)
        }
        fn size(&self) -> u64 {
            self.0.len() as u64
        }
        fn internal_date(&self) -> DateTime {
            DateTime {
                unix: 951_782_400 - 3600,
                zone_minutes: 60,
            }
        }
        fn save_date(&self) -> i64 {
            0
        }
        fn email_id(&self) -> EmailId {
            EmailId(1)
        }
        fn thread_id(&self) -> ThreadId {
            ThreadId(1)
        }
        fn header_len(&self) -> u64 {
            self.0.windows(4).position(|w| w == b"\r\n\r\n").unwrap() as u64 + 4
        }
        fn text_parts(&mut self) -> Result<Vec<TextPart>, StoreError> {
            let mut scanner = crate::message::Scanner::new();
            scanner.feed(self.0);
            Ok(scanner.finish().text_parts().collect())
        }
        fn read(&mut self, offset: u64, max: usize) -> Result<Bytes, StoreError> {
            self.1 += 1;
            let rest = &self.0[usize::try_from(offset).unwrap()..];
            Ok(Bytes::from_static(&rest[..rest.len().min(max)]))
        }
    }

    const MAIL: &[u8] =
        b"Date: Tue, 29 Feb 2000 23:59:00 -0800\r\nSubject: One\r\n two\r\n\r\nThe Body here\r\n";

    fn run(steps: Vec<Step>) -> (bool, u32) {
        let mut mail = Mail(MAIL, 0);
        let matched = Program { steps }.matches(&mut mail).unwrap();
        (matched, mail.1)
    }

    #[test]
    fn cheap_leaves_decide_without_reading() {
        let body = || Step::Test(Leaf::Body("body".to_string()));
        let seen = || Step::Test(Leaf::Flag(SystemFlags::SEEN));
        assert_eq!(run(vec![body(), seen(), Step::Or]), (true, 0));
        assert_eq!(run(vec![body(), seen(), Step::Not, Step::And]), (false, 0));
        assert!(run(vec![body(), seen(), Step::And]).0);
        assert_eq!(run(vec![]), (false, 0));
    }

    #[test]
    fn dates_headers_and_texts() {
        let leap = Date {
            year: 2000,
            month: 2,
            day: 29,
        };
        for (leaf, wanted) in [
            (Leaf::Internal(When::On, leap), true),
            (Leaf::Sent(When::On, leap), true),
            (Leaf::Sent(When::Before, leap), false),
            (Leaf::Saved(When::Since, leap), false),
            (Leaf::Header("subject".into(), "one TWO".into()), true),
            (Leaf::Header("subject".into(), String::new()), true),
            (Leaf::Header("cc".into(), String::new()), false),
            (Leaf::Body("subject".into()), false),
            (Leaf::Text("SUBJECT".into()), true),
        ] {
            assert_eq!(run(vec![Step::Test(leaf.clone())]).0, wanted, "{leaf:?}");
        }
    }

    #[test]
    fn a_deep_program_needs_no_call_stack() {
        let mut steps = vec![Step::Test(Leaf::All)];
        steps.extend(core::iter::repeat_n(Step::Not, 100_000));
        assert!(run(steps).0);
    }
}
