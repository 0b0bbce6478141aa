//! One act on all jobs that a filter finds, however many: counted first, asked for with a reason, carried out by a job.
//!
//! [`count`] is the dry run. [`ask`] enqueues a `jobs.bulk_act` that waits out the time in which [`undo`] takes everything back,
//! then goes through the jobs in the order of their numbers, a piece at a time. A piece and how far it got commit together, so a
//! worker that dies half-way leaves an act that resumes and acts on each job once. Jobs enqueued after it was asked for are left
//! alone. Acts on kinds that are guarded wait for a second person ([`approve`]).

use crate::{
    admin::{
        acts::{self, ActError},
        jobs::JobState,
        search::{JobFilter, group, lanes, planned_anew, planned_as_usual},
    },
    enqueue::{EnqueueError, enqueue_with},
    handler::{Context, Outcome},
    job::{Job, JobId},
    options::Options,
    registry::Registry,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use std::{collections::BTreeMap, time::Duration};
use uuid::Uuid;

/// How long an act can be undone.
pub const UNDO_FOR: chrono::Duration = chrono::Duration::seconds(30);

/// Jobs acted on in one transaction …
const PIECE: usize = 200;
/// … and looked at in search of them.
const LOOKS_AT: i64 = 5_000;
/// Jobs of a group of errors counted in one statement.
const GROUP_PIECE: i64 = 20_000;

/// What is done to each job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum Act {
    /// Runs it again, or now.
    Retry,
    /// Cancels it, or asks the worker that runs it to stop.
    Cancel,
    /// Gives it up for good.
    Discard,
    /// Puts it off, or brings it forward.
    Reschedule {
        /// The new time.
        run_at: DateTime<Utc>,
    },
}

impl Act {
    /// As the database and the API write it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Cancel => "cancel",
            Self::Discard => "discard",
            Self::Reschedule { .. } => "reschedule",
        }
    }

    /// The states it can do something about. A job that is done is retried only where the filter says so.
    fn applies_to(&self) -> &'static [JobState] {
        use JobState::{Available, Cancelled, Dead, Expired, Held, Quarantined, Running, Scheduled};
        match self {
            Self::Retry => &[Scheduled, Dead, Cancelled, Expired, Quarantined],
            Self::Cancel => &[Scheduled, Available, Held, Running],
            Self::Discard => &[Scheduled, Available, Held, Dead, Expired, Quarantined],
            Self::Reschedule { .. } => &[Scheduled, Available, Held],
        }
    }

    /// `filter`, less the jobs it can do nothing about.
    fn narrow(&self, filter: &JobFilter) -> JobFilter {
        let can = |state: &JobState| self.applies_to().contains(state) || (*self == Self::Retry && *state == JobState::Done);
        let states = if filter.states.is_empty() {
            self.applies_to().to_vec()
        } else {
            filter.states.iter().copied().filter(can).collect()
        };
        JobFilter { states, before: None, limit: 0, ..filter.clone() }
    }

    fn of(act: &str, details: &Value) -> Result<Self, serde_json::Error> {
        let mut value = details.clone();
        value["act"] = json!(act);
        serde_json::from_value(value)
    }
}

/// What an act would be done to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// Jobs.
    pub jobs: i64,
    /// The same, by kind.
    pub by_kind: BTreeMap<String, i64>,
    /// The same, by state.
    pub by_state: BTreeMap<JobState, i64>,
    up_to: i64,
}

/// The dry run: the jobs that `act` by `filter` would be done to now.
///
/// # Errors
/// When the database refuses.
pub async fn count(c: &mut PgConnection, act: &Act, filter: &JobFilter) -> Result<Count, sqlx::Error> {
    let filter = act.narrow(filter);
    let mut counted = Count::default();
    if filter.states.is_empty() {
        return Ok(counted); // the filter asks for states this act can do nothing about
    }
    let mut tx = planned_anew(c).await?;
    if let Some(fingerprint) = &filter.fingerprint {
        let mut after = 0;
        loop {
            let numbers = group(&mut tx, fingerprint, after, i64::MAX, GROUP_PIECE).await?;
            let Some(&last) = numbers.last() else { break };
            after = last;
            if let Some(group) = filter.of_group(&numbers) {
                count_into(&mut counted, &mut tx, &group).await?;
            }
        }
    } else {
        count_into(&mut counted, &mut tx, &filter).await?;
    }
    planned_as_usual(&mut tx).await?;
    tx.commit().await?;
    Ok(counted)
}

