//! The real binary against clients that others wrote, on each runtime, in plain text, over STARTTLS and over TLS.
#![cfg(feature = "cli")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// A running `pillarbox demo`, killed when it is dropped.
struct Demo {
    child: Child,
    plain: u16,
    tls: u16,
}

impl Demo {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_pillarbox"))
            .args(["demo", "--port", "0", "--tls-port", "0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let stdout = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
        let lines: Vec<String> = stdout
            .lines()
            .take(5)
            .map(|l| l.expect("the demo speaks"))
            .collect();
        let port = |line: &str, after: &str| -> u16 {
            let at = line.find(after).expect("a port is named") + after.len();
            line[at..]
                .split(|c: char| !c.is_ascii_digit())
                .next()
                .and_then(|n| n.parse().ok())
                .expect("a port is a number")
        };
        Self {
            plain: port(&lines[1], "localhost:"),
            tls: port(&lines[4], "localhost:"),
            child,
        }
    }

    fn curl(&self, path: &str, arguments: &[&str]) -> Output {
        let url = format!("imap://127.0.0.1:{}/{path}", self.plain);
        run(Command::new("curl")
            .args(["-s", "-S", "-k", "--ssl-reqd", "-u", "user:pass", &url])
            .args(arguments))
    }

    fn curl_tls(&self, path: &str, arguments: &[&str]) -> Output {
        let url = format!("imaps://127.0.0.1:{}/{path}", self.tls);
        run(Command::new("curl")
            .args(["-s", "-S", "-k", "-u", "user:pass", &url])
            .args(arguments))
    }

    /// Ends it as an operator would; it must end well.
    fn terminate(mut self) {
        run(Command::new("kill")
            .arg("-TERM")
            .arg(self.child.id().to_string()));
        assert!(
            self.child.wait().expect("the demo ends").success(),
            "SIGTERM ends with exit code 0"
        );
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(command: &mut Command) -> Output {
    let output = command
        .output()
        .unwrap_or_else(|e| panic!("{command:?} cannot be run, install it first: {e}"));
    assert!(
        output.status.success(),
        "{command:?} failed: {}\n{}",
        String::from_utf8_lossy(&output.stderr),
        String::from_utf8_lossy(&output.stdout)
    );
    output
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A folder of this test's own, gone when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("pillarbox-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a temporary folder can be made");
        Self(path)
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn curl_on(runtime: &str) {
    let folder = Folder::new(&format!("curl-{runtime}"));
    let demo = Demo::start(&["--runtime", runtime]);
    assert!(text(&demo.curl("", &[])).contains("\"INBOX\""));
    assert!(text(&demo.curl("INBOX;UID=1", &[])).ends_with("Welcome to the IMAP server!\r\n"));
    assert!(text(&demo.curl_tls("INBOX;UID=2", &[])).ends_with("This is an update.\r\n"));
    assert_eq!(
        text(&demo.curl_tls("INBOX?TEXT%20update", &[])).trim_end(),
        "* SEARCH 2"
    );
    let message = folder.path().join("message.eml");
    let octets = "From: a@b\r\nSubject: =?utf-8?B?R3LDvMOfZQ==?=\r\n\r\nbody\r\n".repeat(2000);
    std::fs::write(&message, &octets).expect("the folder can be written");
    demo.curl_tls("INBOX", &["-T", &message.to_string_lossy()]);
    assert_eq!(
        demo.curl("INBOX;UID=3", &[]).stdout,
        octets.as_bytes(),
        "a message comes back as it went"
    );
    demo.terminate();
}

#[test]
fn curl_on_tokio() {
    curl_on("tokio");
}

#[cfg(feature = "runtime-smol")]
#[test]
fn curl_on_smol() {
    curl_on("smol");
}

/// Python's imaplib: STARTTLS, APPEND, flags, search, COPY, EXPUNGE.
const IMAPLIB: &str = r#"
import imaplib, ssl, sys
tls = ssl.create_default_context(); tls.check_hostname = False; tls.verify_mode = ssl.CERT_NONE
m = imaplib.IMAP4("127.0.0.1", int(sys.argv[1])); m.starttls(tls)
ok = lambda r: (r[0] == "OK" or sys.exit(str(r))) and r[1]
ok(m.login("user", "pa\"ss\\word"))
assert ok(m.select("INBOX")) == [b"2"]
message = b"From: a@b\r\nSubject: hi\r\n\r\n" + b"x" * 70000 + b"\r\n"
ok(m.append("INBOX", r"(\Seen)", None, message))
assert ok(m.fetch("3", "(RFC822)"))[0][1] == message
ok(m.create("Other"))
ok(m.copy("1,3", "Other"))
ok(m.store("1", "+FLAGS", r"(\Deleted)"))
assert ok(m.expunge()) == [b"1"]
assert ok(m.search(None, "SUBJECT", "hi")) == [b"2"]
assert ok(m.uid("SEARCH", "ALL")) == [b"2 3"]
assert ok(m.status("Other", "(MESSAGES)")) == [b'"Other" (MESSAGES 2)']
m.logout()
"#;

#[test]
fn imaplib() {
    let demo = Demo::start(&[]);
    run(Command::new("python3").args(["-c", IMAPLIB, &demo.plain.to_string()]));
}

/// Messages of many kinds, the same each time.
const MAILDIR: &str = r#"
import email.message, email.policy, os, random, sys
random.seed(7)
root = sys.argv[1]
for d in ("cur", "new", "tmp"): os.makedirs(os.path.join(root, "INBOX", d))
for i in range(500):
    m = email.message.EmailMessage(policy=email.policy.SMTP)
    m["From"] = f"Jürgen Müller {i} <j{i}@example.org>"; m["To"] = "you@example.org"
    m["Subject"] = random.choice(["Grüße", "日本語の件名", "plain", "a" * 200]) + f" {i}"
    m["Message-ID"] = f"<{i}@example.org>"; m["Date"] = "Mon, 01 Jan 2024 00:00:00 +0000"
    m.set_content("Zeile äöü\n" * random.randrange(1, 40), charset=random.choice(["utf-8", "iso-8859-1"]))
    if i % 5 == 0: m.add_alternative("<p>ä</p>", subtype="html")
    if i % 7 == 0: m.add_attachment(random.randbytes(10_000_000 if i == 0 else 3000), maintype="application", subtype="octet-stream", filename="ä.bin")
    with open(os.path.join(root, "INBOX", "cur", f"{i}.host:2,{'S' if i % 3 else ''}"), "wb") as f:
        f.write(bytes(m).replace(b"\r\n", b"\n"))
"#;

/// mbsync both ways over a store on disk: a push, a `kill -9` in its middle, the rest, and a run with nothing to do; then a pull into an
/// empty Maildir gives every message back.
#[cfg(feature = "sqlite")]
#[test]
fn mbsync_round_trip_over_a_kill() {
    let folder = Folder::new("mbsync");
    let store = folder.path().join("store");
    let near = folder.path().join("near");
    run(Command::new("python3").args(["-c", MAILDIR, &near.to_string_lossy()]));
    let arguments = ["--store", &store.to_string_lossy()];
    let mut demo = Demo::start(&arguments);
    let push = mbsync(folder.path(), "near", demo.tls)
        .spawn()
        .expect("mbsync can be run; install isync first");
    wait_for_messages(&demo, 100);
    demo.child.kill().expect("the server can be killed");
    demo.child.wait().expect("the server ends");
    let _ = push.wait_with_output();
    let demo = Demo::start(&arguments);
    run(&mut mbsync(folder.path(), "near", demo.tls));
    let count = text(&demo.curl_tls("", &["-X", "STATUS INBOX (MESSAGES)"]));
    assert!(
        count.contains("MESSAGES 502"),
        "500 pushed and two that were there, none lost, none doubled: {count}"
    );
    let before = run(&mut mbsync(folder.path(), "near", demo.tls));
    assert!(String::from_utf8_lossy(&before.stderr).is_empty());
    run(&mut mbsync(folder.path(), "far", demo.tls));
    assert_eq!(
        bodies(&near),
        bodies(&folder.path().join("far")),
        "every message comes back as it went"
    );
}

fn wait_for_messages(demo: &Demo, least: u32) {
    loop {
        let status = text(&demo.curl_tls("", &["-X", "STATUS INBOX (MESSAGES)"]));
        let count = status
            .split("MESSAGES ")
            .nth(1)
            .and_then(|s| s.split(')').next())
            .and_then(|n| n.parse::<u32>().ok());
        if count.is_some_and(|n| n >= least) {
            return;
        }
    }
}

fn mbsync(folder: &Path, maildir: &str, port: u16) -> Command {
    let path = folder.join(maildir);
    std::fs::create_dir_all(&path).expect("a folder can be made");
    let config = folder.join(format!("{maildir}.rc"));
    let text = format!(
        "IMAPAccount a\nHost 127.0.0.1\nPort {port}\nUser user\nPass pass\nSSLType IMAPS\nSystemCertificates no\nCertificateFile {certificate}\n\
         IMAPStore far\nAccount a\nMaildirStore near\nPath {path}/\nInbox {path}/INBOX\nSubFolders Verbatim\n\
         Channel c\nFar :far:\nNear :near:\nPatterns INBOX\nCreate Both\nExpunge Both\nSyncState {path}/state-\n",
        certificate = certificate(folder, port).display(),
        path = path.display(),
    );
    std::fs::write(&config, text).expect("the folder can be written");
    let mut command = Command::new("mbsync");
    command
        .arg("-c")
        .arg(&config)
        .args(["-q", "-q", "c"])
        .stderr(Stdio::piped());
    command
}

/// The server's certificate, for a client that insists on one it knows.
fn certificate(folder: &Path, port: u16) -> PathBuf {
    let path = folder.join(format!("{port}.pem"));
    let shell = format!(
        "openssl s_client -connect 127.0.0.1:{port} </dev/null 2>/dev/null | openssl x509 > {}",
        path.display()
    );
    run(Command::new("sh").args(["-c", &shell]));
    path
}

/// Every message of a Maildir, without the header that mbsync adds, sorted.
fn bodies(maildir: &Path) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for part in ["cur", "new"] {
        for entry in
            std::fs::read_dir(maildir.join("INBOX").join(part)).expect("the Maildir can be read")
        {
            let octets =
                std::fs::read(entry.expect("an entry").path()).expect("a message can be read");
            let lines = octets
                .split_inclusive(|b| *b == b'\n')
                .filter(|l| !l.starts_with(b"X-TUID: "));
            all.push(lines.flatten().copied().collect());
        }
    }
    all.sort();
    all
}
