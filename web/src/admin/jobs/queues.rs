//! Pausing, resuming and draining a queue or a kind, from the overview. Workers heed within a second; what runs goes on, and what
//! is paused is drained when nothing of it runs any more.

use super::{Target, Why, back, note, reason};
use crate::{
    App, Error, Result,
    auth::AdminOnly,
    form::{Form, Path},
    page::Flash,
};
use axum::{Router, extract::State, response::Response, routing::post};
use mywork_queue::admin::{self, Draining};
use serde_json::json;

/// Pages of this part.
pub(super) fn pages() -> Router<App> {
    Router::new()
        .route("/admin/jobs/queues/{queue}/pause", post(pause_queue))
        .route("/admin/jobs/queues/{queue}/resume", post(resume_queue))
        .route("/admin/jobs/kinds/{kind}/pause", post(pause_kind))
        .route("/admin/jobs/kinds/{kind}/resume", post(resume_kind))
}

/// What is paused: a line of jobs, or all jobs of one kind, in whatever line.
#[derive(Clone, Copy, Debug)]
pub(super) enum What<'a> {
    Queue(&'a str),
    Kind(&'a str),
}

impl<'a> What<'a> {
    fn name(self) -> &'a str {
        match self {
            Self::Queue(name) | Self::Kind(name) => name,
        }
    }

    /// As the audit log names it.
    fn target(self) -> Target<'a> {
        match self {
            Self::Queue(id) => Target { kind: "queue", id },
            Self::Kind(id) => Target { kind: "kind", id },
        }
    }
}

/// Pauses it and records it; answers with how many of its jobs run still.
pub(super) async fn pause(app: &App, admin: &AdminOnly, what: What<'_>, why: &str) -> Result<Draining> {
    let why = reason(why)?;
    let name = what.name();
    if name.is_empty() || name.len() > 200 {
        return Err(Error::NotFound("queue"));
    }
    let mut tx = app.db.begin(admin.actor()).await?;
    let (action, draining) = match what {
        What::Queue(queue) => ("queue.pause", admin::drain(&mut tx, queue, why).await?),
        What::Kind(kind) => ("kind.pause", admin::drain_kind(&mut tx, kind, why).await?),
    };
    let changed = (json!({}), json!({ "running": draining.running }));
    note(app, &mut tx, admin, action, what.target(), why, Some(changed)).await?;
    tx.commit().await?;
    Ok(draining)
}

/// Lets its jobs start again and records it.
pub(super) async fn resume(app: &App, admin: &AdminOnly, what: What<'_>, why: &str) -> Result<()> {
    let why = reason(why)?;
    let mut tx = app.db.begin(admin.actor()).await?;
    let (action, resumed) = match what {
        What::Queue(queue) => ("queue.resume", admin::resume(&mut tx, queue).await?),
        What::Kind(kind) => ("kind.resume", admin::resume_kind(&mut tx, kind).await?),
    };
    if !resumed {
        return Err(Error::Conflict(format!("{} is not paused.", what.name())));
    }
    note(app, &mut tx, admin, action, what.target(), why, None).await?;
    tx.commit().await?;
    Ok(())
}

async fn pause_on_page(app: &App, admin: &AdminOnly, what: What<'_>, why: &str) -> Result<Response> {
    let told = |draining: Draining| match draining.running {
        0 => format!("{} is paused, and none of its jobs runs.", what.name()),
        1 => format!("{} is paused. One of its jobs runs still.", what.name()),
        running => format!("{} is paused. {running} of its jobs run still.", what.name()),
    };
    back("/admin/jobs", pause(app, admin, what, why).await.map(told).map(Flash::success))
}

async fn resume_on_page(app: &App, admin: &AdminOnly, what: What<'_>, why: &str) -> Result<Response> {
    let told = |()| Flash::success(format!("Jobs of {} start again.", what.name()));
    back("/admin/jobs", resume(app, admin, what, why).await.map(told))
}

async fn pause_queue(
    State(app): State<App>,
    admin: AdminOnly,
    Path(name): Path<String>,
    Form(why): Form<Why>,
) -> Result<Response> {
    pause_on_page(&app, &admin, What::Queue(&name), &why.reason).await
}

async fn resume_queue(
    State(app): State<App>,
    admin: AdminOnly,
    Path(name): Path<String>,
    Form(why): Form<Why>,
) -> Result<Response> {
    resume_on_page(&app, &admin, What::Queue(&name), &why.reason).await
}

async fn pause_kind(
    State(app): State<App>,
    admin: AdminOnly,
    Path(name): Path<String>,
    Form(why): Form<Why>,
) -> Result<Response> {
    pause_on_page(&app, &admin, What::Kind(&name), &why.reason).await
}

async fn resume_kind(
    State(app): State<App>,
    admin: AdminOnly,
    Path(name): Path<String>,
    Form(why): Form<Why>,
) -> Result<Response> {
    resume_on_page(&app, &admin, What::Kind(&name), &why.reason).await
}
