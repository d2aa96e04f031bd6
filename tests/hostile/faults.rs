//! What happens below IMAP: handshakes that stop, connections that break at any place, clients that never read. Each is one client's doing: another
//! session is answered meanwhile, and when it is over the descriptors are back and the store has the files it had.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use tokio_rustls::rustls::ClientConnection;

use crate::server::{PASSWORD, Server};
use crate::wire::{Chunking, Client, End, socket, tls};
use crate::{sign_in, wire};

/// A fault by name; what it does to a server, with an account of its own.
type Fault = (&'static str, fn(&Server, &str));

/// Where a connection is when it breaks: what was sent until then, under a name.
const PLACES: [(&str, &str); 9] = [
    ("before the greeting is read", ""),
    ("in the middle of a command", "a NOO"),
    ("between CR and LF", "a NOOP\r"),
    ("in a literal", "a LOGIN {10}\r\nhalf"),
    (
        "in a literal that was not waited for",
        "a LOGIN {10+}\r\nhalf",
    ),
    ("in AUTHENTICATE", "a AUTHENTICATE PLAIN\r\nAHV"),
    (
        "in a line too long",
        "a LOGIN xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    ),
    (
        "after a pipeline",
        "a NOOP\r\nb CAPABILITY\r\nc ID NIL\r\nd NOOP\r\n",
    ),
    ("after STARTTLS", "a STARTTLS\r\n"),
];

/// The same, signed in, with INBOX selected.
const PLACES_INSIDE: [(&str, &str); 8] = [
    ("in IDLE", "a IDLE\r\n"),
    ("in a message", "a APPEND INBOX {100}\r\nSubject: half"),
    (
        "in a message that was not waited for",
        "a APPEND INBOX {100+}\r\nSubject: half",
    ),
    ("between two messages", "a APPEND INBOX {3+}\r\nabc {100"),
    (
        "after a message, before its end",
        "a APPEND INBOX {3+}\r\nabc",
    ),
    ("in a SEARCH", "a SEARCH BODY {10+}\r\nhalf"),
    (
        "after changes",
        "a STORE 1:* +FLAGS (\\Deleted)\r\nb EXPUNGE\r\n",
    ),
    (
        "before answers are read",
        "a FETCH 1:* BODY[]\r\nb FETCH 1:* BODY[]\r\nc IDLE\r\n",
    ),
];

/// Dropping a socket whose input was not read resets the connection (RFC 9293 §3.10.4); closing one's side first is a plain end.
fn breaks_off(client: TcpStream, wait: bool) {
    if wait {
        // The greeting is there, and is not read.
        let _ = client.peek(&mut [0]);
    }
    drop(client);
}

fn resets(server: &Server, user: &str) {
    for (_, sent) in PLACES {
        let mut client = socket(server.plain);
        client.write_all(sent.as_bytes()).expect("the server reads");
        breaks_off(client, true);
    }
    for (_, sent) in PLACES_INSIDE {
        let mut client = socket(server.plain);
        let begin = sign_in(user, PASSWORD);
        client
            .write_all(begin.as_bytes())
            .expect("the server reads");
        client.write_all(sent.as_bytes()).expect("the server reads");
        breaks_off(client, true);
    }
}

/// What came before the end is answered, then the server closes too.
fn half_closes(server: &Server, user: &str) {
    for (place, sent) in PLACES {
        let mut client = socket(server.plain);
        client.write_all(sent.as_bytes()).expect("the server reads");
        ends(place, client);
    }
    for (place, sent) in PLACES_INSIDE {
        let mut client = socket(server.plain);
        let begin = sign_in(user, PASSWORD);
        client
            .write_all(begin.as_bytes())
            .expect("the server reads");
        client.write_all(sent.as_bytes()).expect("the server reads");
        let said = ends(place, client);
        let selected = crate::find(&said, b"\r\ns OK").is_some();
        assert!(selected, "{place}: {}", wire::text(&said));
    }
}

/// Closes the client's side; what the server says until it closes its own.
fn ends(place: &str, mut client: TcpStream) -> Vec<u8> {
    client.shutdown(Shutdown::Write).expect("it is open");
    let mut said = Vec::new();
    let read = client.read_to_end(&mut said);
    read.unwrap_or_else(|e| panic!("{place}: the server does not close: {e}"));
    assert!(said.starts_with(b"* OK "), "{place}: {}", wire::text(&said));
    said
}

/// Nothing of a broken APPEND is to be seen, and no UID is used twice.
fn half_messages(server: &Server, user: &str) {
    let mut client = signed_in(server, user);
    for (_, sent) in &PLACES_INSIDE[1..5] {
        let mut broken = socket(server.plain);
        let login = format!("a LOGIN {user} {PASSWORD}\r\n");
        broken
            .write_all(login.as_bytes())
            .expect("the server reads");
        broken.write_all(sent.as_bytes()).expect("the server reads");
        breaks_off(broken, true);
    }
    client.timed(b"b STATUS INBOX (MESSAGES)\r\n", "b");
    assert!(
        crate::find(&client.said, b"MESSAGES 2)").is_some(),
        "{}",
        wire::text(&client.said)
    );
    client.timed(
        b"c APPEND INBOX {3+}\r\nabc\r\nd UID FETCH 3:* UID\r\n",
        "d",
    );
    assert!(
        crate::find(&client.said, b"UID ").is_some(),
        "{}",
        wire::text(&client.said)
    );
}

fn signed_in(server: &Server, user: &str) -> Client {
    let mut client = Client::connect(server.plain, None);
    client.send(sign_in(user, PASSWORD).as_bytes(), Chunking::Whole);
    assert_eq!(client.read_until(b"SELECT completed\r\n"), End::Alive);
    client
}

/// The first octets of a handshake.
fn hello(server: &Server, name: &str) -> (ClientConnection, Vec<u8>) {
    let mut tls = tls(&server.client, name);
    let mut octets = Vec::new();
    tls.write_tls(&mut octets).expect("memory can be written");
    (tls, octets)
}

fn half_hellos(server: &Server, _user: &str) {
    let (_, octets) = hello(server, "localhost");
    for cut in [
        0,
        1,
        4,
        5,
        6,
        9,
        43,
        octets.len() / 2,
        octets.len() - 1,
        octets.len(),
    ] {
        for wait in [false, true] {
            let mut client = socket(server.tls);
            client.write_all(&octets[..cut]).expect("the server reads");
            breaks_off(client, wait && cut == octets.len());
        }
        let mut client = socket(server.tls);
        client.write_all(&octets[..cut]).expect("the server reads");
        client.shutdown(Shutdown::Write).expect("it is open");
        // What is said, if anything, is TLS's.
        let mut said = Vec::new();
        let _ = client.read_to_end(&mut said);
        assert!(
            crate::find(&said, b"* OK").is_none(),
            "a greeting without TLS"
        );
    }
}

/// A handshake that stands still holds nobody up while it waits for its deadline.
fn standing_hellos(server: &Server, _user: &str) {
    let (_, octets) = hello(server, "localhost");
    let standing: Vec<TcpStream> = (0..50)
        .map(|n| {
            let mut client = socket(server.tls);
            let some = &octets[..octets.len() * n / 50];
            client.write_all(some).expect("the server reads");
            client
        })
        .collect();
    assert_eq!(
        Client::connect(server.tls, Some(&server.client)).noop(),
        End::Alive
    );
    drop(standing);
}

/// Octets that are no handshake are answered by an alert or nothing, and the connection ends.
fn no_handshakes(server: &Server, _user: &str) {
    let empty_records = b"\x16\x03\x01\x00\x00".repeat(1000);
    let empty_data = b"\x17\x03\x03\x00\x00".repeat(1000);
    let forms: [&[u8]; 9] = [
        b"a NOOP\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10",
        b"\x16\x03\x01\xff\xff\x01",
        b"\x16\x03\x01\x00\x04\x01\xff\xff\xff",
        b"\x15\x03\x01\x00\x02\x02\x28",
        b"\x14\x03\x03\x00\x01\x01",
        &empty_records,
        &empty_data,
    ];
    for octets in forms {
        let mut client = socket(server.tls);
        // One that hung up already has said enough.
        let _ = client.write_all(octets);
        let _ = client.shutdown(Shutdown::Write);
        let mut said = Vec::new();
        let _ = client.read_to_end(&mut said);
        assert!(crate::find(&said, b"OK").is_none(), "{octets:?}: {said:?}");
    }
}

/// A name that nobody asked for before is nothing to remember.
fn names_at_random(server: &Server, _user: &str) {
    for n in 0..50 {
        let mut client = socket(server.tls);
        let (_, octets) = hello(server, &format!("n{n}.example.org"));
        client.write_all(&octets).expect("the server reads");
        breaks_off(client, n % 2 == 0);
    }
}

/// The server's answer to STARTTLS is read, then comes plain text.
fn plain_text_after_the_answer(server: &Server, _user: &str) {
    for octets in [&b"b NOOP\r\n"[..], b"b LOGIN u0 x\r\nc NOOP\r\n", b"\r\n"] {
        let mut client = Client::connect(server.plain, None);
        client.send(b"a STARTTLS\r\n", Chunking::Whole);
        assert_eq!(client.read_until(b"Begin TLS now\r\n"), End::Alive);
        client.said.clear();
        client.send(octets, Chunking::Octets);
        assert_eq!(
            client.read_until(b"OK"),
            End::Closed,
            "{}",
            wire::text(&client.said)
        );
    }
}

/// What was begun before TLS is forgotten; commands between STARTTLS and the handshake never act.
fn handshake_in_the_same_packet(server: &Server, _user: &str) {
    for before in [
        "",
        "z ID (\"name\" \"x\")\r\n",
        "z AUTHENTICATE PLAIN\r\n*\r\n",
    ] {
        let mut stream = socket(server.plain);
        let (mut tls, octets) = hello(server, "localhost");
        let head = [before.as_bytes(), b"a STARTTLS\r\n", &octets].concat();
        stream.write_all(&head).expect("the server reads");
        until(&mut stream, b"Begin TLS now\r\n");
        tls.complete_io(&mut stream)
            .expect("the handshake ends well");
        let mut secured = tokio_rustls::rustls::StreamOwned::new(tls, stream);
        secured
            .write_all(b"b CAPABILITY\r\n")
            .expect("the server reads");
        let said = until(&mut secured, b"b OK");
        let text = String::from_utf8_lossy(&said);
        assert!(
            !text.contains("STARTTLS") && text.contains("AUTH=PLAIN"),
            "{text}"
        );
        assert!(
            text.starts_with("* CAPABILITY"),
            "nothing is left of before: {text}"
        );
    }
}

fn until(stream: &mut impl Read, wanted: &[u8]) -> Vec<u8> {
    let mut said = Vec::new();
    while crate::find(&said, wanted).is_none() {
        let mut octet = [0];
        let n = stream.read(&mut octet).expect("the server answers in time");
        assert_eq!(n, 1, "closed after {}", wire::text(&said));
        said.push(octet[0]);
    }
    said
}

/// The end of TLS in the middle of a command is the end of input.
fn ends_of_tls(server: &Server, _user: &str) {
    for sent in ["", "a NOO", "a LOGIN {10+}\r\nhalf", "a NOOP\r\n"] {
        let mut stream = socket(server.tls);
        let mut tls = tls(&server.client, "localhost");
        tls.complete_io(&mut stream)
            .expect("the handshake ends well");
        let mut secured = tokio_rustls::rustls::StreamOwned::new(tls, stream);
        secured
            .write_all(sent.as_bytes())
            .expect("the server reads");
        secured.conn.send_close_notify();
        secured.flush().expect("the server reads");
        let mut said = Vec::new();
        secured
            .read_to_end(&mut said)
            .expect("the server ends TLS too");
        assert!(
            said.starts_with(b"* OK "),
            "{sent:?}: {}",
            wire::text(&said)
        );
        assert_eq!(
            crate::find(&said, b"a OK").is_some(),
            sent.ends_with("P\r\n")
        );
    }
}

/// Reads nothing of what it asks for, over and over; when it goes, everything goes.
fn never_reads(server: &Server, user: &str) {
    let mut deaf: Vec<TcpStream> = Vec::new();
    for _ in 0..4 {
        let mut client = socket(server.plain);
        client
            .set_write_timeout(Some(Duration::from_millis(200)))
            .expect("a timeout");
        let begin = sign_in(user, PASSWORD);
        client
            .write_all(begin.as_bytes())
            .expect("the server reads");
        let command = b"a FETCH 1:* (FLAGS ENVELOPE BODYSTRUCTURE BODY[])\r\n".repeat(1000);
        // As much as the server takes.
        let since = Instant::now();
        while since.elapsed() < Duration::from_secs(2) && client.write_all(&command).is_ok() {}
        deaf.push(client);
    }
    assert_eq!(signed_in(server, user).noop(), End::Alive);
}

/// Hundreds of connections that come and go without a word.
fn knocks(server: &Server, _user: &str) {
    let knock = |address: SocketAddr| drop(socket(address));
    for _ in 0..200 {
        knock(server.plain);
        knock(server.tls);
    }
}

const FAULTS: [Fault; 14] = [
    ("connections reset at any place", resets),
    ("connections half closed at any place", half_closes),
    ("messages cut off", half_messages),
    ("handshakes cut off at any octet", half_hellos),
    ("handshakes that stand still", standing_hellos),
    ("octets that are no handshake", no_handshakes),
    ("names at random", names_at_random),
    (
        "plain text after the answer to STARTTLS",
        plain_text_after_the_answer,
    ),
    (
        "a handshake in the packet of STARTTLS",
        handshake_in_the_same_packet,
    ),
    ("the end of TLS at any place", ends_of_tls),
    ("clients that never read", never_reads),
    ("connections without a word", knocks),
    ("wrong passwords and strange names", wrong_passwords),
    ("accounts of others", others),
];

/// Each is refused alike, and the log has one printable line of each.
fn wrong_passwords(server: &Server, _user: &str) {
    // The next one from this address would wait: one will do, of the worst sort.
    let mut client = Client::connect(server.plain, None);
    client.send(
        b"a LOGIN {24+}\r\n%{x}' OR 1=1 *)(\x1b[2J\r\nx= tanstaafl-1742\r\n",
        Chunking::Whole,
    );
    assert_eq!(
        client.read_until(b"a NO [AUTHENTICATIONFAILED]"),
        End::Alive
    );
}

/// One account's mail is nobody else's.
fn others(server: &Server, user: &str) {
    let mut mine = signed_in(server, user);
    mine.timed(b"a CREATE Private\r\n", "a");
    let mut client = Client::connect(server.plain, None);
    client.send(
        format!("b LOGIN u0 {PASSWORD}\r\n").as_bytes(),
        Chunking::Whole,
    );
    client.read_until(b"b OK");
    client.timed(b"c LIST \"\" *\r\n", "c");
    assert!(
        crate::find(&client.said, b"Private").is_none(),
        "{}",
        wire::text(&client.said)
    );
}

fn faults_on(runtime: &str) {
    let server = Server::start(
        &format!("hostile-faults-{runtime}"),
        runtime,
        FAULTS.len() + 2,
    );
    let mut other = signed_in(&server, "u0");
    // Everything that is made once is made now.
    half_messages(&server, "u1");
    assert_eq!(
        Client::connect(server.tls, Some(&server.client)).noop(),
        End::Alive
    );
    server.gives_back_descriptors(server.resources().descriptors);
    let (before, files) = (server.resources(), server.files());
    for (number, (name, fault)) in FAULTS.into_iter().enumerate() {
        let since = Instant::now();
        fault(&server, &format!("u{}", number + 2));
        other.said.clear();
        assert_eq!(other.noop(), End::Alive, "after {name}");
        server.gives_back_descriptors(before.descriptors + 1);
        assert_eq!(
            server.files(),
            files,
            "after {name} the store has other files"
        );
        println!("{name}: {:?}", since.elapsed());
    }
    let after = server.resources();
    assert_eq!(after.threads, before.threads, "threads");
    let grown = after.memory.saturating_sub(before.memory);
    assert!(grown < 32 << 20, "memory grew by {grown} octets");
    server.terminate();
}

#[test]
fn faults_on_tokio() {
    faults_on("tokio");
}

#[cfg(feature = "runtime-smol")]
#[test]
fn faults_on_smol() {
    faults_on("smol");
}
