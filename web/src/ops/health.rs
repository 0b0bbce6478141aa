//! `/health`: every dependency asked in parallel, each with its latency and error, kept for five seconds so that monitors cost
//! the vendors nothing. The database is needed to serve anything (503 without it); a vendor that does not answer makes the
//! answer `degraded`, since what needs it waits in jobs. `/ready` asks the database alone.

use crate::App;
use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use chrono::Duration as Span;
use http::{StatusCode, header};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    fmt::Display,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{sync::Mutex, time};
use utoipa::ToSchema;

const KEPT: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(3);
/// A job that has waited this long tells that workers are missing.
const STALE_QUEUE: Span = Span::minutes(5);

/// The last report, shared by all requests of a process.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<Option<(Instant, Report)>>>);

/// How things are.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Report {
    pub status: Status,
    /// By dependency: `database`, `queue`, `storage`, `stripe`, `email`.
    pub checks: BTreeMap<&'static str, Check>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Everything answers.
    Ok,
    /// Pages are served; something behind them waits.
    Degraded,
    /// Nothing can be served.
    Down,
}

/// How one dependency is.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Check {
    pub status: Status,
    pub latency_ms: u64,
    pub error: Option<String>,
}

impl Check {
    async fn of<E: Display>(when_failing: Status, asking: impl Future<Output = Result<(), E>>) -> Self {
        let started = Instant::now();
        let error = match time::timeout(PATIENCE, asking).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some(format!("no answer within {} s", PATIENCE.as_secs())),
        };
        let latency_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Self { status: if error.is_none() { Status::Ok } else { when_failing }, latency_ms, error }
    }
}

async fn look(app: &App) -> Report {
    let queue = async {
        let age = mywork::health::queue_age(&app.db, app.now()).await.map_err(|error| error.to_string())?;
        if age > STALE_QUEUE {
            Err(format!("the oldest job has waited {} min; are workers running?", age.num_minutes()))
        } else {
            Ok(())
        }
    };
    let (database, queue, storage, stripe, email) = tokio::join!(
        Check::of(Status::Down, app.db.ping()),
        Check::of(Status::Degraded, queue),
        Check::of(Status::Degraded, app.storage.ping()),
        Check::of(Status::Degraded, app.stripe.ping()),
        Check::of(Status::Degraded, app.mailer.ping()),
    );
    let checks =
        BTreeMap::from([("database", database), ("queue", queue), ("storage", storage), ("stripe", stripe), ("email", email)]);
    let worst = |status| checks.values().any(|check: &Check| check.status == status);
    let status = if worst(Status::Down) {
        Status::Down
    } else if worst(Status::Degraded) {
        Status::Degraded
    } else {
        Status::Ok
    };
    Report { status, checks }
}

/// Every dependency with its latency and, where it fails, why.
#[utoipa::path(get, path = "/health", tag = "operations", operation_id = "health",
    responses((status = 200, body = Report), (status = 503, body = Report, description = "The database does not answer.")))]
pub async fn health(State(app): State<App>) -> Response {
    // One asks, the others wait for its answer.
    let mut last = app.health.0.lock().await;
    let report = match &*last {
        Some((at, report)) if at.elapsed() < KEPT => report.clone(),
        _ => {
            let report = look(&app).await;
            *last = Some((Instant::now(), report.clone()));
            report
        }
    };
    let status = if report.status == Status::Down { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (status, [(header::CACHE_CONTROL, "no-store")], Json(report)).into_response()
}

/// Whether traffic may come: the database answers and the process is not stopping.
#[utoipa::path(get, path = "/ready", tag = "operations", operation_id = "ready",
    responses((status = 200, description = "It may."), (status = 503, description = "Not now.")))]
pub async fn ready(State(app): State<App>) -> Response {
    let up = !app.shutdown.is_cancelled() && matches!(time::timeout(PATIENCE, app.db.ping()).await, Ok(Ok(())));
    let (status, word) = if up { (StatusCode::OK, "ready") } else { (StatusCode::SERVICE_UNAVAILABLE, "not ready") };
    (status, [(header::CACHE_CONTROL, "no-store")], Json(serde_json::json!({ "status": word }))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_dependency_that_hangs_is_given_up_on() {
        let check = Check::of(Status::Degraded, std::future::pending::<Result<(), String>>()).await;
        assert_eq!(check.status, Status::Degraded);
        assert_eq!(check.error.as_deref(), Some("no answer within 3 s"));
    }

    #[tokio::test]
    async fn a_failing_dependency_says_why() {
        let check = Check::of(Status::Down, async { Err("connection refused") }).await;
        assert_eq!((check.status, check.error.as_deref()), (Status::Down, Some("connection refused")));
    }
}
