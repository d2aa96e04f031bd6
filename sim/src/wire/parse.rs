//! The grammar of whole responses.

use super::fetch::att;
use super::response::{Code, Condition, Esearch, ListLine, Response, Set, Text};
use super::scan::{Fault, Parsed, Scan};

/// Reads the first response of `octets`, and how long it is. `utf8`: IMAP4rev2 is enabled.
///
/// # Errors
/// [`Fault::Short`] while it is right as far as it goes; [`Fault::Wrong`] at the first octet that no server may send.
pub fn response(octets: &[u8], utf8: bool) -> Result<(Response, usize), Fault> {
    let mut s = Scan::new(octets, utf8);
    let response = match s.peek()? {
        b'+' => {
            s.expect("+ ")?;
            // continue-req = "+" SP (resp-text / base64) CRLF; both may be empty
            text(&mut s)?;
            Response::Continue
        }
        b'*' => {
            s.expect("* ")?;
            untagged(&mut s)?
        }
        _ => {
            let tag = s.tag()?;
            s.space()?;
            let name = s.keyword()?;
            let condition = match name.as_str() {
                "OK" => Condition::Ok,
                "NO" => Condition::No,
                "BAD" => Condition::Bad,
                _ => return s.wrong("OK, NO or BAD"),
            };
            s.space()?;
            Response::Tagged(tag, condition, text(&mut s)?)
        }
    };
    s.expect("\r\n")?;
    Ok((response, s.at))
}

/// resp-text = ["[" resp-text-code "]" SP] [text]
fn text(s: &mut Scan<'_>) -> Parsed<Text> {
    let mut code = None;
    if s.skip(b'[')? {
        code = Some(resp_code(s)?);
        s.expect("] ")?;
    }
    let words = match s.peek()? {
        b'\r' => String::new(),
        _ => s.text(b'\r')?,
    };
    Ok(Text { code, words })
}

fn resp_code(s: &mut Scan<'_>) -> Parsed<Code> {
    let name = s.keyword()?;
    let bare = matches!(
        name.as_str(),
        "ALERT" | "PARSE" | "READ-ONLY" | "READ-WRITE" | "TRYCREATE" | "CLOSED" | "NOMODSEQ"
    );
    if s.peek()? != b' ' || bare {
        return match name.as_str() {
            "BADCHARSET" => Ok(Code::BadCharset(Vec::new())),
            "CAPABILITY" | "PERMANENTFLAGS" | "UIDNEXT" | "UIDVALIDITY" | "HIGHESTMODSEQ"
            | "MODIFIED" | "APPENDUID" | "COPYUID" | "MAILBOXID" | "UNSEEN" => {
                s.wrong("the argument of the response code")
            }
            _ => Ok(Code::Other(name)),
        };
    }
    s.space()?;
    Ok(match name.as_str() {
        "CAPABILITY" => Code::Capability(capabilities(s)?),
        "PERMANENTFLAGS" => Code::PermanentFlags(s.list(Scan::flag)?),
        "UIDNEXT" => Code::UidNext(s.nz()?),
        "UIDVALIDITY" => Code::UidValidity(s.nz()?),
        "UNSEEN" => Code::Unseen(s.nz()?),
        "HIGHESTMODSEQ" => Code::HighestModSeq(s.modseq()?),
        "MODIFIED" => Code::Modified(s.set()?),
        "MAILBOXID" => Code::MailboxId(s.object_id()?),
        "BADCHARSET" => {
            let names = s.list1(Scan::astring)?;
            Code::BadCharset(names.iter().map(|n| lossy(n)).collect())
        }
        "APPENDUID" => {
            let validity = s.nz()?;
            s.space()?;
            Code::AppendUid(validity, s.set()?)
        }
        "COPYUID" => {
            let validity = s.nz()?;
            s.space()?;
            let from = s.set()?;
            s.space()?;
            Code::CopyUid(validity, from, s.set()?)
        }
        _ => {
            s.text(b']')?;
            Code::Other(name)
        }
    })
}

