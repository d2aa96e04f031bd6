//! The binary as a child, and a client of raw lines; every wait has a deadline.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// More than anything here takes, on a machine that is busy.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// One listener without TLS on loopback.
pub const PLAIN: &str =
    "plaintext_login = true\nstore = \"store\"\n[[listen]]\naddress = \"127.0.0.1:0\"\n";

/// A folder of this test's own, gone when it is dropped.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let name = format!("pillarbox-serve-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a temporary folder can be made");
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).expect("the folder can be written");
        path
    }

    pub fn config(&self) -> String {
        self.0.join("pillarbox.toml").to_string_lossy().into_owned()
    }

    /// Runs `pillarbox account …` with a password on standard input; it must work.
    pub fn account(&self, arguments: &[&str], password: &str) -> String {
        let (code, out, error) = self.try_account(arguments, password);
        assert_eq!(code, 0, "pillarbox account {arguments:?}: {error}");
        out
    }

    pub fn try_account(&self, arguments: &[&str], password: &str) -> (i32, String, String) {
        let config = self.config();
        let all = [&["account", "--config", &config], arguments].concat();
        pillarbox(&all, password)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs the binary to its end: exit code, output, errors.
pub fn pillarbox(arguments: &[&str], input: &str) -> (i32, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_pillarbox"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut stdin = child.stdin.take().expect("stdin is a pipe");
    // One that does not want it may be gone.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let code = wait(&mut child, &format!("pillarbox {arguments:?}"));
    let mut read = (String::new(), String::new());
    let (mut out, mut error) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    out.read_to_string(&mut read.0).expect("it writes text");
    error.read_to_string(&mut read.1).expect("it writes text");
    (code, read.0, read.1)
}

/// The exit code of a child that ends in time.
fn wait(child: &mut Child, what: &str) -> i32 {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            return status.code().unwrap_or(-1);
        }
        if began.elapsed() > DEADLINE {
            let _ = child.kill();
            panic!("{what} did not end within {DEADLINE:?}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

type Lines = Arc<(Mutex<Vec<String>>, Condvar)>;

/// A running `pillarbox serve`, killed when it is dropped.
pub struct Server {
    child: Child,
    lines: Lines,
    addresses: Vec<SocketAddr>,
}

impl Server {
    /// Writes the configuration, starts the server and waits until it listens.
    pub fn start(folder: &Folder, config: &str, arguments: &[&str]) -> Self {
        folder.write("pillarbox.toml", config);
        let mut child = Command::new(env!("CARGO_BIN_EXE_pillarbox"))
            .args(["serve", "--config", &folder.config()])
            .args(arguments)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let stderr = BufReader::new(child.stderr.take().expect("stderr is a pipe"));
        let lines = Lines::default();
        let kept = lines.clone();
        std::thread::spawn(move || {
            for line in stderr.split(b'\n').map_while(Result::ok) {
                // Octets that are no text would show as U+FFFD, which no line may hold.
                let line = String::from_utf8_lossy(&line).into_owned();
                kept.0.lock().expect("nothing panics here").push(line);
                kept.1.notify_all();
            }
        });
        let mut server = Self {
            child,
            lines,
            addresses: Vec::new(),
        };
        server.find_listeners(config.matches("[[listen]]").count());
        server
    }

    /// Waits until it has said of so many listeners where they are; those that were closed count too.
    pub fn find_listeners(&mut self, count: usize) {
        let lines = self.wait_for_lines(&["event=listening"], count);
        let addresses = lines.iter().map(|line| value(line, "address").parse());
        let addresses = addresses.map(|address| address.expect("an address is named"));
        self.addresses = addresses.collect();
    }

    pub fn address(&self, listener: usize) -> SocketAddr {
        self.addresses[listener]
    }

    pub fn connect(&self, listener: usize) -> Client<TcpStream> {
        Client::new(self.socket(listener))
    }

    pub fn socket(&self, listener: usize) -> TcpStream {
        let address = self.address(listener);
        let socket = TcpStream::connect_timeout(&address, DEADLINE).expect("the server accepts");
        socket.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        socket.set_write_timeout(Some(DEADLINE)).expect("a timeout");
        socket
    }

    /// Connects and signs in.
    pub fn sign_in(&self, user: &str, password: &str) -> Client<TcpStream> {
        let mut client = self.connect(0);
        client.line();
        let said = client.command(&format!("a LOGIN {user} {password}"));
        assert!(said.contains("a OK "), "{said}");
        client
    }

    /// The log so far.
    pub fn log(&self) -> Vec<String> {
        self.lines.0.lock().expect("nothing panics here").clone()
    }

    /// Waits for a line that holds all of these words.
    pub fn wait_for_log(&self, words: &[&str]) -> String {
        self.wait_for_lines(words, 1).remove(0)
    }

    /// Waits for so many of them.
    pub fn wait_for_lines(&self, words: &[&str], count: usize) -> Vec<String> {
        let is_one = |line: &&String| words.iter().all(|w| line.split(' ').any(|word| word == *w));
        let found =
            |lines: &[String]| -> Vec<String> { lines.iter().filter(is_one).cloned().collect() };
        let lines = self.lines.0.lock().expect("nothing panics here");
        let waited = self
            .lines
            .1
            .wait_timeout_while(lines, DEADLINE, |lines| found(lines).len() < count);
        let (lines, timeout) = waited.expect("nothing panics here");
        assert!(
            !timeout.timed_out(),
            "the log has no {count} lines with {words:?} within {DEADLINE:?}:\n{}",
            lines.join("\n")
        );
        found(&lines)
    }

    pub fn signal(&self, signal: Signal) {
        let listens = self.listens().unwrap_or(self.pid());
        kill_process(listens, signal).expect("the server is there");
    }

    /// Under ThreadSanitizer, which holds back what reaches a thread that sits in a futex: the thread that waits for signals.
    fn listens(&self) -> Option<Pid> {
        std::env::var_os("TSAN_OPTIONS")?;
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).ok()?;
        let mut threads = threads.flatten();
        let thread = threads.find(|thread| {
            let name = std::fs::read_to_string(thread.path().join("comm"));
            name.is_ok_and(|name| name.trim_end() == "signals")
        })?;
        Pid::from_raw(thread.file_name().to_str()?.parse().ok()?)
    }

    pub fn pid(&self) -> Pid {
        let pid = i32::try_from(self.child.id()).expect("a process id");
        Pid::from_raw(pid).expect("a process id")
    }

    /// SIGTERM; it must end well. Returns the log.
    pub fn terminate(self) -> Vec<String> {
        self.signal(Signal::TERM);
        self.ends_well()
    }

    /// Octets of memory that are resident.
    #[cfg(target_os = "linux")]
    pub fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("the process is there");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
        kilobytes
            .expect("it has memory")
            .parse::<u64>()
            .expect("a number")
            * 1024
    }

    /// Waits for the end; -1: a signal was its end.
    pub fn exit_code(mut self) -> i32 {
        wait(&mut self.child, "pillarbox serve")
    }

    /// Waits for the end, which must have exit code 0.
    pub fn ends_well(mut self) -> Vec<String> {
        let code = wait(&mut self.child, "pillarbox serve");
        assert_eq!(code, 0, "{:#?}", self.log());
        self.wait_for_log(&["event=stopped"]);
        self.log()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The value of a key in a log line.
pub fn value<'a>(line: &'a str, key: &str) -> &'a str {
    let mut words = line.split(' ').filter_map(|word| word.split_once('='));
    let found = words.find(|(k, _)| *k == key);
    found.unwrap_or_else(|| panic!("{key} is not in {line}")).1
}

/// A client that speaks lines.
pub struct Client<S>(BufReader<S>);

impl<S: Read + Write> Client<S> {
    pub fn new(stream: S) -> Self {
        Self(BufReader::new(stream))
    }

    pub fn send(&mut self, text: &str) {
        let stream = self.0.get_mut();
        stream.write_all(text.as_bytes()).expect("the server reads");
        stream.flush().expect("the server reads");
    }

    /// The same where the server may have hung up meanwhile.
    pub fn try_send(&mut self, text: &str) {
        let _ = self.0.get_mut().write_all(text.as_bytes());
    }

    /// The next line, with its end.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.0
            .read_line(&mut line)
            .expect("the server answers in time");
        assert!(line.ends_with("\r\n"), "the server hung up after {line:?}");
        line
    }

    /// Sends a command and reads to its tagged answer.
    pub fn command(&mut self, command: &str) -> String {
        self.send(&format!("{command}\r\n"));
        let tag = command.split(' ').next().expect("a tag");
        self.until(&format!("{tag} "))
    }

    /// Reads up to a line that begins so.
    pub fn until(&mut self, begin: &str) -> String {
        let mut all = String::new();
        loop {
            let line = self.line();
            all += &line;
            if line.starts_with(begin) {
                return all;
            }
        }
    }

    /// The first line that begins with one of these.
    pub fn until_one_of(&mut self, begins: &[&str]) -> String {
        loop {
            let line = self.line();
            if begins.iter().any(|begin| line.starts_with(begin)) {
                return line;
            }
        }
    }

    /// The first line that begins so; `None` when the server hangs up before it.
    pub fn until_or_end(&mut self, begin: &str) -> Option<String> {
        loop {
            let mut line = String::new();
            let read = self.0.read_line(&mut line);
            if !read.is_ok_and(|_| line.ends_with("\r\n")) {
                return None;
            }
            if line.starts_with(begin) {
                return Some(line);
            }
        }
    }

    /// Everything until the server closes the connection.
    pub fn rest(&mut self) -> String {
        let mut rest = String::new();
        let read = self.0.read_to_string(&mut rest);
        read.expect("the server closes in time");
        rest
    }

    /// Whether the server closes the connection now.
    pub fn is_closed(&mut self) -> bool {
        matches!(self.0.read(&mut [0]), Ok(0))
    }
}
