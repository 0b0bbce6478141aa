//! `/admin/categories` and `/api/admin/categories` (PROD-09): the tree of the catalogue with what is in each category, and
//! every act on it. A page and a program ask for the same acts, which keep the tree whole and write the audit log.

use crate::{
    App, Error, FieldErrors, Result,
    auth::AdminOnly,
    form::{Form, Json, Path},
    identity::origin,
    openapi::{List, Problem},
    page::{self, Flash},
};
use axum::{
    Router,
    extract::State,
    response::Response,
    routing::{get, post},
};
use http::StatusCode;
use mywork::{
    audit::{self, Line},
    catalog::{
        arrange::{self, Branch, By, Direction, Edit, MAX_DEPTH, MAX_DESCRIPTION, MAX_NAME, MAX_SLUG, NewCategory},
        product::ProductKind,
    },
    ids::CategoryId,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

const HOME: &str = "/admin/categories";
const TRAIL: i64 = 20;

/// Pages of this part.
pub fn pages() -> Router<App> {
    Router::new()
        .route("/admin/categories", get(list).post(add))
        .route("/admin/categories/{category}", get(show).post(change))
        .route("/admin/categories/{category}/move", post(shift))
        .route("/admin/categories/{category}/remove", post(remove))
}

/// API of this part, each route with its full path.
pub fn api() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_categories, add_category))
        .routes(routes!(get_category, change_category, remove_category))
        .routes(routes!(move_category))
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct TypedNew {
    #[serde(default)]
    name: String,
    #[serde(default)]
    slug: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    parent: String,
    #[serde(default)]
    kind: String,
}

