//! `pillarbox deliver`: through the running server and without one, what it refuses and how that ends, and what a death in the middle leaves.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use rustix::process::{Signal, kill_process};

use super::harness::{Client, DEADLINE, Folder, PLAIN, Server, pillarbox};
use super::on_each_runtime;

/// Exit codes of sysexits.h.
const DATA: i32 = 65;
const NO_USER: i32 = 67;
const LATER: i32 = 75;
const NO_PERM: i32 = 77;

/// Runs `pillarbox deliver` for the account ann.
fn deliver(folder: &Folder, arguments: &[&str], message: &str) -> (i32, String) {
    let config = folder.config();
    let all = [&["deliver", "--config", &config], arguments].concat();
    let (code, out, error) = pillarbox(&all, message);
    assert_eq!(out, "");
    (code, error)
}

fn with_ann(name: &str) -> Folder {
    let folder = Folder::new(name);
    folder.write("pillarbox.toml", PLAIN);
    folder.account(&["add", "ann"], "pw\n");
    folder
}

/// What a FETCH of `BODY[]` brings.
fn body(client: &mut Client<TcpStream>, number: u32) -> String {
    let said = client.command(&format!("x FETCH {number} BODY.PEEK[]"));
    let (_, body) = said.split_once("}\r\n").expect("a literal");
    let (body, _) = body.rsplit_once(")\r\nx OK").expect("the end of it");
    body.to_owned()
}

fn messages(client: &mut Client<TcpStream>, mailbox: &str) -> usize {
    let said = client.command(&format!("y STATUS {mailbox} (MESSAGES)"));
    let count = said.split_once("MESSAGES ").expect("a count").1;
    let count = count.split(')').next().expect("its end");
    count.parse().expect("a number")
}

#[test]
fn a_live_session_is_told_at_once() {
    on_each_runtime(|runtime| {
        let folder = with_ann(&format!("deliver-{runtime}"));
        let server = Server::start(&folder, PLAIN, &["--runtime", runtime]);
        let mut client = server.sign_in("ann", "pw");
        client.command("b SELECT INBOX");
        client.send("c IDLE\r\n");
        client.until("+ ");
        let arguments = [
            "--account=ann",
            "--flag=\\Flagged",
            "--flag=$Work",
            "--return-path=",
            "--delivered-to=ann@example.org",
        ];
        let mbox = "From eve Thu Jan  1 00:00:00 1970\nSubject: x\n\nFrom me\n";
        assert_eq!(deliver(&folder, &arguments, mbox), (0, String::new()));
        let said = client.until("* 1 RECENT");
        assert!(said.contains("* 1 EXISTS\r\n"), "{said}");
        client.send("DONE\r\n");
        client.until("c OK ");
        let said = client.command("e FETCH 1 FLAGS");
        assert!(said.contains("(\\Flagged \\Recent $Work)"), "{said}");
        assert_eq!(
            body(&mut client, 1),
            "Return-Path: <>\r\nDelivered-To: ann@example.org\r\nSubject: x\r\n\r\nFrom me\r\n"
        );
        server.wait_for_log(&["event=delivered", "account=ann", "octets=71"]);

        // A mailbox that is not there, or cannot be, is INBOX, unless it is to be made.
        let (code, error) = deliver(&folder, &["--account=ann", "--mailbox=Work/New"], "A: b\n");
        assert_eq!(code, 0);
        let why = "INBOX has it, not Work/New: There is no mailbox Work/New";
        assert!(error.contains(why), "{error}");
        for name in ["", "a//b", "-x", "\u{1}", "../../*"] {
            let name = format!("--mailbox={name}");
            assert_eq!(deliver(&folder, &["--account=ann", &name], "A: b\n").0, 0);
        }
        let create = ["--account=ann", "--create", "--mailbox"];
        let to = |name: &str| deliver(&folder, &[&create[..], &[name]].concat(), "A: b\n");
        assert_eq!(to("Work/New mail"), (0, String::new()));
        assert_eq!(to("Work/New mail"), (0, String::new()));
        assert_eq!(messages(&mut client, "\"Work/New mail\""), 2);
        assert_eq!(messages(&mut client, "INBOX"), 7);
        server.terminate();
    });
}

