//! `pillarbox serve` as a child: an account for each row, both listeners, its log, and what its process holds.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::demo::{Folder, wait_until};

/// Everyone's password; no log line may hold it.
pub const PASSWORD: &str = "tanstaafl-1742";
/// Its hash, cheap to check.
const HASH: &str =
    "$argon2id$v=19$m=8,t=1,p=1$LQcZKfuFRuGOWoCANzB0UQ$ByQaZO0YqxwQ9HU4B4nnBxT6t4XUZOApAo8Sx9bRQ8M";

const CONFIG: &str = "store = \"store\"
plaintext_login = true
[[listen]]
address = \"127.0.0.1:0\"
[[listen]]
address = \"127.0.0.1:0\"
implicit_tls = true
[tls]
certificates = \"cert.pem\"
key = \"key.pem\"
[accounts]
source = \"file\"
path = \"users\"
";

/// A running server, killed when it is dropped.
pub struct Server {
    child: Child,
    folder: Folder,
    /// Where it listens without TLS.
    pub plain: SocketAddr,
    /// Where it listens with TLS.
    pub tls: SocketAddr,
    /// What a TLS client needs to trust it.
    pub client: Arc<ClientConfig>,
    lines: Arc<Mutex<Vec<String>>>,
}

/// What a process holds.
pub struct Resources {
    /// Octets that are resident.
    pub memory: usize,
    /// Open files and sockets.
    pub descriptors: usize,
    /// Threads.
    pub threads: usize,
}

impl Server {
    /// Starts it with the accounts `u0`, `u1` …
    pub fn start(name: &str, runtime: &str, accounts: usize) -> Self {
        Self::start_on(name, runtime, accounts, None)
    }

    /// The same; when one is named, it has that processor alone.
    pub fn start_on(name: &str, runtime: &str, accounts: usize, processor: Option<&str>) -> Self {
        let folder = Folder::new(name);
        let client = certificates(&folder);
        let write = |name: &str, text: &str| {
            std::fs::write(folder.join(name), text).expect("the folder can be written");
        };
        let users: String = (0..accounts).map(|n| format!("u{n}:{HASH}\n")).collect();
        write("users", &users);
        write("pillarbox.toml", CONFIG);
        let binary = env!("CARGO_BIN_EXE_pillarbox");
        let mut command = match processor {
            Some(processor) => {
                let mut command = Command::new("taskset");
                command.args(["-c", processor, binary]);
                command
            }
            None => Command::new(binary),
        };
        let mut child = command
            .args(["serve", "--config", &folder.join("pillarbox.toml")])
            .args(["--runtime", runtime])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let stderr = BufReader::new(child.stderr.take().expect("stderr is a pipe"));
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let to = lines.clone();
        std::thread::spawn(move || {
            for line in stderr.split(b'\n').map_while(Result::ok) {
                // Octets that are no text would show as U+FFFD, which no line may hold.
                let line = String::from_utf8_lossy(&line).into_owned();
                to.lock().expect("nothing panics here").push(line);
            }
        });
        let address = |number: usize| -> SocketAddr {
            let mut word = None;
            wait_until("it says where it listens", || {
                let lines = lines.lock().expect("nothing panics here");
                let line = lines.iter().filter(|l| l.contains("event=listening"));
                let line = line.skip(number).map(|l| l.split("address=").nth(1)).next();
                word = line
                    .flatten()
                    .and_then(|l| l.split(' ').next())
                    .map(str::to_owned);
                word.is_some()
            });
            let word = word.expect("it was waited for");
            word.parse().expect("an address is named")
        };
        let (plain, tls) = (address(0), address(1));
        Self {
            child,
            folder,
            plain,
            tls,
            client,
            lines,
        }
    }

    /// Where Linux tells of each of its threads.
    pub fn threads(&self) -> Vec<String> {
        let tasks = format!("/proc/{}/task", self.child.id());
        let threads = std::fs::read_dir(tasks).expect("it runs").flatten();
        let path = |entry: std::fs::DirEntry| entry.path().display().to_string();
        threads.map(path).collect()
    }

