//! Searches find a text wherever the windows of a message fall, in whatever it is encoded.

mod candidate;

use bytes::Bytes;
use candidate::Mail;
use pillarbox_core::message::Scanner;
use pillarbox_core::search::{Leaf, Program, Step};

const WINDOW: usize = 64 << 10;

fn finds(mail: &[u8], leaf: Leaf, most: usize) -> bool {
    let mut scanner = Scanner::new();
    scanner.feed(mail);
    let structure = scanner.finish();
    let mut mail = Mail {
        octets: Bytes::copy_from_slice(mail),
        structure: &structure,
        most,
    };
    let steps = vec![Step::Test(leaf)];
    Program {
        steps,
        ..Program::default()
    }
    .matches(&mut mail)
    .unwrap()
}

fn body(text: &str) -> Leaf {
    Leaf::Body(text.into())
}

fn text(text: &str) -> Leaf {
    Leaf::Text(text.into())
}

/// A window ends at each octet of what is looked for; in base64 within four octets, too.
#[test]
fn across_windows() {
    let head = "Content-Type: text/plain; charset=utf-8\r\n";
    for less in 0..50 {
        let said = |end: usize| format!("{}Grüße e\u{301}nd", "x".repeat(end + 10 - less));
        let plain = format!("{head}\r\n{}", said(WINDOW));
        let encoded = data_encoding::BASE64.encode(said(WINDOW / 4 * 3).as_bytes());
        let base64 = format!("{head}Content-Transfer-Encoding: base64\r\n\r\n{encoded}");
        for (mail, most) in [(plain, usize::MAX), (base64, WINDOW - 1)] {
            let finds = |words| finds(mail.as_bytes(), body(words), most);
            assert!(finds("xGRÜSSE é") && !finds("xGRÜSSE è"), "{less}");
        }
    }
}

#[test]
fn in_reads_of_any_length() {
    let mail = "From: A <a@b>\r\nSubject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
        --b\r\nContent-Type: text/plain; charset=koi8-r\r\nContent-Transfer-Encoding: base64\r\n\r\n8NLJ18XU\r\n\
        --b\r\nContent-Type: message/rfc822\r\n\r\nSubject: =?utf-8?Q?in=C3=A9?=\r\n\r\nwithin\r\n--b--\r\n";
    for most in [1, 2, 3, 7, 50, usize::MAX] {
        let finds = |leaf| finds(mail.as_bytes(), leaf, most);
        assert!(
            finds(Leaf::Header("SUBJECT".into(), "grüße".into())),
            "{most}"
        );
        assert!(finds(body("привет")) && finds(text("ПРИВЕТ")), "{most}");
        assert!(finds(body("WITHIN")) && finds(text("INÉ")), "{most}");
        assert!(finds(text("koi8-R")) && !finds(body("koi8-r")), "{most}");
        assert!(!finds(body("iné")) && !finds(text("8NLJ")), "{most}");
        assert!(!finds(body("--b")), "{most}");
    }
}

#[test]
fn in_utf_7_and_utf_16() {
    let mail = |charset: &str, octets: &[u8]| {
        let body = data_encoding::BASE64_MIME.encode(octets);
        format!(
            "Content-Type: text/plain; charset={charset}\r\nContent-Transfer-Encoding: base64\r\n\r\n{body}"
        )
    };
    let text = "Grüße, 日本語 + \u{1F600}";
    let units = text.encode_utf16();
    let big: Vec<u8> = units.clone().flat_map(u16::to_be_bytes).collect();
    let little: Vec<u8> = units.flat_map(u16::to_le_bytes).collect();
    let marked = [&b"\xff\xfe"[..], &little].concat();
    let utf_7 = b"Gr+APwA3w-e, +ZeVnLIqe- +- +2D3eAA-";
    for mail in [
        mail("UTF-7", utf_7),
        mail("unicode-1-1-utf-7", utf_7),
        mail("UTF-16", &big),
        mail("utf-16", &marked),
        mail("utf-16be", &big),
        mail("utf-16le", &little),
        format!(
            "Content-Type: text/plain; charset=utf-7\r\n\r\n{}",
            str::from_utf8(utf_7).unwrap()
        ),
    ] {
        for most in [1, 2, 3, 7, usize::MAX] {
            assert!(finds(mail.as_bytes(), body("GRÜSSE, 日本"), most), "{mail}");
            assert!(finds(mail.as_bytes(), body("語 + \u{1F600}"), most));
            assert!(!finds(mail.as_bytes(), body("APwA"), most));
        }
    }
}

#[test]
fn the_empty_text_is_in_every_message() {
    let picture = b"Content-Type: image/png\r\n\r\nx\r\n";
    for mail in [&picture[..], b"\r\n", b"Subject: s\r\n\r\nx\r\n"] {
        for most in [1, usize::MAX] {
            assert!(finds(mail, body(""), most) && finds(mail, text(""), most));
            assert!(!finds(mail, body("y"), most));
        }
    }
}

#[test]
fn what_is_no_text_is_not_looked_at() {
    for media in [
        "image/png",
        "application/pdf",
        "textual/plain",
        "messages/x",
    ] {
        let mail = format!("Content-Type: {media}\r\n\r\nword\r\n");
        assert!(!finds(mail.as_bytes(), body("word"), usize::MAX), "{media}");
        assert!(!finds(mail.as_bytes(), text("word"), usize::MAX), "{media}");
    }
}

#[test]
fn in_what_is_damaged() {
    let base64 = |octets: &str| format!("Content-Transfer-Encoding: base64\r\n\r\n{octets}");
    // RFC 2045 §6.8: what is not of the alphabet is ignored.
    assert!(finds(
        base64("aGVs!!bG8=").as_bytes(),
        body("hello"),
        usize::MAX
    ));
    assert!(finds(
        base64("aGVsbG8").as_bytes(),
        body("hello"),
        usize::MAX
    ));
    let odd = b"Content-Transfer-Encoding: x-odd\r\n\r\nas it is";
    assert!(finds(odd, body("AS IT"), usize::MAX));
    let unknown = b"Content-Type: text/plain; charset=x-nothing\r\n\r\nGr\xc3\xbc\xc3\x9fe\r\n";
    assert!(finds(unknown, body("grüße"), usize::MAX));
    let hollow = b"Content-Type: multipart/mixed; boundary=b\r\n\r\nno part\r\n";
    assert!(finds(hollow, body("No Part"), usize::MAX));
    // A message within that is encoded against the rules is decoded as one text.
    let message = format!(
        "Content-Type: message/rfc822\r\n{}",
        base64("U3ViamVjdDogeA0KDQpoaQ0K")
    );
    assert!(finds(message.as_bytes(), body("hi"), usize::MAX));
    assert!(!finds(message.as_bytes(), body("U3Vi"), usize::MAX));
}