#[test]
fn what_cannot_be_taken_is_told_by_the_exit_code() {
    let folder = with_ann("deliver-codes");
    let config = format!("{PLAIN}[limits]\nappend = 2000\n");
    folder.write("pillarbox.toml", &config);
    let check = |running: &str| {
        let ann = |message: &str| deliver(&folder, &["--account=ann"], message);
        let fits = format!("{}\n", "x".repeat(1998));
        assert_eq!(ann(&fits), (0, String::new()), "{running}");
        for message in ["", "From x\n", "a\0b\n", &format!("x{fits}")] {
            let (code, error) = ann(message);
            assert!(code == DATA && error.starts_with("pillarbox: "), "{error}");
        }
        let (code, error) = ann(&"x".repeat(10 << 20));
        assert!(
            code == DATA && error.contains("than 2000 octets"),
            "{error}"
        );
        for name in [
            "eve",
            "",
            "-x",
            "ann ann",
            "ann\nann",
            "ann 5 inbox () INBOX",
        ] {
            let name = format!("--account={name}");
            let (code, error) = deliver(&folder, &[&name], "A: b\n");
            assert!(code == NO_USER, "{running}, {name}: {code} {error}");
        }
        for (argument, ends) in [
            ("--flag=\\Recent", LATER),
            ("--flag=a b(", LATER),
            ("--what", LATER),
            ("--return-path=a\nSubject: b", DATA),
            ("--config=/nowhere/pillarbox.toml", LATER),
            ("--store=/nowhere", LATER),
        ] {
            let (code, _, error) = match argument.starts_with("--store") {
                true => pillarbox(&["deliver", "--account=ann", argument], "A: b\n"),
                false if argument.starts_with("--config") => {
                    pillarbox(&["deliver", "--account=ann", argument], "A: b\n")
                }
                false => {
                    let (code, error) = deliver(&folder, &["--account=ann", argument], "A: b\n");
                    (code, String::new(), error)
                }
            };
            assert!(
                code == ends && !error.is_empty(),
                "{argument}: {code} {error}"
            );
        }
        assert_eq!(pillarbox(&["deliver", "--help"], "").0, 0);
        // Who may not sign in gets mail all the same.
        folder.account(&["disable", "ann"], "");
        assert_eq!(ann("A: b\n").0, 0);
        folder.account(&["enable", "ann"], "");
    };
    check("no server");
    let server = Server::start(&folder, &config, &[]);
    check("a server");
    let mut client = server.sign_in("ann", "pw");
    assert_eq!(messages(&mut client, "INBOX"), 4);
    folder.write("pillarbox.toml", &config.replace("2000", "200000"));
    server.signal(Signal::HUP);
    server.wait_for_log(&["event=reloaded"]);
    let more = "x".repeat(2500);
    assert_eq!(deliver(&folder, &["--account=ann"], &more).0, 0);
    // The server would take it, but no more is read than the configuration says now: a part of it is no message.
    folder.write("pillarbox.toml", &config);
    let more = "x".repeat(150_000);
    assert_eq!(deliver(&folder, &["--account=ann"], &more).0, DATA);
    assert_eq!(messages(&mut client, "INBOX"), 5);
    server.terminate();

    // A folder that is there and holds no store is that of a disk that is not mounted.
    let empty = folder.path().join("empty");
    std::fs::create_dir(&empty).expect("a folder can be made");
    let store = format!("--store={}", empty.display());
    let (code, _, error) = pillarbox(&["deliver", "--account=ann", &store], "A: b\n");
    assert!(
        code == LATER && error.contains("there is no store"),
        "{error}"
    );
    assert_eq!(std::fs::read_dir(&empty).expect("it is there").count(), 0);
}

