//! What monitors ask workers and schedulers, on a port of their own (`METRICS_PORT`): `/metrics` for Prometheus, `/health/live`
//! (the process answers at all) and `/health/ready` (it is not stopping, and the database answers). The web process has routes
//! of its own for this; in `dev` its one registry serves for all parts.

use anyhow::Context;
use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use metrics_exporter_prometheus::PrometheusHandle;
use mywork::db::Db;
use std::{net::Ipv4Addr, time::Duration};
use tokio::{net::TcpListener, time::timeout};
use tokio_util::sync::CancellationToken;

/// A database that takes longer to answer is not ready.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often what was measured is put in order, whether or not anybody asks.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

#[derive(Clone)]
struct Monitor {
    metrics: PrometheusHandle,
    db: Db,
    stop: CancellationToken,
}

/// Begins to measure and to answer, until the process ends.
///
/// # Errors
/// When the port is taken, or the process measures already.
pub async fn open(port: u16, db: Db, stop: CancellationToken) -> anyhow::Result<()> {
    let metrics = mywork_web::ops::metrics::install().context("metrics cannot be recorded")?;
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await.with_context(|| {
        format!("port {port} cannot be used: set METRICS_PORT to a free one, each process of a machine its own")
    })?;
    let upkeep = metrics.clone();
    tokio::spawn(async move {
        let mut interval = tokio::time::interval(UPKEEP_EVERY);
        loop {
            interval.tick().await;
            upkeep.run_upkeep();
        }
    });
    let routes = Router::new()
        .route("/metrics", get(show))
        .route("/health/live", get(async || "alive\n"))
        .route("/health/ready", get(ready))
        .with_state(Monitor { metrics, db, stop });
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, routes).await {
            tracing::error!(%error, "monitors are no longer answered");
        }
    });
    tracing::info!(port, "answering monitors");
    Ok(())
}

async fn show(State(monitor): State<Monitor>) -> Response {
    mywork_web::ops::metrics::measure(&monitor.db);
    ([("content-type", "text/plain; version=0.0.4; charset=utf-8")], monitor.metrics.render()).into_response()
}

async fn ready(State(monitor): State<Monitor>) -> Response {
    let up = !monitor.stop.is_cancelled() && matches!(timeout(PATIENCE, monitor.db.ping()).await, Ok(Ok(())));
    if up { "ready\n".into_response() } else { (axum::http::StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response() }
}
