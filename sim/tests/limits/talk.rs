//! A session whose limits are set, and another one that must never notice.

use pillarbox_core::limits::Limits;
use pillarbox_core::session::CloseReason;
use pillarbox_sim::{Chunking, Host, Options};

/// A host with these bounds, a bystander signed in as `B`, and `A` greeted.
pub(crate) struct Talk {
    pub(crate) host: Host,
    pub(crate) chunking: Chunking,
}

impl Talk {
    pub(crate) fn new(set: impl FnOnce(&mut Limits)) -> Self {
        let mut options = Options::default();
        set(&mut options.limits);
        let mut talk = Self {
            host: Host::new(&options),
            chunking: Chunking::Whole,
        };
        talk.host.take_output("A");
        talk
    }

    pub(crate) fn signed_in(set: impl FnOnce(&mut Limits)) -> Self {
        let mut talk = Self::new(set);
        talk.says("l LOGIN tim pw", "l OK");
        talk
    }

    pub(crate) fn selected(set: impl FnOnce(&mut Limits), messages: usize) -> Self {
        let mut talk = Self::signed_in(set);
        for n in 0..messages {
            let message = format!("Subject: {n}\r\n\r\n{}\r\n", "x".repeat(100));
            talk.says(
                &format!("p APPEND INBOX {{{}+}}\r\n{message}", message.len()),
                "p OK",
            );
        }
        let answer = talk.ask("s SELECT INBOX");
        assert!(answer.contains("s OK"), "{answer}");
        talk
    }

    pub(crate) fn ask(&mut self, line: &str) -> String {
        let octets = format!("{line}\r\n");
        self.host.send("A", octets.as_bytes(), self.chunking);
        String::from_utf8_lossy(&self.host.take_output("A")).into_owned()
    }

    /// The answer begins so.
    pub(crate) fn says(&mut self, line: &str, answer: &str) {
        let said = self.ask(line);
        let shown: String = line.chars().take(80).collect();
        assert!(
            said.starts_with(answer),
            "to {shown:?}: {said:?}, not {answer:?}"
        );
    }

    /// The session lives, and answers in step.
    pub(crate) fn lives(&mut self) {
        self.says("alive NOOP", "alive OK");
        assert_eq!(self.host.close_reason("A"), None);
    }

    pub(crate) fn ended(&mut self, reason: CloseReason) {
        assert_eq!(self.host.close_reason("A"), Some(reason));
        self.bystander();
    }

    /// Another session of this host is served.
    pub(crate) fn bystander(&mut self) {
        self.host.send("B", b"a NOOP\r\n", Chunking::Whole);
        let said = String::from_utf8_lossy(&self.host.take_output("B")).into_owned();
        assert!(said.contains("a OK"), "the other session: {said:?}");
    }
}

/// Runs a case with octets in one piece and one by one.
pub(crate) fn both_ways(make: impl Fn() -> Talk, case: impl Fn(Talk)) {
    for chunking in [Chunking::Whole, Chunking::Octets, Chunking::AtCrLf] {
        let mut talk = make();
        talk.chunking = chunking;
        case(talk);
    }
}

/// `start`, filled up to `size` octets.
pub(crate) fn filled(start: &str, size: usize) -> String {
    format!("{start}{}", "x".repeat(size - start.len()))
}