#[test]
fn another_user_is_told_so() {
    if !rustix::process::geteuid().is_root() {
        return eprintln!("not root: nobody else can be tried");
    }
    let folder = with_ann("deliver-user");
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open.clone()).expect("it is ours");
    let store = folder.path().join("store");
    let run = |store_is_open: bool| {
        let mode = if store_is_open { 0o755 } else { 0o700 };
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(&store, mode).expect("it is ours");
        // A copy that others may run, wherever this one was built.
        let program = folder.path().join("pillarbox");
        if !program.exists() {
            std::fs::copy(env!("CARGO_BIN_EXE_pillarbox"), &program).expect("it can be copied");
        }
        let mut child = Command::new(&program);
        let child = child
            .args(["deliver", "--account=ann", "--store"])
            .arg(&store);
        let child = child.uid(4242).gid(4242).current_dir("/");
        let child = child.stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut child = child.spawn().expect("it can be run");
        let mut stdin = child.stdin.take().expect("a pipe");
        let _ = stdin.write_all(b"A: b\n");
        drop(stdin);
        let output = child.wait_with_output().expect("it ends");
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let (code, error) = run(true);
    assert!(
        code == Some(NO_PERM) && error.contains("belongs to user 0"),
        "{error}"
    );
    let server = Server::start(&folder, PLAIN, &[]);
    for store_is_open in [true, false] {
        let (code, error) = run(store_is_open);
        assert!(
            code == Some(NO_PERM) && error.contains("cannot reach"),
            "{error}"
        );
    }
    server.terminate();
}

#[test]
fn a_full_disk_is_for_later() {
    let folder = with_ann("deliver-full");
    folder.write("message", &"x".repeat(12 << 20));
    // Once more when no server runs; whichever has the store, it has no room.
    let script = r#"
        pillarbox() { command=$1; shift; "$program" $command --config "$config" "$@"; }
        large() { pillarbox deliver --account=ann <message; }
        program=$1; config=$2
        mount -t tmpfs -o size=24m none store && pillarbox "account add" ann <pw || exit
        "$program" serve --config "$config" & server=$!
        until [ -S store/control.sock ]; do :; done
        large; full=$?
        echo small | pillarbox deliver --account=ann; small=$?
        kill $server; wait $server; ended=$?
        large; echo $full $small $ended $?"#;
    folder.write("pw", "pw\n");
    std::fs::remove_dir_all(folder.path().join("store")).expect("it is ours");
    std::fs::create_dir(folder.path().join("store")).expect("it is ours");
    // As a root of its own, or by the right of the one who runs this.
    let mounts = |how: &&str| {
        let mount = [*how, "mount", "-t", "tmpfs", "none"];
        let tried = Command::new("unshare")
            .args(mount)
            .arg(folder.path())
            .output();
        tried
            .expect("unshare (util-linux) is there")
            .status
            .success()
    };
    let how = ["-rm", "-m"].into_iter().find(mounts);
    let how =
        how.expect("whoever runs this may mount: root may, others where there are user namespaces");
    let output = Command::new("timeout")
        .args(["120", "unshare", how, "bash", "-c", script, "bash"])
        .arg(env!("CARGO_BIN_EXE_pillarbox"))
        .arg(folder.config())
        .current_dir(folder.path())
        .output()
        .expect("unshare (util-linux) is there");
    let said = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said, format!("{LATER} 0 0 {LATER}\n"), "{error}");
    assert!(error.contains("has no room"), "{error}");
}

