//! Mail that anyone can send: it is taken, rendered and searched in a time that its size explains, and served as it came.

use std::time::Duration;

use crate::demo::{Demo, Folder};
use crate::mails::mails;
use crate::wire::{Chunking, Client, End, text};

/// The CPU time of the server's for one message of up to 20 MB and what is asked of it, without optimisation.
const MOST: Duration = Duration::from_secs(10);

/// CPU time that a server had so far.
fn cpu(demo: &Demo) -> Duration {
    let stat = format!("/proc/{}/stat", demo.child.id());
    let stat = std::fs::read_to_string(stat).expect("it runs");
    // Behind its name, which may have spaces, in hundredths of a second: proc(5).
    let (_, behind) = stat.rsplit_once(") ").expect("it has a name");
    let ticks = behind.split(' ').skip(11).take(2);
    let ticks = ticks.map(|ticks| ticks.parse::<u64>().expect("a number"));
    Duration::from_millis(10 * ticks.sum::<u64>())
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
    let mut most = (Duration::ZERO, "");
    for (at, (name, octets)) in mails().into_iter().enumerate() {
        let uid = at + 3;
        let head = format!("a APPEND INBOX {{{}+}}\r\n", octets.len());
        let append = [head.as_bytes(), &octets, b"\r\n"].concat();
        let before = cpu(&demo);
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
        let took = cpu(&demo) - before;
        most = most.max((took, name));
        assert!(took < MOST, "{name} took {took:?}");
        served_as_it_came(&mut client, uid, name, &octets);
        other.said.clear();
        assert_eq!(other.noop(), End::Alive, "after {name}");
    }
    println!("{most:?} at the most");
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
