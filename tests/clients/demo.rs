//! What every client test needs: a running demo, commands that cannot hang, a folder that goes away.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// No client and no server may take longer for one thing.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A running `pillarbox demo`, killed when it is dropped.
pub struct Demo {
    /// Its process.
    pub child: Child,
    /// The port for plain text and STARTTLS.
    pub plain: u16,
    /// The port for TLS from the first octet on.
    pub tls: u16,
}

impl Demo {
    /// Starts a demo on free ports and waits until it has said them.
    pub fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_pillarbox"))
            .args(["demo", "--port", "0", "--tls-port", "0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let stdout = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            let lines: Vec<String> = stdout.lines().map_while(Result::ok).take(5).collect();
            // Nobody listens any more once the test gave up.
            let _ = sender.send(lines);
        });
        let mut demo = Self {
            child,
            plain: 0,
            tls: 0,
        };
        let lines = receiver
            .recv_timeout(PATIENCE)
            .expect("the demo says its lines in time");
        assert_eq!(lines.len(), 5, "the demo ended early: {lines:?}");
        demo.plain = port(&lines[1]);
        demo.tls = port(&lines[4]);
        demo
    }

    /// curl over STARTTLS.
    pub fn curl(&self, path: &str, arguments: &[&str]) -> Output {
        let url = format!("imap://127.0.0.1:{}/{path}", self.plain);
        run(&[
            &["curl", "-sSk", "--ssl-reqd", "-u", "user:pass", &url],
            arguments,
        ]
        .concat())
    }

    /// curl over TLS.
    pub fn curl_tls(&self, path: &str, arguments: &[&str]) -> Output {
        let url = format!("imaps://127.0.0.1:{}/{path}", self.tls);
        run(&[&["curl", "-sSk", "-u", "user:pass", &url], arguments].concat())
    }

    /// A file with the server's certificate, for clients that insist on one they know.
    pub fn certificate(&self, folder: &Folder) -> String {
        let path = folder.join(&format!("{}.pem", self.tls));
        let connect = format!("openssl s_client -connect 127.0.0.1:{}", self.tls);
        let script = format!("{connect} </dev/null 2>/dev/null | openssl x509 > {path}");
        run(&["sh", "-c", &script]);
        path
    }

    /// How many messages INBOX has.
    pub fn messages(&self) -> u32 {
        let status = text(&self.curl_tls("", &["-X", "STATUS INBOX (MESSAGES)"]));
        status
            .split("MESSAGES ")
            .nth(1)
            .and_then(|s| s.split(')').next())
            .and_then(|n| n.parse().ok())
            .unwrap_or_else(|| panic!("STATUS tells the number of messages: {status}"))
    }

    /// Ends it as an operator would; it must end well.
    pub fn terminate(mut self) {
        terminate(&self.child);
        let since = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("the demo can be waited for") {
                assert!(status.success(), "SIGTERM ends with exit code 0: {status}");
                return;
            }
            assert!(since.elapsed() < PATIENCE, "SIGTERM ends the demo in time");
            std::thread::yield_now();
        }
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.child.kill().expect("the server can be killed");
        self.child.wait().expect("the server ends");
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn port(line: &str) -> u16 {
    let after = line.split("localhost:").nth(1).expect("a port is named");
    let digits = after.split(|c: char| !c.is_ascii_digit()).next();
    digits
        .and_then(|n| n.parse().ok())
        .expect("a port is a number")
}

/// A command that is stopped when it takes too long.
pub fn command(line: &[&str]) -> Command {
    let mut command = Command::new("timeout");
    let seconds = PATIENCE.as_secs().to_string();
    command.args(["--kill-after=5", &seconds]).args(line);
    command
}

/// SIGTERM.
pub fn terminate(child: &Child) {
    kill_process(Pid::from_child(child), Signal::TERM).expect("it is there");
}

/// Runs a command that must end well, and in time.
pub fn run(line: &[&str]) -> Output {
    ended_well(line, command(line).output())
}

/// What a command said, if it ended well.
pub fn ended_well(line: &[&str], output: std::io::Result<Output>) -> Output {
    let output = output.unwrap_or_else(|e| panic!("{line:?} cannot be run, install it first: {e}"));
    let how = match output.status.code() {
        Some(0) => return output,
        Some(124) => format!("did not end within {PATIENCE:?}"),
        Some(127) => String::from("cannot be found, install it first"),
        _ => format!("failed ({})", output.status),
    };
    panic!(
        "{line:?} {how}:\n{}\n{}",
        String::from_utf8_lossy(&output.stderr),
        String::from_utf8_lossy(&output.stdout)
    );
}

/// Waits until `met` holds.
pub fn wait_until(what: &str, mut met: impl FnMut() -> bool) {
    let since = Instant::now();
    while !met() {
        assert!(since.elapsed() < PATIENCE, "{what} within {PATIENCE:?}");
        std::thread::yield_now();
    }
}

/// What was written to standard output.
pub fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A folder of this test's own, gone when it is dropped.
pub struct Folder(PathBuf);

impl Folder {
    /// An empty folder whose name holds `name`.
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("pillarbox-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a temporary folder can be made");
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The path of something in it.
    pub fn join(&self, name: &str) -> String {
        self.0.join(name).to_string_lossy().into_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
