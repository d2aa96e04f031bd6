//! Where jobs wait, with nothing behind it: who is woken, and who does what.

use super::super::super::desk::{Desk, Look, Submitted, Turn};
use super::*;

const HOUR: Look = Look::In(Duration::from_secs(3600));

type Next = mpsc::Receiver<(u8, Turn<u8>)>;

/// What the writer's thread does next, when it looks.
fn next(desk: &Arc<Desk<u8, u8>>) -> Next {
    let (send, turn) = mpsc::channel();
    let desk = desk.clone();
    thread::spawn(move || send.send(desk.next(64)));
    turn
}

/// The writer's thread had its first turn, and is to look again in an hour; it finds that somebody is at it in place.
fn guest(leave: &Leave) -> (Arc<Desk<u8, u8>>, Next, u8) {
    let desk = Arc::new(Desk::new(0));
    let (tools, _) = desk.next(64);
    desk.put_back(tools, HOUR);
    let (tools, _) = in_place(&desk, leave);
    let turn = next(&desk);
    (desk, turn, tools)
}

fn in_place(desk: &Desk<u8, u8>, leave: &Leave) -> (u8, u8) {
    match desk.submit(1, |_, _| leave.take()) {
        Submitted::Here(tools, job) => (tools, job),
        _ => panic!("it is done in place"),
    }
}

/// Whoever sleeps does not wait for the end of the hour.
#[test]
fn who_writes_in_place_wakes_the_writer_when_the_index_may_lag_no_further() {
    for _ in 0..50 {
        let desk = Arc::new(Desk::new(0));
        let (tools, _) = desk.next(64);
        desk.put_back(tools, HOUR);
        let turn = next(&desk);
        // It sleeps by then, nearly always.
        (0..100).for_each(|_| thread::yield_now());
        let (tools, _) = in_place(&desk, &Leave::new(1, || {}));
        desk.put_back(tools, Look::Now);
        assert!(matches!(turn.recv_timeout(SOON), Ok((0, Turn::Due))));
    }
}

#[test]
fn what_came_meanwhile_is_done_at_once() {
    let leave = Leave::new(2, || {});
    let (desk, turn, tools) = guest(&leave);
    let left = desk.submit(2, |_, _| leave.take());
    assert!(matches!(left, Submitted::Left));
    desk.put_back(tools, HOUR);
    let (_, told) = turn.recv_timeout(SOON).unwrap();
    assert!(matches!(told, Turn::Jobs(jobs) if jobs == [2]));
}

/// The thread that calls for relief waits for the end of it, and then looks at the time again.
#[test]
fn who_was_relieved_is_not_waited_for_again() {
    let (called, calls) = mpsc::channel();
    let called = Mutex::new(called);
    let leave = Leave::new(1, move || lock(&called).send(()).unwrap());
    let (desk, turn, tools) = guest(&leave);
    calls.recv_timeout(SOON).expect("it is relieved");
    desk.put_back(tools, Look::In(Duration::from_millis(10)));
    assert!(matches!(turn.recv_timeout(SOON), Ok((0, Turn::Due))));
    assert!(calls.try_recv().is_err(), "once");
}

/// Leave is given back with the tools, and when it ends.
#[test]
fn leave_is_given_back() {
    let leave = Leave::new(1, || {});
    let (desk, _, tools) = guest(&leave);
    assert!(leave.take().is_none());
    desk.put_back(tools, HOUR);
    assert!(leave.take().is_some());
    let (desk, turn, tools) = guest(&leave);
    desk.end(Some(tools));
    assert!(leave.take().is_some());
    assert!(matches!(turn.recv_timeout(SOON), Ok((0, Turn::End))));
    assert!(matches!(desk.submit(3, |_, _| None), Submitted::Over(3)));
}

/// The writer's thread ends with what somebody has in hand yet.
#[test]
fn the_last_turn_waits_for_who_is_at_it() {
    for _ in 0..50 {
        let desk = Arc::new(Desk::new(0));
        let (tools, _) = desk.next(64);
        desk.put_back(tools, HOUR);
        let (tools, _) = in_place(&desk, &Leave::new(1, || {}));
        desk.end(None);
        let (send, last) = mpsc::channel();
        let its = desk.clone();
        thread::spawn(move || send.send(its.last()));
        // It waits by then, nearly always.
        (0..100).for_each(|_| thread::yield_now());
        desk.put_back(tools, HOUR);
        assert_eq!(last.recv_timeout(SOON), Ok(0));
    }
}
