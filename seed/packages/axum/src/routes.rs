//! Requests and answers.

use crate::{
    error::Error,
    {{ entity }}::{New{{ Entity }}, {{ Entity }}},
    store::Store,
};
use axum::{
    extract::{Path, Query, State},
    http::StatusCode,
    routing::get,
    Json, Router,
};
use serde::{Deserialize, Serialize};
use tower_http::trace::TraceLayer;

#[derive(Deserialize)]
struct Page {
    limit: Option<i64>,
    before: Option<i64>,
}

#[derive(Serialize)]
struct List {
    data: Vec<{{ Entity }}>,
    next_cursor: Option<i64>,
}

pub fn router(store: Store) -> Router {
    Router::new()
        .route("/{{ entities }}", get(list).post(add))
        .route("/{{ entities }}/{id}", get(show))
        .route("/health", get(|| async { "ok" }))
        .layer(TraceLayer::new_for_http())
        .with_state(store)
}

async fn list(State(store): State<Store>, Query(page): Query<Page>) -> Result<Json<List>, Error> {
    let limit = page.limit.unwrap_or(50).clamp(1, 200);
    let data = store.list(limit, page.before).await?;
    let next_cursor = if data.len() as i64 == limit { data.last().map(|last| last.id) } else { None };
    Ok(Json(List { data, next_cursor }))
}

async fn show(State(store): State<Store>, Path(id): Path<i64>) -> Result<Json<{{ Entity }}>, Error> {
    store.get(id).await.map(Json)
}

async fn add(State(store): State<Store>, Json(new): Json<New{{ Entity }}>) -> Result<(StatusCode, Json<{{ Entity }}>), Error> {
    let problems = new.problems();
    if !problems.is_empty() {
        return Err(Error::Invalid(problems));
    }
    Ok((StatusCode::CREATED, Json(store.add(&new).await?)))
}
