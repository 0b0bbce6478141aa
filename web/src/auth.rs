//! Who is asking. A request carries a session in the cookie `__session` (pages) or in `Authorization: Bearer` (API); both
//! are verified the same way. The frame looks once per request and keeps the answer in the request's extensions, so an
//! extractor begins by looking for a [`Visitor`] there.

use crate::{App, Error};
use axum::extract::FromRequestParts;
use http::request::Parts;
use mywork::{
    db::Actor,
    ids::{SessionId, UserId},
};

/// Keys that verify sessions.
#[derive(Clone, Debug, Default)]
pub struct Keys;

/// A person who is signed in.
#[derive(Clone, Debug)]
pub struct Viewer {
    pub id: UserId,
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
    /// On whose behalf transactions begin.
    pub fn actor(&self) -> Actor {
        Actor::User(self.id)
    }
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

impl FromRequestParts<App> for Visitor {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Error> {
        Ok(parts.extensions.get::<Visitor>().cloned().unwrap_or(Visitor(None)))
    }
}

impl FromRequestParts<App> for SignedIn {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        Visitor::from_request_parts(parts, app).await?.0.map(SignedIn).ok_or(Error::SignInRequired)
    }
}

impl FromRequestParts<App> for AdminOnly {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        let SignedIn(viewer) = SignedIn::from_request_parts(parts, app).await?;
        if viewer.is_admin { Ok(AdminOnly(viewer)) } else { Err(Error::Forbidden("Only admins may do this.".into())) }
    }
}
