//! The place in a frame, with the words and depth still allowed.

use alloc::string::String;
use alloc::vec::Vec;
use bytes::Bytes;
use nom::IResult;

use super::lex;
use super::{Context, ParseError, ParseErrorKind};

/// Octets of a name that is told again in the answer, for each message: they weigh as much as a word.
pub(super) const NAME: usize = 4;

/// The result of a grammar rule.
pub(super) type Parsed<T> = Result<T, ParseError>;

/// A place in a frame.
pub(super) struct Cursor<'a> {
    frame: &'a Bytes,
    rest: &'a [u8],
    pub cx: Context<'a>,
    words: usize,
}

pub(super) fn syntax<T>(text: &'static str) -> Parsed<T> {
    Err(ParseError {
        kind: ParseErrorKind::Syntax,
        text,
    })
}

pub(super) fn too_many<T>(text: &'static str) -> Parsed<T> {
    Err(ParseError {
        kind: ParseErrorKind::TooManyTokens,
        text,
    })
}

impl<'a> Cursor<'a> {
    pub(super) fn new(frame: &'a Bytes, cx: &Context<'a>) -> Self {
        let words = if cx.authenticated {
            cx.limits.tokens
        } else {
            cx.limits.tokens_before_login
        };
        Self {
            frame,
            rest: frame,
            cx: *cx,
            words,
        }
    }

    /// ID has bounds of its own (RFC 2971 §3.3).
    pub(super) fn allow_words(&mut self, words: usize) {
        self.words = words;
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Octets not passed yet.
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    /// The octets up to the next space.
    pub(super) fn to_space(&self) -> &'a [u8] {
        let end = memchr::memchr(b' ', self.rest);
        &self.rest[..end.unwrap_or(self.rest.len())]
    }

    pub(super) fn at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// The end of the command; one space before it is forgiven, as some clients send it.
    pub(super) fn end(&self) -> Parsed<()> {
        match self.rest {
            [] | [b' '] => Ok(()),
            _ => syntax("Expected the end of the command"),
        }
    }

    /// Counts a word.
    #[inline]
    pub(super) fn word(&mut self) -> Parsed<()> {
        self.weigh(1)
    }

    /// Counts what takes the memory of so many words.
    #[inline]
    pub(super) fn weigh(&mut self, words: usize) -> Parsed<()> {
        match self.words.checked_sub(words) {
            Some(left) => {
                self.words = left;
                Ok(())
            }
            None => too_many("The command has too many words"),
        }
    }

