//! Names, sizes and durations: their rules, once as a pattern for editors and once as code.

use std::ops::RangeInclusive;
use std::time::Duration;

pub(super) const NAME_PATTERN: &str = "^[a-z][a-z0-9_-]{0,63}$";
pub(super) const APP_NAME_PATTERN: &str = "^[a-z][a-z0-9-]{0,63}$";
/// The core of semver.org's own pattern; the `semver` crate has the last word.
pub(super) const VERSION_PATTERN: &str =
    r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$";
pub(super) const SIZE_PATTERN: &str = "^[0-9]+(KiB|MiB|GiB)$";
pub(super) const DURATION_PATTERN: &str = "^[0-9]+(ms|s)$";
pub(super) const PORT_RANGE_PATTERN: &str = "^[0-9]{1,5}-[0-9]{1,5}$";

/// The ports an owner may give away: those below are the system's (RFC 6335, 6).
const USER_PORTS: RangeInclusive<u16> = 1024..=65535;

const SIZES: [(&str, u64); 3] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
const DURATIONS_MS: [(&str, u64); 2] = [("ms", 1), ("s", 1000)];

/// Whether `name` may name a camera, model, param or plugin.
pub(super) fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    name.len() <= 64
        && bytes.next().is_some_and(|first| first.is_ascii_lowercase())
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
}

/// Whether `name` may name an app: it becomes part of host names and topics, where `_` is no letter.
pub(super) fn is_app_name(name: &str) -> bool {
    is_name(name) && !name.contains('_')
}

/// A size such as `64MiB` in bytes, if it is one within `range`.
pub(super) fn size(text: &str, range: &RangeInclusive<u64>) -> Result<u64, String> {
    let bytes = quantity(text, &SIZES).ok_or("write it as `64MiB` (`KiB`, `MiB` or `GiB`)")?;
    if range.contains(&bytes) {
        Ok(bytes)
    } else {
        Err(format!("it takes `{}` to `{}`", show_size(*range.start()), show_size(*range.end())))
    }
}

/// A duration such as `50ms`, if it is one within `range`.
pub(super) fn duration(text: &str, range: &RangeInclusive<Duration>) -> Result<Duration, String> {
    let ms = quantity(text, &DURATIONS_MS).ok_or("write it as `50ms` or `2s`")?;
    let duration = Duration::from_millis(ms);
    if range.contains(&duration) {
        Ok(duration)
    } else {
        Err(format!("it takes `{}` to `{}`", show_duration(*range.start()), show_duration(*range.end())))
    }
}

/// Two ports such as `8000-9000`, the lower first.
pub(super) fn port_range(text: &str) -> Option<RangeInclusive<u16>> {
    let port = |digits: &str| {
        digits
            .bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| digits.parse().ok())?
            .filter(|port| USER_PORTS.contains(port))
    };
    let (low, high) = text.split_once('-')?;
    let range = port(low)?..=port(high)?;
    (!range.is_empty()).then_some(range)
}

/// Digits and a unit; what does not fit saturates, and so lies outside every range.
fn quantity(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    if number.is_empty() {
        return None;
    }
    Some(number.parse::<u64>().unwrap_or(u64::MAX).saturating_mul(*factor))
}

/// Bytes in the largest unit that leaves a whole number.
pub(super) fn show_size(bytes: u64) -> String {
    let (unit, factor) =
        SIZES.iter().rev().find(|(_, factor)| bytes.is_multiple_of(*factor)).unwrap_or(&("B", 1));
    format!("{}{unit}", bytes / factor)
}

/// A duration of whole milliseconds in the largest unit that leaves a whole number.
pub(super) fn show_duration(duration: Duration) -> String {
    let ms = duration.as_millis();
    if ms.is_multiple_of(1000) { format!("{}s", ms / 1000) } else { format!("{ms}ms") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMORY_BYTES: RangeInclusive<u64> = (1 << 20)..=(4 << 30);
    const DEADLINE: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(10);

    #[test]
    fn sizes_and_durations_are_read_and_shown() {
        assert_eq!(size("64MiB", &MEMORY_BYTES), Ok(64 << 20));
        assert_eq!(size("4096KiB", &MEMORY_BYTES), Ok(4 << 20));
        assert_eq!(show_size(64 << 20), "64MiB");
        assert_eq!(show_size(1 << 30), "1GiB");
        assert_eq!(show_size(1000), "1000B");
        assert_eq!(duration("2s", &DEADLINE), Ok(Duration::from_secs(2)));
        assert_eq!(show_duration(Duration::from_millis(2000)), "2s");
        assert_eq!(show_duration(Duration::from_millis(50)), "50ms");
    }

    #[test]
    fn what_is_no_size_or_out_of_range_is_refused() {
        for text in ["", "64", "MiB", "64MB", "64 MiB", "-1MiB", "6.5MiB", "64MiBs", "٣MiB"] {
            assert!(size(text, &MEMORY_BYTES).unwrap_err().starts_with("write"), "{text}");
        }
        for text in ["0MiB", "1023KiB", "5GiB", "99999999999999999999999GiB", "18446744073709551615GiB"] {
            assert_eq!(size(text, &MEMORY_BYTES), Err("it takes `1MiB` to `4GiB`".into()), "{text}");
        }
        assert_eq!(duration("0ms", &DEADLINE), Err("it takes `1ms` to `10s`".into()));
        assert_eq!(duration("1m", &DEADLINE), Err("write it as `50ms` or `2s`".into()));
    }

    #[test]
    fn a_range_of_ports_is_two_ports_the_lower_first() {
        assert_eq!(port_range("8000-9000"), Some(8000..=9000));
        assert_eq!(port_range("1024-1024"), Some(1024..=1024));
        assert_eq!(port_range("1024-65535"), Some(1024..=65535));
        for text in
            ["", "8000", "-", "8000-", "9000-8000", "80-9000", "8000-65536", "+8000-9000", "8000-9000-9001"]
        {
            assert_eq!(port_range(text), None, "{text}");
        }
    }

    #[test]
    fn names_keep_their_rule() {
        for name in ["a", "entrance-2", "min_score", &"a".repeat(64)] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "2nd", "-a", "Entrance", "a b", "a=b", "ä", &"a".repeat(65)] {
            assert!(!is_name(name), "{name}");
        }
        assert!(is_app_name("people-counter") && !is_app_name("people_counter"));
    }
}
