//! Mailbox names, patterns and what LIST and STATUS are asked for.

use super::{Class, Row, late, repeated};

pub(super) fn classes() -> Vec<Class> {
    vec![
        Class {
            why: "A name is a key, never a path: nothing outside the account is reached by any name",
            rows: paths(),
        },
        Class {
            why: "Modified UTF-7 has one form for each name (RFC 3501 §5.1.3): two names for one mailbox, or a NUL in it, hide mail",
            rows: utf7(),
        },
        Class {
            why: "Control characters, line separators and towers of combining marks are in no name (RFC 9051 §5.1, RFC 5198 §2)",
            rows: characters(),
        },
        Class {
            why: "A name has bounds, and a tree of them changes as one or not at all",
            rows: trees(),
        },
        Class {
            why: "Patterns match in time linear in pattern and name, without going back; options are those of RFC 5258 and RFC 5819",
            rows: patterns(),
        },
    ]
}

fn paths() -> Vec<Row> {
    vec![
        late("a path as a name", "a CREATE ../../etc/passwd\r\n", &["a "]).never("root:"),
        late(
            "a name that is absolute",
            "a CREATE /etc\r\n",
            &["a NO [CANNOT]"],
        ),
        late(
            "a name of a user's folder",
            "a SELECT ~root/mbox\r\n",
            &["a NO"],
        ),
        late(
            "a name of two dots",
            "a SELECT ..\r\n",
            &["a NO [NONEXISTENT]"],
        ),
        late(
            "a name of another user",
            "a SELECT \"Other Users/ann\"\r\nb SELECT \"#user.ann\"\r\n",
            &["a NO", "b NO"],
        ),
        late(
            "a name with a backslash",
            "a CREATE \"x\\\\..\\\\y\"\r\nb LIST \"\" x*\r\n",
            &["b OK"],
        ),
        late(
            "a path as a reference",
            "a LIST \"../..\" \"*\"\r\n",
            &["a OK"],
        )
        .never("* LIST"),
        late("parts of nothing", "a CREATE x//y\r\n", &["a NO [CANNOT]"]),
        late(
            "a part of nothing at the end",
            "a CREATE x//\r\n",
            &["a NO [CANNOT]"],
        ),
        late("separators only", "a CREATE ///\r\n", &["a NO [CANNOT]"]),
    ]
}

fn utf7() -> Vec<Row> {
    vec![
        late(
            "a lone ampersand",
            "a CREATE \"x&y\"\r\n",
            &["a NO [CANNOT]"],
        ),
        late(
            "an ampersand at the end",
            "a CREATE \"x&\"\r\n",
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
            "surrogates in the wrong order",
            "a CREATE \"&3gDYPQ-\"\r\n",
            &["a NO [CANNOT]"],
        ),
        late(
            "an encoded NUL",
            "a CREATE \"&AAA-\"\r\n",
            &["a NO [CANNOT]"],
        ),
        late(
            "an encoded line end",
            "a CREATE \"&AA0ACg-\"\r\n",
            &["a NO [CANNOT]"],
        ),
        late(
            "an encoded ampersand",
            "a CREATE \"&ACY-\"\r\n",
            &["a NO [CANNOT]"],
        ),
        late(
            "two shifts side by side",
            "a CREATE \"&AOQ-&AOQ-\"\r\n",
            &["a NO [CANNOT]"],
        ),
        late(
            "bits left over",
            "a CREATE \"&AOR-\"\r\n",
            &["a NO [CANNOT]"],
        ),
        late(
            "a shift without its end",
            "a CREATE \"&AOQ\"\r\n",
            &["a NO [CANNOT]"],
        ),
        late(
            "a slash in a shift",
            "a CREATE \"&AC8-\"\r\n",
            &["a NO [CANNOT]"],
        ),
        late(
            "raw 8-bit octets in a name",
            b"a CREATE \"x\xc3\xa4\"\r\n",
            &["a "],
        )
        .never("a OK"),
        late(
            "a name that is no UTF-8, in IMAP4rev2",
            b"e ENABLE IMAP4rev2\r\na CREATE \"x\xff\"\r\n",
            &["e OK", "a NO [CANNOT]"],
        ),
        late(
            "an overlong slash, in IMAP4rev2",
            b"e ENABLE IMAP4rev2\r\na CREATE \"x\xc0\xafy\"\r\n",
            &["e OK", "a NO [CANNOT]"],
        ),
        late(
            "shifts without end",
            repeated("a CREATE \"", "&", 5000, "\"\r\n"),
            &["a NO [CANNOT]"],
        ),
    ]
}

