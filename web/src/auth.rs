//! Who is asking (AUTH-01). A session travels as a short RS256 token, in the cookie `__session` for pages or in
//! `Authorization: Bearer` for the API, and is verified by one path, whoever issued it: our own accounts or Clerk ([`keys`]).
//! With our own accounts a second cookie, `__refresh`, buys the next token while the session's row lives ([`cookies`]).
//!
//! The person is read from the database once per request, so a revoked session or a suspended account ends at once. The answer
//! stays in the request's extensions for the layers and extractors after it.

pub mod cookies;
pub mod keys;

pub use cookies::session_layer;
pub use keys::Keys;

use crate::{App, Error};
use axum::extract::FromRequestParts;
use axum_extra::extract::CookieJar;
use chrono::{DateTime, Utc};
use http::{header, request::Parts};
use keys::Claims;
use mywork::{
    config::AuthMode,
    db::Actor,
    identity::{
        account::Status,
        person::{self, Person},
        provision, session,
    },
    ids::{SessionId, UserId},
};

/// A person who is signed in.
#[derive(Clone, Debug)]
pub struct Viewer {
    pub id: UserId,
    /// The session of ours; none where Clerk keeps them.
    pub session: Option<SessionId>,
    pub username: String,
    pub display_name: String,
    pub email: String,
    pub email_verified: bool,
    pub avatar_url: Option<String>,
    pub is_seller: bool,
    pub is_admin: bool,
}

impl Viewer {
    /// On whose behalf transactions begin: their own, even for an admin, who says so where they act as one.
    pub fn actor(&self) -> Actor {
        Actor::User(self.id)
    }

    pub(crate) fn new(person: Person, session: Option<SessionId>) -> Self {
        Self {
            id: person.id,
            session,
            avatar_url: Some(avatar_url(&person.username, person.avatar_key.as_deref())),
            username: person.username,
            display_name: person.display_name,
            email: person.email,
            email_verified: person.email_verified,
            is_seller: person.is_seller,
            is_admin: person.is_admin,
        }
    }
}

/// Where a person's picture is: the one they gave, or their initials.
pub fn avatar_url(username: &str, avatar_key: Option<&str>) -> String {
    avatar_key.map_or_else(|| format!("/avatars/{username}.svg"), |key| format!("/media/{key}"))
}

/// Somebody, perhaps signed in.
#[derive(Clone, Debug)]
pub struct Visitor(pub Option<Viewer>);

/// Somebody who is signed in; others are sent to sign in.
#[derive(Clone, Debug)]
pub struct SignedIn(pub Viewer);

/// An admin; others are refused.
#[derive(Clone, Debug)]
pub struct AdminOnly(pub Viewer);

impl AdminOnly {
    /// On whose behalf an admin's transactions begin: everything is visible, and the audit log has their id.
    pub fn actor(&self) -> Actor {
        Actor::Admin(self.0.id)
    }
}

impl FromRequestParts<App> for Visitor {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        if let Some(known) = parts.extensions.get::<Visitor>() {
            return Ok(known.clone());
        }
        let identified = identify(parts, app).await?;
        let visitor = match identified {
            Identified::Person(viewer) => {
                mywork_queue::trace::on_behalf_of(viewer.id.0);
                Visitor(Some(viewer))
            }
            Identified::Suspended(ref reason) => {
                parts.extensions.insert(Suspended(reason.clone()));
                Visitor(None)
            }
            Identified::Nobody => Visitor(None),
        };
        parts.extensions.insert(visitor.clone());
        Ok(visitor)
    }
}

impl FromRequestParts<App> for SignedIn {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        match Visitor::from_request_parts(parts, app).await?.0 {
            Some(viewer) => Ok(SignedIn(viewer)),
            None => match parts.extensions.get::<Suspended>() {
                Some(Suspended(reason)) => Err(Error::Forbidden(format!(
                    "This account is suspended: {reason} Write to support if you think this is a mistake."
                ))),
                None => Err(Error::SignInRequired),
            },
        }
    }
}

