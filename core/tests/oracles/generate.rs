//! Mails as people send them, from a seed or spelled by octets: nested parts, encodings, charsets, encoded words, odd but legal spellings.

use std::fmt::Write;

const TEXTS: [(&str, &str); 8] = [
    (
        "us-ascii",
        "Plain words = and a From line\r\nFrom here on.\r\n\r\n--not a boundary\r\n",
    ),
    (
        "utf-8",
        "Grüße aus Köln: 10 € – ja!\r\nΑθήνα, Москва, 東京\r\n",
    ),
    ("iso-8859-1", "Crème brûlée à la carte\r\nñandú\r\n"),
    ("windows-1252", "“Quoted” – 5 €\r\n"),
    ("koi8-r", "Привет, мир\r\n"),
    ("shift_jis", "こんにちは世界\r\n"),
    ("gb2312", "你好，世界\r\n"),
    ("iso-8859-15", "Œuvre à 3 €\r\n"),
];
const WORDS: [&str; 8] = [
    "Report",
    "Grüße",
    "naïve",
    "été 2024",
    "Привет",
    "日本",
    "a\"b",
    "x, y; z",
];

/// A generator of one mail.
pub struct Generator<'a> {
    source: Source<'a>,
    /// Whether there may be what one of the judges misreads: a multipart that is never closed, as some do (RFC 2046 §5.1.1), a message within a message (it
    /// loses what follows), and a bare address whose local part is quoted (RFC 5322 §3.4.1; it takes that for a name).
    sloppy: bool,
    /// Messages around this place.
    messages: u32,
    boundaries: u32,
}

enum Source<'a> {
    Seed(u64),
    Octets(&'a [u8]),
}

impl<'a> Generator<'a> {
    pub fn new(seed: u64, sloppy: bool) -> Self {
        let seed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        Self::from(Source::Seed(seed), sloppy)
    }

    /// One octet for each choice; when they are used up, the first of what there is to choose from.
    #[allow(dead_code, reason = "the fuzz target's")]
    pub fn spelled(octets: &'a [u8]) -> Self {
        Self::from(Source::Octets(octets), false)
    }

    fn from(source: Source<'a>, sloppy: bool) -> Self {
        Self {
            source,
            sloppy,
            messages: 0,
            boundaries: 0,
        }
    }

    /// Below `n`.
    fn below(&mut self, n: usize) -> usize {
        match &mut self.source {
            Source::Seed(state) => {
                *state ^= *state << 13;
                *state ^= *state >> 7;
                *state ^= *state << 17;
                usize::try_from(*state % (n as u64)).unwrap()
            }
            Source::Octets(octets) => match octets.split_first() {
                Some((first, rest)) => {
                    *octets = rest;
                    usize::from(*first) % n
                }
                None => 0,
            },
        }
    }