async fn count_into(counted: &mut Count, c: &mut PgConnection, filter: &JobFilter) -> Result<(), sqlx::Error> {
    let (wanted, among, (since, until)) = (filter.wanted(), filter.among(), filter.days());
    for lane in lanes(filter) {
        let groups = sqlx::query!(
            r#"
            SELECT kind AS "kind!", state AS "state!: JobState", count(*) AS "jobs!", max(id) AS "newest!"
            FROM queue.look($1, $2, $3, $4, $5)
            WHERE matches
            GROUP BY kind, state
            "#,
            wanted,
            lane.name(),
            since,
            until,
            among.as_deref(),
        )
        .fetch_all(&mut *c)
        .await?;
        for group in groups {
            counted.jobs += group.jobs;
            counted.up_to = counted.up_to.max(group.newest);
            *counted.by_kind.entry(group.kind).or_default() += group.jobs;
            *counted.by_state.entry(group.state).or_default() += group.jobs;
        }
    }
    Ok(())
}

/// An act somebody asks for.
#[derive(Clone, Debug)]
pub struct Ask {
    /// What.
    pub act: Act,
    /// On which jobs.
    pub filter: JobFilter,
    /// Why.
    pub reason: String,
    /// Who asks.
    pub by: Uuid,
    /// Kinds that no one person acts on alone. Where the filter finds any, a second one must approve; where it finds none, they
    /// are left out, so that none slips in before the act is done.
    pub guarded: Vec<String>,
}

/// Why nothing came of it.
#[derive(Debug, thiserror::Error)]
pub enum BulkError {
    /// No reason was given.
    #[error("say why: a bulk act is kept with its reason")]
    NoReason,
    /// The filter finds nothing this act can be done to.
    #[error("no job matches that can be acted on so")]
    NothingMatches,
    /// There is no such act.
    #[error("there is no bulk act {0}")]
    NotFound(i64),
    /// Whoever asked cannot approve.
    #[error("bulk act {0} must be approved by another person than the one who asked for it")]
    SamePerson(i64),
    /// It is past that.
    #[error("bulk act {id} is {state}: {why}")]
    TooLate {
        /// The act.
        id: i64,
        /// Where it is.
        state: BulkState,
        /// Why that is too late.
        why: &'static str,
    },
    /// Its job could not be enqueued.
    #[error(transparent)]
    Enqueue(#[from] EnqueueError),
    /// The database refused.
    #[error("bulk acts cannot be reached: {0}")]
    Database(#[from] sqlx::Error),
}

/// Where a bulk act is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum BulkState {
    /// Waits for a second person.
    Proposed,
    /// Can be undone, or is about to begin.
    Waiting,
    /// Under way.
    Running,
    /// Finished.
    Done,
    /// Taken back before it began.
    Undone,
    /// Stopped by a person; what it had done by then stays done.
    Stopped,
}

impl std::fmt::Display for BulkState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Proposed => "proposed",
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Done => "done",
            Self::Undone => "undone",
            Self::Stopped => "stopped",
        })
    }
}

