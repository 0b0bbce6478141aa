//! `/admin/users` and `/api/admin/users` (ADMIN-02): find people, look at one, and act on the account. Every act asks for a
//! reason, which is kept in the audit log with the state before and after; nobody acts on their own account.

use super::jobs::{JobsOf, jobs_of_person};
use crate::{
    App, Error, FieldErrors, Result,
    auth::{AdminOnly, avatar_url},
    form::{Form, Json, Path, Query},
    identity::origin,
    openapi::{ByTime, List, Paging, Problem},
    page::{self, Flash},
};
use axum::{
    Router,
    extract::State,
    response::Response,
    routing::{get, post},
};
use chrono::{DateTime, Utc};
use http::StatusCode;
use mywork::{
    audit::{self, Line},
    identity::{
        account::Status,
        administer::{self, Act},
        people::{self, Detail, Filter, Listed, Role},
        seller::Verification,
    },
    ids::UserId,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

const ROWS: usize = 50;
const TRAIL: i64 = 50;

/// Pages of this part.
pub fn pages() -> Router<App> {
    Router::new()
        .route("/admin/users", get(list))
        .route("/admin/users/{user}", get(show))
        .route("/admin/users/{user}/suspend", post(suspend))
        .route("/admin/users/{user}/reinstate", post(reinstate))
        .route("/admin/users/{user}/grant-admin", post(grant_admin))
        .route("/admin/users/{user}/revoke-admin", post(revoke_admin))
        .route("/admin/users/{user}/verify", post(verify))
}

/// API of this part, each route with its full path.
pub fn api() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_users))
        .routes(routes!(get_user))
        .routes(routes!(suspend_user))
        .routes(routes!(reinstate_user))
        .routes(routes!(set_admin))
        .routes(routes!(verify_seller))
}

#[derive(Debug, Default, Deserialize)]
struct Asked {
    #[serde(default)]
    q: String,
    role: Option<Role>,
    status: Option<Status>,
    #[serde(default)]
    cursor: Option<String>,
}

impl Asked {
    fn filter(&self) -> Filter {
        Filter { words: Some(self.q.clone()), role: self.role, status: self.status }
    }
}

#[derive(Serialize)]
struct ListPage<'a> {
    q: &'a str,
    role: Option<Role>,
    status: Option<Status>,
    people: Vec<Row>,
    next: String,
    first_page: String,
}

#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    person: Listed,
    avatar_url: String,
}

async fn list(State(app): State<App>, admin: AdminOnly, Query(asked): Query<Asked>) -> Result<Response> {
    let paging = Paging { cursor: asked.cursor.clone(), limit: None };
    let mut tx = app.db.begin(admin.actor()).await?;
    let after = paging.after::<ByTime>()?.map(|(at, id)| (at, UserId(id)));
    let found = people::list(&mut tx, &asked.filter(), after, (ROWS + 1) as i64).await?;
    tx.commit().await?;
    let found = List::page(found, ROWS, |person| (person.created_at, person.id.0));
    let address = |cursor: Option<&str>| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        if !asked.q.is_empty() {
            query.append_pair("q", &asked.q);
        }
        let words = [("role", serde_json::to_value(asked.role)), ("status", serde_json::to_value(asked.status))];
        for (name, value) in words {
            if let Ok(serde_json::Value::String(value)) = value {
                query.append_pair(name, &value);
            }
        }
        if let Some(cursor) = cursor {
            query.append_pair("cursor", cursor);
        }
        format!("/admin/users?{}", query.finish())
    };
    let page = ListPage {
        q: &asked.q,
        role: asked.role,
        status: asked.status,
        next: found.next_cursor.as_deref().map(|cursor| address(Some(cursor))).unwrap_or_default(),
        first_page: if paging.cursor.is_some() { address(None) } else { String::new() },
        people: found
            .data
            .into_iter()
            .map(|person| Row { avatar_url: avatar_url(&person.username, person.avatar_key.as_deref()), person })
            .collect(),
    };
    app.page(&admin, "pages/admin/users.html", &page)
}

