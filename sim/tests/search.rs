//! SEARCH against an oracle that knows what the messages say because it wrote them, and looks for it in the plainest way.

use pillarbox_sim::{Chunking, Host, Options, Random};

const WORDS: [&str; 12] = [
    "Report",
    "budget",
    "Grüße",
    "naïve",
    "été",
    "Привет",
    "мир",
    "Zürich",
    "two words",
    "a\"b\\c",
    "50%",
    "Ende",
];
const NAMES: [&str; 4] = ["anna", "Bert", "Çelik", "Дима"];
const FLAGS: [&str; 5] = ["\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft"];
const KEYWORDS: [&str; 3] = ["$Junk", "work", "Later"];
const MONTHS: [&str; 3] = ["Jan", "Feb", "Mar"];
const QUERIES: usize = 1500;

#[test]
fn finds_what_the_oracle_finds() {
    let mut random = Random::new(7);
    let mut server = Server::new(&mut random);
    let mut found = 0;
    for at in 0..QUERIES {
        let query = query(&mut random, 0);
        found += server.compare(at, &query, &mut random);
    }
    println!(
        "{QUERIES} searches found {found} messages among {}",
        server.mails.len()
    );
    assert!(
        found > QUERIES,
        "the searches are too narrow to mean something"
    );
}

/// A day as (year, month, day).
type Day = (u32, usize, u32);

