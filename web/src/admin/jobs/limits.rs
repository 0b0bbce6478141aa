//! `/admin/jobs/limits`: what holds jobs back on purpose. Rates with their buckets, how many runs could begin now, and until when a
//! provider wants to be left alone; keys of which only so many jobs run at once, and who waits for them.

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
use mywork_queue::admin::{self, ConcurrencyKeyRow, RateKeyRow, RateRow};
use serde::Serialize;

/// Pages of this part.
pub(super) fn pages() -> Router<App> {
    Router::new().route("/admin/jobs/limits", get(show)).route("/admin/jobs/limits/{key}/open", post(open))
}

/// The limits as they stand.
#[derive(Debug, Serialize)]
pub(super) struct Limits {
    pub rates: Vec<RateRow>,
    pub rate_keys: Vec<RateKeyRow>,
    pub concurrency_keys: Vec<ConcurrencyKeyRow>,
}

pub(super) async fn all(app: &App, admin: &AdminOnly) -> Result<Limits> {
    let mut tx = app.db.begin(admin.actor()).await?;
    let limits = Limits {
        rates: admin::rates(&mut tx).await?,
        rate_keys: admin::rate_keys(&mut tx).await?,
        concurrency_keys: admin::concurrency_keys(&mut tx).await?,
    };
    tx.commit().await?;
    Ok(limits)
}

async fn show(State(app): State<App>, admin: AdminOnly) -> Result<Response> {
    app.page(&admin, "pages/admin/jobs/limits.html", &all(&app, &admin).await?)
}

/// Lets jobs draw from a bucket again before the time its provider gave, and records it.
pub(super) async fn open_early(app: &App, admin: &AdminOnly, key: &str, why: &str) -> Result<()> {
    let why = reason(why)?;
    let mut tx = app.db.begin(admin.actor()).await?;
    if !admin::open_bucket(&mut tx, key).await? {
        return Err(Error::Conflict(format!("{key} is not paused.")));
    }
    note(app, &mut tx, admin, "bucket.open", Target { kind: "bucket", id: key }, why, None).await?;
    tx.commit().await?;
    Ok(())
}

async fn open(State(app): State<App>, admin: AdminOnly, Path(key): Path<String>, Form(why): Form<Why>) -> Result<Response> {
    let told = |()| Flash::success(format!("Jobs draw from {key} again."));
    back("/admin/jobs/limits", open_early(&app, &admin, &key, &why.reason).await.map(told))
}
