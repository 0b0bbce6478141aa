//! `/admin/jobs` and `/api/admin/jobs`: the dashboard of the job system. What waits, runs and fails, at a glance and over time;
//! every job with what became of each attempt; and the acts a person needs at 3 a.m., on one job or on all that match.
//!
//! Every route is an admin's. Every act asks for a reason and commits together with its line in the audit log; jobs that pay
//! money out are acted on only when a second admin agrees (`second.rs`). Pages are whole without a script; with one, their
//! changing parts follow a stream (`live.rs`).

mod acts;
mod api;
mod bulk;
mod chart;
mod detail;
mod errors;
mod graph;
mod limits;
mod list;
pub mod live;
mod overview;
mod queues;
mod schedules;
mod second;
mod serving;
mod workers;
mod workflows;

pub(crate) use serving::{JobsOf, jobs_of, jobs_of_person};

use crate::{
    App, Error, Result,
    auth::AdminOnly,
    identity::origin,
    page::{self, Flash},
};
use axum::{Router, response::Response};
use mywork::{audit, db::Tx};
use utoipa_axum::router::OpenApiRouter;

/// Pages of this part.
pub fn pages() -> Router<App> {
    Router::new()
        .merge(overview::pages())
        .merge(list::pages())
        .merge(detail::pages())
        .merge(errors::pages())
        .merge(bulk::pages())
        .merge(queues::pages())
        .merge(limits::pages())
        .merge(schedules::pages())
        .merge(workers::pages())
        .merge(workflows::pages())
        .merge(live::pages())
}

/// API of this part, each route with its full path.
pub fn api() -> OpenApiRouter<App> {
    api::routes()
}

/// Why an act is done, as the audit log keeps it.
///
/// # Errors
/// When it says too little or too much.
fn reason(text: &str) -> Result<&str> {
    let text = text.trim();
    if (3..=500).contains(&text.chars().count()) {
        Ok(text)
    } else {
        Err(Error::invalid("reason", "Say why in 3 to 500 characters; it is kept in the audit log."))
    }
}

/// What is acted on, as the audit log names it.
struct Target<'a> {
    kind: &'static str,
    id: &'a str,
}

/// Adds to the audit log what an admin does, in the transaction that does it.
async fn note(
    app: &App,
    tx: &mut Tx,
    admin: &AdminOnly,
    action: &'static str,
    target: Target<'_>,
    reason: &str,
    changed: Option<(serde_json::Value, serde_json::Value)>,
) -> Result<()> {
    let entry = audit::Entry::new(admin.actor(), action, target.kind, target.id).because(reason).from(&origin());
    let entry = match changed {
        Some((before, after)) => entry.changed(before, after),
        None => entry,
    };
    Ok(audit::record(tx, &entry, app.now()).await?)
}

/// Back to the page an act came from, with what it did or why it was refused.
fn back(to: &str, done: Result<Flash>) -> Result<Response> {
    let flash = match done {
        Ok(flash) => flash,
        Err(Error::Conflict(why) | Error::Forbidden(why)) => Flash::warning(why),
        Err(Error::Invalid(errors)) => Flash::warning(Error::Invalid(errors).to_string()),
        Err(error) => return Err(error),
    };
    Ok(page::flash(page::see_other(to), flash))
}

/// The form of an act that wants only a reason.
#[derive(Debug, serde::Deserialize)]
struct Why {
    #[serde(default)]
    reason: String,
}
