//! Lines, tags and the octets that no line may hold.

use super::{Class, Row, early, late, repeated};

pub(super) fn classes() -> Vec<Class> {
    vec![
        Class {
            why: "A command ends at CR LF and nowhere else (RFC 9051 §2.2); readers that disagree let commands in",
            rows: line_ends(),
        },
        Class {
            why: "NUL is in no command outside literal8 (RFC 9051 §9 CHAR8); C strings end there, and what follows is read past the end",
            rows: nul(),
        },
        Class {
            why: "A tag is ASTRING-CHARs but \"+\" (RFC 9051 §9): an answer must not repeat what a client could mistake for another",
            rows: tags(),
        },
        Class {
            why: "Words and spaces are as the grammar has them; control characters and 8-bit octets are in no atom",
            rows: words(),
        },
        Class {
            why: "Other protocols on this port are no commands, and three of their lines end the connection",
            rows: strangers(),
        },
        Class {
            why: "What has no end is not kept: lines are bounded where octets enter, and skipped to their CR LF (RFC 2683 §3.2.1.5)",
            rows: lengths(),
        },
    ]
}

fn line_ends() -> Vec<Row> {
    vec![
        early("an empty line", "\r\n", &["* BAD"]),
        early("an LF alone is no line end", "a NOOP\nb NOOP\r\n", &["BAD"]).never("b OK"),
        early("a CR alone is no line end", "a NOOP\rb NOOP\r\n", &["BAD"]).never("b OK"),
        early("CR CR LF", "a NOOP\r\r\nb NOOP\r\n", &["a BAD", "b OK"]),
        early("LF CR LF", "a NOOP\n\r\nb NOOP\r\n", &["a BAD", "b OK"]),
        early("LF CR", "a NOOP\n\rb NOOP\r\n", &["a BAD"]).never("b OK"),
        early("LF first", "\nb NOOP\r\n", &["* BAD"]).never("b OK"),
        early("CR first", "\rb NOOP\r\n", &["* BAD"]).never("b OK"),
        early(
            "LFs between commands",
            "a NOOP\r\n\n\nb NOOP\r\nc NOOP\r\n",
            &["a OK", "* BAD", "c OK"],
        )
        .never("b OK"),
        early(
            "a line separator of Unicode is no line end",
            "a NOOP\u{2028}b NOOP\r\n",
            &["a BAD"],
        )
        .never("b OK"),
        early(
            "a next-line character is no line end",
            "a NOOP\u{85}b NOOP\r\n",
            &["a BAD"],
        )
        .never("b OK"),
        early(
            "CR LF in a quoted string",
            "a LOGIN \"u\r\nb NOOP\r\n",
            &["a BAD", "b OK"],
        ),
        early(
            "LF in a quoted string",
            "a LOGIN \"u\nb NOOP\n\" x\r\n",
            &["a BAD"],
        )
        .never("b OK"),
        early(
            "CR in a quoted string",
            "a LOGIN \"u\rv\" x\r\n",
            &["a BAD"],
        ),
    ]
}

fn nul() -> Vec<Row> {
    vec![
        early("NUL in a command", b"a NO\0OP\r\n", &["a BAD"]),
        early(
            "NUL in a quoted string",
            b"a LOGIN \"u\0\\\\\" x\r\n",
            &["a BAD"],
        ),
        early("NUL as a tag", b"\0 NOOP\r\n", &["* BAD"]),
        early("NUL in a tag", b"a\0b NOOP\r\n", &["* BAD"]),
        early("NUL before CR", b"a NOOP\0\r\n", &["a BAD"]),
        early(
            "NUL between CR and LF",
            b"a NOOP\r\0\nb NOOP\r\n",
            &["a BAD"],
        )
        .never("b OK"),
        early(
            "NUL in a literal",
            b"a LOGIN {3+}\r\na\0b x\r\n",
            &["a BAD"],
        ),
        late("NUL in an atom", b"a SELECT INBOX\0\r\n", &["a BAD"]),
        late(
            "NUL in a text to look for",
            b"a SEARCH SUBJECT {2+}\r\n\0x\r\n",
            &["a BAD"],
        ),
        late(
            "NUL in a header's name",
            b"a FETCH 1 BODY.PEEK[HEADER.FIELDS (\"a\0b\")]\r\n",
            &["a BAD"],
        ),
        late(
            "NUL in a keyword",
            b"a STORE 1 +FLAGS (a\0b)\r\n",
            &["a BAD"],
        ),
        late(
            "a line of NULs",
            [&[0; 5000][..], b"\r\nb NOOP\r\n"].concat(),
            &["* BAD", "b OK"],
        ),
    ]
}

