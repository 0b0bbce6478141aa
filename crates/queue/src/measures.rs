//! What the queue measures, by the names that monitors see (JOB-20). One table from which the recorder is told what each is, the
//! operator's document is printed, and alert rules are checked; a test holds it against the code that measures.

use crate::registry::Kind;
use metrics::{Label, Unit, describe_counter, describe_gauge, describe_histogram};

/// One thing that is measured.
#[derive(Clone, Copy, Debug)]
pub struct Measure {
    /// Its name. A histogram is seen as `…_bucket`, `…_sum` and `…_count`.
    pub name: &'static str,
    /// What sort of number it is.
    pub sort: Sort,
    /// What it counts: `jobs`, `seconds`.
    pub unit: &'static str,
    /// By what it is told apart.
    pub labels: &'static [&'static str],
    /// What it means.
    pub meaning: &'static str,
}

/// What sort of number a measure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// Only grows, from 0 at each start of a process.
    Counter,
    /// Goes up and down.
    Gauge,
    /// How many of which size.
    Histogram,
}

const fn measure(
    sort: Sort,
    name: &'static str,
    unit: &'static str,
    labels: &'static [&'static str],
    meaning: &'static str,
) -> Measure {
    Measure { name, sort, unit, labels, meaning }
}

/// Everything that is measured.
#[rustfmt::skip]
pub const MEASURES: &[Measure] = &[
    measure(Sort::Counter, "queue_jobs_enqueued_total", "jobs", &["queue", "kind"], "Jobs enqueued by this process, whether or not the transaction committed."),
    measure(Sort::Counter, "queue_runs_total", "runs", &["queue", "kind", "outcome"], "Runs that ended in this process: done, snoozed, throttled, cancelled, handed_back, retried or dead."),
    measure(Sort::Histogram, "queue_job_duration_seconds", "seconds", &["queue", "kind"], "How long runs took."),
    measure(Sort::Histogram, "queue_job_wait_seconds", "seconds", &["queue"], "How long jobs stood in line once they were due."),
    measure(Sort::Gauge, "queue_waiting_jobs", "jobs", &["queue"], "Jobs in line, in the whole queue: each of its workers reports the same."),
    measure(Sort::Gauge, "queue_oldest_waiting_seconds", "seconds", &["queue"], "How long the oldest job in line has waited: each worker of the queue reports the same."),
    measure(Sort::Gauge, "queue_busy_slots", "jobs", &["group"], "Jobs this process holds."),
    measure(Sort::Counter, "queue_rescues_total", "runs", &["queue", "kind"], "Runs this process took back from workers that died."),
    measure(Sort::Counter, "queue_quarantined_total", "jobs", &["queue", "kind"], "Jobs this process quarantined, because their worker died under them three times."),
    measure(Sort::Counter, "queue_stale_writes_total", "runs", &[], "Runs whose end came after their job had been taken away, and changed nothing."),
    measure(Sort::Counter, "queue_workers_given_up_total", "times", &[], "Times this process found that others had given it up."),
    measure(Sort::Counter, "queue_upkeep_failures_total", "times", &[], "Times the partitions of the history could not be kept up."),
    measure(Sort::Counter, "queue_scheduler_failures_total", "times", &[], "Times a scheduler could not look at the schedules."),
    measure(Sort::Counter, "queue_workflows_failed_total", "workflows", &["name"], "Workflows that failed and wait for a person, or are being undone."),
];

/// Tells the recorder what each measure is, and shows those that should stay at 0 from the start: an alert on growth misses the
/// first step of a counter that was not there before it.
pub(crate) fn describe(kinds: &[Kind]) {
    for &Measure { name, sort, unit, labels, meaning } in MEASURES {
        match (sort, unit) {
            (Sort::Counter, _) => describe_counter!(name, meaning),
            (Sort::Gauge, "seconds") => describe_gauge!(name, Unit::Seconds, meaning),
            (Sort::Gauge, _) => describe_gauge!(name, meaning),
            (Sort::Histogram, _) => describe_histogram!(name, Unit::Seconds, meaning),
        }
        match (sort, labels) {
            (Sort::Counter, []) => metrics::counter!(name).increment(0),
            (Sort::Counter, ["queue", "kind", ..]) => {
                for kind in kinds {
                    let mut known = vec![Label::new("queue", kind.queue), Label::new("kind", kind.name)];
                    known.extend(labels.contains(&"outcome").then(|| Label::new("outcome", "dead")));
                    metrics::counter!(name, known).increment(0);
                }
            }
            _ => {}
        }
    }
}

/// The table as a document shows it.
pub fn table() -> String {
    let mut out = String::from("| metric | sort | unit | by | meaning |\n|---|---|---|---|---|\n");
    for measure in MEASURES {
        let sort = match measure.sort {
            Sort::Counter => "counter",
            Sort::Gauge => "gauge",
            Sort::Histogram => "histogram",
        };
        let by = measure.labels.join(", ");
        out += &format!("| `{}` | {sort} | {} | {by} | {} |\n", measure.name, measure.unit, measure.meaning);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::BTreeSet, fs, path::Path};

    fn measured(folder: &Path, names: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).expect("the sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                measured(&path, names);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(&path).expect("text");
                for macro_call in ["counter!(\"", "gauge!(\"", "histogram!(\""] {
                    names.extend(text.split(macro_call).skip(1).filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
                }
            }
        }
    }

    #[test]
    fn the_table_is_what_the_code_measures() {
        let mut names = BTreeSet::new();
        measured(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut names);
        names.retain(|name| name.starts_with("queue_"));
        let described: BTreeSet<String> = MEASURES.iter().map(|measure| measure.name.to_owned()).collect();
        assert_eq!(names, described);
    }
}
