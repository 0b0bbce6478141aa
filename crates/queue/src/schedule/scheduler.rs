//! The loop that turns schedules into jobs. Any number may run at once: a schedule's row is locked while its occurrences are
//! enqueued, and an occurrence can be inserted once.

use crate::{
    clock::{self, Clock},
    enqueue::{EnqueueError, NewJob},
    job::{JobId, Subject},
    measures,
    options::Options,
    schedule::{
        expression::{Expression, ExpressionError},
        plan::{CatchUp, Overlap},
    },
    store,
};
use chrono::{DateTime, Duration, Utc};
use futures::FutureExt;
use serde_json::Value;
use sqlx::{PgConnection, PgPool};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Enqueues what schedules say.
#[derive(Clone, Copy, Debug)]
pub struct Scheduler;

/// A time this long past was missed.
const MISSED_AFTER: Duration = Duration::seconds(60);
/// Occurrences made up for in one transaction: few enough that it ends in time also where the database is far away.
const AT_ONCE: usize = 100;
const LOOK_EVERY: std::time::Duration = std::time::Duration::from_millis(500);

/// A schedule whose time has come, locked.
#[derive(Debug)]
pub(crate) struct Due {
    pub name: String,
    pub cron: String,
    pub zone: String,
    pub queue: String,
    pub kind: String,
    pub version: i16,
    pub args: Value,
    pub priority: i16,
    pub max_attempts: i16,
    pub rate: Option<String>,
    pub redact: Vec<String>,
    pub catch_up: CatchUp,
    pub overlap: Overlap,
    pub next_at: Option<DateTime<Utc>>,
    pub now: DateTime<Utc>,
}

