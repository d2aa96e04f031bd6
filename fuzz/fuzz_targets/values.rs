//! Dates, SASL responses and UID sets: what is read is written again, and sets do what sets do.
#![no_main]

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use libfuzzer_sys::fuzz_target;
use pillarbox_core::date::{Date, DateTime};
use pillarbox_core::id::Uid;
use pillarbox_core::sasl::{decode_base64, decode_plain};
use pillarbox_core::set::UidSet;

fuzz_target!(|input: (&[u8], Vec<(u8, u8)>, Vec<(u8, u8)>)| {
    let (octets, a, b) = input;
    if let Some(read) = DateTime::parse(octets) {
        let mut written = Vec::new();
        read.write(&mut written);
        assert_eq!(DateTime::parse(&written), Some(read));
    }
    let _ = Date::parse(octets).map(Date::to_days);
    if let Some(decoded) = decode_base64(octets) {
        let _ = decode_plain(&decoded);
    }
    sets(&a, &b);
});

fn sets(a: &[(u8, u8)], b: &[(u8, u8)]) {
    let (sa, ma) = both(a);
    let (sb, mb) = both(b);
    assert_eq!(
        list(&sa.union(&sb)),
        ma.union(&mb).copied().collect::<Vec<_>>()
    );
    assert_eq!(
        list(&sa.intersection(&sb)),
        ma.intersection(&mb).copied().collect::<Vec<_>>()
    );
    assert_eq!(
        list(&sa.difference(&sb)),
        ma.difference(&mb).copied().collect::<Vec<_>>()
    );
    for n in 1..=256 {
        let uid = Uid::new(n).expect("not zero");
        assert_eq!(sa.contains(uid), ma.contains(&n));
        let one = NonZeroU32::MIN.get();
        assert_eq!(sa.rank(uid), ma.range(one..n).count() as u64);
    }
    let ranges = sa.ranges();
    assert!(
        ranges.windows(2).all(|w| w[0].1 + 1 < w[1].0),
        "ranges are apart and in order"
    );
}

fn both(ranges: &[(u8, u8)]) -> (UidSet, BTreeSet<u32>) {
    let ranges: Vec<(u32, u32)> = ranges
        .iter()
        .map(|(a, b)| (u32::from(*a.min(b)) + 1, u32::from(*a.max(b)) + 1))
        .collect();
    let model = ranges.iter().flat_map(|(a, b)| *a..=*b).collect();
    (UidSet::from_ranges(ranges), model)
}

fn list(set: &UidSet) -> Vec<u32> {
    set.iter().map(Uid::get).collect()
}
