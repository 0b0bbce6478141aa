//! What monitors see of workers and schedulers, and what a running worker is told by signals: real processes, asked and told from
//! outside.
//!
//! Proves: JOB-20, JOB-24

use crate::support::{
    process::{Crew, Part, free_port},
    stage::Stage,
    until,
};
use mywork::catalog::jobs::DiscardObjects;
use mywork_queue::measures::{self, MEASURES, Sort};
use mywork_sandbox::faults::{Fault, Service};
use reqwest::StatusCode;

const DEFAULT: Part = Part::Worker("default");
/// A storage so slow that nothing it is asked for is done while the story lasts.
const FOR_EVER: Fault = Fault { fail_next: 0, lose_answers: 0, status: None, retry_after: None, latency_ms: 300_000 };

async fn answer(port: u16, path: &str) -> Option<(StatusCode, String)> {
    let response = reqwest::get(format!("http://127.0.0.1:{port}{path}")).await.ok()?;
    Some((response.status(), response.text().await.ok()?))
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_and_schedulers_answer_monitors_on_a_port_of_their_own() {
    let stage = Stage::of_processes(free_port()).await;
    let mut crew = Crew::of(&stage).await;
    let (worker, scheduler) = (free_port(), free_port());
    crew.starts_with(DEFAULT, |environment| drop(environment.insert("METRICS_PORT", worker.to_string()))).await;
    crew.starts_with(Part::Scheduler, |environment| drop(environment.insert("METRICS_PORT", scheduler.to_string()))).await;
    for port in [worker, scheduler] {
        until("it is ready", async || answer(port, "/health/ready").await.is_some_and(|(status, _)| status == StatusCode::OK))
            .await;
        assert_eq!(answer(port, "/health/live").await.map(|(status, _)| status), Some(StatusCode::OK));
    }

    let job = DiscardObjects { keys: vec!["uploads/nothing".into()], multipart: None };
    mywork_queue::enqueue(&mut stage.look().await, &job).await.expect("enqueued");
    let ran = r#"queue_runs_total{queue="default",kind="catalog.discard_objects",outcome="done"} 1"#;
    until("the run is counted", async || answer(worker, "/metrics").await.expect("metrics").1.contains(ran)).await;
    let seen = answer(worker, "/metrics").await.expect("metrics").1;
    for line in [
        "# TYPE queue_job_duration_seconds histogram",
        r#"queue_job_duration_seconds_bucket{queue="default",kind="catalog.discard_objects",le="0.5"}"#,
        r#"queue_quarantined_total{queue="default",kind="catalog.discard_objects"} 0"#,
        "queue_stale_writes_total 0",
        r#"queue_busy_slots{group="default"}"#,
        r#"db_connections{state="idle"}"#,
    ] {
        assert!(seen.contains(line), "{line}:\n{seen}");
    }
    assert!(answer(scheduler, "/metrics").await.expect("metrics").1.contains("queue_scheduler_failures_total 0"));

    // Two processes cannot have one port: the second says so, and what to do.
    let taken = crew.runs(&["worker"], |environment| drop(environment.insert("METRICS_PORT", worker.to_string()))).await;
    assert!(taken.complains().contains("set METRICS_PORT to a free one"));

    // A process that has stopped answers nobody.
    let ended = crew.stops(DEFAULT).await;
    assert!(ended.success() && answer(worker, "/health/live").await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_worker_reads_its_file_again_and_refuses_one_with_faults() {
    let stage = Stage::of_processes(free_port()).await;
    let mut crew = Crew::of(&stage).await;
    const RATES: &str = "[rate.stripe]\npermits = 9\nper = \"1s\"\n[rate.resend]\npermits = 9\nper = \"1s\"\n";
    let file = |concurrency: &str| {
        let queues = r#"queues = ["default", "orders", "mail", "packages"]"#;
        format!("[group.default]\n{queues}\nconcurrency = {concurrency}\n{RATES}")
    };
    crew.writes("workers.toml", &file("1"));
    stage.sandbox.faults().set(Service::S3, FOR_EVER);
    let jobs: Vec<_> = (0..5).map(|n| DiscardObjects { keys: vec![format!("uploads/{n}")], multipart: None }).collect();
    mywork_queue::enqueue_many(&mut stage.look().await, &jobs).await.expect("enqueued");
    let running = async |number: i64| stage.count("SELECT count(*) FROM queue.jobs WHERE state = 'running'").await == number;
    crew.starts(DEFAULT).await;
    until("one runs", async || running(1).await).await;

    crew.writes("workers.toml", &file("3"));
    crew.signals(DEFAULT, "HUP");
    until("three run", async || running(3).await).await;
    assert_eq!(stage.count("SELECT capacity::bigint FROM queue.workers").await, 3);

    // Two faults: neither is applied, both are told with their lines, and the worker goes on as it was.
    crew.writes("workers.toml", &file("0\nspeed = 9"));
    crew.signals(DEFAULT, "HUP");
    until("the faults are told", async || crew.log(DEFAULT).contains("the old settings stay")).await;
    let log = crew.log(DEFAULT);
    assert!(log.contains("line 3: concurrency must be a whole number") && log.contains("line 4: "), "{log}");
    crew.writes("workers.toml", &file("4").replace("group.default", "group.other"));
    crew.signals(DEFAULT, "HUP");
    until("the missing group is told", async || crew.log(DEFAULT).contains("has this worker's group no more")).await;
    assert!(running(3).await);
    assert_eq!(stage.count("SELECT capacity::bigint FROM queue.workers").await, 3);

    // What only a restart can change is said.
    crew.writes(
        "workers.toml",
        &(file("3").replace("\"mail\", ", "") + "\n[group.mail]\nqueues = [\"mail\"]\nconcurrency = 1\n"),
    );
    crew.signals(DEFAULT, "HUP");
    until("it is said", async || crew.log(DEFAULT).contains("restart this worker to make it leave mail")).await;

    stage.sandbox.faults().clear();
    assert!(crew.stops(DEFAULT).await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_told_to_be_quiet_finishes_what_it_has_and_takes_nothing_more() {
    let stage = Stage::of_processes(free_port()).await;
    let mut crew = Crew::of(&stage).await;
    stage.sandbox.faults().set(Service::S3, FOR_EVER);
    let job = |key: &str| DiscardObjects { keys: vec![key.into()], multipart: None };
    mywork_queue::enqueue(&mut stage.look().await, &job("a")).await.expect("enqueued");
    let count = async |state: &str| stage.count(&format!("SELECT count(*) FROM queue.jobs WHERE state = '{state}'")).await;
    crew.starts(DEFAULT).await;
    until("it runs", async || count("running").await == 1).await;

    crew.signals(DEFAULT, "USR1");
    until("it is told", async || crew.log(DEFAULT).contains("taking no new jobs")).await;
    mywork_queue::enqueue(&mut stage.look().await, &job("b")).await.expect("enqueued");
    // It lives on, and would have taken the second by now: it looks five times a second.
    let beats = async || stage.count("SELECT extract(epoch FROM heartbeat_at)::bigint FROM queue.workers").await;
    let before = beats().await;
    until("it has beaten twice more", async || beats().await >= before + 5).await;
    assert_eq!((count("running").await, count("available").await), (1, 1));

    crew.signals(DEFAULT, "USR1");
    until("it takes the second", async || count("running").await == 2).await;
    stage.sandbox.faults().clear();
    assert!(crew.stops(DEFAULT).await.success());
}

#[test]
fn the_document_lists_what_is_measured() {
    let documented = include_str!("../docs/operations.md");
    assert!(
        documented.contains(&measures::table()),
        "docs/operations.md: replace its table of metrics by\n{}",
        measures::table()
    );
}

/// Every metric of an alert rule is one the code measures, told apart by labels it has.
#[test]
fn alerts_name_what_is_measured() {
    let rules = include_str!("../docs/alerts.yml");
    let expressions: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("expr: ")).collect();
    let alerts = rules.lines().filter(|line| line.trim().starts_with("- alert: ")).count();
    assert!(alerts >= 9 && expressions.len() == alerts, "{alerts} alerts, {} expressions", expressions.len());
    for expression in expressions {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let names: Vec<(usize, &str)> = expression
            .match_indices("queue_")
            .map(|(at, _)| (at, expression[at..].split(|c| !is_name(c)).next().unwrap_or_default()))
            .collect();
        assert!(!names.is_empty(), "{expression}");
        for (at, name) in names {
            let plain = ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part));
            let measure = MEASURES
                .iter()
                .find(|measure| measure.name == name || (measure.sort == Sort::Histogram && Some(measure.name) == plain))
                .unwrap_or_else(|| panic!("{expression}: nothing is measured as {name}"));
            let inside = |open: char, close: char, text: &str| {
                Some(
                    text.strip_prefix(open)?
                        .split_once(close)?
                        .0
                        .split(',')
                        .map(|label| label.trim().to_owned())
                        .collect::<Vec<_>>(),
                )
            };
            let selected = inside('{', '}', &expression[at + name.len()..]).unwrap_or_default();
            let grouped =
                expression.split_once(" by ").and_then(|(_, rest)| inside('(', ')', rest.trim_start())).unwrap_or_default();
            for label in selected
                .iter()
                .map(|label| label.split(['=', '!']).next().unwrap_or_default())
                .chain(grouped.iter().map(String::as_str))
            {
                assert!(measure.labels.contains(&label), "{expression}: {name} has no label {label:?}");
            }
        }
    }
}
