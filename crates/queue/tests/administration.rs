//! What the command line and the dashboard can see and do.
//! Proves: JOB-23 (what the commands call), JOB-19 (log and progress of a running job), JOB-20 (from a job to its relatives).

use crate::support::{
    Stage, Start, committed, eventually,
    jobs::{Act, How, Other, Seen, registry},
};
use chrono::{DateTime, Duration, Utc};
use mywork_queue::{
    Context, Job, JobId, Options, Outcome, Registry, Subject, Unique,
    admin::{self, ActError, AlertKind, ArgIs, JobFilter, JobState, live},
    enqueue, enqueue_many, enqueue_with,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, sync::Arc};
use uuid::Uuid;

async fn ids(stage: &Stage, filter: JobFilter) -> Vec<JobId> {
    let jobs = admin::list(&mut *stage.connection().await, &filter).await.expect("a list");
    jobs.into_iter().map(|job| job.id).collect()
}

#[tokio::test]
async fn jobs_are_found_by_what_is_known_about_them() {
    let stage = Stage::new().await;
    let others: Vec<Other> = (0..7).map(|number| Other { number }).collect();
    let others = committed(&stage.pool, async |c| enqueue_many(c, &others).await.expect("enqueued")).await;
    let dead = committed(&stage.pool, async |c| enqueue(c, &Act::new("100%_broken", How::Die)).await.expect("enqueued").id).await;
    let worker = Start::new(&stage, registry(), Seen::new()).run();
    eventually("all ran", async || stage.number("SELECT count(*) FROM queue.jobs").await == 0).await;
    worker.stop().await;
    let waiting = committed(&stage.pool, async |c| enqueue(c, &Other { number: 3 }).await.expect("enqueued").id).await;

    assert_eq!(
        ids(&stage, JobFilter { states: vec![JobState::Dead, JobState::Available], ..Default::default() }).await,
        [waiting, dead]
    );
    assert_eq!(ids(&stage, JobFilter { error: Some("HOPELESS".into()), ..Default::default() }).await, [dead]);
    assert!(ids(&stage, JobFilter { error: Some("h%s".into()), ..Default::default() }).await.is_empty(), "no wildcards");
    assert_eq!(
        ids(&stage, JobFilter { subject: Some(Subject::new("thing", 3)), ..Default::default() }).await,
        [waiting, others[3].id]
    );
    assert_eq!(
        ids(&stage, JobFilter { tag: Some("other".into()), queue: Some("other".into()), ..Default::default() }).await.len(),
        8
    );

    let page = |before| JobFilter { kind: Some("test.other".into()), limit: 3, before, ..Default::default() };
    let first = ids(&stage, page(None)).await;
    assert_eq!(first, [waiting, others[6].id, others[5].id]);
    assert_eq!(ids(&stage, page(first.last().copied())).await, [others[4].id, others[3].id, others[2].id]);

    let overview = admin::overview(&mut *stage.connection().await).await.expect("an overview");
    let count = |state| overview.states.iter().find(|row| row.state == state).map(|row| row.jobs);
    assert_eq!((count(JobState::Done), count(JobState::Dead), count(JobState::Available)), (Some(7), Some(1), Some(1)));
    let other = overview.kinds.iter().find(|kind| kind.kind == "test.other").expect("the kind");
    assert_eq!((other.unfinished, other.done, other.failed), (1, 7, 0));
    let queue = overview.queues.iter().find(|queue| queue.name == "other").expect("the queue");
    assert!(queue.available == 1 && queue.oldest_available_at.is_some());
}

#[tokio::test]
async fn a_dead_job_comes_back_under_its_number_with_its_attempts_behind_it() {
    let stage = Stage::new().await;
    let job = committed(&stage.pool, async |c| enqueue(c, &Act::new("job", How::Die)).await.expect("enqueued").id).await;
    let worker = Start::new(&stage, registry(), Seen::new()).run();
    stage.until_state(job, JobState::Dead).await;
    committed(&stage.pool, async |c| admin::retry(c, job).await.expect("retried")).await;
    eventually("it ran again", async || stage.outcomes(job).await == ["dead", "dead"]).await;
    stage.until_state(job, JobState::Dead).await;
    worker.stop().await;

    committed(&stage.pool, async |c| admin::discard(c, job, "not worth it").await.expect("discarded")).await;
    let row = stage.job(job).await.job;
    assert_eq!((row.state, row.reason.as_deref()), (JobState::Cancelled, Some("not worth it")));
    assert!(matches!(admin::discard(&mut *stage.connection().await, job, "").await, Err(ActError::Finished { .. })));
}

