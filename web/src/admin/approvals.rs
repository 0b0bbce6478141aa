//! `/admin/approvals` and `/api/admin/approvals` (ADMIN-01): what waits for a person, the oldest first; one case with everything
//! needed to decide; approve, reject, ask for changes. An approval carries the moment the listing was last changed as the
//! admin saw it, so that nobody approves what they have not read.

use super::jobs::{JobsOf, jobs_of};
use crate::{
    App, Error, FieldErrors, Result,
    auth::{AdminOnly, Viewer},
    catalog::{FindingShape, Labelled},
    form::{Form, Json, Path, Query},
    identity::origin,
    openapi::{ByTime, List, Paging, Problem},
    page::{Flash, flash, see_other},
};
use axum::{
    Router,
    extract::State,
    response::Response,
    routing::{get, post},
};
use chrono::{DateTime, Utc};
use http::StatusCode;
use mywork::catalog::{
    self,
    approve::{self, Case, Decider, Waiting},
    check::Severity,
};
use mywork::db::{Actor, Tx};
use mywork::ids::VersionId;
use mywork_queue::Subject;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

/// Pages of this part.
pub fn pages() -> Router<App> {
    Router::new()
        .route("/admin/approvals", get(list))
        .route("/admin/approvals/{version}", get(show))
        .route("/admin/approvals/{version}/approve", post(approve_case))
        .route("/admin/approvals/{version}/reject", post(reject_case))
        .route("/admin/approvals/{version}/request-changes", post(request_changes))
}

/// API of this part, each route with its full path.
pub fn api() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_approvals))
        .routes(routes!(get_approval))
        .routes(routes!(approve_version))
        .routes(routes!(reject_version))
        .routes(routes!(request_version_changes))
}

#[derive(Serialize)]
struct ListPage {
    waiting: Vec<Waiting>,
    total: i64,
    next: String,
}

async fn list(State(app): State<App>, admin: AdminOnly, Query(paging): Query<Paging>) -> Result<Response> {
    let (found, total) = queue(&app, &admin.0, &paging).await?;
    let next = found.next_cursor.map(|cursor| format!("/admin/approvals?cursor={cursor}")).unwrap_or_default();
    app.page(&admin, "pages/admin/approvals.html", &ListPage { waiting: found.data, total, next })
}

#[derive(Serialize)]
struct CasePage {
    case: Case,
    checks: Vec<Labelled>,
    blockers: usize,
    reviews: usize,
    infos: usize,
    /// Of the bill of materials, as many as a page can bear.
    components: Vec<Component>,
    component_count: usize,
    files: Vec<File>,
    file_count: usize,
    /// What an approval says it has seen.
    seen: String,
    /// None where a refused form is shown again.
    jobs: Option<JobsOf>,
    reason: String,
    errors: FieldErrors,
}

#[derive(Serialize)]
struct Component {
    name: String,
    version: String,
    kind: String,
}

#[derive(Serialize)]
struct File {
    path: String,
    size: u64,
}

/// Most lines of one list on the page; the API has them all.
const SHOWN: usize = 500;

impl CasePage {
    fn of(case: Case, reason: String, errors: FieldErrors) -> Self {
        let text = |value: Option<&serde_json::Value>| value.and_then(|v| v.as_str()).unwrap_or_default().to_owned();
        let list = |value: Option<&serde_json::Value>| value.and_then(|v| v.as_array()).cloned().unwrap_or_default();
        let components = list(case.contents.bill_of_materials.as_ref().and_then(|bill| bill.get("components")));
        let files = list(case.contents.files.as_ref());
        Self {
            blockers: approve::count(&case.findings, Severity::Blocker),
            reviews: approve::count(&case.findings, Severity::Review),
            infos: approve::count(&case.findings, Severity::Info),
            component_count: components.len(),
            components: components
                .iter()
                .take(SHOWN)
                .map(|c| Component { name: text(c.get("name")), version: text(c.get("version")), kind: text(c.get("purl")) })
                .collect(),
            file_count: files.len(),
            files: files
                .iter()
                .take(SHOWN)
                .map(|f| File { path: text(f.get("path")), size: f.get("size").and_then(|s| s.as_u64()).unwrap_or_default() })
                .collect(),
            checks: case.checks.iter().cloned().map(Labelled::from).collect(),
            seen: case.product.updated_at.to_rfc3339(),
            jobs: None,
            reason,
            errors,
            case,
        }
    }
}