/// A bulk act as it stands.
#[derive(Clone, Debug, Serialize)]
pub struct BulkRow {
    /// Its number.
    pub id: i64,
    /// `retry`, `cancel`, `discard` or `reschedule`.
    pub act: String,
    /// On which jobs.
    pub filter: Value,
    /// Of the act: the new time of `reschedule`.
    pub details: Value,
    /// Why.
    pub reason: String,
    /// Where it is.
    pub state: BulkState,
    /// Jobs found by the dry run.
    pub matched: i64,
    /// Jobs acted on.
    pub done: i64,
    /// Jobs that could not be acted on: another has their unique key, or they had moved on.
    pub refused: i64,
    /// Who asked.
    pub asked_by: Option<Uuid>,
    /// Who approved, where a second person was needed.
    pub approved_by: Option<Uuid>,
    /// Whether a second person is needed.
    pub needs_second: bool,
    /// The job that carries it out.
    pub job: Option<JobId>,
    /// Until when it can be undone.
    pub undo_until: Option<DateTime<Utc>>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When it was over.
    pub finished_at: Option<DateTime<Utc>>,
}

/// Asks for a bulk act. It begins after [`UNDO_FOR`], or once a second person has approved where one is needed.
///
/// # Errors
/// When no reason is given or nothing matches.
pub async fn ask(c: &mut PgConnection, asked: &Ask, now: DateTime<Utc>) -> Result<BulkRow, BulkError> {
    if asked.reason.trim().is_empty() {
        return Err(BulkError::NoReason);
    }
    let counted = count(c, &asked.act, &asked.filter).await?;
    if counted.jobs == 0 {
        return Err(BulkError::NothingMatches);
    }
    let needs_second = asked.guarded.iter().any(|kind| counted.by_kind.contains_key(kind));
    let mut details = serde_json::to_value(&asked.act).unwrap_or_default();
    details["spared"] = if needs_second { json!([]) } else { json!(asked.guarded) };

    let mut tx = c.begin().await?;
    let id = sqlx::query_scalar!(
        "INSERT INTO queue.bulk_acts (act, filter, details, reason, state, matched, up_to, asked_by, needs_second, created_at)
         VALUES ($1, $2, $3, $4, 'proposed', $5, $6, $7, $8, $9)
         RETURNING id",
        asked.act.as_str(),
        asked.act.narrow(&asked.filter).wanted(),
        details,
        asked.reason.trim(),
        counted.jobs,
        counted.up_to,
        asked.by,
        needs_second,
        now,
    )
    .fetch_one(&mut *tx)
    .await?;
    if !needs_second {
        begin(&mut tx, id, now).await?;
    }
    let row = find(&mut tx, id).await?.ok_or(BulkError::NotFound(id))?;
    tx.commit().await?;
    Ok(row)
}

/// A second person lets a proposed act begin.
///
/// # Errors
/// When the act is not proposed, or was asked for by the same person.
pub async fn approve(c: &mut PgConnection, id: i64, by: Uuid, now: DateTime<Utc>) -> Result<BulkRow, BulkError> {
    let mut tx = c.begin().await?;
    let act = locked(&mut tx, id).await?;
    if act.state != BulkState::Proposed {
        return Err(BulkError::TooLate { id, state: act.state, why: "only one that is proposed can be approved" });
    }
    if act.asked_by == Some(by) {
        return Err(BulkError::SamePerson(id));
    }
    sqlx::query!("UPDATE queue.bulk_acts SET approved_by = $2 WHERE id = $1", id, by).execute(&mut *tx).await?;
    begin(&mut tx, id, now).await?;
    let row = find(&mut tx, id).await?.ok_or(BulkError::NotFound(id))?;
    tx.commit().await?;
    Ok(row)
}

/// Takes an act back before anything was done.
///
/// # Errors
/// When its time to be undone is over.
pub async fn undo(c: &mut PgConnection, id: i64, now: DateTime<Utc>) -> Result<BulkRow, BulkError> {
    let mut tx = c.begin().await?;
    let act = locked(&mut tx, id).await?;
    let why = match act.state {
        BulkState::Proposed => None,
        BulkState::Waiting => {
            act.undo_until.filter(|until| *until <= now).map(|_| "its time to be undone is over; stop it instead")
        }
        _ => Some("only one that has not begun can be undone"),
    };
    if let Some(why) = why {
        return Err(BulkError::TooLate { id, state: act.state, why });
    }
    end(&mut tx, &act, BulkState::Undone, now).await?;
    let row = find(&mut tx, id).await?.ok_or(BulkError::NotFound(id))?;
    tx.commit().await?;
    Ok(row)
}

