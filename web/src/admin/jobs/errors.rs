//! `/admin/jobs/errors`: what fails, grouped so that errors which differ only in ids and numbers are one; over an hour, a day, a
//! week. Each group leads to its jobs, and those that were given up can be run again together.

use super::{
    chart::{Axis, Spark},
    list::Asked,
};
use crate::{App, Result, auth::AdminOnly, form::Query};
use axum::{Router, extract::State, response::Response, routing::get};
use chrono::TimeDelta;
use mywork_queue::admin::{self, ErrorGroup};
use serde::{Deserialize, Serialize};

/// Pages of this part.
pub(super) fn pages() -> Router<App> {
    Router::new().route("/admin/jobs/errors", get(show))
}

/// How far back to look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, utoipa::ToSchema)]
pub(super) enum Window {
    #[serde(rename = "1h")]
    Hour,
    #[default]
    #[serde(rename = "24h")]
    Day,
    #[serde(rename = "7d")]
    Week,
}

impl Window {
    pub fn length(self) -> TimeDelta {
        match self {
            Self::Hour => TimeDelta::hours(1),
            Self::Day => TimeDelta::hours(24),
            Self::Week => TimeDelta::days(7),
        }
    }
}

#[derive(Clone, Copy, Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(super) struct Since {
    /// `1h`, `24h` or `7d`.
    #[param(inline)]
    pub window: Window,
}

/// A group of errors, and how often it happened lately.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    #[serde(flatten)]
    pub group: ErrorGroup,
    spark: Spark,
    /// What the dry run of "retry this group" is asked for with.
    retry: String,
}

pub(super) async fn find(app: &App, admin: &AdminOnly, window: Window) -> Result<Vec<Line>> {
    let now = app.now();
    let axis = axis(window, now);
    let mut tx = app.db.begin(admin.actor()).await?;
    let groups = admin::errors(&mut tx, now - window.length()).await?;
    let hours = admin::error_hours(&mut tx, axis.from).await?;
    tx.commit().await?;
    let line = |group: ErrorGroup| {
        let mut counts = vec![0; axis.steps];
        for hour in hours.iter().filter(|hour| hour.fingerprint == group.fingerprint && hour.kind == group.kind) {
            if let Some(place) = axis.place(hour.hour) {
                counts[place] += hour.runs;
            }
        }
        let retry = Asked {
            state: "dead".to_owned(),
            kind: group.kind.clone(),
            fingerprint: group.fingerprint.clone(),
            ..Asked::default()
        };
        let over = if window == Window::Week { "a week" } else { "a day" };
        let spark = Spark::of(&counts, format!("{} times over {over}", counts.iter().sum::<i64>()));
        Line { retry: format!("/admin/jobs/bulk/new?act=retry&{}", retry.query()), spark, group }
    };
    Ok(groups.into_iter().map(line).collect())
}

/// Errors are counted by the hour; the line of an hour would be a dot, so it shows the day around it.
fn axis(window: Window, now: chrono::DateTime<chrono::Utc>) -> Axis {
    match window {
        Window::Hour | Window::Day => Axis::until(now, TimeDelta::hours(1), 24),
        Window::Week => Axis::until(now, TimeDelta::hours(6), 28),
    }
}

#[derive(Serialize)]
struct ShowPage {
    window: Window,
    errors: Vec<Line>,
}

async fn show(State(app): State<App>, admin: AdminOnly, Query(Since { window }): Query<Since>) -> Result<Response> {
    let errors = find(&app, &admin, window).await?;
    app.page(&admin, "pages/admin/jobs/errors.html", &ShowPage { window, errors })
}
