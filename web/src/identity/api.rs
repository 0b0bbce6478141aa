//! Identity for programs: sign in for a bearer token, one's own profile, becoming a seller, and Clerk's webhook.
//! `/api/user/profile` and `/api/users/me` are one resource under two names, as are the two `become-seller`.

use super::{avatar_upload, beside_fields, session, sign_in};
use crate::{
    App, Error, Result,
    auth::{SignedIn, Viewer, avatar_url, keys::API_TOKEN_LIFETIME},
    form::Json,
    openapi::Problem,
};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{HeaderMap, StatusCode};
use mywork::{
    config::AuthMode,
    db::Actor,
    identity::{
        person,
        profile::{self, Edit, Profile},
        seller::{self, Seller},
        session as sessions,
        sign_in::SignInError,
    },
    webhooks::inbox::{self, Source},
};
use mywork_vendors::svix;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

/// API of this area, each route with its full path.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(login))
        .routes(routes!(logout))
        .routes(routes!(get_profile, put_profile))
        .routes(routes!(get_me, put_me))
        .routes(routes!(become_seller))
        .routes(routes!(users_become_seller))
        .routes(routes!(seller_profile))
        .routes(routes!(clerk_webhook))
        .merge(avatar_upload::routes())
}

#[derive(Debug, Deserialize, ToSchema)]
struct Login {
    #[schema(example = "ada@example.com")]
    email: String,
    #[schema(format = Password)]
    password: String,
}

#[derive(Debug, Serialize, ToSchema)]
struct LoggedIn {
    /// Send it as `Authorization: Bearer …`.
    token: String,
    expires_at: DateTime<Utc>,
    user: User,
}

/// Oneself: the public profile, and what only the owner sees.
#[derive(Debug, Serialize, ToSchema)]
struct User {
    id: Uuid,
    username: String,
    display_name: String,
    bio: String,
    links: Vec<Link>,
    avatar_url: String,
    email: String,
    email_verified: bool,
    is_seller: bool,
    is_admin: bool,
    created_at: DateTime<Utc>,
}

impl User {
    fn new(viewer: Viewer, known: Profile) -> Self {
        Self {
            id: viewer.id.0,
            avatar_url: avatar_url(&known.username, known.avatar_key.as_deref()),
            username: known.username,
            display_name: known.display_name,
            bio: known.bio,
            links: known.links.into_iter().map(|link| Link { label: link.label, url: link.url }).collect(),
            email: viewer.email,
            email_verified: viewer.email_verified,
            is_seller: viewer.is_seller,
            is_admin: viewer.is_admin,
            created_at: known.created_at,
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
struct Link {
    /// At most 40 characters; the host where it is empty.
    #[serde(default)]
    label: String,
    #[schema(example = "https://example.com")]
    url: String,
}

/// What is absent stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
struct ProfileUpdate {
    /// 3 to 50 of a–z, 0–9, `_`, `-`.
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    display_name: Option<String>,
    #[serde(default)]
    bio: Option<String>,
    /// At most five.
    #[serde(default)]
    links: Option<Vec<Link>>,
}

#[derive(Debug, Default, Deserialize, ToSchema)]
struct BecomeSeller {
    /// One line about what you sell; at most 120 characters.
    #[serde(default)]
    headline: String,
    /// Whether the sellers' terms are accepted.
    accept_terms: bool,
}

#[derive(Debug, Serialize, ToSchema)]
struct SellerProfile {
    user_id: Uuid,
    username: String,
    display_name: String,
    avatar_url: String,
    headline: String,
    /// `none`, `basic`, `verified` or `premium`.
    #[schema(value_type = String)]
    verification: seller::Verification,
    verified: bool,
    since: DateTime<Utc>,
    products: i64,
    total_sales: i64,
    /// Mean of all ratings, none before the first.
    rating: Option<f64>,
    rating_count: i64,
}

impl SellerProfile {
    fn of(viewer: &Viewer, seller: Seller) -> Self {
        let exact = |n: i64| n as f64;
        Self {
            user_id: seller.user_id.0,
            username: viewer.username.clone(),
            display_name: viewer.display_name.clone(),
            avatar_url: viewer.avatar_url.clone().unwrap_or_default(),
            headline: seller.headline,
            verified: seller.verification >= seller::Verification::Verified,
            verification: seller.verification,
            since: seller.since,
            products: seller.products,
            total_sales: seller.sales,
            rating: (seller.rating_count > 0)
                .then(|| (exact(seller.rating_sum) / exact(seller.rating_count) * 100.0).round() / 100.0),
            rating_count: seller.rating_count,
        }
    }
}

/// Sign in
///
/// For built-in accounts. The token is good for an hour and ends with its session; the session is listed with the others in
/// the security settings.
#[utoipa::path(
    post, path = "/api/auth/login", tag = "auth", request_body = Login,
    responses((status = 200, body = LoggedIn), (status = 401, body = Problem, description = "no such e-mail address and password"),
        (status = 403, body = Problem, description = "the account is suspended"), (status = 409, body = Problem, description = "Clerk signs people in here"))
)]
async fn login(State(app): State<App>, headers: HeaderMap, Json(login): Json<Login>) -> Result<Response> {
    if app.config.auth.mode == AuthMode::Clerk {
        return Err(Error::Conflict("People sign in with Clerk here. Send the token that Clerk gave you.".into()));
    }
    let user = match sign_in::prove(&app, &login.email, login.password).await {
        Ok(user) => user,
        Err(error @ SignInError::NoMatch) => return Ok(Problem::new(StatusCode::UNAUTHORIZED, error.to_string()).into_response()),
        Err(error @ SignInError::Suspended(_)) => return Err(Error::Forbidden(error.to_string())),
        Err(SignInError::Database(error)) => return Err(error.into()),
    };
    let mut tx = app.db.begin(Actor::System).await?;
    let opened = session::open(&mut tx, &app, user, &headers).await?;
    let person = person::in_session(&mut tx, user, opened.id, app.now()).await?;
    let known = profile::get(&mut tx, user).await?;
    tx.commit().await?;
    let person = person.ok_or(Error::SignInRequired)?;
    let token = app.auth.sign(user, opened.id, API_TOKEN_LIFETIME, app.now()).await?;
    let user = User::new(Viewer::new(person, Some(opened.id)), known);
    Ok(axum::Json(LoggedIn { token, expires_at: app.now() + API_TOKEN_LIFETIME, user }).into_response())
}

/// Sign out
///
/// Ends the session behind the token or cookie at once.
#[utoipa::path(
    post, path = "/api/auth/logout", tag = "auth", security(("bearer" = []), ("session" = [])),
    responses((status = 204, description = "the session has ended"), (status = 401, body = Problem))
)]
async fn logout(State(app): State<App>, SignedIn(viewer): SignedIn) -> Result<Response> {
    if let Some(id) = viewer.session {
        let mut tx = app.db.begin(viewer.actor()).await?;
        sessions::revoke(&mut tx, viewer.id, id, app.now()).await?;
        tx.commit().await?;
    }
    Ok(session::without_cookies(&app, StatusCode::NO_CONTENT.into_response()))
}

