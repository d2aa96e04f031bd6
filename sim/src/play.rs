//! Scripts: running them on a server, and saying where one failed.

use std::collections::{BTreeMap, VecDeque};
use std::iter::Peekable;

use crate::script::Line;

/// A server that scripts are run on. Its connections begin when they are first named; each call returns when nothing moves any more.
pub trait Server {
    /// Sends octets on a connection.
    ///
    /// # Errors
    /// The server cannot be spoken to.
    fn send(&mut self, name: &str, octets: &[u8]) -> Result<(), String>;

    /// What a connection said since it was last asked.
    ///
    /// # Errors
    /// The server cannot be spoken to.
    fn take_output(&mut self, name: &str) -> Result<Vec<u8>, String>;

    /// The connections there are.
    fn names(&self) -> Vec<String>;

    /// Lets time pass.
    ///
    /// # Errors
    /// The server cannot be spoken to.
    fn advance(&mut self, seconds: u64) -> Result<(), String>;

    /// The client closes its side.
    ///
    /// # Errors
    /// The server cannot be spoken to.
    fn end_input(&mut self, name: &str) -> Result<(), String>;

    /// Puts TLS in place.
    ///
    /// # Errors
    /// The session did not ask for it, or the handshake failed.
    fn begin_tls(&mut self, name: &str) -> Result<(), String>;

    /// Whether a connection is over.
    ///
    /// # Errors
    /// It is over in an unclean way.
    fn is_closed(&mut self, name: &str) -> Result<bool, String>;
}

/// Everything that was said, in the order it was asked for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Transcript(Vec<Said>);

/// What one connection said up to a line of the script.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Said {
    line: usize,
    name: String,
    octets: Vec<u8>,
}

impl Transcript {
    /// Whether `other` is the same to the octet.
    ///
    /// # Errors
    /// The first difference, with the script's line.
    pub fn compare(&self, other: &Self) -> Result<(), String> {
        let length = self.0.len().max(other.0.len());
        let pairs = (0..length).map(|i| (self.0.get(i), other.0.get(i)));
        match pairs.into_iter().find(|(one, other)| one != other) {
            None => Ok(()),
            Some((one, other)) => Err(format!("\n  - {}\n  + {}", shown(one), shown(other))),
        }
    }

    fn push(&mut self, line: usize, name: &str, octets: Vec<u8>) {
        if !octets.is_empty() {
            self.0.push(Said {
                line,
                name: name.to_owned(),
                octets,
            });
        }
    }
}

fn shown(said: Option<&Said>) -> String {
    said.map_or_else(
        || String::from("nothing"),
        |s| format!("line {}, {}: {:?}", s.line, s.name, text(&s.octets)),
    )
}

/// One run of a script.
pub(crate) struct Play<'a> {
    server: &'a mut dyn Server,
    /// What was said and not yet expected, by connection.
    left: BTreeMap<String, VecDeque<String>>,
    names: Names,
    said: Transcript,
}

/// Words that a script gave a name to.
type Names = BTreeMap<String, String>;

impl<'a> Play<'a> {
    pub(crate) fn new(server: &'a mut dyn Server) -> Self {
        Self {
            server,
            left: BTreeMap::new(),
            names: Names::new(),
            said: Transcript::default(),
        }
    }

    /// Runs all lines; what was said, or the line that failed and how.
    pub(crate) fn run(mut self, lines: &[(usize, Line)]) -> Result<Transcript, (usize, String)> {
        let last = lines.last().map_or(0, |(number, _)| *number);
        let mut rest = lines.iter().peekable();
        while let Some((number, line)) = rest.next() {
            self.line(*number, line, &mut rest)
                .map_err(|text| (*number, text))?;
        }
        self.end(last).map_err(|text| (last, text))?;
        Ok(self.said)
    }

