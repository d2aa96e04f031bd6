//! A message is scanned with a few requests for memory, however long its body is.

use pillarbox_benches::alloc::{Counting, calls};
use pillarbox_benches::fill::message;
use pillarbox_benches::scan::scan;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_message_in_two_alternatives_is_scanned_with_few_requests_for_memory() {
    for size in [1_000, 10_000, 1_000_000] {
        let message = message(1, size);
        let (calls, told) = calls(|| scan(&message));
        assert!(told > 1000, "{told} octets were told");
        assert!(calls <= 48, "{calls} requests for memory of {size} octets");
    }
}
