//! BODY and BODYSTRUCTURE in wire form (RFC 9051 §7.5.2), on a stack of its own.

use alloc::vec::Vec;

use super::structure::{Entry, Kind, Structure};

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
        let mut out = Vec::new();
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
        Some(inner) => out.extend_from_slice(&inner.envelope),
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
    out.extend_from_slice(&part.media);
    out.push(b' ');
    out.extend_from_slice(&part.params);
    out.push(b' ');
    out.extend_from_slice(&part.fields);
    out.push(b' ');
    out.extend_from_slice(alloc::format!("{}", part.end - part.body).as_bytes());
}

fn put_end(out: &mut Vec<u8>, part: &Entry, extended: bool) {
    match part.kind {
        Kind::Multipart => {
            out.push(b' ');
            out.extend_from_slice(&part.media);
            if extended {
                out.push(b' ');
                out.extend_from_slice(&part.params);
            }
        }
        Kind::Leaf | Kind::Message => {
            if part.text || part.kind == Kind::Message {
                out.extend_from_slice(alloc::format!(" {}", part.lines).as_bytes());
            }
            if extended {
                out.push(b' ');
                out.extend_from_slice(&part.md5);
            }
        }
    }
    if extended {
        out.push(b' ');
        out.extend_from_slice(&part.extension);
    }
    out.push(b')');
}
