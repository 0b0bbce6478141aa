//! Everything at a glance, and what fails.

use super::super::{
    errors::{self, Since},
    overview::{self, Asked},
};
use crate::{App, Result, auth::AdminOnly, form::Query, openapi::Problem};
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(get_overview)).routes(routes!(list_errors))
}

/// The job system as it is now, and its runs over time.
#[derive(Debug, Serialize, ToSchema)]
struct AdminOverview {
    /// Jobs by state; what went well is counted for a day, what failed for as long as it is kept, up to ten thousand.
    states: BTreeMap<String, i64>,
    queues: Vec<AdminQueue>,
    kinds: Vec<AdminKind>,
    /// Slots of all workers, and how many of them are busy.
    slots: i64,
    busy: i64,
    /// What a person should look at now.
    alerts: Vec<AdminAlert>,
    /// Runs in equal stretches of time, by queue and kind.
    runs: Vec<AdminRuns>,
    releases: Vec<AdminRelease>,
}

/// A queue.
#[derive(Debug, Serialize, ToSchema)]
struct AdminQueue {
    name: String,
    waiting: i64,
    /// In line, but their kind is paused.
    held: i64,
    scheduled: i64,
    running: i64,
    /// Since when the oldest job in line could have run.
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest_waiting_since: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    paused_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pause_reason: Option<String>,
    /// At once, over all processes.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_running: Option<i32>,
}

/// A kind of job.
#[derive(Debug, Serialize, ToSchema)]
struct AdminKind {
    kind: String,
    /// Waiting or running now.
    unfinished: i64,
    /// Runs within the time asked about.
    runs: i64,
    failures: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    paused_at: Option<DateTime<Utc>>,
}

/// Something to look at.
#[derive(Debug, Serialize, ToSchema)]
struct AdminAlert {
    /// `oldest_waiting`, `quarantined`, `lost_worker`, `schedule_fault` or `default_partition`.
    #[schema(value_type = String)]
    kind: mywork_queue::admin::AlertKind,
    /// A queue, a kind, a worker, a schedule, a table.
    about: String,
    message: String,
}

/// Runs of a kind in a stretch of time.
#[derive(Debug, Serialize, ToSchema)]
struct AdminRuns {
    /// When the stretch begins.
    at: DateTime<Utc>,
    queue: String,
    kind: String,
    done: i64,
    failed: i64,
    /// Of work, in all.
    seconds: f64,
    /// Of standing in line, in all.
    waited: f64,
    slowest: f64,
}

/// When a release first had a worker.
#[derive(Debug, Serialize, ToSchema)]
struct AdminRelease {
    release: String,
    first_at: DateTime<Utc>,
}

/// The job system at a glance.
#[utoipa::path(get, path = "/api/admin/jobs/overview", tag = "admin", security(("bearer" = []), ("session" = [])), operation_id = "adminGetJobsOverview", params(Asked),
    responses((status = 200, body = AdminOverview), (status = 403, body = Problem)))]
async fn get_overview(State(app): State<App>, admin: AdminOnly, Query(asked): Query<Asked>) -> Result<axum::Json<AdminOverview>> {
    let (shown, _) = overview::look(&app, &admin, &asked).await?;
    let queues = shown.live.queues.into_iter().map(|line| AdminQueue {
        name: line.queue.name,
        waiting: line.queue.available,
        held: line.queue.held,
        scheduled: line.queue.scheduled,
        running: line.queue.running,
        oldest_waiting_since: line.queue.oldest_available_at,
        paused_at: line.queue.paused_at,
        pause_reason: line.queue.pause_reason,
        max_running: line.queue.max_running,
    });
    let kinds = shown.kinds.into_iter().map(|line| AdminKind {
        kind: line.count.kind,
        unfinished: line.count.unfinished,
        runs: line.runs,
        failures: line.failures,
        paused_at: line.count.paused_at,
    });
    let runs = shown.buckets.into_iter().map(|bucket| AdminRuns {
        at: bucket.at,
        queue: bucket.queue,
        kind: bucket.kind,
        done: bucket.done,
        failed: bucket.failed,
        seconds: bucket.seconds,
        waited: bucket.waited,
        slowest: bucket.slowest,
    });
    let alerts = shown.alerts.into_iter();
    Ok(axum::Json(AdminOverview {
        states: shown.live.states.into_iter().map(|count| (count.state.to_string(), count.jobs)).collect(),
        queues: queues.collect(),
        kinds: kinds.collect(),
        slots: shown.live.capacity,
        busy: shown.live.busy,
        alerts: alerts.map(|alert| AdminAlert { kind: alert.kind, about: alert.about, message: alert.message }).collect(),
        runs: runs.collect(),
        releases: shown
            .releases
            .into_iter()
            .map(|mark| AdminRelease { release: mark.release, first_at: mark.first_at })
            .collect(),
    }))
}

/// Errors that differ only in ids and numbers.
#[derive(Debug, Serialize, ToSchema)]
struct AdminErrorGroup {
    /// What they have in common: narrows the list of jobs.
    fingerprint: String,
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_class: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latest_error: Option<String>,
    latest_job: i64,
    runs: i64,
    first_at: DateTime<Utc>,
    last_at: DateTime<Utc>,
}

/// What fails, the most frequent first.
#[utoipa::path(get, path = "/api/admin/jobs/errors", tag = "admin", security(("bearer" = []), ("session" = [])), operation_id = "adminListJobErrors", params(Since),
    responses((status = 200, body = Vec<AdminErrorGroup>), (status = 403, body = Problem)))]
async fn list_errors(
    State(app): State<App>,
    admin: AdminOnly,
    Query(Since { window }): Query<Since>,
) -> Result<axum::Json<Vec<AdminErrorGroup>>> {
    let groups = errors::find(&app, &admin, window).await?.into_iter().map(|line| AdminErrorGroup {
        fingerprint: line.group.fingerprint,
        kind: line.group.kind,
        error_class: line.group.error_class,
        latest_error: line.group.latest_error,
        latest_job: line.group.latest_job.0,
        runs: line.group.runs,
        first_at: line.group.first_at,
        last_at: line.group.last_at,
    });
    Ok(axum::Json(groups.collect()))
}
