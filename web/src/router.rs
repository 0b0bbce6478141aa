//! The table of contents: pages, API, operations, and the layers every request passes through, outermost first.

use crate::{
    App, Error, admin, auth, catalog, checkout, conditional, discovery, error, headers, idempotency, identity, library, limits,
    openapi, ops, request, sales, webhooks,
};
use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use std::{any::Any, time::Duration};
use tower::ServiceBuilder;
use tower_http::{catch_panic::CatchPanicLayer, compression::CompressionLayer, timeout::TimeoutLayer};
use utoipa_axum::router::OpenApiRouter;

/// Bodies of requests; packages go straight to storage and never through here.
pub(crate) const LARGEST_BODY: usize = 1024 * 1024;
/// From the request's head to the answer's; a stream may go on after it.
const LONGEST: Duration = Duration::from_secs(30);

fn pages() -> Router<App> {
    Router::new()
        .merge(discovery::pages())
        .merge(identity::pages())
        .merge(catalog::pages())
        .merge(checkout::pages())
        .merge(library::pages())
        .merge(sales::pages())
        .merge(admin::pages())
        .merge(ops::legal::pages())
}

fn api() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(discovery::api())
        .merge(identity::api())
        .merge(catalog::api())
        .merge(checkout::api())
        .merge(library::api())
        .merge(sales::api())
        .merge(admin::api())
        .merge(webhooks::api())
        .merge(ops::api())
}

/// Everything that answers, as one service.
pub fn build(app: App) -> Router {
    let api = openapi::assemble(api()).layer(middleware::from_fn_with_state(app.clone(), idempotency::replay));
    let layers = ServiceBuilder::new()
        .layer(middleware::from_fn_with_state(app.clone(), request::observe))
        .layer(CompressionLayer::new())
        .layer(middleware::from_fn_with_state(headers::Policy::of(&app.config), headers::secure))
        .layer(middleware::from_fn(conditional::etag))
        .layer(middleware::from_fn(auth::session_layer))
        .layer(middleware::from_fn_with_state(app.clone(), error::present))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, LONGEST))
        .layer(middleware::from_fn(auth::session_layer))
        .layer(middleware::from_fn_with_state(app.clone(), limits::guard))
        .layer(middleware::from_fn_with_state(app.clone(), headers::same_origin))
        .layer(DefaultBodyLimit::max(LARGEST_BODY));

    Router::new().merge(pages()).merge(api).merge(ops::routes()).merge(app.assets.routes()).layer(layers).with_state(app)
}

fn panicked(cause: Box<dyn Any + Send + 'static>) -> Response {
    let cause = cause.downcast_ref::<String>().cloned().or_else(|| cause.downcast_ref::<&str>().map(|s| (*s).to_owned()));
    Error::Internal(anyhow::anyhow!("a handler panicked: {}", cause.unwrap_or_else(|| "no message".to_owned()))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_two_routes_meet_and_every_operation_has_a_name_of_its_own() {
        // Merging routes of the same address panics.
        let (routes, document) = api().split_for_parts();
        let _: Router<App> = pages().merge(routes).merge(ops::routes());
        let mut seen = HashSet::new();
        for (path, item) in &document.paths.paths {
            for operation in [&item.get, &item.post, &item.put, &item.patch, &item.delete].into_iter().flatten() {
                let id = operation.operation_id.as_deref().unwrap_or_default();
                assert!(!id.is_empty() && seen.insert(id.to_owned()), "{path}: the operation id “{id}” is not its own");
            }
        }
    }
}
