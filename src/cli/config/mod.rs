//! `pillarbox.toml`: read, checked, and turned into what the server is made of.

mod limits;

use std::fmt;
use std::net::SocketAddr;
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};

use pillarbox::driver::Settings;
use serde::Deserialize;
use toml::Spanned;

/// The file that is read when none is named.
pub const FILE: &str = "pillarbox.toml";

/// A checked configuration; paths in it are complete.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// The folder that keeps mail and accounts.
    pub store: PathBuf,
    pub listen: Vec<Listener>,
    pub tls: Option<TlsFiles>,
    pub accounts: Source,
    pub record: Option<Record>,
    /// What a running server can change.
    pub settings: Settings,
}

/// An address to listen on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listener {
    pub address: SocketAddr,
    /// TLS from the first octet on.
    pub implicit_tls: bool,
}

/// A certificate chain and its key, both in PEM.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlsFiles {
    pub certificates: PathBuf,
    pub key: PathBuf,
}

/// Where accounts come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    /// The store's folder; `pillarbox account` changes them.
    Store,
    /// A file of `name:hash` lines.
    File(PathBuf),
}

/// Where connections are recorded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    pub folder: PathBuf,
    /// Octets of one recording at the most.
    pub max_octets: u64,
    /// Files in the folder at the most.
    pub max_files: usize,
}

/// What is wrong with a configuration, and where.
#[derive(Debug)]
pub struct ConfigError {
    path: PathBuf,
    line: Option<usize>,
    text: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.text)
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Reads and checks a file.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let fault = |e: std::io::Error| ConfigError {
            path: path.to_owned(),
            line: None,
            text: format!("{e}; name another file with --config"),
        };
        let text = std::fs::read_to_string(path).map_err(fault)?;
        let path = std::path::absolute(path).map_err(fault)?;
        let folder = path.parent().unwrap_or(Path::new("/"));
        Self::parse(&text, folder).map_err(|fault| ConfigError {
            line: fault.span.map(|span| line_of(&text, span.start)),
            path,
            text: fault.text,
        })
    }

    /// Relative paths begin at `folder`.
    fn parse(text: &str, folder: &Path) -> Result<Self, Fault> {
        let file: File = toml::from_str(text)?;
        let settings = file.settings()?;
        let config = Self {
            store: folder.join(&file.store),
            listen: file
                .listen
                .iter()
                .map(|table| table.get_ref().read())
                .collect::<Result<_, _>>()?,
            tls: file.tls.as_ref().map(|table| TlsFiles {
                certificates: folder.join(&table.certificates),
                key: folder.join(&table.key),
            }),
            accounts: file.accounts.read(folder)?,
            record: file.record.as_ref().map(|r| r.read(folder)).transpose()?,
            settings,
        };
        config.meets(&file)?;
        Ok(config)
    }

    /// What holds between keys.
    fn meets(&self, file: &File) -> Result<(), Fault> {
        if self.listen.is_empty() {
            return Err(Fault::new("expected at least one [[listen]] table"));
        }
        for (table, listener) in file.listen.iter().zip(&self.listen) {
            let loopback = listener.address.ip().to_canonical().is_loopback();
            if self.settings.plaintext_login && !listener.implicit_tls && !loopback {
                let text = "plaintext_login = true lets passwords travel unprotected; expected a loopback address here, or plaintext_login = false";
                return Err(Fault::at(table.span(), text));
            }
            if self.tls.is_none() && (listener.implicit_tls || !self.settings.plaintext_login) {
                let text = "nobody can sign in here without a certificate; expected a [tls] table with certificates and key";
                return Err(Fault::at(table.span(), text));
            }
        }
        Ok(())
    }
}

/// What is wrong, and the octets of the file it is about.
#[derive(Debug)]
struct Fault {
    span: Option<Range<usize>>,
    text: String,
}

impl Fault {
    fn new(text: impl Into<String>) -> Self {
        Self {
            span: None,
            text: text.into(),
        }
    }

    fn at(span: Range<usize>, text: impl Into<String>) -> Self {
        Self {
            span: Some(span),
            text: text.into(),
        }
    }
}

impl From<toml::de::Error> for Fault {
    fn from(e: toml::de::Error) -> Self {
        Self {
            span: e.span(),
            text: e.message().replace('\n', "; "),
        }
    }
}