#[test]
fn a_large_message_is_held_by_nobody() {
    const SIZE: usize = 100 << 20;
    const MOST: u64 = 24 << 20;
    let folder = with_ann("deliver-large");
    let server = Server::start(&folder, PLAIN, &[]);
    let mut client = server.sign_in("ann", "pw");
    client.command("b SELECT INBOX");
    let before = server.resident();
    let mut child = Command::new("prlimit")
        .arg(format!("--data={MOST}"))
        .args([env!("CARGO_BIN_EXE_pillarbox"), "deliver", "--account=ann"])
        .args(["--config", &folder.config()])
        .stdin(Stdio::piped())
        .spawn()
        .expect("prlimit (util-linux) is there");
    let mut stdin = child.stdin.take().expect("a pipe");
    let line = format!("{}\r\n", "x".repeat(1022));
    let lines = line.repeat(1024);
    stdin.write_all(b"A: b\r\n\r\n").expect("it reads");
    for _ in 0..SIZE / lines.len() {
        stdin.write_all(lines.as_bytes()).expect("it reads");
    }
    drop(stdin);
    let began = Instant::now();
    let mut most = 0;
    let code = loop {
        most = most.max(server.resident());
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            break status.code();
        }
        assert!(began.elapsed() < DEADLINE, "it does not end");
    };
    assert_eq!(code, Some(0));
    let grown = most.saturating_sub(before);
    assert!(grown < MOST, "the server grew by {grown} octets");
    let size = SIZE / lines.len() * lines.len() + 8;
    client.command("b NOOP");
    let said = client.command("c FETCH 1 RFC822.SIZE");
    assert!(said.contains(&format!("RFC822.SIZE {size}")), "{said}");
    server.terminate();
}

#[test]
fn what_was_taken_survives_a_death_in_the_middle() {
    on_each_runtime(|runtime| {
        let folder = with_ann(&format!("deliver-kill-{runtime}"));
        for round in 0..3 {
            let server = Server::start(&folder, PLAIN, &["--runtime", runtime]);
            let taken = AtomicUsize::new(0);
            let subjects: Vec<String> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..4)
                    .map(|thread| {
                        let (folder, taken) = (&folder, &taken);
                        scope.spawn(move || pour(folder, taken, &format!("{round}-{thread}")))
                    })
                    .collect();
                let began = Instant::now();
                while taken.load(Ordering::Relaxed) < 12 {
                    assert!(began.elapsed() < DEADLINE, "nothing is taken");
                    std::thread::yield_now();
                }
                kill_process(server.pid(), Signal::KILL).expect("it is there");
                taken.store(usize::MAX / 2, Ordering::Relaxed);
                let joined = threads.into_iter().flat_map(|t| t.join().expect("a list"));
                joined.collect()
            });
            drop(server);
            let server = Server::start(&folder, PLAIN, &["--runtime", runtime]);
            let mut client = server.sign_in("ann", "pw");
            client.command("b SELECT INBOX");
            let said = client.command("c FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT)]");
            for subject in &subjects {
                let line = format!("Subject: {subject}\r\n");
                assert_eq!(said.matches(&line).count(), 1, "{subject} of {subjects:?}");
            }
            server.terminate();
        }
        let (_, verified, _) = pillarbox(
            &[
                "store",
                "verify",
                &folder.path().join("store").to_string_lossy(),
            ],
            "",
        );
        assert!(
            verified.contains("problems: 0") || !verified.contains("problems"),
            "{verified}"
        );
    });
}

/// Delivers one message after the other until the server is gone; those that were taken.
fn pour(folder: &Folder, taken: &AtomicUsize, name: &str) -> Vec<String> {
    let mut all = Vec::new();
    for number in 0.. {
        let subject = format!("{name}-{number}");
        let message = format!("Subject: {subject}\n\n{}\n", "x".repeat(number * 50_000));
        match deliver(folder, &["--account=ann"], &message).0 {
            0 => all.push(subject),
            code => assert_eq!(code, LATER, "it comes again"),
        }
        if taken.fetch_add(1, Ordering::Relaxed) > usize::MAX / 2 {
            break;
        }
    }
    all
}

