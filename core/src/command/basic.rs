//! CAPABILITY, LOGOUT, ID, NAMESPACE, ENABLE, STARTTLS.

use alloc::boxed::Box;
use alloc::string::String;
use bytes::Bytes;

use crate::response;
use crate::session::{Action, CloseReason, Done, Input, Session, Step, Switch, Task};

/// Capabilities without a condition, in both states or only after login.
const ALWAYS: &[&str] = &["IMAP4rev1", "IMAP4rev2", "SASL-IR", "ID", "ENABLE"];
const SIGNED_IN: &[&str] = &[
    "LITERAL+",
    "IDLE",
    "NAMESPACE",
    "UNSELECT",
    "UIDPLUS",
    "MOVE",
    "CONDSTORE",
    "QRESYNC",
    "ESEARCH",
    "SEARCHRES",
    "LIST-EXTENDED",
    "LIST-STATUS",
    "CHILDREN",
    "SPECIAL-USE",
    "CREATE-SPECIAL-USE",
    "STATUS=SIZE",
    "BINARY",
    "OBJECTID",
    "SAVEDATE",
    "MULTIAPPEND",
];

impl Session {
    /// The capabilities of the present state (RFC 9051 §7.2.2).
    pub(crate) fn put_capabilities(&mut self) {
        for (i, name) in ALWAYS.iter().enumerate() {
            if i > 0 {
                self.out.put(b" ");
            }
            self.out.put_str(name);
        }
        if self.account.is_none() {
            self.out.put(b" LITERAL-");
            if self.config.starttls && self.peer.tls.is_none() {
                self.out.put(b" STARTTLS");
            }
            self.out.put_str(if self.may_log_in() {
                " AUTH=PLAIN"
            } else {
                " LOGINDISABLED"
            });
            return;
        }
        for name in SIGNED_IN {
            self.out.put(b" ");
            self.out.put_str(name);
        }
        self.out.put(b" APPENDLIMIT=");
        self.out.number(self.config.limits.append);
    }

    /// Whether a password may come in: under TLS, or where it was configured so.
    pub(crate) fn may_log_in(&self) -> bool {
        self.peer.tls.is_some() || self.config.plaintext_login
    }
}

pub(crate) fn capability(s: &mut Session) -> Step {
    s.out.put(b"* CAPABILITY ");
    s.put_capabilities();
    s.out.put(b"\r\n");
    Step::Done(Done::ok("CAPABILITY completed"))
}

pub(crate) fn logout(s: &mut Session) -> Step {
    s.out.put(b"* BYE Good-bye\r\n");
    Step::Done(Done::ok("LOGOUT completed").closing(CloseReason::Logout))
}

/// ID (RFC 2971): what the client says of itself is of no use here and is not kept.
pub(crate) fn id(s: &mut Session, _pairs: &[(Bytes, Option<Bytes>)]) -> Step {
    let name = s.config.name.clone();
    s.out.put(b"* ID (\"name\" ");
    s.out.string(name.as_bytes(), false);
    s.out.put(b")\r\n");
    Step::Done(Done::ok("ID completed"))
}

/// NAMESPACE (RFC 2342, RFC 9051 §6.3.10): one personal namespace.
pub(crate) fn namespace(s: &mut Session) -> Step {
    s.out.put(b"* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n");
    Step::Done(Done::ok("NAMESPACE completed"))
}

/// ENABLE (RFC 5161, RFC 9051 §6.3.1): unknown names are ignored; what is on already is not listed again.
pub(crate) fn enable(s: &mut Session, names: &[String]) -> Step {
    let mut listed = String::new();
    for name in names {
        let fresh = match name.as_str() {
            "IMAP4REV2" => !core::mem::replace(&mut s.enabled.rev2, true),
            "CONDSTORE" => s.enable_condstore(),
            "QRESYNC" => {
                s.enable_condstore();
                !core::mem::replace(&mut s.enabled.qresync, true)
            }
            _ => false,
        };
        if fresh {
            listed.push(' ');
            listed.push_str(if name == "IMAP4REV2" {
                "IMAP4rev2"
            } else {
                name
            });
        }
    }
    s.out.put(b"* ENABLED");
    s.out.put_str(&listed);
    s.out.put(b"\r\n");
    Step::Done(Done::ok("ENABLE completed"))
}

impl Session {
    /// Switches CONDSTORE on; with a mailbox selected the client is told where it stands (RFC 7162 §3.1). Says whether it was off.
    pub(crate) fn enable_condstore(&mut self) -> bool {
        let fresh = !core::mem::replace(&mut self.enabled.condstore, true);
        if let (true, Some(selected)) = (fresh, &self.selected) {
            response::ok_code(
                &mut self.out,
                format_args!("HIGHESTMODSEQ {}", selected.told.0),
                "CONDSTORE is on",
            );
        }
        fresh
    }
}

/// STARTTLS (RFC 9051 §6.2.1): reading stops in this very step; the layer comes when the answer is out.
pub(crate) fn start_tls(s: &mut Session) -> Step {
    if s.peer.tls.is_some() {
        return Step::Done(Done::bad("TLS is on already"));
    }
    if !s.config.starttls {
        return Step::Done(Done::bad("TLS is not to be had here"));
    }
    s.stop_reading();
    s.answer_now(Done::ok("Begin TLS now"));
    Step::Become(Box::new(StartTls { asked: false }))
}

#[derive(Debug)]
struct StartTls {
    asked: bool,
}

impl Task for StartTls {
    fn step(&mut self, s: &mut Session, _input: Input) -> Step {
        if self.asked {
            return Step::Gone;
        }
        if !s.out.is_empty() {
            return Step::Input;
        }
        self.asked = true;
        let residue = s.take_residue();
        s.switch(Action::Switch(Switch::StartTls { residue }));
        Step::Wait
    }
}
