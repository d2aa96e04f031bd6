//! Hostile mail: the time to read, tell, keep and search it grows with its size and no faster, and what is told of it is bounded.

mod candidate;

use bytes::Bytes;
use candidate::Mail;
use pillarbox_core::message::{
    Decoder, Encoding, Part, Scanner, Structure, decode_header, header_fields, select_fields,
    sent_date, thread_ids,
};
use pillarbox_core::search::{Leaf, Program, Step};
use rustix::time::{ClockId, clock_gettime};

/// How often a mail is made larger, and how much longer it may then take: quadratic time would be 256.
const FACTOR: usize = 16;
const LIMIT: f64 = 64.0;
const SMALL: usize = 24 << 10;
/// Octets told of any mail, however large.
const TOLD: usize = 24 << 20;

fn repeat(before: &str, piece: &str, after: &str, size: usize) -> Vec<u8> {
    let times = (size / piece.len()).max(1);
    [
        before.as_bytes(),
        piece.repeat(times).as_bytes(),
        after.as_bytes(),
    ]
    .concat()
}

/// Pieces that are numbered, so that each is another.
fn numbered(before: &str, piece: &str, after: &str, size: usize) -> Vec<u8> {
    let mut out = before.as_bytes().to_vec();
    let mut n = 0;
    while out.len() < size {
        out.extend_from_slice(piece.replace('#', &n.to_string()).as_bytes());
        n += 1;
    }
    out.extend_from_slice(after.as_bytes());
    out
}

type Make = fn(usize) -> Vec<u8>;

const M: &str = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";