impl Scheduler {
    /// Enqueues whatever is due by `clock` until `shutdown`. An outage of the database delays it, and schedules then catch up
    /// as each of them says.
    pub async fn run(pool: PgPool, clock: Arc<dyn Clock>, shutdown: CancellationToken) {
        measures::describe(&[]);
        loop {
            if let Err(error) = Self::tick(&pool, &*clock).await {
                metrics::counter!("queue_scheduler_failures_total").increment(1);
                tracing::warn!(%error, "schedules cannot be looked at; trying again");
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    /// Enqueues whatever is due now, and returns how many jobs that were.
    ///
    /// # Errors
    /// When the database refuses. What was committed before stays.
    pub async fn tick(pool: &PgPool, clock: &dyn Clock) -> Result<usize, EnqueueError> {
        let mut enqueued = 0;
        loop {
            let now = clock::given(clock);
            let fired = store::in_transaction(pool, move |c| fire_one(c, now).boxed()).await?;
            let Some(jobs) = fired else { return Ok(enqueued) };
            enqueued += jobs;
        }
    }
}

/// Enqueues what the schedule longest due says, and how many jobs that were; nothing when none is due.
async fn fire_one(c: &mut PgConnection, now: Option<DateTime<Utc>>) -> Result<Option<usize>, EnqueueError> {
    match lock_one(c, now).await? {
        Some(due) => fire(c, &due).await.map(Some),
        None => Ok(None),
    }
}

/// A schedule that has just been installed or edited has no next time yet, and is due for one.
async fn lock_one(c: &mut PgConnection, now: Option<DateTime<Utc>>) -> Result<Option<Due>, sqlx::Error> {
    sqlx::query_as!(
        Due,
        r#"
        SELECT name, cron, zone, queue, kind, version, args, priority, max_attempts, rate, redact, catch_up AS "catch_up: CatchUp",
               overlap AS "overlap: Overlap", next_at, coalesce($1::timestamptz, now()) AS "now!"
        FROM queue.schedules
        WHERE paused_at IS NULL
          AND fault IS NULL
          AND (next_at IS NULL OR next_at <= coalesce($1, now()))
        ORDER BY next_at NULLS FIRST
        LIMIT 1
        FOR UPDATE SKIP LOCKED
        "#,
        now,
    )
    .fetch_optional(c)
    .await
}

async fn fire(c: &mut PgConnection, due: &Due) -> Result<usize, EnqueueError> {
    let expression = match Expression::parse(&due.cron, &due.zone) {
        Ok(expression) => expression,
        Err(error) => return Ok(set_aside(c, due, &error).await?),
    };
    let (times, next_at) = times(&expression, due);
    let mut enqueued = 0;
    for time in times {
        enqueued += usize::from(occur(c, due, time).await?.is_some());
    }
    let fault = next_at.is_none().then_some("The expression names no time to come.");
    sqlx::query!("UPDATE queue.schedules SET next_at = $2, fault = $3 WHERE name = $1", due.name, next_at, fault)
        .execute(c)
        .await?;
    Ok(enqueued)
}

/// The times to enqueue for now, and when to look again.
fn times(expression: &Expression, due: &Due) -> (Vec<DateTime<Utc>>, Option<DateTime<Utc>>) {
    let mut passed = Vec::new();
    let mut next_at = due.next_at.or_else(|| expression.next_after(due.now));
    while let Some(time) = next_at.filter(|time| *time <= due.now) {
        if due.catch_up == CatchUp::All && passed.len() == AT_ONCE {
            break; // still due, and so continued in the next transaction
        }
        if due.catch_up != CatchUp::All {
            passed.clear();
        }
        passed.push(time);
        next_at = expression.next_after(time);
    }
    if due.catch_up == CatchUp::None {
        passed.retain(|time| *time + MISSED_AFTER >= due.now);
    }
    (passed, next_at)
}

/// Enqueues the job of one occurrence, unless somebody has or its predecessor is still at work.
pub(crate) async fn occur(c: &mut PgConnection, due: &Due, time: DateTime<Utc>) -> Result<Option<JobId>, EnqueueError> {
    let busy = due.overlap == Overlap::Skip && predecessor_is_busy(c, &due.name).await?;
    let first = sqlx::query!(
        "INSERT INTO queue.occurrences (schedule, occurrence) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        due.name,
        time,
    )
    .execute(&mut *c)
    .await?;
    if first.rows_affected() == 0 || busy {
        return Ok(None);
    }
    let job = NewJob {
        kind: due.kind.clone().into(),
        queue: due.queue.clone().into(),
        version: due.version,
        max_attempts: due.max_attempts,
        args: due.args.to_string(),
        rate: due.rate.clone(),
        redact: due.redact.clone(),
        options: Options::default().priority(due.priority).subject(Subject::new("schedule", &due.name)),
        place: None,
    };
    let enqueued = job.insert(c).await?;
    sqlx::query!(
        "UPDATE queue.occurrences SET job_id = $3 WHERE schedule = $1 AND occurrence = $2",
        due.name,
        time,
        enqueued.id.0,
    )
    .execute(c)
    .await?;
    Ok(Some(enqueued.id))
}

async fn predecessor_is_busy(c: &mut PgConnection, schedule: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"
        SELECT EXISTS (
          SELECT
          FROM queue.jobs
          WHERE id = (
            SELECT job_id
            FROM queue.occurrences
            WHERE schedule = $1 AND job_id IS NOT NULL
            ORDER BY occurrence DESC
            LIMIT 1
          )
        ) AS "busy!"
        "#,
        schedule,
    )
    .fetch_one(c)
    .await
}

/// A row nobody understands waits for a person, and does not stop the others.
async fn set_aside(c: &mut PgConnection, due: &Due, error: &ExpressionError) -> Result<usize, sqlx::Error> {
    tracing::error!(schedule = due.name, %error, "a schedule cannot be understood and is set aside");
    sqlx::query!("UPDATE queue.schedules SET fault = $2 WHERE name = $1", due.name, error.to_string()).execute(c).await?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(catch_up: CatchUp, next_at: &str, now: &str) -> Due {
        Due {
            name: "s".into(),
            cron: "0 * * * *".into(),
            zone: "UTC".into(),
            queue: "default".into(),
            kind: "k".into(),
            version: 1,
            args: Value::Null,
            priority: 0,
            max_attempts: 1,
            rate: None,
            redact: Vec::new(),
            catch_up,
            overlap: Overlap::Queue,
            next_at: Some(next_at.parse().expect("a time")),
            now: now.parse().expect("a time"),
        }
    }

    fn hours(catch_up: CatchUp, now: &str) -> (Vec<String>, String) {
        let due = due(catch_up, "2026-01-01T01:00:00Z", now);
        let expression = Expression::parse(&due.cron, &due.zone).expect("an expression");
        let (times, next_at) = times(&expression, &due);
        let hour = |time: DateTime<Utc>| time.format("%H").to_string();
        (times.into_iter().map(hour).collect(), hour(next_at.expect("a next time")))
    }

    #[test]
    fn missed_times_are_made_up_for_as_the_schedule_says() {
        let late = "2026-01-01T04:30:00Z";
        assert_eq!(hours(CatchUp::None, late), (vec![], "05".into()));
        assert_eq!(hours(CatchUp::One, late), (vec!["04".into()], "05".into()));
        assert_eq!(hours(CatchUp::All, late), (["01", "02", "03", "04"].map(String::from).into(), "05".into()));
    }

    #[test]
    fn a_time_within_the_minute_was_not_missed() {
        assert_eq!(hours(CatchUp::None, "2026-01-01T04:00:20Z"), (vec!["04".into()], "05".into()));
    }
}
