//! `pillarbox serve` that writes down each connection: afterwards whatever it refused is looked at, and all it said is played again.

use std::fs::File;
use std::ops::Range;
use std::process::{Child, Command, Stdio};

use crate::demo::{Folder, run, terminate, text, wait_until};

const CONFIG: &str = "store = \"store\"
[[listen]]
address = \"127.0.0.1:0\"
implicit_tls = true
[tls]
certificates = \"cert.pem\"
key = \"key.pem\"
[accounts]
source = \"file\"
path = \"users\"
[record]
folder = \"recordings\"
max_octets = 67108864
";

/// The account `user`, whose password is `pass`.
const USERS: &str = "user:$argon2id$v=19$m=19456,t=2,p=1$apFDorrtVK+PBbaDErHQ8A$c5Pj5Nb5u97QSBa/abQZfdpknXmgUbBM+xv1t0aWUFo\n";

/// A running server with one account, `user`, and TLS; killed when it is dropped.
pub struct Served {
    child: Child,
    /// Where it listens, with TLS from the first octet on.
    pub port: String,
    /// Its certificate, for clients that insist on one they know.
    pub certificate: String,
    /// The test's folder; the server's own is in it.
    pub folder: Folder,
}

impl Served {
    /// Starts it, and waits until it listens.
    pub fn start(name: &str, runtime: &str) -> Self {
        let folder = Folder::new(&format!("{name}-{runtime}"));
        let made = rcgen::generate_simple_self_signed([String::from("localhost")])
            .expect("a certificate can be made");
        let write = |name: &str, text: &str| {
            std::fs::write(folder.join(name), text).expect("the folder can be written");
        };
        write("cert.pem", &made.cert.pem());
        write("key.pem", &made.signing_key.serialize_pem());
        write("users", USERS);
        write("pillarbox.toml", CONFIG);
        let child = Command::new(env!("CARGO_BIN_EXE_pillarbox"))
            .args(["serve", "--config", &folder.join("pillarbox.toml")])
            .args(["--runtime", runtime])
            .stdin(Stdio::null())
            .stderr(File::create(folder.join("log")).expect("the folder can be written"))
            .spawn()
            .expect("the binary starts");
        let mut served = Self {
            child,
            port: String::new(),
            certificate: folder.join("cert.pem"),
            folder,
        };
        wait_until("it says where it listens", || {
            let log = served.log();
            let line = log.lines().find(|line| line.contains("event=listening"));
            let word = line.and_then(|line| line.split(" address=127.0.0.1:").nth(1));
            served.port = word
                .and_then(|word| word.split_once(' '))
                .map_or_else(String::new, |(port, _)| port.to_owned());
            !served.port.is_empty()
        });
        served
    }

    /// Makes a Maildir of the messages with these numbers, or adds them; returns its path.
    pub fn maildir(&self, numbers: Range<u32>) -> String {
        let maildir = self.folder.join("mail");
        let (first, end) = (numbers.start.to_string(), numbers.end.to_string());
        let script = include_str!("maildir.py");
        run(&["python3", "-c", script, &maildir, &first, &end]);
        maildir
    }

    /// Makes those messages, and appends them to INBOX.
    pub fn fill(&self, numbers: Range<u32>) -> String {
        let maildir = self.maildir(numbers.clone());
        let (first, end) = (numbers.start.to_string(), numbers.end.to_string());
        self.python(include_str!("fill.py"), &[&maildir, &first, &end]);
        maildir
    }

    /// Another connection's commands in INBOX, which must be answered OK: what is said before that.
    pub fn imap(&self, commands: &[&str]) -> String {
        self.imap_in("INBOX", commands)
    }

    /// The same in another mailbox.
    pub fn imap_in(&self, mailbox: &str, commands: &[&str]) -> String {
        self.python(
            include_str!("commands.py"),
            &[&[mailbox], commands].concat(),
        )
    }

    /// Runs a script of Python; its arguments are the port, the certificate, and these.
    fn python(&self, script: &str, arguments: &[&str]) -> String {
        let line = ["python3", "-c", script, &self.port, &self.certificate];
        text(&run(&[&line, arguments].concat()))
    }

    /// Ends it as an operator would. It refused what is named here and nothing else, in this order where one connection was after another; its log has
    /// no complaint; and each connection plays again to the same octets.
    pub fn ends_well(mut self, refused: &[&str]) {
        terminate(&self.child);
        let status = self.child.wait().expect("it can be waited for");
        let log = self.log();
        assert!(status.success(), "{status}: {log}");
        let complains = |line: &&str| {
            let expected = line.contains(" level=info ") || line.contains(" event=recording ");
            let left = line.contains(" reason=logout ") || line.contains(" reason=peer_closed ");
            !expected || line.contains(" event=connection ") && !left
        };
        let complaints: Vec<_> = log.lines().filter(complains).collect();
        assert!(complaints.is_empty(), "{complaints:#?}");
        let said: Vec<_> = self
            .transcripts()
            .iter()
            .flat_map(|t| refusals(t))
            .collect();
        assert_eq!(said, refused, "what the server refused");
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).expect("the log can be read")
    }

    /// What was said on each connection, in the order they came in, words of messages replaced by filler.
    pub fn transcripts(&self) -> Vec<String> {
        let folder = std::fs::read_dir(self.folder.join("recordings"));
        let files = folder.expect("there are recordings");
        let mut paths: Vec<_> = files
            .map(|file| file.expect("the folder can be read").path())
            .map(|path| path.to_string_lossy().into_owned())
            .collect();
        // Names are a time and a number.
        paths.sort_by_key(|path| (path.len(), path.clone()));
        assert!(!paths.is_empty(), "the client connected");
        let replay = |path: &String| {
            let line = [
                env!("CARGO_BIN_EXE_pillarbox"),
                "replay",
                "--transcript",
                path,
            ];
            let said = text(&run(&line));
            assert!(!said.contains("the recording ends before"), "{said}");
            said
        };
        paths.iter().map(replay).collect()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The octets of each file in a folder and in those below it, in order.
pub fn messages(folder: &str) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the folder can be read").path();
        match path.is_dir() {
            true => all.extend(messages(&path.to_string_lossy())),
            false => all.push(std::fs::read(path).expect("a message can be read")),
        }
    }
    all.sort();
    all
}

/// Answers other than OK: what they answer, without its tag, and the answer, without its text.
fn refusals(transcript: &str) -> Vec<String> {
    let mut commands = std::collections::BTreeMap::new();
    let mut found = Vec::new();
    for line in transcript.lines() {
        let Some((who, line)) = line.split_once(": ") else {
            continue;
        };
        let line = line.trim_end_matches("\\r\\n");
        let line = &line.replace("\\\"", "\"").replace("\\\\", "\\");
        let Some((tag, rest)) = line.split_once(' ') else {
            continue;
        };
        if who == "C" {
            commands.insert(tag.to_owned(), rest.to_owned());
            continue;
        }
        let said = rest.split(' ').next().unwrap_or_default();
        if !matches!(said, "NO" | "BAD") {
            continue;
        }
        let code = rest
            .split_once(" [")
            .and_then(|(_, code)| code.split_once(']'));
        let code = code
            .map(|(code, _)| format!(" [{code}]"))
            .unwrap_or_default();
        let command = commands.get(tag).map_or("*", String::as_str);
        found.push(format!("{command}: {said}{code}"));
    }
    found
}
