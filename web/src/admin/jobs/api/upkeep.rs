//! What is done about queues, schedules and workers.

use super::super::{
    limits,
    queues::{self, What},
    schedules, workers,
};
use crate::{
    App, Result,
    auth::AdminOnly,
    form::{Json, Path},
    openapi::Problem,
};
use axum::extract::State;
use chrono::{DateTime, Utc};
use http::StatusCode;
use mywork_queue::admin::WorkerRow;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(pause_queue))
        .routes(routes!(resume_queue))
        .routes(routes!(pause_kind))
        .routes(routes!(resume_kind))
        .routes(routes!(list_schedules))
        .routes(routes!(run_schedule))
        .routes(routes!(pause_schedule))
        .routes(routes!(resume_schedule))
        .routes(routes!(edit_schedule))
        .routes(routes!(list_workers))
        .routes(routes!(quiet_worker))
        .routes(routes!(unquiet_worker))
        .routes(routes!(get_limits))
        .routes(routes!(open_bucket))
}

/// Why an act is done.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ActReason)]
struct Reason {
    /// Kept in the audit log, 3 to 500 characters.
    reason: String,
}

/// How far something that was paused is drained.
#[derive(Debug, Serialize, ToSchema)]
struct AdminDraining {
    /// Jobs that run still.
    running: i64,
    /// Nothing runs, and nothing will until it is resumed.
    over: bool,
}

async fn pause(app: &App, admin: &AdminOnly, what: What<'_>, why: &str) -> Result<axum::Json<AdminDraining>> {
    let draining = queues::pause(app, admin, what, why).await?;
    Ok(axum::Json(AdminDraining { running: draining.running, over: draining.over }))
}

/// Stop starting jobs of a queue; those that run go on. Answers how many run still: repeat it to see it drain.
#[utoipa::path(post, path = "/api/admin/jobs/queues/{queue}/pause", tag = "admin", security(("bearer" = []), ("session" = [])), operation_id = "adminPauseQueue",
    params(("queue" = String, Path)), request_body = Reason, responses((status = 200, body = AdminDraining), (status = 403, body = Problem)))]
async fn pause_queue(
    State(app): State<App>,
    admin: AdminOnly,
    Path(queue): Path<String>,
    Json(why): Json<Reason>,
) -> Result<axum::Json<AdminDraining>> {
    pause(&app, &admin, What::Queue(&queue), &why.reason).await
}

/// Start jobs of a paused queue again.
#[utoipa::path(post, path = "/api/admin/jobs/queues/{queue}/resume", tag = "admin", security(("bearer" = []), ("session" = [])), operation_id = "adminResumeQueue",
    params(("queue" = String, Path)), request_body = Reason, responses((status = 204), (status = 409, body = Problem)))]
async fn resume_queue(
    State(app): State<App>,
    admin: AdminOnly,
    Path(queue): Path<String>,
    Json(why): Json<Reason>,
) -> Result<StatusCode> {
    queues::resume(&app, &admin, What::Queue(&queue), &why.reason).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Stop starting jobs of a kind, in whatever queue; those that run go on.
#[utoipa::path(post, path = "/api/admin/jobs/kinds/{kind}/pause", tag = "admin", security(("bearer" = []), ("session" = [])), operation_id = "adminPauseKind",
    params(("kind" = String, Path)), request_body = Reason, responses((status = 200, body = AdminDraining), (status = 403, body = Problem)))]
async fn pause_kind(
    State(app): State<App>,
    admin: AdminOnly,
    Path(kind): Path<String>,
    Json(why): Json<Reason>,
) -> Result<axum::Json<AdminDraining>> {
    pause(&app, &admin, What::Kind(&kind), &why.reason).await
}

/// Start jobs of a paused kind again.
#[utoipa::path(post, path = "/api/admin/jobs/kinds/{kind}/resume", tag = "admin", security(("bearer" = []), ("session" = [])), operation_id = "adminResumeKind",
    params(("kind" = String, Path)), request_body = Reason, responses((status = 204), (status = 409, body = Problem)))]
