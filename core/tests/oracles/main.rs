//! Where Python's email and mail-parser agree about a mail, so must this library: types, decoded bodies, names of files, subjects, addresses.

mod generate;
mod wire;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use generate::Generator;
use mail_parser::{Address, Message, MessageParser, MimeHeaders, PartType};
use pillarbox_core::message::{CharsetDecoder, Decoder, Scanner, Structure, decode_header};
use wire::Wire;

type Summary = BTreeMap<String, String>;

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
    mails.extend((1..=GENERATED).map(|seed| (format!("seed {seed}"), Generator::new(seed).mail())));
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

/// Text as it is, anything else in hexadecimal.
fn show(octets: &[u8]) -> String {
    String::from_utf8(octets.to_vec()).unwrap_or_else(|_| data_encoding::HEXLOWER.encode(octets))
}

fn ours(mail: &[u8]) -> Summary {
    let mut scanner = Scanner::new();
    scanner.feed(mail);
    let structure = scanner.finish();
    let mut walk = Walk {
        mail,
        structure: &structure,
        types: String::new(),
        summary: Summary::new(),
        leaves: 0,
    };
    walk.message(&Wire::parse(&structure.body_structure()), &[]);
    let mut summary = walk.summary;
    summary.insert("types".into(), walk.types.trim_end().to_owned());
    let envelope = Wire::parse(&structure.envelope());
    assert_eq!(envelope.list().len(), 10);
    if let Some(subject) = envelope.list()[1].text() {
        summary.insert("subject".into(), decode_header(subject));
    }
    for (at, key) in [(2, "from"), (5, "to")] {
        summary.insert(key.into(), addresses(&envelope.list()[at]));
    }
    summary
}

/// `name<mailbox@host>` by line, groups left out.
fn addresses(list: &Wire) -> String {
    let lines: Vec<_> = list
        .list()
        .iter()
        .map(Wire::list)
        .filter(|a| a[3] != Wire::Nil)
        .map(|a| {
            let text = |at: usize| a[at].text().map(decode_header).unwrap_or_default();
            spec(&text(0), &text(2), &text(3))
        })
        .collect();
    lines.join("\n")
}

fn spec(name: &str, mailbox: &str, host: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
    if mailbox.chars().all(plain) {
        format!("{name}<{mailbox}@{host}>")
    } else {
        format!("{name}<\"{mailbox}\"@{host}>")
    }
}

struct Walk<'a> {
    mail: &'a [u8],
    structure: &'a Structure,
    types: String,
    summary: Summary,
    leaves: usize,
}

impl Walk<'_> {
    /// A message's body: numbers count in it.
    fn message(&mut self, body: &Wire, path: &[u32]) {
        let is_multipart = matches!(body.list()[0], Wire::List(_));
        if is_multipart {
            self.part(body, path);
        } else {
            self.part(body, &[path, &[1]].concat());
        }
    }

    fn part(&mut self, body: &Wire, path: &[u32]) {
        let members = body.list();
        let children = members
            .iter()
            .take_while(|m| matches!(m, Wire::List(_)))
            .count();
        if children > 0 {
            let subtype = show(members[children].text().unwrap()).to_lowercase();
            self.types += &format!("multipart/{subtype} ( ");
            for (number, child) in (1..).zip(&members[..children]) {
                self.part(child, &[path, &[number]].concat());
            }
            self.types += ") ";
            return;
        }
        let [kind, subtype] = [0, 1].map(|i| show(members[i].text().unwrap()).to_lowercase());
        self.types += &format!("{kind}/{subtype} ");
        if kind == "message" && (subtype == "rfc822" || subtype == "global") {
            self.types += "( ";
            self.message(&members[8], path);
            self.types += ") ";
            return;
        }
        self.leaf(members, &kind, path);
    }

    fn leaf(&mut self, members: &[Wire], kind: &str, path: &[u32]) {
        let at = self.leaves;
        self.leaves += 1;
        let disposition = members[if kind == "text" { 9 } else { 8 }].list();
        let name = disposition.get(1).and_then(|p| param(p, "filename"));
        if let Some(name) = name.or_else(|| param(&members[2], "name")) {
            self.summary
                .insert(format!("name_{at}"), decode_header(&name));
        }
        let Some(leaf) = self.structure.leaf(path) else {
            // The body that stands for a message that was not looked into.
            assert_eq!(members[6], Wire::Number(0));
            return;
        };
        let raw = &self.mail
            [usize::try_from(leaf.span.start).unwrap()..usize::try_from(leaf.span.end).unwrap()];
        assert_eq!(members[6], Wire::Number(raw.len() as u64));
        let mut octets = Vec::new();
        let Some(mut decoder) = Decoder::new(leaf.encoding) else {
            return;
        };
        if decoder
            .feed(raw, &mut octets)
            .and_then(|()| decoder.finish(&mut octets))
            .is_err()
        {
            return;
        }
        let value = if kind == "text" {
            let charset = param(&members[2], "charset").map(|c| show(&c));
            let mut charset = CharsetDecoder::new(charset.as_deref());
            let text = charset.feed(&octets) + &charset.finish();
            text.replace("\r\n", "\n")
        } else {
            show(&octets)
        };
        self.summary.insert(format!("body_{at}"), value);
    }
}

