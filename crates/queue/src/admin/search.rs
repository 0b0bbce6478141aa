//! Finding jobs, newest first, however long the history is.
//!
//! What an index knows (number, state, kind, subject, workflow, fingerprint) leads to the jobs; the rest of a filter is checked on
//! the newest of those, and on no more than [`LOOKS_AT`] of them in one call. A page that is not full for that reason says how
//! far it looked, and the next one goes on from there. `queue.look` evaluates a filter, so that a list, a dry run and a bulk act
//! cannot disagree.

use crate::{
    admin::jobs::{JobRow, JobState, rows},
    job::{JobId, Subject},
};
use chrono::{DateTime, Duration, DurationRound, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::{Connection, PgConnection, Postgres, Transaction};
use std::{fmt, str::FromStr};
use uuid::Uuid;

/// How many jobs one call looks at in search of a page.
const LOOKS_AT: i64 = 10_000;

/// Which jobs. Everything absent does not narrow.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct JobFilter {
    /// In one of these states.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub states: Vec<JobState>,
    /// In this queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// Of this kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Serving this object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<Subject>,
    /// With this tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Whose last error contains this, in any case of letters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// With this argument. One that is hidden is never found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arg: Option<ArgIs>,
    /// That this worker ran, or runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker: Option<Uuid>,
    /// Over since this time; or not over, and enqueued since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<DateTime<Utc>>,
    /// Over before this time; or not over, and enqueued before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<DateTime<Utc>>,
    /// With a run that failed so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// Caused by this person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<Uuid>,
    /// Of this workflow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow: Option<i64>,
    /// These very jobs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<JobId>,
    /// Older than this job: [`Found::next`] of the page before. Not part of what a bulk act keeps.
    #[serde(skip)]
    pub before: Option<JobId>,
    /// At most this many; 0 is 50.
    #[serde(skip)]
    pub limit: u32,
}

impl JobFilter {
    /// As the database reads it.
    pub(crate) fn wanted(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default() // strings, numbers and times always can be written
    }

    /// The only jobs it may mean.
    pub(crate) fn among(&self) -> Option<Vec<i64>> {
        (!self.ids.is_empty()).then(|| self.ids.iter().map(|id| id.0).collect())
    }

    /// The same for jobs whose runs are known to be the ones it asks for; nothing when it means none of them.
    pub(crate) fn of_group(&self, numbers: &[i64]) -> Option<Self> {
        let meant = |id: &i64| self.ids.is_empty() || self.ids.contains(&JobId(*id));
        let ids: Vec<JobId> = numbers.iter().copied().filter(meant).map(JobId).collect();
        (!ids.is_empty()).then(|| Self { ids, fingerprint: None, ..self.clone() })
    }

    /// The days of the history it may touch, from and until.
    pub(crate) fn days(&self) -> (Option<DateTime<Utc>>, Option<DateTime<Utc>>) {
        let begin_of = |at: DateTime<Utc>| at.duration_trunc(Duration::days(1)).unwrap_or(at);
        (self.from.map(begin_of), self.to.map(|to| begin_of(to) + Duration::days(1)))
    }

    fn page(&self) -> usize {
        if self.limit == 0 { 50 } else { self.limit as usize }
    }
}

/// An argument and its value: `order.id = 17`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArgIs {
    /// Where it stands, names and numbers of array elements divided by dots.
    pub path: String,
    /// What stands there, as text.
    pub value: String,
}

impl fmt::Display for ArgIs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}", self.path, self.value)
    }
}

impl FromStr for ArgIs {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('=').map(|(path, value)| (path.trim(), value.trim().trim_matches('"')));
        match parts {
            Some((path, value)) if !path.is_empty() => Ok(Self { path: path.to_owned(), value: value.to_owned() }),
            _ => Err(format!("{text:?} names no argument: write its path, an equals sign and its value, as in order.id = 17")),
        }
    }
}