fn characters() -> Vec<Row> {
    vec![
        late("a name of NUL", b"a CREATE \"x\0y\"\r\n", &["a BAD"]),
        late(
            "a mailbox of control characters",
            b"a CREATE \"x\x01y\"\r\n",
            &["a NO [CANNOT]"],
        ),
        late(
            "a mailbox with an escape",
            b"a CREATE \"x\x1b[2J\"\r\n",
            &["a NO [CANNOT]"],
        ),
        late(
            "a mailbox with a tab",
            "a CREATE \"x\ty\"\r\n",
            &["a NO [CANNOT]"],
        ),
        late(
            "a mailbox with CR LF",
            "a CREATE {6+}\r\nx\r\n* y\r\n",
            &["a NO [CANNOT]"],
        ),
        late(
            "a mailbox with a line separator",
            "a CREATE \"&ICg-\"\r\n",
            &["a NO [CANNOT]"],
        ),
        late(
            "a name in decomposed form is the composed one",
            "a CREATE \"a&AwE-\"\r\nb CREATE \"&AOE-\"\r\n",
            &["a OK", "b NO [ALREADYEXISTS]"],
        ),
        late(
            "thirty-one combining marks",
            repeated(
                "e ENABLE IMAP4rev2\r\na CREATE \"a",
                "\u{301}",
                31,
                "\"\r\n",
            ),
            &["e OK", "a NO [CANNOT]"],
        ),
        late(
            "a hundred thousand combining marks",
            repeated(
                "e ENABLE IMAP4rev2\r\na CREATE \"a",
                "\u{301}",
                100_000,
                "\"\r\n",
            ),
            &["e OK", "a NO [CANNOT]"],
        ),
        late(
            "a name of quotes and backslashes",
            "a CREATE \"x\\\"\\\\y\"\r\nb LIST \"\" x*\r\n",
            &["a OK", "\"x\\\"\\\\y\"", "b OK"],
        ),
        late(
            "a name that reads as an answer",
            "a CREATE \"x {3} NIL)\"\r\nb LIST \"\" x*\r\n",
            &["a OK", "\"x {3} NIL)\"\r\n", "b OK"],
        ),
        late(
            "a name called NIL",
            "a CREATE NIL\r\nb LIST \"\" N*\r\n",
            &["a OK", "\"NIL\"\r\n", "b OK"],
        ),
        late(
            "INBOX in any case is INBOX",
            "a CREATE iNbOx\r\nb CREATE inbox/x\r\nc LIST \"\" INBOX/*\r\n",
            &["a NO", "b OK", "\"INBOX/x\"", "c OK"],
        ),
    ]
}

fn trees() -> Vec<Row> {
    vec![
        late("an empty name", "a CREATE \"\"\r\n", &["a NO"]),
        late(
            "a name of 1000 octets",
            repeated("a CREATE ", "x", 1000, "\r\n"),
            &["a OK"],
        ),
        late(
            "a name of 1001 octets",
            repeated("a CREATE ", "x", 1001, "\r\n"),
            &["a NO [CANNOT]"],
        ),
        late(
            "a name of 100 KB",
            repeated("a CREATE ", "x", 100_000, "\r\n"),
            &["a NO [CANNOT]"],
        ),
        late(
            "a name of 64 levels",
            repeated("a CREATE x", "/x", 63, "\r\n"),
            &["a OK"],
        ),
        late(
            "a name of 65 levels",
            repeated("a CREATE x", "/x", 64, "\r\n"),
            &["a NO [CANNOT]"],
        ),
        late(
            "a name of a thousand levels",
            repeated("a CREATE x", "/x", 1000, "\r\n"),
            &["a NO [CANNOT]"],
        ),
        late(
            "RENAME below itself",
            "a CREATE t\r\nb RENAME t t/u\r\n",
            &["a OK", "b NO"],
        ),
        late(
            "RENAME to itself",
            "a CREATE t\r\nb RENAME t t\r\n",
            &["a OK", "b NO"],
        ),
        late(
            "RENAME that makes a name too deep",
            repeated("a CREATE d", "/d", 62, "\r\nb CREATE t/u\r\nc RENAME t d")
                + &"/d".repeat(62)
                + "/t\r\n",
            &["a OK", "b OK", "c NO [CANNOT]"],
        ),
        late(
            "RENAME of nothing to nowhere",
            "a RENAME x \"\"\r\nb RENAME \"\" x\r\n",
            &["a NO", "b NO"],
        ),
        late("DELETE of INBOX", "a DELETE INBOX\r\n", &["a NO"]),
        late("DELETE with a pattern", "a DELETE *\r\n", &["a BAD"]),
        late("CREATE with a pattern", "a CREATE %\r\n", &["a BAD"]),
        late(
            "a special use that is none",
            "a CREATE u (USE (\\Nonsense))\r\n",
            &["a NO [USEATTR]"],
        ),
        late(
            "sixty thousand special uses",
            repeated("a CREATE u (USE (\\Sent", " \\x", 60_000, "))\r\n"),
            &["a "],
        )
        .never("a OK"),
        late(
            "SUBSCRIBE of names without end",
            repeated("", "a SUBSCRIBE x/y/z\r\n", 200, "b LSUB \"\" *\r\n"),
            &["a OK", "b OK"],
        ),
    ]
}