/// Stops an act; what it has done stays done.
///
/// # Errors
/// When it is over.
pub async fn stop(c: &mut PgConnection, id: i64, now: DateTime<Utc>) -> Result<BulkRow, BulkError> {
    let mut tx = c.begin().await?;
    let act = locked(&mut tx, id).await?;
    if !matches!(act.state, BulkState::Proposed | BulkState::Waiting | BulkState::Running) {
        return Err(BulkError::TooLate { id, state: act.state, why: "it is over" });
    }
    end(&mut tx, &act, BulkState::Stopped, now).await?;
    let row = find(&mut tx, id).await?.ok_or(BulkError::NotFound(id))?;
    tx.commit().await?;
    Ok(row)
}

/// The latest bulk acts, newest first, at most a hundred.
///
/// # Errors
/// When the database refuses.
pub async fn list(c: &mut PgConnection) -> Result<Vec<BulkRow>, sqlx::Error> {
    rows(c, None).await
}

/// One bulk act.
///
/// # Errors
/// When the database refuses.
pub async fn find(c: &mut PgConnection, id: i64) -> Result<Option<BulkRow>, sqlx::Error> {
    Ok(rows(c, Some(id)).await?.pop())
}

async fn rows(c: &mut PgConnection, id: Option<i64>) -> Result<Vec<BulkRow>, sqlx::Error> {
    sqlx::query_as!(
        BulkRow,
        r#"
        SELECT id, act, filter, details, reason, state AS "state: BulkState", matched, done, refused, asked_by, approved_by,
               needs_second, job_id AS "job: JobId", undo_until, created_at, finished_at
        FROM queue.bulk_acts
        WHERE $1::bigint IS NULL OR id = $1
        ORDER BY id DESC
        LIMIT 100
        "#,
        id,
    )
    .fetch_all(c)
    .await
}

/// What decides whether an act may be approved, undone or stopped, locked against its job.
struct Locked {
    id: i64,
    state: BulkState,
    asked_by: Option<Uuid>,
    undo_until: Option<DateTime<Utc>>,
    job: Option<JobId>,
}

async fn locked(c: &mut PgConnection, id: i64) -> Result<Locked, BulkError> {
    let act = sqlx::query_as!(
        Locked,
        r#"
        SELECT id, state AS "state: BulkState", asked_by, undo_until, job_id AS "job: JobId"
        FROM queue.bulk_acts
        WHERE id = $1
        FOR UPDATE
        "#,
        id,
    )
    .fetch_optional(c)
    .await?;
    act.ok_or(BulkError::NotFound(id))
}

async fn begin(c: &mut PgConnection, id: i64, now: DateTime<Utc>) -> Result<(), BulkError> {
    let undo_until = now + UNDO_FOR;
    let job = enqueue_with(c, &BulkAct { id }, Options::default().run_at(undo_until)).await?.id;
    sqlx::query!(
        "UPDATE queue.bulk_acts SET state = 'waiting', undo_until = $2, job_id = $3 WHERE id = $1",
        id,
        undo_until,
        job.0,
    )
    .execute(c)
    .await?;
    Ok(())
}

/// A job that waits is cancelled; one that runs finds the act ended before its next piece, and ends in peace.
async fn end(c: &mut PgConnection, act: &Locked, state: BulkState, now: DateTime<Utc>) -> Result<(), BulkError> {
    sqlx::query!("UPDATE queue.bulk_acts SET state = $2, finished_at = $3 WHERE id = $1", act.id, state as BulkState, now,)
        .execute(&mut *c)
        .await?;
    if let Some(job) = act.job.filter(|_| act.state == BulkState::Waiting) {
        match acts::cancel(c, job, &format!("bulk act {} was {state}", act.id)).await {
            Ok(_) | Err(ActError::NotFound(_) | ActError::Finished { .. }) => {}
            Err(ActError::Database(error)) => return Err(error.into()),
            Err(other) => {
                tracing::warn!(act = act.id, error = %other, "the job of a bulk act was not cancelled; it will find the act ended")
            }
        }
    }
    Ok(())
}