async fn resume_kind(
    State(app): State<App>,
    admin: AdminOnly,
    Path(kind): Path<String>,
    Json(why): Json<Reason>,
) -> Result<StatusCode> {
    queues::resume(&app, &admin, What::Kind(&kind), &why.reason).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A job that recurs.
#[derive(Debug, Serialize, ToSchema)]
struct AdminSchedule {
    name: String,
    kind: String,
    queue: String,
    /// Five fields: minute, hour, day of month, month, day of week.
    cron: String,
    /// IANA time zone in which they are read.
    zone: String,
    /// The same in words.
    english: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_at: Option<DateTime<Utc>>,
    /// The latest job it enqueued.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_job: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    paused_at: Option<DateTime<Utc>>,
    /// Why it cannot run.
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
}

impl From<schedules::Planned> for AdminSchedule {
    fn from(schedules::Planned { row, english }: schedules::Planned) -> Self {
        Self {
            name: row.name,
            kind: row.kind,
            queue: row.queue,
            cron: row.cron,
            zone: row.zone,
            english,
            next_at: row.next_at,
            last_at: row.last_at,
            last_job: row.last_job.map(|job| job.0),
            paused_at: row.paused_at,
            fault: row.fault,
        }
    }
}

/// What recurs, by name.
#[utoipa::path(get, path = "/api/admin/jobs/schedules", tag = "admin", security(("bearer" = []), ("session" = [])), operation_id = "adminListSchedules",
    responses((status = 200, body = Vec<AdminSchedule>), (status = 403, body = Problem)))]
async fn list_schedules(State(app): State<App>, admin: AdminOnly) -> Result<axum::Json<Vec<AdminSchedule>>> {
    Ok(axum::Json(schedules::all(&app, &admin).await?.into_iter().map(AdminSchedule::from).collect()))
}

async fn act_on_schedule(
    app: &App,
    admin: &AdminOnly,
    name: &str,
    deed: schedules::Deed,
    why: &str,
) -> Result<axum::Json<AdminSchedule>> {
    schedules::act(app, admin, name, deed, why).await?;
    let found = schedules::all(app, admin).await?.into_iter().find(|schedule| schedule.row.name == name);
    Ok(axum::Json(found.ok_or(crate::Error::NotFound("schedule"))?.into()))
}

/// Enqueue a schedule's job once, now.
#[utoipa::path(post, path = "/api/admin/jobs/schedules/{name}/run", tag = "admin", security(("bearer" = []), ("session" = [])), operation_id = "adminRunSchedule",
    params(("name" = String, Path)), request_body = Reason,
    responses((status = 200, body = AdminSchedule), (status = 404, body = Problem), (status = 409, body = Problem)))]
async fn run_schedule(
    State(app): State<App>,
    admin: AdminOnly,
    Path(name): Path<String>,
    Json(why): Json<Reason>,
) -> Result<axum::Json<AdminSchedule>> {
    act_on_schedule(&app, &admin, &name, schedules::Deed::Run, &why.reason).await
}

/// Enqueue nothing until the schedule is resumed.
#[utoipa::path(post, path = "/api/admin/jobs/schedules/{name}/pause", tag = "admin", security(("bearer" = []), ("session" = [])), operation_id = "adminPauseSchedule",
    params(("name" = String, Path)), request_body = Reason,
    responses((status = 200, body = AdminSchedule), (status = 404, body = Problem)))]
async fn pause_schedule(
    State(app): State<App>,
    admin: AdminOnly,
    Path(name): Path<String>,
    Json(why): Json<Reason>,
) -> Result<axum::Json<AdminSchedule>> {
    act_on_schedule(&app, &admin, &name, schedules::Deed::Pause, &why.reason).await
}

