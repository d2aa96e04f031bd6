//! Commands with filler in the place of what is private.

use data_encoding::BASE64;
use pillarbox_core::sasl::decode_base64;

use super::fill::{literal, quoted};

/// What stands for an octet of the client's.
pub(super) const CLIENT: u8 = b'x';
/// What the framer finds a message of APPEND by, behind a tag.
const NAME: &[u8] = b" APPEND";
/// SASL mechanisms whose names stay.
const MECHANISMS: &str = "ANONYMOUS CRAM-MD5 DIGEST-MD5 EXTERNAL GSSAPI LOGIN NTLM OAUTHBEARER PLAIN SCRAM-SHA-1 \
    SCRAM-SHA-256 XOAUTH2";
/// Search keys whose argument stays.
const NAMING: &str = "CHARSET EMAILID KEYWORD THREADID UNKEYWORD";
/// Search keys whose argument is what is looked for.
const SOUGHT: &str = "BCC BODY CC FROM SUBJECT TEXT TO";
/// Words of the grammar that stay where a command is not valid.
const WORDS: &str = "ALL ANSWERED BEFORE BINARY BODY BODYSTRUCTURE CHANGEDSINCE CHARSET CHILDREN CONDSTORE \
    COUNT DELETED DRAFT ENVELOPE FAST FLAGGED FLAGS FULL HEADER FIELDS HIGHESTMODSEQ IMAP4REV2 \
    INBOX INTERNALDATE KEYWORD LARGER MAX MESSAGES MIME MIN MODSEQ NEW NIL NOT OLD ON OR \
    PARTIAL PEEK QRESYNC RECENT RETURN RFC822 SAVE SEEN SENTBEFORE SENTON SENTSINCE SILENT \
    SINCE SIZE SMALLER SPECIAL STATUS SUBSCRIBED TEXT UID UIDNEXT UIDVALIDITY UNCHANGEDSINCE \
    UNSEEN USE UTF VANISHED";

/// A command of this name, which begins at `from`; `valid`: it follows the grammar.
pub(super) fn known(octets: &[u8], from: usize, name: &str, valid: bool) -> Vec<u8> {
    let (head, rest) = octets.split_at((from + name.len()).min(octets.len()));
    let rest = match (name, valid) {
        ("LOGIN", _) => words(rest, |_| false),
        ("AUTHENTICATE", _) => authenticate(rest),
        ("ID", true) => words(rest, |word| word.eq_ignore_ascii_case(b"NIL")),
        ("SEARCH" | "UID SEARCH", true) => search(rest),
        (_, true) => rest.to_vec(),
        _ => words(rest, is_of_the_grammar),
    };
    [head, &rest].concat()
}

/// A line that is no command: nothing of it is known.
pub(super) fn unknown(octets: &[u8]) -> Vec<u8> {
    words(octets, |_| false)
}

/// A piece of APPEND whose tag is none: the name stays, since it says that a message follows, and there is no tag still.
pub(super) fn untagged(piece: &[u8]) -> Vec<u8> {
    let space = piece.iter().position(|b| *b == b' ').unwrap_or(0);
    let (tag, rest) = piece.split_at(space);
    let name = if tag.is_empty() { 0 } else { NAME.len() };
    let (name, rest) = rest.split_at(name.min(rest.len()));
    let mut tag = unknown(tag);
    if let Some(first) = tag.first_mut().filter(|b| **b == CLIENT) {
        *first = b'*';
    }
    [&tag, name, &unknown(rest)].concat()
}

/// The names of header fields that a FETCH asks for, in lower case.
pub(super) fn field_names(frame: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let upper = frame.to_ascii_uppercase();
    let mut lists = Vec::new();
    for (at, _) in upper
        .windows(14)
        .enumerate()
        .filter(|(_, w)| w == b"HEADER.FIELDS ")
    {
        lists.push(at + 14);
    }
    for (at, _) in upper
        .windows(18)
        .enumerate()
        .filter(|(_, w)| w == b"HEADER.FIELDS.NOT ")
    {
        lists.push(at + 18);
    }
    let names = lists.into_iter().flat_map(move |at| {
        let list = upper[at..].split(|b| *b == b')').next().unwrap_or_default();
        let names = list.split(|b| !b.is_ascii_graphic() || matches!(b, b'(' | b'"'));
        let names = names.filter(|n| !n.is_empty() && n.len() <= 76);
        names.map(<[u8]>::to_ascii_lowercase).collect::<Vec<_>>()
    });
    names.collect::<Vec<_>>().into_iter()
}

/// A piece of APPEND without the announcement at its end, of a `literal8` too.
pub(super) fn announced(octets: &[u8]) -> Option<&[u8]> {
    let open = octets.iter().rposition(|b| *b == b'{')?;
    let piece = &octets[..open];
    Some(piece.strip_suffix(b"~").unwrap_or(piece))
}

/// Base64 of names and passwords: filler of the same lengths, in base64 again. What is none stays none.
pub(super) fn sasl(response: &[u8]) -> Vec<u8> {
    if matches!(response, b"*" | b"=" | b"") {
        return response.to_vec();
    }
    let Some(message) = decode_base64(response) else {
        return vec![b'!'; response.len()];
    };
    let mut parts: Vec<_> = message.split(|b| *b == 0).map(text).collect();
    let other = message.split(|b| *b == 0).take(2).collect::<Vec<_>>();
    if let [acting, user] = other[..]
        && acting != user
        && parts[0] == parts[1]
    {
        // Whoever acts for another one still does.
        parts[0] = parts[0]
            .iter()
            .map(|b| if *b == CLIENT { b'y' } else { *b })
            .collect();
    }
    BASE64.encode(&parts.join(&0)).into_bytes()
}

