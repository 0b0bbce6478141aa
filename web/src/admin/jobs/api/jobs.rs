//! Jobs and the acts on one of them; and a person's own jobs, without anything internal.

use super::super::{
    acts::{self, Deed, Outcome, act},
    list::{self, Asked},
};
use crate::{
    App, Error, Result,
    auth::{AdminOnly, SignedIn},
    form::{Json, Path, Query},
    openapi::{List, Paging, Problem},
};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use http::StatusCode;
use mywork_queue::{
    JobId,
    admin::{self, JobDetail, JobRow, JobState},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_jobs))
        .routes(routes!(get_job))
        .routes(routes!(retry_job))
        .routes(routes!(cancel_job))
        .routes(routes!(discard_job))
        .routes(routes!(reschedule_job))
        .routes(routes!(edit_job))
        .routes(routes!(get_own_job))
}

/// A job as an admin sees it.
#[derive(Debug, Serialize, ToSchema)]
struct AdminJob {
    id: i64,
    kind: String,
    queue: String,
    /// `scheduled`, `available`, `running`, `done`, `dead`, `cancelled`, `expired` or `quarantined`.
    #[schema(value_type = String)]
    state: JobState,
    attempt: i16,
    max_attempts: i16,
    /// When it is due, or was.
    run_at: DateTime<Utc>,
    #[schema(value_type = Object)]
    args: serde_json::Value,
    /// Kind of the business object it serves.
    #[serde(skip_serializing_if = "Option::is_none")]
    subject_kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
    created_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<DateTime<Utc>>,
}

impl From<JobRow> for AdminJob {
    fn from(job: JobRow) -> Self {
        Self {
            id: job.id.0,
            kind: job.kind,
            queue: job.queue,
            state: job.state,
            attempt: job.attempt,
            max_attempts: job.max_attempts,
            run_at: job.run_at,
            args: job.args,
            subject_kind: job.subject_kind,
            subject_id: job.subject_id,
            last_error: job.last_error,
            created_at: job.created_at,
            finished_at: job.finished_at,
        }
    }
}

/// One run of a job.
#[derive(Debug, Serialize, ToSchema)]
struct AdminAttempt {
    attempt: i16,
    /// `done`, `snoozed`, `cancelled`, `handed_back`, `retried`, `dead` or `lost`.
    outcome: String,
    started_at: DateTime<Utc>,
    ended_at: DateTime<Utc>,
    release: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<String>,
}

/// A job with its attempts, oldest first.
#[derive(Debug, Serialize, ToSchema)]
struct AdminJobDetail {
    #[serde(flatten)]
    job: AdminJob,
    attempts: Vec<AdminAttempt>,
}

impl From<JobDetail> for AdminJobDetail {
    fn from(detail: JobDetail) -> Self {
        let attempts = detail.attempts.into_iter().map(|run| AdminAttempt {
            attempt: run.attempt,
            outcome: run.outcome,
            started_at: run.started_at,
            ended_at: run.ended_at,
            release: run.release,
            error: run.error,
            log: run.log,
        });
        Self { attempts: attempts.collect(), job: detail.job.into() }
    }
}

/// Why an act is done.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Reason {
    /// Kept in the audit log, 3 to 500 characters.
    reason: String,
}

async fn detail(app: &App, admin: &AdminOnly, job: i64) -> Result<JobDetail> {
    let mut tx = app.db.begin(admin.actor()).await?;
    let detail = admin::find(&mut tx, JobId(job)).await?.ok_or(Error::NotFound("job"))?;
    tx.commit().await?;
    Ok(detail)
}

/// Jobs, the newest first.
#[utoipa::path(get, path = "/api/admin/jobs", tag = "admin", security(("bearer" = []), ("session" = [])), operation_id = "adminListJobs", params(Asked, Paging),
    responses((status = 200, body = List<AdminJob>), (status = 403, body = Problem)))]
async fn list_jobs(
    State(app): State<App>,
    admin: AdminOnly,
    Query(asked): Query<Asked>,
    Query(paging): Query<Paging>,
) -> Result<axum::Json<List<AdminJob>>> {
    let limit = u32::try_from(paging.limit()).unwrap_or(list::ROWS);
    let cursor = paging.cursor.unwrap_or_default();
    let found = list::find(&app, &admin, &asked, &cursor, limit).await?;
    Ok(axum::Json(List { next_cursor: list::next(&found), data: found.jobs.into_iter().map(AdminJob::from).collect() }))
}

/// One job with its attempts.
#[utoipa::path(get, path = "/api/admin/jobs/{job}", tag = "admin", security(("bearer" = []), ("session" = [])), operation_id = "adminGetJob", params(("job" = i64, Path)),
    responses((status = 200, body = AdminJobDetail), (status = 404, body = Problem)))]
async fn get_job(State(app): State<App>, admin: AdminOnly, Path(job): Path<i64>) -> Result<axum::Json<AdminJobDetail>> {
    Ok(axum::Json(detail(&app, &admin, job).await?.into()))
}

/// A proposal that waits for a second admin.
#[derive(Debug, Serialize, ToSchema)]
struct Proposal {
    /// Number of the bulk act to approve.
    bulk_act: i64,
}

/// The job as the act left it; or 202 and the proposal that a second admin has to approve.
async fn answer(app: &App, admin: &AdminOnly, job: i64, deed: Deed, why: &str) -> Result<Response> {
    Ok(match act(app, admin, JobId(job), deed, why).await? {
        Outcome::Done(_) => axum::Json(AdminJobDetail::from(detail(app, admin, job).await?)).into_response(),
        Outcome::Proposed(bulk_act) => (StatusCode::ACCEPTED, axum::Json(Proposal { bulk_act })).into_response(),
    })
}

