//! `/admin/jobs` and `/api/admin/jobs`: every job, what became of each attempt, and the two acts an admin needs at 3 a.m.:
//! run it again, or stop it. Acts ask for a reason, which is kept in the audit log.

use crate::{
    App, Error, Result,
    auth::{AdminOnly, SignedIn},
    form::{Form, Json, Path, Query},
    identity::origin,
    openapi::{Cursor, List, Paging, Problem},
    page::{self, Flash},
};
use axum::{
    Router,
    extract::State,
    response::Response,
    routing::{get, post},
};
use chrono::{DateTime, Utc};
use mywork::audit;
use mywork_queue::{
    JobId, Subject,
    admin::{self, ActError, Cancelled, JobDetail, JobFilter, JobRow, JobState, Overview, WorkerRow},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

const ROWS: u32 = 50;

/// Pages of this part.
pub fn pages() -> Router<App> {
    Router::new()
        .route("/admin/jobs", get(list))
        .route("/admin/jobs/{job}", get(show))
        .route("/admin/jobs/{job}/retry", post(retry))
        .route("/admin/jobs/{job}/cancel", post(cancel))
}

/// API of this part, each route with its full path.
pub fn api() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_jobs))
        .routes(routes!(get_job))
        .routes(routes!(retry_job))
        .routes(routes!(cancel_job))
        .routes(routes!(get_own_job))
}

/// What a list is narrowed to; an empty text does not narrow.
#[derive(Clone, Debug, Default, Deserialize, Serialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// `scheduled`, `available`, `running`, `done`, `dead`, `cancelled`, `expired` or `quarantined`.
    #[serde(default)]
    state: String,
    #[serde(default)]
    queue: String,
    #[serde(default)]
    kind: String,
    /// Kind of the business object it serves, as `order`.
    #[serde(default)]
    subject_kind: String,
    #[serde(default)]
    subject_id: String,
    /// Part of the last error.
    #[serde(default)]
    error: String,
    #[serde(default)]
    cursor: String,
}

impl Asked {
    fn filter(&self, limit: u32) -> Result<JobFilter> {
        let given = |text: &String| Some(text.trim().to_owned()).filter(|t| !t.is_empty());
        let states = match given(&self.state) {
            Some(state) => vec![state.parse::<JobState>().map_err(|why| Error::invalid("state", &why))?],
            None => Vec::new(),
        };
        let subject = given(&self.subject_kind).zip(given(&self.subject_id)).map(|(kind, id)| Subject::new(kind, id));
        let before = if self.cursor.is_empty() { None } else { Some(JobId(Cursor::<i64>::decode(&self.cursor)?.0)) };
        Ok(JobFilter {
            states,
            queue: given(&self.queue),
            kind: given(&self.kind),
            subject,
            tag: None,
            error: given(&self.error),
            before,
            limit: limit + 1,
            ..JobFilter::default()
        })
    }

    /// The list from `cursor` on, with the same filter.
    fn address(&self, cursor: &str) -> String {
        let asked = Self { cursor: cursor.to_owned(), ..self.clone() };
        let query = serde_urlencoded::to_string(&asked).unwrap_or_default();
        let given: Vec<_> = query.split('&').filter(|pair| !pair.ends_with('=')).collect();
        format!("/admin/jobs?{}", given.join("&"))
    }
}

async fn find(app: &App, admin: &AdminOnly, asked: &Asked, limit: u32) -> Result<List<JobRow>> {
    let mut tx = app.db.begin(admin.actor()).await?;
    let rows = admin::list(&mut tx, &asked.filter(limit)?).await?;
    tx.commit().await?;
    Ok(List::page(rows, limit as usize, |job| job.id.0))
}

#[derive(Serialize)]
struct ListPage {
    asked: Asked,
    overview: Overview,
    workers: Vec<WorkerRow>,
    jobs: Vec<JobRow>,
    next: String,
    first_page: String,
}

async fn list(State(app): State<App>, admin: AdminOnly, Query(asked): Query<Asked>) -> Result<Response> {
    let found = find(&app, &admin, &asked, ROWS).await?;
    let mut tx = app.db.begin(admin.actor()).await?;
    let overview = admin::overview(&mut tx).await?;
    let workers = admin::workers(&mut tx).await?;
    tx.commit().await?;
    let page = ListPage {
        overview,
        workers: workers.into_iter().filter(|worker| worker.stopped_at.is_none() && worker.lost_at.is_none()).collect(),
        next: found.next_cursor.as_deref().map(|cursor| asked.address(cursor)).unwrap_or_default(),
        first_page: if asked.cursor.is_empty() { String::new() } else { asked.address("") },
        jobs: found.data,
        asked,
    };
    app.page(&admin, "pages/admin/jobs.html", &page)
}

#[derive(Serialize)]
struct DetailPage {
    detail: JobDetail,
    args: String,
    /// Where its business object is looked at, if it has a page.
    subject_page: Option<String>,
    is_finished: bool,
}

async fn show(State(app): State<App>, admin: AdminOnly, Path(job): Path<i64>) -> Result<Response> {
    let detail = detail(&app, &admin, job).await?;
    let page = DetailPage {
        args: serde_json::to_string_pretty(&detail.job.args).map_err(anyhow::Error::from)?,
        subject_page: subject_page(&detail.job),
        is_finished: detail.job.state.is_finished(),
        detail,
    };
    app.page(&admin, "pages/admin/jobs_detail.html", &page)
}

async fn detail(app: &App, admin: &AdminOnly, job: i64) -> Result<JobDetail> {
    let mut tx = app.db.begin(admin.actor()).await?;
    let detail = admin::find(&mut tx, JobId(job)).await?.ok_or(Error::NotFound("job"))?;
    tx.commit().await?;
    Ok(detail)
}

