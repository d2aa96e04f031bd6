//! Values as words of a line: numbers in decimal, octets in quotes, `~` for nothing, a list with its length first.

use std::num::NonZeroU32;
use std::sync::Arc;

use bytes::Bytes;
use pillarbox_core::date::DateTime;
use pillarbox_core::effect::MailboxRef;
use pillarbox_core::flag::{Flags, SystemFlags};
use pillarbox_core::id::{
    AccountId, EmailId, MailboxId, ModSeq, ThreadId, Uid, UidValidity, UploadId,
};
use pillarbox_core::mailbox::MailboxName;
use pillarbox_core::set::UidSet;

/// A value that a recording can hold.
pub(super) trait Word: Sized {
    /// Adds it to a line, after a space.
    fn put(&self, line: &mut String);

    /// Takes it from a line; `None`: what stands there is none.
    fn take(words: &mut Words<'_>) -> Option<Self>;
}

/// What is left of a line.
#[derive(Clone, Debug)]
pub(super) struct Words<'a>(&'a str);

impl<'a> Words<'a> {
    /// The words after the first one, which says what the line is.
    pub(super) fn of(line: &'a str) -> (&'a str, Self) {
        match line.find(' ') {
            Some(space) => (&line[..space], Self(&line[space..])),
            None => (line, Self("")),
        }
    }

    pub(super) fn take<T: Word>(&mut self) -> Option<T> {
        T::take(self)
    }

    /// The next word that is not in quotes.
    pub(super) fn plain(&mut self) -> Option<&'a str> {
        let rest = self.0.strip_prefix(' ')?;
        let (word, rest) = rest.split_at(rest.find(' ').unwrap_or(rest.len()));
        self.0 = rest;
        (!word.is_empty() && !word.starts_with('"')).then_some(word)
    }

    /// The octets in quotes that come next.
    fn quoted(&mut self) -> Option<Vec<u8>> {
        let rest = self.0.strip_prefix(" \"")?;
        let (octets, rest) = rest.split_once('"')?;
        self.0 = rest;
        unquote(octets)
    }

    /// Passes the sign for nothing.
    fn nothing(&mut self) -> bool {
        let mut ahead = self.clone();
        let is = ahead.plain() == Some("~");
        if is {
            *self = ahead;
        }
        is
    }

    /// The line ends here.
    pub(super) fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

/// Runs of one octet from this length on are written as one.
const RUN: usize = 5;
/// One value holds at most so many octets.
const VALUE: usize = 64 << 20;

/// Octets in quotes: `\xNN` is an octet that is not printed, `\5E` is `EEEEE`.
fn quote(octets: &[u8], line: &mut String) {
    line.push_str(" \"");
    for run in octets.chunk_by(|a, b| a == b) {
        let octet = run[0];
        let shown = matches!(octet, b' '..=b'~') && !matches!(octet, b'"' | b'\\');
        let runs = shown && !octet.is_ascii_digit() && run.len() >= RUN;
        let (times, mark) = if runs {
            (1, format!("\\{}", run.len()))
        } else {
            (run.len(), String::new())
        };
        for _ in 0..times {
            line.push_str(&mark);
            match octet {
                b'\r' => line.push_str("\\r"),
                b'\n' => line.push_str("\\n"),
                octet if shown => line.push(char::from(octet)),
                octet => line.push_str(&format!("\\x{octet:02x}")),
            }
        }
    }
    line.push('"');
}

fn unquote(text: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&octet, after)) = rest.split_first() {
        rest = after;
        if octet != b'\\' {
            octets.push(octet);
            continue;
        }
        let (&mark, after) = rest.split_first()?;
        match mark {
            b'r' => octets.push(b'\r'),
            b'n' => octets.push(b'\n'),
            b'x' => {
                let hex = std::str::from_utf8(after.get(..2)?).ok()?;
                octets.push(u8::from_str_radix(hex, 16).ok()?);
            }
            b'0'..=b'9' => {
                let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
                let times: usize = std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()?;
                let octet = *rest.get(digits)?;
                (octets.len().saturating_add(times) <= VALUE).then_some(())?;
                octets.resize(octets.len() + times, octet);
                rest = &rest[digits + 1..];
                continue;
            }
            _ => return None,
        }
        rest = if mark == b'x' { &after[2..] } else { after };
    }
    Some(octets)
}

macro_rules! numbers {
    ($($number:ty),*) => {
        $(impl Word for $number {
            fn put(&self, line: &mut String) {
                line.push(' ');
                line.push_str(&self.to_string());
            }

            fn take(words: &mut Words<'_>) -> Option<Self> {
                words.plain()?.parse().ok()
            }
        })*
    };
}

numbers!(u8, u16, u32, u64, u128, usize, i16, i64, bool, NonZeroU32);

/// Structs as their fields, in this order.
macro_rules! fields {
    ($($name:ident { $($field:tt),* })*) => {
        $(impl Word for $name {
            fn put(&self, line: &mut String) {
                $(self.$field.put(line);)*
            }

            fn take(words: &mut Words<'_>) -> Option<Self> {
                Some($name { $($field: words.take()?),* })
            }
        })*
    };
}
pub(super) use fields;

