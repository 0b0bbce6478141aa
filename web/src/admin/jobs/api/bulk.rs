//! One act on all jobs that match: dry run, asking, approving, undoing, stopping.

use super::super::{
    bulk::{self, Deed, Wish},
    list::Asked,
};
use crate::{
    App, Result,
    auth::AdminOnly,
    form::{Json, Path, Query},
    openapi::Problem,
};
use axum::extract::State;
use chrono::{DateTime, Utc};
use http::StatusCode;
use mywork_queue::admin::bulk::{BulkRow, BulkState};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(count_bulk_act))
        .routes(routes!(list_bulk_acts))
        .routes(routes!(ask_bulk_act))
        .routes(routes!(get_bulk_act))
        .routes(routes!(approve_bulk_act))
        .routes(routes!(undo_bulk_act))
        .routes(routes!(stop_bulk_act))
}

/// What an act would do.
#[derive(Debug, Serialize, ToSchema)]
struct AdminDryRun {
    jobs: i64,
    by_kind: BTreeMap<String, i64>,
    by_state: BTreeMap<String, i64>,
    /// Of work, as runs of the last day took; absent where that is not known or nothing would run.
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
    /// Payouts are among them: a second admin has to approve it.
    needs_second: bool,
}

/// Count what a bulk act would be done to, and do nothing.
#[utoipa::path(get, path = "/api/admin/jobs/bulk/count", tag = "admin", security(("bearer" = []), ("session" = [])), operation_id = "adminCountBulkAct", params(Wish, Asked),
    responses((status = 200, body = AdminDryRun), (status = 403, body = Problem), (status = 422, body = Problem)))]
async fn count_bulk_act(
    State(app): State<App>,
    admin: AdminOnly,
    Query(wish): Query<Wish>,
    Query(asked): Query<Asked>,
) -> Result<axum::Json<AdminDryRun>> {
    let mut tx = app.db.begin(admin.actor()).await?;
    let found = bulk::count(&app, &mut tx, &wish, &asked).await?;
    tx.commit().await?;
    Ok(axum::Json(AdminDryRun {
        jobs: found.jobs,
        by_kind: found.by_kind.into_iter().map(|share| (share.kind, share.jobs)).collect(),
        by_state: found.by_state.into_iter().map(|(state, jobs)| (state.to_string(), jobs)).collect(),
        seconds: found.seconds,
        needs_second: found.needs_second,
    }))
}

/// A bulk act.
#[derive(Debug, Serialize, ToSchema)]
struct AdminBulkAct {
    id: i64,
    /// `retry`, `cancel`, `discard` or `reschedule`.
    act: String,
    /// On which jobs.
    #[schema(value_type = Object)]
    filter: serde_json::Value,
    reason: String,
    /// `proposed`, `waiting`, `running`, `done`, `undone` or `stopped`.
    #[schema(value_type = String)]
    state: BulkState,
    /// Jobs the dry run found.
    matched: i64,
    done: i64,
    /// Jobs left as they are, since they had moved on.
    refused: i64,
    needs_second: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    asked_by: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    approved_by: Option<Uuid>,
    /// The job that does it.
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    undo_until: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<DateTime<Utc>>,
}

impl From<BulkRow> for AdminBulkAct {
    fn from(row: BulkRow) -> Self {
        Self {
            id: row.id,
            act: row.act,
            filter: row.filter,
            reason: row.reason,
            state: row.state,
            matched: row.matched,
            done: row.done,
            refused: row.refused,
            needs_second: row.needs_second,
            asked_by: row.asked_by,
            approved_by: row.approved_by,
            job: row.job.map(|job| job.0),
            undo_until: row.undo_until,
            created_at: row.created_at,
            finished_at: row.finished_at,
        }
    }
}

/// The latest bulk acts, newest first, at most a hundred.
#[utoipa::path(get, path = "/api/admin/jobs/bulk", tag = "admin", security(("bearer" = []), ("session" = [])), operation_id = "adminListBulkActs",
    responses((status = 200, body = Vec<AdminBulkAct>), (status = 403, body = Problem)))]
async fn list_bulk_acts(State(app): State<App>, admin: AdminOnly) -> Result<axum::Json<Vec<AdminBulkAct>>> {
    Ok(axum::Json(bulk::all(&app, &admin).await?.into_iter().map(|line| line.row.into()).collect()))
}

