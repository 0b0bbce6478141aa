//! A schedule's times in plain English, for people who do not read five fields: `30 2 * * 1` is "on Mondays at 02:30 (UTC)".
//!
//! The sentence is made from the times an expression means, not from how it is written, so `0 9-17 * * *` and
//! `0 9,10,11,12,13,14,15,16,17 * * *` read the same, and every expression that can be read can be described. Where no pattern
//! is found the numbers are listed. The zone is named whenever the clock on the wall matters.

use crate::schedule::expression::Expression;
use cron::TimeUnitSpec;

/// What `cron` in `zone` means, in words; for an expression that cannot be read, why not.
///
/// ```
/// # use mywork_queue::schedule::describe;
/// assert_eq!(describe("0 2 * * *", "UTC"), "every day at 02:00 (UTC)");
/// assert_eq!(describe("*/10 * * * *", "UTC"), "every 10 minutes");
/// ```
pub fn describe(cron: &str, zone: &str) -> String {
    match Expression::parse(cron, zone) {
        Ok(expression) => Times::of(&expression).sentence(zone),
        Err(error) => error.to_string(),
    }
}

/// The numbers each field means. Empty: all of them.
#[derive(Debug, PartialEq, Eq)]
struct Times {
    minutes: Vec<u32>,
    hours: Vec<u32>,
    days: Vec<u32>,
    months: Vec<u32>,
    /// From Monday = 1 to Sunday = 7.
    weekdays: Vec<u32>,
    /// Whether a day matches by either of its fields; else it must by both.
    either: bool,
}

const MONTHS: [&str; 12] =
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// So many times of a day are listed; more are told by minutes and hours.
const MOST_LISTED: usize = 6;

impl Times {
    fn of(expression: &Expression) -> Self {
        let mut times = Self { minutes: vec![], hours: vec![], days: vec![], months: vec![], weekdays: vec![], either: false };
        let fields = expression.fields();
        for part in fields {
            times.minutes = restricted(part.minutes());
            times.hours = restricted(part.hours());
            times.months = restricted(part.months());
            // Where either day field may match there is a part for each, which leaves the other open.
            times.days.extend(restricted(part.days_of_month()));
            // The parser counts days of the week from Sunday = 1.
            times.weekdays.extend(restricted(part.days_of_week()).into_iter().map(|day| (day + 5) % 7 + 1));
        }
        times.weekdays.sort_unstable();
        times.either = fields.len() > 1 && !times.days.is_empty() && !times.weekdays.is_empty();
        if fields.len() > 1 && !times.either {
            // One of the two fields is open after all (`1-31`), and so is the whole.
            (times.days, times.weekdays) = (vec![], vec![]);
        }
        times
    }

    fn sentence(&self, zone: &str) -> String {
        let clock = self.clock();
        let days = self.dates();
        let sentence = match (clock.is_frequency, days) {
            (true, None) => clock.words,
            (true, Some(days)) => format!("{} {}", clock.words, days.strip_prefix("every day ").unwrap_or(&days)),
            (false, None) => format!("every day {}", clock.words),
            (false, Some(days)) => format!("{days} {}", clock.words),
        };
        let on_the_wall = !self.hours.is_empty() || !self.days.is_empty() || !self.weekdays.is_empty() || !self.months.is_empty();
        if on_the_wall { format!("{sentence} ({zone})") } else { sentence }
    }