fn lossy(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

/// capability-data, without its name
fn capabilities(s: &mut Scan<'_>) -> Parsed<Vec<String>> {
    let mut names = vec![s.atom()?];
    while s.skip(b' ')? {
        names.push(s.atom()?);
    }
    match names.iter().any(|n| n.starts_with("IMAP4rev")) {
        true => Ok(names),
        false => s.wrong("IMAP4rev1 or IMAP4rev2 among the capabilities"),
    }
}

fn untagged(s: &mut Scan<'_>) -> Parsed<Response> {
    if s.peek()?.is_ascii_digit() {
        return numbered(s);
    }
    let name = s.keyword()?;
    let condition = match name.as_str() {
        "OK" => Some(Condition::Ok),
        "NO" => Some(Condition::No),
        "BAD" => Some(Condition::Bad),
        "BYE" => Some(Condition::Bye),
        "PREAUTH" => Some(Condition::PreAuth),
        _ => None,
    };
    if let Some(condition) = condition {
        s.space()?;
        return Ok(Response::State(condition, text(s)?));
    }
    match name.as_str() {
        "ENABLED" => return Ok(Response::Enabled(words(s)?)),
        "SEARCH" => return search(s),
        "ESEARCH" => return esearch(s).map(Response::Esearch),
        _ => s.space()?,
    }
    match name.as_str() {
        "CAPABILITY" => capabilities(s).map(Response::Capability),
        "FLAGS" => s.list(Scan::flag).map(Response::Flags),
        "LIST" => list_line(s).map(Response::List),
        "LSUB" => list_line(s).map(Response::Lsub),
        "STATUS" => status(s),
        "VANISHED" => vanished(s),
        "NAMESPACE" => namespace(s),
        "ID" => id(s),
        _ => s.wrong("a response there is"),
    }
}

/// *(SP atom)
fn words(s: &mut Scan<'_>) -> Parsed<Vec<String>> {
    let mut words = Vec::new();
    while s.skip(b' ')? {
        words.push(s.atom()?);
    }
    Ok(words)
}

/// message-data, and mailbox-data with a number before its name
fn numbered(s: &mut Scan<'_>) -> Parsed<Response> {
    let n = s.number()?;
    s.space()?;
    let name = s.keyword()?;
    if n == 0 && matches!(name.as_str(), "EXPUNGE" | "FETCH") {
        return s.wrong("a message number that is not zero");
    }
    match name.as_str() {
        "EXISTS" => Ok(Response::Exists(n)),
        "RECENT" => Ok(Response::Recent(n)),
        "EXPUNGE" => Ok(Response::Expunge(n)),
        "FETCH" => {
            s.space()?;
            Ok(Response::Fetch(n, s.list1(att)?))
        }
        _ => s.wrong("EXISTS, RECENT, EXPUNGE or FETCH"),
    }
}

/// "SEARCH" [1*(SP nz-number) [SP search-sort-mod-seq]] (RFC 7162 §7)
fn search(s: &mut Scan<'_>) -> Parsed<Response> {
    let (mut numbers, mut modseq) = (Vec::new(), None);
    while s.skip(b' ')? {
        if !numbers.is_empty() && s.peek()? == b'(' {
            s.expect("(MODSEQ ")?;
            modseq = Some(s.modseq()?);
            s.expect(")")?;
            break;
        }
        numbers.push(s.nz()?);
    }
    Ok(Response::Search(numbers, modseq))
}

/// esearch-response (RFC 9051 §9, RFC 4731 §5, RFC 7162 §7)
fn esearch(s: &mut Scan<'_>) -> Parsed<Esearch> {
    let mut result = Esearch::default();
    while s.skip(b' ')? {
        if s.skip(b'(')? {
            s.expect("TAG ")?;
            if result != Esearch::default() {
                return s.wrong("the correlator before all else");
            }
            result.tag = Some(lossy(&s.string()?));
            s.expect(")")?;
            continue;
        }
        let name = s.keyword()?;
        if name == "UID" {
            result.uid = true;
            continue;
        }
        s.space()?;
        let again = match name.as_str() {
            "MIN" => result.min.replace(s.nz()?).is_some(),
            "MAX" => result.max.replace(s.nz()?).is_some(),
            "ALL" => result.all.replace(s.set()?).is_some(),
            "COUNT" => result.count.replace(s.number()?).is_some(),
            "MODSEQ" => result.modseq.replace(s.modseq()?).is_some(),
            _ => return s.wrong("a result there is"),
        };
        if again {
            return s.wrong("each result once");
        }
    }
    Ok(result)
}

/// mailbox-list (RFC 9051 §9)
fn list_line(s: &mut Scan<'_>) -> Parsed<ListLine> {
    let attributes = s.list(Scan::flag)?;
    s.space()?;
    let delimiter = match s.nstring()?.as_deref() {
        None => None,
        Some(&[one]) => Some(char::from(one)),
        Some(_) => return s.wrong("a delimiter of one character"),
    };
    s.space()?;
    let mut line = ListLine {
        attributes,
        delimiter,
        name: s.mailbox()?,
        child_info: Vec::new(),
        old_name: None,
    };
    if s.skip(b' ')? {
        s.list1(|s| {
            let name = lossy(&s.astring()?).to_ascii_uppercase();
            s.space()?;
            match name.as_str() {
                "CHILDINFO" => {
                    let info = s.list1(Scan::astring)?;
                    line.child_info = info.iter().map(|i| lossy(i)).collect();
                }
                "OLDNAME" => {
                    s.expect("(")?;
                    line.old_name = Some(s.mailbox()?);
                    s.expect(")")?;
                }
                _ => return s.wrong("CHILDINFO or OLDNAME"),
            }
            Ok(())
        })?;
    }
    Ok(line)
}

/// "STATUS" SP mailbox SP "(" [status-att-list] ")"
fn status(s: &mut Scan<'_>) -> Parsed<Response> {
    let name = s.mailbox()?;
    s.space()?;
    let mut id = None;
    let items = s.list(|s| {
        let name = s.keyword()?;
        s.space()?;
        let n = match name.as_str() {
            "MESSAGES" | "RECENT" | "UNSEEN" | "DELETED" => u64::from(s.number()?),
            "UIDNEXT" | "UIDVALIDITY" => u64::from(s.nz()?),
            "SIZE" | "APPENDLIMIT" => s.number64()?,
            "HIGHESTMODSEQ" => s.modseq()?,
            "MAILBOXID" => {
                id = Some(s.object_id()?);
                0
            }
            _ => return s.wrong("a STATUS item there is"),
        };
        Ok((name, n))
    })?;
    Ok(Response::Status(name, items, id))
}

/// expunged-resp = "VANISHED" [SP "(EARLIER)"] SP known-uids
fn vanished(s: &mut Scan<'_>) -> Parsed<Response> {
    let earlier = s.peek()? == b'(';
    if earlier {
        s.expect("(EARLIER) ")?;
    }
    let set: Set = s.set()?;
    Ok(Response::Vanished(earlier, set))
}

/// namespace-response: three of NIL or 1*Namespace-Descr, extensions not among them
fn namespace(s: &mut Scan<'_>) -> Parsed<Response> {
    for i in 0..3 {
        if i > 0 {
            s.space()?;
        }
        if s.peek()? != b'(' {
            s.expect("NIL")?;
            continue;
        }
        s.expect("(")?;
        while !s.skip(b')')? {
            s.expect("(")?;
            s.string()?;
            s.space()?;
            s.nstring()?;
            s.expect(")")?;
        }
    }
    Ok(Response::Namespace)
}

/// id_response (RFC 2971 §5)
fn id(s: &mut Scan<'_>) -> Parsed<Response> {
    if s.peek()? != b'(' {
        s.expect("NIL")?;
        return Ok(Response::Id);
    }
    s.list(|s| {
        s.string()?;
        s.space()?;
        s.nstring()
    })?;
    Ok(Response::Id)
}
