//! Workflows and the acts on them.

use super::super::workflows::{self, Asked, Deed};
use crate::{
    App, Result,
    auth::AdminOnly,
    form::{Json, Path, Query},
    openapi::{List, Paging, Problem},
};
use axum::extract::State;
use chrono::{DateTime, Utc};
use mywork_queue::workflow::{StepKind, StepState, WorkflowDetail, WorkflowRow, WorkflowState};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_workflows))
        .routes(routes!(get_workflow))
        .routes(routes!(resume_workflow))
        .routes(routes!(cancel_workflow))
        .routes(routes!(undo_workflow))
}

/// Work of several steps.
#[derive(Debug, Serialize, ToSchema)]
struct AdminWorkflow {
    id: i64,
    name: String,
    /// `held`, `running`, `failed`, `undoing`, `done`, `cancelled` or `undone`.
    #[schema(value_type = String)]
    state: WorkflowState,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject_kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject_id: Option<String>,
    steps: i64,
    /// Steps that are not done.
    open_steps: i32,
    /// Why it failed, was cancelled or undone.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The workflow it is a step of.
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<i64>,
    created_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<DateTime<Utc>>,
}

impl From<WorkflowRow> for AdminWorkflow {
    fn from(row: WorkflowRow) -> Self {
        Self {
            id: row.id.0,
            name: row.name,
            state: row.state,
            subject_kind: row.subject_kind,
            subject_id: row.subject_id,
            steps: row.steps,
            open_steps: row.open_steps,
            reason: row.reason,
            parent: row.parent.map(|parent| parent.0),
            created_at: row.created_at,
            finished_at: row.finished_at,
        }
    }
}

/// A step of a workflow.
#[derive(Debug, Serialize, ToSchema)]
struct AdminStep {
    name: String,
    /// `job`, `fan_out`, `event`, `sleep` or `workflow`.
    #[schema(value_type = String)]
    kind: StepKind,
    /// `blocked`, `running`, `waiting`, `done`, `failed`, `cancelled`, `undoing` or `undone`.
    #[schema(value_type = String)]
    state: StepState,
    /// The steps it comes after.
    needs: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    job_kind: Option<String>,
    /// Its job, when it is a single one.
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<i64>,
    /// The workflow it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    workflow: Option<i64>,
    /// When its sleep ends, or the deadline of its event passes.
    #[serde(skip_serializing_if = "Option::is_none")]
    wake_at: Option<DateTime<Utc>>,
    #[schema(value_type = Option<Object>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<DateTime<Utc>>,
}

/// A workflow with its steps, in the order of its definition.
#[derive(Debug, Serialize, ToSchema)]
struct AdminWorkflowDetail {
    #[serde(flatten)]
    workflow: AdminWorkflow,
    graph: Vec<AdminStep>,
}

impl From<WorkflowDetail> for AdminWorkflowDetail {
    fn from(detail: WorkflowDetail) -> Self {
        let graph = detail.steps.into_iter().map(|step| AdminStep {
            name: step.name,
            kind: step.kind,
            state: step.state,
            needs: step.needs,
            job_kind: step.job_kind,
            job: step.job.map(|job| job.0),
            workflow: step.workflow.map(|inner| inner.0),
            wake_at: step.wake_at,
            output: step.output,
            reason: step.reason,
            started_at: step.started_at,
            finished_at: step.finished_at,
        });
        Self { graph: graph.collect(), workflow: detail.workflow.into() }
    }
}

/// Workflows, the newest first.
#[utoipa::path(get, path = "/api/admin/jobs/workflows", tag = "admin", security(("bearer" = []), ("session" = [])), operation_id = "adminListWorkflows", params(Asked, Paging),
    responses((status = 200, body = List<AdminWorkflow>), (status = 403, body = Problem)))]
async fn list_workflows(
    State(app): State<App>,
    admin: AdminOnly,
    Query(asked): Query<Asked>,
    Query(paging): Query<Paging>,
) -> Result<axum::Json<List<AdminWorkflow>>> {
    let limit = u32::try_from(paging.limit()).unwrap_or(20);
    let cursor = paging.cursor.unwrap_or_default();
    Ok(axum::Json(workflows::find(&app, &admin, &asked, &cursor, limit).await?.map(AdminWorkflow::from)))
}

/// One workflow with its steps.
#[utoipa::path(get, path = "/api/admin/jobs/workflows/{workflow}", tag = "admin", security(("bearer" = []), ("session" = [])), operation_id = "adminGetWorkflow",
    params(("workflow" = i64, Path)), responses((status = 200, body = AdminWorkflowDetail), (status = 404, body = Problem)))]
async fn get_workflow(State(app): State<App>, admin: AdminOnly, Path(id): Path<i64>) -> Result<axum::Json<AdminWorkflowDetail>> {
    Ok(axum::Json(workflows::one(&app, admin.actor(), id).await?.into()))
}

/// Why an act is done.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WorkflowActReason)]
struct Reason {
    /// Kept in the audit log, 3 to 500 characters.
    reason: String,
}

async fn answer(app: &App, admin: &AdminOnly, id: i64, deed: Deed, why: &str) -> Result<axum::Json<AdminWorkflowDetail>> {
    workflows::act(app, admin, id, deed, why).await?;
    Ok(axum::Json(workflows::one(app, admin.actor(), id).await?.into()))
}

/// Go on from the steps that failed; what is done stays done.
#[utoipa::path(post, path = "/api/admin/jobs/workflows/{workflow}/resume", tag = "admin", security(("bearer" = []), ("session" = [])), operation_id = "adminResumeWorkflow",
    params(("workflow" = i64, Path)), request_body = Reason,
    responses((status = 200, body = AdminWorkflowDetail), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
async fn resume_workflow(
    State(app): State<App>,
    admin: AdminOnly,
    Path(id): Path<i64>,
    Json(why): Json<Reason>,
) -> Result<axum::Json<AdminWorkflowDetail>> {
    answer(&app, &admin, id, Deed::Resume, &why.reason).await
}

/// End what waits and ask what runs to stop; nothing is undone.
#[utoipa::path(post, path = "/api/admin/jobs/workflows/{workflow}/cancel", tag = "admin", security(("bearer" = []), ("session" = [])), operation_id = "adminCancelWorkflow",
    params(("workflow" = i64, Path)), request_body = Reason,
    responses((status = 200, body = AdminWorkflowDetail), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
async fn cancel_workflow(
    State(app): State<App>,
    admin: AdminOnly,
    Path(id): Path<i64>,
    Json(why): Json<Reason>,
) -> Result<axum::Json<AdminWorkflowDetail>> {
    answer(&app, &admin, id, Deed::Cancel, &why.reason).await
}

/// Undo what has been done, the latest first.
#[utoipa::path(post, path = "/api/admin/jobs/workflows/{workflow}/undo", tag = "admin", security(("bearer" = []), ("session" = [])), operation_id = "adminUndoWorkflow",
    params(("workflow" = i64, Path)), request_body = Reason,
    responses((status = 200, body = AdminWorkflowDetail), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
async fn undo_workflow(
    State(app): State<App>,
    admin: AdminOnly,
    Path(id): Path<i64>,
    Json(why): Json<Reason>,
) -> Result<axum::Json<AdminWorkflowDetail>> {
    answer(&app, &admin, id, Deed::Undo, &why.reason).await
}
