//! Calendar dates and INTERNALDATE, from values only (RFC 9051 §9 `date`, `date-time`).

use alloc::vec::Vec;

const MONTHS: [&[u8]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];
const DAY: i64 = 86_400;

/// A calendar date, time zone disregarded; ordered by time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Date {
    /// 0 to 9999.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
}

impl Date {
    /// The date of this instant in this zone; instants beyond the years 0 to 9999 are clamped.
    #[must_use]
    pub fn from_unix(unix: i64, zone_minutes: i16) -> Self {
        Self::from_days(local(unix, zone_minutes).div_euclid(DAY))
    }

    /// Reads `1-Feb-2024`.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut parts = text.split(|b| *b == b'-');
        let day = digits(parts.next()?, 1, 2)?;
        let month = month(parts.next()?)?;
        let year = digits(parts.next()?, 4, 4)?;
        parts.next().is_none().then_some(())?;
        Self::new(year, month, day)
    }

    fn new(year: u32, month: u8, day: u32) -> Option<Self> {
        let date = Self {
            year: u16::try_from(year).ok()?,
            month,
            day: u8::try_from(day).ok()?,
        };
        (day >= 1 && day <= days_in(year, month)).then_some(date)
    }

    /// Days since 1970-01-01.
    #[must_use]
    pub fn to_days(self) -> i64 {
        // The era starts on 1 March, so that the leap day is its last.
        let (y, m) = (
            i64::from(self.year) - i64::from(self.month <= 2),
            i64::from(self.month),
        );
        let era = y.div_euclid(400);
        let year_of_era = y.rem_euclid(400);
        let day_of_year = (153 * ((m + 9) % 12) + 2) / 5 + i64::from(self.day) - 1;
        era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year
            - 719_468
    }

    fn from_days(days: i64) -> Self {
        let z = days + 719_468;
        let era = z.div_euclid(146_097);
        let day_of_era = z.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let m = (5 * day_of_year + 2) / 153;
        let month = if m < 10 { m + 3 } else { m - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        let day = day_of_year - (153 * m + 2) / 5 + 1;
        // The callers clamp to the years 0 to 9999, so that each part fits.
        Self {
            year: u16::try_from(year).unwrap_or(9999),
            month: u8::try_from(month).unwrap_or(1),
            day: u8::try_from(day).unwrap_or(1),
        }
    }
}

const MAX_ZONE: i16 = 24 * 60 - 1;
/// 0000-01-01 00:00:00 and 9999-12-31 23:59:59, what four digits can say.
const MIN_LOCAL: i64 = -719_528 * DAY;
const MAX_LOCAL: i64 = 2_932_897 * DAY - 1;

/// Seconds since 1970-01-01 on the clocks of the zone.
fn local(unix: i64, zone_minutes: i16) -> i64 {
    let zone = zone_minutes.clamp(-MAX_ZONE, MAX_ZONE);
    unix.saturating_add(i64::from(zone) * 60)
        .clamp(MIN_LOCAL, MAX_LOCAL)
}

/// An instant and the zone it was given in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct DateTime {
    /// Seconds since 1970-01-01 UTC.
    pub unix: i64,
    /// Minutes east of UTC.
    pub zone_minutes: i16,
}

