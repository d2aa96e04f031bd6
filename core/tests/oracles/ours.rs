//! What this library says of a mail, key by key: types, decoded bodies, names of files, subject, addresses.

use std::collections::BTreeMap;

use pillarbox_core::message::{CharsetDecoder, Decoder, Scanner, Structure, decode_header};

use super::wire::Wire;

pub type Summary = BTreeMap<String, String>;

/// Text as it is, anything else in hexadecimal.
pub fn show(octets: &[u8]) -> String {
    String::from_utf8(octets.to_vec()).unwrap_or_else(|_| data_encoding::HEXLOWER.encode(octets))
}

pub fn ours(mail: &[u8]) -> Summary {
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

pub fn spec(name: &str, mailbox: &str, host: &str) -> String {
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
