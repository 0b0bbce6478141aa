//! `/metrics` for Prometheus. HTTP is counted by route template, so that an id in a path makes no new series; the pool of
//! connections is read when asked. Money counters (`orders_total{status}`, `order_amount_dollars`) are written where orders
//! change; their buckets are set here, where the recorder is made.

use crate::{App, Error, Result};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{Method, StatusCode, header};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use mywork::db::Db;
use std::time::Duration;

/// Makes Prometheus the recorder of this process; once, at start.
///
/// # Errors
/// When the process has a recorder already.
pub fn install() -> std::result::Result<PrometheusHandle, BuildError> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(
            Matcher::Full("http_request_duration_seconds".to_owned()),
            &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0],
        )?
        .set_buckets_for_metric(
            Matcher::Full("order_amount_dollars".to_owned()),
            &[10.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 5000.0],
        )?
        .set_buckets_for_metric(
            Matcher::Full("queue_job_duration_seconds".to_owned()),
            &[0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0],
        )?
        .set_buckets_for_metric(
            Matcher::Full("queue_job_wait_seconds".to_owned()),
            &[0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 60.0, 300.0, 1800.0],
        )?
        .install_recorder()?;
    metrics::describe_counter!("http_requests_total", "Requests answered, by method, route template and status.");
    metrics::describe_histogram!(
        "http_request_duration_seconds",
        metrics::Unit::Seconds,
        "Time from a request's head to its answer's."
    );
    metrics::describe_gauge!("db_connections", "Connections of this process to Postgres, by state.");
    metrics::describe_counter!("orders_total", "Orders that reached a status.");
    metrics::describe_histogram!("order_amount_dollars", "Amounts of paid orders.");
    Ok(handle)
}

pub(crate) fn record_request(method: &Method, route: &str, status: StatusCode, elapsed: Duration) {
    let method = match *method {
        Method::GET | Method::HEAD | Method::POST | Method::PUT | Method::PATCH | Method::DELETE | Method::OPTIONS => {
            method.as_str().to_owned()
        }
        _ => "other".to_owned(),
    };
    metrics::counter!("http_requests_total", "method" => method.clone(), "route" => route.to_owned(), "status" => status.as_u16().to_string())
        .increment(1);
    metrics::histogram!("http_request_duration_seconds", "method" => method, "route" => route.to_owned())
        .record(elapsed.as_secs_f64());
}

/// Reads what is measured only when somebody asks.
pub fn measure(db: &Db) {
    let pool = db.public();
    let idle = pool.num_idle();
    metrics::gauge!("db_connections", "state" => "idle").set(idle as f64);
    metrics::gauge!("db_connections", "state" => "busy").set((pool.size() as usize).saturating_sub(idle) as f64);
}

pub(crate) async fn show(State(app): State<App>) -> Result<Response> {
    let Some(handle) = &app.metrics else { return Err(Error::NotFound("recorder of metrics")) };
    measure(&app.db);
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], handle.render()).into_response())
}
