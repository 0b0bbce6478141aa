//! What an operator does about jobs from a shell: the real binary, its output, its exit status, and the trail it leaves.
//!
//! Proves: JOB-23, JOB-24

use crate::support::{
    process::{Crew, Part, free_port},
    stage::Stage,
    until,
};
use mywork::catalog::jobs::{DiscardObjects, ReleaseVersion};
use mywork_queue::{JobId, Options, Subject, Workflow};
use serde_json::{Value, json};
use sqlx::Executor;

const DEFAULT: Part = Part::Worker("default");

/// Jobs of one kind that differ in their keys.
async fn discards(stage: &Stage, keys: &[&str]) -> Vec<JobId> {
    let jobs: Vec<_> = keys.iter().map(|key| DiscardObjects { keys: vec![(*key).into()], multipart: None }).collect();
    let enqueued = mywork_queue::enqueue_many(&mut stage.look().await, &jobs).await.expect("enqueued");
    enqueued.into_iter().map(|job| job.id).collect()
}

/// These jobs have ended so.
async fn ended(stage: &Stage, jobs: &[JobId], state: &str, error: &str) {
    let ids: Vec<i64> = jobs.iter().map(|job| job.0).collect();
    sqlx::query(
        "WITH over AS (DELETE FROM queue.jobs WHERE id = ANY ($1) RETURNING *)
         INSERT INTO queue.finished_jobs (id, queue, kind, version, state, priority, run_at, args, attempt, max_attempts, lease, rescues,
                                          tags, last_error, created_at, finished_at)
         SELECT id, queue, kind, version, $2, priority, run_at, args, max_attempts, max_attempts, lease, rescues, tags, $3, created_at, now()
         FROM over",
    )
    .bind(ids)
    .bind(state)
    .bind(error)
    .execute(&mut stage.look().await)
    .await
    .expect("they have ended");
}

fn numbers(found: &Value) -> Vec<i64> {
    found["jobs"].as_array().expect("jobs").iter().map(|job| job["id"].as_i64().expect("a number")).collect()
}