async fn show(State(app): State<App>, admin: AdminOnly, Path(id): Path<VersionId>) -> Result<Response> {
    let case = find(&app, &admin.0, id).await?;
    let mut tx = begin(&app, &admin.0).await?;
    let jobs = jobs_of(&mut tx, &[Subject::new("version", id)]).await?;
    tx.commit().await?;
    let page = CasePage { jobs: Some(jobs), ..CasePage::of(case, String::new(), FieldErrors::new()) };
    app.page(&admin, "pages/admin/approvals_case.html", &page)
}

#[derive(Debug, Deserialize)]
struct ApproveForm {
    seen: Option<DateTime<Utc>>,
}

async fn approve_case(
    State(app): State<App>,
    admin: AdminOnly,
    Path(id): Path<VersionId>,
    Form(form): Form<ApproveForm>,
) -> Result<Response> {
    let mut tx = begin(&app, &admin.0).await?;
    let origin = origin();
    let by = Decider { admin: admin.0.id, origin: &origin };
    let outcome = approve::approve(&mut tx, by, id, form.seen, app.now()).await;
    answer(&app, &admin, tx, id, outcome, String::new(), "Approved. It will be on sale in a moment.").await
}

#[derive(Debug, Deserialize)]
struct ReasonForm {
    #[serde(default)]
    reason: String,
}

async fn reject_case(
    State(app): State<App>,
    admin: AdminOnly,
    Path(id): Path<VersionId>,
    Form(form): Form<ReasonForm>,
) -> Result<Response> {
    let mut tx = begin(&app, &admin.0).await?;
    let origin = origin();
    let by = Decider { admin: admin.0.id, origin: &origin };
    let outcome = approve::reject(&mut tx, by, id, &form.reason, app.now()).await;
    answer(&app, &admin, tx, id, outcome, form.reason, "Rejected. The seller is told why.").await
}

async fn request_changes(
    State(app): State<App>,
    admin: AdminOnly,
    Path(id): Path<VersionId>,
    Form(form): Form<ReasonForm>,
) -> Result<Response> {
    let mut tx = begin(&app, &admin.0).await?;
    let origin = origin();
    let by = Decider { admin: admin.0.id, origin: &origin };
    let outcome = approve::request_changes(&mut tx, by, id, &form.reason, app.now()).await;
    answer(&app, &admin, tx, id, outcome, form.reason, "Sent back. The seller is told what to change.").await
}

/// After a decision the queue; after a refusal the case again, with what was typed.
async fn answer(
    app: &App,
    admin: &AdminOnly,
    tx: Tx,
    id: VersionId,
    outcome: Result<(), catalog::Error>,
    reason: String,
    done: &str,
) -> Result<Response> {
    match outcome.map_err(Error::from) {
        Ok(()) => {
            tx.commit().await?;
            Ok(flash(see_other("/admin/approvals"), Flash::success(done)))
        }
        Err(Error::Invalid(errors)) => {
            drop(tx);
            let case = find(app, &admin.0, id).await?;
            app.page_again(admin, "pages/admin/approvals_case.html", &CasePage::of(case, reason, errors))
        }
        Err(error @ (Error::Conflict(_) | Error::Forbidden(_))) => {
            Ok(flash(see_other(&format!("/admin/approvals/{id}")), Flash::error(error.to_string())))
        }
        Err(error) => Err(error),
    }
}

