//! When a schedule fires: a cron expression of five fields, read in a time zone.
//!
//! `minute hour day-of-month month day-of-week`, with the meaning of crontab(5): Sunday is 0 or 7, and when both day fields are
//! restricted either may match.
//!
//! Fixed hours follow the clock on the wall: on a spring day without 02:30 a job of 02:30 runs at 03:30, half an hour after the
//! shift; on an autumn day with two of them it runs at the first. An hour field that begins with `*` follows the hours that
//! really pass: the skipped hour is left out, the repeated one has its runs twice. Held in every time zone by `daylight.rs`.

use chrono::{DateTime, Duration, MappedLocalTime, NaiveDateTime, Offset, TimeZone, Utc};
use chrono_tz::Tz;
use cron::Schedule as Fields;
use std::str::FromStr;

/// A cron expression in its time zone.
#[derive(Clone, Debug)]
pub struct Expression {
    /// Two when both day fields are restricted: one per field.
    fields: Vec<Fields>,
    every_hour: bool,
    zone: Tz,
}

/// Why an expression cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpressionError {
    /// Not an IANA time zone.
    #[error("{0:?} is no time zone; write one like \"UTC\" or \"Europe/Berlin\"")]
    Zone(String),
    /// Not five fields.
    #[error("{0:?} has not the five fields \"minute hour day-of-month month day-of-week\"")]
    Shape(String),
    /// A field says what it cannot.
    #[error("{expression:?} cannot be read: {why}")]
    Field {
        /// The expression.
        expression: String,
        /// What is wrong.
        why: String,
    },
}

impl Expression {
    /// Reads `cron` in `zone`.
    ///
    /// # Errors
    /// When either cannot be understood.
    pub fn parse(cron: &str, zone: &str) -> Result<Self, ExpressionError> {
        let zone = zone.parse::<Tz>().map_err(|_| ExpressionError::Zone(zone.to_owned()))?;
        let parts: Vec<&str> = cron.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = parts[..] else {
            return Err(ExpressionError::Shape(cron.to_owned()));
        };
        let fault = |why: String| ExpressionError::Field { expression: cron.to_owned(), why };
        if day.contains('?') {
            return Err(fault("crontab knows no \"?\"; write \"*\"".to_owned())); // the parser below would take it for every day
        }
        let weekdays = weekday_names(weekday).map_err(&fault)?;
        let days = match (day.starts_with('*'), weekday.starts_with('*')) {
            (false, false) => vec![(day, "*"), ("*", weekdays.as_str())],
            _ => vec![(day, weekdays.as_str())],
        };
        let read = |(day, weekday): (&str, &str)| Fields::from_str(&format!("0 {minute} {hour} {day} {month} {weekday}"));
        let fields = days.into_iter().map(read).collect::<Result<_, _>>().map_err(|error| fault(error.to_string()))?;
        Ok(Self { fields, every_hour: hour.starts_with('*'), zone })
    }

    /// What each field means: one set of fields, or two of which either may match.
    pub(super) fn fields(&self) -> &[Fields] {
        &self.fields
    }

    /// The first time after `after`, if the expression names one.
    pub fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.fields.iter().filter_map(|fields| self.next_of(fields, after)).min()
    }

    fn next_of(&self, fields: &Fields, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        // Wall-clock times, carried as if they were UTC.
        let local = after.with_timezone(&self.zone).naive_local();
        let next = fields.after(&local.and_utc()).next()?.naive_utc();
        let time = self.zone.from_local_datetime(&next);
        let shift = self.shift_near(after) + time.earliest().map_or(REACH, |time| self.shift_near(time.to_utc()));
        if let MappedLocalTime::Single(time) = time
            && shift.is_zero()
        {
            return Some(time.to_utc());
        }

        // Near a shift of the clock an earlier wall time may come later: look at all that it could have moved.
        let near = (shift + Duration::hours(1)).min(REACH);
        let mut best: Option<DateTime<Utc>> = None;
        for wall in fields.after(&(local - near).and_utc()).map(|wall| wall.naive_utc()) {
            if best.is_some_and(|best| wall > best.with_timezone(&self.zone).naive_local() + near) {
                break;
            }
            best = self.instants(wall).into_iter().filter(|time| *time > after).chain(best).min();
        }
        best
    }

    /// By how much the clock shifts within reach of `time`.
    fn shift_near(&self, time: DateTime<Utc>) -> Duration {
        let offset = |time: DateTime<Utc>| self.zone.offset_from_utc_datetime(&time.naive_utc()).fix().local_minus_utc();
        Duration::seconds(i64::from((offset(time + REACH) - offset(time - REACH)).abs()))
    }

    /// When the clock on the wall shows `wall`.
    fn instants(&self, wall: NaiveDateTime) -> Vec<DateTime<Utc>> {
        match self.zone.from_local_datetime(&wall) {
            MappedLocalTime::Single(time) => vec![time.to_utc()],
            MappedLocalTime::Ambiguous(first, second) if self.every_hour => vec![first.to_utc(), second.to_utc()],
            MappedLocalTime::Ambiguous(first, _) => vec![first.to_utc()],
            MappedLocalTime::None if self.every_hour => vec![],
            // In the gap: as long after the wall time some hours before as it would be without the shift.
            MappedLocalTime::None => self.instants(wall - REACH).into_iter().map(|time| time + REACH).collect(),
        }
    }
}