impl DateTime {
    /// Reads `17-Jul-1996 02:44:25 -0700`, the day with or without a leading space or zero; a leap second is the one before.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = match text {
            [b' ', _, b'-', ..] => &text[1..],
            text => text,
        };
        let mut words = text.split(|b| *b == b' ');
        let date = Date::parse(words.next()?)?;
        let time = words.next()?;
        let zone = words.next()?;
        words.next().is_none().then_some(())?;
        let [h1, h2, b':', m1, m2, b':', s1, s2] = *time else {
            return None;
        };
        let (hour, minute, second) = (
            digits(&[h1, h2], 2, 2)?,
            digits(&[m1, m2], 2, 2)?,
            digits(&[s1, s2], 2, 2)?,
        );
        (hour < 24 && minute < 60 && second <= 60).then_some(())?;
        let zone_minutes = zone_minutes(zone)?;
        let seconds = i64::from(hour * 3600 + minute * 60 + second.min(59));
        Some(Self {
            unix: date.to_days() * DAY + seconds - i64::from(zone_minutes) * 60,
            zone_minutes,
        })
    }

    /// Writes 26 octets, without quotes; an instant beyond four-digit years is clamped.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.text());
    }

    /// The octets that are written.
    pub(crate) fn text(&self) -> [u8; 26] {
        let zone = self.zone_minutes.clamp(-MAX_ZONE, MAX_ZONE);
        let date = Date::from_unix(self.unix, zone);
        // Less than a day, which a u32 holds.
        let seconds = u32::try_from(local(self.unix, zone).rem_euclid(DAY)).unwrap_or(0);
        let (year, zone_minutes) = (u32::from(date.year), u32::from(zone.unsigned_abs()));
        let mut text = *b"dd-Mmm-yyyy hh:mm:ss +hhmm";
        text[3..6].copy_from_slice(MONTHS[usize::from(date.month - 1)]);
        text[21] = if zone < 0 { b'-' } else { b'+' };
        let pairs = [
            (0, u32::from(date.day)),
            (7, year / 100),
            (9, year % 100),
            (12, seconds / 3600),
            (15, seconds / 60 % 60),
            (18, seconds % 60),
            (22, zone_minutes / 60),
            (24, zone_minutes % 60),
        ];
        for (at, n) in pairs {
            // Each is less than 100, and its digits less than 10.
            text[at] = b'0' + (n / 10) as u8;
            text[at + 1] = b'0' + (n % 10) as u8;
        }
        text
    }

    /// The date in its own zone.
    #[must_use]
    pub fn date(&self) -> Date {
        Date::from_unix(self.unix, self.zone_minutes)
    }
}

fn zone_minutes(zone: &[u8]) -> Option<i16> {
    let [sign @ (b'+' | b'-'), h1, h2, m1, m2] = *zone else {
        return None;
    };
    let (hours, minutes) = (digits(&[h1, h2], 2, 2)?, digits(&[m1, m2], 2, 2)?);
    (hours < 24 && minutes < 60).then_some(())?;
    let total = i16::try_from(hours * 60 + minutes).ok()?;
    Some(if sign == b'-' { -total } else { total })
}

fn digits(text: &[u8], least: usize, most: usize) -> Option<u32> {
    let right = text.len() >= least && text.len() <= most && text.iter().all(u8::is_ascii_digit);
    right.then(|| text.iter().fold(0, |n, d| n * 10 + u32::from(d - b'0')))
}

pub(crate) fn month(name: &[u8]) -> Option<u8> {
    let at = MONTHS.iter().position(|m| m.eq_ignore_ascii_case(name))?;
    u8::try_from(at + 1).ok()
}