/// A page of jobs.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    /// The jobs, newest first.
    pub jobs: Vec<JobRow>,
    /// [`JobFilter::before`] of the next page; nothing when there is none.
    pub next: Option<JobId>,
    /// The page is not full, but only jobs enqueued since this time have been looked at: the next page looks further.
    pub looked_back_to: Option<DateTime<Utc>>,
}

/// A page of jobs by `filter`, newest first.
///
/// # Errors
/// When the database refuses.
pub async fn search(c: &mut PgConnection, filter: &JobFilter) -> Result<Found, sqlx::Error> {
    let mut tx = planned_anew(c).await?;
    let page = filter.page();
    let mut looks = Vec::new();
    if filter.fingerprint.is_some() || filter.worker.is_some() {
        looks.push(look_by_runs(&mut tx, filter, page).await?);
    } else {
        for lane in lanes(filter) {
            looks.push(look(&mut tx, filter, lane, page).await?);
        }
    }
    let Merged { hits, next, looked_back_to } = merge(looks, page);
    planned_as_usual(&mut tx).await?;
    let jobs = rows(&mut tx, &hits.iter().map(|hit| hit.id).collect::<Vec<_>>(), oldest(&hits)).await?;
    tx.commit().await?;
    Ok(Found { jobs, next: next.map(JobId), looked_back_to })
}

/// Jobs by `filter`, newest first: [`search`] for whoever wants one page only.
///
/// # Errors
/// When the database refuses.
pub async fn list(c: &mut PgConnection, filter: &JobFilter) -> Result<Vec<JobRow>, sqlx::Error> {
    search(c, filter).await.map(|found| found.jobs)
}

/// A transaction in which statements are planned for their parameters. `queue.look` is made of conditions that most filters do
/// not set: only a plan that knows the filter can drop them and use the index that is left.
pub(crate) async fn planned_anew(c: &mut PgConnection) -> Result<Transaction<'_, Postgres>, sqlx::Error> {
    let mut tx = c.begin().await?;
    sqlx::query!("SET LOCAL plan_cache_mode = force_custom_plan").execute(&mut *tx).await?;
    Ok(tx)
}

/// The rest of the transaction is planned as usual: a plan over all days of the history costs more than the statement, when it
/// reads one row.
pub(crate) async fn planned_as_usual(c: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query!("SET LOCAL plan_cache_mode = DEFAULT").execute(c).await.map(drop)
}

/// Where to look. A state that few jobs are in has an index of its own, so each such state is looked at by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    Everywhere,
    Unfinished,
    Finished,
    In(JobState),
}

impl Lane {
    fn is_over(self) -> bool {
        match self {
            Self::In(state) => state.is_finished(),
            Self::Finished => true,
            Self::Everywhere | Self::Unfinished => false,
        }
    }

    /// As `queue.look` has it.
    pub(crate) fn name(self) -> Option<&'static str> {
        match self {
            Self::Everywhere => None,
            Self::Unfinished => Some("unfinished"),
            Self::Finished => Some("finished"),
            Self::In(state) => Some(state.as_str()),
        }
    }
}

pub(crate) fn lanes(filter: &JobFilter) -> Vec<Lane> {
    let (over, unfinished): (Vec<JobState>, Vec<JobState>) = filter.states.iter().partition(|state| state.is_finished());
    let has_index = |state: &JobState| matches!(state, JobState::Held | JobState::Running);
    let mut lanes = Vec::new();
    if !filter.states.is_empty() && unfinished.iter().all(has_index) {
        lanes.extend(unfinished.into_iter().map(Lane::In));
    } else {
        lanes.push(Lane::Unfinished);
    }
    if filter.states.is_empty() || over.contains(&JobState::Done) {
        lanes.push(Lane::Finished);
    } else {
        lanes.extend(over.into_iter().map(Lane::In));
    }
    if lanes == [Lane::Unfinished, Lane::Finished] && filter.from.is_none() && filter.to.is_none() {
        return vec![Lane::Everywhere]; // the usual list, in one statement; a time is at different places of the two
    }
    lanes
}

