//! `/sign-in` and `/sign-out` for built-in accounts; where Clerk signs people in, its page is where `/sign-in` leads.
//! Afterwards people are back where they wanted to go, if that is a page of ours.

use super::{passwords, session};
use crate::{
    App, Error, FieldErrors, Result,
    auth::Visitor,
    form::{Form, Query},
    page::{self, Flash},
};
use axum::{extract::State, response::Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use mywork::{
    config::AuthMode,
    db::Actor,
    identity::{
        session as sessions,
        sign_in::{self, SignInError},
    },
    ids::UserId,
};
use serde::{Deserialize, Serialize};

/// Where somebody wanted to go when they were asked to sign in.
#[derive(Debug, Deserialize)]
pub struct Next {
    #[serde(default)]
    pub next: String,
}

#[derive(Debug, Deserialize)]
pub struct Typed {
    #[serde(default)]
    email: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    next: String,
}

#[derive(Serialize)]
struct Page<'a> {
    next: &'a str,
    email: &'a str,
    errors: FieldErrors,
}

const TEMPLATE: &str = "pages/identity/sign_in.html";

pub async fn show(State(app): State<App>, visitor: Visitor, Query(asked): Query<Next>) -> Result<Response> {
    let next = destination(&asked.next);
    if visitor.0.is_some() {
        return Ok(page::see_other(next));
    }
    if let Some(elsewhere) = provider(&app, next) {
        return Ok(elsewhere);
    }
    app.page(&visitor, TEMPLATE, &Page { next, email: "", errors: FieldErrors::new() })
}

pub async fn submit(State(app): State<App>, visitor: Visitor, headers: HeaderMap, Form(typed): Form<Typed>) -> Result<Response> {
    let next = destination(&typed.next);
    if let Some(elsewhere) = provider(&app, next) {
        return Ok(elsewhere);
    }
    let mut errors = FieldErrors::new();
    if typed.email.trim().is_empty() {
        errors.add("email", "Enter the e-mail address of your account.");
    }
    if typed.password.is_empty() {
        errors.add("password", "Enter your password.");
    }
    if !errors.is_empty() {
        return app.page_again(&visitor, TEMPLATE, &Page { next, email: &typed.email, errors });
    }
    let user = match prove(&app, &typed.email, typed.password).await {
        Ok(user) => user,
        Err(SignInError::Database(error)) => return Err(error.into()),
        Err(refusal) => {
            errors.add("", refusal.to_string());
            return app.page_again(&visitor, TEMPLATE, &Page { next, email: &typed.email, errors });
        }
    };
    let mut tx = app.db.begin(Actor::System).await?;
    let opened = session::open(&mut tx, &app, user, &headers).await?;
    tx.commit().await?;
    session::with_cookies(&app, user, &opened, page::see_other(next)).await
}

/// Whose e-mail address and password these are. Counting, hashing and deciding are three steps, because a transaction must not
/// wait for the hash.
pub(super) async fn prove(app: &App, email: &str, password: String) -> Result<UserId, SignInError> {
    let mut tx = app.db.begin(Actor::System).await?;
    let attempt = sign_in::begin(&mut tx, email, app.now()).await?;
    tx.commit().await?;
    let matched = passwords::verify(password, attempt.password_hash().to_owned()).await.unwrap_or_else(|error| {
        tracing::error!(%error, "a password could not be verified");
        false
    });
    let mut tx = app.db.begin(Actor::System).await?;
    let user = sign_in::conclude(&mut tx, &attempt, matched).await?;
    tx.commit().await?;
    Ok(user)
}

/// Ends the session here and its row in the database.
pub async fn sign_out(State(app): State<App>, visitor: Visitor) -> Result<Response> {
    if let Some(viewer) = &visitor.0
        && let Some(id) = viewer.session
    {
        let mut tx = app.db.begin(viewer.actor()).await?;
        sessions::revoke(&mut tx, viewer.id, id, app.now()).await?;
        tx.commit().await?;
    }
    let response = page::flash(page::see_other("/"), Flash::success("You are signed out."));
    Ok(session::without_cookies(&app, response))
}

/// The page of the outside provider, if one signs people in; it leads back to `next`.
pub(super) fn provider(app: &App, next: &str) -> Option<Response> {
    if app.config.auth.mode != AuthMode::Clerk {
        return None;
    }
    let Some(mut url) = app.config.auth.sign_in_url.clone() else {
        let error = anyhow::anyhow!("auth.sign_in_url is missing: people cannot be sent to sign in");
        return Some(axum::response::IntoResponse::into_response(Error::Internal(error)));
    };
    url.query_pairs_mut().append_pair("redirect_url", &app.url(next));
    let location = HeaderValue::from_str(url.as_str()).ok()?;
    let redirect = (StatusCode::SEE_OTHER, [(header::LOCATION, location)]);
    Some(axum::response::IntoResponse::into_response(redirect))
}

/// Where to go after signing in: a page of ours that is not the door itself.
pub(super) fn destination(next: &str) -> &str {
    let path = page::local(next);
    let door = ["/sign-in", "/sign-up", "/sign-out", "/forgot-password", "/reset-password"];
    let is_door =
        door.iter().any(|door| path == *door || path.strip_prefix(door).is_some_and(|rest| rest.starts_with(['?', '/', '#'])));
    if is_door { "/" } else { path }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_return_to_pages_of_ours_only() {
        assert_eq!(destination("/library?page=2"), "/library?page=2");
        assert_eq!(destination("/sign-in-help"), "/sign-in-help");
        for home in ["", "https://evil.test/", "//evil.test", "/\\evil.test", "/sign-in?next=/sign-in", "/sign-out", "/a\nb"] {
            assert_eq!(destination(home), "/", "{home}");
        }
    }
}
