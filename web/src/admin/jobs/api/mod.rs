//! `/api/admin/jobs`: everything the dashboard shows and does, for programs, over the same calls.

mod bulk;
mod glance;
mod jobs;
mod upkeep;
mod workflows;

use crate::App;
use utoipa_axum::router::OpenApiRouter;

/// API of this part, each route with its full path.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(jobs::routes())
        .merge(glance::routes())
        .merge(bulk::routes())
        .merge(workflows::routes())
        .merge(upkeep::routes())
}