#[rustfmt::skip]
const MAILS: &[(&str, Make)] = &[
    ("tiny parts", |n| repeat(M, "--b\r\n\r\n", "", n)),
    ("parts with a letter", |n| repeat(M, "--b\r\n\r\nx\r\n", "--b--", n)),
    ("parts without a blank line", |n| repeat(M, "--b\r\n", "", n)),
    ("messages side by side", |n| repeat(M, "--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: a@b\r\n\r\nx\r\n", "", n)),
    ("a digest of address lists", |n| repeat(&M.replace("mixed", "digest"), &format!("--b\r\n\r\nFrom: {}\r\n\r\n", "a,".repeat(2000)), "", n)),
    ("nested multiparts", |n| numbered("", "Content-Type: multipart/x; boundary=b#\r\n\r\n--b#\r\n", "", n)),
    ("nested messages", |n| repeat("", "Content-Type: message/rfc822\r\n\r\n", "", n)),
    ("nested multiparts, then almost boundaries", |n| {
        let nest = numbered("", "Content-Type: multipart/x; boundary=aaaaaaaaaaaaaaaaaaaaaaaaaaaa#\r\n\r\n--aaaaaaaaaaaaaaaaaaaaaaaaaaaa#\r\n", "\r\n", 12 << 10);
        [nest, repeat("", "--aaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n", "", n)].concat()
    }),
    ("nested multiparts, then short lines", |n| {
        let nest = numbered("", "Content-Type: multipart/x; boundary=b#\r\n\r\n--b#\r\n", "\r\n", 12 << 10);
        [nest, repeat("", "\n", "", n)].concat()
    }),
    ("almost boundaries", |n| repeat(M, "--bb\r\n", "", n)),
    ("closing boundaries", |n| repeat(M, "--b--\r\n", "", n)),
    ("parameters", |n| repeat("Content-Type: a/b", ";x=y", "\r\n\r\n", n)),
    ("numbered parameters", |n| numbered("Content-Type: a/b", ";x*#=y", "\r\n\r\n", n)),
    ("continuations of others", |n| numbered("Content-Type: a/b", ";x#*0*=utf-8''y;x#*1=z", "\r\n\r\n", n)),
    ("semicolons", |n| repeat("Content-Type: a/b", ";", "\r\n\r\n", n)),
    ("percents", |n| repeat("Content-Disposition: a; f*=utf-8''", "%41%", "\r\n\r\n", n)),
    ("addresses", |n| repeat("To: ", "a@b,", "\r\n\r\n", n)),
    ("commas", |n| repeat("To: ", ",", "\r\n\r\n", n)),
    ("groups", |n| repeat("To: ", "a:;", "\r\n\r\n", n)),
    ("colons", |n| repeat("To: ", ":", "\r\n\r\n", n)),
    ("angles", |n| repeat("To: ", "<", "\r\n\r\n", n)),
    ("angle addresses in a row", |n| repeat("To: ", "<a>", "\r\n\r\n", n)),
    ("routes", |n| repeat("To: <@", "a:", "\r\n\r\n", n)),
    ("domain literals", |n| repeat("To: a@", "[", "\r\n\r\n", n)),
    ("deep comments", |n| repeat("To: ", "(", "\r\n\r\n", n)),
    ("deep comments in a type", |n| repeat("Content-Type: ", "(", "\r\n\r\n", n)),
    ("comments", |n| repeat("Content-Type: a/b", "()", "\r\n\r\n", n)),
    ("quotes", |n| repeat("To: ", "\"", "\r\n\r\n", n)),
    ("backslashes", |n| repeat("To: \"", "\\", "\r\n\r\n", n)),
    ("spaces", |n| repeat("To: ", " ", "a\r\n\r\n", n)),
    ("spaces in a parameter", |n| repeat("Content-Type: a/b; x=y", " ", "z\r\n\r\n", n)),
    ("folds", |n| repeat("Subject: a\r\n", " \r\n", "\r\n", n)),
    ("folds with text", |n| repeat("To: a\r\n", " x\r\n", "\r\n", n)),
    ("languages", |n| repeat("Content-Language: ", "a,", "\r\n\r\n", n)),
    ("header lines", |n| repeat("", "A: b\r\n", "\r\nx", n)),
    ("empty header lines", |n| repeat("", ":\n", "\nx", n)),
    ("header lines that are no fields", |n| repeat("", "x\n", "\nx", n)),
    ("many subjects", |n| repeat("", "Subject: x\r\n", "\r\n", n)),
    ("names of fields", |n| numbered("", "X-#: y\r\n", "\r\n", n)),
    ("one line", |n| repeat("", "x", "", n)),
    ("one line of a field", |n| repeat("Subject: ", "x", "", n)),
    ("one line of body", |n| repeat("\r\n", "x", "", n)),
    ("encoded words", |n| repeat("Subject: ", "=?utf-8?q?=C3?= ", "\r\n\r\n", n)),
    ("beginnings of encoded words", |n| repeat("Subject: ", "=?", "\r\n\r\n", n)),
    ("encoded words without end", |n| repeat("Subject: ", "=?a?q?", "\r\n\r\n", n)),
    ("question marks", |n| repeat("Subject: =?", "?", "\r\n\r\n", n)),
    ("identities", |n| repeat("References: ", "<a>", "\r\n\r\n", n)),
    ("openings of identities", |n| repeat("References: ", "<", "\r\n\r\n", n)),
    ("words of a date", |n| repeat("Date: ", "1 ", "\r\n\r\n", n)),
    ("line feeds", |n| repeat("\n", "\n", "", n)),
    ("carriage returns", |n| repeat("", "\r", "", n)),
    ("nothing but NUL", |n| repeat("", "\0", "", n)),
    ("equals signs", |n| repeat("Content-Transfer-Encoding: quoted-printable\r\n\r\n", "=", "", n)),
    ("spaces at the end of lines", |n| repeat("Content-Transfer-Encoding: quoted-printable\r\n\r\n", " ", "\r\n", n)),
    ("soft line breaks", |n| repeat("Content-Transfer-Encoding: quoted-printable\r\n\r\n", "=\r\n", "", n)),
    ("padding", |n| repeat("Content-Transfer-Encoding: base64\r\n\r\n", "=", "", n)),
    ("combining marks", |n| repeat("Content-Type: text/plain; charset=utf-8\r\n\r\n", "\u{301}\u{323}", "", n)),
    ("letters that grow", |n| repeat("Content-Type: text/plain; charset=utf-8\r\n\r\n", "\u{fdfa}", "", n)),
    ("almost the text", |n| repeat("\r\n", &"needl ".repeat(10), "", n)),
];

#[test]
fn time_grows_with_the_size() {
    let mut slow = Vec::new();
    for (name, make) in MAILS {
        let (small, large) = (make(SMALL), make(SMALL * FACTOR));
        // Another process may slow one run, not all.
        let growth = || time(&large) / time(&small);
        let tries: Vec<f64> = (0..5)
            .map(|_| growth())
            .take_while(|g| *g > LIMIT)
            .collect();
        if tries.len() == 5 {
            slow.push(format!(
                "{name}: {FACTOR} times the octets take {tries:.0?} times as long"
            ));
        }
    }
    assert!(slow.is_empty(), "{}", slow.join("\n"));
}

#[test]
fn what_is_told_is_bounded() {
    for (name, make) in MAILS {
        let structure = scan(&make(4 << 20));
        let told = structure.body_structure().len()
            + structure.envelope().len()
            + structure.encode().len();
        assert!(told < TOLD, "{name}: {told} octets are told");
        assert!(
            structure.body().len() <= structure.body_structure().len(),
            "{name}"
        );
    }
}

