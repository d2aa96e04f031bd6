//! Accounts: with the server stopped, while it runs, and from a file; and what a failed login costs.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::harness::{DEADLINE, Folder, PLAIN, Server, pillarbox};
use super::on_each_runtime;

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
fn nobody_writes_what_another_users_server_is_to_read() {
    let folder = Folder::new("owner");
    // Root gives its store away; who is not root has none to give, and takes root's folder.
    let store = match rustix::process::geteuid().is_root() {
        true => folder.path().join("store"),
        false => "/".into(),
    };
    if store != Path::new("/") {
        std::fs::create_dir_all(store.join("packs")).expect("a folder can be made");
        std::os::unix::fs::chown(&store, Some(4242), None).expect("root gives files away");
    }
    let store = store.to_str().expect("a name in UTF-8");
    let (code, _, error) = pillarbox(&["account", "--store", store, "add", "ann"], "pw\n");
    assert!(
        code == 1 && error.contains("run this as that user: sudo -u '#"),
        "{error}"
    );
    for (what, refused) in [
        ("rebuild", true),
        ("renumber", true),
        ("compact", true),
        ("verify", false),
    ] {
        let (code, _, error) = pillarbox(&["store", what, store], "");
        let owner = error.contains("run this as that user") || error.contains("there is no store");
        assert!(
            code == 1 && (owner == refused || store == "/"),
            "{what}: {error}"
        );
    }
    assert!(!Path::new(store).join("accounts.lock").exists());
}

#[test]
fn root_reaches_the_server_of_another_user() {
    if !rustix::process::geteuid().is_root() {
        return eprintln!("not root: nobody else reaches another user's server");
    }
    let folder = Folder::new("owner-runs");
    let server = Server::start(&folder, PLAIN, &[]);
    // As if it had been started by somebody else.
    let lock = folder.path().join("store/lock");
    std::os::unix::fs::chown(&lock, Some(4242), None).expect("root gives files away");
    folder.account(&["add", "ann"], "pw\n");
    server.sign_in("ann", "pw");
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
    on_each_runtime(|runtime| {
        let folder = Folder::new(&format!("file-{runtime}"));
        let line = |name: &str, password: &str| {
            let (code, out, _) = pillarbox(&["account", "hash"], &format!("{password}\n"));
            assert_eq!(code, 0);
            format!("{name}:{out}")
        };
        let (ann, eve) = (line("ann", "a"), line("eve", "e"));
        let bob = line("bob", "b");
        folder.write("users", &format!("# people\n{ann}{bob}{eve}"));
        let config = format!("{PLAIN}[accounts]\nsource = \"file\"\npath = \"users\"\n");
        let server = Server::start(&folder, &config, &["--runtime", runtime]);
        let mut ann_here = server.sign_in("ann", "a");
        let mut bob_here = server.sign_in("bob", "b");
        let mut eve_here = server.sign_in("eve", "e");
        // What is refused changes nothing.
        folder.write("users", "ann:plain\n");
        server.signal(Signal::HUP);
        server.wait_for_log(&["event=reload_refused", "what=accounts"]);
        server.wait_for_lines(&["event=reloaded"], 1);
        assert!(bob_here.command("x NOOP").contains("x OK "));
        server.sign_in("bob", "b");
        // Ann as before, behind a new one; Bob gone; Eve has another password.
        let (new, other) = (line("new", "n"), line("eve", "other"));
        folder.write("users", &format!("{new}{ann}{other}"));
        server.signal(Signal::HUP);
        let said = bob_here.line();
        assert!(said.starts_with("* BYE [CONTACTADMIN] "), "{said}");
        assert!(bob_here.is_closed());
        let said = eve_here.line();
        assert!(said.starts_with("* BYE [EXPIRED] "), "{said}");
        assert!(eve_here.is_closed());
        server.wait_for_lines(&["event=reloaded"], 2);
        server.wait_for_log(&["event=connection", "account=eve", "reason=password_changed"]);
        assert!(ann_here.command("y NOOP").contains("y OK "));
        server.sign_in("eve", "other");
        server.sign_in("new", "n");
        for old in ["bob b", "eve e"] {
            let mut client = server.connect(0);
            client.line();
            let said = client.command(&format!("a LOGIN {old}"));
            assert!(said.contains("a NO [AUTHENTICATIONFAILED] "), "{said}");
        }
        let (code, _, error) = folder.try_account(&["list"], "");
        assert_eq!(code, 1);
        assert!(error.contains("users"), "{error}");
        server.terminate();
    });
}

