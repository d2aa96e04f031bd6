//! Scripts: reading them, running them, and saying where one failed.

use std::fmt;

use crate::host::{Chunking, Host, Options};

/// A script: one server, from its first connection to the last line.
#[derive(Clone, Debug)]
pub struct Script {
    name: String,
    options: Options,
    lines: Vec<(usize, Line)>,
}

#[derive(Clone, Debug)]
enum Line {
    Client(String, Vec<u8>),
    Server(String, String),
    Skip(String, String),
    Time(u64),
    Tls(String),
    Eof(String),
    Closed(String),
}

/// What scripts begin with, by the name `include` gives.
const PRELUDES: [(&str, &str); 4] = [
    ("login", include_str!("../scripts/prelude/login.txt")),
    ("three", include_str!("../scripts/prelude/three.txt")),
    ("open", include_str!("../scripts/prelude/open.txt")),
    ("parts", include_str!("../scripts/prelude/parts.txt")),
];

/// Where and how a script failed.
#[derive(Debug)]
pub struct Failure(String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

/// The seeds of the random chunkings.
const SEEDS: std::ops::Range<u64> = 1..11;

impl Script {
    /// Reads the scripts of a file: a line `== title` begins another one.
    ///
    /// # Errors
    /// A line is none of those there are.
    pub fn parse(name: &str, text: &str) -> Result<Vec<Self>, Failure> {
        let mut scripts = Vec::new();
        let mut script = Self::empty(name);
        for (number, line) in text.lines().enumerate().map(|(n, l)| (n + 1, l)) {
            if let Some(title) = line.strip_prefix("== ") {
                let next = Self::empty(&format!("{name} ({title})"));
                scripts.push(std::mem::replace(&mut script, next));
            } else if !line.trim().is_empty() && !line.starts_with('#') {
                script.line(number, line).ok_or_else(|| {
                    Failure(format!("{name}:{number}: not a line of a script: {line}"))
                })?;
            }
        }
        scripts.push(script);
        scripts.retain(|s| !s.lines.is_empty());
        Ok(scripts)
    }

    fn empty(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            options: Options::default(),
            lines: Vec::new(),
        }
    }

    fn line(&mut self, number: usize, line: &str) -> Option<()> {
        if let Some(seconds) = line.strip_prefix("time +") {
            self.lines
                .push((number, Line::Time(seconds.trim().parse().ok()?)));
            return Some(());
        }
        if let Some(option) = line.strip_prefix("option ") {
            return self.option(option);
        }
        let (name, rest) = match line.split_at_checked(2) {
            Some((name, rest)) if name.ends_with('.') => (name[..1].to_owned(), rest),
            _ => (String::from("A"), line),
        };
        if let Some(prelude) = rest.strip_prefix("include ") {
            return self.include(number, &name, prelude);
        }
        self.lines.push((number, spoken(name, rest)?));
        Some(())
    }

    fn include(&mut self, number: usize, name: &str, prelude: &str) -> Option<()> {
        let (_, text) = PRELUDES.iter().find(|(n, _)| *n == prelude)?;
        for line in text.lines() {
            self.lines.push((number, spoken(name.to_owned(), line)?));
        }
        Some(())
    }

    fn option(&mut self, option: &str) -> Option<()> {
        match option.split_once('=') {
            None if option == "no-plaintext" => self.options.no_plaintext = true,
            None if option == "starttls" => self.options.starttls = true,
            Some(("append", n)) => self.options.limits.append = n.parse().ok()?,
            Some(("line", n)) => self.options.limits.line = n.parse().ok()?,
            Some(("command", n)) => self.options.limits.command = n.parse().ok()?,
            Some(("fetch-page", n)) => self.options.limits.fetch_page = n.parse().ok()?,
            Some(("inline-body", n)) => self.options.limits.inline_body = n.parse().ok()?,
            Some(("body-window", n)) => self.options.limits.body_window = n.parse().ok()?,
            Some(("search-depth", n)) => self.options.limits.search_depth = n.parse().ok()?,
            Some(("search-texts", n)) => self.options.limits.search_texts = n.parse().ok()?,
            Some(("section-depth", n)) => self.options.limits.section_depth = n.parse().ok()?,
            _ => return None,
        }
        Some(())
    }

    /// Runs the script in every chunking; the octets answered must be the same.
    ///
    /// # Errors
    /// What was said was not what was expected, or depended on the chunking.
    pub fn run(&self) -> Result<(), Failure> {
        let whole = self.run_in(Chunking::Whole)?;
        let others = [Chunking::Octets, Chunking::AtCrLf]
            .into_iter()
            .chain(SEEDS.map(Chunking::Random));
        for chunking in others {
            if self.run_in(chunking)? != whole {
                return Err(Failure(format!(
                    "{}: {chunking:?} gives other octets than the whole",
                    self.name
                )));
            }
        }
        Ok(())
    }

    fn run_in(&self, chunking: Chunking) -> Result<Vec<String>, Failure> {
        let mut host = Host::new(&self.options);
        let mut said: Vec<String> = Vec::new();
        let mut names = Names::new();
        let mut left: std::collections::BTreeMap<String, std::collections::VecDeque<String>> =
            std::collections::BTreeMap::new();
        let mut lines = self.lines.iter().peekable();
        while let Some((number, line)) = lines.next() {
            let fail =
                |text: String| Failure(format!("{}:{number} ({chunking:?}): {text}", self.name));
            match line {
                Line::Client(name, octets) => {
                    let mut octets = fill_in(octets, &names);
                    while let Some((_, Line::Client(next, more))) = lines.peek()
                        && next == name
                    {
                        octets.extend_from_slice(&fill_in(more, &names));
                        lines.next();
                    }
                    for (other, rest) in host
                        .names()
                        .into_iter()
                        .map(|n| (n.clone(), host_lines(&mut host, &n)))
                    {
                        left.entry(other).or_default().extend(rest);
                    }
                    let unread = left.iter().find_map(|(name, rest)| {
                        rest.front()
                            .map(|l| format!("{name} said {l:?}, which nothing expected"))
                    });
                    if let Some(unread) = unread {
                        return Err(fail(unread));
                    }
                    let _ = host.send(name, &octets, chunking);
                }
                Line::Server(name, expected) => {
                    left.entry(name.clone())
                        .or_default()
                        .extend(host_lines(&mut host, name));
                    let Some(actual) = left.entry(name.clone()).or_default().pop_front() else {
                        return Err(fail(format!(
                            "expected {expected:?}, and nothing more was said"
                        )));
                    };
                    if !matches_and_names(expected, &actual, &mut names) {
                        return Err(fail(format!("expected {expected:?}, got {actual:?}")));
                    }
                    said.push(mask(&actual));
                }
                Line::Skip(name, expected) => {
                    let rest = left.entry(name.clone()).or_default();
                    rest.extend(host_lines(&mut host, name));
                    loop {
                        let Some(actual) = rest.pop_front() else {
                            return Err(fail(format!("nothing like {expected:?} was said")));
                        };
                        said.push(mask(&actual));
                        if matches_and_names(expected, &actual, &mut names) {
                            break;
                        }
                    }
                }
                Line::Time(seconds) => host.advance(*seconds),
                Line::Eof(name) => host.end_input(name),
                Line::Tls(name) if host.begin_tls(name) => {}
                Line::Tls(name) => return Err(fail(format!("{name} did not ask for TLS"))),
                Line::Closed(name) if host.is_closed(name) => {}
                Line::Closed(name) => return Err(fail(format!("{name} is still open"))),
            }
        }
        for name in host.names() {
            left.entry(name.clone())
                .or_default()
                .extend(host_lines(&mut host, &name));
        }
        match left
            .iter()
            .find_map(|(name, rest)| rest.front().map(|l| (name, l)))
        {
            Some((name, line)) => Err(Failure(format!(
                "{} ({chunking:?}): at the end {name} said {line:?}, which nothing expected",
                self.name
            ))),
            None => Ok(said),
        }
    }
}

