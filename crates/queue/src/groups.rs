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
//! ```
//!
//! The file is checked against the kinds in the code. Every fault is reported at once, with its line.

use crate::{backoff::Backoff, registry::Kind};
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
        Self { name: name.into(), queues, concurrency: concurrency.max(1), kinds: Arc::default() }
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
    for (key, value) in table.get_ref() {
        match key.get_ref().as_ref() {
            "group" => groups = reader.named(value, "group", Reader::group),
            "kind" => kinds = reader.named(value, "kind", Reader::wish),
            other => {
                reader.fault(key.span().start, format!("there is no section {other:?}; write [group.NAME] or [kind.\"NAME\"]"))
            }
        }
    }
    reader.every_queue_is_served(&groups);

    if reader.faults.is_empty() {
        let kinds = Arc::new(kinds);
        let share = |mut group: Group| {
            group.kinds = Arc::clone(&kinds);
            group
        };
        Ok(Groups(groups.into_iter().map(|(name, group)| (name, share(group))).collect()))
    } else {
        reader.faults.sort_by_key(|fault| fault.line);
        Err(reader.faults)
    }
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

    /// The tables below `[group]` or `[kind]`, by name.
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
        [("orders.fulfil", "default"), ("notifications.send_email", "mail")]
            .map(|(name, queue)| Kind {
                name,
                queue,
                version: 1,
                max_attempts: 25,
                timeout: Duration::from_secs(600),
                backoff: Backoff::DEFAULT,
                rate: None,
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
    }

    #[test]
    fn every_fault_is_named_with_its_line() {
        let text = "[group.default]\nqueues = [\"default\", \"slow\"]\nconcurrency = 0\nspeed = 3\n\n[kind.\"orders.fulfill\"]\ntimeout = \"fast\"\n\n[grop.x]\n";
        let faults = load(text, &kinds()).expect_err("faults");
        let lines: Vec<usize> = faults.iter().map(|fault| fault.line).collect();
        assert_eq!(lines, [2, 3, 4, 6, 7, 9, 10], "{faults:#?}");
        assert_eq!(
            faults[3].to_string(),
            "line 6: there is no kind of job \"orders.fulfill\"; there are orders.fulfil, notifications.send_email"
        );
        assert!(faults[6].message.contains("no group works on queue \"mail\""), "{faults:#?}");
    }

    #[test]
    fn a_slip_of_the_pen_is_named_with_its_line_too() {
        let faults = load("[group.default]\nqueues = [\n", &kinds()).expect_err("faults");
        assert!(faults[0].line >= 2, "{faults:?}");
    }
}
