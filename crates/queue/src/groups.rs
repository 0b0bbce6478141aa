//! `workers.toml`: which process group works on which queues, and what the operator wants otherwise for a kind (JOB-24).
//!
//! ```toml
//! [group.default]                 # `mywork worker --group default` runs it
//! queues = ["default", "mail"]    # every queue of a known kind must be in some group
//! concurrency = 16                # jobs at once in one process of the group, over all its queues
//!
//! [kind."orders.fulfil"]          # optional; each line replaces what the code says
//! max_attempts = 30
//! timeout = "2m"
//! backoff = { first = "2s", cap = "1h" }
//!
//! [rate.stripe]                   # every rate that a kind draws from, and no other
//! permits = 80                    # so many runs …
//! per = "1s"                      # … in this time …
//! burst = 20                      # … and so many at once after a rest; as many as permits unless said
//!
//! [queue.mail]                    # optional
//! max_running = 4                 # jobs of the queue at once, over all processes
//! ```
//!
//! The file is checked against the kinds in the code. Every fault is reported at once, with its line.

use crate::{
    backoff::Backoff,
    limits::{Limits, Rate},
    registry::Kind,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
    time::Duration,
};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// The whole file, checked.
#[derive(Clone, Debug)]
pub struct Groups(BTreeMap<String, Group>);

/// One process group.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its name in the file.
    pub name: String,
    /// The queues it works on.
    pub queues: Vec<String>,
    /// Jobs at once in one process.
    pub concurrency: usize,
    pub(crate) kinds: Arc<BTreeMap<String, Wish>>,
    pub(crate) limits: Arc<Limits>,
}

/// What the operator wants otherwise for a kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wish {
    pub max_attempts: Option<i16>,
    pub timeout: Option<Duration>,
    pub backoff: Option<Backoff>,
}

impl Group {
    /// A group without a file: for tests and small programs.
    pub fn new(name: impl Into<String>, queues: impl IntoIterator<Item = impl Into<String>>, concurrency: usize) -> Self {
        let queues = queues.into_iter().map(Into::into).collect();
        Self { name: name.into(), queues, concurrency: concurrency.max(1), kinds: Arc::default(), limits: Arc::default() }
    }

    /// Kinds whose [`RATE`](crate::Job::RATE) is `name` run `permits` times every `per`, at most `burst` at once after a rest.
    #[must_use]
    pub fn rate(mut self, name: impl Into<String>, permits: u32, per: Duration, burst: u32) -> Self {
        let rate = Rate { permits: permits.max(1), per: per.max(Duration::from_millis(1)), burst: burst.max(1) };
        Arc::make_mut(&mut self.limits).rates.insert(name.into(), rate);
        self
    }

    /// At most `jobs` of `queue` run at once, over all processes.
    #[must_use]
    pub fn max_running(mut self, queue: impl Into<String>, jobs: i32) -> Self {
        Arc::make_mut(&mut self.limits).max_running.insert(queue.into(), Some(jobs.max(1)));
        self
    }
}

impl Groups {
    /// The group of this name.
    pub fn get(&self, name: &str) -> Option<&Group> {
        self.0.get(name)
    }

    /// All groups, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Group> {
        self.0.values()
    }
}

/// Something wrong with the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

/// Reads the text of a `workers.toml` and checks it against the kinds the code knows.
///
/// # Errors
/// Every fault found, in the order of the file.
pub fn load(text: &str, known: &[Kind]) -> Result<Groups, Vec<Fault>> {
    let (table, syntax) = DeTable::parse_recoverable(text);
    let mut reader = Reader { text, known, faults: Vec::new() };
    for error in &syntax {
        reader.fault(error.span().map_or(0, |span| span.start), error.message());
    }
    if !syntax.is_empty() {
        return Err(reader.faults);
    }

    let mut groups = BTreeMap::new();
    let mut kinds = BTreeMap::new();
    let mut limits = Limits::default();
    for (key, value) in table.get_ref() {
        match key.get_ref().as_ref() {
            "group" => groups = reader.named(value, "group", Reader::group),
            "kind" => kinds = reader.named(value, "kind", Reader::wish),
            "rate" => limits.rates = reader.named(value, "rate", Reader::rate).into_iter().filter_map(present).collect(),
            "queue" => limits.max_running = reader.named(value, "queue", Reader::queue),
            other => reader.fault(
                key.span().start,
                format!("there is no section {other:?}; write [group.NAME], [kind.\"NAME\"], [rate.NAME] or [queue.NAME]"),
            ),
        }
    }
    reader.every_queue_is_served(&groups);
    reader.every_rate_is_there(table.get_ref().get("rate"));
    for kind in known {
        limits.max_running.entry(kind.queue.to_owned()).or_insert(None); // a limit that left the file is lifted
    }

    if reader.faults.is_empty() {
        let (kinds, limits) = (Arc::new(kinds), Arc::new(limits));
        let share = |mut group: Group| {
            group.kinds = Arc::clone(&kinds);
            group.limits = Arc::clone(&limits);
            group
        };
        Ok(Groups(groups.into_iter().map(|(name, group)| (name, share(group))).collect()))
    } else {
        reader.faults.sort_by_key(|fault| fault.line);
        Err(reader.faults)
    }
}

