//! Scripts: reading them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use crate::host::{Chunking, Options, Simulated};
use crate::play::{Play, Server, Transcript};
use crate::recordings::keep;

/// A script: one server, from its first connection to the last line.
#[derive(Clone, Debug)]
pub struct Script {
    pub(crate) name: String,
    pub(crate) options: Options,
    pub(crate) lines: Vec<(usize, Line)>,
}

#[derive(Clone, Debug)]
pub(crate) enum Line {
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
pub struct Failure(pub(crate) String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

/// The seeds of the random chunkings.
const SEEDS: std::ops::Range<u64> = 1..11;

/// The scripts of all files under `scripts/`, in the order of the files' names.
///
/// # Errors
/// A file cannot be read, or is none of scripts.
pub fn all_scripts() -> Result<Vec<Script>, Failure> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let unread = |e: std::io::Error| Failure(format!("{}: {e}", folder.display()));
    let mut scripts = Vec::new();
    let entries: Result<Vec<_>, _> = std::fs::read_dir(&folder).map_err(unread)?.collect();
    let mut paths: Vec<_> = entries.map_err(unread)?.iter().map(|e| e.path()).collect();
    paths.retain(|p| p.extension().is_some_and(|e| e == "txt"));
    paths.sort();
    for path in paths {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let text = std::fs::read_to_string(&path).map_err(unread)?;
        scripts.extend(Script::parse(&file, &text)?);
    }
    Ok(scripts)
}

impl Script {
    /// Reads the scripts of a file: each begins with a line `== title`, and the title names the RFC and the section that decide.
    ///
    /// # Errors
    /// A line is none of those there are, or a title names no section.
    pub fn parse(file: &str, text: &str) -> Result<Vec<Self>, Failure> {
        let mut scripts: Vec<Self> = Vec::new();
        for (number, line) in text.lines().enumerate().map(|(n, l)| (n + 1, l)) {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let read = match line.strip_prefix("== ") {
                Some(title) if names_a_section(title) => {
                    scripts.push(Self::empty(&format!("{file} ({title})")));
                    Some(())
                }
                Some(_) => None,
                None => scripts.last_mut().and_then(|s| s.line(number, line)),
            };
            read.ok_or_else(|| Failure(format!("{file}:{number}: no line of a script: {line}")))?;
        }
        match scripts.iter().find(|s| s.lines.is_empty()) {
            Some(script) => Err(Failure(format!("{}: nothing is said", script.name))),
            None => Ok(scripts),
        }
    }

    /// The file's name, and the title in parentheses.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How its server is set up.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Runs the script in the simulation in every chunking; the octets answered must be the same.
    ///
    /// # Errors
    /// What was said was not what was expected, or depended on the chunking.
    pub fn run(&self) -> Result<(), Failure> {
        let whole = self.simulate(Chunking::Whole)?;
        let others = [Chunking::Octets, Chunking::AtCrLf]
            .into_iter()
            .chain(SEEDS.map(Chunking::Random));
        for chunking in others {
            let other = self.simulate(chunking)?;
            whole.compare(&other).map_err(|difference| {
                Failure(format!(
                    "{}: {chunking:?} gives other octets than the whole: {difference}",
                    self.name
                ))
            })?;
        }
        Ok(())
    }

    /// Runs the script in the simulation; what was said.
    ///
    /// # Errors
    /// What was said was not what was expected.
    pub fn simulate(&self, chunking: Chunking) -> Result<Transcript, Failure> {
        let mut server = Simulated::new(&self.options, chunking);
        self.run_on(&mut server)
            .map_err(|f| self.recorded(Failure(format!("{chunking:?}: {f}")), chunking))
    }

    /// Runs the script in the simulation, however it goes; the recordings of its connections by their names.
    #[must_use]
    pub fn record(&self, chunking: Chunking) -> BTreeMap<String, String> {
        let mut server = Simulated::new(&self.options, chunking);
        server.host.record();
        // How it went is known already, or not asked for.
        let _ = self.run_on(&mut server);
        server.host.into_recordings()
    }

    /// Where `PILLARBOX_RECORDINGS` names a folder, the connections of a script that failed are recorded in it.
    fn recorded(&self, failure: Failure, chunking: Chunking) -> Failure {
        let letters = self.name.chars().filter(char::is_ascii_alphanumeric);
        let script: String = letters.take(80).collect();
        let kept = keep(&script, || self.record(chunking));
        Failure([vec![failure.0], kept].concat().join("\n"))
    }

    /// The same script, with every connection under TLS from its first octet.
    #[must_use]
    pub fn under_tls(&self) -> Self {
        let mut script = self.clone();
        script.options.tls = true;
        script
    }

    /// Runs the script on a server that was set up as its options say; what was said.
    ///
    /// # Errors
    /// What was said was not what was expected.
    pub fn run_on(&self, server: &mut dyn Server) -> Result<Transcript, Failure> {
        Play::new(server)
            .run(&self.lines)
            .map_err(|(line, text)| Failure(format!("{}, line {line}: {text}", self.name)))
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
            None if option == "tls" => self.options.tls = true,
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
}

/// A title begins with `RFC` and a number, and names a section or an appendix.
fn names_a_section(title: &str) -> bool {
    title.starts_with("RFC ") && (title.contains('§') || title.contains("Appendix"))
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
