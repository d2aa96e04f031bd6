//! The golden mails of the core over the wire: each line of their expectations is fetched by itself, in a session.

use std::fs;
use std::path::Path;

use pillarbox_sim::{Chunking, Host, Options, unescape};

#[test]
fn every_golden_mail_over_the_wire() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/tests/golden");
    let entries = fs::read_dir(folder).unwrap();
    let mut paths: Vec<_> = entries.map(|e| e.unwrap().path()).collect();
    paths.retain(|p| p.extension().is_some_and(|e| e == "eml"));
    paths.sort();
    let mut failures = Vec::new();
    let mut compared = 0;
    for path in &paths {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let mail = fs::read(path).unwrap();
        // Read with the row, in windows of 7 octets, and with output that is full at once.
        for (inline, window, high_water) in [(65_536, 65_536, 262_144), (0, 7, 262_144), (20, 3, 1)]
        {
            let mut options = Options::default();
            options.limits.inline_body = inline;
            options.limits.body_window = window;
            options.limits.output_high_water = high_water;
            let mut client = Client(Host::new(&options));
            let appended = client.append(&mail);
            // No plain literal holds NUL; one of no octets is no message.
            if name == "nul-octet" || name == "empty" {
                assert!(!appended.contains("OK [APPENDUID"), "{name}: {appended}");
                continue;
            }
            assert!(appended.contains("OK [APPENDUID"), "{name}: {appended}");
            let text = fs::read_to_string(path.with_extension("txt")).unwrap();
            for line in text.lines().filter(|l| !l.starts_with('#')) {
                let (item, value) = line.split_once(" => ").unwrap();
                compared += 1;
                failures.extend(client.compare(
                    &name,
                    item,
                    &unescape(value).expect("a known escape"),
                ));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(compared >= 650, "only {compared} lines were compared");
    println!("{} mails, {compared} lines", paths.len());
}

struct Client(Host);

impl Client {
    fn say(&mut self, octets: &[u8]) -> Vec<u8> {
        self.0.send("A", octets, Chunking::Whole);
        self.0.take_output("A")
    }

    fn append(&mut self, mail: &[u8]) -> String {
        self.say(b"l LOGIN tim pw\r\n");
        let mut command = format!("p APPEND INBOX {{{}+}}\r\n", mail.len()).into_bytes();
        command.extend_from_slice(mail);
        command.extend_from_slice(b"\r\ns EXAMINE INBOX\r\n");
        String::from_utf8_lossy(&self.say(&command)).into_owned()
    }

    fn compare(&mut self, name: &str, item: &str, value: &[u8]) -> Option<String> {
        let asked = match item {
            "WIRE" => String::from_utf8_lossy(value)
                .split(' ')
                .next()
                .unwrap()
                .to_owned(),
            item => item.to_owned(),
        };
        let got = self.say(format!("f FETCH 1 {asked}\r\n").as_bytes());
        let named = match (asked.rfind('<'), asked.ends_with('>')) {
            (Some(from), true) => format!(
                "{}>",
                asked.split_at(asked[from..].find('.').unwrap() + from).0
            ),
            _ => asked.clone(),
        };
        let expected = expected(item, &named, value);
        (got != expected).then(|| {
            format!(
                "{name} {item}\n  expected {}\n  got      {}",
                expected.escape_ascii(),
                got.escape_ascii()
            )
        })
    }
}

fn expected(item: &str, named: &str, value: &[u8]) -> Vec<u8> {
    let mut out = b"* 1 FETCH (".to_vec();
    let quoted = value
        .strip_prefix(b"\"")
        .and_then(|v| v.strip_suffix(b"\""));
    match (item, quoted, value) {
        ("WIRE", ..) => out.extend_from_slice(value),
        (_, _, b"NO") => {
            let nothing = if named.starts_with("BINARY.SIZE") {
                "0"
            } else {
                "NIL"
            };
            out.extend_from_slice(format!("{named} {nothing})\r\nf NO [UNKNOWN-CTE] A part is not in the encoding it claims\r\n").as_bytes());
            return out;
        }
        (_, Some(octets), _) if named.contains('[') => {
            out.extend_from_slice(format!("{named} {{{}}}\r\n", octets.len()).as_bytes());
            out.extend_from_slice(octets);
        }
        _ => {
            out.extend_from_slice(format!("{named} ").as_bytes());
            out.extend_from_slice(value);
        }
    }
    out.extend_from_slice(b")\r\nf OK FETCH completed\r\n");
    out
}