#[derive(Serialize)]
struct DetailPage {
    person: Detail,
    avatar_url: String,
    /// Whether sign-in is paused right now.
    locked: bool,
    is_self: bool,
    trail: Vec<Line>,
    jobs: JobsOf,
    reason: String,
    errors: FieldErrors,
}

async fn show(State(app): State<App>, admin: AdminOnly, Path(user): Path<UserId>) -> Result<Response> {
    render(&app, &admin, user, StatusCode::OK, String::new(), FieldErrors::new()).await
}

async fn render(
    app: &App,
    admin: &AdminOnly,
    user: UserId,
    status: StatusCode,
    reason: String,
    errors: FieldErrors,
) -> Result<Response> {
    let mut tx = app.db.begin(admin.actor()).await?;
    let person = people::find(&mut tx, user).await?.ok_or(Error::NotFound("person"))?;
    let trail = audit::about(&mut tx, "user", &user.to_string(), TRAIL).await?;
    let jobs = jobs_of_person(&mut tx, user).await?;
    tx.commit().await?;
    let page = DetailPage {
        avatar_url: avatar_url(&person.username, person.avatar_key.as_deref()),
        locked: person.locked_until.is_some_and(|until| until > app.now()),
        is_self: person.id == admin.0.id,
        person,
        trail,
        jobs,
        reason,
        errors,
    };
    app.page_with(status, admin, "pages/admin/users_detail.html", &page)
}

/// What can be done to an account.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Suspend,
    Reinstate,
    SetAdmin(bool),
    Verify(Verification),
}

impl Deed {
    fn done(self) -> &'static str {
        match self {
            Self::Suspend => "The account is suspended.",
            Self::Reinstate => "The account is active again.",
            Self::SetAdmin(true) => "This person is an admin now.",
            Self::SetAdmin(false) => "This person is no admin any more.",
            Self::Verify(_) => "The verification is set.",
        }
    }
}

async fn act(app: &App, admin: &AdminOnly, user: UserId, deed: Deed, reason: &str) -> Result<()> {
    let origin = origin();
    let act = Act { admin: admin.0.id, reason, origin: &origin, now: app.now() };
    let mut tx = app.db.begin(admin.actor()).await?;
    match deed {
        Deed::Suspend => administer::suspend(&mut tx, user, act).await?,
        Deed::Reinstate => administer::reinstate(&mut tx, user, act).await?,
        Deed::SetAdmin(is_admin) => administer::set_admin(&mut tx, user, is_admin, act).await?,
        Deed::Verify(verification) => administer::set_verification(&mut tx, user, verification, act).await?,
    }
    tx.commit().await?;
    Ok(())
}

/// Acts, and shows the person again: with a message, or with what stood in the way.
async fn act_on_page(app: &App, admin: &AdminOnly, user: UserId, deed: Deed, reason: String) -> Result<Response> {
    let back = format!("/admin/users/{user}");
    match act(app, admin, user, deed, &reason).await {
        Ok(()) => Ok(page::flash(page::see_other(&back), Flash::success(deed.done()))),
        Err(Error::Invalid(errors)) => render(app, admin, user, StatusCode::UNPROCESSABLE_ENTITY, reason, errors).await,
        Err(Error::Conflict(why)) => Ok(page::flash(page::see_other(&back), Flash::warning(why))),
        Err(error) => Err(error),
    }
}

#[derive(Debug, Deserialize)]
struct Why {
    #[serde(default)]
    reason: String,
}

#[derive(Debug, Deserialize)]
struct WhyVerified {
    verification: Verification,
    #[serde(default)]
    reason: String,
}

async fn suspend(State(app): State<App>, admin: AdminOnly, Path(user): Path<UserId>, Form(why): Form<Why>) -> Result<Response> {
    act_on_page(&app, &admin, user, Deed::Suspend, why.reason).await
}