/// What is to be done, and to which jobs.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AskedAct {
    /// `retry`, `cancel`, `discard` or `reschedule`.
    act: String,
    /// The new time, for `reschedule`.
    #[serde(default)]
    run_at: Option<DateTime<Utc>>,
    /// As the list of jobs is narrowed.
    filter: Asked,
    /// How many jobs the dry run had found: when there are many more by now, nothing is done.
    #[serde(default)]
    seen: Option<i64>,
    /// Kept in the audit log, 3 to 500 characters.
    reason: String,
}

/// Act on all jobs that match
///
/// It begins after half a minute, in which it can be undone; where payouts are among the jobs, once another admin has approved it.
#[utoipa::path(post, path = "/api/admin/jobs/bulk", tag = "admin", security(("bearer" = []), ("session" = [])), operation_id = "adminAskBulkAct", request_body = AskedAct,
    responses((status = 202, body = AdminBulkAct), (status = 409, body = Problem), (status = 422, body = Problem)))]
async fn ask_bulk_act(
    State(app): State<App>,
    admin: AdminOnly,
    Json(asked): Json<AskedAct>,
) -> Result<(StatusCode, axum::Json<AdminBulkAct>)> {
    let wish = Wish { act: asked.act, run_at: asked.run_at.map(|at| at.to_rfc3339()).unwrap_or_default() };
    let row = bulk::ask(&app, &admin, &wish, &asked.filter, asked.seen, &asked.reason).await?;
    Ok((StatusCode::ACCEPTED, axum::Json(row.into())))
}

/// One bulk act.
#[utoipa::path(get, path = "/api/admin/jobs/bulk/{act}", tag = "admin", security(("bearer" = []), ("session" = [])), operation_id = "adminGetBulkAct", params(("act" = i64, Path)),
    responses((status = 200, body = AdminBulkAct), (status = 404, body = Problem)))]
async fn get_bulk_act(State(app): State<App>, admin: AdminOnly, Path(act): Path<i64>) -> Result<axum::Json<AdminBulkAct>> {
    Ok(axum::Json(bulk::one(&app, admin.actor(), act).await?.row.into()))
}

/// Why an act is done.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = BulkActReason)]
struct Reason {
    /// Kept in the audit log, 3 to 500 characters.
    reason: String,
}

/// Let a proposed act begin; not for whoever asked for it.
#[utoipa::path(post, path = "/api/admin/jobs/bulk/{act}/approve", tag = "admin", security(("bearer" = []), ("session" = [])), operation_id = "adminApproveBulkAct", params(("act" = i64, Path)),
    request_body = Reason, responses((status = 200, body = AdminBulkAct), (status = 403, body = Problem), (status = 409, body = Problem)))]
async fn approve_bulk_act(
    State(app): State<App>,
    admin: AdminOnly,
    Path(act): Path<i64>,
    Json(why): Json<Reason>,
) -> Result<axum::Json<AdminBulkAct>> {
    Ok(axum::Json(bulk::act(&app, &admin, act, Deed::Approve, &why.reason).await?.0.into()))
}

/// Take an act back before it has begun.
#[utoipa::path(post, path = "/api/admin/jobs/bulk/{act}/undo", tag = "admin", security(("bearer" = []), ("session" = [])), operation_id = "adminUndoBulkAct", params(("act" = i64, Path)),
    request_body = Reason, responses((status = 200, body = AdminBulkAct), (status = 409, body = Problem)))]
async fn undo_bulk_act(
    State(app): State<App>,
    admin: AdminOnly,
    Path(act): Path<i64>,
    Json(why): Json<Reason>,
) -> Result<axum::Json<AdminBulkAct>> {
    Ok(axum::Json(bulk::act(&app, &admin, act, Deed::Undo, &why.reason).await?.0.into()))
}

/// Stop an act; what it has done stays done.
#[utoipa::path(post, path = "/api/admin/jobs/bulk/{act}/stop", tag = "admin", security(("bearer" = []), ("session" = [])), operation_id = "adminStopBulkAct", params(("act" = i64, Path)),
    request_body = Reason, responses((status = 200, body = AdminBulkAct), (status = 409, body = Problem)))]
async fn stop_bulk_act(
    State(app): State<App>,
    admin: AdminOnly,
    Path(act): Path<i64>,
    Json(why): Json<Reason>,
) -> Result<axum::Json<AdminBulkAct>> {
    Ok(axum::Json(bulk::act(&app, &admin, act, Deed::Stop, &why.reason).await?.0.into()))
}
