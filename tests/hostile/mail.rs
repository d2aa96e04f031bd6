//! Mail that anyone can send: it is taken, rendered and searched in a time that its size explains, and served as it came.

use std::time::{Duration, Instant};

use crate::demo::{Demo, Folder};
use crate::wire::{Chunking, Client, End, text};

/// For one message of up to 20 MB and one command; unoptimised builds on busy machines included.
const PATIENCE: Duration = Duration::from_secs(20);

fn repeated(head: &str, middle: &str, times: usize, tail: &str) -> Vec<u8> {
    format!("{head}{}{tail}", middle.repeat(times)).into_bytes()
}

/// Name and octets of each mail.
fn mails() -> Vec<(&'static str, Vec<u8>)> {
    let multipart =
        |n: usize| format!("Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n");
    let nested: String = (0..5000).map(multipart).collect();
    let rfc822 = "Content-Type: message/rfc822\r\n\r\n";
    let mixed = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
    let parameter = (0..20_000).fold(String::from("Content-Type: text/plain"), |text, n| {
        text + ";\r\n name*" + &n.to_string() + "=x"
    });
    let references = (0..100_000).fold(String::from("References:"), |text, n| {
        text + "\r\n <" + &n.to_string() + "@x>"
    });
    vec![
        ("multiparts nested 5000 deep", nested.into_bytes()),
        (
            "message/rfc822 nested 1000 deep",
            repeated("", rfc822, 1000, "x"),
        ),
        (
            "20,000 parts",
            repeated(mixed, "--b\r\n\r\nx\r\n", 20_000, "--b--\r\n"),
        ),
        (
            "parts that are all boundary",
            repeated(mixed, "--b\r\n", 50_000, ""),
        ),
        (
            "500,000 header lines",
            repeated("", "X: y\r\n", 500_000, "\r\n"),
        ),
        (
            "500,000 To: lines",
            repeated("", "To: a@b\r\n", 500_000, "\r\n"),
        ),
        (
            "one header of 20 MB",
            repeated("Subject: ", "x", 20 << 20, "\r\n\r\n"),
        ),
        (
            "a header name of 1 MB",
            repeated("", "x", 1 << 20, ": y\r\n\r\n"),
        ),
        (
            "a header folded 500,000 times",
            repeated("Subject: x", "\r\n y", 500_000, "\r\n\r\n"),
        ),
        (
            "20,000 continuations of a parameter",
            (parameter + "\r\n\r\n").into_bytes(),
        ),
        (
            "70,000 addresses",
            repeated("To: a@b", ", a@b", 70_000, "\r\n\r\n"),
        ),
        (
            "70,000 groups",
            repeated("To: g:;", ", g:;", 70_000, "\r\n\r\n"),
        ),
        (
            "comments nested 100,000 deep",
            repeated("To: ", "(", 100_000, "\r\n\r\n"),
        ),
        (
            "a comment that ends in a backslash",
            b"To: (a\\\r\n\r\n".to_vec(),
        ),
        (
            "encoded words without end",
            repeated("Subject: ", "=?utf-8?Q?=C3", 100_000, "\r\n\r\n"),
        ),
        (
            "100,000 encoded words",
            repeated("Subject:", " =?utf-8?B?w6Q=?=", 100_000, "\r\n\r\n"),
        ),
        ("100,000 references", (references + "\r\n\r\n").into_bytes()),
        (
            "broken base64",
            repeated(
                "Content-Transfer-Encoding: base64\r\n\r\n",
                "!%$",
                100_000,
                "=",
            ),
        ),
        (
            "broken quoted-printable",
            repeated(
                "Content-Transfer-Encoding: quoted-printable\r\n\r\n",
                "=G=",
                100_000,
                "",
            ),
        ),
        ("an empty header", b"\r\n".to_vec()),
        ("only a line end", b"\n".to_vec()),
        ("LF only", repeated("Subject: x\n\n", "line\n", 1000, "")),
        ("CR only", repeated("Subject: x\r\r", "line\r", 1000, "")),
        (
            "a line of 10 MB",
            repeated("Subject: x\r\n\r\n", "y", 10 << 20, ""),
        ),
        (
            "an unknown charset",
            b"Content-Type: text/plain; charset=x-none\r\n\r\nx".to_vec(),
        ),
        (
            "a charset of 100 KB",
            repeated(
                "Content-Type: text/plain; charset=",
                "x",
                100_000,
                "\r\n\r\nx",
            ),
        ),
        (
            "invalid UTF-8 everywhere",
            [b"Subject: \xff\xfe\xc3\r\n\r\n".as_slice(), &[0xc3; 10_000]].concat(),
        ),
        (
            "broken ISO-2022-JP",
            [
                b"Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n".as_slice(),
                &b"\x1b$B\x1b".repeat(10_000),
            ]
            .concat(),
        ),
        (
            "a boundary of nothing",
            b"Content-Type: multipart/mixed; boundary=\"\"\r\n\r\n--\r\n\r\nx\r\n----\r\n".to_vec(),
        ),
        (
            "boundaries that begin one another",
            repeated(
                "Content-Type: multipart/mixed; boundary=a\r\n\r\n",
                "--a\r\nContent-Type: multipart/mixed; boundary=aa\r\n\r\n--aa\r\n\r\nx\r\n",
                500,
                "",
            ),
        ),
    ]
}

