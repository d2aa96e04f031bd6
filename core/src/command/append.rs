//! APPEND and MULTIAPPEND (RFC 9051 §6.3.12, RFC 3502): each message is a stream the store agreed to before the client was asked for it.

use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;
use bytes::Bytes;

use crate::ast::AppendMessage;
use crate::command::mailboxes::differs;
use crate::command::{list, name, reply, skip};
use crate::effect::{
    Committed, NewMessage, Outcome, UploadAbort, UploadBegin, UploadChunk, UploadCommit,
};
use crate::id::UploadId;
use crate::mailbox::MailboxName;
use crate::parse::{self, Context};
use crate::response::Code;
use crate::session::{CloseReason, Done, Input, Session, Step, Task, bad};
use crate::wire::announce::Literal;
use crate::wire::frame::Frame;

/// One APPEND: messages so far, and the one that is coming.
#[derive(Debug)]
struct Append {
    name: MailboxName,
    /// The name as it was sent, where it is not in its normal form.
    old_name: Option<Bytes>,
    messages: Vec<NewMessage>,
    coming: Option<(AppendMessage, Literal)>,
    at: At,
    /// Set when the command failed: uploads are given up, then this is the answer.
    failure: Option<Done>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum At {
    Beginning,
    Streaming,
    Writing,
    Between,
    Committing,
    Aborting,
}

/// The piece before the first message literal was framed.
pub(crate) fn begin(s: &mut Session, piece: &Bytes, literal: Literal) -> Box<dyn Task> {
    if s.account.is_none() {
        return refuse(s, literal, Done::bad("Sign in first"));
    }
    let limits = s.config.limits.clone();
    let cx = Context {
        limits: &limits,
        authenticated: true,
    };
    let (mailbox, message) = match parse::parse_append_head(piece, &cx) {
        Ok(head) => head,
        Err(error) => return refuse(s, literal, bad(&error)),
    };
    let name = match name(s, &mailbox) {
        Ok(name) => name,
        Err(done) => return refuse(s, literal, done),
    };
    let old_name = differs(s, &mailbox, &name).then_some(mailbox);
    let mut append = Append {
        name,
        old_name,
        messages: Vec::new(),
        coming: None,
        at: At::Beginning,
        failure: None,
    };
    match append.announce(s, message, literal) {
        Ok(()) => Box::new(append),
        Err(done) => refuse(s, literal, done),
    }
}

/// Answers without the literal: it is dropped if it comes unasked, and the session ends if it is beyond all bounds (RFC 7888 §4).
fn refuse(s: &mut Session, literal: Literal, done: Done) -> Box<dyn Task> {
    if literal.synchronizing {
        s.tell_nothing();
        return Box::new(Now(Some(done)));
    }
    if literal.size > s.bounds().swallow {
        return Box::new(Now(Some(done.closing(CloseReason::TooBig))));
    }
    s.input_skip(literal.size);
    skip::then(done)
}

/// An answer that needs nothing.
#[derive(Debug)]
struct Now(Option<Done>);

impl Task for Now {
    fn step(&mut self, _s: &mut Session, _input: Input) -> Step {
        self.0.take().map_or(Step::Gone, Step::Done)
    }
}

impl Append {
    fn announce(
        &mut self,
        s: &mut Session,
        message: AppendMessage,
        literal: Literal,
    ) -> Result<(), Done> {
        if self.messages.len() >= s.config.limits.append_messages {
            return Err(Done::no("[LIMIT] One APPEND has too many messages"));
        }
        if literal.size == 0 {
            return Err(Done::no(
                "[CANNOT] A message of no octets cancels the APPEND (RFC 3502)",
            ));
        }
        let limit = s.config.limits.append;
        if literal.size > limit {
            return Err(Done::no(format!(
                "[TOOBIG] A message may have at most {limit} octets"
            )));
        }
        let begin = UploadBegin {
            actor: s.actor(),
            name: self.name.clone(),
            size: literal.size,
        };
        self.coming = Some((message, literal));
        self.at = At::Beginning;
        let _ = s.ask(begin);
        Ok(())
    }

    fn begun(&mut self, s: &mut Session, upload: UploadId) -> Step {
        let Some((AppendMessage { flags, date }, literal)) = self.coming.take() else {
            return self.fail(s, Done::no("[SERVERBUG] No message was announced"));
        };
        self.messages.push(NewMessage {
            upload,
            flags,
            internal_date: date,
        });
        if literal.synchronizing {
            s.out.put(b"+ Send the message\r\n");
        }
        s.input_stream(literal.size);
        self.at = At::Streaming;
        Step::Again
    }

    /// Gives every upload up, one by one, then answers.
    fn fail(&mut self, s: &mut Session, done: Done) -> Step {
        self.failure.get_or_insert(done);
        self.at = At::Aborting;
        match self.messages.pop() {
            Some(message) => s.ask(UploadAbort {
                upload: message.upload,
            }),
            None => self.failure.take().map_or(Step::Gone, Step::Done),
        }
    }

    /// Fails while a literal or the rest of the command is still to come.
    fn fail_and_skip(&mut self, s: &mut Session, literal: Option<Literal>, done: Done) -> Step {
        let mut uploads = self.uploads();
        let task = match literal {
            Some(literal) => refuse(s, literal, done),
            None => {
                s.input_skip_stream();
                skip::then(done)
            }
        };
        match uploads.pop() {
            Some(first) => {
                let _ = s.ask(first);
                Step::Become(Box::new(Aborts {
                    uploads,
                    then: Some(task),
                }))
            }
            None => Step::Become(task),
        }
    }

