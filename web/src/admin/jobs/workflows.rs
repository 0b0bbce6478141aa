//! `/admin/jobs/workflows`: work of several steps. A list by state and name; one workflow drawn as the graph of its steps, with
//! what each waits for, did and answered; and the acts on it: again from the step that failed, cancel, undo what was done.

use super::{
    Target, Why,
    acts::sentence,
    back,
    graph::{Graph, Step},
    list::{given, page_of},
    live::Frame,
    note, reason, second,
};
use crate::{
    App, Error, Result,
    auth::{AdminOnly, Viewer},
    form::{Form, Path, Query},
    openapi::{Cursor, List},
    page::Flash,
};
use axum::{
    Router,
    extract::State,
    response::Response,
    routing::{get, post},
};
use mywork::db::{Actor, Tx};
use mywork_queue::{
    Subject,
    admin::JobState,
    workflow::{
        self, FlowError, StepKind, StepRow, StepState, WorkflowDetail, WorkflowFilter, WorkflowId, WorkflowRow, WorkflowState,
    },
};
use serde::{Deserialize, Serialize};
use serde_json::json;

const ROWS: u32 = 50;

/// Pages of this part.
pub(super) fn pages() -> Router<App> {
    Router::new()
        .route("/admin/jobs/workflows", get(list))
        .route("/admin/jobs/workflows/{workflow}", get(show))
        .route("/admin/jobs/workflows/{workflow}/resume", post(resume))
        .route("/admin/jobs/workflows/{workflow}/cancel", post(cancel))
        .route("/admin/jobs/workflows/{workflow}/undo", post(undo))
}

/// What a list is narrowed to; an empty text does not narrow.
#[derive(Clone, Debug, Default, Deserialize, Serialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(super) struct Asked {
    /// `held`, `running`, `failed`, `undoing`, `done`, `cancelled` or `undone`.
    pub state: String,
    pub name: String,
    /// Kind of the business object it serves, as `version`.
    pub subject_kind: String,
    pub subject_id: String,
}

impl Asked {
    fn query(&self) -> String {
        let query = serde_urlencoded::to_string(self).unwrap_or_default();
        query.split('&').filter(|pair| !pair.ends_with('=')).collect::<Vec<_>>().join("&")
    }
}

/// The page of the list that begins after `cursor`.
pub(super) async fn find(app: &App, admin: &AdminOnly, asked: &Asked, cursor: &str, limit: u32) -> Result<List<WorkflowRow>> {
    let states = match given(&asked.state) {
        Some(state) => vec![state.parse::<WorkflowState>().map_err(|why| Error::invalid("state", sentence(&why)))?],
        None => Vec::new(),
    };
    let before = if cursor.is_empty() { None } else { Some(WorkflowId(Cursor::<i64>::decode(cursor)?.0)) };
    let subject = given(&asked.subject_kind).zip(given(&asked.subject_id)).map(|(kind, id)| Subject::new(kind, id));
    let filter = WorkflowFilter { states, name: given(&asked.name), subject, before, limit: limit + 1 };
    let mut tx = app.db.begin(admin.actor()).await?;
    let rows = workflow::list(&mut tx, &filter).await?;
    tx.commit().await?;
    Ok(List::page(rows, limit as usize, |row| row.id.0))
}

#[derive(Serialize)]
struct ListPage {
    asked: Asked,
    states: Vec<(&'static str, String)>,
    workflows: Vec<WorkflowRow>,
    next: String,
    first_page: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Page {
    cursor: String,
}

async fn list(
    State(app): State<App>,
    admin: AdminOnly,
    Query(asked): Query<Asked>,
    Query(Page { cursor }): Query<Page>,
) -> Result<Response> {
    let found = find(&app, &admin, &asked, &cursor, ROWS).await?;
    let of_state = |state: &'static str| {
        let narrowed = Asked { state: state.to_owned(), ..asked.clone() };
        (state, format!("/admin/jobs/workflows?{}", narrowed.query()))
    };
    let address = |cursor: &str| page_of("/admin/jobs/workflows", &asked.query(), cursor);
    let page = ListPage {
        states: [""].into_iter().chain(WorkflowState::ALL.map(WorkflowState::as_str)).map(of_state).collect(),
        next: found.next_cursor.as_deref().map(&address).unwrap_or_default(),
        first_page: if cursor.is_empty() { String::new() } else { address("") },
        workflows: found.data,
        asked,
    };
    app.page(&admin, "pages/admin/jobs/workflows.html", &page)
}

/// A workflow as its page shows it.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    workflow: WorkflowRow,
    graph: Graph,
    steps: Vec<StepLine>,
    done: usize,
    is_over: bool,
    can_undo: bool,
}

/// A step with what there is to say about it.
#[derive(Debug, Serialize)]
struct StepLine {
    #[serde(flatten)]
    row: StepRow,
    /// Of a fan-out: `412 of 10,000`.
    progress: String,
    /// What it answered, as text.
    answer: String,
    /// The class of its point on the line.
    point: &'static str,
}

impl StepLine {
    fn of(row: StepRow) -> Self {
        let all: i64 = row.jobs.iter().map(|count| count.jobs).sum();
        let done: i64 = row.jobs.iter().filter(|count| count.state == JobState::Done).map(|count| count.jobs).sum();
        let progress = if row.kind == StepKind::FanOut && all > 0 { format!("{done} of {all}") } else { String::new() };
        let point = match row.state {
            StepState::Done => "done",
            StepState::Failed => "failed",
            StepState::Running | StepState::Undoing => "current busy",
            StepState::Waiting => "waiting",
            StepState::Blocked | StepState::Cancelled | StepState::Undone => "",
        };
        let answer =
            row.output.as_ref().filter(|output| !output.is_null()).map(|output| format!("{output:#}")).unwrap_or_default();
        Self { progress, answer, point, row }
    }
}

