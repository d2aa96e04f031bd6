//! A date that is read is written and read again; days are in the order of their numbers.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pillarbox_core::date::{Date, DateTime};

fuzz_target!(|octets: &[u8]| {
    if let Some(read) = DateTime::parse(octets) {
        let text = written(read);
        assert_eq!(text.len(), 26);
        assert_eq!(DateTime::parse(text.as_bytes()), Some(read));
        // `-0000` is the same zone as `+0000`, and is written so.
        let utc = text.ends_with("+0000");
        let same = |(a, b): (&u8, u8)| {
            a.eq_ignore_ascii_case(&b) || b":6 0".contains(a) || (utc && (*a, b) == (b'-', b'+'))
        };
        assert!(
            octets.iter().rev().zip(text.bytes().rev()).all(same),
            "{text}"
        );
    }
    if let Some(date) = Date::parse(octets) {
        let midnight = date.to_days() * 86_400;
        assert_eq!(Date::from_unix(midnight, 0), date);
        assert_eq!(Date::from_unix(midnight + 86_399, 0), date);
        assert!(date.to_days() == -719_528 || Date::from_unix(midnight - 1, 0) < date);
    }
    if let Some((unix, zone)) = octets.split_first_chunk().and_then(|(unix, rest)| {
        Some((
            i64::from_le_bytes(*unix),
            i16::from_le_bytes(*rest.first_chunk()?),
        ))
    }) {
        let any = DateTime {
            unix,
            zone_minutes: zone,
        };
        let clamped = DateTime::parse(written(any).as_bytes()).expect("what is written is a date");
        assert_eq!(written(clamped), written(any));
        assert_eq!(clamped.date(), any.date());
    }
});

fn written(date: DateTime) -> String {
    let mut out = Vec::new();
    date.write(&mut out);
    String::from_utf8(out).expect("a date is ASCII")
}
