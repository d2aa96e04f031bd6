//! What the documents say is so: paths exist, every limit has its row, and the README names the capabilities that are advertised, no others.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use bytes::Buf;
use pillarbox::protocol::effect::{Account, Effect};
use pillarbox::protocol::id::AccountId;
use pillarbox::protocol::now::Now;
use pillarbox::protocol::session::{Action, Config, Peer, Session};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// What stands between backticks, code blocks left out.
fn quoted(text: &str) -> Vec<String> {
    let mut fenced = false;
    let mut all = Vec::new();
    for line in text.lines() {
        fenced ^= line.starts_with("```");
        if !fenced {
            all.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    all
}

#[test]
fn paths_exist() {
    let rooms = [
        "core/",
        "driver/",
        "store/",
        "runtime-",
        "src/",
        "sim/",
        "examples/",
        "docs/",
        "tests/",
        "fuzz/",
        "benches/",
    ];
    let documents = [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "docs/embedding.md",
        "docs/limits.md",
        "docs/replay.md",
        "docs/serving.md",
        "docs/storage-format.md",
    ];
    for document in documents {
        let names = quoted(&read(document));
        let paths = names
            .iter()
            .filter(|n| !n.contains(' ') && rooms.iter().any(|r| n.starts_with(r)));
        for path in paths {
            assert!(
                root().join(path).exists(),
                "{document} speaks of {path}, which is not there"
            );
        }
    }
}

#[test]
fn links_lead_somewhere() {
    for document in [
        "README.md",
        "docs/embedding.md",
        "docs/replay.md",
        "docs/serving.md",
    ] {
        let text = read(document);
        let folder = Path::new(document).parent().unwrap_or(Path::new(""));
        for link in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let there = link.starts_with("https://") || root().join(folder).join(link).exists();
            assert!(there, "{document} links to {link}, which is not there");
        }
    }
}

#[test]
fn every_limit_has_its_row() {
    let source = read("core/src/limits.rs");
    let fields = source
        .lines()
        .filter_map(|l| l.trim().strip_prefix("pub ")?.split_once(": "));
    let fields: BTreeSet<_> = fields.map(|(name, _)| name.to_owned()).collect();
    let document = read("docs/limits.md");
    let rows = document
        .lines()
        .filter_map(|l| l.strip_prefix("| `")?.split_once('`'));
    let rows: BTreeSet<_> = rows.map(|(name, _)| name.to_owned()).collect();
    assert_eq!(
        fields, rows,
        "core/src/limits.rs on the left, docs/limits.md on the right"
    );
}

#[test]
fn the_readme_names_the_capabilities() {
    let mut advertised = BTreeSet::new();
    for (starttls, plaintext) in [(true, false), (false, true)] {
        let mut config = Config::default();
        (config.starttls, config.plaintext_login) = (starttls, plaintext);
        let said = converse(
            config,
            b"a LOGIN tim secret\r\nb CAPABILITY\r\nc LOGOUT\r\n",
        );
        let lists = said
            .split("CAPABILITY ")
            .skip(1)
            .filter_map(|s| s.split([']', '\r']).next());
        let names = lists
            .flat_map(|l| l.split(' '))
            .filter(|n| *n != "completed");
        advertised.extend(names.map(|n| match n {
            n if n.starts_with("APPENDLIMIT=") => String::from("APPENDLIMIT"),
            n => n.to_owned(),
        }));
    }
    let readme = read("README.md");
    let table = readme
        .split("| when | capabilities |")
        .nth(1)
        .and_then(|t| t.split("\n\n").next());
    let words = table
        .expect("the table is there")
        .split([' ', ',', ';', '(', ')', '|', '\n']);
    let named = words.filter(|w| {
        !["RFC", "TLS"].contains(w) && w.bytes().filter(u8::is_ascii_uppercase).count() > 1
    });
    let named: BTreeSet<_> = named.map(str::to_owned).collect();
    assert_eq!(
        advertised, named,
        "the server on the left, the README on the right"
    );
}

/// Everything the server says to a client that says all of this at once.
fn converse(config: Config, mut said: &[u8]) -> String {
    let now = Now::default();
    let mut session = Session::new(config.into(), Peer::default(), [0; 32], now);
    let mut answers = Vec::new();
    loop {
        if let Some(mut slot) = session.recv_slot() {
            slot.put(std::mem::take(&mut said));
        }
        let mut closed = false;
        while let Some(action) = session.poll(now) {
            match action {
                Action::Effect(Effect::Authenticate(call)) => {
                    let account = Account {
                        id: AccountId(1),
                        name: "tim".into(),
                    };
                    session.handle_reply(call.answer(Ok(account)));
                }
                Action::Closed(_) => closed = true,
                _ => {}
            }
        }
        let mut out = session.transmit(now);
        while out.has_remaining() {
            answers.extend_from_slice(out.chunk());
            out.advance(out.chunk().len());
        }
        if closed {
            return String::from_utf8(answers).expect("answers are text");
        }
    }
}
