//! Conditional answers (OPS-03): a page or a JSON document that was rendered whole gets an `ETag` of its bytes, and a browser
//! that has them already is answered 304 without them. Streams, downloads and errors pass untouched.

use axum::{
    body::Body,
    extract::Request,
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, Method, StatusCode, header};
use http_body_util::BodyExt;
use sha2::{Digest, Sha256};

/// Larger than any page; a body above it is passed on as it is.
const LARGEST: u64 = 2 * 1024 * 1024;

/// Layer: `ETag` and 304 for whole pages and documents.
pub(crate) async fn etag(request: Request, next: Next) -> Response {
    let reads = *request.method() == Method::GET;
    let known = request.headers().get(header::IF_NONE_MATCH).cloned();
    let response = next.run(request).await;
    if !reads || !is_whole(&response) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let bytes = match body.collect().await {
        Ok(collected) => collected.to_bytes(),
        // The body was in memory; if it fails all the same, there is nothing left to send.
        Err(error) => {
            tracing::error!(%error, "a rendered body could not be read");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    let tag = format!("W/\"{}\"", hex::encode(&Sha256::digest(&bytes)[..12]));
    let unchanged = known.as_ref().and_then(|v| v.to_str().ok()).is_some_and(|known| known.split(',').any(|t| t.trim() == tag));
    if let Ok(value) = HeaderValue::from_str(&tag) {
        parts.headers.insert(header::ETAG, value);
    }
    if unchanged {
        parts.status = StatusCode::NOT_MODIFIED;
        parts.headers.remove(header::CONTENT_LENGTH);
        return Response::from_parts(parts, Body::empty());
    }
    Response::from_parts(parts, Body::from(bytes))
}

fn is_whole(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let size = http_body::Body::size_hint(response.body());
    response.status() == StatusCode::OK
        && (kind.starts_with("text/html") || kind.starts_with("application/json"))
        && !response.headers().contains_key(header::ETAG)
        && size.exact().is_some_and(|size| size <= LARGEST)
}
