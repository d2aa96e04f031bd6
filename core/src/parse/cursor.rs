//! The place in a frame, with the words and depth still allowed.

use alloc::string::String;
use alloc::vec::Vec;
use bytes::Bytes;
use nom::Parser;

use super::lex;
use super::{Context, ParseError, ParseErrorKind};

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
    pub(super) fn word(&mut self) -> Parsed<()> {
        match self.words.checked_sub(1) {
            Some(left) => {
                self.words = left;
                Ok(())
            }
            None => Err(ParseError {
                kind: ParseErrorKind::TooManyTokens,
                text: "The command has too many words",
            }),
        }
    }

    /// Runs a nom parser here, and counts a word.
    pub(super) fn take<O, P>(&mut self, mut parser: P, expected: &'static str) -> Parsed<O>
    where
        P: Parser<&'a [u8], Output = O, Error = nom::error::Error<&'a [u8]>>,
    {
        self.word()?;
        match parser.parse(self.rest) {
            Ok((rest, output)) => {
                self.rest = rest;
                Ok(output)
            }
            Err(_) => syntax(expected),
        }
    }

    /// Passes these octets, in any case, if they are next.
    pub(super) fn skip(&mut self, octets: &[u8]) -> bool {
        match self.rest.split_at_checked(octets.len()) {
            Some((head, rest)) if head.eq_ignore_ascii_case(octets) => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    pub(super) fn expect(&mut self, octets: &[u8], expected: &'static str) -> Parsed<()> {
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

    /// An atom in upper case, for keywords of the protocol.
    pub(super) fn keyword(&mut self, expected: &'static str) -> Parsed<String> {
        Ok(upper(self.atom(expected)?))
    }

    /// string = quoted / literal
    pub(super) fn string(&mut self, expected: &'static str) -> Parsed<Bytes> {
        match self.peek() {
            Some(b'"') => {
                let inner = self.take(lex::quoted, expected)?;
                Ok(lex::unescape(self.frame, inner))
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

pub(super) fn upper(octets: &[u8]) -> String {
    octets
        .iter()
        .map(|b| char::from(b.to_ascii_uppercase()))
        .collect()
}
