//! What the documents say is so: paths exist, every limit has its row, and the README names the capabilities that are advertised, no others.

use std::collections::BTreeSet;
use std::path::PathBuf;

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

/// Every document there is.
fn documents() -> Vec<(PathBuf, String)> {
    let folders = ["", "docs", "benches"];
    let entries = folders.iter().flat_map(|folder| {
        let there = std::fs::read_dir(root().join(folder));
        there.unwrap_or_else(|e| panic!("{folder}: {e}"))
    });
    let paths = entries.map(|entry| entry.expect("the folder can be read").path());
    let documents: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|end| end == "md"))
        .map(|path| (path.clone(), std::fs::read_to_string(path).expect("text")))
        .collect();
    assert!(documents.len() > 10, "{documents:?}");
    documents
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
    for (document, text) in documents() {
        let names = quoted(&text);
        let paths = names
            .iter()
            .filter(|n| !n.contains(' ') && rooms.iter().any(|r| n.starts_with(r)));
        for path in paths {
            assert!(
                root().join(path).exists(),
                "{} speaks of {path}, which is not there",
                document.display()
            );
        }
    }
}

/// What the commands of the documents run is there: `--test mirror`, `fuzz run frame`.
#[test]
fn programs_exist() {
    let members = ["core", "driver", "store", "sim", "benches"];
    let tests = members.map(|member| format!("{member}/tests"));
    let tests = tests.iter().map(String::as_str).chain(["tests"]).collect();
    let programs: [(&str, Vec<&str>); 4] = [
        ("--test ", tests),
        ("--bench ", vec!["benches/benches"]),
        ("--example ", vec!["examples"]),
        ("fuzz run ", vec!["fuzz/fuzz_targets"]),
    ];
    let mut seen = 0;
    for (document, text) in documents() {
        for (before, folders) in &programs {
            for rest in text.split(before).skip(1) {
                let end = rest.find(|c: char| !c.is_ascii_lowercase() && c != '_');
                let name = &rest[..end.unwrap_or(rest.len())];
                let there = folders.iter().any(|folder| {
                    let path = root().join(folder).join(name);
                    path.with_extension("rs").exists() || path.join("main.rs").exists()
                });
                let document = document.display();
                assert!(
                    there || name.is_empty(),
                    "{document} runs {before}{name}, which is not there"
                );
                seen += 1;
            }
        }
    }
    assert!(seen > 20, "{seen}");
}

/// What a heading is called in a link to it.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter_map(|c| match c {
        ' ' => Some('-'),
        c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c.to_ascii_lowercase()),
        _ => None,
    });
    kept.collect()
}

#[test]
fn links_lead_somewhere() {
    for (document, text) in documents() {
        let links = text.split("](").skip(1);
        for link in links.filter_map(|rest| rest.split(')').next()) {
            if link.starts_with("https://") {
                continue;
            }
            let (file, place) = link.split_once('#').unwrap_or((link, ""));
            let there = match file {
                "" => document.clone(),
                file => document.with_file_name(file),
            };
            let lost = format!("{} links to {link}, which is not there", document.display());
            assert!(there.exists(), "{lost}");
            if !place.is_empty() {
                let text = std::fs::read_to_string(&there).expect("text");
                let headings = text.lines().filter_map(|l| l.strip_prefix('#'));
                let mut anchors = headings.map(|h| anchor(h.trim_start_matches('#')));
                assert!(anchors.any(|a| a == place), "{lost}");
            }
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
