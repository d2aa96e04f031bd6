//! Accounts: with the server stopped, while it runs, and from a file; and what a failed login costs.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::harness::{DEADLINE, Folder, PLAIN, Server, pillarbox};

fn names(folder: &Folder) -> Vec<(String, String)> {
    let list = folder.account(&["list"], "");
    let rows = list.lines().map(|line| {
        let mut words = line.split(' ').skip(1).map(str::to_owned);
        let state = words.next().expect("a state");
        (words.next().expect("a name"), state)
    });
    rows.collect()
}

fn id(folder: &Folder, name: &str) -> u64 {
    let list = folder.account(&["list"], "");
    let row = list
        .lines()
        .find(|line| line.ends_with(&format!(" {name}")));
    let id = row.and_then(|line| line.split(' ').next());
    id.expect("it is listed").parse().expect("a number")
}

#[test]
fn accounts_change_with_the_server_stopped_and_while_it_runs() {
    let folder = Folder::new("accounts");
    folder.write("pillarbox.toml", PLAIN);
    folder.account(&["add", "ann"], "first\n");
    let (code, _, error) = folder.try_account(&["add", "ann"], "other\n");
    assert_eq!(
        (code, &*error),
        (1, "pillarbox: there is an account ann already\n")
    );
    let server = Server::start(&folder, PLAIN, &[]);
    let mut ann = server.sign_in("ann", "first");

    // Through the running server.
    let (code, _, error) = folder.try_account(&["add", "ann"], "other\n");
    assert_eq!(
        (code, &*error),
        (1, "pillarbox: there is an account ann already\n")
    );
    folder.account(&["add", "bob"], "pw\n");
    folder.account(&["passwd", "ann"], "second\n");
    let mut bob = server.sign_in("bob", "pw");
    let said = ann.line();
    assert!(said.starts_with("* BYE [EXPIRED] "), "{said}");
    assert!(ann.is_closed());
    server.wait_for_log(&["event=connection", "account=ann", "reason=password_changed"]);
    let mut ann = server.sign_in("ann", "second");
    ann.command("c SELECT INBOX");
    ann.send("d IDLE\r\n");
    ann.until("+ ");
    folder.account(&["disable", "ann"], "");
    let said = ann.line();
    assert!(said.starts_with("* BYE [CONTACTADMIN] "), "{said}");
    assert!(ann.is_closed());
    server.wait_for_log(&["event=connection", "account=ann", "reason=account_disabled"]);
    let mut again = server.connect(0);
    let said = again.command("a LOGIN ann second");
    assert!(said.contains("a NO [CONTACTADMIN] "), "{said}");
    server.wait_for_log(&["event=login_failed", "user=ann", "reason=disabled"]);
    let state = |name: &str, state: &str| (name.to_owned(), state.to_owned());
    assert_eq!(
        names(&folder),
        [state("ann", "disabled"), state("bob", "enabled")]
    );
    folder.account(&["enable", "ann"], "");
    server.sign_in("ann", "second");
    let old = id(&folder, "bob");
    folder.account(&["remove", "bob"], "");
    assert!(bob.line().starts_with("* BYE "));
    folder.account(&["add", "bob"], "pw\n");
    assert!(id(&folder, "bob") > old, "an identity is never given again");
    let (code, _, error) = folder.try_account(&["disable", "eve"], "");
    assert_eq!((code, &*error), (1, "pillarbox: there is no account eve\n"));

    let socket = folder.path().join("store/control.sock");
    let mode = std::fs::metadata(&socket)
        .expect("the socket is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    server.terminate();
    assert!(!socket.exists());
    assert_eq!(
        names(&folder),
        [state("ann", "enabled"), state("bob", "enabled")]
    );
    let server = Server::start(&folder, PLAIN, &[]);
    server.sign_in("ann", "second");
    server.sign_in("bob", "pw");
    server.terminate();
}

#[test]
fn passwords_are_never_arguments_nor_empty() {
    let folder = Folder::new("argv");
    folder.write("pillarbox.toml", PLAIN);
    let (code, ..) = folder.try_account(&["add", "ann", "secret"], "");
    assert_eq!(code, 2);
    for (input, said) in [
        ("\n", "the password is empty"),
        ("", "the password is empty"),
        (&*"x".repeat(1025), "longer than 1024"),
    ] {
        let (code, _, error) = folder.try_account(&["add", "ann"], input);
        assert_eq!(code, 1);
        assert!(error.contains(said), "{error}");
    }
    let (code, _, error) = folder.try_account(&["list"], "");
    assert_eq!(code, 1);
    assert!(
        error.contains("there is no store in"),
        "nothing was made: {error}"
    );
    folder.account(&["add", "ann"], &"x".repeat(1024));
    assert!(folder.account(&["list"], "").ends_with(" enabled ann\n"));
}

#[test]
fn the_control_socket_survives_those_who_misuse_it() {
    let folder = Folder::new("control");
    let server = Server::start(&folder, PLAIN, &[]);
    let say = |octets: &[u8]| {
        let path = folder.path().join("store/control.sock");
        let mut stream = UnixStream::connect(path).expect("the server listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        // It may answer and close before all was written.
        let _ = stream.write_all(octets);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut line = String::new();
        // A reset after the answer is as good.
        let _ = BufReader::new(stream).read_line(&mut line);
        line
    };
    say(b"");
    say(&[0xff; 100]);
    say(&b"x".repeat(1 << 20));
    assert!(say(b"list\n").starts_with("error "));
    assert!(say(b"pillarbox 2 list\n").starts_with("error this server speaks pillarbox 1"));
    assert!(say(b"pillarbox 1 add ann plain\n").starts_with("error expected"));
    assert_eq!(say(b"pillarbox 1 list\n"), "ok\n");
    server.terminate();
}

#[test]
fn accounts_from_a_file_are_read_again_at_sighup() {
    let folder = Folder::new("file");
    let hash = |password: &str| {
        let (code, out, _) = pillarbox(&["account", "hash"], password);
        assert_eq!(code, 0);
        out
    };
    let ann = format!("ann:{}", hash("a\n"));
    folder.write("users", &format!("# people\n{ann}bob:{}", hash("b\n")));
    let config = format!("{PLAIN}[accounts]\nsource = \"file\"\npath = \"users\"\n");
    let server = Server::start(&folder, &config, &[]);
    let mut ann_here = server.sign_in("ann", "a");
    let mut bob_here = server.sign_in("bob", "b");
    folder.write("users", "ann:plain\n");
    server.signal(Signal::HUP);
    server.wait_for_log(&["event=reload_refused", "what=accounts"]);
    server.wait_for_lines(&["event=reloaded"], 1);
    server.sign_in("bob", "b");
    folder.write("users", &ann);
    server.signal(Signal::HUP);
    assert!(bob_here.line().starts_with("* BYE [CONTACTADMIN] "));
    assert!(ann_here.command("x NOOP").contains("x OK "));
    let (code, _, error) = folder.try_account(&["list"], "");
    assert_eq!(code, 1);
    assert!(error.contains("users"), "{error}");
    server.terminate();
}

#[cfg(target_os = "linux")]
#[test]
fn a_burst_of_sign_ins_holds_the_memory_of_two_hashes() {
    let folder = Folder::new("burst");
    folder.write("pillarbox.toml", PLAIN);
    folder.account(&["add", "ann"], "right\n");
    let server = Server::start(&folder, PLAIN, &[]);
    let mut clients: Vec<_> = (0..40).map(|_| server.connect(0)).collect();
    for client in &mut clients {
        client.send("a LOGIN ann right\r\n");
    }
    for client in &mut clients {
        client.until("a OK ");
    }
    let resident = server.resident();
    assert!(resident < 128 << 20, "{resident} octets are resident");
    server.terminate();
}

#[test]
fn a_failed_login_costs_time_and_holds_up_nobody_else() {
    let folder = Folder::new("failed");
    folder.write("pillarbox.toml", PLAIN);
    folder.account(&["add", "ann"], "right\n");
    let server = Server::start(&folder, PLAIN, &[]);
    let mut other = server.sign_in("ann", "right");
    let mut guess = server.connect(0);
    guess.line();
    let began = Instant::now();
    guess.send("a LOGIN eve wrong\r\n");
    assert!(other.command("b NOOP").contains("b OK "));
    let unknown = guess.line();
    assert!(
        began.elapsed() >= Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
    let began = Instant::now();
    let wrong = guess.command("a AUTHENTICATE PLAIN AGFubgB3cm9uZw==");
    assert!(
        began.elapsed() >= Duration::from_secs(4),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(
        wrong, unknown,
        "an unknown user and a wrong password are told the same"
    );
    assert!(wrong.starts_with("a NO [AUTHENTICATIONFAILED] "), "{wrong}");
    // The end of the server does not wait for the answer to this one.
    guess.send("a LOGIN ann wrong\r\n");
    let began = Instant::now();
    server.terminate();
    assert!(
        began.elapsed() < Duration::from_secs(4),
        "{:?}",
        began.elapsed()
    );
}