async fn reinstate(State(app): State<App>, admin: AdminOnly, Path(user): Path<UserId>, Form(why): Form<Why>) -> Result<Response> {
    act_on_page(&app, &admin, user, Deed::Reinstate, why.reason).await
}

async fn grant_admin(
    State(app): State<App>,
    admin: AdminOnly,
    Path(user): Path<UserId>,
    Form(why): Form<Why>,
) -> Result<Response> {
    act_on_page(&app, &admin, user, Deed::SetAdmin(true), why.reason).await
}

async fn revoke_admin(
    State(app): State<App>,
    admin: AdminOnly,
    Path(user): Path<UserId>,
    Form(why): Form<Why>,
) -> Result<Response> {
    act_on_page(&app, &admin, user, Deed::SetAdmin(false), why.reason).await
}

async fn verify(
    State(app): State<App>,
    admin: AdminOnly,
    Path(user): Path<UserId>,
    Form(why): Form<WhyVerified>,
) -> Result<Response> {
    act_on_page(&app, &admin, user, Deed::Verify(why.verification), why.reason).await
}

/// A person as an admin sees them.
#[derive(Debug, Serialize, ToSchema)]
struct AdminUser {
    id: Uuid,
    username: String,
    display_name: String,
    email: String,
    email_verified: bool,
    /// `active`, `suspended` or `deleted`.
    #[schema(value_type = String)]
    status: Status,
    is_admin: bool,
    /// `none`, `basic`, `verified` or `premium`; absent for who does not sell.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    verification: Option<Verification>,
    created_at: DateTime<Utc>,
}

impl From<Listed> for AdminUser {
    fn from(person: Listed) -> Self {
        Self {
            id: person.id.0,
            username: person.username,
            display_name: person.display_name,
            email: person.email,
            email_verified: person.email_verified,
            status: person.status,
            is_admin: person.is_admin,
            verification: person.verification,
            created_at: person.created_at,
        }
    }
}

impl From<Detail> for AdminUser {
    fn from(person: Detail) -> Self {
        Self {
            id: person.id.0,
            username: person.username,
            display_name: person.display_name,
            email: person.email,
            email_verified: person.email_verified_at.is_some(),
            status: person.status,
            is_admin: person.is_admin,
            verification: person.verification,
            created_at: person.created_at,
        }
    }
}

#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Part of a username, display name or e-mail address.
    q: Option<String>,
    /// `seller` or `admin`.
    #[param(value_type = Option<String>)]
    role: Option<Role>,
    /// `active`, `suspended` or `deleted`.
    #[param(value_type = Option<String>)]
    status: Option<Status>,
    cursor: Option<String>,
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

#[derive(Debug, Deserialize, ToSchema)]
struct Reason {
    /// 3 to 500 characters, kept in the audit log.
    reason: String,
}

#[derive(Debug, Deserialize, ToSchema)]
struct AdminRole {
    is_admin: bool,
    reason: String,
}

#[derive(Debug, Deserialize, ToSchema)]
struct SellerVerification {
    /// `none`, `basic`, `verified` or `premium`.
    #[schema(value_type = String)]
    verification: Verification,
    reason: String,
}

/// Everybody with an account, the newest first
#[utoipa::path(
    get, path = "/api/admin/users", tag = "admin", params(ListQuery), security(("bearer" = []), ("session" = [])),
    responses((status = 200, body = List<AdminUser>), (status = 401, body = Problem), (status = 403, body = Problem))
)]
async fn list_users(
    State(app): State<App>,
    admin: AdminOnly,
    Query(query): Query<ListQuery>,
) -> Result<axum::Json<List<AdminUser>>> {
    let paging = Paging { cursor: query.cursor, limit: query.limit };
    let limit = paging.limit();
    let filter = Filter { words: query.q, role: query.role, status: query.status };
    let after = paging.after::<ByTime>()?.map(|(at, id)| (at, UserId(id)));
    let mut tx = app.db.begin(admin.actor()).await?;
    let found = people::list(&mut tx, &filter, after, limit + 1).await?;
    tx.commit().await?;
    let page = List::page(found, usize::try_from(limit).unwrap_or(20), |person| (person.created_at, person.id.0));
    Ok(axum::Json(page.map(AdminUser::from)))
}