/// A job that was found, and when it was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Hit {
    id: i64,
    created_at: DateTime<Utc>,
}

/// What looking in one lane brought.
#[derive(Debug, Default)]
struct Look {
    /// Newest first.
    hits: Vec<Hit>,
    /// Where it stopped, when there may be more: everything from here on has been seen.
    edge: Option<Hit>,
}

async fn look(c: &mut PgConnection, filter: &JobFilter, lane: Lane, page: usize) -> Result<Look, sqlx::Error> {
    let (first, last) = numbers(c, filter, lane).await?;
    let mut before = filter.before.map_or(i64::MAX, |id| id.0).min(last.saturating_add(1));
    let (wanted, among, (since, until)) = (filter.wanted(), filter.among(), filter.days());
    let among = among.as_deref();
    let mut look = Look::default();
    let mut window = i64::try_from(page).unwrap_or(LOOKS_AT).clamp(100, LOOKS_AT);
    let mut left = LOOKS_AT;
    loop {
        let seen = sqlx::query!(
            r#"
            WITH looked AS MATERIALIZED (
              SELECT id, created_at, matches
              FROM queue.look($1, $2, $6, $7, $9)
              WHERE id < $3 AND id >= $8
              ORDER BY id DESC
              LIMIT $4
            ),
            hits AS (
              SELECT id, created_at FROM looked WHERE matches ORDER BY id DESC LIMIT $5
            )
            SELECT (SELECT count(*) FROM looked) AS "looked!",
                   (SELECT min(id) FROM looked) AS edge,
                   (SELECT created_at FROM looked ORDER BY id LIMIT 1) AS edge_at,
                   ARRAY(SELECT id FROM hits) AS "ids!",
                   ARRAY(SELECT created_at FROM hits) AS "created_at!"
            "#,
            wanted,
            lane.name(),
            before,
            window,
            i64::try_from(page - look.hits.len()).unwrap_or(LOOKS_AT),
            since,
            until,
            first,
            among,
        )
        .fetch_one(&mut *c)
        .await?;
        look.hits.extend(seen.ids.into_iter().zip(seen.created_at).map(|(id, created_at)| Hit { id, created_at }));
        look.edge = seen.edge.zip(seen.edge_at).map(|(id, created_at)| Hit { id, created_at });
        if look.hits.len() >= page {
            look.edge = look.hits.last().copied();
            return Ok(look);
        }
        if seen.looked < window {
            look.edge = None; // there are no older ones
            return Ok(look);
        }
        left -= window;
        if left <= 0 {
            return Ok(look);
        }
        before = seen.edge.unwrap_or(0);
        window = (window * 5).min(left);
    }
}

/// Jobs by runs of theirs: what failed so, what a worker ran.
async fn look_by_runs(c: &mut PgConnection, filter: &JobFilter, page: usize) -> Result<Look, sqlx::Error> {
    let mut before = filter.before.map_or(i64::MAX, |id| id.0);
    let mut look = Look::default();
    let (mut window, mut left) = (1_000, LOOKS_AT);
    loop {
        let runs = runs(c, filter, before, window).await?;
        if let Some(group) = filter.of_group(&runs.jobs) {
            let among = JobFilter { worker: None, before: None, ..group };
            for lane in lanes(&among) {
                look.hits.extend(self::look(c, &among, lane, page).await?.hits);
            }
        }
        look.hits.sort_by_key(|hit| std::cmp::Reverse(hit.id));
        left -= window;
        window = (window * 5).min(left);
        before = runs.edge.unwrap_or(0);
        if look.hits.len() >= page || runs.edge.is_none() || left <= 0 {
            break;
        }
    }
    look.edge = match look.hits.get(page - 1) {
        Some(&last) => Some(last),
        None if before > 0 => age_of(c, before).await?,
        None => None,
    };
    look.hits.truncate(page);
    Ok(look)
}