impl TypedNew {
    fn read(&self) -> Result<NewCategory, FieldErrors> {
        let kind = match self.kind.as_str() {
            "" | "code" => ProductKind::Code,
            "prompt" => ProductKind::Prompt,
            "bundle" => ProductKind::Bundle,
            _ => return Err(refusal("kind", "Choose one of the list.")),
        };
        Ok(NewCategory {
            name: self.name.clone(),
            slug: self.slug.clone(),
            description: self.description.clone(),
            parent: read_parent(&self.parent)?,
            kind,
        })
    }
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct TypedEdit {
    #[serde(default)]
    name: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    parent: String,
}

impl TypedEdit {
    fn read(&self) -> Result<Edit, FieldErrors> {
        Ok(Edit { name: self.name.clone(), description: self.description.clone(), parent: read_parent(&self.parent)? })
    }
}

fn read_parent(typed: &str) -> Result<Option<CategoryId>, FieldErrors> {
    match typed {
        "" => Ok(None),
        typed => typed.parse().map(Some).map_err(|_| refusal("parent", "There is no such category.")),
    }
}

fn refusal(field: &str, why: &str) -> FieldErrors {
    let mut errors = FieldErrors::new();
    errors.add(field, why);
    errors
}

/// Something to choose from a list.
#[derive(Serialize)]
struct Choice {
    value: CategoryId,
    label: String,
}

/// Where a category may hang, drawn as a tree: of one kind, or of all, and nowhere below `without`.
fn choices(branches: &[Branch], kind: Option<ProductKind>, without: Option<CategoryId>) -> Vec<Choice> {
    let mut choices = Vec::new();
    let mut below = None;
    for Branch { category, .. } in branches {
        if below.is_some_and(|depth| category.depth > depth) {
            continue;
        }
        below = (Some(category.id) == without).then_some(category.depth);
        if below.is_none() && category.depth < MAX_DEPTH && kind.is_none_or(|kind| kind == category.kind) {
            let label = format!("{}{}", "— ".repeat(category.depth.into()), category.name);
            choices.push(Choice { value: category.id, label });
        }
    }
    choices
}

#[derive(Serialize)]
struct ListPage {
    branches: Vec<Branch>,
    parents: Vec<Choice>,
    form: TypedNew,
    errors: FieldErrors,
    max_name: usize,
    max_slug: usize,
    max_description: usize,
}

async fn list(State(app): State<App>, admin: AdminOnly) -> Result<Response> {
    render_list(&app, &admin, StatusCode::OK, TypedNew::default(), FieldErrors::new()).await
}

async fn render_list(app: &App, admin: &AdminOnly, status: StatusCode, form: TypedNew, errors: FieldErrors) -> Result<Response> {
    let branches = branches(app, admin).await?;
    let page = ListPage {
        parents: choices(&branches, None, None),
        branches,
        form,
        errors,
        max_name: MAX_NAME,
        max_slug: MAX_SLUG,
        max_description: MAX_DESCRIPTION,
    };
    app.page_with(status, admin, "pages/admin/categories.html", &page)
}

async fn add(State(app): State<App>, admin: AdminOnly, Form(typed): Form<TypedNew>) -> Result<Response> {
    let added = match typed.read() {
        Ok(new) => act(&app, &admin, Deed::Add(new)).await,
        Err(errors) => Err(Error::Invalid(errors)),
    };
    match added {
        Ok(_) => Ok(page::flash(page::see_other(HOME), Flash::success("The category is there."))),
        Err(Error::Invalid(errors)) => render_list(&app, &admin, StatusCode::UNPROCESSABLE_ENTITY, typed, errors).await,
        Err(error) => Err(error),
    }
}

#[derive(Serialize)]
struct CategoryPage {
    branch: Branch,
    is_empty: bool,
    parents: Vec<Choice>,
    trail: Vec<Line>,
    form: TypedEdit,
    errors: FieldErrors,
    max_name: usize,
    max_description: usize,
}

async fn show(State(app): State<App>, admin: AdminOnly, Path(id): Path<CategoryId>) -> Result<Response> {
    render(&app, &admin, id, None).await
}

/// The page of one category: as it is, or with what was typed and what is wrong with it.
async fn render(app: &App, admin: &AdminOnly, id: CategoryId, refused: Option<(TypedEdit, FieldErrors)>) -> Result<Response> {
    let mut tx = app.db.begin(admin.actor()).await?;
    let branches = arrange::branches(&mut tx).await?;
    let trail = audit::about(&mut tx, "category", &id.to_string(), TRAIL).await?;
    tx.commit().await?;
    let branch = find(&branches, id)?.clone();
    let status = if refused.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let (form, errors) = refused.unwrap_or_else(|| {
        let parent = branch.category.parent_id.map(|parent| parent.to_string()).unwrap_or_default();
        let form = TypedEdit { name: branch.category.name.clone(), description: branch.category.description.clone(), parent };
        (form, FieldErrors::new())
    });
    let page = CategoryPage {
        is_empty: branch.is_empty(),
        parents: choices(&branches, Some(branch.category.kind), Some(id)),
        branch,
        trail,
        form,
        errors,
        max_name: MAX_NAME,
        max_description: MAX_DESCRIPTION,
    };
    app.page_with(status, admin, "pages/admin/categories_edit.html", &page)
}

async fn change(
    State(app): State<App>,
    admin: AdminOnly,
    Path(id): Path<CategoryId>,
    Form(typed): Form<TypedEdit>,
) -> Result<Response> {
    let changed = match typed.read() {
        Ok(edit) => act(&app, &admin, Deed::Change(id, edit)).await,
        Err(errors) => Err(Error::Invalid(errors)),
    };
    match changed {
        Ok(_) => Ok(page::flash(page::see_other(HOME), Flash::success("The category is changed."))),
        Err(Error::Invalid(errors)) => render(&app, &admin, id, Some((typed, errors))).await,
        Err(error) => Err(error),
    }
}

#[derive(Debug, Deserialize)]
struct Shift {
    direction: Direction,
}

async fn shift(
    State(app): State<App>,
    admin: AdminOnly,
    Path(id): Path<CategoryId>,
    Form(Shift { direction }): Form<Shift>,
) -> Result<Response> {
    act(&app, &admin, Deed::Shift(id, direction)).await?;
    Ok(page::see_other(&format!("{HOME}#{id}")))
}

async fn remove(State(app): State<App>, admin: AdminOnly, Path(id): Path<CategoryId>) -> Result<Response> {
    match act(&app, &admin, Deed::Remove(id)).await {
        Ok(_) => Ok(page::flash(page::see_other(HOME), Flash::success("The category is gone."))),
        Err(Error::Conflict(why)) => Ok(page::flash(page::see_other(&format!("{HOME}/{id}")), Flash::warning(why))),
        Err(error) => Err(error),
    }
}

/// What can be done to the tree.
enum Deed {
    Add(NewCategory),
    Change(CategoryId, Edit),
    Shift(CategoryId, Direction),
    Remove(CategoryId),
}

/// Does it, and says to which category.
async fn act(app: &App, admin: &AdminOnly, deed: Deed) -> Result<CategoryId> {
    let origin = origin();
    let by = By { admin: admin.0.id, origin: &origin, now: app.now() };
    let mut tx = app.db.begin(admin.actor()).await?;
    let id = match deed {
        Deed::Add(new) => arrange::add(&mut tx, &new, by).await?,
        Deed::Change(id, edit) => arrange::change(&mut tx, id, &edit, by).await.map(|()| id)?,
        Deed::Shift(id, direction) => arrange::shift(&mut tx, id, direction, by).await.map(|()| id)?,
        Deed::Remove(id) => arrange::remove(&mut tx, id, by).await.map(|()| id)?,
    };
    tx.commit().await?;
    Ok(id)
}

async fn branches(app: &App, admin: &AdminOnly) -> Result<Vec<Branch>> {
    let mut tx = app.db.begin(admin.actor()).await?;
    let branches = arrange::branches(&mut tx).await?;
    tx.commit().await?;
    Ok(branches)
}

fn find(branches: &[Branch], id: CategoryId) -> Result<&Branch> {
    branches.iter().find(|branch| branch.category.id == id).ok_or(Error::NotFound("category"))
}

/// A category as an admin sees it.
#[derive(Debug, Serialize, ToSchema)]
struct AdminCategory {
    id: Uuid,
    /// The category it is part of; absent for a main category.
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<Uuid>,
    /// Kind of product it holds: `code`, `prompt` or `bundle`.
    #[schema(value_type = String, example = "code")]
    kind: ProductKind,
    /// Never changes.
    #[schema(example = "saas-starters")]
    slug: String,
    name: String,
    description: String,
    /// Steps from the top; 0 for a main category.
    depth: u8,
    /// Products in it, in whatever state but deleted; those below it not counted.
    products: i64,
    /// Categories directly below.
    children: usize,
}

impl From<Branch> for AdminCategory {
    fn from(Branch { category, products, children, .. }: Branch) -> Self {
        Self {
            id: category.id.0,
            parent: category.parent_id.map(|parent| parent.0),
            kind: category.kind,
            slug: category.slug,
            name: category.name,
            description: category.description,
            depth: category.depth,
            products,
            children,
        }
    }
}

/// A category to be.
#[derive(Debug, Deserialize, ToSchema)]
struct NewCategoryInput {
    #[schema(example = "Desktop apps")]
    name: String,
    /// For good. Absent: made from the name.
    #[serde(default)]
    #[schema(example = "desktop-apps")]
    slug: String,
    #[serde(default)]
    description: String,
    /// Absent: a main category.
    #[serde(default)]
    parent: Option<Uuid>,
    /// What a main category holds: `code`, `prompt` or `bundle`; others hold what their parent does.
    #[serde(default = "code")]
    #[schema(value_type = String, example = "code")]
    kind: ProductKind,
}

fn code() -> ProductKind {
    ProductKind::Code
}

/// Everything about a category that can change.
#[derive(Debug, Deserialize, ToSchema)]
struct CategoryInput {
    name: String,
    #[serde(default)]
    description: String,
    /// Absent: a main category.
    #[serde(default)]
    parent: Option<Uuid>,
}

#[derive(Debug, Deserialize, ToSchema)]
struct MoveInput {
    /// `up` or `down`, among its siblings.
    #[schema(value_type = String, example = "up")]
    direction: Direction,
}

/// The tree of categories
///
/// Each parent is followed by what is below it.
#[utoipa::path(
    get, path = "/api/admin/categories", tag = "admin", operation_id = "admin_list_categories", security(("bearer" = []), ("session" = [])),
    responses((status = 200, body = List<AdminCategory>), (status = 403, body = Problem))
)]
async fn list_categories(State(app): State<App>, admin: AdminOnly) -> Result<axum::Json<List<AdminCategory>>> {
    let data = branches(&app, &admin).await?.into_iter().map(Into::into).collect();
    Ok(axum::Json(List { data, next_cursor: None }))
}