    fn line<'l>(
        &mut self,
        number: usize,
        line: &Line,
        rest: &mut Peekable<impl Iterator<Item = &'l (usize, Line)>>,
    ) -> Result<(), String> {
        match line {
            Line::Client(name, octets) => {
                self.nothing_left(number)?;
                let mut octets = fill_in(octets, &self.names);
                while let Some((_, Line::Client(next, more))) = rest.peek()
                    && next == name
                {
                    octets.extend_from_slice(&fill_in(more, &self.names));
                    rest.next();
                }
                self.server.send(name, &octets)
            }
            Line::Server(name, expected) => self.expect(number, name, expected),
            Line::Skip(name, expected) => self.skip_to(number, name, expected),
            Line::Time(seconds) => self.server.advance(*seconds),
            Line::Eof(name) => self.server.end_input(name),
            Line::Tls(name) => self.server.begin_tls(name),
            Line::Closed(name) if self.server.is_closed(name)? => Ok(()),
            Line::Closed(name) => Err(format!("{name} is still open")),
        }
    }

    fn expect(&mut self, number: usize, name: &str, expected: &str) -> Result<(), String> {
        self.hear(number, name)?;
        let left = self.left.entry(name.to_owned()).or_default();
        let Some(actual) = left.pop_front() else {
            return Err(format!(
                "\n  - {expected}\n  + nothing more was said by {name}"
            ));
        };
        if matches_and_names(expected, &actual, &mut self.names) {
            return Ok(());
        }
        let then: Vec<_> = left.iter().take(3).map(|l| format!("\n    {l}")).collect();
        Err(format!("\n  - {expected}\n  + {actual}{}", then.concat()))
    }

    fn skip_to(&mut self, number: usize, name: &str, expected: &str) -> Result<(), String> {
        self.hear(number, name)?;
        let left = self.left.entry(name.to_owned()).or_default();
        while let Some(actual) = left.pop_front() {
            if matches_and_names(expected, &actual, &mut self.names) {
                return Ok(());
            }
        }
        Err(format!("nothing like {expected:?} was said by {name}"))
    }

    /// Takes what a connection said, which begins if there is none of this name.
    fn hear(&mut self, number: usize, name: &str) -> Result<(), String> {
        let octets = self.server.take_output(name)?;
        let lines = text(&octets);
        let lines = lines.split_terminator("\r\n").map(str::to_owned);
        self.left.entry(name.to_owned()).or_default().extend(lines);
        self.said.push(number, name, octets);
        Ok(())
    }

    /// Before anything is sent, all that was said must have been expected.
    fn nothing_left(&mut self, number: usize) -> Result<(), String> {
        for name in self.server.names() {
            self.hear(number, &name)?;
        }
        let unread = |(name, rest): (&String, &VecDeque<String>)| {
            let line = rest.front()?;
            Some(format!("{name} said {line:?}, which nothing expected"))
        };
        self.left.iter().find_map(unread).map_or(Ok(()), Err)
    }

    fn end(&mut self, number: usize) -> Result<(), String> {
        self.nothing_left(number)?;
        for name in self.server.names() {
            if self.server.is_closed(&name)? {
                self.said.push(number, &name, b"(closed)".to_vec());
            }
        }
        Ok(())
    }
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

fn fill_in(octets: &[u8], names: &Names) -> Vec<u8> {
    match std::str::from_utf8(octets) {
        Ok(text) => named(text, names).into_bytes(),
        Err(_) => octets.to_vec(),
    }
}

/// A line with the words named so far in the place of `<$name>`.
fn named(line: &str, names: &Names) -> String {
    names.iter().fold(line.to_owned(), |line, (name, word)| {
        line.replace(&format!("<${name}>"), word)
    })
}

/// Like [`matches`]; one `<$name>` that has no word yet takes the one that stands there.
fn matches_and_names(expected: &str, actual: &str, names: &mut Names) -> bool {
    let expected = named(expected, names);
    let Some((before, (name, after))) = expected
        .split_once("<$")
        .and_then(|(before, rest)| Some((before, rest.split_once('>')?)))
    else {
        return matches(&expected, actual);
    };
    let Some(start) = before
        .rsplit("<any>")
        .next()
        .and_then(|text| actual.find(text).map(|at| at + text.len()))
    else {
        return false;
    };
    let word: String = actual[start..]
        .chars()
        .take_while(char::is_ascii_alphanumeric)
        .collect();
    let whole = format!("{before}{word}{after}");
    names.insert(name.to_owned(), word);
    matches(&whole, actual)
}

/// `<any>` stands for any text.
fn matches(expected: &str, actual: &str) -> bool {
    let mut pieces = expected.split("<any>");
    let Some(first) = pieces.next() else {
        return expected == actual;
    };
    let Some(mut rest) = actual.strip_prefix(first) else {
        return false;
    };
    let pieces: Vec<&str> = pieces.collect();
    let Some((last, middle)) = pieces.split_last() else {
        return rest.is_empty();
    };
    for piece in middle {
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}
