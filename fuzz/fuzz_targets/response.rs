//! Whatever names, keywords and mail are brought, what a session says of them keeps to the grammar, read by a parser that shares nothing
//! with the server. The input: a name, a keyword, lines of commands; an empty line, and a message.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pillarbox_fuzz::response::read_all;
use pillarbox_sim::{Chunking, Host, Options};

fuzz_target!(|input: &[u8]| {
    let at = input.windows(2).position(|w| w == b"\n\n");
    let (head, message) = input.split_at(at.unwrap_or(input.len()));
    let message = message.get(2..).unwrap_or_default();
    let mut lines = head.splitn(3, |b| *b == b'\n');
    let name = lines.next().unwrap_or_default();
    let keyword: Vec<u8> = lines
        .next()
        .unwrap_or_default()
        .iter()
        .copied()
        .filter(u8::is_ascii_alphanumeric)
        .collect();
    let more = lines.next().unwrap_or_default();
    for enable in [
        "",
        "e ENABLE CONDSTORE\r\n",
        "e ENABLE IMAP4rev2 QRESYNC\r\n",
    ] {
        talk(enable, name, &keyword, message, more);
    }
});

const ITEMS: &str = "UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODY BODYSTRUCTURE BODY.PEEK[HEADER] BODY.PEEK[1.MIME] BODY.PEEK[TEXT]<1.9> \
    BODY.PEEK[HEADER.FIELDS (\"Sub ject\" {1+}\r\n] To)] RFC822.HEADER EMAILID THREADID SAVEDATE";

fn talk(enable: &str, name: &[u8], keyword: &[u8], message: &[u8], more: &[u8]) {
    let literal =
        |octets: &[u8]| [format!("{{{}+}}\r\n", octets.len()).as_bytes(), octets].concat();
    let mut host = Host::new(&Options::default());
    let mut all = Vec::new();
    let mut say = |words: &[&[u8]]| {
        host.send("A", &words.concat(), Chunking::Whole);
        let said = host.take_output("A");
        all.extend_from_slice(&said);
        said
    };
    let name = literal(name);
    say(&[b"l LOGIN tim pw\r\n", enable.as_bytes()]);
    say(&[
        b"c CREATE ",
        &name,
        b"\r\ns SUBSCRIBE ",
        &name,
        b"\r\nt STATUS ",
        &name,
        b" (MESSAGES UIDNEXT UIDVALIDITY MAILBOXID SIZE)\r\n",
    ]);
    say(&[
        b"a APPEND INBOX (\\Seen ",
        keyword,
        b") ",
        &literal(message),
        b" (\\Deleted) {1+}\r\nx\r\n",
    ]);
    say(&[b"i LIST \"\" (* %) RETURN (SUBSCRIBED CHILDREN SPECIAL-USE STATUS (MESSAGES HIGHESTMODSEQ))\r\nj LSUB \"\" *\r\nk LIST \"\" \"\"\r\n"]);
    say(&[
        b"m SELECT INBOX\r\nn FETCH 1:* (",
        ITEMS.as_bytes(),
        b")\r\n",
    ]);
    say(&[b"q FETCH 1:* BINARY.PEEK[1]\r\nr FETCH 1:* (BINARY.SIZE[1] BODY[1]<2.5>)\r\n"]);
    say(&[
        b"o UID STORE 1:* FLAGS (\\Draft a",
        keyword,
        b")\r\np SEARCH RETURN (MIN MAX COUNT ALL) HEADER Subject ",
        &name,
        b"\r\n",
    ]);
    say(&[
        b"v COPY 1:* ",
        &name,
        b"\r\nw RENAME ",
        &name,
        b" After\r\nx EXPUNGE\r\ny MOVE 1:* After\r\n",
    ]);
    for line in more.split(|b| *b == b'\n') {
        say(&[b"z ", line, b"\r\n"]);
    }
    if let Err(wrong) = read_all(&all) {
        panic!("{wrong}");
    }
}
