//! docs/rfc-coverage.md: the tests it names exist, every advertised capability has its section, and its numbers are right.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use pillarbox_sim::{Chunking, Host, Options, Script, all_scripts};

/// A section of the document, one RFC.
struct Section<'a> {
    rfc: &'a str,
    capabilities: Vec<&'a str>,
    rows: Vec<[&'a str; 4]>,
}

impl Section<'_> {
    fn not_covered(&self) -> usize {
        let open = self.rows.iter().filter(|r| r[3].starts_with("not covered"));
        open.count()
    }
}

fn root() -> &'static Path {
    let sim = Path::new(env!("CARGO_MANIFEST_DIR"));
    sim.parent().expect("the workspace is around it")
}

fn document() -> String {
    std::fs::read_to_string(root().join("docs/rfc-coverage.md")).expect("it is there")
}

fn sections(document: &str) -> Vec<Section<'_>> {
    let mut sections = Vec::new();
    for text in document.split("\n## RFC ").skip(1) {
        let (rfc, _) = text.split_once(": ").expect("a number and a title");
        let capabilities = text.lines().find_map(|l| l.strip_prefix("Capabilities: "));
        let rows = text
            .lines()
            .filter(|l| l.starts_with("| §") || l.starts_with("| Appendix"));
        sections.push(Section {
            rfc,
            capabilities: capabilities
                .expect("what it is advertised by")
                .split(", ")
                .collect(),
            rows: rows.map(cells).collect(),
        });
    }
    sections
}

fn cells(row: &str) -> [&str; 4] {
    let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
    cells.try_into().unwrap_or_else(|_| panic!("{row}"))
}

#[test]
fn every_test_named_exists() {
    let document = document();
    let scripts = all_scripts().unwrap_or_else(|f| panic!("{f}"));
    let tests = tests();
    for section in sections(&document) {
        for row in &section.rows {
            let covered = !row[3].starts_with("not covered: ");
            let names: Vec<_> = row[3].split('`').skip(1).step_by(2).collect();
            assert!(!covered || !names.is_empty(), "no test: {row:?}");
            for name in names {
                match name.strip_prefix("fn ") {
                    Some(test) => assert!(tests.contains(test), "no such test: {name}"),
                    None => assert_eq!(named(&scripts, name), 1, "{name}"),
                }
            }
        }
    }
}

/// How many scripts `file: words of the title` names.
fn named(scripts: &[Script], name: &str) -> usize {
    let (file, words) = name.split_once(": ").unwrap_or((name, ""));
    let prefix = format!("{file} (");
    let titles = scripts
        .iter()
        .filter_map(|s| s.name().strip_prefix(prefix.as_str()));
    titles.filter(|t| t.contains(words)).count()
}

/// The names of all tests in Rust.
fn tests() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let rooms = ["core", "driver", "runtime-smol", "runtime-tokio", "sim"];
    for room in rooms.into_iter().chain(["src", "store", "tests"]) {
        collect(&root().join(room), &mut found);
    }
    found
}

fn collect(path: &Path, found: &mut BTreeSet<String>) {
    if path.is_dir() {
        for entry in std::fs::read_dir(path).expect("a folder") {
            collect(&entry.expect("an entry").path(), found);
        }
    } else if path.extension().is_some_and(|e| e == "rs") {
        let text = std::fs::read_to_string(path).expect("a source");
        for after in text.split("test]\n").skip(1) {
            let line = after.lines().find(|l| l.contains("fn "));
            let name = line.and_then(|l| l.split("fn ").nth(1)?.split('(').next());
            found.extend(name.map(str::to_owned));
        }
    }
}

#[test]
fn every_capability_has_its_section() {
    let document = document();
    let named: BTreeSet<_> = sections(&document)
        .iter()
        .flat_map(|s| s.capabilities.clone())
        .map(str::to_owned)
        .collect();
    assert_eq!(advertised(), named, "the server on the left");
}

fn advertised() -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for (no_plaintext, starttls) in [(false, false), (true, true)] {
        let mut host = Host::new(&Options {
            no_plaintext,
            starttls,
            ..Options::default()
        });
        let said = b"a LOGIN tim pw\r\nb CAPABILITY\r\n";
        assert_eq!(host.send("A", said, Chunking::Whole), said.len());
        let said = String::from_utf8(host.take_output("A")).expect("answers are text");
        let lists = said.split("CAPABILITY ").skip(1);
        let lists = lists.filter_map(|l| l.split([']', '\r']).next());
        all.extend(lists.flat_map(|l| l.split(' ')).map(str::to_owned));
    }
    all.remove("completed");
    all.into_iter()
        .map(|name| match name.split_once("APPENDLIMIT=") {
            Some(_) => String::from("APPENDLIMIT"),
            None => name,
        })
        .collect()
}

#[test]
fn the_numbers_are_right() {
    let document = document();
    let sections = sections(&document);
    let rows: usize = sections.iter().map(|s| s.rows.len()).sum();
    let open: usize = sections.iter().map(Section::not_covered).sum();
    let covered = rows - open;
    let numbers = format!("Rows: {rows}, with a test: {covered}, not covered: {open}.");
    assert!(document.contains(&numbers), "it should say: {numbers}");
    let table: BTreeMap<_, _> = document
        .lines()
        .take_while(|l| !l.starts_with("## "))
        .filter(|l| l.starts_with("| ") && l.contains(char::is_numeric))
        .map(|l| (cells(l)[0], l))
        .collect();
    assert_eq!(table.len(), sections.len());
    for section in &sections {
        let (all, open) = (section.rows.len(), section.not_covered());
        let row = format!("| {} | {all} | {} | {open} |", section.rfc, all - open);
        assert_eq!(table.get(section.rfc), Some(&row.as_str()));
    }
}