/// Connects, signs in and selects INBOX.
fn selected(port: u16) -> Client {
    let mut client = Client::connect(([127, 0, 0, 1], port).into(), None);
    client.send(b"l LOGIN user pass\r\ns SELECT INBOX\r\n", Chunking::Whole);
    assert_eq!(client.read_until(b"\r\ns OK"), End::Alive);
    client
}

const FETCH: &str = "(FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODY BODYSTRUCTURE BODY.PEEK[HEADER.FIELDS (SUBJECT)] \
    BODY.PEEK[1] BODY.PEEK[1.MIME] BODY.PEEK[TEXT]<0.100> BINARY.SIZE[1])";

fn mail_on(runtime: &str) {
    let folder = Folder::new(&format!("hostile-mail-{runtime}"));
    let demo = Demo::start(&["--runtime", runtime, "--store", &folder.join("store")]);
    let mut client = selected(demo.plain);
    let mut other = selected(demo.plain);
    for (at, (name, octets)) in mails().into_iter().enumerate() {
        let uid = at + 3;
        let head = format!("a APPEND INBOX {{{}+}}\r\n", octets.len());
        let append = [head.as_bytes(), &octets, b"\r\n"].concat();
        let since = Instant::now();
        client.timed(&append, "a");
        for command in [
            format!("b UID FETCH {uid} {FETCH}\r\nb NOOP\r\n"),
            format!("c UID SEARCH UID {uid} TEXT nowhere SUBJECT x FROM y HEADER X z\r\n"),
        ] {
            client.said.clear();
            client.send(command.as_bytes(), Chunking::Whole);
            // An answer of NO is right where a part is damaged; it must be an answer.
            let tag = format!("\r\n{} ", &command[..1]);
            assert_eq!(
                client.read_until(tag.as_bytes()),
                End::Alive,
                "{name}: {}",
                text(&client.said)
            );
            assert_eq!(client.noop(), End::Alive, "{name}: {}", text(&client.said));
        }
        assert!(
            since.elapsed() < PATIENCE,
            "{name} took {:?}",
            since.elapsed()
        );
        served_as_it_came(&mut client, uid, name, &octets);
        other.said.clear();
        assert_eq!(other.noop(), End::Alive, "after {name}");
    }
    demo.terminate();
}

fn served_as_it_came(client: &mut Client, uid: usize, name: &str, octets: &[u8]) {
    let fetch = format!("d UID FETCH {uid} (RFC822.SIZE BODY.PEEK[])\r\n");
    client.timed(fetch.as_bytes(), "d");
    let size = format!("RFC822.SIZE {} ", octets.len());
    assert!(
        crate::find(&client.said[..client.said.len().min(200)], size.as_bytes()).is_some(),
        "{name}: {}",
        text(&client.said)
    );
    let head = format!("BODY[] {{{}}}\r\n", octets.len());
    let at =
        crate::find(&client.said, head.as_bytes()).expect("the body is a literal") + head.len();
    assert!(
        client.said[at..].starts_with(octets),
        "{name} comes back as it went"
    );
}

#[test]
fn mail_on_tokio() {
    mail_on("tokio");
}

#[cfg(feature = "runtime-smol")]
#[test]
fn mail_on_smol() {
    mail_on("smol");
}
