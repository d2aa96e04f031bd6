//! Mail that anyone can send, by what is wrong with it.

fn repeated(head: &str, middle: &str, times: usize, tail: &str) -> Vec<u8> {
    format!("{head}{}{tail}", middle.repeat(times)).into_bytes()
}

/// Name and octets of each mail.
pub fn mails() -> Vec<(&'static str, Vec<u8>)> {
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
        ("message/rfc822 without end", rfc822.repeat(20_000).into_bytes()),
        (
            "a multipart in a message in a multipart …",
            (0..2000)
                .fold(String::new(), |text, n| text + &multipart(n) + rfc822)
                .into_bytes(),
        ),
        (
            "digests in digests",
            (0..2000)
                .fold(String::new(), |text, n| {
                    text + &format!("Content-Type: multipart/digest; boundary=b{n}\r\n\r\n--b{n}\r\n\r\n")
                })
                .into_bytes(),
        ),
        (
            "a boundary that every line might be",
            repeated(mixed, "--\r\n--b \r\n--bb\r\n-- b\r\n", 100_000, "--b--\r\n"),
        ),
        (
            "a boundary of 70,000 octets",
            format!(
                "Content-Type: multipart/mixed; boundary={0}\r\n\r\n--{0}\r\n\r\nx\r\n--{0}--\r\n",
                "b".repeat(70_000)
            )
            .into_bytes(),
        ),
        (
            "ten thousand parts of message/rfc822",
            repeated(
                mixed,
                "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\ny\r\n",
                10_001,
                "--b--\r\n",
            ),
        ),
        (
            "parts cut off in their headers",
            repeated(mixed, "--b\r\nContent-Type: mess", 20_000, ""),
        ),
        (
            "headers without a colon",
            repeated("", "no colon here\r\n", 200_000, "\r\nx"),
        ),
        ("a million empty lines", repeated("Subject: x\r\n", "\r\n", 1_000_000, "")),
        (
            "200,000 parameters",
            repeated("Content-Type: text/plain", "; a=b", 200_000, "\r\n\r\nx"),
        ),
        (
            "parameters in pieces and charsets",
            repeated(
                "Content-Type: text/plain",
                ";\r\n name*0*=utf-8'x'%",
                50_000,
                "\r\n\r\nx",
            ),
        ),
        (
            "a parameter without its end",
            repeated("Content-Type: text/plain; a=\"", "\\\\", 500_000, "\r\n\r\nx"),
        ),
        (
            "addresses without an end",
            repeated("To: ", "<", 200_000, "\r\nCc: ") .into_iter()
                .chain(repeated("", "\"", 200_001, "\r\n\r\n"))
                .collect(),
        ),
        ("routes", repeated("To: <", "@a,", 100_000, ":b@c>\r\n\r\n")),
        ("domain literals", repeated("To: a@", "[", 100_000, "]\r\n\r\n")),
        ("groups in groups", repeated("To: ", "g:", 100_000, ";\r\n\r\n")),
        (
            "comments side by side",
            repeated("To: a@b ", "(x)", 200_000, "\r\n\r\n"),
        ),
        (
            "escaped parentheses",
            repeated("To: (", "\\(", 200_000, "a@b\r\n\r\n"),
        ),
        (
            "references in a circle",
            b"Message-ID: <a@x>\r\nReferences: <b@x> <a@x>\r\nIn-Reply-To: <a@x>\r\n\r\n".to_vec(),
        ),
        (
            "a message that names itself 100,000 times",
            repeated("Message-ID: <a@x>\r\nReferences:", " <a@x>", 100_000, "\r\n\r\n"),
        ),
        ("Re: without end", repeated("Subject: ", "Re: [x] ", 100_000, "\r\n\r\n")),
        (
            "dates that are none",
            repeated("Date: ", "99 Foo ", 50_000, "\r\nDate: Mon, 32 Dec 99999999999 25:61:61 +9999\r\n\r\n"),
        ),
        (
            "quotes, backslashes and controls in a subject",
            repeated("Subject: ", "\"\\\u{1}\u{7f}\t", 10_000, "\r\n\r\n"),
        ),
        (
            "CR and LF without each other everywhere",
            repeated("Subject: a\rb\r\nTo: \n x\r\n", "\r\n\n\r\r\n", 10_000, "x\r"),
        ),
        (
            "base64 of one line of 5 MB",
            repeated("Content-Transfer-Encoding: base64\r\n\r\n", "QUJD", 1_250_000, ""),
        ),
        ("base64 of nothing", b"Content-Transfer-Encoding: base64\r\n\r\n".to_vec()),
        (
            "base64 that ends again and again",
            repeated("Content-Transfer-Encoding: base64\r\n\r\n", "QQ==\r\n", 100_000, "Q"),
        ),
        (
            "quoted-printable without line ends",
            repeated("Content-Transfer-Encoding: quoted-printable\r\n\r\n", "=3D= ", 500_000, "="),
        ),
        (
            "white space at the ends of lines of quoted-printable",
            repeated("Content-Transfer-Encoding: quoted-printable\r\n\r\n", " ", 2_000_000, "\r\nx"),
        ),
        (
            "an encoding that is none",
            b"Content-Transfer-Encoding: x-none\r\n\r\nx".to_vec(),
        ),
        (
            "an encoding of a multipart",
            b"Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: base64\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n".to_vec(),
        ),
        (
            "UTF-16 that is odd",
            [b"Content-Type: text/plain; charset=utf-16\r\n\r\n\xff\xfe".as_slice(), &[0xd8; 10_001]].concat(),
        ),
        (
            "truncated UTF-8 at the end",
            b"Content-Type: text/plain; charset=utf-8\r\n\r\nx\xe2\x82".to_vec(),
        ),
        (
            "encoded words of charsets that are none",
            repeated("Subject:", " =?x-none?q?=ff?=", 50_000, "\r\n\r\n"),
        ),
        (
            "a type of slashes",
            repeated("Content-Type: ", "/", 100_000, "\r\n\r\nx"),
        ),
        (
            "100,000 types",
            repeated("", "Content-Type: multipart/mixed; boundary=b\r\n", 100_000, "\r\n--b\r\n\r\nx\r\n--b--\r\n"),
        ),
    ]
}