/// Announces a message on the control socket, as any program may.
fn announce(folder: &Folder, line: &str) -> (UnixStream, String) {
    let socket = folder.path().join("store/control.sock");
    let mut stream = UnixStream::connect(socket).expect("the server listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    stream.write_all(line.as_bytes()).expect("the server reads");
    let mut answer = String::new();
    let mut reader = BufReader::new(&stream);
    reader.read_line(&mut answer).expect("an answer");
    (stream, answer)
}

fn rest(mut stream: UnixStream) -> String {
    let mut rest = String::new();
    stream.read_to_string(&mut rest).expect("the end");
    rest
}

#[test]
fn a_message_that_is_coming_in_is_waited_for_at_the_end() {
    on_each_runtime(|runtime| {
        let folder = with_ann(&format!("deliver-end-{runtime}"));
        let server = Server::start(&folder, PLAIN, &["--runtime", runtime]);
        let line = "pillarbox 1 deliver ann 8 inbox () INBOX\n";
        let (mut stream, answer) = announce(&folder, line);
        assert_eq!(answer, "go\n");
        stream.write_all(b"A: b").expect("the server reads");
        server.signal(Signal::TERM);
        let began = Instant::now();
        while announce(&folder, line).1 != "error 75 the server is stopping\n" {
            assert!(began.elapsed() < DEADLINE, "it does not stop");
        }
        stream.write_all(b"\r\n\r\n").expect("the server reads");
        assert_eq!(rest(stream), "ok\n");
        server.ends_well();
        let server = Server::start(&folder, PLAIN, &["--runtime", runtime]);
        let mut client = server.sign_in("ann", "pw");
        assert_eq!(messages(&mut client, "INBOX"), 1);
        server.terminate();
    });
}

#[test]
fn what_a_program_says_wrongly_harms_nobody() {
    let folder = with_ann("deliver-hostile");
    let server = Server::start(&folder, PLAIN, &[]);
    for (line, expected) in [
        ("pillarbox 1 deliver\n", "error "),
        ("pillarbox 1 deliver ann\n", "error 75 expected "),
        (
            "pillarbox 1 deliver ann 5 inbox () a//b\n",
            "error 75 expected ",
        ),
        ("pillarbox 1 deliver ann 0 inbox () INBOX\n", "error 65 "),
        (
            "pillarbox 1 deliver ann 18446744073709551615 inbox () INBOX\n",
            "error 65 ",
        ),
        ("pillarbox 1 deliver eve 5 inbox () INBOX\n", "error 67 "),
        ("pillarbox 2 deliver ann 5 inbox () INBOX\n", "error "),
        (
            &format!("pillarbox 1 deliver ann 5 inbox () {}\n", "x".repeat(3000)),
            "error ",
        ),
    ] {
        let (_, answer) = announce(&folder, line);
        assert!(answer.starts_with(expected), "{line}: {answer}");
    }
    let line = "pillarbox 1 deliver ann 100000000 inbox () INBOX\n";
    // More than may come at once, each with half a message.
    let mut open = Vec::new();
    for _ in 0..100 {
        let (mut stream, answer) = announce(&folder, line);
        assert_eq!(answer, "go\n");
        stream.write_all(&[b'x'; 1000]).expect("the server reads");
        open.push(stream);
    }
    let (_, answer) = announce(&folder, line);
    assert!(answer.starts_with("error 75 too many"), "{answer}");
    assert_eq!(names_listed(&folder), 1, "accounts are answered meanwhile");
    let (code, error) = deliver(&folder, &["--account=ann"], "A: b\n");
    assert!(code == LATER && error.contains("too many"), "{error}");
    drop(open);
    server.wait_for_lines(&["event=not_delivered", "account=ann"], 100);
    assert_eq!(deliver(&folder, &["--account=ann"], "A: b\n").0, 0);
    let mut client = server.sign_in("ann", "pw");
    assert_eq!(messages(&mut client, "INBOX"), 1);
    server.terminate();
}

fn names_listed(folder: &Folder) -> usize {
    folder.account(&["list"], "").lines().count()
}