    /// Every upload begun and not committed, to be given up.
    fn uploads(&mut self) -> Vec<UploadAbort> {
        let messages = self.messages.drain(..);
        messages.map(|m| UploadAbort { upload: m.upload }).collect()
    }

    fn chunk(&mut self, s: &mut Session, data: Bytes) -> Step {
        let Some(upload) = self.messages.last().map(|m| m.upload) else {
            return self.fail_and_skip(s, None, Done::no("[SERVERBUG] No upload was begun"));
        };
        self.at = At::Writing;
        s.ask(UploadChunk { upload, data })
    }

    fn next_piece(&mut self, s: &mut Session, frame: Frame) -> Step {
        let limits = s.config.limits.clone();
        let cx = Context {
            limits: &limits,
            authenticated: true,
        };
        match frame {
            Frame::Line(line) => match parse::parse_append_end(&line, &cx) {
                Ok(()) => self.commit(s),
                Err(error) => self.fail(s, bad(&error)),
            },
            Frame::Append(piece, literal) => match parse::parse_append_next(&piece, &cx) {
                Ok(message) => match self.announce(s, message, literal) {
                    Ok(()) => Step::Wait,
                    Err(done) => self.fail_and_skip(s, Some(literal), done),
                },
                Err(error) => self.fail_and_skip(s, Some(literal), bad(&error)),
            },
            Frame::Continue => {
                s.out.put(b"+ Go on\r\n");
                Step::Again
            }
            Frame::Refused(..) => self.fail(s, Done::bad("[TOOBIG] The command is too long")),
            Frame::Lost(..) => self.fail(
                s,
                Done::bad("[TOOBIG] The command is too long").closing(CloseReason::TooBig),
            ),
            Frame::Chunk(_) | Frame::ChunksEnd => Step::Again,
        }
    }

    fn commit(&mut self, s: &mut Session) -> Step {
        self.at = At::Committing;
        let messages = core::mem::take(&mut self.messages);
        s.ask(UploadCommit {
            actor: s.actor(),
            name: self.name.clone(),
            messages,
            now: s.now.unix,
        })
    }

    fn replied(&mut self, s: &mut Session, outcome: Outcome) -> Step {
        match self.at {
            At::Beginning => match reply::<UploadBegin>(outcome) {
                Ok(upload) => self.begun(s, upload),
                Err(error) => {
                    let done = s.failed_target("UploadBegin", &error);
                    let literal = self.coming.take().map(|(_, literal)| literal);
                    self.fail_and_skip(s, literal, done)
                }
            },
            At::Writing => match reply::<UploadChunk>(outcome) {
                Ok(()) => {
                    self.at = At::Streaming;
                    Step::Again
                }
                Err(error) => {
                    let done = s.failed("UploadChunk", &error);
                    self.fail_and_skip(s, None, done)
                }
            },
            At::Committing => match reply::<UploadCommit>(outcome) {
                Ok(committed) => self.committed(s, committed),
                Err(error) => Step::Done(s.failed_target("UploadCommit", &error)),
            },
            At::Aborting => self.fail(s, Done::no("[SERVERBUG] The append failed")),
            At::Streaming | At::Between => Step::Again,
        }
    }

    fn committed(&self, s: &mut Session, committed: Committed) -> Step {
        if let Some(old) = &self.old_name {
            list::write_renamed(&mut s.out, &self.name, old, false);
        }
        let selected = s.selected.as_mut();
        if let Some(selected) = selected.filter(|m| m.mailbox == committed.mailbox) {
            selected.doubt();
        }
        let code = Code::appended(committed.uid_validity, committed.uids);
        Step::Done(Done::ok("APPEND completed").with(Some(code)))
    }
}

impl Task for Append {
    fn wants_input(&self) -> bool {
        matches!(self.at, At::Streaming | At::Between)
    }

    fn wants_literals(&self) -> bool {
        true
    }

    fn abandon(&mut self, last: Option<Outcome>) -> Vec<UploadAbort> {
        let mut uploads = self.uploads();
        if let (At::Beginning, Some(last)) = (self.at, last) {
            let begun = reply::<UploadBegin>(last).ok();
            uploads.extend(begun.map(|upload| UploadAbort { upload }));
        }
        uploads
    }

    fn step(&mut self, s: &mut Session, input: Input) -> Step {
        match input {
            Input::Reply(outcome) => self.replied(s, outcome),
            Input::Frame(Frame::Chunk(data)) => self.chunk(s, data),
            Input::Frame(Frame::ChunksEnd) => {
                self.at = At::Between;
                Step::Again
            }
            Input::Frame(frame) => self.next_piece(s, frame),
            Input::Nothing => Step::Input,
        }
    }
}

/// Gives uploads up, then goes on.
#[derive(Debug)]
struct Aborts {
    uploads: Vec<UploadAbort>,
    then: Option<Box<dyn Task>>,
}

impl Task for Aborts {
    fn abandon(&mut self, _last: Option<Outcome>) -> Vec<UploadAbort> {
        core::mem::take(&mut self.uploads)
    }

    fn step(&mut self, s: &mut Session, _input: Input) -> Step {
        match (self.uploads.pop(), self.then.take()) {
            (Some(upload), then) => {
                self.then = then;
                s.ask(upload)
            }
            (None, Some(task)) => Step::Become(task),
            (None, None) => Step::Gone,
        }
    }
}