/// Carries out a bulk act.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BulkAct {
    /// The act.
    pub id: i64,
}

impl Job for BulkAct {
    const KIND: &'static str = "jobs.bulk_act";
    const TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

    fn options(&self) -> Options {
        Options::default().tag(format!("bulk-{}", self.id))
    }
}

/// Lets workers with this registry carry out bulk acts.
pub fn register<S: Send + Sync + 'static>(registry: &mut Registry<S>) {
    registry.add(run::<S>);
}

/// The handler of [`BulkAct`].
async fn run<S: Send + Sync + 'static>(job: BulkAct, cx: Context<S>) -> crate::Result {
    let pool = cx.pool.as_ref().ok_or_else(|| anyhow::anyhow!("a bulk act needs a worker with a database"))?;
    loop {
        if cx.cancelled.is_cancelled() {
            return Err(anyhow::anyhow!("told to stop; what is left is done by the next run").into());
        }
        let mut c = pool.acquire().await?;
        let Some(piece) = act_on_piece(&mut c, job.id, cx.clock.now()).await? else { return Ok(Outcome::Done) };
        drop(c);
        for (id, why) in &piece.refusals {
            cx.log(format_args!("job {id} was left as it is: {why}"));
        }
        let count = |n: i64| u64::try_from(n).unwrap_or_default();
        cx.progress(
            count(piece.done + piece.refused),
            count(piece.matched),
            format!("{} done, {} refused", piece.done, piece.refused),
        )
        .await;
    }
}

/// How far an act is after a piece of it.
struct Piece {
    matched: i64,
    done: i64,
    refused: i64,
    refusals: Vec<(i64, ActError)>,
}

