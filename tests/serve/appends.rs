//! Mail that comes in one small message after the other: it is answered in order, shown to others, and there after any end.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use rustix::process::Signal;

use super::harness::{Client, Folder, PLAIN, Server};
use super::on_each_runtime;
use super::signals::{TLS, certificate, connect_tls};

/// A message that says which one it is.
fn append(number: u32, mailbox: &str) -> String {
    let text = format!("Subject: x\r\n\r\nnumber {number} of {mailbox}.\r\n");
    format!(
        "c{number} APPEND {mailbox} {{{}+}}\r\n{text}\r\n",
        text.len()
    )
}

/// The UID that an answer to it tells.
fn uid(answer: &str) -> u32 {
    let told = answer.split_once("[APPENDUID ").map(|(_, told)| told);
    let told = told.and_then(|told| told.split_once(']'));
    let told = told.and_then(|(told, _)| told.split_once(' '));
    let (_, uid) = told.unwrap_or_else(|| panic!("{answer:?} tells no UID"));
    uid.parse().expect("a number")
}

const MANY: u32 = 200;

/// One client appends, and looks at some of it at once; the other idles.
fn seen_by_both<S: Read + Write>(mut one: Client<S>, mut other: Client<S>) {
    for client in [&mut one, &mut other] {
        client.line();
        client.command("a LOGIN ann pw");
        client.command("b SELECT INBOX");
    }
    other.send("i IDLE\r\n");
    other.until("+ ");
    for number in 1..=MANY {
        one.send(&append(number, "INBOX"));
        let said = one.until(&format!("c{number} "));
        let answer = said.lines().last().expect("there is one");
        assert_eq!(uid(answer), number, "{said}");
        // Between them are many that nobody asks for.
        if number % 20 == 0 {
            let said = one.command(&format!("f UID FETCH {number} (UID BODY.PEEK[TEXT])"));
            let text = format!("number {number} of INBOX.");
            assert!(said.contains(&text), "{said}");
        }
    }
    other.until(&format!("* {MANY} EXISTS"));
    other.send("DONE\r\n");
    other.until("i OK ");
    let said = other.command("f UID FETCH 1:* (UID BODY.PEEK[TEXT])");
    for number in 1..=MANY {
        let text = format!("number {number} of INBOX.");
        assert_eq!(said.matches(&text).count(), 1, "{said}");
    }
}

#[test]
fn small_messages_are_seen_by_who_appends_them_and_by_who_idles() {
    on_each_runtime(|runtime| {
        for tls in [false, true] {
            let folder = Folder::new(&format!("appends-{runtime}-{tls}"));
            let (chain, key) = certificate();
            folder.write("cert.pem", &chain);
            folder.write("key.pem", &key);
            let config = if tls { TLS } else { PLAIN };
            folder.write("pillarbox.toml", config);
            folder.account(&["add", "ann"], "pw\n");
            let server = Server::start(&folder, config, &["--runtime", runtime]);
            if tls {
                let connect = || connect_tls(&server, 0, &chain);
                seen_by_both(connect(), connect());
            } else {
                seen_by_both(server.connect(0), server.connect(0));
            }
            server.terminate();
        }
    });
}

#[test]
fn small_messages_at_once_are_answered_in_order_and_others_between_them() {
    on_each_runtime(|runtime| {
        let folder = Folder::new(&format!("at-once-appends-{runtime}"));
        folder.write("pillarbox.toml", PLAIN);
        folder.account(&["add", "ann"], "pw\n");
        let server = Server::start(&folder, PLAIN, &["--runtime", runtime]);
        let mut one = server.sign_in("ann", "pw");
        let mut other = server.sign_in("ann", "pw");
        let all: String = (1..=MANY).map(|number| append(number, "INBOX")).collect();
        one.send(&all);
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut answered = 0;
                while !is_over.load(Ordering::SeqCst) || answered == 0 {
                    assert!(other.command("n NOOP").contains("n OK "));
                    answered += 1;
                }
                println!("{runtime}: {answered} between {MANY}");
            });
            for number in 1..=MANY {
                let answer = one.until_one_of(&["c"]);
                assert!(answer.starts_with(&format!("c{number} OK ")), "{answer}");
                assert_eq!(uid(&answer), number);
            }
            is_over.store(true, Ordering::SeqCst);
        });
        server.terminate();
    });
}

/// Appends until the server hangs up; the UIDs that it heard of, each the next message's.
fn pour(server: &Server, mailbox: &str, heard: &mpsc::Sender<()>) -> Vec<u32> {
    let mut client = server.sign_in("ann", "pw");
    let mut uids = Vec::new();
    for number in 1.. {
        client.try_send(&append(number, mailbox));
        let Some(answer) = client.until_or_end(&format!("c{number} OK ")) else {
            break;
        };
        uids.push(uid(&answer));
        let _ = heard.send(());
    }
    uids
}

#[test]
fn small_messages_that_were_answered_are_there_after_any_end() {
    const MAILBOXES: [&str; 2] = ["INBOX", "Other"];
    on_each_runtime(|runtime| {
        for signal in [Signal::TERM, Signal::KILL] {
            let folder = Folder::new(&format!("poured-{runtime}-{signal:?}"));
            folder.write("pillarbox.toml", PLAIN);
            folder.account(&["add", "ann"], "pw\n");
            let server = Server::start(&folder, PLAIN, &["--runtime", runtime]);
            server.sign_in("ann", "pw").command("b CREATE Other");
            let (sender, heard) = mpsc::channel();
            let poured = std::thread::scope(|scope| {
                let pour = |mailbox| {
                    let (server, sender) = (&server, sender.clone());
                    scope.spawn(move || pour(server, mailbox, &sender))
                };
                let pouring = MAILBOXES.map(pour);
                for _ in 0..2 * MANY {
                    heard.recv().expect("they go on");
                }
                server.signal(signal);
                pouring.map(|thread| thread.join().expect("it does not panic"))
            });
            if signal == Signal::TERM {
                server.ends_well();
            } else {
                assert_eq!(server.exit_code(), -1, "a signal ended it");
            }
            let server = Server::start(&folder, PLAIN, &["--runtime", runtime]);
            let mut client = server.sign_in("ann", "pw");
            for (mailbox, uids) in MAILBOXES.into_iter().zip(poured) {
                client.command(&format!("b SELECT {mailbox}"));
                let said = client.command("f UID FETCH 1:* (UID BODY.PEEK[TEXT])");
                let rows: Vec<&str> = said.split("\r\n* ").collect();
                for (number, uid) in (1..).zip(uids) {
                    let text = format!("number {number} of {mailbox}.");
                    let is_it = |row: &&&str| row.contains(&format!("(UID {uid} "));
                    let row = rows.iter().find(is_it);
                    let row = row.unwrap_or_else(|| panic!("{uid} is not there: {said}"));
                    assert!(row.contains(&text), "{row}");
                }
            }
            server.terminate();
        }
    });
}
