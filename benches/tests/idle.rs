//! An idle connection on a mailbox with many gaps costs little memory. One test, since all threads share the allocator.

use pillarbox_benches::alloc::Counting;
use pillarbox_benches::idle::{Waiting, octets};
use pillarbox_driver::ListenerKind;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn an_idle_connection_is_small() {
    for waiting in [Waiting::Silent, Waiting::Idle] {
        for (kind, most) in [
            (ListenerKind::Plain, 8 << 10),
            (ListenerKind::Tls, 24 << 10),
        ] {
            let held = octets(kind, waiting).expect("it can be measured");
            println!("{kind:?}, {waiting:?}: {held} octets");
            assert!(
                held > 1000,
                "{kind:?}: the measure must see the view: {held}"
            );
            assert!(held < most, "{kind:?}, {waiting:?}: {held} octets");
        }
    }
}