    /// When on a day.
    fn clock(&self) -> Clock {
        let minutes = Pattern::of(&self.minutes, 60);
        let hours = Pattern::of(&self.hours, 24);
        let frequency = |words| Clock { words, is_frequency: true };
        if self.hours.is_empty() {
            return frequency(match minutes {
                Pattern::All => "every minute".to_owned(),
                Pattern::Only(0) => "every hour".to_owned(),
                Pattern::Only(minute) => format!("at {} past every hour", counted(minute, "minute")),
                Pattern::Every(step) => format!("every {step} minutes"),
                _ => format!("at {} minutes past every hour", list(self.minutes.iter().map(ToString::to_string))),
            });
        }
        if !self.minutes.is_empty() && self.minutes.len() * self.hours.len() <= MOST_LISTED {
            let times = self.hours.iter().flat_map(|hour| self.minutes.iter().map(move |minute| time(*hour, *minute)));
            return Clock { words: format!("at {}", list(times)), is_frequency: false };
        }
        // From the first time of the day to the last, where every hour between counts.
        let span = || {
            let last = self.minutes.last().copied().unwrap_or(59);
            match hours {
                Pattern::Only(hour) => Some(format!("from {} to {}", time(hour, 0), time(hour, last))),
                Pattern::Range(first, to) => Some(format!("from {} to {}", time(first, 0), time(to, last))),
                _ => None,
            }
        };
        let past = match minutes {
            Pattern::All => match span() {
                Some(span) => return frequency(format!("every minute {span}")),
                None => "every minute of".to_owned(),
            },
            Pattern::Every(step) => match span() {
                Some(span) => return frequency(format!("every {step} minutes {span}")),
                None => format!("every {step} minutes of"),
            },
            Pattern::Only(0) => match hours {
                Pattern::Every(step) => return frequency(format!("every {step} hours")),
                Pattern::Range(first, last) => {
                    return frequency(format!("every hour from {} to {}", time(first, 0), time(last, 0)));
                }
                Pattern::Steps { first, step, last } => {
                    return frequency(format!("every {step} hours from {} to {}", time(first, 0), time(last, 0)));
                }
                _ => "at the start of".to_owned(),
            },
            Pattern::Only(minute) => format!("at {} past", counted(minute, "minute")),
            _ => format!("at {} minutes past", list(self.minutes.iter().map(ToString::to_string))),
        };
        frequency(match hours {
            Pattern::Every(step) => format!("{past} every {} hour", ordinal(step)),
            Pattern::Range(first, last) => format!("{past} every hour from {first} to {last}"),
            Pattern::Steps { first, step, last } => format!("{past} every {} hour from {first} to {last}", ordinal(step)),
            _ if self.hours.len() == 1 => format!("{past} {} o'clock", self.hours[0]),
            _ => format!("{past} the hours {}", list(self.hours.iter().map(ToString::to_string))),
        })
    }

    /// On which days; nothing for every day.
    fn dates(&self) -> Option<String> {
        let weekdays = self.week();
        let month = match self.months[..] {
            [] => "every month".to_owned(),
            [..] => names(&self.months, &MONTHS),
        };
        let in_months = || if self.months.is_empty() { String::new() } else { format!(" in {month}") };
        let days = match Pattern::of_days(&self.days) {
            Pattern::All => None,
            Pattern::Range(first, last) => Some(format!("from the {} to the {}", ordinal(first), ordinal(last))),
            Pattern::Steps { first, step, last } => {
                Some(format!("on every {} day from the {} to the {}", ordinal(step), ordinal(first), ordinal(last)))
            }
            _ => Some(format!("on the {}", list(self.days.iter().map(|day| ordinal(*day))))),
        };
        match (days, weekdays) {
            (None, None) if self.months.is_empty() => None,
            (None, None) => Some(format!("every day{}", in_months())),
            (Some(days), None) => Some(format!("{days} of {month}")),
            (None, Some(week)) => Some(format!("{week}{}", in_months())),
            (Some(days), Some(week)) if self.either => Some(format!("{days} of {month} and {week}{}", in_months())),
            (Some(days), Some(week)) => Some(format!("{week} {} of {month}", days.replacen("on ", "that are ", 1))),
        }
    }

    fn week(&self) -> Option<String> {
        match self.weekdays[..] {
            [] => None,
            [1, 2, 3, 4, 5] => Some("on weekdays".to_owned()),
            [6, 7] => Some("at weekends".to_owned()),
            _ => Some(format!("on {}", list(self.weekdays.iter().map(|day| format!("{}s", name(&WEEKDAYS, *day)))))),
        }
    }
}

/// When on a day, and whether it is told as how often ("every 10 minutes") or as times ("at 02:00").
struct Clock {
    words: String,
    is_frequency: bool,
}

/// What a field's numbers have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pattern {
    All,
    Only(u32),
    /// From zero by a step that goes on evenly over the end.
    Every(u32),
    /// One after another.
    Range(u32, u32),
    /// Evenly apart.
    Steps {
        first: u32,
        step: u32,
        last: u32,
    },
    Mixed,
}

impl Pattern {
    fn of(numbers: &[u32], modulus: u32) -> Self {
        match (Self::plain(numbers), numbers) {
            (Self::Mixed, [0, half]) if half * 2 == modulus => Self::Every(*half),
            (Self::Steps { first: 0, step, last }, _) if last + step == modulus => Self::Every(step),
            (pattern, _) => pattern,
        }
    }

