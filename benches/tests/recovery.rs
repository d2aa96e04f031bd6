//! What recovering takes grows as what is recovered does.

use std::path::Path;
use std::time::Duration;

use pillarbox_benches::cpu::of_thread;
use pillarbox_benches::fill::fill;
use pillarbox_benches::folder::Folder;
use pillarbox_benches::index;
use pillarbox_store::{Embedded, Options, rebuild};

/// A store of so many messages, and what opening it with an index that knows none of them, and a rebuild, take this thread.
fn recover(messages: usize) -> (Duration, Duration) {
    let folder = Folder::new(&format!("recovery-{messages}")).unwrap();
    let (path, empty) = (folder.0.join("store"), folder.0.join("empty"));
    let open = |path: &Path| Embedded::open(path, Options::default()).unwrap();
    let store = open(&path);
    fill(&store, 1, 500).unwrap();
    drop(store);
    index::keep(&path, &empty).unwrap();
    let store = open(&path);
    fill(&store, messages - 1, 500).unwrap();
    drop(store);
    index::put_back(&path, &empty).unwrap();
    let begun = of_thread();
    drop(open(&path));
    let opened = of_thread() - begun;
    index::remove(&path).unwrap();
    let begun = of_thread();
    assert_eq!(rebuild(&path).unwrap().messages, messages as u64);
    (opened, of_thread() - begun)
}

#[test]
fn recovery_is_linear_in_what_is_recovered() {
    // A busy machine slows what runs beside others: one of some tries is enough.
    const TRIES: usize = 3;
    let tried = (0..TRIES).any(|_| {
        let (few, many) = (recover(2_500), recover(10_000));
        println!("open and rebuild: {few:?} for 2,500, {many:?} for 10,000");
        // Twice as much as in proportion.
        many.0 < 8 * few.0 && many.1 < 8 * few.1
    });
    assert!(tried, "in none of {TRIES} tries");
}