/// No clock shifts by more: islands have changed to the other side of the date line, which is a day.
const REACH: Duration = Duration::hours(26);

/// The day-of-week field with names, because the parser below counts days from Sunday = 1.
fn weekday_names(field: &str) -> Result<String, String> {
    const NAMES: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
    let number = |text: &str| -> Result<usize, String> {
        let by_name = NAMES.iter().position(|name| name.eq_ignore_ascii_case(text));
        let by_number = text.parse().ok().filter(|number| *number <= 7);
        by_name.or(by_number).ok_or_else(|| format!("{text:?} is no day of the week"))
    };
    let mut days = [false; 7];
    for item in field.split(',') {
        let (range, step) = item.split_once('/').map_or((item, None), |(range, step)| (range, Some(step)));
        let step =
            step.map_or(Ok(1), |step| step.parse().ok().filter(|step| *step > 0).ok_or_else(|| format!("{step:?} is no step")))?;
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (0, 6),
            Some((first, last)) => (number(first)?, number(last)?),
            None if item.contains('/') => (number(range)?, 6),
            None => (number(range)?, number(range)?),
        };
        if first > last {
            return Err(format!("{range:?} runs backwards"));
        }
        for day in (first..=last).step_by(step) {
            days[day % 7] = true;
        }
    }
    if days == [true; 7] {
        return Ok("*".to_owned());
    }
    Ok(NAMES.iter().zip(days).filter_map(|(name, on)| on.then_some(*name)).collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(cron: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
        let expression = Expression::parse(cron, zone).expect("an expression");
        let mut at: DateTime<Utc> = from.parse().expect("a time");
        (0..count)
            .map(|_| {
                at = expression.next_after(at).expect("a next time");
                at.format("%a %Y-%m-%d %H:%M").to_string()
            })
            .collect()
    }

    #[test]
    fn days_of_the_week_count_from_sunday_as_in_crontab() {
        assert_eq!(times("0 0 * * 1", "UTC", "2026-01-01T00:00:00Z", 2), ["Mon 2026-01-05 00:00", "Mon 2026-01-12 00:00"]);
        assert_eq!(times("0 0 * * 7", "UTC", "2026-01-01T00:00:00Z", 1), ["Sun 2026-01-04 00:00"]);
        assert_eq!(
            times("0 0 * * 5-7", "UTC", "2026-01-01T00:00:00Z", 3).join(" "),
            "Fri 2026-01-02 00:00 Sat 2026-01-03 00:00 Sun 2026-01-04 00:00"
        );
    }

    #[test]
    fn either_day_field_may_match_when_both_are_restricted() {
        assert_eq!(
            times("0 0 13 * 5", "UTC", "2026-01-03T00:00:00Z", 3).join(" "),
            "Fri 2026-01-09 00:00 Tue 2026-01-13 00:00 Fri 2026-01-16 00:00"
        );
    }

    #[test]
    fn a_fixed_hour_fires_once_on_days_when_the_clock_shifts() {
        let spring = times("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", 2);
        assert_eq!(spring, ["Sun 2026-03-29 01:30", "Mon 2026-03-30 00:30"]); // 03:30 local, then 02:30
        let autumn = times("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2);
        assert_eq!(autumn, ["Sun 2026-10-25 00:30", "Mon 2026-10-26 01:30"]);
    }

    #[test]
    fn every_ten_minutes_goes_on_through_the_repeated_hour() {
        let autumn = times("*/30 * * * *", "Europe/Berlin", "2026-10-25T00:00:00Z", 5);
        let hours: Vec<&str> = autumn.iter().map(|time| &time[15..]).collect();
        assert_eq!(hours, ["00:30", "01:00", "01:30", "02:00", "02:30"]);
    }

    #[test]
    fn nonsense_is_refused_with_a_reason() {
        assert!(matches!(Expression::parse("* * * *", "UTC"), Err(ExpressionError::Shape(_))));
        assert!(matches!(Expression::parse("* * * * *", "Mars/Olympus"), Err(ExpressionError::Zone(_))));
        assert!(matches!(Expression::parse("61 * * * *", "UTC"), Err(ExpressionError::Field { .. })));
        assert!(matches!(Expression::parse("0 0 * * Friday8", "UTC"), Err(ExpressionError::Field { .. })));
        assert!(matches!(Expression::parse("0 0 ? * 1", "UTC"), Err(ExpressionError::Field { .. })));
    }
}