/// Jobs of the newest runs, ascending, and where to go on.
struct Runs {
    jobs: Vec<i64>,
    edge: Option<i64>,
}

async fn runs(c: &mut PgConnection, filter: &JobFilter, before: i64, window: i64) -> Result<Runs, sqlx::Error> {
    let (looked, jobs, edge) = if let Some(fingerprint) = &filter.fingerprint {
        let seen = sqlx::query!(
            r#"
            WITH looked AS MATERIALIZED (
              SELECT job_id, worker_id
              FROM queue.attempts
              WHERE failed AND fingerprint = $1 AND job_id < $2
              ORDER BY job_id DESC
              LIMIT $3
            )
            SELECT (SELECT count(*) FROM looked) AS "looked!", (SELECT min(job_id) FROM looked) AS edge,
                   ARRAY(SELECT DISTINCT job_id FROM looked WHERE $4::uuid IS NULL OR worker_id = $4 ORDER BY job_id) AS "jobs!"
            "#,
            fingerprint,
            before,
            window,
            filter.worker,
        )
        .fetch_one(c)
        .await?;
        (seen.looked, seen.jobs, seen.edge)
    } else {
        let seen = sqlx::query!(
            r#"
            WITH looked AS MATERIALIZED (
              (SELECT job_id, worker_id FROM queue.attempts WHERE job_id < $1 ORDER BY job_id DESC LIMIT $2)
              UNION ALL
              SELECT id, worker_id FROM queue.jobs WHERE state = 'running' AND worker_id = $3 AND id < $1
            )
            SELECT (SELECT count(*) FROM looked) AS "looked!", (SELECT min(job_id) FROM looked) AS edge,
                   ARRAY(SELECT DISTINCT job_id FROM looked WHERE worker_id = $3 ORDER BY job_id) AS "jobs!"
            "#,
            before,
            window,
            filter.worker,
        )
        .fetch_one(c)
        .await?;
        (seen.looked, seen.jobs, seen.edge)
    };
    Ok(Runs { jobs, edge: edge.filter(|_| looked >= window) })
}

/// Numbers of jobs with a run that failed so, ascending: those after `after` up to `up_to`, at most `limit`.
pub(crate) async fn group(
    c: &mut PgConnection,
    fingerprint: &str,
    after: i64,
    up_to: i64,
    limit: i64,
) -> Result<Vec<i64>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT DISTINCT job_id
         FROM queue.attempts
         WHERE failed AND fingerprint = $1 AND job_id > $2 AND job_id <= $3
         ORDER BY job_id
         LIMIT $4",
        fingerprint,
        after,
        up_to,
        limit,
    )
    .fetch_all(c)
    .await
}

/// When the job `id` was enqueued, or one about as old.
async fn age_of(c: &mut PgConnection, id: i64) -> Result<Option<Hit>, sqlx::Error> {
    let found = sqlx::query!(
        r#"
        SELECT id AS "id!", created_at AS "created_at!"
        FROM queue.look('{}', NULL, NULL, NULL, NULL)
        WHERE id >= $1
        ORDER BY id
        LIMIT 1
        "#,
        id,
    )
    .fetch_optional(c)
    .await?;
    Ok(found.map(|job| Hit { id, created_at: job.created_at }))
}

/// Between which numbers a filter's time lies: numbers are given in the order of enqueueing, so looking need not begin at the newest
/// job, nor go on to the oldest.
async fn numbers(c: &mut PgConnection, filter: &JobFilter, lane: Lane) -> Result<(i64, i64), sqlx::Error> {
    match (lane.is_over(), filter.from, filter.to) {
        (_, None, None) | (true, Some(_), None) => Ok((0, i64::MAX)), // days that are over before `from` are not opened anyway
        (true, _, Some(to)) => Ok((0, greatest_over_by(c, to).await?)),
        (false, from, to) => {
            let bounds = sqlx::query!(
                r#"
                SELECT coalesce(min(id), 0) AS "first!", coalesce(max(id), 0) AS "last!"
                FROM queue.jobs
                WHERE created_at >= coalesce($1::timestamptz, '-infinity') AND created_at < coalesce($2::timestamptz, 'infinity')
                "#,
                from,
                to,
            )
            .fetch_one(c)
            .await?;
            Ok((bounds.first, bounds.last))
        }
    }
}