#[tokio::test]
async fn a_job_whose_key_is_taken_stays_where_it_is() {
    let stage = Stage::new().await;
    let options = || Options::default().unique(Unique::unfinished("key"));
    let add = async |how| {
        committed(&stage.pool, async |c| enqueue_with(c, &Act::new("job", how), options()).await.expect("enqueued").id).await
    };
    let dead = add(How::Die).await;
    let worker = Start::new(&stage, registry(), Seen::new()).run();
    stage.until_state(dead, JobState::Dead).await;
    worker.stop().await;
    add(How::Succeed).await;
    let refused = admin::retry(&mut *stage.connection().await, dead).await;
    assert!(matches!(refused, Err(ActError::KeyTaken { .. })), "{refused:?}");
    assert_eq!(stage.state(dead).await, JobState::Dead);
}

#[tokio::test]
async fn a_job_can_be_enqueued_by_the_name_of_its_kind() {
    let stage = Stage::new().await;
    let registry = registry();
    let kind = registry.kind("test.other").expect("the kind").clone();
    let args = serde_json::json!({ "number": 5 });
    let job =
        committed(&stage.pool, async |c| admin::enqueue_raw(c, &kind, &args, Options::default()).await.expect("enqueued").id)
            .await;
    let worker = Start::new(&stage, registry, Seen::new()).run();
    stage.until_state(job, JobState::Done).await;
    let workers = admin::workers(&mut *stage.connection().await).await.expect("workers");
    assert_eq!((workers.len(), workers[0].capacity, workers[0].queues.join(" ")), (1, 8, "default other".to_owned()));
    assert!(workers[0].stopped_at.is_none());
    worker.stop().await;
    assert!(admin::workers(&mut *stage.connection().await).await.expect("workers")[0].stopped_at.is_some());
}

/// A history that no test could run: `jobs` finished jobs, one a second up to now, one in a hundred dead, of three kinds.
async fn history(stage: &Stage, jobs: i64) {
    let sql =
        "INSERT INTO queue.finished_jobs (id, queue, kind, version, state, priority, run_at, args, attempt, max_attempts, lease,
                                                rescues, tags, last_error, actor, created_at, finished_at)
               SELECT n, 'default', 'old.' || n % 3, 1, CASE WHEN n % 100 = 0 THEN 'dead' ELSE 'done' END, 0, at,
                      jsonb_build_object('order', jsonb_build_object('id', n / 2), 'lines', jsonb_build_array(n)), 1, 1, 1, 0,
                      CASE WHEN n = 17 THEN ARRAY['rare'] ELSE '{}' END, CASE WHEN n % 100 = 0 THEN 'Disk ' || n || ' full' END,
                      CASE WHEN n = 18 THEN '00000000-0000-0000-0000-000000000009'::uuid END, at - interval '1 second', at
               FROM generate_series(1, $1::bigint) n, LATERAL (SELECT now() - make_interval(secs => $1 - n)) AS over (at)";
    sqlx::query(sql).bind(jobs).execute(&stage.pool).await.expect("a history");
    sqlx::query("SELECT setval(pg_get_serial_sequence('queue.jobs', 'id'), $1)")
        .bind(jobs)
        .execute(&stage.pool)
        .await
        .expect("numbers");
}

/// All pages of a filter, and how many there were.
async fn all(stage: &Stage, filter: JobFilter) -> (Vec<i64>, usize) {
    let (mut found, mut pages, mut before) = (Vec::new(), 0, None);
    loop {
        let page = admin::search(&mut *stage.connection().await, &JobFilter { before, ..filter.clone() }).await.expect("a page");
        found.extend(page.jobs.iter().map(|job| job.id.0));
        pages += 1;
        assert!(page.looked_back_to.is_none() || page.next.is_some(), "who did not see the end can go on");
        match page.next {
            Some(next) => before = Some(next),
            None => return (found, pages),
        }
    }
}