    /// What its process holds now.
    pub fn resources(&self) -> Resources {
        let process = format!("/proc/{}", self.child.id());
        let status = std::fs::read_to_string(format!("{process}/status")).expect("it runs");
        let line = status.lines().find(|l| l.starts_with("VmRSS:"));
        let kilobytes = line.and_then(|l| l.split_whitespace().nth(1)?.parse::<usize>().ok());
        let count = |what: &str| {
            let entries = std::fs::read_dir(format!("{process}/{what}"));
            entries.expect("it runs").count()
        };
        Resources {
            memory: kilobytes.expect("Linux tells the resident size") << 10,
            descriptors: count("fd"),
            threads: count("task"),
        }
    }

    /// Waits until it has at most so many descriptors.
    pub fn gives_back_descriptors(&self, most: usize) {
        wait_until("descriptors are given back", || {
            self.resources().descriptors <= most
        });
    }

    /// The files of its store.
    pub fn files(&self) -> Vec<std::path::PathBuf> {
        let mut folders = vec![self.folder.path().join("store")];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            let entries = std::fs::read_dir(folder).expect("the store is there");
            for path in entries.flatten().map(|entry| entry.path()) {
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files.push(path);
                }
            }
        }
        files.sort();
        files
    }

    /// The log so far.
    pub fn log(&self) -> Vec<String> {
        self.lines.lock().expect("nothing panics here").clone()
    }

    /// SIGTERM; it must end well, and its log is what it may be.
    pub fn terminate(mut self) {
        crate::demo::terminate(&self.child);
        wait_until("SIGTERM ends it", || {
            self.child
                .try_wait()
                .expect("it can be waited for")
                .is_some()
        });
        let status = self.child.wait().expect("it ended");
        assert!(status.success(), "{status}: {:#?}", self.log());
        check_log(&self.log());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Each event is one printable line, no connection has more than one for each failed login and one for its end, and none holds a secret.
fn check_log(lines: &[String]) {
    let mut counts = std::collections::BTreeMap::<&str, usize>::new();
    for line in lines {
        assert!(
            line.bytes().all(|b| matches!(b, b' '..=b'~')),
            "a log line is not printable: {line:?}"
        );
        assert!(line.len() < 1500, "a log line is long: {line}");
        for secret in SECRETS {
            assert!(!line.contains(secret), "{secret} is in the log: {line}");
        }
        assert!(!line.contains("level=error"), "{line}");
        let Some(peer) = line.split(' ').find(|word| word.starts_with("peer=")) else {
            continue;
        };
        let count = counts.entry(peer).or_default();
        *count += 1;
        assert!(*count <= 4, "{peer} has many lines, at last {line}");
        if line.contains("event=connection") {
            // Another may come from the same port.
            *count = 0;
        }
    }
}

/// What no log line may hold: the password, plain and in a SASL message, and words of messages.
const SECRETS: [&str; 4] = [PASSWORD, "dGFuc3RhYWZs", "secret", "Lorem"];

/// A certificate for localhost in the folder, and a client that trusts it.
fn certificates(folder: &Folder) -> Arc<ClientConfig> {
    let made = rcgen::generate_simple_self_signed([String::from("localhost")])
        .expect("a certificate can be made");
    let write = |name: &str, text: String| {
        std::fs::write(folder.join(name), text).expect("the folder can be written");
    };
    write("cert.pem", made.cert.pem());
    write("key.pem", made.signing_key.serialize_pem());
    let mut roots = RootCertStore::empty();
    let der = CertificateDer::from(made.cert.der().to_vec());
    roots.add(der).expect("it is a certificate");
    let config = ClientConfig::builder().with_root_certificates(roots);
    Arc::new(config.with_no_client_auth())
}
