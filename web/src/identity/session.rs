//! Beginning a session for somebody who has proved who they are, and the answer that carries its cookies.

use crate::{
    App, Error,
    auth::{cookies, keys::PAGE_TOKEN_LIFETIME},
    request,
};
use axum::response::Response;
use http::{HeaderMap, header};
use mywork::{
    db::Tx,
    identity::session::{self, Device, Opened},
    ids::UserId,
};

/// Begins a session in `tx` for the device that sent `headers`.
pub async fn open(tx: &mut Tx, app: &App, user: UserId, headers: &HeaderMap) -> Result<Opened, Error> {
    let user_agent = headers.get(header::USER_AGENT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let ip = request::address().map(|ip| ip.to_string()).unwrap_or_default();
    Ok(session::open(tx, user, Device { user_agent, ip: &ip }, app.now()).await?)
}

/// `response` with the cookies of the session that has begun.
pub async fn with_cookies(app: &App, user: UserId, opened: &Opened, mut response: Response) -> Result<Response, Error> {
    let token = app.auth.sign(user, opened.id, PAGE_TOKEN_LIFETIME, app.now()).await?;
    for cookie in cookies::opened(app, opened, &token) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// `response` that takes the cookies away.
pub fn without_cookies(app: &App, mut response: Response) -> Response {
    for cookie in cookies::cleared(app) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}
