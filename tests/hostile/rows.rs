//! Octets that a hostile client may send, and what must come of them.

use crate::wire::End;

/// One row of the table.
pub struct Row {
    /// What it is.
    pub name: &'static str,
    /// Whether the client has signed in and selected INBOX before.
    pub selected: bool,
    /// What it sends.
    pub octets: Vec<u8>,
    /// What must be said, in this order.
    pub says: &'static [&'static str],
    /// What must not be said.
    pub never: &'static str,
    /// Whether the session lives on.
    pub end: End,
}

fn row(
    name: &'static str,
    octets: impl AsRef<[u8]>,
    says: &'static [&'static str],
    selected: bool,
    end: End,
) -> Row {
    Row {
        name,
        selected,
        octets: octets.as_ref().to_vec(),
        says,
        never: "\u{0}",
        end,
    }
}

/// Before login; the session lives.
fn early(name: &'static str, octets: impl AsRef<[u8]>, says: &'static [&'static str]) -> Row {
    row(name, octets, says, false, End::Alive)
}

/// After SELECT; the session lives.
fn late(name: &'static str, octets: impl AsRef<[u8]>, says: &'static [&'static str]) -> Row {
    row(name, octets, says, true, End::Alive)
}

impl Row {
    fn closes(mut self) -> Self {
        self.end = End::Closed;
        self
    }

    fn never(mut self, text: &'static str) -> Self {
        self.never = text;
        self
    }
}

fn repeated(head: &str, middle: &str, times: usize, tail: &str) -> String {
    let mut text = String::with_capacity(head.len() + middle.len() * times + tail.len());
    text.push_str(head);
    (0..times).for_each(|_| text.push_str(middle));
    text.push_str(tail);
    text
}

/// Every row.
pub fn all() -> Vec<Row> {
    [
        framing(),
        login(),
        arguments(),
        names(),
        append(),
        pipelines(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn framing() -> Vec<Row> {
    vec![
        early("an empty line", "\r\n", &["* BAD"]),
        early("a tag alone", "a\r\n", &["BAD"]),
        early("a tag with a plus", "+a NOOP\r\n", &["* BAD"]),
        early("a star as tag", "* NOOP\r\n", &["* BAD"]),
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
        early("an LF alone is no line end", "a NOOP\nb NOOP\r\n", &["BAD"]).never("b OK"),
        early("a CR alone is no line end", "a NOOP\rb NOOP\r\n", &["BAD"]).never("b OK"),
        early("NUL in a command", b"a NO\0OP\r\n", &["a BAD"]),
        early(
            "NUL in a quoted string",
            b"a LOGIN \"u\0\\\\\" x\r\n",
            &["a BAD"],
        ),
        early("8-bit in an atom", b"a LOGIN \xff\xfe x\r\n", &["a BAD"]),
        early(
            "a control character in an atom",
            b"a LOGIN u\x1b x\r\n",
            &["a BAD"],
        ),
        early("an unclosed quoted string", "a LOGIN \"u x\r\n", &["a BAD"]),
        early(
            "a quoted string that ends in a backslash",
            "a LOGIN \"u\\\r\n",
            &["a BAD"],
        ),
        early("two spaces", "a  NOOP\r\n", &["BAD"]),
        early(
            "a space at the end, as some clients send it",
            "a NOOP \r\n",
            &["a OK"],
        ),
        early("no such command", "a FROBNICATE\r\n", &["a BAD"]),
        early(
            "a command of other names",
            repeated("a ", "N", 20_000, "\r\n"),
            &["a BAD"],
        ),
        early(
            "a line of 24 KiB",
            repeated("a LOGIN ", "u", (24 << 10) - 10, " p\r\n"),
            &["a "],
        ),
        early(
            "a line of 100 KB before login",
            repeated("a LOGIN ", "u", 100_000, " p\r\n"),
            &["a BAD [TOOBIG]"],
        ),
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
            "parentheses before login",
            repeated("a NOOP ", "(", 20_000, "\r\n"),
            &["a BAD"],
        ),
        early(
            "a literal with a number too large",
            "a LOGIN {99999999999999999999999} x\r\n",
            &["a BAD"],
        ),
        early(
            "a literal that is only announced",
            "a LOGIN {1000000000}\r\n",
            &["a BAD [TOOBIG]"],
        ),
        early(
            "a literal of 2^64",
            "a LOGIN {18446744073709551616}\r\n",
            &["a BAD"],
        ),
        early("a literal without digits", "a LOGIN {} x\r\n", &["a BAD"]),
        early("a literal with a sign", "a LOGIN {-1} x\r\n", &["a BAD"]),
        early(
            "a literal of 4096 unasked, swallowed",
            [
                b"a NOSUCH {4096+}\r\n".as_slice(),
                &b"b NOOP\r\n".repeat(512),
                b"\r\n",
            ]
            .concat(),
            &["a BAD"],
        )
        .never("b OK"),
        early(
            "a literal of 24 KiB unasked before login",
            "a LOGIN {30000+}\r\n",
            &["a BAD [TOOBIG]", "* BYE"],
        )
        .closes(),
        early(
            "an empty literal",
            "a LOGIN {0+}\r\n {0+}\r\n\r\n",
            &["a NO"],
        ),
        late(
            "a command in a literal is no command",
            "a SEARCH SUBJECT {9+}\r\nb NOOP\r\n\r\nc NOOP\r\n",
            &["c OK"],
        )
        .never("b OK"),
        late(
            "a command in a literal after an error",
            "a FETCH nonsense {10+}\r\nb LOGOUT\r\n x\r\nc NOOP\r\n",
            &["a BAD", "c OK"],
        )
        .never("b OK"),
        late(
            "ten thousand literals",
            repeated("a SEARCH", " SUBJECT {1+}\r\nx", 10_000, "\r\n"),
            &["a "],
        ),
        late(
            "two hundred thousand literals",
            repeated("a SEARCH", " OR SUBJECT {1+}\r\nx ALL", 100_000, "\r\n"),
            &["a BAD"],
        ),
        late(
            "a literal8 where none may be",
            b"a SELECT ~{5+}\r\nIN\0OX\r\n",
            &["a BAD"],
        ),
    ]
}

fn login() -> Vec<Row> {
    vec![
        early("LOGIN without arguments", "a LOGIN\r\n", &["a BAD"]),
        early("LOGIN with one argument", "a LOGIN user\r\n", &["a BAD"]),
        early(
            "AUTHENTICATE with an unknown mechanism",
            "a AUTHENTICATE X-NONE\r\n",
            &["a NO"],
        ),
        early(
            "AUTHENTICATE cancelled",
            "a AUTHENTICATE PLAIN\r\n*\r\n",
            &["+ ", "a BAD"],
        ),
        early(
            "AUTHENTICATE with no base64",
            "a AUTHENTICATE PLAIN\r\n!!!!\r\n",
            &["a BAD"],
        ),
        early(
            "AUTHENTICATE with an empty response",
            "a AUTHENTICATE PLAIN\r\n\r\n",
            &["a NO"],
        ),
        early(
            "AUTHENTICATE with NULs only",
            "a AUTHENTICATE PLAIN AAAAAAAA\r\n",
            &["a NO"],
        ),
        early(
            "AUTHENTICATE with invalid UTF-8",
            "a AUTHENTICATE PLAIN AP//AHB3\r\n",
            &["a NO"],
        ),
        early(
            "AUTHENTICATE with =",
            "a AUTHENTICATE PLAIN =\r\n",
            &["a NO"],
        ),
        early(
            "a SASL response too long",
            repeated("a AUTHENTICATE PLAIN\r\n", "A", 20_000, "\r\n"),
            &["a BAD [TOOBIG]"],
        ),
        early("a command before login", "a SELECT INBOX\r\n", &["a BAD"]),
        early(
            "APPEND before login",
            "a APPEND INBOX {7+}\r\nb NOOP\r\n\r\n",
            &["a BAD"],
        )
        .never("b OK"),
        early(
            "three bad commands",
            "a X\r\nb X\r\nc X\r\nd NOOP\r\n",
            &["a BAD", "b BAD", "c BAD", "* BYE"],
        )
        .never("d OK")
        .closes(),
        late("LOGIN twice", "a LOGIN user pass\r\n", &["a BAD"]),
        late("STARTTLS after login", "a STARTTLS\r\n", &["a BAD"]),
        late(
            "twenty bad commands",
            repeated("", "a X\r\n", 20, "b NOOP\r\n"),
            &["a BAD", "* BYE"],
        )
        .never("b OK")
        .closes(),
        early(
            "ID with 31 pairs",
            repeated("a ID (", "\"k\" \"v\" ", 30, "\"k\" \"v\")\r\n"),
            &["a BAD"],
        ),
        early(
            "ID with a list in it",
            "a ID ((\"a\" \"b\"))\r\n",
            &["a BAD"],
        ),
        early("ENABLE before login", "a ENABLE CONDSTORE\r\n", &["a BAD"]),
    ]
}

fn arguments() -> Vec<Row> {
    vec![
        late("FETCH 0", "a FETCH 0 FLAGS\r\n", &["a BAD"]),
        late("FETCH of 2^32", "a FETCH 4294967296 FLAGS\r\n", &["a BAD"]),
        late(
            "FETCH of a number beyond the mailbox",
            "a FETCH 4294967295 FLAGS\r\n",
            &["a "],
        ),
        late(
            "UID FETCH of everything there could be",
            "a UID FETCH 1:4294967295 UID\r\n",
            &["a OK"],
        ),
        late(
            "a set of five thousand ranges",
            repeated("a UID FETCH 1:*", ",1:*", 5000, " UID\r\n"),
            &["a OK"],
        ),
        late(
            "a set with a star of its own",
            "a UID FETCH *:* UID\r\n",
            &["a OK"],
        ),
        late(
            "a set that ends in a comma",
            "a UID FETCH 1, UID\r\n",
            &["a BAD"],
        ),
        late(
            "ten thousand header names",
            repeated(
                "a FETCH 1 BODY.PEEK[HEADER.FIELDS (X",
                " X",
                10_000,
                ")]\r\n",
            ),
            &["a "],
        ),
        late(
            "a hundred thousand header names",
            repeated(
                "a FETCH 1 BODY.PEEK[HEADER.FIELDS (X",
                " X",
                100_000,
                ")]\r\n",
            ),
            &["a BAD"],
        ),
        late(
            "a section of 64 numbers",
            repeated("a FETCH 1 BODY.PEEK[1", ".1", 63, "]\r\n"),
            &["a "],
        ),
        late(
            "a section of 5000 numbers",
            repeated("a FETCH 1 BODY.PEEK[1", ".1", 5000, "]\r\n"),
            &["a "],
        ),
        late(
            "a section with a number too large",
            "a FETCH 1 BODY.PEEK[4294967296]\r\n",
            &["a BAD"],
        ),
        late(
            "a partial that overflows",
            "a FETCH 1 BODY.PEEK[]<4294967295.4294967295>\r\n",
            &["a OK"],
        ),
        late(
            "a partial of nothing",
            "a FETCH 1 BODY.PEEK[]<0.0>\r\n",
            &["a BAD"],
        ),
        late(
            "FETCH of an unclosed list",
            "a FETCH 1 (FLAGS\r\n",
            &["a BAD"],
        ),
        late(
            "FETCH of lists in lists",
            repeated("a FETCH 1 ", "(", 1000, "FLAGS\r\n"),
            &["a BAD"],
        ),
        late("STORE of no flag", "a STORE 1 +FLAGS (\\)\r\n", &["a BAD"]),
        late(
            "STORE of \\Recent",
            "a STORE 1 +FLAGS (\\Recent)\r\n",
            &["a "],
        ),
        late(
            "STORE of ten thousand keywords",
            (0..10_000).fold(String::from("a STORE 1 +FLAGS (x"), |t, n| {
                t + " k" + &n.to_string()
            }) + ")\r\n",
            &["a NO [LIMIT]"],
        ),
        late(
            "SEARCH nested beyond the limit in parentheses",
            repeated("a SEARCH ", "(", 501, "ALL") + &")".repeat(501) + "\r\n",
            &["a BAD"],
        ),
        late(
            "SEARCH nested to the limit in parentheses",
            repeated("a SEARCH ", "(", 499, "ALL") + &")".repeat(499) + "\r\n",
            &["a OK"],
        ),
        late(
            "SEARCH NOT NOT NOT …",
            repeated("a SEARCH ", "NOT ", 100_000, "ALL\r\n"),
            &["a BAD"],
        ),
        late(
            "SEARCH OR OR OR …",
            repeated("a SEARCH ", "OR ALL ", 60_000, "ALL\r\n"),
            &["a BAD"],
        ),
        late(
            "SEARCH of a charset that is none",
            "a SEARCH CHARSET X-NONE SUBJECT x\r\n",
            &["a NO [BADCHARSET"],
        ),
        late(
            "SEARCH of invalid octets in a charset",
            b"a SEARCH CHARSET UTF-8 SUBJECT {2+}\r\n\xff\xfe\r\n",
            &["a "],
        ),
        late(
            "SEARCH of a date that is none",
            "a SEARCH SINCE 99-Foo-2024\r\n",
            &["a BAD"],
        ),
        late(
            "SEARCH of a size too large",
            "a SEARCH LARGER 99999999999999999999\r\n",
            &["a BAD"],
        ),
        late(
            "SEARCH of a modseq too large",
            "a SEARCH MODSEQ 9223372036854775808\r\n",
            &["a BAD"],
        ),
        late(
            "SELECT with an empty QRESYNC",
            "a SELECT INBOX (QRESYNC)\r\n",
            &["a BAD"],
        ),
        late(
            "SELECT with QRESYNC not enabled",
            "a SELECT INBOX (QRESYNC (1 1))\r\n",
            &["a BAD"],
        ),
        late(
            "QRESYNC with zeros",
            "e ENABLE QRESYNC\r\na SELECT INBOX (QRESYNC (0 0))\r\n",
            &["e OK", "a BAD"],
        ),
        late(
            "UNCHANGEDSINCE with nothing",
            "a STORE 1 (UNCHANGEDSINCE) FLAGS ()\r\n",
            &["a BAD"],
        ),
        late(
            "CHANGEDSINCE of 2^63",
            "a FETCH 1 FLAGS (CHANGEDSINCE 9223372036854775808)\r\n",
            &["a BAD"],
        ),
        late(
            "COPY of everything many times over",
            repeated("a COPY 1", ",1:2", 10_000, " Nowhere\r\n"),
            &["a NO [TRYCREATE]"],
        ),
        late(
            "MOVE * in an empty mailbox",
            "a CREATE E\r\nb SELECT E\r\nc MOVE * INBOX\r\nd UID MOVE * INBOX\r\ne UID FETCH 1:* FLAGS\r\n",
            &["b OK", "c BAD", "d OK", "e OK"],
        ),
        late(
            "UID EXPUNGE of everything there could be",
            "a UID EXPUNGE 1:4294967295\r\n",
            &["a OK"],
        ),
        late(
            "IDLE that ends in nonsense",
            "a IDLE\r\nb NOOP\r\n",
            &["+ ", "a BAD"],
        ),
        late(
            "IDLE, DONE and more in one packet, many times",
            repeated("", "a IDLE\r\nDONE\r\nb NOOP\r\n", 500, ""),
            &["b OK"],
        ),
    ]
}

fn names() -> Vec<Row> {
    vec![
        late("a path as a name", "a CREATE ../../etc/passwd\r\n", &["a "]),
        late(
            "a name that is absolute",
            "a CREATE /etc\r\n",
            &["a NO [CANNOT]"],
        ),
        late("a name of NUL", b"a CREATE \"x\0y\"\r\n", &["a BAD"]),
        late(
            "a name of control characters",
            b"a CREATE \"x\x01y\"\r\n",
            &["a "],
        ),
        late("an empty name", "a CREATE \"\"\r\n", &["a NO"]),
        late(
            "a lone ampersand",
            "a CREATE \"x&y\"\r\n",
            &["a NO [CANNOT]"],
        ),
        late(
            "an encoded ASCII letter",
            "a CREATE \"&AGE-\"\r\n",
            &["a NO [CANNOT]"],
        ),
        late(
            "half a surrogate",
            "a CREATE \"&2D0-\"\r\n",
            &["a NO [CANNOT]"],
        ),
        late(
            "an encoded NUL",
            "a CREATE \"&AAA-\"\r\n",
            &["a NO [CANNOT]"],
        ),
        late(
            "a name of 5000 octets",
            repeated("a CREATE ", "x", 5000, "\r\n"),
            &["a NO [CANNOT]"],
        ),
        late(
            "a name of a thousand levels",
            repeated("a CREATE x", "/x", 400, "\r\n"),
            &["a NO [CANNOT]"],
        ),
        late(
            "a pattern of stars",
            repeated("a LIST \"\" \"", "*%", 30_000, "\"\r\n"),
            &["a "],
        ),
        late(
            "a pattern that made others back-track",
            repeated("a LIST \"\" \"", "%a", 400, "b\"\r\n"),
            &["a "],
        ),
        late(
            "ten thousand patterns",
            repeated("a LIST \"\" (x", " x", 10_000, ")\r\n"),
            &["a "],
        ),
        late(
            "RENAME below itself",
            "a CREATE t\r\nb RENAME t t/u\r\n",
            &["a OK", "b NO"],
        ),
        late("DELETE of INBOX", "a DELETE INBOX\r\n", &["a NO"]),
        late("STATUS of nothing", "a STATUS INBOX ()\r\n", &["a BAD"]),
        late(
            "a special use that is none",
            "a CREATE u (USE (\\Nonsense))\r\n",
            &["a "],
        ),
    ]
}

fn append() -> Vec<Row> {
    vec![
        late("APPEND without a literal", "a APPEND INBOX\r\n", &["a BAD"]),
        late("APPEND of nothing", "a APPEND INBOX {0+}\r\n\r\n", &["a "]),
        late(
            "APPEND with flags unclosed",
            "a APPEND INBOX (\\Seen {9+}\r\nb NOOP\r\n\r\n\r\n",
            &["a BAD"],
        )
        .never("b OK"),
        late(
            "APPEND with a date that is none",
            "a APPEND INBOX \"32-Foo-2024 99:99:99 +0000\" {9+}\r\nb NOOP\r\n\r\n\r\n",
            &["a BAD"],
        )
        .never("b OK"),
        late(
            "APPEND of more than there may be",
            "a APPEND INBOX {268435457}\r\n",
            &["a NO [TOOBIG]"],
        ),
        late(
            "APPEND of more than there may be, unasked",
            "a APPEND INBOX {268435457+}\r\n",
            &["a NO [TOOBIG]", "* BYE"],
        )
        .closes(),
        late(
            "APPEND to nowhere, asked",
            "a APPEND Nowhere {9}\r\n",
            &["a NO [TRYCREATE]"],
        ),
        late(
            "APPEND to nowhere, unasked",
            "a APPEND Nowhere {10+}\r\nb LOGOUT\r\n\r\n",
            &["a NO [TRYCREATE]"],
        )
        .never("b OK"),
        late(
            "APPEND with NUL",
            b"a APPEND INBOX {5+}\r\nab\0cd\r\n",
            &["a NO"],
        ),
        late(
            "MULTIAPPEND whose second is bad",
            "a APPEND INBOX {3+}\r\nabc (\\Bad) \"nonsense\" {9+}\r\nb NOOP\r\n\r\n\r\n",
            &["a BAD"],
        )
        .never("b OK"),
        late(
            "APPEND of two thousand messages",
            repeated("a APPEND INBOX", " {1+}\r\nx", 2000, "\r\n"),
            &["a NO [LIMIT]"],
        ),
    ]
}

fn pipelines() -> Vec<Row> {
    vec![
        late(
            "ten thousand commands at once",
            repeated("", "a NOOP\r\n", 10_000, "b NOOP\r\n"),
            &["b OK"],
        ),
        late(
            "a thousand FETCHes at once",
            repeated("", "a FETCH 1:* (FLAGS ENVELOPE)\r\n", 1000, "b NOOP\r\n"),
            &["b OK"],
        ),
        late(
            "SELECT, CLOSE, SELECT …",
            repeated("", "a SELECT INBOX\r\na CLOSE\r\n", 500, "b NOOP\r\n"),
            &["b OK"],
        ),
        late(
            "commands after LOGOUT",
            "a LOGOUT\r\nb NOOP\r\n",
            &["* BYE", "a OK"],
        )
        .never("b OK")
        .closes(),
        early(
            "commands after STARTTLS",
            "a STARTTLS\r\nb NOOP\r\n",
            &["a OK"],
        )
        .never("b OK")
        .closes(),
    ]
}