/// Go on with the next time from now.
#[utoipa::path(post, path = "/api/admin/jobs/schedules/{name}/resume", tag = "admin", security(("bearer" = []), ("session" = [])), operation_id = "adminResumeSchedule",
    params(("name" = String, Path)), request_body = Reason,
    responses((status = 200, body = AdminSchedule), (status = 404, body = Problem)))]
async fn resume_schedule(
    State(app): State<App>,
    admin: AdminOnly,
    Path(name): Path<String>,
    Json(why): Json<Reason>,
) -> Result<axum::Json<AdminSchedule>> {
    act_on_schedule(&app, &admin, &name, schedules::Deed::Resume, &why.reason).await
}

/// Other times for a schedule.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OtherTimes {
    /// Five fields: minute, hour, day of month, month, day of week.
    cron: String,
    /// IANA time zone, like `Europe/Berlin`.
    zone: String,
    /// Kept in the audit log, 3 to 500 characters.
    reason: String,
}

/// Give a schedule other times.
#[utoipa::path(put, path = "/api/admin/jobs/schedules/{name}", tag = "admin", security(("bearer" = []), ("session" = [])), operation_id = "adminEditSchedule",
    params(("name" = String, Path)), request_body = OtherTimes,
    responses((status = 200, body = AdminSchedule), (status = 404, body = Problem), (status = 422, body = Problem)))]
async fn edit_schedule(
    State(app): State<App>,
    admin: AdminOnly,
    Path(name): Path<String>,
    Json(times): Json<OtherTimes>,
) -> Result<axum::Json<AdminSchedule>> {
    let deed = schedules::Deed::Edit { cron: times.cron, zone: times.zone };
    act_on_schedule(&app, &admin, &name, deed, &times.reason).await
}

/// A worker process.
#[derive(Debug, Serialize, ToSchema)]
struct AdminWorker {
    id: Uuid,
    /// `host:pid`
    name: String,
    group: String,
    release: String,
    queues: Vec<String>,
    /// Jobs it can hold at once.
    capacity: i32,
    busy: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_bytes: Option<i64>,
    /// Since when it takes no new jobs.
    #[serde(skip_serializing_if = "Option::is_none")]
    quiet_at: Option<DateTime<Utc>>,
    started_at: DateTime<Utc>,
    heartbeat_at: DateTime<Utc>,
    /// When it said goodbye.
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped_at: Option<DateTime<Utc>>,
    /// When others gave it up.
    #[serde(skip_serializing_if = "Option::is_none")]
    lost_at: Option<DateTime<Utc>>,
}

impl From<WorkerRow> for AdminWorker {
    fn from(worker: WorkerRow) -> Self {
        Self {
            id: worker.id,
            name: worker.name,
            group: worker.group,
            release: worker.release,
            queues: worker.queues,
            capacity: worker.capacity,
            busy: worker.busy,
            memory_bytes: worker.memory_bytes,
            quiet_at: worker.quiet_at,
            started_at: worker.started_at,
            heartbeat_at: worker.heartbeat_at,
            stopped_at: worker.stopped_at,
            lost_at: worker.lost_at,
        }
    }
}

/// Worker processes: those that live, then those gone within a week.
#[utoipa::path(get, path = "/api/admin/jobs/workers", tag = "admin", security(("bearer" = []), ("session" = [])), operation_id = "adminListWorkers",
    responses((status = 200, body = Vec<AdminWorker>), (status = 403, body = Problem)))]
async fn list_workers(State(app): State<App>, admin: AdminOnly) -> Result<axum::Json<Vec<AdminWorker>>> {
    Ok(axum::Json(workers::all(&app, &admin).await?.into_iter().map(AdminWorker::from).collect()))
}

/// Ask a worker to take no new jobs and to finish those it has.
#[utoipa::path(post, path = "/api/admin/jobs/workers/{worker}/quiet", tag = "admin", security(("bearer" = []), ("session" = [])), operation_id = "adminQuietWorker",
    params(("worker" = Uuid, Path)), request_body = Reason, responses((status = 204), (status = 404, body = Problem)))]