fn present((name, rate): (String, Option<Rate>)) -> Option<(String, Rate)> {
    Some((name, rate?))
}

struct Reader<'a> {
    text: &'a str,
    known: &'a [Kind],
    faults: Vec<Fault>,
}

type Value<'i> = Spanned<DeValue<'i>>;

impl Reader<'_> {
    fn fault(&mut self, offset: usize, message: impl Into<String>) {
        let line = 1 + self.text.bytes().take(offset).filter(|&byte| byte == b'\n').count();
        self.faults.push(Fault { line, message: message.into() });
    }

    /// The tables below `[group]`, `[kind]`, `[rate]` or `[queue]`, by name.
    fn named<T>(
        &mut self,
        value: &Value<'_>,
        section: &str,
        read: fn(&mut Self, &str, usize, &DeTable<'_>) -> T,
    ) -> BTreeMap<String, T> {
        let DeValue::Table(tables) = value.get_ref() else {
            self.fault(value.span().start, format!("{section} must be a table: [{section}.NAME]"));
            return BTreeMap::new();
        };
        let mut named = BTreeMap::new();
        for (name, value) in tables {
            if let DeValue::Table(table) = value.get_ref() {
                let name_text = name.get_ref().to_string();
                let item = read(self, &name_text, name.span().start, table);
                named.insert(name_text, item);
            } else {
                self.fault(name.span().start, format!("{section}.{} must be a table: [{section}.NAME]", name.get_ref()));
            }
        }
        named
    }

    fn group(&mut self, name: &str, at: usize, table: &DeTable<'_>) -> Group {
        let mut group = Group::new(name, Vec::<String>::new(), 1);
        let mut concurrency = None;
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "queues" => group.queues = self.queues(value),
                "concurrency" => concurrency = self.whole(value, "concurrency", 1, 10_000),
                other => self.fault(key.span().start, format!("a group has no {other:?}; it has queues and concurrency")),
            }
        }
        if group.queues.is_empty() && !table.contains_key("queues") {
            self.fault(at, format!("group {name} says no queues"));
        }
        match concurrency {
            Some(concurrency) => group.concurrency = usize::try_from(concurrency).unwrap_or(1),
            None if table.contains_key("concurrency") => {}
            None => self.fault(at, format!("group {name} says no concurrency")),
        }
        group
    }

    fn queues(&mut self, value: &Value<'_>) -> Vec<String> {
        let DeValue::Array(items) = value.get_ref() else {
            self.fault(value.span().start, "queues must be a list: [\"default\"]");
            return Vec::new();
        };
        if items.is_empty() {
            self.fault(value.span().start, "queues must name at least one queue");
        }
        let mut queues = Vec::new();
        for item in items {
            let at = item.span().start;
            match item.get_ref() {
                DeValue::String(queue) if queues.iter().any(|known: &String| known == queue) => {
                    self.fault(at, format!("queue {queue:?} is named twice"));
                }
                DeValue::String(queue) if !self.known.iter().any(|kind| kind.queue == queue) => {
                    let real: BTreeSet<_> = self.known.iter().map(|kind| kind.queue).collect();
                    self.fault(at, format!("no kind of job goes to queue {queue:?}; there are {}", listed(real)));
                }
                DeValue::String(queue) => queues.push(queue.to_string()),
                _ => self.fault(at, "a queue is named by a string"),
            }
        }
        queues
    }

    fn wish(&mut self, name: &str, at: usize, table: &DeTable<'_>) -> Wish {
        if !self.known.iter().any(|kind| kind.name == name) {
            self.fault(
                at,
                format!("there is no kind of job {name:?}; there are {}", listed(self.known.iter().map(|kind| kind.name))),
            );
        }
        let mut wish = Wish::default();
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "max_attempts" => {
                    wish.max_attempts = self.whole(value, "max_attempts", 1, 1_000).and_then(|n| i16::try_from(n).ok());
                }
                "timeout" => wish.timeout = self.duration(value, "timeout"),
                "backoff" => wish.backoff = self.backoff(value),
                other => {
                    self.fault(key.span().start, format!("a kind has no {other:?}; it has max_attempts, timeout and backoff"));
                }
            }
        }
        wish
    }

    fn rate(&mut self, name: &str, at: usize, table: &DeTable<'_>) -> Option<Rate> {
        if !self.known.iter().any(|kind| kind.rate == Some(name)) {
            let real: BTreeSet<_> = self.known.iter().filter_map(|kind| kind.rate).collect();
            let real = if real.is_empty() { "none does from any".to_owned() } else { format!("they draw from {}", listed(real)) };
            self.fault(at, format!("no kind of job draws from rate {name:?}; {real}"));
        }
        let (mut permits, mut per, mut burst) = (None, None, None);
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "permits" => permits = self.whole(value, "permits", 1, 1_000_000),
                "per" => per = self.duration(value, "per"),
                "burst" => burst = self.whole(value, "burst", 1, 1_000_000),
                other => self.fault(key.span().start, format!("a rate has no {other:?}; it has permits, per and burst")),
            }
        }
        for needed in ["permits", "per"] {
            if !table.contains_key(needed) {
                self.fault(at, format!("rate {name} says no {needed}"));
            }
        }
        let permits = u32::try_from(permits?).ok()?;
        Some(Rate { permits, per: per?, burst: burst.and_then(|burst| u32::try_from(burst).ok()).unwrap_or(permits) })
    }

    fn queue(&mut self, name: &str, at: usize, table: &DeTable<'_>) -> Option<i32> {
        if !self.known.iter().any(|kind| kind.queue == name) {
            let real: BTreeSet<_> = self.known.iter().map(|kind| kind.queue).collect();
            self.fault(at, format!("no kind of job goes to queue {name:?}; there are {}", listed(real)));
        }
        let mut max_running = None;
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "max_running" => max_running = self.whole(value, "max_running", 1, 1_000_000),
                other => self.fault(key.span().start, format!("a queue has no {other:?}; it has max_running")),
            }
        }
        if !table.contains_key("max_running") {
            self.fault(at, format!("queue {name} says no max_running"));
        }
        max_running.and_then(|jobs| i32::try_from(jobs).ok())
    }

    fn backoff(&mut self, value: &Value<'_>) -> Option<Backoff> {
        let wanted = "backoff must be { first = \"2s\", cap = \"1h\" }";
        let DeValue::Table(table) = value.get_ref() else {
            self.fault(value.span().start, wanted);
            return None;
        };
        let (mut first, mut cap) = (None, None);
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "first" => first = self.duration(value, "first"),
                "cap" => cap = self.duration(value, "cap"),
                _ => self.fault(key.span().start, wanted),
            }
        }
        if table.len() != 2 {
            self.fault(value.span().start, wanted);
        }
        Some(Backoff::new(first?, cap?))
    }

    fn whole(&mut self, value: &Value<'_>, name: &str, least: i64, most: i64) -> Option<i64> {
        let number = match value.get_ref() {
            DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix()).ok(),
            _ => None,
        };
        let number = number.filter(|number| (least..=most).contains(number));
        if number.is_none() {
            self.fault(value.span().start, format!("{name} must be a whole number from {least} to {most}"));
        }
        number
    }

    fn duration(&mut self, value: &Value<'_>, name: &str) -> Option<Duration> {
        let duration = match value.get_ref() {
            DeValue::String(text) => parse_duration(text),
            _ => None,
        };
        if duration.is_none() {
            self.fault(value.span().start, format!("{name} must be a time such as \"500ms\", \"30s\", \"2m\" or \"1h\""));
        }
        duration
    }

    fn every_rate_is_there(&mut self, section: Option<&Value<'_>>) {
        let mut missing = BTreeMap::<&str, Vec<&str>>::new();
        for kind in self.known {
            let Some(rate) = kind.rate else { continue };
            let there = section.is_some_and(|rates| matches!(rates.get_ref(), DeValue::Table(rates) if rates.contains_key(rate)));
            if !there {
                missing.entry(rate).or_default().push(kind.name);
            }
        }
        for (rate, kinds) in missing {
            let drawers = kinds.join(", ");
            let message = format!("{drawers} draw from rate {rate:?}; write [rate.{rate}] with permits, per and burst");
            self.fault(self.text.len(), message);
        }
    }

    fn every_queue_is_served(&mut self, groups: &BTreeMap<String, Group>) {
        let served: BTreeSet<&str> = groups.values().flat_map(|group| group.queues.iter().map(String::as_str)).collect();
        let mut missing = BTreeMap::<&str, Vec<&str>>::new();
        for kind in self.known.iter().filter(|kind| !served.contains(kind.queue)) {
            missing.entry(kind.queue).or_default().push(kind.name);
        }
        for (queue, kinds) in missing {
            self.fault(self.text.len(), format!("no group works on queue {queue:?}, where {} wait", kinds.join(", ")));
        }
    }
}