#[test]
fn parts_and_depth_have_bounds() {
    let parts = |n: usize| scan(&repeat(M, "--b\r\n\r\nx\r\n", "", n * 10));
    assert!(parts(9_999).locate(&[9_999], Part::Whole).is_some());
    assert!(parts(10_000).locate(&[9_999], Part::Whole).is_some());
    assert!(parts(10_000).locate(&[10_000], Part::Whole).is_none());
    let nested = |n: usize| {
        let mut mail = String::new();
        (0..n).for_each(|i| {
            mail += &format!("Content-Type: multipart/x; boundary=b{i}\r\n\r\n--b{i}\r\n")
        });
        scan((mail + "\r\nx").as_bytes())
    };
    assert!(nested(100).locate(&vec![1; 100], Part::Whole).is_some());
    assert!(nested(101).locate(&vec![1; 101], Part::Whole).is_none());
    // What is too deep stays with the part it is in.
    let deep = nested(101);
    let span = deep.locate(&vec![1; 100], Part::Whole).unwrap();
    assert!(span.end - span.start > 10);
}

/// A field may tell a few addresses more than there is room for: the end of a group is one, too.
#[test]
fn addresses_have_bounds() {
    let (many, group) = ("a,".repeat(20_000), format!("g:{}a;", "a,".repeat(9_998)));
    let fields = ["From", "Sender", "Reply-To", "To", "Cc", "Bcc"];
    let mail = |full: usize| {
        let value = |at| if at == full { &group } else { &many };
        let lines = fields.iter().enumerate();
        let lines = lines.map(|(at, field)| format!("{field}: {}\r\n", value(at)));
        lines.collect::<String>() + "\r\n"
    };
    for full in 0..fields.len() {
        let envelope = scan(mail(full).as_bytes()).envelope();
        let told = String::from_utf8(envelope)
            .unwrap()
            .matches("(NIL ")
            .count();
        assert!((30_000..30_010).contains(&told), "{full}: {told} addresses");
    }
}

/// The CPU time of all that is done with a mail, in nanoseconds.
fn time(mail: &[u8]) -> f64 {
    let begun = clock_gettime(ClockId::ThreadCPUTime);
    everything(mail);
    let took = clock_gettime(ClockId::ThreadCPUTime) - begun;
    took.tv_sec as f64 * 1e9 + took.tv_nsec as f64
}

fn scan(mail: &[u8]) -> Structure {
    let mut scanner = Scanner::new();
    mail.chunks(4096).for_each(|chunk| scanner.feed(chunk));
    scanner.finish()
}

fn everything(mail: &[u8]) {
    let structure = scan(mail);
    let kept = structure.encode();
    assert!(Structure::decode(&kept).is_some());
    let told = [
        structure.envelope(),
        structure.body(),
        structure.body_structure(),
    ];
    assert!(
        told.iter()
            .all(|t| t.starts_with(b"(") && t.ends_with(b")"))
    );
    let header = &mail[..usize::try_from(structure.header_len()).unwrap()];
    let names: Vec<Vec<u8>> = (0..2000).map(|n| format!("X-{n}").into_bytes()).collect();
    let names: Vec<&[u8]> = names.iter().map(|n| &n[..]).collect();
    let selected =
        select_fields(header, &names, false).len() + select_fields(header, &names, true).len();
    assert!(selected >= header.len());
    let decoded: usize = header_fields(header)
        .map(|(_, value)| decode_header(value).len())
        .sum();
    let _ = (decoded, sent_date(header), thread_ids(header));
    for encoding in [Encoding::Base64, Encoding::QuotedPrintable] {
        let mut out = Vec::new();
        let mut decoder = Decoder::lenient(encoding).unwrap();
        decoder.feed(mail, &mut out).unwrap();
        decoder.finish(&mut out).unwrap();
        assert!(out.len() <= mail.len());
    }
    let told_parts = (1..40).filter(|n| structure.locate(&[*n], Part::Mime).is_some());
    assert!(told_parts.count() >= usize::from(structure.leaf(&[1]).is_some()));
    assert!(!search(mail, &structure));
}

fn search(mail: &[u8], structure: &Structure) -> bool {
    let leaf = |leaf| Step::Test(leaf);
    let steps = vec![
        leaf(Leaf::Header("subject".into(), "needle".into())),
        leaf(Leaf::Text("needle needle".into())),
        Step::Or,
        leaf(Leaf::Body("needle".into())),
        Step::Or,
    ];
    let mut candidate = Mail {
        octets: Bytes::copy_from_slice(mail),
        structure,
        most: usize::MAX,
    };
    Program {
        steps,
        ..Program::default()
    }
    .matches(&mut candidate)
    .unwrap()
}
