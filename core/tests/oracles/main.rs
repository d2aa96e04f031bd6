//! Where Python's email and mail-parser agree about a mail, so must this library: types, decoded bodies, names of files, subjects, addresses.

mod generate;
mod ours;
mod theirs;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use generate::Generator;
use ours::{Summary, ours, show};
use theirs::mail_parser_summary;

/// Where both others agree and this library does not, and why that is right.
const EXCEPTIONS: [(&str, &str, &str); 5] = [
    (
        "address-forms",
        "from",
        "they take comments for a part of the name; RFC 9051 §9 addr-name holds the phrase",
    ),
    (
        "message-header-only",
        "body_0",
        "there is no body within that could be decoded",
    ),
    (
        "nul-octet",
        "from",
        "no string of ENVELOPE holds NUL (RFC 9051 §4.3)",
    ),
    (
        "nul-octet",
        "subject",
        "no string of ENVELOPE holds NUL (RFC 9051 §4.3)",
    ),
    (
        "unknown-encoding",
        "body_0",
        "they take it as it is; RFC 9051 §7.5.2 wants UNKNOWN-CTE",
    ),
];

const GENERATED: u64 = 600;

#[test]
fn agrees_where_the_others_agree() {
    let mut mails = golden();
    mails.extend(
        (1..=GENERATED).map(|seed| (format!("seed {seed}"), Generator::new(seed, true).mail())),
    );
    let python = python(&mails);
    let mut counts: BTreeMap<String, [u32; 2]> = BTreeMap::new();
    let mut used = Vec::new();
    let mut failures = Vec::new();
    for ((name, mail), python) in mails.iter().zip(&python) {
        let other = mail_parser_summary(mail);
        let ours = ours(mail);
        for (key, value) in python {
            let kind = key.split('_').next().unwrap().to_owned();
            let count = counts.entry(kind).or_default();
            if other.get(key) != Some(value) {
                count[1] += 1;
                continue;
            }
            count[0] += 1;
            if ours.get(key) == Some(value) {
                continue;
            }
            match EXCEPTIONS.iter().find(|(n, k, _)| n == name && k == key) {
                Some((n, k, _)) => used.push((*n, *k)),
                None => failures.push(format!(
                    "{name} {key}\n  both {value:?}\n  ours {:?}",
                    ours.get(key)
                )),
            }
        }
    }
    for (kind, [agreed, differed]) in &counts {
        println!("{kind}: {agreed} compared, {differed} on which the two do not agree");
    }
    EXCEPTIONS
        .iter()
        .for_each(|(name, key, why)| println!("exception: {name} {key}: {why}"));
    let total = failures.len();
    failures.truncate(20);
    assert!(
        failures.is_empty(),
        "{total} differ:\n{}",
        failures.join("\n")
    );
    assert_eq!(
        used.len(),
        EXCEPTIONS.len(),
        "an exception is none any more: only {used:?}"
    );
    for (kind, least) in [
        ("types", 600),
        ("body", 1200),
        ("subject", 500),
        ("from", 400),
        ("to", 400),
        ("name", 300),
    ] {
        let [agreed, _] = counts[kind];
        assert!(agreed >= least, "only {agreed} of {kind} were compared");
    }
}

/// On mails without a fault mail-parser alone is judge.
#[test]
fn agrees_with_mail_parser_on_well_formed_mail() {
    let mut failures = Vec::new();
    for seed in 1..=4 * GENERATED {
        let mail = Generator::new(seed, false).mail();
        let (ours, theirs) = (ours(&mail), mail_parser_summary(&mail));
        let keys: BTreeSet<_> = ours.keys().chain(theirs.keys()).collect();
        for key in keys {
            let (ours, theirs) = (ours.get(key), theirs.get(key));
            if ours != theirs {
                failures.push(format!(
                    "seed {seed} {key}\n  ours   {ours:?}\n  theirs {theirs:?}"
                ));
            }
        }
    }
    let total = failures.len();
    failures.truncate(20);
    assert!(total == 0, "{total} differ:\n{}", failures.join("\n"));
}

fn golden() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let paths = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    let mut mails: Vec<_> = paths
        .filter(|p| p.extension().is_some_and(|e| e == "eml"))
        .map(|p| {
            (
                p.file_stem().unwrap().to_string_lossy().into_owned(),
                fs::read(&p).unwrap(),
            )
        })
        .collect();
    mails.sort();
    mails
}

/// One interpreter for all; it ends when its input does.
fn python(mails: &[(String, Vec<u8>)]) -> Vec<Summary> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles/oracle.py");
    let mut child = Command::new("python3")
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is installed");
    let mut stdin = child.stdin.take().unwrap();
    let frames: Vec<u8> = mails
        .iter()
        .flat_map(|(_, mail)| {
            [&u32::try_from(mail.len()).unwrap().to_be_bytes()[..], mail].concat()
        })
        .collect();
    let writer = std::thread::spawn(move || stdin.write_all(&frames));
    let mut output = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut output)
        .unwrap();
    writer.join().unwrap().unwrap();
    let status = child.wait().unwrap();
    assert!(
        status.success(),
        "python3 did not read the mails within 120 seconds: {status}"
    );
    let summaries: Vec<Summary> = output.split_terminator("\n\n").map(read_summary).collect();
    assert_eq!(summaries.len(), mails.len());
    summaries
}

fn read_summary(text: &str) -> Summary {
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(key, hex)| {
            let octets = data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap();
            (key.to_owned(), show(&octets))
        })
        .collect()
}