/// One person
#[utoipa::path(
    get, path = "/api/admin/users/{user}", tag = "admin", params(("user" = Uuid, Path)), security(("bearer" = []), ("session" = [])),
    responses((status = 200, body = AdminUser), (status = 403, body = Problem), (status = 404, body = Problem))
)]
async fn get_user(State(app): State<App>, admin: AdminOnly, Path(user): Path<UserId>) -> Result<axum::Json<AdminUser>> {
    let mut tx = app.db.begin(admin.actor()).await?;
    let person = people::find(&mut tx, user).await?.ok_or(Error::NotFound("person"))?;
    tx.commit().await?;
    Ok(axum::Json(person.into()))
}

/// Suspend an account
///
/// Their sessions end at once, what they sell is withheld, and they are sent the reason.
#[utoipa::path(
    post, path = "/api/admin/users/{user}/suspend", tag = "admin", params(("user" = Uuid, Path)), request_body = Reason,
    security(("bearer" = []), ("session" = [])),
    responses((status = 200, body = AdminUser), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem))
)]
async fn suspend_user(
    State(app): State<App>,
    admin: AdminOnly,
    Path(user): Path<UserId>,
    Json(why): Json<Reason>,
) -> Result<axum::Json<AdminUser>> {
    act(&app, &admin, user, Deed::Suspend, &why.reason).await?;
    get_user(State(app), admin, Path(user)).await
}

/// Let a suspended person in again
#[utoipa::path(
    post, path = "/api/admin/users/{user}/reinstate", tag = "admin", params(("user" = Uuid, Path)), request_body = Reason,
    security(("bearer" = []), ("session" = [])),
    responses((status = 200, body = AdminUser), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem))
)]
async fn reinstate_user(
    State(app): State<App>,
    admin: AdminOnly,
    Path(user): Path<UserId>,
    Json(why): Json<Reason>,
) -> Result<axum::Json<AdminUser>> {
    act(&app, &admin, user, Deed::Reinstate, &why.reason).await?;
    get_user(State(app), admin, Path(user)).await
}

/// Give or take the admin role
#[utoipa::path(
    put, path = "/api/admin/users/{user}/admin", tag = "admin", params(("user" = Uuid, Path)), request_body = AdminRole,
    security(("bearer" = []), ("session" = [])),
    responses((status = 200, body = AdminUser), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem))
)]
async fn set_admin(
    State(app): State<App>,
    admin: AdminOnly,
    Path(user): Path<UserId>,
    Json(role): Json<AdminRole>,
) -> Result<axum::Json<AdminUser>> {
    act(&app, &admin, user, Deed::SetAdmin(role.is_admin), &role.reason).await?;
    get_user(State(app), admin, Path(user)).await
}

/// Say how well a seller is known to us
#[utoipa::path(
    put, path = "/api/admin/users/{user}/verification", tag = "admin", params(("user" = Uuid, Path)), request_body = SellerVerification,
    security(("bearer" = []), ("session" = [])),
    responses((status = 200, body = AdminUser), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem))
)]
async fn verify_seller(
    State(app): State<App>,
    admin: AdminOnly,
    Path(user): Path<UserId>,
    Json(wish): Json<SellerVerification>,
) -> Result<axum::Json<AdminUser>> {
    act(&app, &admin, user, Deed::Verify(wish.verification), &wish.reason).await?;
    get_user(State(app), admin, Path(user)).await
}