/// A line of one connection.
fn spoken(name: String, rest: &str) -> Option<Line> {
    Some(match rest {
        "tls" => Line::Tls(name),
        "eof" => Line::Eof(name),
        "closed" => Line::Closed(name),
        "C:" => Line::Client(name, b"\r\n".to_vec()),
        "S:" => Line::Server(name, String::new()),
        _ => match rest.split_at_checked(3)? {
            ("C: ", text) => Line::Client(name, [text.as_bytes(), b"\r\n"].concat()),
            ("C| ", text) => Line::Client(name, unescape(text)?),
            ("S: ", text) => Line::Server(name, text.to_owned()),
            ("S~ ", text) => Line::Skip(name, text.to_owned()),
            _ => return None,
        },
    })
}

fn fill_in(octets: &[u8], names: &Names) -> Vec<u8> {
    match std::str::from_utf8(octets) {
        Ok(text) => named(text, names).into_bytes(),
        Err(_) => octets.to_vec(),
    }
}

fn host_lines(host: &mut Host, name: &str) -> Vec<String> {
    let output = host.take_output(name);
    let text = String::from_utf8_lossy(&output);
    text.split_terminator("\r\n").map(str::to_owned).collect()
}

/// Words that scripts gave a name to.
type Names = std::collections::BTreeMap<String, String>;

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

/// UIDVALIDITY comes from the wall clock: long numbers are the same in all runs.
fn mask(line: &str) -> String {
    let mut out = String::new();
    for word in line.split_inclusive(|c: char| !c.is_ascii_digit()) {
        let digits = word.trim_end_matches(|c: char| !c.is_ascii_digit());
        if digits.len() >= 10 {
            out.push_str(&word.replacen(digits, "N", 1))
        } else {
            out.push_str(word)
        }
    }
    out
}

/// Undoes `\r`, `\n`, `\t`, `\\` and `\xNN`; `None`: there is another escape.
#[must_use]
pub fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut octets = text.bytes();
    while let Some(b) = octets.next() {
        if b != b'\\' {
            out.push(b);
            continue;
        }
        match octets.next()? {
            b'r' => out.push(b'\r'),
            b'n' => out.push(b'\n'),
            b't' => out.push(b'\t'),
            b'\\' => out.push(b'\\'),
            b'x' => {
                let hex = [octets.next()?, octets.next()?];
                out.push(u8::from_str_radix(std::str::from_utf8(&hex).ok()?, 16).ok()?);
            }
            _ => return None,
        }
    }
    Some(out)
}