/// One's own profile
#[utoipa::path(
    get, path = "/api/user/profile", tag = "user", operation_id = "get_user_profile", security(("bearer" = []), ("session" = [])),
    responses((status = 200, body = User), (status = 401, body = Problem))
)]
async fn get_profile(State(app): State<App>, SignedIn(viewer): SignedIn) -> Result<axum::Json<User>> {
    read(&app, viewer).await
}

/// One's own profile (the same as `/api/user/profile`)
#[utoipa::path(
    get, path = "/api/users/me", tag = "user", operation_id = "get_users_me", security(("bearer" = []), ("session" = [])),
    responses((status = 200, body = User), (status = 401, body = Problem))
)]
async fn get_me(State(app): State<App>, SignedIn(viewer): SignedIn) -> Result<axum::Json<User>> {
    read(&app, viewer).await
}

/// Change one's own profile
#[utoipa::path(
    put, path = "/api/user/profile", tag = "user", operation_id = "put_user_profile", request_body = ProfileUpdate,
    security(("bearer" = []), ("session" = [])),
    responses((status = 200, body = User), (status = 401, body = Problem), (status = 422, body = Problem))
)]
async fn put_profile(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    Json(update): Json<ProfileUpdate>,
) -> Result<axum::Json<User>> {
    write(&app, viewer, update).await
}

/// Change one's own profile (the same as `/api/user/profile`)
#[utoipa::path(
    put, path = "/api/users/me", tag = "user", operation_id = "put_users_me", request_body = ProfileUpdate,
    security(("bearer" = []), ("session" = [])),
    responses((status = 200, body = User), (status = 401, body = Problem), (status = 422, body = Problem))
)]
async fn put_me(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    Json(update): Json<ProfileUpdate>,
) -> Result<axum::Json<User>> {
    write(&app, viewer, update).await
}

async fn read(app: &App, viewer: Viewer) -> Result<axum::Json<User>> {
    let mut tx = app.db.begin(viewer.actor()).await?;
    let known = profile::get(&mut tx, viewer.id).await?;
    tx.commit().await?;
    Ok(axum::Json(User::new(viewer, known)))
}

