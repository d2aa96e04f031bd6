//! An APPEND to the embedded store costs one call that makes it durable. One test, since the count is of the whole process.

use pillarbox_benches::fill::fill;
use pillarbox_benches::folder::Folder;
use pillarbox_benches::sync;
use pillarbox_store::{Embedded, Options};

#[test]
fn each_append_syncs_once() {
    let folder = Folder::new("one-sync").expect("a folder");
    let store = Embedded::open(&folder.0, Options::default()).expect("it opens");
    // The account, its INBOX and the first segment.
    fill(&store, 1, 10_000).expect("it is stored");
    let before = sync::calls();
    for _ in 0..20 {
        fill(&store, 1, 10_000).expect("it is stored");
    }
    assert_eq!(sync::calls() - before, 20);
}