fn tags() -> Vec<Row> {
    vec![
        early("a tag alone", "a\r\n", &["BAD"]),
        early("a tag and a space", "a \r\n", &["a BAD"]),
        early("a tag with a plus", "+a NOOP\r\n", &["* BAD"]),
        early("a plus as tag", "+ NOOP\r\n", &["* BAD"]),
        early("a star as tag", "* NOOP\r\n", &["* BAD"]),
        early("a tag with a brace", "{1 NOOP\r\n", &["* BAD"]),
        early("a tag in quotes", "\"a\" NOOP\r\n", &["* BAD"]),
        early("a tag with a backslash", "a\\b NOOP\r\n", &["* BAD"]),
        early("a tag with a percent", "a%b NOOP\r\n", &["* BAD"]),
        early("a tag in parentheses", "(a) NOOP\r\n", &["* BAD"]),
        early("a tag of a bracket", "]a NOOP\r\n", &["]a OK"]),
        early("a tag of 8-bit octets", b"\xe9 NOOP\r\n", &["* BAD"]),
        early("a byte order mark", "\u{feff}a NOOP\r\n", &["* BAD"]),
        early("a tag after a space", " a NOOP\r\n", &["* BAD"]),
        early("a tag and a tab", "a\tNOOP\r\n", &["* BAD"]),
        early("a tag that says OK", "OK OK\r\n", &["OK BAD"]),
        early("a tag that says BYE", "BYE NOOP\r\n", &["BYE OK"]),
        early(
            "a tag of 128 octets",
            repeated("", "t", 128, " NOOP\r\n"),
            &["t OK"],
        ),
        early(
            "a tag of 129 octets",
            repeated("", "t", 129, " NOOP\r\n"),
            &["* BAD"],
        ),
        early(
            "a tag of 20,000 octets",
            repeated("", "t", 20_000, " NOOP\r\n"),
            &["* BAD"],
        ),
    ]
}

fn words() -> Vec<Row> {
    vec![
        early("8-bit in an atom", b"a LOGIN \xff\xfe x\r\n", &["a BAD"]),
        early(
            "a control character in an atom",
            b"a LOGIN u\x1b x\r\n",
            &["a BAD"],
        ),
        early("DEL in an atom", b"a LOGIN u\x7f x\r\n", &["a BAD"]),
        early("an unclosed quoted string", "a LOGIN \"u x\r\n", &["a BAD"]),
        early(
            "a quoted string that ends in a backslash",
            "a LOGIN \"u\\\r\n",
            &["a BAD"],
        ),
        early(
            "an escape that is none",
            "a LOGIN \"u\\n\" x\r\n",
            &["a BAD"],
        ),
        early("a quote in an atom", "a LOGIN u\"v x\r\n", &["a BAD"]),
        early("strings side by side", "a LOGIN \"u\"\"v\"\r\n", &["a BAD"]),
        early("two spaces", "a  NOOP\r\n", &["BAD"]),
        early("two spaces within", "a LOGIN  u x\r\n", &["a BAD"]),
        early(
            "a space at the end, as some clients send it",
            "a NOOP \r\n",
            &["a OK"],
        ),
        early("two spaces at the end", "a NOOP  \r\n", &["a BAD"]),
        early("a tab at the end", "a NOOP\t\r\n", &["a BAD"]),
        early("no such command", "a FROBNICATE\r\n", &["a BAD"]),
        early(
            "a command in small and capital letters",
            "a nOoP\r\n",
            &["a OK"],
        ),
        early(
            "a command with an argument too many",
            "a NOOP x\r\n",
            &["a BAD"],
        ),
        early("UID without a command", "a UID\r\n", &["a BAD"]),
        early("UID of what has none", "a UID NOOP\r\n", &["a BAD"]),
        late("UID and two spaces", "a UID  FETCH 1 FLAGS\r\n", &["a BAD"]),
        late("UID without a space", "a UIDFETCH 1 FLAGS\r\n", &["a BAD"]),
        late(
            "a command of a later extension",
            "a XAPPLEPUSHSERVICE x\r\n",
            &["a BAD"],
        ),
    ]
}

