//! What all structured fields are read with (RFC 5322 §3.2).

use core::slice::Iter;

/// Takes the octets before the first that is special.
pub(super) fn run<'a>(octets: &mut Iter<'a, u8>, special: impl Fn(u8) -> bool) -> &'a [u8] {
    let rest = octets.as_slice();
    let end = rest.iter().position(|b| special(*b));
    let (run, behind) = rest.split_at(end.unwrap_or(rest.len()));
    *octets = behind.iter();
    run
}

/// Passes a comment whose `(` was read, however deep (RFC 5322 §3.2.2): a count, not recursion.
pub(super) fn skip_comment(octets: &mut Iter<'_, u8>) {
    let mut depth = 1;
    while depth > 0 {
        match octets.next() {
            Some(b'(') => depth += 1,
            Some(b')') => depth -= 1,
            Some(b'\\') => {
                octets.next();
            }
            Some(_) => {}
            None => return,
        }
    }
}