fn subject_page(job: &JobRow) -> Option<String> {
    let (kind, id) = (job.subject_kind.as_deref()?, job.subject_id.as_deref()?);
    match kind {
        "order" => Some(format!("/admin/orders/{id}")),
        "user" => Some(format!("/admin/users/{id}")),
        _ => None,
    }
}

#[derive(Debug, Deserialize)]
struct Why {
    #[serde(default)]
    reason: String,
}

/// What an admin does to a job.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Retry,
    Cancel,
}

/// Acts and records it in one transaction; answers with what to tell.
async fn act(app: &App, admin: &AdminOnly, job: i64, deed: Deed, reason: &str) -> Result<&'static str> {
    let reason = reason.trim();
    if !(3..=500).contains(&reason.chars().count()) {
        return Err(Error::invalid("reason", "Say why in 3 to 500 characters; it is kept in the audit log."));
    }
    let mut tx = app.db.begin(admin.actor()).await?;
    let (action, told) = match deed {
        Deed::Retry => {
            admin::retry(&mut tx, JobId(job)).await.map_err(refused)?;
            ("job.retry", "The job is in line again.")
        }
        Deed::Cancel => match admin::cancel(&mut tx, JobId(job), reason).await.map_err(refused)? {
            Cancelled::Ended => ("job.cancel", "The job is cancelled."),
            Cancelled::Asked => ("job.cancel", "The job is running: its worker has been asked to stop it."),
        },
    };
    let entry = audit::Entry::new(admin.actor(), action, "job", job).because(reason).from(&origin());
    audit::record(&mut tx, &entry, app.now()).await?;
    tx.commit().await?;
    Ok(told)
}

fn refused(error: ActError) -> Error {
    match error {
        ActError::NotFound(_) => Error::NotFound("job"),
        ActError::Database(error) => error.into(),
        refusal => Error::Conflict(refusal.to_string()),
    }
}

async fn act_on_page(app: &App, admin: &AdminOnly, job: i64, deed: Deed, why: Why) -> Result<Response> {
    let flash = match act(app, admin, job, deed, &why.reason).await {
        Ok(told) => Flash::success(told),
        Err(Error::Conflict(why)) => Flash::warning(why),
        Err(Error::Invalid(_)) => Flash::warning("Say why in 3 to 500 characters; it is kept in the audit log."),
        Err(error) => return Err(error),
    };
    Ok(page::flash(page::see_other(&format!("/admin/jobs/{job}")), flash))
}

async fn retry(State(app): State<App>, admin: AdminOnly, Path(job): Path<i64>, Form(why): Form<Why>) -> Result<Response> {
    act_on_page(&app, &admin, job, Deed::Retry, why).await
}

async fn cancel(State(app): State<App>, admin: AdminOnly, Path(job): Path<i64>, Form(why): Form<Why>) -> Result<Response> {
    act_on_page(&app, &admin, job, Deed::Cancel, why).await
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

/// Jobs, the newest first.
#[utoipa::path(get, path = "/api/admin/jobs", tag = "admin", security(("bearer" = []), ("session" = [])), operation_id = "adminListJobs", params(Asked, Paging),
    responses((status = 200, body = List<AdminJob>), (status = 403, body = Problem)))]
async fn list_jobs(
    State(app): State<App>,
    admin: AdminOnly,
    Query(asked): Query<Asked>,
    Query(paging): Query<Paging>,
) -> Result<axum::Json<List<AdminJob>>> {
    let limit = u32::try_from(paging.limit()).unwrap_or(ROWS);
    Ok(axum::Json(find(&app, &admin, &asked, limit).await?.map(AdminJob::from)))
}

/// One job with its attempts.
#[utoipa::path(get, path = "/api/admin/jobs/{job}", tag = "admin", security(("bearer" = []), ("session" = [])), operation_id = "adminGetJob", params(("job" = i64, Path)),
    responses((status = 200, body = AdminJobDetail), (status = 404, body = Problem)))]
async fn get_job(State(app): State<App>, admin: AdminOnly, Path(job): Path<i64>) -> Result<axum::Json<AdminJobDetail>> {
    Ok(axum::Json(detail(&app, &admin, job).await?.into()))
}

/// Run a finished job again, or a waiting one now.
#[utoipa::path(post, path = "/api/admin/jobs/{job}/retry", tag = "admin", security(("bearer" = []), ("session" = [])), operation_id = "adminRetryJob",
    params(("job" = i64, Path)), request_body = Reason,
    responses((status = 200, body = AdminJobDetail), (status = 404, body = Problem), (status = 409, body = Problem)))]
async fn retry_job(
    State(app): State<App>,
    admin: AdminOnly,
    Path(job): Path<i64>,
    Json(why): Json<Reason>,
) -> Result<axum::Json<AdminJobDetail>> {
    act(&app, &admin, job, Deed::Retry, &why.reason).await?;
    Ok(axum::Json(detail(&app, &admin, job).await?.into()))
}

/// Cancel a waiting job, or ask the worker of a running one to stop it.
#[utoipa::path(post, path = "/api/admin/jobs/{job}/cancel", tag = "admin", security(("bearer" = []), ("session" = [])), operation_id = "adminCancelJob",
    params(("job" = i64, Path)), request_body = Reason,
    responses((status = 200, body = AdminJobDetail), (status = 404, body = Problem), (status = 409, body = Problem)))]
async fn cancel_job(
    State(app): State<App>,
    admin: AdminOnly,
    Path(job): Path<i64>,
    Json(why): Json<Reason>,
) -> Result<axum::Json<AdminJobDetail>> {
    act(&app, &admin, job, Deed::Cancel, &why.reason).await?;
    Ok(axum::Json(detail(&app, &admin, job).await?.into()))
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
