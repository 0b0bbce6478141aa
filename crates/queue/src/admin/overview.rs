//! The whole at a glance: how many jobs are where, and what waits longest. Read from the hot table and from what workers counted;
//! of the history only the jobs that ask for attention are counted, up to a bound.

use crate::admin::jobs::JobState;
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use std::collections::BTreeMap;

/// Jobs that are over are counted up to here; whoever has more than ten thousand dead jobs does not need the last digit.
const COUNTS_TO: i64 = 10_000;

/// The whole at a glance.
#[derive(Clone, Debug, Serialize)]
pub struct Overview {
    /// Jobs by state. What failed is counted for as long as it is kept, what went well for a day.
    pub states: Vec<StateCount>,
    /// Queues, by name.
    pub queues: Vec<QueueRow>,
    /// Kinds, by name.
    pub kinds: Vec<KindCount>,
}

/// How many jobs are in a state.
#[derive(Clone, Debug, Serialize)]
pub struct StateCount {
    /// The state.
    pub state: JobState,
    /// How many.
    pub jobs: i64,
    /// There are more than that.
    pub or_more: bool,
}

/// A queue.
#[derive(Clone, Debug, Serialize)]
pub struct QueueRow {
    /// Its name.
    pub name: String,
    /// In line.
    pub available: i64,
    /// In line, but their kind is paused.
    pub held: i64,
    /// Not due yet.
    pub scheduled: i64,
    /// Running.
    pub running: i64,
    /// Since when the oldest job in line could have run.
    pub oldest_available_at: Option<DateTime<Utc>>,
    /// Since when it is paused.
    pub paused_at: Option<DateTime<Utc>>,
    /// Why it is paused.
    pub pause_reason: Option<String>,
    /// How many of its jobs may run at once, over all processes.
    pub max_running: Option<i32>,
}

/// A kind of job over the last day.
#[derive(Clone, Debug, Serialize)]
pub struct KindCount {
    /// The kind.
    pub kind: String,
    /// Waiting or running now.
    pub unfinished: i64,
    /// Runs within a day that did what they should.
    pub done: i64,
    /// Runs within a day after which the job was dead, or that lost their worker.
    pub failed: i64,
    /// Since when it is paused.
    pub paused_at: Option<DateTime<Utc>>,
    /// Why it is paused.
    pub pause_reason: Option<String>,
}

/// Counts by state, queue and kind.
///
/// # Errors
/// When the database refuses.
pub async fn overview(c: &mut PgConnection) -> Result<Overview, sqlx::Error> {
    let hot = hot(c).await?;
    let over = over(c).await?;
    let (queues, mut kinds) = (queues(c, &hot).await?, kinds(c).await?);
    let mut states = BTreeMap::new();
    for group in &hot {
        *states.entry(group.state).or_default() += group.jobs;
        let unfinished = kinds.iter_mut().find(|kind| kind.kind == group.kind);
        match unfinished {
            Some(kind) => kind.unfinished += group.jobs,
            None => kinds.push(KindCount { unfinished: group.jobs, ..KindCount::idle(&group.kind) }),
        }
    }
    kinds.sort_by(|a, b| a.kind.cmp(&b.kind));
    states.insert(JobState::Done, kinds.iter().map(|kind| kind.done).sum());
    states.extend(over.iter().map(|count| (count.state, count.jobs)));
    let or_more = |state| over.iter().any(|count| count.state == state && count.or_more);
    let count = |state| StateCount { state, jobs: states.get(&state).copied().unwrap_or_default(), or_more: or_more(state) };
    Ok(Overview { states: JobState::ALL.map(count).into(), queues, kinds })
}

impl KindCount {
    fn idle(kind: &str) -> Self {
        Self { kind: kind.to_owned(), unfinished: 0, done: 0, failed: 0, paused_at: None, pause_reason: None }
    }
}

/// Unfinished jobs of one queue, kind and state.
pub(crate) struct Hot {
    pub queue: String,
    pub kind: String,
    pub state: JobState,
    pub jobs: i64,
    /// Of those in line.
    pub oldest_at: Option<DateTime<Utc>>,
}