/// Signs in and counts what is in all mailboxes.
fn messages(server: &Server, user: &str, password: &str) -> usize {
    let mut client = server.sign_in(user, password);
    let said = client.command("s LIST \"\" * RETURN (STATUS (MESSAGES))");
    let counts = said.match_indices("(MESSAGES ").map(|(at, begin)| {
        let rest = &said[at + begin.len()..];
        let number = rest.split(')').next().expect("it ends");
        number.parse::<usize>().expect("a number")
    });
    counts.sum()
}

/// Signs in and stores a message in INBOX and one in another mailbox.
fn deliver(server: &Server, user: &str, password: &str) {
    let mut client = server.sign_in(user, password);
    client.command("c CREATE Work/Secret");
    client.command("d SUBSCRIBE Work/Secret");
    for name in ["INBOX", "Work/Secret"] {
        client.send(&format!(
            "e APPEND {name} (private) {{12+}}\r\nSubject: x\r\n\r\n"
        ));
        client.until("e OK ");
    }
}

#[test]
fn the_mail_of_a_removed_account_stays_and_no_other_gets_it_unless_told_so() {
    let folder = Folder::new("removed");
    folder.write("pillarbox.toml", PLAIN);
    folder.account(&["add", "ann"], "a\n");
    let server = Server::start(&folder, PLAIN, &[]);
    deliver(&server, "ann", "a");
    let old = id(&folder, "ann");
    let mut here = server.sign_in("ann", "a");
    let said = folder.account(&["remove", "ann"], "");
    assert_eq!(
        said,
        format!("ann is removed; its mail stays under the identity {old}\n")
    );
    assert!(here.line().starts_with("* BYE [CONTACTADMIN] "));
    assert!(here.is_closed());
    let mut client = server.connect(0);
    client.line();
    let said = client.command("a LOGIN ann a");
    assert!(said.contains("a NO [AUTHENTICATIONFAILED] "), "{said}");
    // Another ann.
    folder.account(&["add", "ann"], "other\n");
    assert_eq!(messages(&server, "ann", "other"), 0);
    let (code, _, error) =
        folder.try_account(&["purge", &id(&folder, "ann").to_string(), "--yes"], "");
    assert!(
        code == 1 && error.contains("remove the account first"),
        "{error}"
    );
    // The first one's mail again, in a name of its own, with the server stopped.
    server.terminate();
    let again = ["add", "old-ann", "--identity", &old.to_string()];
    folder.account(&again, "a\n");
    let (code, _, error) =
        folder.try_account(&["add", "eve", "--identity", &old.to_string()], "e\n");
    assert!(
        code == 1 && error.contains("no account that was removed"),
        "{error}"
    );
    let server = Server::start(&folder, PLAIN, &[]);
    assert_eq!(messages(&server, "old-ann", "a"), 2);
    assert_eq!(messages(&server, "ann", "other"), 0);
    server.terminate();
}