    /// Runs a nom parser here, and counts a word.
    #[inline]
    pub(super) fn take<O>(
        &mut self,
        parser: impl Fn(&'a [u8]) -> IResult<&'a [u8], O>,
        expected: &'static str,
    ) -> Parsed<O> {
        self.word()?;
        self.run(parser, expected)
    }

    /// Runs a nom parser here on what was counted before.
    #[inline]
    pub(super) fn run<O>(
        &mut self,
        parser: impl Fn(&'a [u8]) -> IResult<&'a [u8], O>,
        expected: &'static str,
    ) -> Parsed<O> {
        match parser(self.rest) {
            Ok((rest, output)) => {
                self.rest = rest;
                Ok(output)
            }
            Err(_) => syntax(expected),
        }
    }

    /// Passes these octets, in any case, if they are next.
    #[inline]
    pub(super) fn skip<const N: usize>(&mut self, octets: &[u8; N]) -> bool {
        match self.rest.split_first_chunk::<N>() {
            Some((head, rest)) if head.eq_ignore_ascii_case(octets) => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// Passes so many octets, which were looked at already.
    pub(super) fn pass(&mut self, octets: usize) {
        self.rest = &self.rest[octets..];
    }

    #[inline]
    pub(super) fn expect<const N: usize>(
        &mut self,
        octets: &[u8; N],
        expected: &'static str,
    ) -> Parsed<()> {
        if self.skip(octets) {
            Ok(())
        } else {
            syntax(expected)
        }
    }

    pub(super) fn space(&mut self) -> Parsed<()> {
        self.expect(b" ", "Expected a space")
    }

    /// An opening parenthesis; counts a word.
    pub(super) fn open(&mut self) -> Parsed<()> {
        self.word()?;
        self.expect(b"(", "Expected (")
    }

    /// Between the members of a list: `true` at the closing parenthesis, which is passed.
    pub(super) fn list_ends(&mut self) -> Parsed<bool> {
        if self.skip(b")") {
            return Ok(true);
        }
        self.expect(b" ", "Expected a space or )")?;
        Ok(false)
    }

    pub(super) fn bytes(&self, part: &[u8]) -> Bytes {
        self.frame.slice_ref(part)
    }

    pub(super) fn atom(&mut self, expected: &'static str) -> Parsed<&'a [u8]> {
        self.take(lex::atom, expected)
    }

    /// An atom that is compared with words of the protocol.
    pub(super) fn keyword(&mut self, expected: &'static str) -> Parsed<Keyword<'a>> {
        let (word, small) = self.take(lex::cased_atom, expected)?;
        Ok(match small {
            false => Keyword::AsSent(word),
            true => Keyword::upper(word),
        })
    }

    /// string = quoted / literal
    pub(super) fn string(&mut self, expected: &'static str) -> Parsed<Bytes> {
        match self.peek() {
            Some(b'"') => {
                let (inner, escaped) = self.take(lex::quoted, expected)?;
                if !escaped {
                    return Ok(self.bytes(inner));
                }
                // It is copied.
                self.weigh(inner.len() / 8)?;
                Ok(lex::unescape(inner))
            }
            Some(b'{') => {
                let octets = self.take(lex::literal, expected)?;
                Ok(self.bytes(octets))
            }
            _ => syntax(expected),
        }
    }

    /// astring = 1*ASTRING-CHAR / string
    pub(super) fn astring(&mut self, expected: &'static str) -> Parsed<Bytes> {
        if matches!(self.peek(), Some(b'"' | b'{')) {
            return self.string(expected);
        }
        let octets = self.take(lex::astring_chars, expected)?;
        Ok(self.bytes(octets))
    }

    /// list-mailbox = 1*list-char / string
    pub(super) fn list_mailbox(&mut self) -> Parsed<Bytes> {
        const EXPECTED: &str = "Expected a mailbox pattern";
        if matches!(self.peek(), Some(b'"' | b'{')) {
            return self.string(EXPECTED);
        }
        let octets = self.take(lex::list_chars, EXPECTED)?;
        Ok(self.bytes(octets))
    }

    /// nstring = string / nil
    pub(super) fn nstring(&mut self) -> Parsed<Option<Bytes>> {
        if self.skip(b"NIL") {
            self.word()?;
            return Ok(None);
        }
        self.string("Expected a string or NIL").map(Some)
    }

    /// A parenthesised list of words that need no quotes, if one is next: its octets, of which each space parts two words.
    pub(super) fn atoms(&mut self) -> Parsed<Option<Bytes>> {
        let Some((inner, words)) = self.rest.get(1..).and_then(lex::astring_words) else {
            return Ok(None);
        };
        self.open()?;
        self.weigh(words + inner.len() / NAME)?;
        self.pass(inner.len() + 1);
        Ok(Some(self.bytes(inner)))
    }

    /// A parenthesised list of at least one member.
    pub(super) fn list<T>(
        &mut self,
        mut member: impl FnMut(&mut Self) -> Parsed<T>,
    ) -> Parsed<Vec<T>> {
        self.open()?;
        let mut members = Vec::new();
        loop {
            members.push(member(self)?);
            if self.list_ends()? {
                return Ok(members);
            }
        }
    }
}

/// A word in upper case: as it was sent, if that is how it was sent. Else what is longer than any word of the protocol is cut, and so
/// equals none.
pub(super) enum Keyword<'a> {
    AsSent(&'a [u8]),
    Upper([u8; 24], usize),
}

impl<'a> Keyword<'a> {
    #[cold]
    fn upper(word: &[u8]) -> Self {
        let mut octets = [0; 24];
        let len = word.len().min(octets.len());
        octets[..len].copy_from_slice(&word[..len]);
        octets.make_ascii_uppercase();
        Self::Upper(octets, len)
    }

    pub(super) fn octets(&self) -> &[u8] {
        match self {
            Self::AsSent(word) => word,
            Self::Upper(octets, len) => &octets[..*len],
        }
    }
}

/// A name of the protocol in upper case. They are ASCII: what is not stands as a question mark, and is no name that is known.
pub(super) fn upper(octets: &[u8]) -> String {
    octets
        .iter()
        .map(|b| match b {
            0..=0x7f => char::from(b.to_ascii_uppercase()),
            _ => '?',
        })
        .collect()
}