#[tokio::test]
async fn every_filter_finds_its_jobs_in_pages_without_gaps() {
    let stage = Stage::new().await;
    const JOBS: i64 = 3_000;
    history(&stage, JOBS).await;
    let waiting = committed(&stage.pool, async |c| enqueue(c, &Other { number: 1 }).await.expect("enqueued").id).await;
    let newest_first = |ids: Vec<i64>| ids.into_iter().rev().collect::<Vec<_>>();
    let found = async |filter| all(&stage, filter).await.0;

    let (every, pages) = all(&stage, JobFilter { limit: 70, ..Default::default() }).await;
    assert_eq!(every.len(), JOBS as usize + 1);
    assert_eq!(every.iter().collect::<BTreeSet<_>>().len(), every.len(), "none twice");
    assert!(every.is_sorted_by(|a, b| a > b) && every[0] == waiting.0 && pages == 43);

    let dead = newest_first((1..=JOBS).filter(|n| n % 100 == 0).collect());
    assert_eq!(found(JobFilter { states: vec![JobState::Dead], limit: 7, ..Default::default() }).await, dead);
    let both =
        JobFilter { states: vec![JobState::Dead, JobState::Quarantined, JobState::Available], limit: 7, ..Default::default() };
    assert_eq!(found(both).await, [&[waiting.0][..], &dead].concat());
    let of_kind = JobFilter { states: vec![JobState::Dead], kind: Some("old.0".to_owned()), limit: 3, ..Default::default() };
    assert_eq!(found(of_kind).await, newest_first((1..=JOBS).filter(|n| n % 300 == 0).collect()));
    let done = JobFilter { states: vec![JobState::Done], kind: Some("old.1".to_owned()), ..Default::default() };
    assert_eq!(found(done).await, newest_first((1..=JOBS).filter(|n| n % 3 == 1 && n % 100 != 0).collect()));

    let arg = |text: &str| JobFilter { arg: Some(text.parse::<ArgIs>().expect("an argument")), ..Default::default() };
    assert_eq!(found(arg("order.id = 17")).await, [35, 34]);
    assert_eq!(found(arg("lines.0 = 40")).await, [40]);
    assert!(found(arg("order.nothing = 17")).await.is_empty());
    assert_eq!(found(JobFilter { tag: Some("rare".to_owned()), ..Default::default() }).await, [17]);
    assert_eq!(found(JobFilter { actor: Some(Uuid::from_u128(9)), ..Default::default() }).await, [18]);
    assert_eq!(found(JobFilter { error: Some("disk 700 F".to_owned()), ..Default::default() }).await, [700]);
    assert_eq!(found(JobFilter { ids: [5, 7, 4_000_000].map(JobId).into(), ..Default::default() }).await, [7, 5]);
    assert_eq!(found(JobFilter { queue: Some("other".to_owned()), ..Default::default() }).await, [waiting.0]);
}

#[tokio::test]
async fn time_leads_straight_to_its_jobs() {
    let stage = Stage::new().await;
    const JOBS: i64 = 3_000;
    history(&stage, JOBS).await;
    committed(&stage.pool, async |c| enqueue(c, &Other { number: 1 }).await.expect("enqueued")).await;
    let at = async |id: i64| {
        let sql = "SELECT finished_at FROM queue.finished_jobs WHERE id = $1";
        sqlx::query_scalar::<_, DateTime<Utc>>(sql).bind(id).fetch_one(&stage.pool).await.expect("a time")
    };
    let (from, to) = (Some(at(1_000).await), Some(at(1_200).await));
    let (found, _) = all(&stage, JobFilter { from, to, limit: 30, ..Default::default() }).await;
    assert_eq!(found, (1_000..1_200).rev().collect::<Vec<_>>());
    let dead = JobFilter { from, to, states: vec![JobState::Dead], ..Default::default() };
    assert_eq!(all(&stage, dead).await, (vec![1_100, 1_000], 1));
    let (since, _) = all(&stage, JobFilter { from: Some(at(2_990).await), ..Default::default() }).await;
    assert_eq!(since, (2_990..=JOBS + 1).rev().collect::<Vec<_>>(), "with the one that is due since");
}