/// The file as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    store: PathBuf,
    name: Option<Spanned<String>>,
    #[serde(default)]
    plaintext_login: bool,
    max_connections: Option<Spanned<i64>>,
    max_connections_per_address: Option<Spanned<i64>>,
    #[serde(default)]
    listen: Vec<Spanned<ListenTable>>,
    tls: Option<TlsTable>,
    #[serde(default)]
    accounts: AccountsTable,
    record: Option<RecordTable>,
    #[serde(default)]
    limits: limits::Table,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ListenTable {
    address: Spanned<String>,
    #[serde(default)]
    implicit_tls: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TlsTable {
    certificates: PathBuf,
    key: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordTable {
    folder: PathBuf,
    max_octets: Option<Spanned<i64>>,
    max_files: Option<Spanned<i64>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct AccountsTable {
    #[serde(default)]
    source: SourceName,
    path: Option<Spanned<PathBuf>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SourceName {
    #[default]
    Store,
    File,
}

impl File {
    fn settings(&self) -> Result<Settings, Fault> {
        let mut settings = Settings::default();
        if let Some(name) = &self.name {
            settings.name = server_name(name)?;
        }
        settings.plaintext_login = self.plaintext_login;
        if let Some(most) = &self.max_connections {
            settings.max_connections = count("max_connections", most)?;
        }
        if let Some(most) = &self.max_connections_per_address {
            settings.max_per_address = count("max_connections_per_address", most)?;
        }
        let applied = self.limits.apply(&mut settings.limits);
        applied.map_err(|(span, text)| Fault::at(span, text))?;
        Ok(settings)
    }
}

/// It stands in the greeting and in ID.
fn server_name(name: &Spanned<String>) -> Result<String, Fault> {
    let text = name.get_ref();
    let printable = text.bytes().all(|b| (0x20..0x7f).contains(&b));
    if text.is_empty() || text.len() > 200 || !printable || text.contains(['"', '\\', ']']) {
        let expected = "name: expected 1 to 200 printable ASCII characters without \", \\ and ]";
        return Err(Fault::at(name.span(), expected));
    }
    Ok(text.clone())
}

fn count(key: &str, value: &Spanned<i64>) -> Result<usize, Fault> {
    within(key, value, 1..=1_000_000)
}

fn within<T: TryFrom<i64>>(
    key: &str,
    value: &Spanned<i64>,
    range: RangeInclusive<i64>,
) -> Result<T, Fault> {
    let number = Some(*value.get_ref()).filter(|n| range.contains(n));
    number.and_then(|n| T::try_from(n).ok()).ok_or_else(|| {
        let (least, most) = range.into_inner();
        let text = format!("{key} is {}; expected {least} to {most}", value.get_ref());
        Fault::at(value.span(), text)
    })
}

impl ListenTable {
    fn read(&self) -> Result<Listener, Fault> {
        let address = self.address.get_ref().parse().map_err(|_| {
            let text = format!(
                "address is {:?}; expected an IP address and a port, as \"192.0.2.1:143\" or \"[::]:993\"",
                self.address.get_ref()
            );
            Fault::at(self.address.span(), text)
        })?;
        Ok(Listener {
            address,
            implicit_tls: self.implicit_tls,
        })
    }
}

impl AccountsTable {
    fn read(&self, folder: &Path) -> Result<Source, Fault> {
        match (self.source, &self.path) {
            (SourceName::Store, None) => Ok(Source::Store),
            (SourceName::File, Some(path)) => Ok(Source::File(folder.join(path.get_ref()))),
            (SourceName::Store, Some(path)) => {
                let text = "path is only for source = \"file\"; expected no path, or that source";
                Err(Fault::at(path.span(), text))
            }
            (SourceName::File, None) => Err(Fault::new(
                "[accounts] has source = \"file\"; expected path, the file of name:hash lines",
            )),
        }
    }
}

impl RecordTable {
    fn read(&self, folder: &Path) -> Result<Record, Fault> {
        let mut record = Record {
            folder: folder.join(&self.folder),
            max_octets: 16 << 20,
            max_files: 1000,
        };
        if let Some(octets) = &self.max_octets {
            record.max_octets = within("max_octets", octets, 4096..=1 << 40)?;
        }
        if let Some(files) = &self.max_files {
            record.max_files = count("max_files", files)?;
        }
        Ok(record)
    }
}

fn line_of(text: &str, at: usize) -> usize {
    let before = text.as_bytes().iter().take(at);
    before.filter(|b| **b == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../../pillarbox.toml");

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(text, Path::new("/etc")).map_err(|fault| {
            let line = fault.span.map_or(0, |span| line_of(text, span.start));
            format!("{line}: {}", fault.text)
        })
    }

    #[test]
    fn the_example_is_right_and_its_comments_show_the_defaults() {
        let config = parse(EXAMPLE).unwrap();
        assert_eq!(config.store, Path::new("/var/lib/pillarbox"));
        assert_eq!(config.listen.len(), 2);
        assert_eq!(config.settings, Settings::default());
        assert_eq!(config.accounts, Source::Store);
        let is_key = |line: &str| {
            let key = line.split(" = ").next().unwrap_or_default();
            key != line && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
        };
        let uncommented: String = EXAMPLE
            .lines()
            .map(|line| {
                let bare = line.strip_prefix('#');
                let is_shown = |l: &&str| is_key(l) || *l == "[record]";
                bare.filter(is_shown).unwrap_or(line)
            })
            .map(|line| format!("{line}\n"))
            .collect();
        let mut all = parse(&uncommented.replace("path = \"users\"", "")).unwrap();
        let record = all.record.take().unwrap();
        assert_eq!(record.folder, Path::new("/etc/recordings"));
        assert_eq!(all, config);
        let least = format!("{GOOD}[record]\nfolder = \"recordings\"\n");
        assert_eq!(parse(&least).unwrap().record, Some(record));
        let limits = uncommented.split("[limits]").nth(1).unwrap();
        let debug = format!("{:?}", config.settings.limits);
        let fields = debug.matches(": ").count();
        assert_eq!(limits.lines().filter(|l| is_key(l)).count(), fields);
    }

    const GOOD: &str = "store = \"/s\"\n[[listen]]\naddress = \"127.0.0.1:143\"\n[tls]\ncertificates = \"c\"\nkey = \"/k\"\n";

    #[test]
    fn paths_begin_at_the_file() {
        let config = parse(GOOD).unwrap();
        let tls = config.tls.unwrap();
        assert_eq!(tls.certificates, Path::new("/etc/c"));
        assert_eq!(tls.key, Path::new("/k"));
        let users = format!("{GOOD}[accounts]\nsource = \"file\"\npath = \"users\"\n");
        let accounts = parse(&users).unwrap().accounts;
        assert_eq!(accounts, Source::File(PathBuf::from("/etc/users")));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let with = |text: &str| format!("{GOOD}{text}");
        for (text, said) in [
            (
                with("[limit]\n"),
                "7: unknown field `limit`, expected one of ",
            ),
            (
                with("[limits]\nfoo = 1\n"),
                "8: unknown field `foo`, expected one of ",
            ),
            (
                with("[limits]\nappend = \"a\"\n"),
                "8: invalid type: string \"a\", expected i64",
            ),
            (
                with("[limits]\ntag = 5000\n"),
                "8: tag is 5000; expected 8 to 1024",
            ),
            (
                with("[accounts]\nsource = \"ldap\"\n"),
                "8: unknown variant `ldap`, expected `store` or `file`",
            ),
            (
                with("[accounts]\nsource = \"file\"\n"),
                "0: [accounts] has source",
            ),
            (
                with("[accounts]\npath = \"x\"\n"),
                "8: path is only for source",
            ),
            (with("[record]\n"), "7: missing field `folder`"),
            (
                with("[record]\nfolder = \"r\"\nmax_octets = 10\n"),
                "9: max_octets is 10; expected 4096 to ",
            ),
            (with("x x\n"), "7: "),
            (
                String::from("[[listen]]\naddress = \"127.0.0.1:1\"\n"),
                "1: missing field `store`",
            ),
            (
                String::from("store = \"/s\"\n"),
                "0: expected at least one [[listen]]",
            ),
            (
                GOOD.replace("127.0.0.1:143", "localhost"),
                "3: address is \"localhost\"; expected an IP address and a port",
            ),
            (
                format!("max_connections = 0\n{GOOD}"),
                "1: max_connections is 0; expected 1 to 1000000",
            ),
            (format!("name = \"a\\nb\"\n{GOOD}"), "1: name: expected"),
            (
                GOOD.replace("[tls]\ncertificates = \"c\"\nkey = \"/k\"\n", ""),
                "2: nobody can sign in here without a certificate",
            ),
            (GOOD.replace("key = \"/k\"\n", ""), "4: missing field `key`"),
            (
                format!(
                    "plaintext_login = true\n{}",
                    GOOD.replace("127.0.0.1", "0.0.0.0")
                ),
                "3: plaintext_login = true lets passwords travel unprotected; expected a loopback address",
            ),
        ] {
            let error = parse(&text).unwrap_err();
            assert!(error.starts_with(said), "{text}\n{error}");
        }
    }

    #[test]
    fn plain_text_is_for_loopback() {
        let bare = "plaintext_login = true\nstore = \"/s\"\n[[listen]]\naddress = ";
        for (address, fine) in [
            ("\"127.0.0.1:1\"", true),
            ("\"[::1]:1\"", true),
            ("\"[::ffff:127.0.0.1]:1\"", true),
            ("\"192.0.2.1:1\"", false),
            ("\"[::]:1\"", false),
            (
                "\"0.0.0.0:1\"\nimplicit_tls = true\n[tls]\ncertificates=\"c\"\nkey=\"k\"",
                true,
            ),
            ("\"127.0.0.1:1\"\nimplicit_tls = true", false),
        ] {
            assert_eq!(
                parse(&format!("{bare}{address}\n")).is_ok(),
                fine,
                "{address}"
            );
        }
    }
}