    /// Days of a month are a list as long as that can be read.
    fn of_days(numbers: &[u32]) -> Self {
        match Self::plain(numbers) {
            Self::Steps { .. } if numbers.len() <= MOST_LISTED => Self::Mixed,
            pattern => pattern,
        }
    }

    fn plain(numbers: &[u32]) -> Self {
        match *numbers {
            [] => Self::All,
            [only] => Self::Only(only),
            [first, second, .., last] => {
                let step = second - first;
                if numbers.windows(2).any(|pair| pair[1] - pair[0] != step) {
                    Self::Mixed
                } else if step == 1 {
                    Self::Range(first, last)
                } else {
                    Self::Steps { first, step, last }
                }
            }
            [_, _] => Self::Mixed,
        }
    }
}

/// The numbers of a field that leaves some out.
fn restricted(field: &impl TimeUnitSpec) -> Vec<u32> {
    if field.is_all() { Vec::new() } else { field.iter().collect() }
}

fn time(hour: u32, minute: u32) -> String {
    format!("{hour:02}:{minute:02}")
}

fn counted(number: u32, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

fn ordinal(number: u32) -> String {
    let ending = match (number % 10, number % 100) {
        (1, n) if n != 11 => "st",
        (2, n) if n != 12 => "nd",
        (3, n) if n != 13 => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

fn name(names: &[&'static str], number: u32) -> &'static str {
    usize::try_from(number).ok().and_then(|number| names.get(number.checked_sub(1)?)).copied().unwrap_or("?")
}

fn names(numbers: &[u32], of: &[&'static str]) -> String {
    list(numbers.iter().map(|number| name(of, *number).to_owned()))
}

/// `a`, `a and b`, `a, b and c`.
fn list(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.collect();
    match &items[..] {
        [] => String::new(),
        [only] => only.clone(),
        [before @ .., last] => format!("{} and {last}", before.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_people_write_reads_as_they_would_say_it() {
        let said = [
            ("* * * * *", "every minute"),
            ("*/10 * * * *", "every 10 minutes"),
            ("*/30 * * * *", "every 30 minutes"),
            ("0,30 * * * *", "every 30 minutes"),
            ("*/7 * * * *", "at 0, 7, 14, 21, 28, 35, 42, 49 and 56 minutes past every hour"),
            ("0 * * * *", "every hour"),
            ("1 * * * *", "at 1 minute past every hour"),
            ("15 * * * *", "at 15 minutes past every hour"),
            ("5,20 * * * *", "at 5 and 20 minutes past every hour"),
            ("0 */2 * * *", "every 2 hours (UTC)"),
            ("0 */6 * * *", "every day at 00:00, 06:00, 12:00 and 18:00 (UTC)"),
            ("30 */2 * * *", "at 30 minutes past every 2nd hour (UTC)"),
            ("0 1-23/2 * * *", "every 2 hours from 01:00 to 23:00 (UTC)"),
            ("0 2 * * *", "every day at 02:00 (UTC)"),
            ("0 2,14 * * *", "every day at 02:00 and 14:00 (UTC)"),
            ("0 9-17 * * *", "every hour from 09:00 to 17:00 (UTC)"),
            ("*/10 9-17 * * *", "every 10 minutes from 09:00 to 17:50 (UTC)"),
            ("* 3 * * *", "every minute from 03:00 to 03:59 (UTC)"),
            ("*/5 3 * * *", "every 5 minutes from 03:00 to 03:55 (UTC)"),
            ("*/20 8,9,22 * * *", "every 20 minutes of the hours 8, 9 and 22 (UTC)"),
            ("15 9-17 * * 1-5", "at 15 minutes past every hour from 9 to 17 on weekdays (UTC)"),
            ("0 0 * * 1", "on Mondays at 00:00 (UTC)"),
            ("0 0 * * 7", "on Sundays at 00:00 (UTC)"),
            ("30 6 * * 1,3,5", "on Mondays, Wednesdays and Fridays at 06:30 (UTC)"),
            ("0 12 * * sat,sun", "at weekends at 12:00 (UTC)"),
            ("*/15 * * * 1-5", "every 15 minutes on weekdays (UTC)"),
            ("0 0 1 * *", "on the 1st of every month at 00:00 (UTC)"),
            ("0 0 1,15 * *", "on the 1st and 15th of every month at 00:00 (UTC)"),
            ("0 0 1-7 * *", "from the 1st to the 7th of every month at 00:00 (UTC)"),
            ("0 0 */2 * *", "on every 2nd day from the 1st to the 31st of every month at 00:00 (UTC)"),
            ("0 0 1 1 *", "on the 1st of January at 00:00 (UTC)"),
            ("0 0 1 1,4,7,10 *", "on the 1st of January, April, July and October at 00:00 (UTC)"),
            ("0 8 * 12 *", "every day in December at 08:00 (UTC)"),
            ("0 8 * dec 1", "on Mondays in December at 08:00 (UTC)"),
            ("*/10 * * 6 *", "every 10 minutes in June (UTC)"),
            ("0 0 13 * 5", "on the 13th of every month and on Fridays at 00:00 (UTC)"),
            ("0 0 1-31 * 5", "every day at 00:00 (UTC)"),
            ("0 0 */9 * 5", "on Fridays that are the 1st, 10th, 19th and 28th of every month at 00:00 (UTC)"),
            ("0 0 31 2 *", "on the 31st of February at 00:00 (UTC)"),
        ];
        for (cron, sentence) in said {
            assert_eq!(describe(cron, "UTC"), sentence, "{cron}");
        }
        assert_eq!(describe("30 2 * * *", "Europe/Berlin"), "every day at 02:30 (Europe/Berlin)");
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        assert_eq!(
            describe("every day", "UTC"),
            "\"every day\" has not the five fields \"minute hour day-of-month month day-of-week\""
        );
        assert!(describe("0 0 * * *", "Mars/Olympus").contains("no time zone"));
    }

    fn field(least: u32, most: u32) -> impl Strategy<Value = String> {
        let number = least..=most;
        let range = (number.clone(), number.clone()).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b)));
        let one = prop_oneof![
            Just("*".to_owned()),
            number.clone().prop_map(|n| n.to_string()),
            range.clone(),
            (1..=most).prop_map(|step| format!("*/{step}")),
            (range, 1..=most).prop_map(|(range, step)| format!("{range}/{step}")),
        ];
        prop_oneof![3 => one.clone(), 1 => prop::collection::vec(one, 1..4).prop_map(|items| items.join(","))]
    }

    proptest! {
        #[test]
        fn whatever_can_be_read_can_be_told(
            minute in field(0, 59), hour in field(0, 23), day in field(1, 31), month in field(1, 12), weekday in field(0, 7),
        ) {
            let cron = format!("{minute} {hour} {day} {month} {weekday}");
            let sentence = describe(&cron, "Europe/Berlin");
            if Expression::parse(&cron, "Europe/Berlin").is_ok() {
                prop_assert!(["every ", "on ", "at ", "from "].iter().any(|start| sentence.starts_with(start)), "{cron}: {sentence}");
                prop_assert!(!sentence.contains("  ") && !sentence.contains('?'), "{cron}: {sentence}");
            } else {
                prop_assert!(!sentence.is_empty());
            }
        }

        #[test]
        fn what_differs_sounds_different(
            minute in field(0, 59), hour in field(0, 23), day in field(1, 31), month in field(1, 12), weekday in field(0, 7),
            other in prop_oneof![
                field(0, 59).prop_map(|minute| (0, minute)),
                field(0, 23).prop_map(|hour| (1, hour)),
                field(1, 31).prop_map(|day| (2, day)),
                field(1, 12).prop_map(|month| (3, month)),
                field(0, 7).prop_map(|weekday| (4, weekday)),
            ],
        ) {
            let one = [minute, hour, day, month, weekday];
            let mut another = one.clone();
            another[other.0] = other.1;
            let (one, another) = (one.join(" "), another.join(" "));
            if let (Ok(this), Ok(that)) = (Expression::parse(&one, "UTC"), Expression::parse(&another, "UTC")) {
                let (this, that) = (Times::of(&this), Times::of(&that));
                prop_assert_eq!(this == that, this.sentence("UTC") == that.sentence("UTC"), "{} and {}", one, another);
            }
        }

        #[test]
        fn nothing_that_is_typed_makes_it_panic(cron in "\\PC{0,40}", zone in "\\PC{0,12}") {
            prop_assert!(!describe(&cron, &zone).is_empty());
            prop_assert!(!describe(&cron, "UTC").is_empty());
        }
    }
}