fields! {
    AccountId { 0 }
    MailboxId { 0 }
    EmailId { 0 }
    ThreadId { 0 }
    UploadId { 0 }
    ModSeq { 0 }
    UidValidity { 0 }
    SystemFlags { 0 }
    Flags { system, keywords }
    DateTime { unix, zone_minutes }
    MailboxRef { owner, id }
}

impl Word for Uid {
    fn put(&self, line: &mut String) {
        self.get().put(line);
    }

    fn take(words: &mut Words<'_>) -> Option<Self> {
        Self::new(words.take()?)
    }
}

impl Word for Vec<u8> {
    fn put(&self, line: &mut String) {
        quote(self, line);
    }

    fn take(words: &mut Words<'_>) -> Option<Self> {
        words.quoted()
    }
}

impl Word for Bytes {
    fn put(&self, line: &mut String) {
        quote(self, line);
    }

    fn take(words: &mut Words<'_>) -> Option<Self> {
        words.quoted().map(Self::from)
    }
}

impl Word for String {
    fn put(&self, line: &mut String) {
        quote(self.as_bytes(), line);
    }

    fn take(words: &mut Words<'_>) -> Option<Self> {
        Self::from_utf8(words.quoted()?).ok()
    }
}

impl Word for Arc<str> {
    fn put(&self, line: &mut String) {
        quote(self.as_bytes(), line);
    }

    fn take(words: &mut Words<'_>) -> Option<Self> {
        words.take::<String>().map(Self::from)
    }
}

impl Word for MailboxName {
    fn put(&self, line: &mut String) {
        quote(self.as_str().as_bytes(), line);
    }

    fn take(words: &mut Words<'_>) -> Option<Self> {
        Self::new(&words.take::<String>()?).ok()
    }
}

impl Word for UidSet {
    fn put(&self, line: &mut String) {
        list(self.ranges(), line);
    }

    fn take(words: &mut Words<'_>) -> Option<Self> {
        unlist::<(u32, u32)>(words).map(Self::from_ranges)
    }
}

impl Word for () {
    fn put(&self, _line: &mut String) {}

    fn take(_words: &mut Words<'_>) -> Option<Self> {
        Some(())
    }
}

impl<T: Word> Word for Option<T> {
    fn put(&self, line: &mut String) {
        match self {
            Some(value) => value.put(line),
            None => line.push_str(" ~"),
        }
    }

    fn take(words: &mut Words<'_>) -> Option<Self> {
        if words.nothing() {
            return Some(None);
        }
        words.take().map(Some)
    }
}

impl<T: Word> Word for Box<T> {
    fn put(&self, line: &mut String) {
        (**self).put(line);
    }

    fn take(words: &mut Words<'_>) -> Option<Self> {
        words.take().map(Self::new)
    }
}

impl<A: Word, B: Word> Word for (A, B) {
    fn put(&self, line: &mut String) {
        self.0.put(line);
        self.1.put(line);
    }

    fn take(words: &mut Words<'_>) -> Option<Self> {
        Some((words.take()?, words.take()?))
    }
}

impl<A: Word, B: Word, C: Word> Word for (A, B, C) {
    fn put(&self, line: &mut String) {
        self.0.put(line);
        self.1.put(line);
        self.2.put(line);
    }

    fn take(words: &mut Words<'_>) -> Option<Self> {
        Some((words.take()?, words.take()?, words.take()?))
    }
}

/// Values of one kind, their number first.
pub(super) fn list<T: Word>(values: &[T], line: &mut String) {
    values.len().put(line);
    values.iter().for_each(|value| value.put(line));
}

/// What [`list`] wrote.
pub(super) fn unlist<T: Word>(words: &mut Words<'_>) -> Option<Vec<T>> {
    let count: usize = words.take()?;
    // A number that is too large ends with the line.
    (0..count).map(|_| words.take()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_come_back() {
        for octets in [
            &b""[..],
            b"\"\\ a\r\n\0\xff",
            b"xxxxxxxx EEEEEEEE 11111111 \0\0\0\0\0\0\0\\\\\\\\\\\\\\\\",
            b"EEEEE4444",
        ] {
            let mut line = String::from("in");
            quote(octets, &mut line);
            assert!(line.bytes().all(|b| matches!(b, b' '..=b'~')), "{line}");
            let (_, mut words) = Words::of(&line);
            assert_eq!(words.quoted().as_deref(), Some(octets), "{line}");
            assert_eq!(words.end(), Some(()));
        }
    }

    #[test]
    fn what_was_not_written_is_not_read() {
        for text in ["\\", "\\q", "\\x0", "\\x0g", "\\7", "\\99999999999E"] {
            assert_eq!(unquote(text), None, "{text}");
        }
        for line in ["u", "u ", "u ~", "u -1", "u \"1\"", "u 4294967296"] {
            assert_eq!(Words::of(line).1.take::<u32>(), None, "{line}");
        }
        assert_eq!(unlist::<u32>(&mut Words::of("u 3 1 2").1), None);
        assert_eq!(Words::of("u 0").1.take::<Uid>(), None);
    }
}
