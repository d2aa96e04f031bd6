//! Stores with mail in them.

use std::fmt::Write;

use bytes::Bytes;
use pillarbox_core::effect::{
    Actor, NewMessage, StoreError, UploadBegin, UploadChunk, UploadCommit,
};
use pillarbox_core::flag::FlagNames;
use pillarbox_core::id::AccountId;
use pillarbox_core::mailbox::MailboxName;
use pillarbox_store::{Backend, ask};

/// The account that signs in first.
pub const ACTOR: Actor = Actor {
    account: AccountId(1),
};
/// Messages of one transaction.
const BATCH: usize = 1000;

/// Puts `count` messages of about `size` octets into INBOX.
///
/// # Errors
/// What the store says.
pub fn fill(backend: &dyn Backend, count: usize, size: usize) -> Result<(), StoreError> {
    let name = MailboxName::inbox();
    for first in (0..count).step_by(BATCH) {
        let mut messages = Vec::new();
        for n in first..count.min(first + BATCH) {
            let octets = message(n, size);
            let begin = UploadBegin {
                actor: ACTOR,
                name: name.clone(),
                size: octets.len() as u64,
            };
            let upload = ask(backend, begin)?;
            let data = Bytes::from(octets);
            ask(backend, UploadChunk { upload, data })?;
            messages.push(NewMessage {
                upload,
                flags: FlagNames::default(),
                internal_date: None,
            });
        }
        let commit = UploadCommit {
            actor: ACTOR,
            name: name.clone(),
            messages,
            now: 1_700_000_000,
        };
        ask(backend, commit)?;
    }
    Ok(())
}

/// A message in two alternatives, as common clients write them; it is at least `size` octets long, and a line longer at most.
#[must_use]
pub fn message(n: usize, size: usize) -> Vec<u8> {
    let mut text = format!(
        "Return-Path: <alice@example.org>\r\nReceived: from mx.example.org (mx.example.org [192.0.2.1]) by mail.example.net with ESMTPS id {n:x};\r\n\
         \tTue, 14 Nov 2023 22:13:20 +0000\r\nFrom: \"Alice Example\" <alice@example.org>\r\nTo: Tim <tim@example.net>, \"Ann, Sales\" <ann@example.net>\r\n\
         Cc: list@example.com\r\nSubject: Re: the figures of week {n}\r\nDate: Tue, 14 Nov 2023 22:13:20 +0000\r\n\
         Message-ID: <{n}.figures@example.org>\r\nIn-Reply-To: <{n}.question@example.net>\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/alternative; boundary=\"=_part_{n}\"\r\n\r\nThis is a message in MIME format.\r\n\
         --=_part_{n}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nSee below.\r\n\
         --=_part_{n}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
    );
    let end = format!("--=_part_{n}--\r\n");
    let mut line = 0;
    while text.len() + end.len() < size {
        line += 1;
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "<p>Line {line} of the report, with some words in it.</p>\r\n"
        );
    }
    text.push_str(&end);
    text.into_bytes()
}