fn parse_duration(text: &str) -> Option<Duration> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit_at);
    let number: u64 = number.parse().ok().filter(|&number| number > 0)?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        "h" => number.checked_mul(3_600).map(Duration::from_secs),
        "d" => number.checked_mul(86_400).map(Duration::from_secs),
        _ => None,
    }
}

fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds() -> Vec<Kind> {
        [("orders.fulfil", "default", None), ("notifications.send_email", "mail", Some("resend"))]
            .map(|(name, queue, rate)| Kind {
                name,
                queue,
                version: 1,
                max_attempts: 25,
                timeout: Duration::from_secs(600),
                backoff: Backoff::DEFAULT,
                rate,
                redact: &[],
            })
            .into()
    }

    #[test]
    fn a_good_file_says_what_runs_where() {
        let text = r#"
            [group.default]
            queues = ["default", "mail"]
            concurrency = 16

            [kind."orders.fulfil"]
            max_attempts = 30
            timeout = "2m"
            backoff = { first = "500ms", cap = "1h" }

            [rate.resend]
            permits = 2
            per = "1s"

            [queue.mail]
            max_running = 4
        "#;
        let groups = load(text, &kinds()).expect("no faults");
        let group = groups.get("default").expect("the group");
        assert_eq!((group.queues.join(" "), group.concurrency), ("default mail".to_owned(), 16));
        let wish = Wish {
            max_attempts: Some(30),
            timeout: Some(Duration::from_secs(120)),
            backoff: Some(Backoff::new(Duration::from_millis(500), Duration::from_secs(3600))),
        };
        assert_eq!(group.kinds.get("orders.fulfil"), Some(&wish));
        assert_eq!(group.limits.rates["resend"], Rate { permits: 2, per: Duration::from_secs(1), burst: 2 });
        let max_running: Vec<_> = group.limits.max_running.iter().map(|(queue, jobs)| (queue.as_str(), *jobs)).collect();
        assert_eq!(max_running, [("default", None), ("mail", Some(4))], "a limit that is not in the file is lifted");
    }

    #[test]
    fn every_fault_is_named_with_its_line() {
        let text = "[group.default]\nqueues = [\"default\", \"slow\"]\nconcurrency = 0\nspeed = 3\n\n[kind.\"orders.fulfill\"]\ntimeout = \"fast\"\n\n[grop.x]\n";
        let faults = load(text, &kinds()).expect_err("faults");
        let lines: Vec<usize> = faults.iter().map(|fault| fault.line).collect();
        assert_eq!(lines, [2, 3, 4, 6, 7, 9, 10, 10], "{faults:#?}");
        assert_eq!(
            faults[3].to_string(),
            "line 6: there is no kind of job \"orders.fulfill\"; there are orders.fulfil, notifications.send_email"
        );
        assert!(faults[6].message.contains("no group works on queue \"mail\""), "{faults:#?}");
    }

    #[test]
    fn limits_are_checked_against_what_uses_them() {
        let groups = "[group.all]\nqueues = [\"default\", \"mail\"]\nconcurrency = 1\n";
        let said = |rest: &str| -> Vec<String> {
            let faults = load(&format!("{groups}{rest}"), &kinds()).expect_err("faults");
            faults.iter().map(ToString::to_string).collect()
        };
        let good = "[rate.resend]\npermits = 2\nper = \"1s\"\n";
        assert_eq!(
            said(""),
            ["line 4: notifications.send_email draw from rate \"resend\"; write [rate.resend] with permits, per and burst"]
        );
        assert_eq!(
            said(&format!("{good}[rate.strype]\npermits = 0\nbust = 3\n")),
            [
                "line 7: no kind of job draws from rate \"strype\"; they draw from resend",
                "line 7: rate strype says no per",
                "line 8: permits must be a whole number from 1 to 1000000",
                "line 9: a rate has no \"bust\"; it has permits, per and burst",
            ]
        );
        assert_eq!(
            said(&format!("{good}[queue.male]\n[queue.mail]\nmax_running = \"4\"\n")),
            [
                "line 7: no kind of job goes to queue \"male\"; there are default, mail",
                "line 7: queue male says no max_running",
                "line 9: max_running must be a whole number from 1 to 1000000",
            ]
        );
    }

    #[test]
    fn a_slip_of_the_pen_is_named_with_its_line_too() {
        let faults = load("[group.default]\nqueues = [\n", &kinds()).expect_err("faults");
        assert!(faults[0].line >= 2, "{faults:?}");
    }
}
