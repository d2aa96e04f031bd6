//! Connections that are recorded.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use pillarbox_driver::{Recording, Replayed, Service, replay};

use super::{CONVERSATION, builder, connect};
use crate::wire::Client;

/// A recording in memory; when it is full writing fails.
#[derive(Clone)]
struct Sink(Arc<Mutex<Vec<u8>>>, usize);

impl Write for Sink {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let mut all = self.0.lock().expect("no test panics with the lock");
        if all.len() + octets.len() > self.1 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        all.extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink {
    fn new(room: usize) -> Self {
        Self(Arc::default(), room)
    }

    fn text(&self) -> String {
        let octets = self.0.lock().expect("no test panics with the lock");
        String::from_utf8(octets.clone()).expect("a recording is text")
    }
}

/// A service that records its connections there.
fn recorded(sink: &Sink, bound: u64) -> Arc<Service> {
    let sink = sink.clone();
    builder()
        .record(move |peer| {
            assert_eq!(peer, Some(super::wire::ADDRESS.into()));
            Some(Recording::new(sink.clone()).bound(bound))
        })
        .build()
}

/// Everything said to a client that says this.
fn conversation(service: &Arc<Service>, spoken: &[u8], window: usize) -> (Vec<u8>, Client) {
    let mut client = connect(service);
    client.pipe().window = window;
    client.send(spoken);
    let mut said = Vec::new();
    loop {
        let octets = client.octets();
        if octets.is_empty() {
            return (said, client);
        }
        said.extend(octets);
    }
}

fn played(sink: &Sink) -> Replayed {
    let text = sink.text();
    replay(&text, |_| {}).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

#[test]
fn a_recorded_connection_is_answered_as_any_other_and_plays_again() {
    for window in [usize::MAX, 7] {
        let sink = Sink::new(usize::MAX);
        let (plain, _) = conversation(&builder().build(), CONVERSATION, window);
        let (said, _) = conversation(&recorded(&sink, 1 << 20), CONVERSATION, window);
        assert_eq!(said, plain);
        let done = played(&sink);
        assert_eq!(done.stopped, None);
        assert_eq!(done.octets_in, CONVERSATION.len() as u64);
        assert_eq!(done.octets_out, said.len() as u64);
        assert!(!sink.text().contains("tim"), "{}", sink.text());
    }
}

#[test]
fn a_recording_is_no_longer_than_its_bound_and_says_why_it_ends() {
    let sink = Sink::new(usize::MAX);
    let service = recorded(&sink, 4000);
    let noise = [
        b"a LOGIN tim pw\r\n".to_vec(),
        b"b CAPABILITY\r\n".repeat(500),
    ]
    .concat();
    let (said, _client) = conversation(&service, &noise, usize::MAX);
    assert_eq!(said.iter().filter(|b| **b == b'\n').count(), 1002);
    let done = played(&sink);
    let why = done.stopped.expect("it ended early");
    assert!(why.contains("as long as it may get"), "{why}");
    assert!(sink.text().len() <= 4000, "{}", sink.text().len());
}

#[test]
fn a_sink_that_fails_ends_the_recording_and_nothing_else() {
    for room in [0, 10, 2000] {
        let sink = Sink::new(room);
        let (plain, _) = conversation(&builder().build(), CONVERSATION, usize::MAX);
        let (said, _) = conversation(&recorded(&sink, 1 << 20), CONVERSATION, usize::MAX);
        assert_eq!(said, plain);
    }
}

#[test]
fn what_stands_behind_a_long_answer_is_recorded_behind_it() {
    let sink = Sink::new(usize::MAX);
    let service = recorded(&sink, 64 << 20);
    // Short lines, since filler is written as the length of its runs.
    let message = [&b"Subject: x\r\n\r\n"[..], &b"a\r\n".repeat(20_000)].concat();
    let announced = format!("b APPEND INBOX {{{}+}}\r\n", message.len());
    let append = [announced.as_bytes(), &message, b"\r\n"].concat();
    let fetch = b"c SELECT INBOX\r\nd FETCH 1:* BODY.PEEK[]\r\ne LOGIN half a ";
    let spoken = [&b"a LOGIN tim pw\r\n"[..], &append.repeat(5), fetch].concat();
    let (mut said, mut client) = conversation(&service, &spoken, usize::MAX);
    client.send(b"command secretly\r\nf LOGOUT\r\n");
    said.extend(client.octets());
    let done = played(&sink);
    assert_eq!(done.stopped, None);
    let text = sink.text();
    assert!(text.len() > 512 << 10, "{}", text.len());
    assert!(!text.contains("secretly") && text.contains("e LOGIN xxxx x "));
    assert_eq!(done.octets_out, said.len() as u64);
}