    fn pick<'b>(&mut self, from: &[&'b str]) -> &'b str {
        from[self.below(from.len())]
    }

    /// A whole mail.
    pub fn mail(&mut self) -> Vec<u8> {
        let mut mail = self.message(0);
        if self.below(6) == 0 {
            // As it lies on a Unix disk.
            mail.retain(|b| *b != b'\r');
        }
        mail
    }

    fn message(&mut self, depth: usize) -> Vec<u8> {
        let mut header = String::new();
        let (from, to) = (self.addresses(), self.addresses());
        let subject = self.unstructured();
        write!(
            header,
            "Received: from a.example\r\n by b.example; Mon, 1 Jan 2024 00:00:00 +0000\r\nFrom: {from}\r\nTo: {to}\r\nSubject: {subject}\r\nMIME-Version: 1.0\r\n"
        )
        .unwrap();
        let mut mail = header.into_bytes();
        mail.extend(self.entity(depth));
        mail
    }

    /// MIME header, blank line, body.
    fn entity(&mut self, depth: usize) -> Vec<u8> {
        match self.below(if depth < 4 { 10 } else { 6 }) {
            0..=3 => self.text(),
            4 | 5 => self.attachment(),
            6 => {
                if self.messages > 0 && !self.sloppy {
                    return self.text();
                }
                let mut part = b"Content-Type: message/rfc822\r\n\r\n".to_vec();
                self.messages += 1;
                part.extend(self.message(depth + 1));
                self.messages -= 1;
                part
            }
            _ => self.multipart(depth),
        }
    }

    fn multipart(&mut self, depth: usize) -> Vec<u8> {
        self.boundaries += 1;
        let boundary = format!(
            "{}{}",
            self.pick(&["b", "=_Part.", "----=_Next_"]),
            self.boundaries
        );
        let subtype = self.pick(&["mixed", "alternative", "related", "Mixed", "parallel"]);
        let fold = self.pick(&["; ", ";\r\n ", ";\r\n\t"]);
        let mut part =
            format!("Content-Type: multipart/{subtype}{fold}boundary=\"{boundary}\"\r\n\r\n")
                .into_bytes();
        if self.below(2) == 0 {
            part.extend_from_slice(b"This is a message in MIME format.\r\n");
        }
        let padding = self.pick(&["", "", " ", "\t"]);
        for _ in 0..=self.below(4) {
            part.extend(format!("--{boundary}{padding}\r\n").into_bytes());
            part.extend(self.entity(depth + 1));
            part.extend_from_slice(b"\r\n");
        }
        // Some never close it.
        if self.below(8) > 0 || !self.sloppy {
            part.extend(format!("--{boundary}--\r\n").into_bytes());
            if self.below(3) == 0 {
                part.extend_from_slice(b"An epilogue.\r\n");
            }
        }
        part
    }

    fn text(&mut self) -> Vec<u8> {
        let (charset, text) = TEXTS[self.below(TEXTS.len())];
        let encoding = encoding_rs::Encoding::for_label(charset.as_bytes()).unwrap();
        let (octets, _, lossy) = encoding.encode(text);
        assert!(!lossy, "{charset} cannot say {text}");
        let subtype = self.pick(&["plain", "html", "Plain", "calendar"]);
        let quote = self.pick(&["", "\""]);
        let mut part = format!("Content-Type: text/{subtype}; charset={quote}{charset}{quote}\r\n")
            .into_bytes();
        part.extend(self.encoded(&octets));
        part
    }

    fn attachment(&mut self) -> Vec<u8> {
        let octets: Vec<u8> = (0..self.below(200))
            .map(|_| self.below(256).to_le_bytes()[0])
            .collect();
        let kind = self.pick(&[
            "application/pdf",
            "image/png",
            "application/octet-stream",
            "audio/x-odd",
        ]);
        let name = match self.below(4) {
            0 => "; filename=report.pdf",
            1 => "; filename=\"two words.pdf\"",
            2 => ";\r\n filename*0=\"one-\";\r\n filename*1=\"two.pdf\"",
            _ => ";\r\n filename*=utf-8''na%C3%AFve.pdf",
        };
        format!(
            "Content-Type: {kind}\r\nContent-Disposition: attachment{name}\r\nContent-Transfer-Encoding: base64\r\n\r\n{}",
            lines(&data_encoding::BASE64.encode(&octets))
        )
        .into_bytes()
    }

    fn encoded(&mut self, octets: &[u8]) -> Vec<u8> {
        match self.below(3) {
            0 => format!(
                "Content-Transfer-Encoding: Base64\r\n\r\n{}",
                lines(&data_encoding::BASE64.encode(octets))
            )
            .into_bytes(),
            1 => format!(
                "Content-transfer-encoding: quoted-printable\r\n\r\n{}",
                quoted_printable(octets)
            )
            .into_bytes(),
            _ => [b"Content-Transfer-Encoding: 8bit\r\n\r\n", octets].concat(),
        }
    }

    fn unstructured(&mut self) -> String {
        let mut text = String::new();
        for at in 0..=self.below(5) {
            if at > 0 {
                text.push_str(self.pick(&[" ", "\r\n "]));
            }
            text.push_str(&self.word(true));
        }
        text
    }

    /// A word as it is, or as an encoded word.
    fn word(&mut self, plain: bool) -> String {
        let word = self.pick(&WORDS);
        let octets = word.as_bytes();
        match self.below(3) {
            0 if plain && word.is_ascii() => word.to_owned(),
            1 => format!("=?utf-8?B?{}?=", data_encoding::BASE64.encode(octets)),
            _ => {
                let mut text = String::from("=?UTF-8?Q?");
                for &b in octets {
                    match b {
                        b' ' => text.push('_'),
                        b if b.is_ascii_alphanumeric() => text.push(char::from(b)),
                        b => write!(text, "={b:02X}").unwrap(),
                    }
                }
                text.push_str("?=");
                text
            }
        }
    }

    fn addresses(&mut self) -> String {
        let mut list = Vec::new();
        for _ in 0..=self.below(3) {
            let address = self.pick(&["a@example.org", "b.c@example.com", "\"d e\"@example.net"]);
            list.push(match self.below(5) {
                0 if self.sloppy || !address.starts_with('"') => address.to_owned(),
                0 | 1 => format!("<{address}>"),
                2 => format!("\"Last, First\" <{address}>"),
                3 => format!("{} <{address}>", self.word(false)),
                _ => format!("Jo Q Public <{address}>"),
            });
        }
        list.join(self.pick(&[", ", ",\r\n "]))
    }
}

fn lines(text: &str) -> String {
    let mut out = String::new();
    for line in text.as_bytes().chunks(76) {
        out.push_str(std::str::from_utf8(line).unwrap());
        out.push_str("\r\n");
    }
    out
}

fn quoted_printable(octets: &[u8]) -> String {
    let mut out = String::new();
    let mut column = 0;
    for &b in octets {
        if column > 60 && b != b'\n' {
            out.push_str("=\r\n");
            column = 0;
        }
        match b {
            b'\r' | b'\n' => out.push(char::from(b)),
            b' ' | b'!'..=b'<' | b'>'..=b'~' => out.push(char::from(b)),
            _ => write!(out, "={b:02X}").unwrap(),
        }
        column = if b == b'\n' { 0 } else { column + 3 };
    }
    out
}