/// An admin sees and writes everything; the audit log says who it was.
async fn begin(app: &App, admin: &Viewer) -> Result<Tx> {
    Ok(app.db.begin(Actor::Admin(admin.id)).await?)
}

async fn find(app: &App, admin: &Viewer, id: VersionId) -> Result<Case> {
    let mut tx = begin(app, admin).await?;
    let case = approve::case(&mut tx, id).await?;
    tx.commit().await?;
    Ok(case)
}

async fn queue(app: &App, admin: &Viewer, paging: &Paging) -> Result<(List<Waiting>, i64)> {
    let limit = paging.limit();
    let after = paging.after::<ByTime>()?.map(|(at, id)| (at, VersionId(id)));
    let mut tx = begin(app, admin).await?;
    let rows = approve::queue(&mut tx, after, limit + 1).await?;
    let total = approve::queue_length(&mut tx).await?;
    tx.commit().await?;
    Ok((List::page(rows, usize::try_from(limit).unwrap_or(20), |row| (row.since, row.version_id.0)), total))
}

/// A version that waits for a decision.
#[derive(Debug, Serialize, ToSchema)]
struct WaitingShape {
    version: Uuid,
    product: Uuid,
    title: String,
    #[schema(example = "1.2.0")]
    number: String,
    seller: String,
    /// The product was on sale before.
    is_update: bool,
    since: DateTime<Utc>,
    findings_to_review: i64,
}

impl From<Waiting> for WaitingShape {
    fn from(waiting: Waiting) -> Self {
        Self {
            version: waiting.version_id.0,
            product: waiting.product_id.0,
            title: waiting.title,
            number: waiting.number,
            seller: waiting.seller,
            is_update: waiting.is_update,
            since: waiting.since,
            findings_to_review: waiting.reviews,
        }
    }
}

/// One case.
#[derive(Debug, Serialize, ToSchema)]
struct CaseShape {
    version: Uuid,
    number: String,
    /// Markdown.
    changelog: String,
    file_name: String,
    size_bytes: Option<i64>,
    sha256: Option<String>,
    product: Uuid,
    title: String,
    short_description: String,
    /// Markdown.
    description: String,
    seller: String,
    #[schema(example = "pending")]
    product_state: &'static str,
    /// A decision is wanted now.
    is_open: bool,
    findings: Vec<FindingShape>,
    /// Against the version on sale; absent for the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    diff: Option<DiffShape>,
    /// `[{"path", "size"}]`
    #[schema(value_type = Vec<Object>)]
    files: Option<serde_json::Value>,
    /// CycloneDX.
    #[schema(value_type = Object)]
    bill_of_materials: Option<serde_json::Value>,
    /// Give it back with an approval, to be refused if the listing changed meanwhile.
    seen: DateTime<Utc>,
}

#[derive(Debug, Serialize, ToSchema)]
struct DiffShape {
    against: String,
    added: Vec<String>,
    removed: Vec<String>,
    changed: Vec<String>,
    unchanged: usize,
}

impl From<Case> for CaseShape {
    fn from(case: Case) -> Self {
        Self {
            version: case.version.id.0,
            number: case.version.number,
            changelog: case.version.changelog,
            file_name: case.version.file_name,
            size_bytes: case.version.size_bytes,
            sha256: case.version.sha256,
            product: case.product.id.0,
            title: case.product.title,
            short_description: case.product.short_description,
            description: case.product.description,
            seller: case.seller,
            product_state: case.product.state.as_str(),
            is_open: case.is_open,
            findings: case.findings.into_iter().map(Into::into).collect(),
            diff: case.diff.map(|diff| DiffShape {
                against: diff.against,
                added: diff.added,
                removed: diff.removed,
                changed: diff.changed,
                unchanged: diff.unchanged,
            }),
            files: case.contents.files,
            bill_of_materials: case.contents.bill_of_materials,
            seen: case.product.updated_at,
        }
    }
}