impl FromRequestParts<App> for AdminOnly {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        let SignedIn(viewer) = SignedIn::from_request_parts(parts, app).await?;
        if viewer.is_admin { Ok(AdminOnly(viewer)) } else { Err(Error::Forbidden("Only admins may do this.".into())) }
    }
}

/// Why somebody who proved who they are is a visitor all the same; in the request's extensions.
#[derive(Clone)]
struct Suspended(String);

enum Identified {
    Nobody,
    Person(Viewer),
    Suspended(String),
}

impl Identified {
    fn of(person: Person, session: Option<SessionId>) -> Self {
        match person.status {
            Status::Active => Self::Person(Viewer::new(person, session)),
            Status::Suspended => Self::Suspended(person.status_reason.unwrap_or_default()),
            Status::Deleted => Self::Nobody,
        }
    }
}

/// From credentials to a person.
async fn identify(parts: &Parts, app: &App) -> Result<Identified, Error> {
    let now = app.now();
    if let Some(token) = bearer(parts) {
        return match app.auth.verify(token, now).await {
            Ok(claims) => load(app, &claims, now).await,
            Err(reason) => {
                tracing::debug!(%reason, "a bearer token was not accepted");
                Ok(Identified::Nobody)
            }
        };
    }
    let jar = CookieJar::from_headers(&parts.headers);
    if let Some(token) = jar.get(cookies::SESSION) {
        match app.auth.verify(token.value(), now).await {
            Ok(claims) => return load(app, &claims, now).await,
            Err(reason) => tracing::debug!(%reason, "a session token was not accepted"),
        }
    }
    match jar.get(cookies::REFRESH) {
        Some(refresh) if app.config.auth.mode == AuthMode::Builtin => renew(parts, app, refresh.value(), now).await,
        _ => Ok(Identified::Nobody),
    }
}

fn bearer(parts: &Parts) -> Option<&str> {
    let value = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The token has run out; the refresh cookie buys the next one, or both cookies go.
async fn renew(parts: &Parts, app: &App, refresh: &str, now: DateTime<Utc>) -> Result<Identified, Error> {
    let mut tx = app.db.begin(Actor::System).await?;
    let living = session::renew(&mut tx, refresh, now).await?;
    let Some((session, user)) = living else {
        cookies::leave(parts, cookies::cleared(app));
        return Ok(Identified::Nobody);
    };
    let person = person::in_session(&mut tx, user, session, now).await?;
    tx.commit().await?;
    let token = app.auth.sign(user, session, keys::PAGE_TOKEN_LIFETIME, now).await?;
    cookies::leave(parts, [cookies::token(app, &token)]);
    Ok(person.map_or(Identified::Nobody, |person| Identified::of(person, Some(session))))
}

/// The person a verified token speaks of.
async fn load(app: &App, claims: &Claims, now: DateTime<Utc>) -> Result<Identified, Error> {
    match app.config.auth.mode {
        AuthMode::Builtin => {
            let session = claims.sid.as_deref().and_then(|sid| sid.parse::<SessionId>().ok());
            let (Ok(user), Some(session)) = (claims.sub.parse::<UserId>(), session) else {
                return Ok(Identified::Nobody);
            };
            let mut tx = app.db.begin(Actor::User(user)).await?;
            let person = person::in_session(&mut tx, user, session, now).await?;
            tx.commit().await?;
            Ok(person.map_or(Identified::Nobody, |person| Identified::of(person, Some(session))))
        }
        AuthMode::Clerk => {
            let mut tx = app.db.begin(Actor::System).await?;
            let mut person = person::by_external_id(&mut tx, &claims.sub).await?;
            if person.is_none() {
                provision::provision(&mut tx, &claims.subject(), now).await?;
                person = person::by_external_id(&mut tx, &claims.sub).await?;
            }
            tx.commit().await?;
            Ok(person.map_or(Identified::Nobody, |person| Identified::of(person, None)))
        }
    }
}