async fn trail(stage: &Stage) -> String {
    stage
        .text("SELECT coalesce(string_agg(action || ' ' || subject_kind || ': ' || reason, ', ' ORDER BY id), '') FROM audit_log")
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_found_by_what_is_known_of_them() {
    let stage = Stage::of_processes(free_port()).await;
    let crew = Crew::of(&stage).await;
    let jobs = discards(&stage, &["a", "b", "c"]).await;
    ended(&stage, &jobs[..1], "dead", "the bucket is gone\nand so is its contents").await;
    let version: mywork::ids::VersionId = "0198c0de-0000-7000-8000-000000000001".parse().expect("an id");
    let options = Options::default().subject(Subject::new("version", version)).tag("urgent");
    let release =
        mywork_queue::enqueue_with(&mut stage.look().await, &ReleaseVersion { version }, options).await.expect("enqueued").id;

    let all = [release.0, jobs[2].0, jobs[1].0, jobs[0].0];
    for (typed, expected) in [
        ("list --json", &all[..]),
        ("list --json --limit 2", &all[..2]),
        ("list --json --state dead --state quarantined", &all[3..]),
        ("list --json --kind catalog.discard_objects --state available", &all[1..3]),
        ("list --json --queue default --args keys.0=b", &all[2..3]),
        ("list --json --subject version/0198c0de-0000-7000-8000-000000000001", &all[..1]),
        ("list --json --tag urgent", &all[..1]),
        ("list --json --error BUCKET", &all[3..]),
        ("list --json --since 1h", &all[..]),
        ("list --json --until 1h", &[]),
        ("list --json --workflow 7", &[]),
    ] {
        assert_eq!(numbers(&crew.jobs(typed).await.json()), expected, "{typed}");
    }
    let page = crew.jobs("list --json --limit 3").await.json();
    let rest = crew.jobs(&format!("list --json --before {}", page["next"])).await.json();
    assert_eq!(numbers(&rest), all[3..]);

    let listed = crew.jobs("list --kind catalog.discard_objects").await.says();
    let lines: Vec<&str> = listed.lines().collect();
    assert_eq!(lines.len(), 4, "{listed}");
    assert!(lines[0].trim_start().starts_with("id") && lines[3].ends_with("the bucket is gone"), "{listed}");
    let column = |line: &str| line.find("catalog.").expect("a kind");
    assert!(lines[1..].iter().all(|line| column(line) == column(lines[1])), "aligned:\n{listed}");
    assert_eq!(crew.jobs("list --tag nothing").await.says(), "no such jobs\n");

    let shown = crew.jobs(&format!("show {release}")).await.says();
    for part in ["catalog.release_version · available", "version/0198c0de", "urgent", &format!("\"{version}\"")] {
        assert!(shown.contains(part), "{part}: {shown}");
    }

    for (typed, complaint) in [
        ("show 4711", "there is no job 4711"),
        ("list --state ded", "quarantined"),
        ("list --args order", "names no argument"),
        ("list --since yesterday", "is no time"),
        ("list --subject order", "names no object"),
        ("list --worker here:1", "there is no worker"),
    ] {
        let complained = crew.jobs(typed).await.complains();
        assert!(complained.contains(complaint), "{typed}: {complained}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_job_is_acted_on_at_once_and_many_when_it_is_meant() {
    let stage = Stage::of_processes(free_port()).await;
    let mut crew = Crew::of(&stage).await;
    let jobs = discards(&stage, &["a", "b", "c", "d"]).await;
    let state_of = async |job: JobId| crew.jobs(&format!("show {job} --json")).await.json()["job"]["state"].clone();

    let said = crew.runs(&["jobs", "cancel", &jobs[0].to_string(), "--reason", "nobody wants it"], |_| ()).await.says();
    assert_eq!(said, format!("cancel: 1 job (1 available; 1 catalog.discard_objects)\njob {} is cancelled\n", jobs[0]));
    assert_eq!(state_of(jobs[0]).await, "cancelled");
    assert!(crew.jobs(&format!("retry {}", jobs[0])).await.says().ends_with("will run again\n"));
    assert_eq!((state_of(jobs[0]).await, state_of(jobs[1]).await), (json!("available"), json!("available")));
    let line = "job.cancel job: nobody wants it, job.retry job: from the command line";
    assert_eq!(trail(&stage).await, line);

    // One of two is refused: the other is done all the same, and the exit status says so.
    let done = crew.jobs(&format!("discard 4711 {} --yes --json", jobs[0])).await;
    assert!(!done.succeeded && done.complained.contains("there is no job 4711"), "{done:?}");
    let told: Value = serde_json::from_str(&done.said).expect("JSON all the same");
    assert_eq!((&told["done"], &told["refused"][0]["id"]), (&json!([jobs[0]]), &json!(4711)));

    // Many: said, not done, until it is meant.
    ended(&stage, &jobs[1..], "dead", "out of luck").await;
    let typed = "retry --kind catalog.discard_objects --state dead";
    let dry = crew.jobs(&format!("{typed} --dry-run")).await.says();
    assert_eq!(dry, "retry: 3 jobs (3 dead; 3 catalog.discard_objects)\nnothing was done: this was a dry run\n");
    let refused = crew.jobs(typed).await;
    assert!(refused.complained.contains("3 jobs: repeat it with --yes") && !refused.succeeded, "{refused:?}");
    assert_eq!(stage.count("SELECT count(*) FROM queue.finished_jobs WHERE state = 'dead'").await, 3);
    for (typed, complaint) in [("retry", "say which jobs"), ("retry 7 --state dead", "not by both")] {
        assert!(crew.jobs(typed).await.complains().contains(complaint), "{typed}");
    }

    // It can be taken back …
    let asked = crew.jobs(&format!("{typed} --yes --json")).await.json();
    assert_eq!((&asked["bulk"]["matched"], &asked["bulk"]["state"]), (&json!(3), &json!("waiting")));
    let undone = crew.jobs(&format!("bulk undo {}", asked["bulk"]["id"])).await.says();
    assert!(undone.contains("taken back"), "{undone}");
    // … or begin at once.
    crew.starts(DEFAULT).await;
    crew.jobs(&format!("{typed} --yes --now")).await.says();
    until("all are done", async || {
        stage.count("SELECT count(*) FROM queue.finished_jobs WHERE kind = 'catalog.discard_objects' AND state = 'done'").await
            == 3
    })
    .await;
    let acts = crew.jobs("bulk --json").await.json();
    assert_eq!((&acts[0]["state"], &acts[0]["done"], &acts[1]["state"]), (&json!("done"), &json!(3), &json!("undone")));
    assert!(
        trail(&stage)
            .await
            .ends_with("jobs.bulk.undo bulk_act: from the command line, jobs.bulk.ask bulk_act: from the command line")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_enqueued_by_hand_can_run() {
    let stage = Stage::of_processes(free_port()).await;
    let crew = Crew::of(&stage).await;
    let order = r#"{"order":"0198c0de-0000-7000-8000-000000000001"}"#;
    let told = crew.jobs(&format!("enqueue orders.fulfil {order} --json")).await.json();
    assert_eq!(told["fresh"], true);
    // As its kind asks: unique, about its order, in its queue.
    let again = crew.jobs(&format!("enqueue orders.fulfil {order} --json")).await.json();
    assert_eq!((&again["fresh"], &again["id"]), (&json!(false), &told["id"]));
    let stored = "SELECT concat_ws(' ', queue, subject_kind, subject_id, state) FROM queue.jobs";
    assert_eq!(stage.text(stored).await, "orders order 0198c0de-0000-7000-8000-000000000001 available");
    let later = crew.jobs("enqueue retention.prune --at 2h --priority -5").await.says();
    assert!(later.contains("is enqueued"), "{later}");
    let due = "SELECT count(*) FROM queue.jobs WHERE kind = 'retention.prune' AND state = 'scheduled' AND priority = -5 AND run_at > now()";
    assert_eq!(stage.count(due).await, 1);

    for (typed, complaint) in [
        ("enqueue orders.fulfill {}", "there is no kind of job \"orders.fulfill\"; there are analytics.count_views"),
        ("enqueue orders.fulfil {}", "these are no arguments of orders.fulfil: missing field `order`"),
        ("enqueue orders.fulfil {", "the arguments are not JSON"),
    ] {
        let complained = crew.jobs(typed).await.complains();
        assert!(complained.contains(complaint), "{typed}: {complained}");
    }
    assert_eq!(stage.count("SELECT count(*) FROM queue.jobs").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn queues_and_schedules_are_paused_and_go_on() {
    let stage = Stage::of_processes(free_port()).await;
    let mut crew = Crew::of(&stage).await;
    crew.starts(DEFAULT).await;
    crew.runs(&["jobs", "pause", "default", "--reason", "the bucket moves"], |_| ()).await.says();
    discards(&stage, &["a"]).await;
    let stats = crew.jobs("stats").await.says();
    assert!(stats.contains(": the bucket moves") && stats.contains("catalog.discard_objects"), "{stats}");
    assert_eq!(crew.jobs("drain default").await.says(), "queue default is drained\n");
    assert_eq!(stage.count("SELECT count(*) FROM queue.jobs WHERE state = 'available'").await, 1);
    crew.jobs("resume default").await.says();
    until("it is done", async || stage.count("SELECT count(*) FROM queue.jobs").await == 0).await;
    assert!(crew.jobs("resume default").await.complains().contains("was not paused"));

    let schedules = crew.jobs("schedules").await.says();
    assert!(schedules.contains("every 10 minutes") && schedules.contains("every day at 04:00 (UTC)"), "{schedules}");
    crew.jobs("schedules pause retention.prune").await.says();
    let rows = crew.jobs("schedules --json").await.json();
    let prune = rows.as_array().expect("rows").iter().find(|row| row["name"] == "retention.prune").expect("the schedule").clone();
    assert!(prune["paused_at"].is_string() && prune["english"] == "every day at 04:00 (UTC)", "{prune}");
    let ran = crew.jobs("schedules run retention.prune").await.says();
    assert!(ran.contains("has enqueued job"), "{ran}");
    crew.jobs("schedules resume retention.prune").await.says();
    until("it is done", async || stage.count("SELECT count(*) FROM queue.jobs").await == 0).await;
    assert_eq!(crew.jobs("errors").await.says(), "nothing has failed\n");

    let workers = crew.jobs("workers --json").await.json();
    assert_eq!((workers.as_array().map(Vec::len), &workers[0]["group"]), (Some(1), &json!("default")));
    let name = workers[0]["name"].as_str().expect("a name").to_owned();
    crew.jobs(&format!("workers quiet {name}")).await.says();
    assert!(crew.jobs("workers").await.says().contains("quiet since"));
    crew.jobs(&format!("workers wake {name}")).await.says();
    assert!(trail(&stage).await.starts_with("queue.pause queue: the bucket moves, queue.drain queue: from the command line"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workflow_that_failed_is_seen_and_goes_on() {
    let stage = Stage::of_processes(free_port()).await;
    let mut crew = Crew::of(&stage).await;
    let job = |key: &str| DiscardObjects { keys: vec![key.into()], multipart: None };
    let mut flow = Workflow::new("story.tidy").subject(Subject::new("order", 17));
    let first = flow.step("first", &job("a"));
    flow.after(first).step("second", &job("b"));
    let id = flow.start(&mut stage.look().await).await.expect("started").id;

    let listed = crew.jobs("workflows --name story.tidy").await.says();
    assert!(listed.lines().nth(1).is_some_and(|line| line.contains("running") && line.contains("order/17")), "{listed}");
    let shown = crew.jobs(&format!("workflows show {id}")).await.says();
    assert!(shown.contains("first") && shown.contains("blocked"), "{shown}");
    assert!(crew.jobs(&format!("workflows resume {id}")).await.complains().contains("only a failed one can be resumed"));

    // A person cancels its first job: that fails the workflow, which waits.
    let jobs = crew.jobs(&format!("list --workflow {id} --json")).await.json();
    crew.jobs(&format!("cancel {}", jobs["jobs"][0]["id"])).await.says();
    let failed = crew.jobs("workflows list --state failed --json").await.json();
    assert_eq!(failed[0]["id"], json!(id), "{failed}");
    let said = crew.runs(&["jobs", "workflows", "resume", &id.to_string(), "--reason", "by mistake"], |_| ()).await.says();
    assert!(said.contains("goes on"), "{said}");
    crew.starts(DEFAULT).await;
    until("it is done", async || stage.count("SELECT count(*) FROM queue.workflows WHERE state = 'done'").await == 1).await;
    assert!(trail(&stage).await.ends_with("workflow.resume workflow: by mistake"));
    assert!(crew.jobs(&format!("workflows undo {id}")).await.complains().contains("is over"));
}

#[tokio::test(flavor = "multi_thread")]
async fn check_names_every_fault_with_what_to_do() {
    let stage = Stage::of_processes(free_port()).await;
    let mut crew = Crew::of(&stage).await;
    let jobs = discards(&stage, &["a", "b", "c"]).await;
    let mut look = stage.look().await;
    ended(&stage, &jobs[..1], "quarantined", "its worker died").await;
    look.execute("UPDATE queue.finished_jobs SET finished_at = now() - interval '40 years'")
        .await
        .expect("a row without a partition");
    look.execute(sqlx::AssertSqlSafe(format!("UPDATE queue.jobs SET kind = 'catalog.of_tomorrow' WHERE id = {}", jobs[1])))
        .await
        .expect("a kind nobody knows");
    look.execute("UPDATE queue.jobs SET run_at = now() - interval '1 hour', created_at = now() - interval '1 hour'")
        .await
        .expect("waiting");
    look.execute("UPDATE queue.schedules SET next_at = now() - interval '10 minutes' WHERE name = 'retention.prune'")
        .await
        .expect("overdue");
    look.execute(
        "INSERT INTO queue.workers (id, name, process_group, release, queues, kinds, capacity, lost_at)
         VALUES (gen_random_uuid(), 'there:1', 'mail', '0', '{mail}', '{}', 1, now())",
    )
    .await
    .expect("a lost worker");
    crew.jobs("pause mail").await.says();

    let checked = crew.jobs("check").await;
    assert!(!checked.succeeded && checked.complained.contains("faults, see above"), "{checked:?}");
    for fault in [
        "A job of queue default has been in line for 60 minutes.",
        "1 job of kind catalog.discard_objects lost three workers.",
        "See `mywork jobs list --state quarantined --kind catalog.discard_objects`.",
        "Worker there:1 of group mail was not heard of and was given up.",
        "Table queue.finished_jobs_default holds rows",
        "1 job of kind catalog.of_tomorrow, which this release does not know",
        "No worker serves queue default, where 2 jobs are waiting: start one by `mywork worker --group default`.",
        "Schedule retention.prune was due 10 min ago and nobody came: start `mywork scheduler`.",
    ] {
        assert!(checked.said.lines().any(|line| line.starts_with("FAIL") && line.contains(fault)), "{fault}: {}", checked.said);
    }
    assert!(checked.said.contains("note  queue mail is paused since"), "{}", checked.said);
    let faults = crew.jobs("check --json").await;
    let faults: Value = serde_json::from_str(&faults.said).expect("JSON");
    assert_eq!(
        faults["faults"].as_array().map(Vec::len),
        checked.said.lines().filter(|line| line.starts_with("FAIL")).map(drop).count().into(),
        "{faults}"
    );

    // A file that does not fit the program, with the lines.
    crew.writes("workers.toml", "[group.default]\nqueues = [\"defualt\"]\nconcurrency = 0\n");
    let told = crew.jobs("check").await.said;
    assert!(
        told.contains("FAIL  workers.toml, line 2: no kind of job goes to queue \"defualt\"") && told.contains("line 3:"),
        "{told}"
    );
    crew.writes("workers.toml", include_str!("../workers.toml"));

    // Everything mended.
    look.execute("DELETE FROM queue.finished_jobs").await.expect("mended");
    look.execute("DELETE FROM queue.workers").await.expect("mended");
    look.execute("DELETE FROM queue.jobs WHERE kind = 'catalog.of_tomorrow'").await.expect("mended");
    crew.jobs("resume mail").await.says();
    crew.starts(DEFAULT).await;
    crew.starts(Part::Scheduler).await;
    until("all is well", async || crew.jobs("check").await.succeeded).await;
    let well = crew.jobs("check").await.says();
    assert!(well.starts_with("ok ") && well.contains("1 worker at work"), "{well}");
}