async fn quiet_worker(
    State(app): State<App>,
    admin: AdminOnly,
    Path(worker): Path<Uuid>,
    Json(why): Json<Reason>,
) -> Result<StatusCode> {
    workers::ask(&app, &admin, worker, true, &why.reason).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Let a quiet worker take jobs again.
#[utoipa::path(post, path = "/api/admin/jobs/workers/{worker}/unquiet", tag = "admin", security(("bearer" = []), ("session" = [])), operation_id = "adminUnquietWorker",
    params(("worker" = Uuid, Path)), request_body = Reason, responses((status = 204), (status = 404, body = Problem)))]
async fn unquiet_worker(
    State(app): State<App>,
    admin: AdminOnly,
    Path(worker): Path<Uuid>,
    Json(why): Json<Reason>,
) -> Result<StatusCode> {
    workers::ask(&app, &admin, worker, false, &why.reason).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What holds jobs back on purpose.
#[derive(Debug, Serialize, ToSchema)]
struct AdminLimits {
    rates: Vec<AdminRate>,
    /// Buckets that have been drawn from or are waited for.
    buckets: Vec<AdminBucket>,
    /// Keys of which only so many jobs run at once.
    keys: Vec<AdminKey>,
}

/// So many runs in so many seconds.
#[derive(Debug, Serialize, ToSchema)]
struct AdminRate {
    name: String,
    permits: f64,
    per_seconds: f64,
    burst: f64,
}

/// A bucket that jobs draw from.
#[derive(Debug, Serialize, ToSchema)]
struct AdminBucket {
    key: String,
    /// Runs that could begin now.
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens: Option<f64>,
    /// Until when its provider wants to be left alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    paused_until: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pause_reason: Option<String>,
    waiting: i64,
    running: i64,
}

/// A key of which only so many jobs run at once.
#[derive(Debug, Serialize, ToSchema)]
struct AdminKey {
    key: String,
    at_most: i16,
    waiting: i64,
    running: i64,
}

/// Rates, their buckets, and keys of limited concurrency.
#[utoipa::path(get, path = "/api/admin/jobs/limits", tag = "admin", security(("bearer" = []), ("session" = [])), operation_id = "adminGetJobLimits",
    responses((status = 200, body = AdminLimits), (status = 403, body = Problem)))]
async fn get_limits(State(app): State<App>, admin: AdminOnly) -> Result<axum::Json<AdminLimits>> {
    let limits::Limits { rates, rate_keys, concurrency_keys } = limits::all(&app, &admin).await?;
    let rates = rates.into_iter();
    let rates =
        rates.map(|rate| AdminRate { name: rate.name, permits: rate.permits, per_seconds: rate.per_seconds, burst: rate.burst });
    let buckets = rate_keys.into_iter().map(|bucket| AdminBucket {
        key: bucket.key,
        tokens: bucket.tokens,
        paused_until: bucket.paused_until,
        pause_reason: bucket.pause_reason,
        waiting: bucket.waiting,
        running: bucket.running,
    });
    let keys = concurrency_keys.into_iter();
    let keys = keys.map(|key| AdminKey { key: key.key, at_most: key.at_most, waiting: key.waiting, running: key.running });
    Ok(axum::Json(AdminLimits { rates: rates.collect(), buckets: buckets.collect(), keys: keys.collect() }))
}

/// Let jobs draw from a bucket again before the time its provider gave.
#[utoipa::path(post, path = "/api/admin/jobs/limits/{key}/open", tag = "admin", security(("bearer" = []), ("session" = [])), operation_id = "adminOpenBucket",
    params(("key" = String, Path)), request_body = Reason, responses((status = 204), (status = 409, body = Problem)))]
async fn open_bucket(
    State(app): State<App>,
    admin: AdminOnly,
    Path(key): Path<String>,
    Json(why): Json<Reason>,
) -> Result<StatusCode> {
    limits::open_early(&app, &admin, &key, &why.reason).await?;
    Ok(StatusCode::NO_CONTENT)
}
