//! Times as people type and read them.

use chrono::{DateTime, Duration, NaiveDate, NaiveDateTime, TimeDelta, Utc};

/// A time: `2h` ago, a day, or a moment in UTC.
pub fn past(text: &str) -> Result<DateTime<Utc>, String> {
    length(text).map(|ago| Utc::now() - ago).or_else(|| moment(text)).ok_or_else(|| {
        format!("{text:?} is no time: write how long ago (30m, 2h, 7d), a day (2026-05-31) or a moment (2026-05-31T14:00:00Z)")
    })
}

/// A time to come: in `2h`, or a moment in UTC.
pub fn future(text: &str) -> Result<DateTime<Utc>, String> {
    length(text).map(|from_now| Utc::now() + from_now).or_else(|| moment(text)).ok_or_else(|| {
        format!("{text:?} is no time: write in how long (30m, 2h, 7d), a day (2026-05-31) or a moment (2026-05-31T14:00:00Z)")
    })
}

/// `90s`, `30m`, `2h`, `7d`
fn length(text: &str) -> Option<Duration> {
    let unit = text.chars().last()?;
    let number: i64 = text.strip_suffix(unit)?.parse().ok().filter(|number| (0..=100_000).contains(number))?;
    match unit {
        's' => TimeDelta::try_seconds(number),
        'm' => TimeDelta::try_minutes(number),
        'h' => TimeDelta::try_hours(number),
        'd' => TimeDelta::try_days(number),
        _ => None,
    }
}

fn moment(text: &str) -> Option<DateTime<Utc>> {
    let day = || NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0);
    let minute = || NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").ok();
    let exact = DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc());
    exact.or_else(|| day().or_else(minute).map(|time| time.and_utc()))
}

/// `2026-05-31 14:00:00`
pub fn shown(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M:%S").to_string()
}

/// How long ago: `12 s`, `5 min`, `3 h`, `2 d`.
pub fn age(since: DateTime<Utc>) -> String {
    let seconds = (Utc::now() - since).num_seconds().max(0);
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_typed_as_lengths_days_or_moments() {
        let ago = |text| {
            let time = past(text).expect("a time");
            (Utc::now() - time).num_minutes()
        };
        assert_eq!([ago("30m"), ago("2h"), ago("7d")], [30, 120, 7 * 24 * 60]);
        assert!(future("2h").expect("a time") > Utc::now());
        let exact = "2026-05-31T14:00:00Z".parse::<DateTime<Utc>>().expect("a time");
        for text in ["2026-05-31T14:00:00Z", "2026-05-31T16:00:00+02:00", "2026-05-31 14:00"] {
            assert_eq!(past(text), Ok(exact), "{text}");
        }
        assert_eq!(past("2026-05-31"), Ok(exact - Duration::hours(14)));
        for text in ["", "d", "yesterday", "-1h", "99999999999999d", "2026-13-01", "ü"] {
            assert!(past(text).is_err_and(|why| why.contains("is no time")), "{text}");
        }
    }
}
