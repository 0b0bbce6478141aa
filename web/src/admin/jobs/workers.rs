//! `/admin/jobs/workers`: the processes that do the work: where each runs, which release, how much memory, how busy. A worker can
//! be asked to be quiet: it takes no new jobs and goes on with those it has, as before a deployment or while somebody looks at it.

use super::{Target, Why, back, note, reason};
use crate::{
    App, Error, Result,
    auth::AdminOnly,
    form::{Form, Path},
    page::Flash,
};
use axum::{
    Router,
    extract::State,
    response::Response,
    routing::{get, post},
};
use mywork_queue::admin::{self, WorkerRow};
use serde::Serialize;
use uuid::Uuid;

/// Pages of this part.
pub(super) fn pages() -> Router<App> {
    Router::new()
        .route("/admin/jobs/workers", get(list))
        .route("/admin/jobs/workers/{worker}/quiet", post(quiet))
        .route("/admin/jobs/workers/{worker}/unquiet", post(unquiet))
}

pub(super) async fn all(app: &App, admin: &AdminOnly) -> Result<Vec<WorkerRow>> {
    let mut tx = app.db.begin(admin.actor()).await?;
    let workers = admin::workers(&mut tx).await?;
    tx.commit().await?;
    Ok(workers)
}

#[derive(Serialize)]
struct ListPage {
    live: Vec<WorkerRow>,
    gone: Vec<WorkerRow>,
}

async fn list(State(app): State<App>, admin: AdminOnly) -> Result<Response> {
    let is_live = |worker: &WorkerRow| worker.stopped_at.is_none() && worker.lost_at.is_none();
    let (live, gone) = all(&app, &admin).await?.into_iter().partition(is_live);
    app.page(&admin, "pages/admin/jobs/workers.html", &ListPage { live, gone })
}

/// Asks a worker to take no new jobs, or to take them again, and records it.
pub(super) async fn ask(app: &App, admin: &AdminOnly, worker: Uuid, be_quiet: bool, why: &str) -> Result<&'static str> {
    let why = reason(why)?;
    let mut tx = app.db.begin(admin.actor()).await?;
    if !admin::quiet(&mut tx, worker, be_quiet).await? {
        return Err(Error::NotFound("worker at work"));
    }
    let (action, told) = if be_quiet {
        ("worker.quiet", "The worker takes no new jobs. Those it has it finishes.")
    } else {
        ("worker.unquiet", "The worker takes jobs again.")
    };
    note(app, &mut tx, admin, action, Target { kind: "worker", id: &worker.to_string() }, why, None).await?;
    tx.commit().await?;
    Ok(told)
}

async fn quiet(State(app): State<App>, admin: AdminOnly, Path(worker): Path<Uuid>, Form(why): Form<Why>) -> Result<Response> {
    back("/admin/jobs/workers", ask(&app, &admin, worker, true, &why.reason).await.map(Flash::success))
}

async fn unquiet(State(app): State<App>, admin: AdminOnly, Path(worker): Path<Uuid>, Form(why): Form<Why>) -> Result<Response> {
    back("/admin/jobs/workers", ask(&app, &admin, worker, false, &why.reason).await.map(Flash::success))
}
