//! `Idempotency-Key` on mutations of the API: repeating a request that may have been done is safe. The same key with the same
//! request is answered as the first time (`idempotency-replayed: true`), with another request it is refused (422), and while
//! the first is running it is asked to wait (409). Answers of 5xx, and of streams, are not kept: such a request may be done again.

use crate::{App, Error, address::ClientAddress, auth::Visitor};
use axum::{
    body::{Body, to_bytes},
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use http_body_util::BodyExt;
use mywork::{db::Actor, idempotency::Claim};
use sha2::{Digest, Sha256};

/// Bodies of the API are bounded by the frame; this is the same bound.
const LARGEST: usize = crate::router::LARGEST_BODY;

/// Layer around the API.
pub(crate) async fn replay(State(app): State<App>, request: Request, next: Next) -> Response {
    let mutates = matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH | Method::DELETE);
    let key = request.headers().get("idempotency-key").cloned();
    match key {
        // Of signing in, nothing is kept: the answer is a token, and the hash of the request would be a fast one of a password.
        Some(key) if mutates && !["/api/webhooks/", "/api/auth/"].iter().any(|p| request.uri().path().starts_with(p)) => {
            once(&app, key, request, next).await.unwrap_or_else(IntoResponse::into_response)
        }
        _ => next.run(request).await,
    }
}

async fn once(app: &App, key: HeaderValue, request: Request, next: Next) -> Result<Response, Error> {
    let key = key
        .to_str()
        .ok()
        .filter(|key| (1..=255).contains(&key.len()))
        .ok_or_else(|| Error::invalid("Idempotency-Key", "Use 1 to 255 visible ASCII characters, such as a UUID."))?;
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, LARGEST).await.map_err(|_| Error::TooLarge)?;
    let hash = fingerprint(&parts.method, parts.uri.path_and_query().map_or("/", |p| p.as_str()), &body);
    let actor = match parts.extensions.get::<Visitor>() {
        Some(Visitor(Some(viewer))) => viewer.id.to_string(),
        _ => parts.extensions.get::<ClientAddress>().map_or_else(|| "unknown".to_owned(), |address| address.subject()),
    };

    let mut tx = app.db.begin(Actor::System).await?;
    let claim = mywork::idempotency::claim(&mut tx, &actor, key, &hash, app.now()).await?;
    tx.commit().await?;
    match claim {
        Claim::Fresh => {}
        Claim::Answered { status, body } => return Ok(answer(status, body)),
        Claim::Running => {
            return Err(Error::Conflict("The first request with this key is still running. Ask again in a moment.".into()));
        }
        Claim::OtherRequest => {
            return Err(Error::invalid(
                "Idempotency-Key",
                "This key was used for another request. Every request needs a key of its own.",
            ));
        }
    }

    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    let (parts, body) = response.into_parts();
    let whole = http_body::Body::size_hint(&body).exact().is_some_and(|size| size <= LARGEST as u64);
    let mut tx = app.db.begin(Actor::System).await?;
    if !whole || !is_final(parts.status) {
        mywork::idempotency::abandon(&mut tx, &actor, key).await?;
        tx.commit().await?;
        return Ok(Response::from_parts(parts, body));
    }
    let bytes: Bytes = body.collect().await.map_err(|error| Error::Internal(anyhow::Error::new(error)))?.to_bytes();
    mywork::idempotency::answered(&mut tx, &actor, key, parts.status.as_u16(), &bytes).await?;
    tx.commit().await?;
    Ok(Response::from_parts(parts, Body::from(bytes)))
}

/// Whether asking again would be answered the same. A refusal for now is not: signing in, waiting or our recovery changes it.
fn is_final(status: StatusCode) -> bool {
    !status.is_server_error()
        && !matches!(status, StatusCode::UNAUTHORIZED | StatusCode::CONFLICT | StatusCode::TOO_MANY_REQUESTS)
}

fn fingerprint(method: &Method, path_and_query: &str, body: &[u8]) -> Vec<u8> {
    let mut hash = Sha256::new();
    for part in [method.as_str().as_bytes(), b" ", path_and_query.as_bytes(), b"\n", body] {
        hash.update(part);
    }
    hash.finalize().to_vec()
}

fn answer(status: u16, body: Vec<u8>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let kind = if status.is_client_error() { "application/problem+json" } else { "application/json" };
    let empty = body.is_empty();
    let mut response = (status, body).into_response();
    if empty {
        response.headers_mut().remove(header::CONTENT_TYPE);
    } else {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_of_the_whole_request() {
        let first = fingerprint(&Method::POST, "/api/orders", b"{}");
        assert_eq!(first, fingerprint(&Method::POST, "/api/orders", b"{}"));
        assert_ne!(first, fingerprint(&Method::POST, "/api/orders", b"{ }"));
        assert_ne!(first, fingerprint(&Method::PUT, "/api/orders", b"{}"));
        assert_ne!(first, fingerprint(&Method::POST, "/api/reviews", b"{}"));
    }

    #[test]
    fn only_final_answers_are_kept() {
        let kept: Vec<u16> = [200, 201, 204, 401, 404, 409, 422, 429, 500, 503]
            .into_iter()
            .filter(|code| is_final(StatusCode::from_u16(*code).expect("a status")))
            .collect();
        assert_eq!(kept, [200, 201, 204, 404, 422]);
    }
}
