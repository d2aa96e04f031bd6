//! What mail-parser says of a mail, by the same keys.

use mail_parser::{Address, Message, MessageParser, MimeHeaders, PartType};

use super::ours::{Summary, show, spec};

pub fn mail_parser_summary(mail: &[u8]) -> Summary {
    let mut summary = Summary::new();
    // It panics on some; of those it has no opinion.
    let parsed = std::panic::catch_unwind(|| MessageParser::default().parse(mail));
    let Ok(Some(message)) = parsed else {
        return summary;
    };
    let (mut types, mut leaves) = (String::new(), 0);
    mail_parser_part(&message, 0, false, &mut types, &mut leaves, &mut summary);
    summary.insert("types".into(), types.trim_end().to_owned());
    if let Some(subject) = message.subject() {
        summary.insert("subject".into(), subject.to_owned());
    }
    for (key, addresses) in [("from", message.from()), ("to", message.to())] {
        summary.insert(
            key.into(),
            addresses.map(mail_parser_addresses).unwrap_or_default(),
        );
    }
    summary
}

fn mail_parser_addresses(addresses: &Address<'_>) -> String {
    let lines: Vec<_> = addresses
        .iter()
        .map(|a| {
            let address = a.address.as_deref().unwrap_or_default();
            let (mailbox, host) = address.rsplit_once('@').unwrap_or((address, ""));
            spec(
                a.name.as_deref().unwrap_or_default(),
                mailbox.trim_matches('"'),
                host,
            )
        })
        .collect();
    lines.join("\n")
}

fn mail_parser_part(
    message: &Message<'_>,
    at: u32,
    in_digest: bool,
    types: &mut String,
    leaves: &mut usize,
    summary: &mut Summary,
) {
    let part = &message.parts[usize::try_from(at).unwrap()];
    let default = if in_digest {
        "message/rfc822"
    } else {
        "text/plain"
    };
    let kind = part.content_type().map_or_else(
        || default.to_owned(),
        |t| format!("{}/{}", t.ctype(), t.subtype().unwrap_or_default()).to_lowercase(),
    );
    *types += &format!("{kind} ");
    let value = match &part.body {
        PartType::Multipart(children) => {
            *types += "( ";
            for child in children {
                mail_parser_part(
                    message,
                    *child,
                    kind == "multipart/digest",
                    types,
                    leaves,
                    summary,
                );
            }
            *types += ") ";
            return;
        }
        PartType::Message(inner) => {
            *types += "( ";
            mail_parser_part(inner, 0, false, types, leaves, summary);
            *types += ") ";
            return;
        }
        PartType::Text(text) | PartType::Html(text) => text.replace("\r\n", "\n"),
        PartType::Binary(octets) | PartType::InlineBinary(octets) => show(octets),
    };
    if let Some(name) = part.attachment_name() {
        summary.insert(format!("name_{leaves}"), name.to_owned());
    }
    summary.insert(format!("body_{leaves}"), value);
    *leaves += 1;
}