#[test]
fn a_purge_ends_the_sessions_and_deletes_the_mail_for_good() {
    on_each_runtime(|runtime| {
        let folder = Folder::new(&format!("purge-{runtime}"));
        folder.write("pillarbox.toml", PLAIN);
        folder.account(&["add", "ann"], "a\n");
        folder.account(&["add", "bob"], "b\n");
        let server = Server::start(&folder, PLAIN, &["--runtime", runtime]);
        deliver(&server, "ann", "a");
        deliver(&server, "bob", "b");
        let old = id(&folder, "ann").to_string();
        let mut here = server.sign_in("ann", "a");
        let (code, out, error) = folder.try_account(&["remove", "ann", "--purge"], "ann\n");
        assert_eq!((code, &*out), (1, ""));
        assert!(error.contains("say --yes"), "{error}");
        assert!(here.command("b NOOP").contains("b OK "), "nothing was done");
        let (code, ..) = folder.try_account(&["remove", "ann", "--yes"], "");
        assert_eq!(code, 2, "--yes is to what is asked");
        let said = folder.account(&["remove", "ann", "--purge", "--yes"], "");
        assert_eq!(said, "2 messages in 3 mailboxes are deleted\n");
        assert!(here.line().starts_with("* BYE [CONTACTADMIN] "));
        folder.account(&["add", "ann", "--identity", &old], "a\n");
        assert_eq!(messages(&server, "ann", "a"), 0);
        let mut client = server.sign_in("ann", "a");
        let said = client.command("b LIST (SUBSCRIBED) \"\" *");
        assert!(!said.contains("* LIST"), "{said}");
        let said = client.command("c SELECT INBOX");
        assert!(!said.contains("private"), "{said}");
        assert_eq!(messages(&server, "bob", "b"), 2);

        // The same in two steps, the second one with the server stopped.
        deliver(&server, "ann", "a");
        folder.account(&["remove", "ann"], "");
        server.terminate();
        let said = folder.account(&["purge", &old, "--yes"], "");
        assert_eq!(said, "2 messages in 3 mailboxes are deleted\n");
        let said = folder.account(&["remove", "bob", "--purge", "--yes"], "");
        assert_eq!(said, "2 messages in 3 mailboxes are deleted\n");
        let store = folder.path().join("store");
        let (code, ..) = pillarbox(&["store", "compact", &store.to_string_lossy()], "");
        assert_eq!(code, 0);
        let octets = std::fs::read_dir(store.join("packs")).expect("packs");
        for pack in octets {
            let octets = std::fs::read(pack.expect("a file").path()).expect("it is there");
            assert!(
                !octets.windows(10).any(|w| w == b"Subject: x"),
                "it is in the packs"
            );
        }
        assert_eq!(folder.account(&["list"], ""), "");
    });
}

#[test]
fn the_mail_of_a_name_taken_out_of_the_file_can_be_purged() {
    let folder = Folder::new("purge-file");
    let line = |name: &str| {
        let (code, out, _) = pillarbox(&["account", "hash"], "pw\n");
        assert_eq!(code, 0);
        format!("{name}:{out}")
    };
    let (ann, bob) = (line("ann"), line("bob"));
    folder.write("users", &format!("{ann}{bob}"));
    let config = format!("{PLAIN}[accounts]\nsource = \"file\"\npath = \"users\"\n");
    let server = Server::start(&folder, &config, &[]);
    deliver(&server, "ann", "pw");
    deliver(&server, "bob", "pw");
    let purge = |name: &str| folder.try_account(&["purge", name, "--yes"], "");
    let (code, _, error) = purge("ann");
    assert!(
        code == 1 && error.contains("take its line out first"),
        "{error}"
    );
    folder.write("users", &bob);
    server.signal(Signal::HUP);
    server.wait_for_lines(&["event=reloaded"], 1);
    let (code, out, error) = purge("ann");
    assert_eq!(
        (code, &*error, &*out),
        (0, "", "2 messages in 3 mailboxes are deleted\n")
    );
    server.terminate();
    let (code, _, error) = purge("bob");
    assert!(
        code == 1 && error.contains("take its line out first"),
        "{error}"
    );
    folder.write("users", &ann);
    let (code, out, error) = purge("bob");
    assert_eq!(
        (code, &*error, &*out),
        (0, "", "2 messages in 3 mailboxes are deleted\n")
    );
    folder.write("users", &format!("{ann}{bob}"));
    let server = Server::start(&folder, &config, &[]);
    assert_eq!(messages(&server, "ann", "pw"), 0);
    assert_eq!(messages(&server, "bob", "pw"), 0);
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
    // The end of the server does not wait for the answer to this one, which would come after eight seconds.
    guess.send("a LOGIN ann wrong\r\n");
    server.terminate();
    let said = guess.rest();
    assert!(
        said.starts_with("* BYE ") && !said.contains("a NO"),
        "{said}"
    );
}
