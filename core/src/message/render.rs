//! BODY and BODYSTRUCTURE in wire form (RFC 9051 §7.5.2), on a stack of its own.

use alloc::vec::Vec;

use super::quote::number;
use super::structure::{Entry, Kind, Structure, Word};

/// What is still to be written.
enum Todo {
    Part(usize),
    /// What follows a part's children.
    Close(usize),
}

impl Structure {
    /// BODYSTRUCTURE.
    #[must_use]
    pub fn body_structure(&self) -> Vec<u8> {
        self.render(true)
    }

    /// BODY: without extension data.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        self.render(false)
    }

    fn render(&self, extended: bool) -> Vec<u8> {
        let words = self.parts.iter().map(|part| part.words.len());
        let mut out = Vec::with_capacity(words.map(|octets| octets + 32).sum());
        let mut todo = alloc::vec![Todo::Part(0)];
        while let Some(next) = todo.pop() {
            match next {
                Todo::Part(at) => {
                    let Some(part) = self.parts.get(at) else {
                        continue;
                    };
                    out.push(b'(');
                    if part.kind != Kind::Multipart {
                        put_basic(&mut out, part);
                    }
                    let children = self.children(at);
                    if part.kind == Kind::Message {
                        let inner = children.first().map(|c| &self.parts[*c as usize]);
                        put_envelope(&mut out, inner, extended);
                    }
                    todo.push(Todo::Close(at));
                    todo.extend(children.iter().rev().map(|c| Todo::Part(*c as usize)));
                }
                Todo::Close(at) => put_end(&mut out, &self.parts[at], extended),
            }
        }
        out
    }
}

/// The envelope of the message within; one that was not looked into still has an envelope and a body, as the grammar wants (`body-type-msg`).
fn put_envelope(out: &mut Vec<u8>, inner: Option<&Entry>, extended: bool) {
    out.push(b' ');
    match inner {
        Some(inner) => out.extend_from_slice(&inner.words[Word::Envelope]),
        None => {
            out.extend_from_slice(b"(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) ");
            out.extend_from_slice(
                b"(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0",
            );
            out.extend_from_slice(if extended { b" NIL NIL NIL NIL)" } else { b")" });
            return;
        }
    }
    out.push(b' ');
}

/// `media params id description encoding octets`.
fn put_basic(out: &mut Vec<u8>, part: &Entry) {
    out.extend_from_slice(&part.words[Word::Media]);
    out.push(b' ');
    out.extend_from_slice(&part.words[Word::Params]);
    out.push(b' ');
    out.extend_from_slice(&part.words[Word::Fields]);
    out.push(b' ');
    number(out, part.end - part.body);
}

fn put_end(out: &mut Vec<u8>, part: &Entry, extended: bool) {
    match part.kind {
        Kind::Multipart => {
            out.push(b' ');
            out.extend_from_slice(&part.words[Word::Media]);
            if extended {
                out.push(b' ');
                out.extend_from_slice(&part.words[Word::Params]);
            }
        }
        Kind::Leaf | Kind::Message => {
            if part.text || part.kind == Kind::Message {
                out.push(b' ');
                number(out, part.lines);
            }
            if extended {
                out.push(b' ');
                out.extend_from_slice(&part.words[Word::Md5]);
            }
        }
    }
    if extended {
        out.push(b' ');
        out.extend_from_slice(&part.words[Word::Extension]);
    }
    out.push(b')');
}