/// Acts on the next jobs; nothing when the act is over. The lock on the act's row makes a second worker wait, should the first one
/// have been given up while it still runs, and go on from where it got.
async fn act_on_piece(c: &mut PgConnection, id: i64, now: DateTime<Utc>) -> Result<Option<Piece>, crate::Failure> {
    let mut tx = planned_anew(c).await?;
    let Some(stored) = sqlx::query!(
        r#"
        SELECT act, filter, details, reason, matched, up_to, after_id, done, refused
        FROM queue.bulk_acts
        WHERE id = $1 AND state IN ('waiting', 'running')
        FOR UPDATE
        "#,
        id,
    )
    .fetch_optional(&mut *tx)
    .await?
    else {
        return Ok(None);
    };
    let act = Act::of(&stored.act, &stored.details).map_err(crate::Failure::dead_by)?;
    let filter: JobFilter = serde_json::from_value(stored.filter).map_err(crate::Failure::dead_by)?;
    let spared: Vec<String> = serde_json::from_value(stored.details["spared"].clone()).map_err(crate::Failure::dead_by)?;

    let next = next_piece(&mut tx, &filter, &spared, stored.after_id, stored.up_to).await?;
    planned_as_usual(&mut tx).await?;
    let mut piece = Piece { matched: stored.matched, done: stored.done, refused: stored.refused, refusals: Vec::new() };
    for job in &next.jobs {
        match act_on(&mut tx, &act, JobId(*job), &stored.reason).await {
            Ok(()) => piece.done += 1,
            Err(ActError::Database(error)) => return Err(error.into()),
            Err(refusal) => {
                piece.refused += 1;
                piece.refusals.push((*job, refusal));
            }
        }
    }
    sqlx::query!(
        "UPDATE queue.bulk_acts
         SET state = CASE WHEN $5 THEN 'done' ELSE 'running' END, after_id = $2, done = $3, refused = $4,
             finished_at = CASE WHEN $5 THEN $6::timestamptz END
         WHERE id = $1",
        id,
        next.after,
        piece.done,
        piece.refused,
        next.is_last,
        now,
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(Some(piece))
}

/// In a savepoint of its own, so that a refusal leaves nothing half done.
async fn act_on(c: &mut PgConnection, act: &Act, job: JobId, reason: &str) -> Result<(), ActError> {
    let mut own = c.begin().await?;
    match act {
        Act::Retry => acts::retry(&mut own, job).await?,
        Act::Cancel => acts::cancel(&mut own, job, reason).await.map(drop)?,
        Act::Discard => acts::discard(&mut own, job, reason).await?,
        Act::Reschedule { run_at } => acts::reschedule(&mut own, job, *run_at).await?,
    }
    own.commit().await?;
    Ok(())
}

/// The next jobs to act on, ascending.
struct Next {
    jobs: Vec<i64>,
    /// Everything up to here is seen to.
    after: i64,
    is_last: bool,
}

async fn next_piece(
    c: &mut PgConnection,
    filter: &JobFilter,
    spared: &[String],
    after: i64,
    up_to: i64,
) -> Result<Next, sqlx::Error> {
    if let Some(fingerprint) = &filter.fingerprint {
        let numbers = group(c, fingerprint, after, up_to, PIECE as i64).await?;
        let seen_to = if numbers.len() < PIECE { up_to } else { numbers.last().copied().unwrap_or(up_to) };
        return match filter.of_group(&numbers) {
            Some(group) => next_among(c, &group, spared, after, seen_to, up_to).await,
            None => Ok(Next { jobs: Vec::new(), after: seen_to, is_last: seen_to >= up_to }),
        };
    }
    next_among(c, filter, spared, after, up_to, up_to).await
}

/// The next jobs up to number `until_number`, on the way to `up_to`.
async fn next_among(
    c: &mut PgConnection,
    filter: &JobFilter,
    spared: &[String],
    after: i64,
    until_number: i64,
    up_to: i64,
) -> Result<Next, sqlx::Error> {
    let (wanted, among, (since, until)) = (filter.wanted(), filter.among(), filter.days());
    let (mut jobs, mut seen_to) = (Vec::new(), until_number);
    for lane in lanes(filter) {
        let seen = sqlx::query!(
            r#"
            WITH looked AS MATERIALIZED (
              SELECT id, matches AND NOT (kind = ANY ($6)) AS matches
              FROM queue.look($1, $2, $8, $9, $10)
              WHERE id > $3 AND id <= $4
              ORDER BY id
              LIMIT $5
            )
            SELECT (SELECT count(*) FROM looked) AS "looked!", (SELECT max(id) FROM looked) AS edge,
                   ARRAY(SELECT id FROM looked WHERE matches ORDER BY id LIMIT $7) AS "jobs!"
            "#,
            wanted,
            lane.name(),
            after,
            until_number,
            LOOKS_AT,
            spared,
            PIECE as i64,
            since,
            until,
            among.as_deref(),
        )
        .fetch_one(&mut *c)
        .await?;
        // A lane knows of its jobs up to the last it found when its piece is full, up to the last it looked at otherwise.
        if seen.jobs.len() == PIECE {
            seen_to = seen_to.min(seen.jobs.last().copied().unwrap_or(after));
        } else if seen.looked >= LOOKS_AT {
            seen_to = seen_to.min(seen.edge.unwrap_or(after));
        }
        jobs.extend(seen.jobs);
    }
    jobs.sort_unstable();
    jobs.dedup(); // one that moved from the hot table into history between two lanes
    jobs.retain(|job| *job <= seen_to);
    if jobs.len() > PIECE {
        jobs.truncate(PIECE);
        seen_to = jobs.last().copied().unwrap_or(seen_to);
    }
    Ok(Next { jobs, after: seen_to, is_last: seen_to >= up_to })
}