#[derive(Debug, Default, Deserialize, ToSchema)]
struct ApproveInput {
    /// `seen` of the case; with it, the approval is refused if the listing changed since.
    #[serde(default)]
    seen: Option<DateTime<Utc>>,
}

#[derive(Debug, Deserialize, ToSchema)]
struct ReasonInput {
    /// What the seller is told; 10 to 2,000 characters.
    reason: String,
}

/// The approval queue
///
/// The oldest first.
#[utoipa::path(get, path = "/api/admin/approvals", tag = "admin", operation_id = "list_approvals", security(("bearer" = []), ("session" = [])),
    params(Paging), responses((status = 200, body = List<WaitingShape>), (status = 403, body = Problem)))]
async fn list_approvals(
    State(app): State<App>,
    admin: AdminOnly,
    Query(paging): Query<Paging>,
) -> Result<axum::Json<List<WaitingShape>>> {
    let (found, _) = queue(&app, &admin.0, &paging).await?;
    Ok(axum::Json(found.map(WaitingShape::from)))
}

/// One case
#[utoipa::path(get, path = "/api/admin/approvals/{version}", tag = "admin", operation_id = "get_approval", security(("bearer" = []), ("session" = [])),
    params(("version" = Uuid, Path)), responses((status = 200, body = CaseShape), (status = 404, body = Problem)))]
async fn get_approval(State(app): State<App>, admin: AdminOnly, Path(id): Path<VersionId>) -> Result<axum::Json<CaseShape>> {
    Ok(axum::Json(find(&app, &admin.0, id).await?.into()))
}

/// Approve a version
#[utoipa::path(post, path = "/api/admin/approvals/{version}/approve", tag = "admin", operation_id = "approve_version", security(("bearer" = []), ("session" = [])),
    params(("version" = Uuid, Path)), request_body = ApproveInput,
    responses((status = 204), (status = 403, body = Problem), (status = 409, body = Problem)))]
async fn approve_version(
    State(app): State<App>,
    admin: AdminOnly,
    Path(id): Path<VersionId>,
    Json(input): Json<ApproveInput>,
) -> Result<StatusCode> {
    let mut tx = begin(&app, &admin.0).await?;
    let origin = origin();
    approve::approve(&mut tx, Decider { admin: admin.0.id, origin: &origin }, id, input.seen, app.now()).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Reject a version
#[utoipa::path(post, path = "/api/admin/approvals/{version}/reject", tag = "admin", operation_id = "reject_version", security(("bearer" = []), ("session" = [])),
    params(("version" = Uuid, Path)), request_body = ReasonInput,
    responses((status = 204), (status = 409, body = Problem), (status = 422, body = Problem)))]
async fn reject_version(
    State(app): State<App>,
    admin: AdminOnly,
    Path(id): Path<VersionId>,
    Json(input): Json<ReasonInput>,
) -> Result<StatusCode> {
    let mut tx = begin(&app, &admin.0).await?;
    let origin = origin();
    approve::reject(&mut tx, Decider { admin: admin.0.id, origin: &origin }, id, &input.reason, app.now()).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ask for changes
#[utoipa::path(post, path = "/api/admin/approvals/{version}/request-changes", tag = "admin", operation_id = "request_version_changes", security(("bearer" = []), ("session" = [])),
    params(("version" = Uuid, Path)), request_body = ReasonInput,
    responses((status = 204), (status = 409, body = Problem), (status = 422, body = Problem)))]
async fn request_version_changes(
    State(app): State<App>,
    admin: AdminOnly,
    Path(id): Path<VersionId>,
    Json(input): Json<ReasonInput>,
) -> Result<StatusCode> {
    let mut tx = begin(&app, &admin.0).await?;
    let origin = origin();
    approve::request_changes(&mut tx, Decider { admin: admin.0.id, origin: &origin }, id, &input.reason, app.now()).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
