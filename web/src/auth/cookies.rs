//! The two cookies of a session, both `HttpOnly; SameSite=Lax`, and `Secure` where the site is reached over TLS: `__session`
//! carries the short token, `__refresh` the secret that buys the next one.
//!
//! Whoever is identified deep inside a request may need a new token in their browser; [`leave`] notes the cookie, and
//! [`session_layer`], which wraps everything that identifies anybody, writes it on the answer.

use crate::App;
use axum::{extract::Request, middleware::Next, response::Response};
use chrono::TimeDelta;
use http::{HeaderValue, header, request::Parts};
use mywork::identity::session::Opened;
use std::sync::{Arc, Mutex, PoisonError};

/// Name of the cookie with the token; Clerk's too.
pub const SESSION: &str = "__session";
/// Name of the cookie with the refresh secret.
pub const REFRESH: &str = "__refresh";

/// Cookies for the answer to the request at hand.
#[derive(Clone, Default)]
struct Left(Arc<Mutex<Vec<HeaderValue>>>);

/// Layer: writes on the answer what [`leave`] noted. An answer that sets cookies of its own (sign-in, sign-out) comes after
/// and wins.
pub async fn session_layer(mut request: Request, next: Next) -> Response {
    let left = Left::default();
    request.extensions_mut().insert(left.clone());
    let mut response = next.run(request).await;
    let left = std::mem::take(&mut *left.0.lock().unwrap_or_else(PoisonError::into_inner));
    if !left.is_empty() && !sets_session(&response) {
        for cookie in left {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
    }
    response
}

fn sets_session(response: &Response) -> bool {
    let prefix = format!("{SESSION}=");
    response.headers().get_all(header::SET_COOKIE).iter().any(|cookie| cookie.as_bytes().starts_with(prefix.as_bytes()))
}

/// Notes cookies for the answer; without the layer they are lost, and the next request renews again.
pub(super) fn leave(parts: &Parts, cookies: impl IntoIterator<Item = HeaderValue>) {
    if let Some(left) = parts.extensions.get::<Left>() {
        left.0.lock().unwrap_or_else(PoisonError::into_inner).extend(cookies);
    }
}

/// The cookie with a fresh token.
pub(super) fn token(app: &App, token: &str) -> HeaderValue {
    set(app, SESSION, token, super::keys::PAGE_TOKEN_LIFETIME)
}

/// Both cookies of a session that has just begun.
pub fn opened(app: &App, session: &Opened, token: &str) -> [HeaderValue; 2] {
    let lifetime = session.expires_at - app.now();
    [self::token(app, token), set(app, REFRESH, session.refresh.reveal(), lifetime)]
}

/// Both cookies, gone.
pub fn cleared(app: &App) -> [HeaderValue; 2] {
    [set(app, SESSION, "", TimeDelta::zero()), set(app, REFRESH, "", TimeDelta::zero())]
}

fn set(app: &App, name: &str, value: &str, lifetime: TimeDelta) -> HeaderValue {
    let secure = if app.is_https() { "; Secure" } else { "" };
    let max_age = lifetime.num_seconds().max(0);
    HeaderValue::from_str(&format!("{name}={value}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Lax{secure}"))
        .expect("tokens are base64url and dots, which are header text")
}