impl Shown {
    fn of(WorkflowDetail { workflow, steps }: WorkflowDetail) -> Self {
        let steps: Vec<StepLine> = steps.into_iter().map(StepLine::of).collect();
        let drawn: Vec<Step<'_>> = steps
            .iter()
            .map(|step| Step {
                name: &step.row.name,
                state: step.row.state.as_str(),
                detail: step.progress.clone(),
                needs: &step.row.needs,
            })
            .collect();
        let graph = Graph::of(&drawn);
        Self {
            graph,
            done: steps.iter().filter(|step| step.row.state == StepState::Done).count(),
            can_undo: steps.iter().any(|step| step.row.undo_kind.is_some() && step.row.state == StepState::Done),
            is_over: workflow.state.is_finished(),
            steps,
            workflow,
        }
    }
}

pub(super) async fn one(app: &App, actor: Actor, id: i64) -> Result<WorkflowDetail> {
    let mut tx = app.db.begin(actor).await?;
    let found = workflow::find(&mut tx, WorkflowId(id)).await?.ok_or(Error::NotFound("workflow"))?;
    tx.commit().await?;
    Ok(found)
}

#[derive(Serialize)]
struct ShowPage {
    live: Shown,
}

async fn show(State(app): State<App>, admin: AdminOnly, Path(id): Path<i64>) -> Result<Response> {
    let live = Shown::of(one(&app, admin.actor(), id).await?);
    app.page(&admin, "pages/admin/jobs/workflow.html", &ShowPage { live })
}

/// What the stream shows of a workflow.
pub(super) async fn frame(app: &App, id: i64) -> Result<Frame> {
    let live = Shown::of(one(app, Actor::System, id).await?);
    let is_over = live.is_over;
    let html = app.fragment(&None::<Viewer>, "pages/admin/jobs/_workflow.html", &ShowPage { live })?;
    Ok(Frame { html: html.into(), is_over })
}

/// What an admin does to a workflow.
#[derive(Clone, Copy, Debug)]
pub(super) enum Deed {
    Resume,
    Cancel,
    Undo,
}

/// Acts and records it in one transaction; answers with what to tell.
pub(super) async fn act(app: &App, admin: &AdminOnly, id: i64, deed: Deed, why: &str) -> Result<&'static str> {
    let why = reason(why)?;
    let id = WorkflowId(id);
    let mut tx = app.db.begin(admin.actor()).await?;
    let before = workflow::find(&mut tx, id).await?.ok_or(Error::NotFound("workflow"))?;
    if pays_out(&mut tx, &before).await? {
        return Err(Error::Forbidden(
            "This workflow pays money out, which no admin does alone. Act on its jobs one by one: each becomes a proposal that a second admin approves."
                .to_owned(),
        ));
    }
    let (action, told) = match deed {
        Deed::Resume => {
            workflow::resume(&mut tx, id).await.map_err(refused)?;
            ("workflow.resume", "The workflow goes on from where it failed.")
        }
        Deed::Cancel => {
            workflow::cancel(&mut tx, id, why).await.map_err(refused)?;
            ("workflow.cancel", "The workflow is cancelled. What runs of it has been asked to stop.")
        }
        Deed::Undo => {
            workflow::undo(&mut tx, id, why).await.map_err(refused)?;
            ("workflow.undo", "What the workflow has done is being undone, the latest first.")
        }
    };
    let changed = (json!({ "state": before.workflow.state }), json!({ "name": before.workflow.name }));
    note(app, &mut tx, admin, action, Target { kind: "workflow", id: &id.to_string() }, why, Some(changed)).await?;
    tx.commit().await?;
    Ok(told)
}

/// Whether a job of it, or of a workflow within it, pays money out.
async fn pays_out(tx: &mut Tx, outermost: &WorkflowDetail) -> Result<bool> {
    let pays = |step: &StepRow| [&step.job_kind, &step.undo_kind].into_iter().flatten().any(|kind| second::is_guarded(kind));
    let mut within: Vec<WorkflowId> = outermost.steps.iter().filter_map(|step| step.workflow).collect();
    let mut found = outermost.steps.iter().any(pays);
    while let Some(id) = within.pop().filter(|_| !found) {
        let steps = workflow::find(tx, id).await?.map(|inner| inner.steps).unwrap_or_default();
        found = steps.iter().any(pays);
        within.extend(steps.iter().filter_map(|step| step.workflow));
    }
    Ok(found)
}

fn refused(error: FlowError) -> Error {
    match error {
        FlowError::NotFound(_) => Error::NotFound("workflow"),
        FlowError::Database(error) => error.into(),
        refusal => Error::Conflict(sentence(&refusal.to_string())),
    }
}

async fn act_on_page(app: &App, admin: &AdminOnly, id: i64, deed: Deed, why: &str) -> Result<Response> {
    back(&format!("/admin/jobs/workflows/{id}"), act(app, admin, id, deed, why).await.map(Flash::success))
}

async fn resume(State(app): State<App>, admin: AdminOnly, Path(id): Path<i64>, Form(why): Form<Why>) -> Result<Response> {
    act_on_page(&app, &admin, id, Deed::Resume, &why.reason).await
}

async fn cancel(State(app): State<App>, admin: AdminOnly, Path(id): Path<i64>, Form(why): Form<Why>) -> Result<Response> {
    act_on_page(&app, &admin, id, Deed::Cancel, &why.reason).await
}

async fn undo(State(app): State<App>, admin: AdminOnly, Path(id): Path<i64>, Form(why): Form<Why>) -> Result<Response> {
    act_on_page(&app, &admin, id, Deed::Undo, &why.reason).await
}