/// Text in UTF-8 stays such, and what is none stays none.
fn text(octets: &[u8]) -> Vec<u8> {
    let mut filled = Vec::with_capacity(octets.len());
    for chunk in octets.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c.len_utf8() {
                1 if c.is_ascii_control() => filled.push(c as u8),
                1 => filled.push(CLIENT),
                2 => filled.extend_from_slice("é".as_bytes()),
                3 => filled.extend_from_slice("€".as_bytes()),
                _ => filled.extend_from_slice("😀".as_bytes()),
            }
        }
        filled.extend(chunk.invalid().iter().map(|_| 0xff));
    }
    filled
}

/// A quoted string or a literal of this filler.
pub(super) fn string(octets: &[u8], filler: u8) -> Vec<u8> {
    let fill = |text: &[u8]| text_of(text, filler);
    match octets {
        [b'"', inner @ .., b'"'] => {
            let mut filled = vec![b'"'];
            let mut rest = inner;
            while let Some(escape) = rest.iter().position(|b| *b == b'\\') {
                filled.extend(fill(&rest[..escape]));
                let is_good = matches!(rest.get(escape + 1), Some(b'"' | b'\\'));
                filled.extend_from_slice(if is_good { b"\\\\" } else { b"\\x" });
                rest = rest.get(escape + 2..).unwrap_or_default();
            }
            filled.extend(fill(rest));
            filled.push(b'"');
            filled
        }
        _ => {
            let content = octets
                .iter()
                .position(|b| *b == b'\n')
                .map_or(0, |lf| lf + 1);
            let (head, content) = octets.split_at(content);
            [head, &fill(content)].concat()
        }
    }
}

fn text_of(octets: &[u8], filler: u8) -> Vec<u8> {
    let mut filled = text(octets);
    filled
        .iter_mut()
        .filter(|b| **b == CLIENT)
        .for_each(|b| *b = filler);
    filled
}

/// Every word that does not stay becomes filler.
fn words(octets: &[u8], mut stays: impl FnMut(&[u8]) -> bool) -> Vec<u8> {
    let mut filled = Vec::with_capacity(octets.len());
    let mut rest = octets;
    while let Some(&octet) = rest.first() {
        let string_len = match octet {
            b'"' => quoted(rest),
            b'{' => literal(rest),
            _ => 0,
        };
        let (word, after) = match string_len {
            0 => rest.split_at(word(rest).max(1)),
            len => rest.split_at(len),
        };
        match string_len {
            0 if !is_word(octet) || stays(word) => filled.extend_from_slice(word),
            0 => filled.extend(text(word)),
            _ if stays(word) => filled.extend_from_slice(word),
            _ => filled.extend(string(word, CLIENT)),
        }
        rest = after;
    }
    filled
}

/// The octets of a word that begins here.
fn word(octets: &[u8]) -> usize {
    octets
        .iter()
        .position(|b| !is_word(*b))
        .unwrap_or(octets.len())
}

/// What a word is made of; the rest is the grammar's.
fn is_word(octet: u8) -> bool {
    !matches!(
        octet,
        0..=b' ' | b'(' | b')' | b'{' | b'}' | b'"' | b'\\' | b'%' | b'*' | b'[' | b']' | 0x7f
    )
}

/// Whether a list of words has this one, in any case.
fn has(list: &str, word: &[u8]) -> bool {
    list.split(' ')
        .any(|known| word.eq_ignore_ascii_case(known.as_bytes()))
}

/// Words of the grammar, with what joins them.
fn is_of_the_grammar(word: &[u8]) -> bool {
    let mut parts = word.split(|b| !b.is_ascii_alphanumeric());
    parts.all(|part| part.is_empty() || has(WORDS, part))
}

/// What the next word of a search is.
enum Sought {
    Key,
    /// The argument of a key, which stays.
    Name,
    /// The name of a field, which stays, before what is looked for in it.
    Field,
    /// What is looked for.
    Value,
}

fn search(octets: &[u8]) -> Vec<u8> {
    let mut next = Sought::Key;
    words(octets, |word| {
        let stays = !matches!(next, Sought::Value);
        next = match next {
            Sought::Field => Sought::Value,
            Sought::Key if has(SOUGHT, word) => Sought::Value,
            Sought::Key if has(NAMING, word) => Sought::Name,
            Sought::Key if word.eq_ignore_ascii_case(b"HEADER") => Sought::Field,
            _ => Sought::Key,
        };
        stays
    })
}

/// The mechanism stays if it is known, the response does not.
fn authenticate(octets: &[u8]) -> Vec<u8> {
    let line = octets.strip_suffix(b"\r\n").unwrap_or(octets);
    let mut parts = line.splitn(3, |b| *b == b' ');
    let (Some(b""), Some(mechanism), response, false) = (
        parts.next(),
        parts.next(),
        parts.next(),
        line.contains(&b'\r'),
    ) else {
        return words(octets, |_| false);
    };
    let mut filled = vec![b' '];
    filled.extend(words(mechanism, |word| has(MECHANISMS, word)));
    if let Some(response) = response {
        filled.push(b' ');
        filled.extend(sasl(response));
    }
    filled.extend_from_slice(&octets[line.len()..]);
    filled
}