#[tokio::test]
async fn a_search_without_an_index_says_how_far_it_looked_and_goes_on_from_there() {
    let stage = Stage::new().await;
    history(&stage, 45_000).await;
    let rare = JobFilter { tag: Some("rare".to_owned()), ..Default::default() };
    let first = admin::search(&mut *stage.connection().await, &rare).await.expect("a page");
    assert!(first.jobs.is_empty() && first.next == Some(JobId(35_001)), "{:?}", first.next);
    let looked_back_to = first.looked_back_to.expect("how far");
    assert!(looked_back_to < Utc::now() - Duration::seconds(9_000) && looked_back_to > Utc::now() - Duration::seconds(11_000));
    assert_eq!(all(&stage, rare).await, (vec![17], 5));
}

#[tokio::test]
async fn jobs_are_found_by_the_workers_that_ran_them() {
    let stage = Stage::new().await;
    let seen = Seen::new();
    let mut ran = Vec::new();
    for name in ["first", "second"] {
        let job = committed(&stage.pool, async |c| enqueue(c, &Act::new(name, How::Succeed)).await.expect("enqueued").id).await;
        let worker = Start::new(&stage, registry(), Arc::clone(&seen)).run();
        stage.until_state(job, JobState::Done).await;
        worker.stop().await;
        ran.push((job, stage.job(job).await.attempts[0].worker.expect("a worker")));
    }
    for (job, worker) in &ran {
        assert_eq!(ids(&stage, JobFilter { worker: Some(*worker), ..Default::default() }).await, [*job]);
        let not_so = JobFilter { worker: Some(*worker), states: vec![JobState::Dead], ..Default::default() };
        assert!(ids(&stage, not_so).await.is_empty());
    }
    let job = committed(&stage.pool, async |c| enqueue(c, &Act::new("third", How::Wait)).await.expect("enqueued").id).await;
    let worker = Start::new(&stage, registry(), Arc::clone(&seen)).run();
    stage.until_state(job, JobState::Running).await;
    let id = stage.job(job).await.job.worker.expect("a worker");
    assert_eq!(ids(&stage, JobFilter { worker: Some(id), ..Default::default() }).await, [job], "while it runs, too");
    seen.gate.notify_one();
    stage.until_state(job, JobState::Done).await;
    worker.stop().await;
}

#[derive(Serialize, Deserialize)]
struct Talkative;

impl Job for Talkative {
    const KIND: &'static str = "test.talkative";
}

#[tokio::test]
async fn log_and_progress_are_seen_while_a_job_runs() {
    let stage = Stage::new().await;
    let seen = Seen::new();
    let mut registry = Registry::new();
    registry.add(|_: Talkative, cx: Context<Seen>| async move {
        for step in 1..=3 {
            cx.log(format_args!("step {step}"));
            cx.progress(step, 3, "working").await;
            cx.state.gate.notified().await;
        }
        if cx.attempt == 1 { Err(anyhow::anyhow!("once more").into()) } else { Ok(Outcome::Done) }
    });
    let job = committed(&stage.pool, async |c| enqueue(c, &Talkative).await.expect("enqueued").id).await;
    let worker = Start::new(&stage, registry, Arc::clone(&seen)).run();
    let now = async |from| live::of_job(&mut *stage.connection().await, job, from).await.expect("the queue").expect("the job");

    let mut read = 0;
    for step in 1..=3_i64 {
        eventually("the line and the step are seen", async || {
            let now = now(read).await;
            now.log.ends_with(&format!("step {step}\n")) && now.progress.is_some_and(|progress| progress.done == step)
        })
        .await;
        let now = now(read).await;
        assert_eq!(now.log.lines().count(), 1, "only what is new: {}", now.log);
        assert_eq!(stage.job(job).await.log.map(|log| log.lines().count() as i64), Some(step));
        read = now.log_length;
        seen.gate.notify_one();
    }
    stage.until_state(job, JobState::Scheduled).await;
    assert_eq!((now(read).await.log, now(read).await.log_length), (String::new(), 0), "the run is over; its attempt has the log");
    assert_eq!(stage.job(job).await.attempts[0].log.as_deref().map(|log| log.lines().count()), Some(3));

    committed(&stage.pool, async |c| admin::retry(c, job).await.expect("due now")).await;
    eventually("the next run begins a log of its own", async || now(read).await.log.ends_with("step 1\n")).await;
    for _ in 0..3 {
        eventually("it has ended or waits", async || {
            seen.gate.notify_one();
            stage.state(job).await == JobState::Done
        })
        .await;
    }
    worker.stop().await;
}

