//! What only real sockets do: resets that would take the last line, and descriptors that run out.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;

use super::harness::{Folder, PLAIN, Server};
use super::on_each_runtime;

/// Three lines that are no commands.
const NONSENSE: &[u8] = b"x\r\nx\r\nx\r\n";

#[test]
fn the_last_line_reaches_a_client_that_goes_on_sending() {
    on_each_runtime(|runtime| {
        let folder = Folder::new(&format!("heard-{runtime}"));
        let server = Server::start(&folder, PLAIN, &["--runtime", runtime]);
        let mut socket = server.socket(0);
        socket.write_all(NONSENSE).expect("the server reads");
        let mut said = Vec::new();
        // The end has been said, and is on its way to the client.
        while !said.ends_with(b"\r\n") || !said.windows(6).any(|w| w == b"* BYE ") {
            let mut octets = [0; 1024];
            let n = socket.read(&mut octets).expect("the server answers");
            assert!(n > 0, "{}", String::from_utf8_lossy(&said));
            said.extend(&octets[..n]);
        }
        // A closed socket would answer this with a reset: the next read would fail.
        for _ in 0..10 {
            let sent = socket.write_all(&[b'x'; 20_000]);
            sent.expect("the server hears it out");
        }
        let mut rest = Vec::new();
        socket.read_to_end(&mut rest).expect("no reset");
        assert_eq!(rest, b"");
        socket.shutdown(Shutdown::Write).expect("it is open");
        let line = server.wait_for_log(&["event=connection", "reason=too_many_bad_commands"]);
        assert!(!line.contains("error="), "{line}");
        assert!(line.contains(" in=200009 "), "{line}");
        server.terminate();
    });
}

#[test]
fn a_client_that_never_stops_is_not_heard_for_ever() {
    on_each_runtime(|runtime| {
        let folder = Folder::new(&format!("unheard-{runtime}"));
        let server = Server::start(&folder, PLAIN, &["--runtime", runtime]);
        let mut socket = server.socket(0);
        socket.write_all(NONSENSE).expect("the server reads");
        let failed = loop {
            // More than fits between the two is never taken.
            if let Err(error) = socket.write_all(&[b'x'; 10_000]) {
                break error;
            }
        };
        let kinds = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
        assert!(kinds.contains(&failed.kind()), "{failed}");
        let line = server.wait_for_log(&["event=connection", "reason=too_many_bad_commands"]);
        assert!(!line.contains("error="), "{line}");
        server.terminate();
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_server_without_descriptors_says_so_and_goes_on_when_it_has_some() {
    use rustix::process::{Resource, Rlimit, getrlimit, prlimit};
    on_each_runtime(|runtime| {
        let folder = Folder::new(&format!("descriptors-{runtime}"));
        let server = Server::start(&folder, PLAIN, &["--runtime", runtime]);
        let mut first = server.connect(0);
        assert!(first.line().starts_with("* OK "));
        // The child's are as many as ours may be.
        let maximum = getrlimit(Resource::Nofile).maximum;
        let set = |descriptors| {
            let current = Some(descriptors);
            let limit = Rlimit { current, maximum };
            prlimit(Some(server.pid()), Resource::Nofile, limit).expect("it is our own child");
        };
        // Those that it has stay.
        set(1);
        let mut waiting: Vec<_> = (0..3).map(|_| server.connect(0)).collect();
        let line = server.wait_for_log(&["level=error", "event=accept_failed"]);
        assert!(line.contains("open files"), "{line}");
        assert!(
            first.command("a NOOP").contains("a OK "),
            "the others live on"
        );
        set(256);
        for client in &mut waiting {
            assert!(client.line().starts_with("* OK "));
        }
        let told = server.log();
        let told = told.iter().filter(|l| l.contains("event=accept_failed"));
        assert_eq!(told.count(), 1);
        // And it ends while it has none.
        set(1);
        let late = server.connect(0);
        server.wait_for_lines(&["event=accept_failed"], 2);
        server.signal(rustix::process::Signal::TERM);
        assert!(first.line().starts_with("* BYE "));
        drop((first, waiting, late));
        server.ends_well();
    });
}