fn patterns() -> Vec<Row> {
    vec![
        late(
            "a pattern of stars",
            repeated("a LIST \"\" \"", "*%", 30_000, "\"\r\n"),
            &["a "],
        ),
        late(
            "a pattern that made others back-track",
            repeated("a LIST \"\" \"", "%a", 400, "b\"\r\n"),
            &["a OK"],
        ),
        late(
            "stars and letters against a long name",
            repeated("a CREATE ", "a", 999, "\r\n")
                + &repeated("b LIST \"\" \"", "*a", 500, "*b\"\r\n"),
            &["a OK", "b OK"],
        )
        .never("* LIST"),
        late(
            "a pattern of 1025 letters",
            repeated("a LIST \"\" ", "x", 1025, "\r\n"),
            &["a OK"],
        ),
        late(
            "a reference of 1025 letters",
            repeated("a LIST ", "x", 1025, " *\r\n"),
            &["a OK"],
        ),
        late(
            "ten thousand patterns",
            repeated("a LIST \"\" (x", " x", 10_000, ")\r\n"),
            &["a BAD [LIMIT]"],
        ),
        late("no patterns", "a LIST \"\" ()\r\n", &["a BAD"]),
        late(
            "a pattern with an ampersand",
            "a LIST \"\" \"&*\"\r\n",
            &["a OK"],
        ),
        late("a pattern of NUL", b"a LIST \"\" \"\0*\"\r\n", &["a BAD"]),
        late("LIST with one argument", "a LIST \"\"\r\n", &["a BAD"]),
        late(
            "LIST of a list in a list",
            "a LIST \"\" ((x))\r\n",
            &["a BAD"],
        ),
        late(
            "LIST with an option there is not",
            "a LIST (X) \"\" *\r\n",
            &["a BAD"],
        ),
        late(
            "LIST RECURSIVEMATCH alone",
            "a LIST (RECURSIVEMATCH) \"\" *\r\n",
            &["a BAD"],
        ),
        late(
            "LIST with options without end",
            repeated(
                "a LIST (SUBSCRIBED",
                " REMOTE SUBSCRIBED",
                20_000,
                ") \"\" *\r\n",
            ),
            &["a OK"],
        ),
        late(
            "LIST with STATUS of nothing",
            "a LIST \"\" * RETURN (STATUS ())\r\n",
            &["a BAD"],
        ),
        late("STATUS of nothing", "a STATUS INBOX ()\r\n", &["a BAD"]),
        late(
            "STATUS of an item there is not",
            "a STATUS INBOX (X)\r\n",
            &["a BAD"],
        ),
        late(
            "STATUS of sixty thousand items",
            repeated("a STATUS INBOX (MESSAGES", " UNSEEN", 60_000, ")\r\n"),
            &["* STATUS", "a OK"],
        ),
        late(
            "NAMESPACE with an argument",
            "a NAMESPACE x\r\n",
            &["a BAD"],
        ),
    ]
}