fn param(params: &Wire, name: &str) -> Option<Vec<u8>> {
    let named = |pair: &&[Wire]| {
        show(pair[0].text().unwrap())
            .trim_end_matches('*')
            .eq_ignore_ascii_case(name)
    };
    let pair = params.list().chunks(2).find(named)?;
    pair[1].text().map(<[u8]>::to_vec)
}

fn mail_parser_summary(mail: &[u8]) -> Summary {
    let mut summary = Summary::new();
    // It panics on some; of those it has no opinion.
    let parsed = std::panic::catch_unwind(|| MessageParser::default().parse(mail));
    let Ok(Some(message)) = parsed else {
        return summary;
    };
    let (mut types, mut leaves) = (String::new(), 0);
    mail_parser_part(&message, 0, false, &mut types, &mut leaves, &mut summary);
    summary.insert("types".into(), types.trim_end().to_owned());
    if let Some(subject) = message.subject() {
        summary.insert("subject".into(), subject.to_owned());
    }
    for (key, addresses) in [("from", message.from()), ("to", message.to())] {
        summary.insert(
            key.into(),
            addresses.map(mail_parser_addresses).unwrap_or_default(),
        );
    }
    summary
}

fn mail_parser_addresses(addresses: &Address<'_>) -> String {
    let lines: Vec<_> = addresses
        .iter()
        .map(|a| {
            let address = a.address.as_deref().unwrap_or_default();
            let (mailbox, host) = address.rsplit_once('@').unwrap_or((address, ""));
            spec(
                a.name.as_deref().unwrap_or_default(),
                mailbox.trim_matches('"'),
                host,
            )
        })
        .collect();
    lines.join("\n")
}

fn mail_parser_part(
    message: &Message<'_>,
    at: u32,
    in_digest: bool,
    types: &mut String,
    leaves: &mut usize,
    summary: &mut Summary,
) {
    let part = &message.parts[usize::try_from(at).unwrap()];
    let default = if in_digest {
        "message/rfc822"
    } else {
        "text/plain"
    };
    let kind = part.content_type().map_or_else(
        || default.to_owned(),
        |t| format!("{}/{}", t.ctype(), t.subtype().unwrap_or_default()).to_lowercase(),
    );
    *types += &format!("{kind} ");
    let value = match &part.body {
        PartType::Multipart(children) => {
            *types += "( ";
            for child in children {
                mail_parser_part(
                    message,
                    *child,
                    kind == "multipart/digest",
                    types,
                    leaves,
                    summary,
                );
            }
            *types += ") ";
            return;
        }
        PartType::Message(inner) => {
            *types += "( ";
            mail_parser_part(inner, 0, false, types, leaves, summary);
            *types += ") ";
            return;
        }
        PartType::Text(text) | PartType::Html(text) => text.replace("\r\n", "\n"),
        PartType::Binary(octets) | PartType::InlineBinary(octets) => show(octets),
    };
    if let Some(name) = part.attachment_name() {
        summary.insert(format!("name_{leaves}"), name.to_owned());
    }
    summary.insert(format!("body_{leaves}"), value);
    *leaves += 1;
}