/// Look at a category
#[utoipa::path(
    get, path = "/api/admin/categories/{category}", tag = "admin", operation_id = "admin_get_category", params(("category" = Uuid, Path)),
    security(("bearer" = []), ("session" = [])),
    responses((status = 200, body = AdminCategory), (status = 403, body = Problem), (status = 404, body = Problem))
)]
async fn get_category(State(app): State<App>, admin: AdminOnly, Path(id): Path<CategoryId>) -> Result<axum::Json<AdminCategory>> {
    let branches = branches(&app, &admin).await?;
    Ok(axum::Json(find(&branches, id)?.clone().into()))
}

/// Add a category
#[utoipa::path(
    post, path = "/api/admin/categories", tag = "admin", operation_id = "admin_add_category", request_body = NewCategoryInput,
    security(("bearer" = []), ("session" = [])),
    responses((status = 201, body = AdminCategory), (status = 403, body = Problem), (status = 422, body = Problem))
)]
async fn add_category(
    State(app): State<App>,
    admin: AdminOnly,
    Json(input): Json<NewCategoryInput>,
) -> Result<(StatusCode, axum::Json<AdminCategory>)> {
    let new = NewCategory {
        name: input.name,
        slug: input.slug,
        description: input.description,
        parent: input.parent.map(CategoryId),
        kind: input.kind,
    };
    let id = act(&app, &admin, Deed::Add(new)).await?;
    Ok((StatusCode::CREATED, get_category(State(app), admin, Path(id)).await?))
}