#[tokio::test]
async fn a_quiet_worker_takes_no_jobs_and_finishes_what_it_has() {
    let stage = Stage::new().await;
    let seen = Seen::new();
    let running = committed(&stage.pool, async |c| enqueue(c, &Act::new("running", How::Wait)).await.expect("enqueued").id).await;
    let worker = Start::new(&stage, registry(), Arc::clone(&seen)).run();
    eventually("it runs", async || seen.running() == 1).await;
    eventually("it tells its memory", async || {
        let workers = admin::workers(&mut *stage.connection().await).await.expect("workers");
        workers[0].memory_bytes.is_some_and(|bytes| bytes > 1_000_000)
    })
    .await;
    let id = admin::workers(&mut *stage.connection().await).await.expect("workers")[0].id;
    assert!(committed(&stage.pool, async |c| admin::quiet(c, id, true).await.expect("asked")).await);
    assert!(!committed(&stage.pool, async |c| admin::quiet(c, Uuid::from_u128(1), true).await.expect("asked")).await);

    let other = Seen::new();
    let helper = Start::new(&stage, registry(), Arc::clone(&other)).run();
    let run_one = async || {
        let job = committed(&stage.pool, async |c| enqueue(c, &Act::new("next", How::Succeed)).await.expect("enqueued").id).await;
        stage.until_state(job, JobState::Done).await;
    };
    eventually("the helper has run five in a row", async || {
        let before = seen.names().len();
        for _ in 0..5 {
            run_one().await;
        }
        seen.names().len() == before
    })
    .await;
    let before = seen.names().len();
    for _ in 0..20 {
        run_one().await;
    }
    assert_eq!((seen.names().len(), seen.running()), (before, 1), "and all others; what it had goes on");
    helper.stop().await;
    seen.gate.notify_one();
    stage.until_state(running, JobState::Done).await;

    let last = committed(&stage.pool, async |c| enqueue(c, &Act::new("last", How::Succeed)).await.expect("enqueued").id).await;
    assert!(committed(&stage.pool, async |c| admin::quiet(c, id, false).await.expect("asked")).await);
    stage.until_state(last, JobState::Done).await;
    assert_eq!(seen.names().last().map(String::as_str), Some("last"));
    worker.stop().await;
}

#[derive(Serialize, Deserialize)]
struct Parent;

impl Job for Parent {
    const KIND: &'static str = "test.parent";
}