pub(crate) async fn hot(c: &mut PgConnection) -> Result<Vec<Hot>, sqlx::Error> {
    sqlx::query_as!(
        Hot,
        r#"
        SELECT queue, kind, state AS "state: JobState", count(*) AS "jobs!",
               min(run_at) FILTER (WHERE state = 'available') AS oldest_at
        FROM queue.jobs
        GROUP BY queue, kind, state
        "#
    )
    .fetch_all(c)
    .await
}

/// Jobs that are over and not done, by state, each counted up to the bound.
async fn over(c: &mut PgConnection) -> Result<Vec<StateCount>, sqlx::Error> {
    let states: Vec<String> =
        JobState::ALL.iter().filter(|s| s.is_finished() && **s != JobState::Done).map(ToString::to_string).collect();
    let counted = sqlx::query!(
        r#"
        SELECT asked.state AS "state!: JobState", ended.jobs AS "jobs!"
        FROM unnest($1::text[]) AS asked (state)
        CROSS JOIN LATERAL (
          SELECT count(*) AS jobs
          FROM (SELECT FROM queue.finished_jobs f WHERE f.state = asked.state AND f.state <> 'done' LIMIT $2::bigint + 1) AS part
        ) AS ended
        "#,
        &states,
        COUNTS_TO,
    )
    .fetch_all(c)
    .await?;
    let bounded =
        counted.into_iter().map(|c| StateCount { state: c.state, jobs: c.jobs.min(COUNTS_TO), or_more: c.jobs > COUNTS_TO });
    Ok(bounded.collect())
}

pub(crate) async fn queues(c: &mut PgConnection, hot: &[Hot]) -> Result<Vec<QueueRow>, sqlx::Error> {
    let names: Vec<String> = hot.iter().map(|group| group.queue.clone()).collect();
    let known = sqlx::query_as!(
        Known,
        r#"
        SELECT name AS "name!", q.paused_at AS "paused_at?", q.pause_reason, q.max_running
        FROM (
          SELECT name FROM queue.queues
          UNION
          SELECT unnest($1::text[])
          UNION
          SELECT unnest(queues) FROM queue.workers WHERE stopped_at IS NULL AND lost_at IS NULL
        ) AS names
        LEFT JOIN queue.queues q USING (name)
        ORDER BY name
        "#,
        &names,
    )
    .fetch_all(c)
    .await?;
    let row = |Known { name, paused_at, pause_reason, max_running }| {
        let mine = || hot.iter().filter(|group| group.queue == name);
        let count = |state| mine().filter(|group| group.state == state).map(|group| group.jobs).sum();
        QueueRow {
            available: count(JobState::Available),
            held: count(JobState::Held),
            scheduled: count(JobState::Scheduled),
            running: count(JobState::Running),
            oldest_available_at: mine().filter_map(|group| group.oldest_at).min(),
            paused_at,
            pause_reason,
            max_running,
            name,
        }
    };
    Ok(known.into_iter().map(row).collect())
}

/// A queue that has a job, a worker, or something said about it.
struct Known {
    name: String,
    paused_at: Option<DateTime<Utc>>,
    pause_reason: Option<String>,
    max_running: Option<i32>,
}

/// Runs of the last day by kind, and which kinds are paused.
async fn kinds(c: &mut PgConnection) -> Result<Vec<KindCount>, sqlx::Error> {
    sqlx::query_as!(
        KindCount,
        r#"
        SELECT kind AS "kind!", 0::bigint AS "unfinished!", coalesce(ran.done, 0)::bigint AS "done!",
               coalesce(ran.failed, 0)::bigint AS "failed!", p.paused_at AS "paused_at?", p.pause_reason AS "pause_reason?"
        FROM (
          SELECT kind, sum(runs) FILTER (WHERE outcome = 'done') AS done,
                 sum(runs) FILTER (WHERE outcome IN ('dead', 'lost')) AS failed
          FROM queue.run_counts
          WHERE minute > now() - interval '1 day'
          GROUP BY kind
        ) AS ran
        FULL JOIN queue.paused_kinds p USING (kind)
        "#
    )
    .fetch_all(c)
    .await
}
