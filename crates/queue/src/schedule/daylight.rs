//! The rule about clocks that shift, held against every IANA time zone (JOB-12). What should happen is worked out here without
//! the code under test: by walking through the minutes around each shift and looking at the clock on the wall.
//!
//! Fixed hours: each time on the wall fires once a day; one that the clock skips fires as long after midnight as if it had not
//! been skipped, one that it shows twice fires the first time. An hour field that begins with `*`: every minute that passes and
//! whose time on the wall matches fires, so the skipped hour is left out and the repeated one fires twice.

use super::expression::Expression;
use chrono::{DateTime, Datelike, Duration, MappedLocalTime, NaiveDateTime, Offset, TimeZone, Timelike, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};
use proptest::{prelude::*, sample::select};
use std::collections::BTreeSet;

/// An expression, and the minutes and hours it means.
#[derive(Clone, Debug)]
struct Asked {
    cron: String,
    minutes: Vec<u32>,
    hours: Vec<u32>,
    every_hour: bool,
}

impl Asked {
    fn fixed(minutes: &[u32], hours: &[u32]) -> Self {
        let listed = |numbers: &[u32]| numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let cron = format!("{} {} * * *", listed(minutes), listed(hours));
        Self { cron, minutes: minutes.into(), hours: hours.into(), every_hour: false }
    }

    fn every(minute_step: usize, hour_step: usize) -> Self {
        Self {
            cron: format!("*/{minute_step} */{hour_step} * * *"),
            minutes: (0..60).step_by(minute_step).collect(),
            hours: (0..24).step_by(hour_step).collect(),
            every_hour: true,
        }
    }

    fn matches(&self, wall: NaiveDateTime) -> bool {
        self.minutes.contains(&wall.minute()) && self.hours.contains(&wall.hour()) && wall.second() == 0
    }