#[tokio::test]
async fn a_job_knows_what_enqueued_it_what_it_enqueued_and_what_else_came_of_the_request() {
    let stage = Stage::new().await;
    let mut registry = registry();
    let pool = stage.pool.clone();
    registry.add(move |_: Parent, _: Context<Seen>| {
        let pool = pool.clone();
        async move {
            let mut c = pool.acquire().await?;
            enqueue(&mut c, &Other { number: 1 }).await?;
            enqueue_with(&mut c, &Other { number: 2 }, Options::default().run_at(Utc::now() + Duration::days(1))).await?;
            Ok(Outcome::Done)
        }
    });
    let trace = format!("00-{}-{}-01", "ab".repeat(16), "cd".repeat(8));
    let (sibling, parent) = mywork_queue::trace::with(trace, None, async {
        committed(&stage.pool, async |c| {
            let later = Options::default().run_at(Utc::now() + Duration::days(1));
            let sibling = enqueue_with(c, &Act::new("sibling", How::Succeed), later).await.expect("enqueued").id;
            (sibling, enqueue(c, &Parent).await.expect("enqueued").id)
        })
        .await
    })
    .await;
    let stranger = committed(&stage.pool, async |c| enqueue(c, &Other { number: 9 }).await.expect("enqueued").id).await;
    let worker = Start::new(&stage, registry, Seen::new()).run();
    eventually("the parent and its first child are over", async || {
        stage.number("SELECT count(*) FROM queue.finished_jobs").await == 3
    })
    .await;
    worker.stop().await;

    let of = async |id| admin::relatives(&mut *stage.connection().await, id).await.expect("the queue").expect("the job");
    let names = |relatives: &[admin::Relative]| relatives.iter().map(|relative| relative.id).collect::<Vec<_>>();
    let family = of(parent).await;
    assert_eq!((family.children.len(), names(&family.trace), family.parent), (2, vec![sibling], None));
    assert_eq!(family.children.iter().map(|child| child.state).collect::<Vec<_>>(), [JobState::Done, JobState::Scheduled]);
    let child = of(family.children[0].id).await;
    assert_eq!(child.parent.map(|parent| parent.id), Some(parent));
    assert_eq!(names(&child.trace), [sibling, family.children[1].id]);
    let alone = of(stranger).await;
    assert!(alone.parent.is_none() && alone.children.is_empty() && alone.trace.is_empty());
    assert!(admin::relatives(&mut *stage.connection().await, JobId(404)).await.expect("the queue").is_none());
}

#[tokio::test]
async fn what_a_person_should_look_at_is_told() {
    let stage = Stage::new().await;
    let alerts = async || {
        let alerts = admin::alerts(&mut *stage.connection().await).await.expect("alerts");
        alerts.into_iter().map(|alert| (alert.kind, alert.about)).collect::<Vec<_>>()
    };
    committed(&stage.pool, async |c| enqueue(c, &Other { number: 1 }).await.expect("enqueued")).await;
    assert!(alerts().await.is_empty());

    stage.execute("UPDATE queue.jobs SET run_at = now() - interval '3 minutes', created_at = now() - interval '3 minutes'").await;
    assert!(alerts().await.is_empty(), "ten minutes are usual");
    committed(&stage.pool, async |c| {
        let two_minutes = Some(std::time::Duration::from_secs(120));
        admin::alert_after(c, "other", two_minutes).await.expect("said");
    })
    .await;
    assert_eq!(alerts().await, [(AlertKind::OldestWaiting, "other".to_owned())]);
    committed(&stage.pool, async |c| admin::pause(c, "other", "maintenance").await.expect("paused")).await;
    assert!(alerts().await.is_empty(), "a paused queue waits on purpose");

    history(&stage, 200).await;
    stage.execute("UPDATE queue.finished_jobs SET state = 'quarantined' WHERE id = 5").await;
    stage
        .execute(
            "INSERT INTO queue.workers (id, name, process_group, release, queues, kinds, capacity, lost_at)
             VALUES (gen_random_uuid(), 'host:1', 'default', 'test', '{}', '{}', 1, now())",
        )
        .await;
    stage
        .execute(
            "INSERT INTO queue.schedules (name, cron, zone, queue, kind, version, args, priority, max_attempts, catch_up, overlap, fault)
             VALUES ('nightly', '0 2 30 2 *', 'UTC', 'default', 'test.act', 1, '{}', 0, 3, 'one', 'skip', 'its time never comes')",
        )
        .await;
    stage.execute("UPDATE queue.finished_jobs SET finished_at = '2001-01-01' WHERE id = 6").await;
    assert_eq!(
        alerts().await,
        [
            (AlertKind::Quarantined, "old.2".to_owned()),
            (AlertKind::LostWorker, "host:1".to_owned()),
            (AlertKind::ScheduleFault, "nightly".to_owned()),
            (AlertKind::DefaultPartition, "finished_jobs_default".to_owned()),
        ]
    );
}