fn strangers() -> Vec<Row> {
    vec![
        early(
            "HTTP",
            "GET / HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\nb NOOP\r\n",
            &["GET BAD", "BAD", "* BYE"],
        )
        .never("b OK")
        .closes(),
        early("SMTP", "EHLO example.org\r\n", &["EHLO BAD"]),
        early(
            "POP3",
            "USER ann\r\nPASS secret\r\n",
            &["USER BAD", "PASS BAD"],
        )
        .never("secret"),
        early(
            "SSH",
            "SSH-2.0-OpenSSH_9.9\r\n",
            &["SSH-2.0-OpenSSH_9.9 BAD"],
        ),
        early(
            "a proxy's header",
            "PROXY TCP4 192.0.2.1 192.0.2.2 4711 143\r\n",
            &["PROXY BAD"],
        ),
        early(
            "a TLS handshake inside",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03aaaaaaaa\r\n",
            &["* BAD"],
        ),
        early(
            "a serialised object",
            b"\xac\xed\x00\x05sr\x00\x11java.util.HashMap\r\n",
            &["* BAD"],
        ),
        early("a server's own answer", "* OK ready\r\n", &["* BAD"]),
    ]
}

fn lengths() -> Vec<Row> {
    vec![
        early(
            "a command of other names",
            repeated("a ", "N", 20_000, "\r\n"),
            &["a BAD"],
        ),
        early(
            "a line of 24 KiB",
            repeated("a NOOP ", "u", (24 << 10) - 10, "\r\n"),
            &["a BAD"],
        )
        .never("TOOBIG"),
        early(
            "a line of 100 KB before login",
            repeated("a LOGIN ", "u", 100_000, " p\r\n"),
            &["a BAD [TOOBIG]"],
        ),
        early(
            "a line too long whose CR ends a block",
            repeated("a LOGIN ", "u", 65_527, "\r\nb NOOP\r\n"),
            &["a BAD [TOOBIG]", "b OK"],
        ),
        early(
            "a line too long with LFs in it",
            repeated("a LOGIN ", "u\n", 30_000, "\r\nb NOOP\r\n"),
            &["a BAD [TOOBIG]", "b OK"],
        ),
        early(
            "a line too long with CRs in it",
            repeated("a LOGIN ", "\r", 30_000, "\r\nb NOOP\r\n"),
            &["a BAD [TOOBIG]", "b OK"],
        ),
        early(
            "two lines too long, one after the other",
            repeated("a LOGIN ", "u", 50_000, "\r\n").repeat(2) + "b NOOP\r\n",
            &["a BAD [TOOBIG]", "a BAD [TOOBIG]", "b OK"],
        ),
        early(
            "a line too long without a tag",
            repeated("(", "u", 50_000, "\r\nb NOOP\r\n"),
            &["* BAD [TOOBIG]", "b OK"],
        ),
        early(
            "three lines too long",
            repeated("a LOGIN ", "u", 30_000, "\r\n").repeat(3) + "b NOOP\r\n",
            &["a BAD [TOOBIG]", "* BYE"],
        )
        .never("b OK")
        .closes(),
        late(
            "a line of 2 MB",
            repeated("a UID FETCH 1", ",1", 1 << 20, " FLAGS\r\n"),
            &["a BAD [TOOBIG]"],
        ),
        late(
            "an endless line",
            repeated("a NOOP", "x", 10 << 20, ""),
            &["[TOOBIG]", "* BYE"],
        )
        .closes(),
        early(
            "an endless line before login",
            repeated("a NOOP", "x", 9 << 20, ""),
            &["[TOOBIG]", "* BYE"],
        )
        .closes(),
        early(
            "parentheses before login",
            repeated("a NOOP ", "(", 20_000, "\r\n"),
            &["a BAD"],
        ),
        early(
            "words before login",
            repeated("a ID (", "\"a\" NIL ", 2_000, "\"a\" NIL)\r\n"),
            &["a BAD"],
        ),
    ]
}