/// The greatest number among the jobs that were over by `to`. It is that of one that ended shortly before.
async fn greatest_over_by(c: &mut PgConnection, to: DateTime<Utc>) -> Result<i64, sqlx::Error> {
    for before in [Duration::minutes(1), Duration::hours(1), Duration::days(1)] {
        let greatest = sqlx::query_scalar!(
            // The sum keeps the planner from walking down the numbers until it meets the time.
            "SELECT max(id + 0) FROM queue.finished_jobs WHERE finished_at > $1 AND finished_at < $2",
            to - before,
            to,
        )
        .fetch_one(&mut *c)
        .await?;
        if let Some(greatest) = greatest {
            return Ok(greatest);
        }
    }
    Ok(i64::MAX)
}

struct Merged {
    hits: Vec<Hit>,
    next: Option<i64>,
    looked_back_to: Option<DateTime<Utc>>,
}

/// One page of what the lanes brought. A lane that stopped at its edge knows nothing of what is older, so the page ends at the
/// newest of the edges.
fn merge(looks: Vec<Look>, page: usize) -> Merged {
    let horizon = looks.iter().filter_map(|look| look.edge).max_by_key(|edge| edge.id);
    let mut hits: Vec<Hit> = looks.into_iter().flat_map(|look| look.hits).collect();
    hits.retain(|hit| horizon.is_none_or(|edge| hit.id >= edge.id));
    hits.sort_by_key(|hit| std::cmp::Reverse(hit.id));
    if hits.len() > page || (hits.len() == page && horizon.is_some()) {
        hits.truncate(page);
        return Merged { next: hits.last().map(|hit| hit.id), hits, looked_back_to: None };
    }
    Merged { hits, next: horizon.map(|edge| edge.id), looked_back_to: horizon.map(|edge| edge.created_at) }
}

/// No job of the page was over before the oldest of them was enqueued.
fn oldest(hits: &[Hit]) -> Option<DateTime<Utc>> {
    hits.iter().map(|hit| hit.created_at).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_is_written_as_people_do() {
        let parsed: ArgIs = "order.id = 17".parse().expect("an argument");
        assert_eq!((parsed.path.as_str(), parsed.value.as_str()), ("order.id", "17"));
        assert!("order".parse::<ArgIs>().expect_err("no value").contains("equals"));
    }

    #[test]
    fn a_page_ends_where_one_of_its_lanes_does() {
        let at = |id| Hit { id, created_at: DateTime::UNIX_EPOCH };
        let full = Look { hits: vec![at(9), at(7), at(5)], edge: Some(at(5)) };
        let spent = Look { hits: vec![at(8)], edge: Some(at(6)) };
        let page = merge(vec![full, spent], 3);
        assert_eq!((page.hits, page.next, page.looked_back_to), (vec![at(9), at(8), at(7)], Some(7), None));

        let spent = || Look { hits: vec![at(8)], edge: Some(at(6)) };
        let page = merge(vec![spent(), Look { hits: vec![at(3)], edge: None }], 3);
        assert_eq!((page.hits, page.next, page.looked_back_to.is_some()), (vec![at(8)], Some(6), true));
    }

    #[test]
    fn what_a_filter_does_not_say_is_not_stored() {
        let filter = JobFilter { kind: Some("a.b".to_owned()), limit: 7, ..Default::default() };
        assert_eq!(filter.wanted(), serde_json::json!({ "kind": "a.b" }));
        assert_eq!(serde_json::from_value::<JobFilter>(filter.wanted()).expect("a filter"), JobFilter { limit: 0, ..filter });
    }
}
