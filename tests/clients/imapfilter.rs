//! imapfilter: a program in Lua that searches, marks, copies, moves and removes; mailboxes are made where the server says TRYCREATE.

use crate::demo::{command, ended_well, text};
use crate::served::Served;

const PROGRAM: &str = r#"
options.timeout = 100
options.create = true
account = IMAP { server = 'localhost', port = PORT, username = 'user', password = 'pass', ssl = 'auto' }
local inbox = account.INBOX
inbox:contain_from('Müller 7'):move_messages(account['Archive/Seven & more'])
inbox:match_subject('^Re: '):copy_messages(account['Lists'])
local big = inbox:is_unseen() * inbox:is_larger(4000)
big:add_flags({ 'Big', '\\Flagged' })
inbox:has_keyword('Big'):move_messages(account['Grüße'])
inbox:contain_field('Message-ID', '<3@example.org>'):delete_messages()
print(#inbox:select_all(), #account['Grüße']:is_flagged(), #account['Lists']:select_all(), #account['Archive/Seven & more']:select_all())
"#;

fn imapfilter_on(runtime: &str) {
    let served = Served::start("imapfilter", runtime);
    served.fill(1..31);
    let folder = &served.folder;
    let program = folder.join("program.lua");
    std::fs::write(&program, PROGRAM.replace("PORT", &served.port))
        .expect("the folder can be written");
    let line = ["imapfilter", "-c", &program, "-t", &served.certificate];
    let mut imapfilter = command(&line);
    let output = imapfilter.env("IMAPFILTER_HOME", folder.path());
    let said = text(&ended_well(&line, output.output()));
    assert!(said.ends_with("23\t5\t2\t1\n"), "{said}");
    served.ends_well(&[
        r#"UID COPY 7 "Archive/Seven &- more": NO [TRYCREATE]"#,
        r#"UID COPY 6,20 "Lists": NO [TRYCREATE]"#,
        r#"UID COPY 10,14:15,21,28 "Gr&APwA3w-e": NO [TRYCREATE]"#,
    ]);
}

#[test]
fn imapfilter_on_tokio() {
    imapfilter_on("tokio");
}

#[cfg(feature = "runtime-smol")]
#[test]
fn imapfilter_on_smol() {
    imapfilter_on("smol");
}
