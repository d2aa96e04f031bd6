//! Searches find what i;unicode-casemap (RFC 5051) finds: an accent is a mark behind its letter, and is not passed over.

use std::collections::BTreeMap;
use std::process::Command;

use pillarbox_core::message::fold_case;

/// Each character that Python knows, and what RFC 5051 §2 makes of it: its simple titlecase, decomposed.
const PREPARED: &str = r#"
import unicodedata
for n in range(0x110000):
    c = chr(n)
    if unicodedata.category(c) in ("Cn", "Co", "Cs"):
        continue
    title = c.title()
    title = title if len(title) == 1 else c
    print(c.encode().hex(), unicodedata.normalize("NFKD", title).encode().hex())
"#;

fn prepared() -> BTreeMap<String, String> {
    let output = Command::new("python3")
        .args(["-c", PREPARED])
        .output()
        .expect("python3 is there");
    assert!(output.status.success(), "{output:?}");
    let text = |hex: &str| {
        let octets = data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap();
        String::from_utf8(octets).unwrap()
    };
    let lines = str::from_utf8(&output.stdout).unwrap().lines();
    lines
        .map(|line| {
            let (character, prepared) = line.split_once(' ').unwrap();
            (text(character), text(prepared))
        })
        .collect()
}

#[test]
fn what_casemap_makes_equal_is_equal() {
    let prepared = prepared();
    assert!(prepared.len() > 100_000);
    let mut wrong = Vec::new();
    for (character, prepared) in &prepared {
        let folded = fold_case(character);
        if folded != fold_case(prepared) || folded != fold_case(&folded) {
            wrong.push(format!("{character:?} {prepared:?} {folded:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} {wrong:#?}", wrong.len());
}

#[test]
fn an_accent_counts() {
    let finds = |text: &str, key: &str| fold_case(text).contains(&fold_case(key));
    for (text, key, found) in [
        ("caf\u{e9}", "CAFE\u{301}", true),
        ("cafe\u{301}", "Caf\u{c9}", true),
        ("cafe", "caf\u{e9}", false),
        ("caf\u{e8}", "caf\u{e9}", false),
        ("r\u{e9}sum\u{e9}", "resume", false),
        // The mark comes last, so that what precedes it is a substring (RFC 5051 §2: as for i;octet).
        ("caf\u{e9}", "cafe", true),
        ("Stra\u{df}e, STRA\u{1e9e}E", "strasse, stra\u{df}e", true),
        ("\u{fb01}n", "FIN", true),
        ("\u{3c3}\u{3c2}", "\u{3a3}\u{3a3}", true),
    ] {
        assert_eq!(finds(text, key), found, "{key} in {text}");
    }
}
