//! What a store computes of a message before it keeps it.

use pillarbox_core::message::{Scanner, thread_ids};

/// The structure, ENVELOPE, BODY, BODYSTRUCTURE and the thread keys; how many octets they are.
#[must_use]
pub fn scan(message: &[u8]) -> usize {
    let mut scanner = Scanner::new();
    scanner.feed(message);
    let structure = scanner.finish();
    let header = usize::try_from(structure.header_len()).unwrap_or(message.len());
    let forms = [
        structure.encode(),
        structure.envelope(),
        structure.body(),
        structure.body_structure(),
    ];
    let ids = thread_ids(&message[..header]);
    forms.iter().map(Vec::len).sum::<usize>() + ids.concat().len()
}
