//! Runs a program on one message: an explicit stack, what costs nothing first, octets only when they decide.

use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;

use super::header::{Asked, Header};
use super::read::Reader;
use super::text::{Needle, fold};
use super::{Leaf, Program, Step, When};
use crate::date::{Date, DateTime};
use crate::effect::StoreError;
use crate::flag::{Flags, find_keyword};
use crate::id::{EmailId, ModSeq, ThreadId, Uid};
use crate::message::{TextPart, sent_date};

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
    ///
    /// # Errors
    /// What is known of its structure cannot be had.
    fn text_parts(&mut self) -> Result<Vec<TextPart>, StoreError>;
    /// At most `max` octets from `offset` on; none at the end.
    ///
    /// # Errors
    /// The message cannot be read.
    fn read(&mut self, offset: u64, max: usize) -> Result<Bytes, StoreError>;
}

impl Program {
    /// Whether the message matches; a program that leaves no value matches nothing.
    ///
    /// # Errors
    /// When octets that decide could not be read.
    pub fn matches(&self, candidate: &mut dyn Candidate) -> Result<bool, StoreError> {
        let answer = |step: &Step| match step {
            Step::Test(leaf) => cheap(leaf, candidate),
            Step::Not | Step::And | Step::Or => None,
        };
        let mut answers: Vec<_> = self.steps.iter().map(answer).collect();
        if let Some(known) = self.decide(&answers) {
            return Ok(known);
        }
        let mut reader = Reader::new(candidate, self.header);
        self.ask_header(&mut reader, &mut answers)?;
        if let Some(known) = self.decide(&answers) {
            return Ok(known);
        }
        self.ask_body(&mut reader, &mut answers)?;
        Ok(self.decide(&answers) == Some(true))
    }

    /// Three-valued evaluation: `answers` has those of the leaves, as far as they are known.
    fn decide(&self, answers: &[Option<bool>]) -> Option<bool> {
        let mut stack: Vec<Option<bool>> = Vec::new();
        for (step, answer) in self.steps.iter().zip(answers) {
            let value = match step {
                Step::Test(_) => *answer,
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
        stack.pop().unwrap_or(Some(false))
    }

    /// The leaves that are not answered yet.
    fn open<'a>(
        &'a self,
        answers: &'a mut [Option<bool>],
    ) -> impl Iterator<Item = (&'a Leaf, &'a mut Option<bool>)> {
        let steps = self.steps.iter().zip(answers);
        steps.filter_map(|(step, answer)| match step {
            Step::Test(leaf) if answer.is_none() => Some((leaf, answer)),
            _ => None,
        })
    }

    /// What the header can answer; it is read and decoded once.
    fn ask_header(
        &self,
        reader: &mut Reader<'_>,
        answers: &mut [Option<bool>],
    ) -> Result<(), StoreError> {
        let (mut dates, mut asked) = (false, Asked::default());
        for (leaf, _) in self.open(answers) {
            match leaf {
                Leaf::Sent(..) => dates = true,
                Leaf::Text(_) => asked.lines(),
                Leaf::Header(name, _) => asked.field(name),
                _ => {}
            }
        }
        if !dates && asked.is_empty() {
            return Ok(());
        }
        let octets = reader.header()?;
        let day = dates.then(|| sent_date(&octets)).flatten();
        let header = Header::new(&octets, &asked);
        for (leaf, answer) in self.open(answers) {
            *answer = match leaf {
                Leaf::Sent(when, date) => Some(day.is_some_and(|day| compare(*when, day, *date))),
                Leaf::Header(name, text) => Some(header.has(name, text)),
                Leaf::Text(text) => header.contains(text).then_some(true),
                _ => None,
            };
        }
        Ok(())
    }

    /// What the body can answer: one pass over its text for all that is still open.
    fn ask_body(
        &self,
        reader: &mut Reader<'_>,
        answers: &mut [Option<bool>],
    ) -> Result<(), StoreError> {
        let mut texts: Vec<_> = self
            .open(answers)
            .filter_map(|(leaf, answer)| match leaf {
                Leaf::Body(text) => Some((fold(text), false, answer)),
                Leaf::Text(text) => Some((fold(text), true, answer)),
                _ => None,
            })
            .collect();
        let mut needles: Vec<_> = texts
            .iter_mut()
            .map(|(text, in_headers, answer)| (Needle::new(text), *in_headers, &mut **answer))
            .collect();
        for part in reader.text_parts()? {
            if needles.is_empty() {
                break;
            }
            let mut missing: Vec<_> = needles
                .iter_mut()
                .filter(|(_, in_headers, _)| *in_headers || !part.header)
                .map(|(needle, ..)| needle)
                .collect();
            reader.look_through(&part, &mut missing)?;
            needles.retain_mut(|(needle, _, answer)| {
                **answer = Some(needle.found());
                !needle.found()
            });
        }
        // The empty text is also in a message without any.
        for (needle, _, answer) in needles {
            *answer = Some(needle.found());
        }
        Ok(())
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

fn compare(when: When, day: Date, with: Date) -> bool {
    match when {
        When::Before => day < with,
        When::On => day == with,
        When::Since => day >= with,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flag::SystemFlags;
    use alloc::string::{String, ToString};
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
        let matched = Program {
            steps,
            ..Program::default()
        }
        .matches(&mut mail)
        .unwrap();
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