    /// When it should fire after `from` and up to `to`.
    fn expected(&self, zone: Tz, from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<DateTime<Utc>> {
        let mut times = BTreeSet::new();
        // Two days before, because what falls into a gap fires when it is over.
        let mut at = from - Duration::days(2);
        while at <= to {
            let wall = zone.from_utc_datetime(&at.naive_utc()).naive_local();
            let is_repeat = zone.from_local_datetime(&wall).earliest().is_none_or(|first| first.to_utc() != at);
            if self.matches(wall) && (self.every_hour || !is_repeat) {
                times.insert(at);
            }
            let before = offset(zone, at);
            let next = at + Duration::minutes(1);
            let skipped = offset(zone, next) - before;
            if skipped > Duration::zero() && !self.every_hour {
                // The wall clock jumps from `wall` to `wall + 1 min + skipped`: what lies between fires by the clock of before.
                for minute in 1..=skipped.num_minutes() {
                    let missing = wall + Duration::minutes(minute);
                    if self.matches(missing) {
                        times.insert((missing - before).and_utc());
                    }
                }
            }
            at = next;
        }
        times.into_iter().filter(|time| *time > from && *time <= to).collect()
    }

    /// When it does.
    fn actual(&self, zone: Tz, from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<DateTime<Utc>> {
        let expression = Expression::parse(&self.cron, zone.name()).expect("an expression");
        let mut times = vec![];
        let mut at = from;
        while let Some(next) = expression.next_after(at).filter(|next| *next <= to) {
            assert!(next > at, "{} in {zone}: {next} does not come after {at}", self.cron);
            times.push(next);
            at = next;
        }
        times
    }

    fn holds_around(&self, zone: Tz, shift: DateTime<Utc>) {
        let (from, to) = (shift - Duration::hours(27), shift + Duration::hours(30));
        let (expected, actual) = (self.expected(zone, from, to), self.actual(zone, from, to));
        let missed: Vec<_> = expected.iter().filter(|time| !actual.contains(time)).collect();
        let invented: Vec<_> = actual.iter().filter(|time| !expected.contains(time)).collect();
        assert!(
            missed.is_empty() && invented.is_empty(),
            "{} in {zone} around {shift}: missed {missed:?}, invented {invented:?}",
            self.cron
        );
    }
}

fn offset(zone: Tz, at: DateTime<Utc>) -> Duration {
    Duration::seconds(zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc().into())
}

/// The first minutes after the clock has shifted, in a year.
fn shifts(zone: Tz, year: i32) -> Vec<DateTime<Utc>> {
    let start = |year| Utc.with_ymd_and_hms(year, 1, 1, 0, 0, 0).single().expect("a new year");
    let (mut at, end) = (start(year), start(year + 1));
    let mut shifts = vec![];
    while at < end {
        let next = at + Duration::hours(6);
        if offset(zone, at) != offset(zone, next) {
            let minute = (0..=360).map(|minutes| at + Duration::minutes(minutes));
            shifts.extend(minute.skip_while(|minute| offset(zone, *minute) == offset(zone, at)).take(1));
        }
        at = next;
    }
    shifts
}

/// Offsets by the minute: before 1972 some zones kept the seconds of the sun, which no five fields can name.
const YEARS: std::ops::Range<i32> = 1973..2038;

#[test]
fn in_no_time_zone_is_a_time_lost_or_doubled() {
    let asked = [Asked::fixed(&[0, 30], &[0, 1, 2, 3]), Asked::every(30, 1)];
    // Many names stand for the same clock.
    let mut seen = BTreeSet::new();
    for zone in TZ_VARIANTS {
        for shift in [1994, 2011, 2026].into_iter().flat_map(|year| shifts(zone, year)) {
            let [before, after] = [shift - Duration::minutes(1), shift].map(|at| offset(zone, at).num_minutes());
            if seen.insert((shift, before, after)) {
                asked.iter().for_each(|asked| asked.holds_around(zone, shift));
            }
        }
    }
    assert!(seen.len() > 100, "shifts there were: {}", seen.len());
}

#[test]
fn a_day_that_a_country_skipped_altogether_fires_with_the_next() {
    // Samoa went from Thursday, 29 December 2011 to Saturday, 31 December.
    let asked = Asked::fixed(&[30], &[2]);
    let from = Utc.with_ymd_and_hms(2011, 12, 29, 0, 0, 0).single().expect("a time");
    let days: Vec<u32> = asked
        .actual(chrono_tz::Pacific::Apia, from, from + Duration::days(4))
        .into_iter()
        .map(|time| time.with_timezone(&chrono_tz::Pacific::Apia).day())
        .collect();
    assert_eq!(days, [29, 31, 1, 2]);
}

fn numbers(below: u32, most: usize) -> impl Strategy<Value = Vec<u32>> {
    prop::collection::btree_set(0..below, 1..=most).prop_map(|numbers| numbers.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn any_expression_in_any_zone_and_year_keeps_to_the_rule(
        zone in select(TZ_VARIANTS.to_vec()),
        year in YEARS,
        asked in prop_oneof![
            (numbers(60, 4), numbers(24, 5)).prop_map(|(minutes, hours)| Asked::fixed(&minutes, &hours)),
            (1usize..60, 1usize..12).prop_map(|(minutes, hours)| Asked::every(minutes, hours)),
        ],
    ) {
        for shift in shifts(zone, year) {
            asked.holds_around(zone, shift);
        }
        // And on a day like any other.
        let plain = Utc.with_ymd_and_hms(year, 6, 15, 12, 0, 0).single().expect("a time");
        asked.holds_around(zone, plain);
    }

    #[test]
    fn times_come_one_after_another(
        zone in select(TZ_VARIANTS.to_vec()),
        cron in select(vec!["30 2 * * *", "0 0 * * 0", "59 23 31 * *", "*/10 * * * *", "0 0 29 2 *", "15 1-4 * 3,10,11 *"]),
        from in 100_000_000i64..2_100_000_000,
    ) {
        let expression = Expression::parse(cron, zone.name()).expect("an expression");
        let mut at = DateTime::from_timestamp(from, 0).expect("a time");
        for _ in 0..50 {
            let Some(next) = expression.next_after(at) else { break };
            prop_assert!(next > at);
            // Nothing was stepped over: asked from just before, it is the same time again.
            prop_assert_eq!(expression.next_after(next - Duration::seconds(1)), Some(next));
            let is_on_the_wall = matches!(zone.from_local_datetime(&next.with_timezone(&zone).naive_local()), MappedLocalTime::None);
            prop_assert!(!is_on_the_wall);
            at = next;
        }
    }
}