fn days_in(year: u32, month: u8) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use proptest::prelude::*;

    fn written(d: DateTime) -> String {
        let mut out = Vec::new();
        d.write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn reads_and_writes_what_the_rfc_shows() {
        let d = DateTime::parse(b"17-Jul-1996 02:44:25 -0700").unwrap();
        assert_eq!(
            d,
            DateTime {
                unix: 837_596_665,
                zone_minutes: -420
            }
        );
        assert_eq!(written(d), "17-Jul-1996 02:44:25 -0700");
        assert_eq!(
            DateTime::parse(b" 1-Feb-2024 00:00:00 +0000").unwrap().unix,
            1_706_745_600
        );
    }

    #[test]
    fn refuses_what_is_no_date() {
        for bad in [
            "31-Feb-2024 00:00:00 +0000",
            "29-Feb-2023 00:00:00 +0000",
            "1-Feb-2024 24:00:00 +0000",
            "1-Feb-2024 00:00:00 +2400",
            "0-Feb-2024 00:00:00 +0000",
            "1-Foo-2024 00:00:00 +0000",
            "1-Feb-24 00:00:00 +0000",
            "1-Feb-2024  00:00:00 +0000",
            " 17-Feb-2024 00:00:00 +0000",
            "  1-Feb-2024 00:00:00 +0000",
            "17-Feb-2024 00:00:61 +0000",
            "17-Feb-2024 00:60:00 +0000",
            "17-Feb-2024 0:00:00 +0000",
            "17-Feb-2024 00:00:00 0000",
            "17-Feb-2024 00:00:00 +0060",
            "17-Feb-2024 00:00:00 GMT",
            "17-Feb-2024 00:00:00 +0000 ",
            "17-Feb-02024 00:00:00 +0000",
            "+1-Feb-2024 00:00:00 +0000",
            "",
        ] {
            assert_eq!(DateTime::parse(bad.as_bytes()), None, "{bad}");
        }
        assert!(Date::parse(b"29-Feb-2000").is_some());
        assert!(Date::parse(b"29-Feb-1900").is_none());
    }

    #[test]
    fn a_leap_second_is_the_one_before() {
        let leap = DateTime::parse(b"31-Dec-2016 23:59:60 +0000").unwrap();
        assert_eq!(written(leap), "31-Dec-2016 23:59:59 +0000");
    }

    #[test]
    fn four_digit_years_are_kept_to_their_ends() {
        for text in [
            "31-Dec-9999 23:59:59 +0000",
            "31-Dec-9999 23:59:59 -2359",
            "31-Dec-9999 23:59:59 +2359",
            "01-Jan-0000 00:00:00 +0000",
            "01-Jan-0000 00:00:00 +2359",
        ] {
            assert_eq!(written(DateTime::parse(text.as_bytes()).unwrap()), text);
        }
        let never = DateTime {
            unix: i64::MAX,
            zone_minutes: 60,
        };
        assert_eq!(written(never), "31-Dec-9999 23:59:59 +0100");
    }

    /// Counts day by day, by the rule of the calendar, from 1940 to 2370.
    #[test]
    fn days_follow_the_calendar() {
        let mut date = Date {
            year: 1940,
            month: 1,
            day: 1,
        };
        for days in -10_958..146_097 {
            assert_eq!(date.to_days(), days);
            assert_eq!(Date::from_unix(days * DAY, 0), date);
            assert_eq!(Date::from_unix(days * DAY + DAY - 1, 0), date);
            date = day_after(date);
        }
        assert_eq!((date.year, date.month, date.day), (2370, 1, 1));
    }

    fn day_after(Date { year, month, day }: Date) -> Date {
        let leap = year % 400 == 0 || year % 4 == 0 && year % 100 != 0;
        let lengths = [
            31,
            28 + u8::from(leap),
            31,
            30,
            31,
            30,
            31,
            31,
            30,
            31,
            30,
            31,
        ];
        let (year, month, day) = if day < lengths[usize::from(month) - 1] {
            (year, month, day + 1)
        } else if month < 12 {
            (year, month + 1, 1)
        } else {
            (year + 1, 1, 1)
        };
        Date { year, month, day }
    }

    #[test]
    fn the_date_is_that_of_the_zone() {
        let late = DateTime::parse(b"31-Dec-2023 23:30:00 -0100").unwrap();
        assert_eq!(Some(late.date()), Date::parse(b"31-dec-2023"));
        assert_eq!(
            Some(Date::from_unix(late.unix, 0)),
            Date::parse(b"1-Jan-2024")
        );
    }

    proptest! {
        #[test]
        fn no_octets_panic(text in "[ 0-9A-Za-z:+-]{0,28}", junk in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = DateTime::parse(text.as_bytes());
            let _ = DateTime::parse(&junk);
            let _ = Date::parse(&junk);
        }

        #[test]
        fn every_instant_survives(unix in -60_000_000_000i64..250_000_000_000, zone in -1439i16..1440) {
            let d = DateTime { unix, zone_minutes: zone };
            prop_assert_eq!(DateTime::parse(written(d).as_bytes()), Some(d));
        }

        #[test]
        fn any_number_is_written(unix in any::<i64>(), zone in any::<i16>()) {
            prop_assert_eq!(written(DateTime { unix, zone_minutes: zone }).len(), 26);
        }
    }
}