/// Rename, describe or hang a category elsewhere
///
/// Below another parent it comes behind its new siblings. What is below it goes with it.
#[utoipa::path(
    put, path = "/api/admin/categories/{category}", tag = "admin", operation_id = "admin_change_category", params(("category" = Uuid, Path)),
    request_body = CategoryInput, security(("bearer" = []), ("session" = [])),
    responses((status = 200, body = AdminCategory), (status = 403, body = Problem), (status = 404, body = Problem), (status = 422, body = Problem))
)]
async fn change_category(
    State(app): State<App>,
    admin: AdminOnly,
    Path(id): Path<CategoryId>,
    Json(input): Json<CategoryInput>,
) -> Result<axum::Json<AdminCategory>> {
    let edit = Edit { name: input.name, description: input.description, parent: input.parent.map(CategoryId) };
    act(&app, &admin, Deed::Change(id, edit)).await?;
    get_category(State(app), admin, Path(id)).await
}

/// Move a category among its siblings
///
/// At the end of the row it stays where it is.
#[utoipa::path(
    post, path = "/api/admin/categories/{category}/move", tag = "admin", operation_id = "admin_move_category", params(("category" = Uuid, Path)),
    request_body = MoveInput, security(("bearer" = []), ("session" = [])),
    responses((status = 200, body = List<AdminCategory>, description = "the whole tree"), (status = 403, body = Problem), (status = 404, body = Problem))
)]
async fn move_category(
    State(app): State<App>,
    admin: AdminOnly,
    Path(id): Path<CategoryId>,
    Json(input): Json<MoveInput>,
) -> Result<axum::Json<List<AdminCategory>>> {
    act(&app, &admin, Deed::Shift(id, input.direction)).await?;
    list_categories(State(app), admin).await
}

/// Remove an empty category
#[utoipa::path(
    delete, path = "/api/admin/categories/{category}", tag = "admin", operation_id = "admin_remove_category", params(("category" = Uuid, Path)),
    security(("bearer" = []), ("session" = [])),
    responses((status = 204), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem, description = "something is in it"))
)]
async fn remove_category(State(app): State<App>, admin: AdminOnly, Path(id): Path<CategoryId>) -> Result<StatusCode> {
    act(&app, &admin, Deed::Remove(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}
