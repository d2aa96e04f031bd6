//! The golden mails: what ENVELOPE, BODY, BODYSTRUCTURE and sections of each must be, line by line, with the sentence of an RFC above it.

use std::fs;
use std::path::{Path, PathBuf};

use pillarbox_core::message::{Part, Scanner, Structure, select_fields};

#[test]
fn every_golden_mail() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mails = mails(&folder);
    assert!(mails.len() >= 60, "golden mails are missing");
    let mut compared = 0;
    let mut failures = Vec::new();
    for path in &mails {
        let mail = fs::read(path).unwrap();
        let expected = fs::read_to_string(path.with_extension("txt")).unwrap();
        let (whole, octets) = (scan(&mail, mail.len().max(1)), scan(&mail, 1));
        assert_eq!(whole, octets, "{}: by the octet", path.display());
        for (item, value) in lines(&expected, path) {
            let Some(actual) = actual(&mail, &whole, &item) else {
                continue;
            };
            compared += 1;
            if actual != value {
                failures.push(format!(
                    "{} {item}\n  expected {}\n  got      {}",
                    path.file_stem().unwrap().to_string_lossy(),
                    value.escape_ascii(),
                    actual.escape_ascii()
                ));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(compared >= 190, "only {compared} lines were compared");
    println!("{} mails, {compared} lines", mails.len());
}

fn mails(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let mut paths: Vec<_> = entries.map(|e| e.unwrap().path()).collect();
    paths.retain(|p| p.extension().is_some_and(|e| e == "eml"));
    paths.sort();
    paths
}

fn scan(mail: &[u8], size: usize) -> Structure {
    let mut scanner = Scanner::new();
    mail.chunks(size).for_each(|chunk| scanner.feed(chunk));
    scanner.finish()
}

/// `ITEM => value`; each is justified by a comment above it.
fn lines(text: &str, path: &Path) -> Vec<(String, Vec<u8>)> {
    let mut lines = Vec::new();
    let mut justified = false;
    for line in text.lines() {
        if line.starts_with("# RFC ") {
            justified = true;
            continue;
        }
        assert!(justified, "{}: no RFC for {line}", path.display());
        justified = false;
        let (item, value) = line.split_once(" => ").expect("ITEM => value");
        lines.push((item.to_owned(), unescape(value)));
    }
    lines
}

fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut octets = text.bytes();
    while let Some(b) = octets.next() {
        if b != b'\\' {
            out.push(b);
            continue;
        }
        match octets.next().unwrap() {
            b'r' => out.push(b'\r'),
            b'n' => out.push(b'\n'),
            b't' => out.push(b'\t'),
            b'\\' => out.push(b'\\'),
            b'x' => {
                let hex = [octets.next().unwrap(), octets.next().unwrap()];
                out.push(u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap());
            }
            other => panic!("no escape: {}", char::from(other)),
        }
    }
    out
}

/// What the library says; partials, BINARY and sizes are of the session, and tested over the wire.
fn actual(mail: &[u8], structure: &Structure, item: &str) -> Option<Vec<u8>> {
    match item {
        "ENVELOPE" => return Some(structure.envelope()),
        "BODY" => return Some(structure.body()),
        "BODYSTRUCTURE" => return Some(structure.body_structure()),
        _ => {}
    }
    let section = item.strip_prefix("BODY[")?.strip_suffix(']')?;
    let text_at = section.find(|c: char| c.is_ascii_alphabetic());
    let (numbers, text) = section.split_at(text_at.unwrap_or(section.len()));
    let path: Vec<u32> = numbers
        .split('.')
        .filter(|n| !n.is_empty())
        .map(|n| n.parse().unwrap())
        .collect();
    let part = match text.split(' ').next().unwrap() {
        "" => Part::Whole,
        "TEXT" => Part::Text,
        "MIME" => Part::Mime,
        _ => Part::Header,
    };
    let Some(span) = structure.locate(&path, part) else {
        return Some(b"NIL".to_vec());
    };
    let octets = &mail[usize::try_from(span.start).unwrap()..usize::try_from(span.end).unwrap()];
    let octets = match text.split_once(" (") {
        Some((name, fields)) => {
            let fields = fields.trim_end_matches(')');
            let fields: Vec<&[u8]> = fields.split(' ').map(str::as_bytes).collect();
            select_fields(octets, &fields, name.ends_with(".NOT"))
        }
        None => octets.to_vec(),
    };
    Some([b"\"", &octets[..], b"\""].concat())
}