async fn write(app: &App, viewer: Viewer, update: ProfileUpdate) -> Result<axum::Json<User>> {
    let mut tx = app.db.begin(viewer.actor()).await?;
    let known = profile::get(&mut tx, viewer.id).await?;
    let links =
        update.links.map(|links| links.into_iter().map(|link| profile::Link { label: link.label, url: link.url }).collect());
    let edit = Edit {
        username: update.username.unwrap_or(known.username),
        display_name: update.display_name.unwrap_or(known.display_name),
        bio: update.bio.unwrap_or(known.bio),
        links: links.unwrap_or(known.links),
    };
    let edit = profile::check(edit).map_err(|faults| Error::Invalid(beside_fields(faults)))?;
    profile::update(&mut tx, viewer.id, &edit, app.now()).await?;
    tx.commit().await?;
    read(app, viewer).await
}

/// Become a seller
#[utoipa::path(
    post, path = "/api/user/become-seller", tag = "user", operation_id = "user_become_seller", request_body = BecomeSeller,
    security(("bearer" = []), ("session" = [])),
    responses((status = 200, body = SellerProfile), (status = 401, body = Problem), (status = 422, body = Problem))
)]
async fn become_seller(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    Json(wish): Json<BecomeSeller>,
) -> Result<axum::Json<SellerProfile>> {
    sell(&app, viewer, wish).await
}

/// Become a seller (the same as `/api/user/become-seller`)
#[utoipa::path(
    post, path = "/api/users/become-seller", tag = "user", operation_id = "users_become_seller", request_body = BecomeSeller,
    security(("bearer" = []), ("session" = [])),
    responses((status = 200, body = SellerProfile), (status = 401, body = Problem), (status = 422, body = Problem))
)]
async fn users_become_seller(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    Json(wish): Json<BecomeSeller>,
) -> Result<axum::Json<SellerProfile>> {
    sell(&app, viewer, wish).await
}

async fn sell(app: &App, viewer: Viewer, wish: BecomeSeller) -> Result<axum::Json<SellerProfile>> {
    let mut errors = crate::FieldErrors::new();
    let headline = errors.ok("headline", seller::normal_headline(&wish.headline)).unwrap_or_default();
    if !wish.accept_terms {
        errors.add("accept_terms", "Accept the sellers’ terms to go on.");
    }
    errors.into_result()?;
    let mut tx = app.db.begin(Actor::System).await?;
    seller::become_seller(&mut tx, viewer.id, &headline, app.now()).await?;
    let seller = seller::find(&mut tx, viewer.id).await?.ok_or(Error::NotFound("seller profile"))?;
    tx.commit().await?;
    Ok(axum::Json(SellerProfile::of(&viewer, seller)))
}

/// One's own seller profile
#[utoipa::path(
    get, path = "/api/users/me/seller-profile", tag = "user", security(("bearer" = []), ("session" = [])),
    responses((status = 200, body = SellerProfile), (status = 401, body = Problem), (status = 404, body = Problem, description = "not a seller"))
)]
async fn seller_profile(State(app): State<App>, SignedIn(viewer): SignedIn) -> Result<axum::Json<SellerProfile>> {
    let mut tx = app.db.begin(viewer.actor()).await?;
    let seller = seller::find(&mut tx, viewer.id).await?.ok_or(Error::NotFound("seller profile"))?;
    tx.commit().await?;
    Ok(axum::Json(SellerProfile::of(&viewer, seller)))
}

/// What we need of Clerk's envelope to file it; the rest is read by the job.
#[derive(Deserialize)]
struct ClerkEnvelope {
    #[serde(rename = "type")]
    kind: String,
}

/// Webhook of Clerk
///
/// Verified by Svix's signature, stored once, worked through by a job.
#[utoipa::path(
    post, path = "/api/webhooks/clerk", tag = "webhooks", request_body(content = String, content_type = "application/json"),
    responses((status = 200, description = "stored, now or before"), (status = 400, body = Problem, description = "the signature is missing, wrong or too old"))
)]
async fn clerk_webhook(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Result<Response> {
    let header = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let secrets: Vec<&str> = app.config.auth.webhook_secrets.iter().map(|secret| secret.reveal()).collect();
    let event_id = header("svix-id");
    let verdict =
        svix::verify(event_id, header("svix-timestamp"), &body, header("svix-signature"), &secrets, app.now().timestamp());
    if let Err(error) = verdict {
        tracing::warn!(%error, "an event of Clerk's was refused");
        let sentence = format!("The signature of this event was not accepted: {error}.");
        return Ok(Problem::new(StatusCode::BAD_REQUEST, sentence).into_response());
    }
    let payload = std::str::from_utf8(&body).map_err(|_| Error::invalid("", "The body is not text."))?;
    let envelope: ClerkEnvelope =
        serde_json::from_str(payload).map_err(|_| Error::invalid("type", "The body is not an event of Clerk."))?;
    let mut tx = app.db.begin(Actor::System).await?;
    inbox::receive(&mut tx, Source::Clerk, event_id, &envelope.kind, payload, app.now())
        .await
        .map_err(|error| Error::Internal(error.into()))?;
    tx.commit().await?;
    Ok(StatusCode::OK.into_response())
}