/// Run a finished job again, or a waiting one now.
#[utoipa::path(post, path = "/api/admin/jobs/{job}/retry", tag = "admin", security(("bearer" = []), ("session" = [])), operation_id = "adminRetryJob",
    params(("job" = i64, Path)), request_body = Reason,
    responses((status = 200, body = AdminJobDetail), (status = 202, body = Proposal), (status = 404, body = Problem), (status = 409, body = Problem)))]
async fn retry_job(State(app): State<App>, admin: AdminOnly, Path(job): Path<i64>, Json(why): Json<Reason>) -> Result<Response> {
    answer(&app, &admin, job, Deed::Retry, &why.reason).await
}

/// Cancel a waiting job, or ask the worker of a running one to stop it.
#[utoipa::path(post, path = "/api/admin/jobs/{job}/cancel", tag = "admin", security(("bearer" = []), ("session" = [])), operation_id = "adminCancelJob",
    params(("job" = i64, Path)), request_body = Reason,
    responses((status = 200, body = AdminJobDetail), (status = 202, body = Proposal), (status = 404, body = Problem), (status = 409, body = Problem)))]
async fn cancel_job(State(app): State<App>, admin: AdminOnly, Path(job): Path<i64>, Json(why): Json<Reason>) -> Result<Response> {
    answer(&app, &admin, job, Deed::Cancel, &why.reason).await
}

/// Give up a job that failed, so that it asks for no attention any more.
#[utoipa::path(post, path = "/api/admin/jobs/{job}/discard", tag = "admin", security(("bearer" = []), ("session" = [])), operation_id = "adminDiscardJob",
    params(("job" = i64, Path)), request_body = Reason,
    responses((status = 200, body = AdminJobDetail), (status = 202, body = Proposal), (status = 404, body = Problem), (status = 409, body = Problem)))]
async fn discard_job(
    State(app): State<App>,
    admin: AdminOnly,
    Path(job): Path<i64>,
    Json(why): Json<Reason>,
) -> Result<Response> {
    answer(&app, &admin, job, Deed::Discard, &why.reason).await
}

/// Another time for a waiting job.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OtherTime {
    run_at: DateTime<Utc>,
    /// Kept in the audit log, 3 to 500 characters.
    reason: String,
}

/// Put a waiting job off, or bring it forward.
#[utoipa::path(post, path = "/api/admin/jobs/{job}/reschedule", tag = "admin", security(("bearer" = []), ("session" = [])), operation_id = "adminRescheduleJob",
    params(("job" = i64, Path)), request_body = OtherTime,
    responses((status = 200, body = AdminJobDetail), (status = 202, body = Proposal), (status = 404, body = Problem), (status = 409, body = Problem)))]
async fn reschedule_job(
    State(app): State<App>,
    admin: AdminOnly,
    Path(job): Path<i64>,
    Json(wish): Json<OtherTime>,
) -> Result<Response> {
    let run_at = acts::time("run_at", &wish.run_at.to_rfc3339())?;
    answer(&app, &admin, job, Deed::Reschedule(run_at), &wish.reason).await
}

/// Other arguments for a waiting job.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OtherArguments {
    /// All of them; a value left as `•••` stays what it is.
    #[schema(value_type = Object)]
    arguments: serde_json::Value,
    /// Kept in the audit log, 3 to 500 characters.
    reason: String,
}

/// Correct the arguments of a waiting job.
#[utoipa::path(put, path = "/api/admin/jobs/{job}/arguments", tag = "admin", security(("bearer" = []), ("session" = [])), operation_id = "adminEditJob",
    params(("job" = i64, Path)), request_body = OtherArguments,
    responses((status = 200, body = AdminJobDetail), (status = 202, body = Proposal), (status = 404, body = Problem), (status = 409, body = Problem)))]
async fn edit_job(
    State(app): State<App>,
    admin: AdminOnly,
    Path(job): Path<i64>,
    Json(wish): Json<OtherArguments>,
) -> Result<Response> {
    let arguments = acts::arguments(&wish.arguments.to_string())?;
    answer(&app, &admin, job, Deed::Edit(arguments), &wish.reason).await
}

/// The caller's own work, without anything internal.
#[derive(Debug, Serialize, ToSchema)]
struct OwnJob {
    id: i64,
    kind: String,
    #[schema(value_type = String)]
    state: JobState,
    /// Steps done of `total`; absent for work that does not count its steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    done: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

/// How far a job is that the caller started.
#[utoipa::path(get, path = "/api/jobs/{job}", tag = "jobs", security(("bearer" = []), ("session" = [])), operation_id = "getJob", params(("job" = i64, Path)),
    responses((status = 200, body = OwnJob), (status = 404, body = Problem)))]
async fn get_own_job(State(app): State<App>, SignedIn(viewer): SignedIn, Path(job): Path<i64>) -> Result<axum::Json<OwnJob>> {
    let mut tx = app.db.begin(viewer.actor()).await?;
    let found = admin::find(&mut tx, JobId(job)).await?;
    tx.commit().await?;
    // Somebody else's job is not told apart from one that never was.
    let detail = found.filter(|d| viewer.is_admin || d.job.actor == Some(viewer.id.0)).ok_or(Error::NotFound("job"))?;
    let progress = detail.progress;
    Ok(axum::Json(OwnJob {
        id: detail.job.id.0,
        kind: detail.job.kind,
        state: detail.job.state,
        done: progress.as_ref().map(|p| p.done),
        total: progress.as_ref().map(|p| p.total),
        message: progress.map(|p| p.message),
    }))
}