struct Mail {
    uid: u32,
    flags: Vec<&'static str>,
    keywords: Vec<&'static str>,
    internal: Day,
    sent: Option<Day>,
    fields: Vec<(&'static str, String)>,
    part_fields: Vec<String>,
    bodies: Vec<String>,
    raw: Vec<u8>,
}

enum Query {
    All,
    Sequence(u32, u32),
    Uid(u32, u32),
    Flag(&'static str, bool),
    Keyword(&'static str, bool),
    Day(&'static str, Day),
    Larger(usize),
    Smaller(usize),
    Field(&'static str, String),
    Header(&'static str, String),
    Body(String),
    Text(String),
    Not(Box<Query>),
    Or(Box<Query>, Box<Query>),
    And(Vec<Query>),
}

impl Query {
    fn matches(&self, mail: &Mail, seq: u32) -> bool {
        let within = |n: u32, a: u32, b: u32| (a.min(b)..=a.max(b)).contains(&n);
        match self {
            Self::All => true,
            Self::Sequence(a, b) => within(seq, *a, *b),
            Self::Uid(a, b) => within(mail.uid, *a, *b),
            Self::Flag(flag, set) => mail.flags.contains(flag) == *set,
            Self::Keyword(keyword, set) => mail.keywords.contains(keyword) == *set,
            Self::Day(key, day) => {
                let of_mail = if key.starts_with("SENT") {
                    mail.sent
                } else {
                    Some(mail.internal)
                };
                of_mail.is_some_and(|of_mail| match key.trim_start_matches("SENT") {
                    "BEFORE" => of_mail < *day,
                    "ON" => of_mail == *day,
                    _ => of_mail >= *day,
                })
            }
            Self::Larger(n) => mail.raw.len() > *n,
            Self::Smaller(n) => mail.raw.len() < *n,
            Self::Field(name, text) | Self::Header(name, text) => mail
                .fields
                .iter()
                .any(|(n, value)| n.eq_ignore_ascii_case(name) && contains(value, text)),
            Self::Body(text) => mail.bodies.iter().any(|b| contains(b, text)),
            Self::Text(text) => {
                let lines = mail.fields.iter().map(|(n, v)| format!("{n}: {v}"));
                let all: Vec<String> = lines
                    .chain(mail.part_fields.clone())
                    .chain(mail.bodies.clone())
                    .collect();
                all.iter().any(|line| contains(line, text))
            }
            Self::Not(inner) => !inner.matches(mail, seq),
            Self::Or(a, b) => a.matches(mail, seq) || b.matches(mail, seq),
            Self::And(all) => all.iter().all(|q| q.matches(mail, seq)),
        }
    }

    /// As a client writes it; texts in the charset given.
    fn write(&self, charset: &'static encoding_rs::Encoding, out: &mut Vec<u8>) {
        let day = |(y, m, d): Day| format!("{d}-{}-{y}", MONTHS[m]);
        let flag = |f: &str| f.trim_start_matches('\\').to_uppercase();
        let text = match self {
            Self::All => "ALL".to_owned(),
            Self::Sequence(a, b) => format!("{a}:{b}"),
            Self::Uid(a, b) => format!("UID {a}:{b}"),
            Self::Flag(f, true) => flag(f),
            Self::Flag(f, false) => format!("UN{}", flag(f)),
            Self::Keyword(k, true) => format!("KEYWORD {k}"),
            Self::Keyword(k, false) => format!("UNKEYWORD {}", k.to_uppercase()),
            Self::Day(key, d) => format!("{key} {}", day(*d)),
            Self::Larger(n) => format!("LARGER {n}"),
            Self::Smaller(n) => format!("SMALLER {n}"),
            Self::Field(name, _) => format!("{} ", name.to_uppercase()),
            Self::Header(name, _) => format!("HEADER {name} "),
            Self::Body(_) => "BODY ".to_owned(),
            Self::Text(_) => "TEXT ".to_owned(),
            Self::Not(_) => "NOT ".to_owned(),
            Self::Or(..) => "OR ".to_owned(),
            Self::And(_) => "(".to_owned(),
        };
        out.extend_from_slice(text.as_bytes());
        match self {
            Self::Field(_, text) | Self::Header(_, text) | Self::Body(text) | Self::Text(text) => {
                let (octets, _, lossy) = charset.encode(text);
                assert!(!lossy);
                out.extend_from_slice(format!("{{{}+}}\r\n", octets.len()).as_bytes());
                out.extend_from_slice(&octets);
            }
            Self::Not(inner) => inner.write(charset, out),
            Self::Or(a, b) => {
                a.write(charset, out);
                out.push(b' ');
                b.write(charset, out);
            }
            Self::And(all) => {
                for (i, query) in all.iter().enumerate() {
                    out.extend_from_slice(if i > 0 { b" " } else { b"" });
                    query.write(charset, out);
                }
                out.push(b')');
            }
            _ => {}
        }
    }

    fn fits(&self, charset: &'static encoding_rs::Encoding) -> bool {
        match self {
            Self::Field(_, text) | Self::Header(_, text) | Self::Body(text) | Self::Text(text) => {
                !charset.encode(text).2
            }
            Self::Not(inner) => inner.fits(charset),
            Self::Or(a, b) => a.fits(charset) && b.fits(charset),
            Self::And(all) => all.iter().all(|q| q.fits(charset)),
            _ => true,
        }
    }
}

fn contains(text: &str, wanted: &str) -> bool {
    plain(text).contains(&plain(wanted))
}

/// Lower case, marks apart from their letters (RFC 5051 §2): for the letters that occur here.
fn plain(text: &str) -> String {
    const APART: [(&str, &str); 6] = [
        ("ß", "ss"),
        ("é", "e\u{301}"),
        ("ü", "u\u{308}"),
        ("ï", "i\u{308}"),
        ("ç", "c\u{327}"),
        ("й", "и\u{306}"),
    ];
    APART
        .iter()
        .fold(text.to_lowercase(), |text, (whole, apart)| {
            text.replace(whole, apart)
        })
}

fn pick<T: Copy>(random: &mut Random, from: &[T]) -> T {
    from[random.below(from.len())]
}

fn number(random: &mut Random, most: u32) -> u32 {
    u32::try_from(random.below(most as usize)).unwrap() + 1
}

fn any_day(random: &mut Random) -> Day {
    (2024, random.below(3), number(random, 28))
}

/// A word, or a piece of one in another case.
fn piece(random: &mut Random) -> String {
    let word: Vec<char> = pick(random, &WORDS).chars().collect();
    let from = random.below(word.len());
    let to = from + random.below(word.len() - from + 1);
    let piece: String = word[from..to].iter().collect();
    match random.below(3) {
        0 => piece.to_uppercase(),
        1 => piece.to_lowercase(),
        _ => piece,
    }
}

fn query(random: &mut Random, depth: usize) -> Query {
    let kinds = if depth < 5 { 16 } else { 12 };
    match random.below(kinds) {
        0 => Query::All,
        1 => Query::Sequence(number(random, 27), number(random, 27)),
        2 => Query::Uid(number(random, 40), number(random, 40)),
        3 => Query::Flag(pick(random, &FLAGS), random.below(2) == 0),
        4 => Query::Keyword(pick(random, &KEYWORDS), random.below(2) == 0),
        5 => {
            let key = pick(
                random,
                &["BEFORE", "ON", "SINCE", "SENTBEFORE", "SENTON", "SENTSINCE"],
            );
            Query::Day(key, any_day(random))
        }
        6 => Query::Larger(random.below(900)),
        7 => Query::Smaller(random.below(900)),
        8 => Query::Field(
            pick(random, &["From", "To", "Cc", "Bcc", "Subject"]),
            names_or_words(random),
        ),
        9 => Query::Header(
            pick(random, &["X-Odd", "Subject", "Cc", "x-nothing"]),
            piece(random),
        ),
        10 => Query::Body(piece(random)),
        11 => Query::Text(
            pick(random, &["secretname", "CONTENT-DISPOSITION", "X-Odd: "]).to_owned()
                + &pick_piece(random),
        ),
        12 => Query::Not(Box::new(query(random, depth + 1))),
        13 => Query::Or(
            Box::new(query(random, depth + 1)),
            Box::new(query(random, depth + 1)),
        ),
        14 => Query::Text(piece(random)),
        _ => Query::And(
            (0..=random.below(3))
                .map(|_| query(random, depth + 1))
                .collect(),
        ),
    }
}

fn pick_piece(random: &mut Random) -> String {
    if random.below(2) == 0 {
        String::new()
    } else {
        piece(random)
    }
}

fn names_or_words(random: &mut Random) -> String {
    match random.below(3) {
        0 => pick(random, &NAMES).to_uppercase(),
        1 => "@example".to_owned(),
        _ => piece(random),
    }
}

fn words(random: &mut Random) -> String {
    let count = random.below(4) + 1;
    let words: Vec<_> = (0..count).map(|_| pick(random, &WORDS)).collect();
    words.join(" ")
}

/// As encoded words in a charset that can say it, or as it is.
fn encoded(random: &mut Random, text: &str) -> String {
    let (label, charset) = charset_for(random, text);
    let (octets, ..) = charset.encode(text);
    match random.below(3) {
        0 if text.is_ascii() => text.to_owned(),
        0 => format!("=?{label}?B?{}?=", data_encoding::BASE64.encode(&octets)),
        _ => {
            let hex: String = octets.iter().map(|b| format!("={b:02X}")).collect();
            format!("=?{label}?q?{hex}?=")
        }
    }
}

fn charset_for(random: &mut Random, text: &str) -> (&'static str, &'static encoding_rs::Encoding) {
    let all = [
        ("utf-8", encoding_rs::UTF_8),
        ("ISO-8859-1", encoding_rs::WINDOWS_1252),
        ("koi8-r", encoding_rs::KOI8_R),
    ];
    let fit: Vec<_> = all.into_iter().filter(|(_, c)| !c.encode(text).2).collect();
    pick(random, &fit)
}

fn mail(random: &mut Random, uid: u32) -> Mail {
    let mut raw = String::new();
    let mut fields = Vec::new();
    for name in ["From", "To", "Cc"] {
        if name != "Cc" || random.below(2) == 0 {
            let who = pick(random, &NAMES);
            let written = encoded(random, who);
            raw += &format!("{name}: {written} <p{uid}@example.org>\r\n");
            fields.push((name, format!("{who} <p{uid}@example.org>")));
        }
    }
    let subject = words(random);
    raw += &format!("Subject: {}\r\n", encoded(random, &subject));
    fields.push(("Subject", subject));
    if random.below(3) == 0 {
        let (first, second) = (words(random), words(random));
        raw += &format!("X-Odd: {}\r\n {}\r\n", encoded(random, &first), "tail");
        let _ = second;
        fields.push(("X-Odd", format!("{first} tail")));
    }
    let sent = (random.below(5) > 0).then(|| any_day(random));
    if let Some((y, m, d)) = sent {
        let date = format!("{d} {} {y} 23:30:00 -0800", MONTHS[m]);
        raw += &format!("Date: {date}\r\n");
        fields.push(("Date", date));
    }
    let mut part_fields = Vec::new();
    let mut bodies = Vec::new();
    let mut raw = raw.into_bytes();
    let (head, body, text) = text_part(random);
    if random.below(2) == 0 {
        fields.extend(head.iter().map(|(n, v)| (*n, v.clone())));
        raw.extend(lines(&head));
        raw.extend_from_slice(b"\r\n");
        raw.extend(body);
    } else {
        raw.extend_from_slice(
            b"Content-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n--b\r\n",
        );
        fields.push(("Content-Type", "multipart/mixed; boundary=b".to_owned()));
        let mut head = head;
        head.push((
            "Content-Disposition",
            "attachment; filename=SecretName.txt".to_owned(),
        ));
        part_fields.extend(head.iter().map(|(n, v)| format!("{n}: {v}")));
        raw.extend(lines(&head));
        raw.extend_from_slice(b"\r\n");
        raw.extend(body);
        raw.extend_from_slice(b"\r\n--b--\r\n");
    }
    bodies.push(text);
    Mail {
        uid,
        flags: FLAGS.into_iter().filter(|_| random.below(3) == 0).collect(),
        keywords: KEYWORDS
            .into_iter()
            .filter(|_| random.below(3) == 0)
            .collect(),
        internal: any_day(random),
        sent,
        fields,
        part_fields,
        bodies,
        raw,
    }
}

fn lines(fields: &[(&str, String)]) -> Vec<u8> {
    fields
        .iter()
        .flat_map(|(n, v)| format!("{n}: {v}\r\n").into_bytes())
        .collect()
}

/// MIME header, encoded body, and what it says.
fn text_part(random: &mut Random) -> (Vec<(&'static str, String)>, Vec<u8>, String) {
    let text: String = (0..random.below(4) + 1)
        .map(|_| words(random) + "\r\n")
        .collect();
    let (label, charset) = charset_for(random, &text);
    let (octets, ..) = charset.encode(&text);
    let (name, body) = match random.below(3) {
        0 => ("base64", data_encoding::BASE64.encode(&octets).into_bytes()),
        1 => {
            let escape = |b: &u8| match b {
                b'\r' | b'\n' => char::from(*b).to_string(),
                b => format!("={b:02x}=\r\n"),
            };
            let soft: String = octets.iter().map(escape).collect();
            ("quoted-printable", soft.into_bytes())
        }
        _ => ("8bit", octets.to_vec()),
    };
    let head = vec![
        ("Content-Type", format!("text/plain; charset={label}")),
        ("Content-Transfer-Encoding", name.to_owned()),
    ];
    (head, body, text)
}

struct Server {
    host: Host,
    mails: Vec<Mail>,
}

impl Server {
    /// Thirty messages, of which three are gone, so that numbers and UIDs differ.
    fn new(random: &mut Random) -> Self {
        let mut server = Self {
            host: Host::new(&Options::default()),
            mails: (1..=30).map(|uid| mail(random, uid)).collect(),
        };
        server.say(b"l LOGIN tim pw\r\n");
        for at in 0..server.mails.len() {
            let mail = &server.mails[at];
            let (y, m, d) = mail.internal;
            let flags = [&mail.flags[..], &mail.keywords].concat().join(" ");
            let mut command = format!(
                "a APPEND INBOX ({flags}) \"{d:02}-{}-{y} 00:30:00 +0900\" {{{}+}}\r\n",
                MONTHS[m],
                mail.raw.len()
            )
            .into_bytes();
            command.extend_from_slice(&mail.raw);
            command.extend_from_slice(b"\r\n");
            assert!(server.say(&command).contains("a OK"));
        }
        server.say(b"s SELECT INBOX\r\nd UID STORE 3,9,17 +FLAGS.SILENT (\\Deleted)\r\ne UID EXPUNGE 3,9,17\r\n");
        server.mails.retain(|m| ![3, 9, 17].contains(&m.uid));
        server
    }

    fn say(&mut self, octets: &[u8]) -> String {
        self.host.send("A", octets, Chunking::Whole);
        String::from_utf8_lossy(&self.host.take_output("A")).into_owned()
    }

    fn compare(&mut self, at: usize, query: &Query, random: &mut Random) -> usize {
        let by_uid = random.below(2) == 0;
        let matching: Vec<u32> = (1..)
            .zip(&self.mails)
            .filter(|(seq, mail)| query.matches(mail, *seq))
            .map(|(seq, mail)| if by_uid { mail.uid } else { seq })
            .collect();
        let charsets = [
            ("", encoding_rs::UTF_8),
            ("CHARSET utf-8 ", encoding_rs::UTF_8),
            ("CHARSET ISO-8859-1 ", encoding_rs::WINDOWS_1252),
            ("CHARSET \"KOI8-R\" ", encoding_rs::KOI8_R),
        ];
        let fit: Vec<_> = charsets
            .into_iter()
            .filter(|(_, c)| query.fits(c))
            .collect();
        let (name, charset) = pick(random, &fit);
        let options: Vec<&str> = ["MIN", "MAX", "COUNT", "ALL"]
            .into_iter()
            .filter(|_| random.below(3) == 0)
            .collect();
        let extended = random.below(2) == 0;
        let prefix = if by_uid { "UID " } else { "" };
        let mut command = format!("q {prefix}SEARCH ").into_bytes();
        if extended {
            command.extend_from_slice(format!("RETURN ({}) ", options.join(" ")).as_bytes());
        }
        command.extend_from_slice(name.as_bytes());
        query.write(charset, &mut command);
        command.extend_from_slice(b"\r\n");
        let got = self.say(&command);
        let answer = if extended {
            esearch(&matching, &options, by_uid)
        } else {
            search(&matching)
        };
        let expected = format!("{answer}\r\nq OK {prefix}SEARCH completed\r\n");
        assert_eq!(got, expected, "query {at}: {}", command.escape_ascii());
        matching.len()
    }
}

fn search(matching: &[u32]) -> String {
    let numbers: String = matching.iter().map(|n| format!(" {n}")).collect();
    format!("* SEARCH{numbers}")
}

fn esearch(matching: &[u32], options: &[&str], by_uid: bool) -> String {
    let mut out = String::from("* ESEARCH (TAG \"q\")");
    if by_uid {
        out += " UID";
    }
    let has = |o: &str| options.contains(&o);
    if let (Some(min), Some(max)) = (matching.first(), matching.last()) {
        if has("MIN") {
            out += &format!(" MIN {min}");
        }
        if has("MAX") {
            out += &format!(" MAX {max}");
        }
        if has("ALL") || options.is_empty() {
            out += &format!(" ALL {}", set(matching));
        }
    }
    if has("COUNT") {
        out += &format!(" COUNT {}", matching.len());
    }
    out
}

fn set(numbers: &[u32]) -> String {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for &n in numbers {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == n => *last = n,
            _ => ranges.push((n, n)),
        }
    }
    let write = |(a, b): &(u32, u32)| {
        if a == b {
            a.to_string()
        } else {
            format!("{a}:{b}")
        }
    };
    ranges.iter().map(write).collect::<Vec<_>>().join(",")
}
