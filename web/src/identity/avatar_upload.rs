//! One's own picture (AUTH-03): `/api/users/me/avatar` announces it, signs where the browser puts it and hears when it is there,
//! as `/api/uploads` does for products; the settings page uses the same calls. The file never passes through here.

use crate::{
    App, Error, Result,
    auth::{SignedIn, Viewer},
    form::{Json, Path},
    openapi::Problem,
    page::{self, Flash},
};
use axum::{extract::State, response::Response};
use http::StatusCode;
use mywork::{
    catalog::upload::UploadState,
    identity::avatar::{self, AvatarError, AvatarUpload},
    ids::UploadId,
};
use mywork_vendors::storage::StorageError;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use url::Url;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

/// How long a signed address is good for.
const VALID: Duration = Duration::from_secs(3_600);

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(begin, remove)).routes(routes!(show, abort)).routes(routes!(complete))
}

impl From<AvatarError> for Error {
    fn from(error: AvatarError) -> Self {
        match error {
            AvatarError::NotAPicture => Error::invalid("file_name", error.to_string()),
            AvatarError::Empty | AvatarError::TooLarge => Error::invalid("size_bytes", error.to_string()),
            AvatarError::NoSuchUpload => Error::NotFound("upload"),
            AvatarError::GivenUp | AvatarError::OtherSize { .. } => Error::Conflict(error.to_string()),
            AvatarError::Database(error) => error.into(),
            AvatarError::Enqueue(error) => Error::Internal(error.into()),
        }
    }
}

/// A picture to be sent.
#[derive(Debug, Deserialize, ToSchema)]
struct AvatarInput {
    #[schema(example = "me.jpg")]
    file_name: String,
    /// Exactly, and at most 2 MB; the storage refuses anything else.
    size_bytes: i64,
}

/// A picture on its way.
#[derive(Debug, Serialize, ToSchema)]
struct AvatarUploadShape {
    id: Uuid,
    /// `created`, `completed` or `aborted`.
    #[schema(value_type = String, example = "created")]
    state: UploadState,
    /// Send it as this type.
    content_type: String,
    size_bytes: i64,
    /// Where to PUT it, until it is complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    put_url: Option<Url>,
    /// Seconds the address is good for.
    expires_in: u64,
}

#[derive(Debug, Serialize, ToSchema)]
struct AvatarCompleted {
    upload: Uuid,
}

/// Announce a picture of yourself
///
/// A PNG, JPEG or WebP file, to be sent to `put_url`. It takes the place of any other that is on its way.
#[utoipa::path(post, path = "/api/users/me/avatar", tag = "user", operation_id = "begin_avatar", request_body = AvatarInput,
    security(("bearer" = []), ("session" = [])),
    responses((status = 201, body = AvatarUploadShape), (status = 401, body = Problem), (status = 422, body = Problem)))]
async fn begin(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    Json(input): Json<AvatarInput>,
) -> Result<(StatusCode, axum::Json<AvatarUploadShape>)> {
    let mut tx = app.db.begin(viewer.actor()).await?;
    let upload = avatar::begin(&mut tx, viewer.id, &input.file_name, input.size_bytes, app.now()).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, axum::Json(shape(&app, upload).await?)))
}

/// How far a picture has come
///
/// Signs its address anew while it has not arrived.
#[utoipa::path(get, path = "/api/users/me/avatar/{upload}", tag = "user", operation_id = "get_avatar_upload", params(("upload" = Uuid, Path)),
    security(("bearer" = []), ("session" = [])),
    responses((status = 200, body = AvatarUploadShape), (status = 404, body = Problem)))]
async fn show(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    Path(id): Path<UploadId>,
) -> Result<axum::Json<AvatarUploadShape>> {
    let upload = find(&app, &viewer, id).await?;
    Ok(axum::Json(shape(&app, upload).await?))
}

/// Declare a picture complete
///
/// The storage is asked what has arrived; a job makes it small and shows it. Repeating it answers the same.
#[utoipa::path(post, path = "/api/users/me/avatar/{upload}/complete", tag = "user", operation_id = "complete_avatar", params(("upload" = Uuid, Path)),
    security(("bearer" = []), ("session" = [])),
    responses((status = 200, body = AvatarCompleted), (status = 404, body = Problem), (status = 409, body = Problem)))]
async fn complete(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    Path(id): Path<UploadId>,
) -> Result<axum::Json<AvatarCompleted>> {
    let upload = find(&app, &viewer, id).await?;
    let size = match upload.state {
        UploadState::Created => arrived(&app, &upload).await?,
        UploadState::Completed | UploadState::Aborted => upload.size_bytes,
    };
    let mut tx = app.db.begin(viewer.actor()).await?;
    avatar::complete(&mut tx, viewer.id, id, size, app.now()).await?;
    tx.commit().await?;
    Ok(axum::Json(AvatarCompleted { upload: id.0 }))
}

/// Give a picture up that is on its way
#[utoipa::path(delete, path = "/api/users/me/avatar/{upload}", tag = "user", operation_id = "abort_avatar", params(("upload" = Uuid, Path)),
    security(("bearer" = []), ("session" = [])),
    responses((status = 204), (status = 404, body = Problem)))]
async fn abort(State(app): State<App>, SignedIn(viewer): SignedIn, Path(id): Path<UploadId>) -> Result<StatusCode> {
    let mut tx = app.db.begin(viewer.actor()).await?;
    avatar::abort(&mut tx, viewer.id, id).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Remove your picture
///
/// Your initials are shown again.
#[utoipa::path(delete, path = "/api/users/me/avatar", tag = "user", operation_id = "remove_avatar", security(("bearer" = []), ("session" = [])),
    responses((status = 204), (status = 401, body = Problem)))]
async fn remove(State(app): State<App>, SignedIn(viewer): SignedIn) -> Result<StatusCode> {
    take_down(&app, &viewer).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The same, from the settings page.
pub async fn remove_on_page(State(app): State<App>, SignedIn(viewer): SignedIn) -> Result<Response> {
    take_down(&app, &viewer).await?;
    Ok(page::flash(page::see_other("/dashboard/settings"), Flash::success("Your picture is removed.")))
}

async fn take_down(app: &App, viewer: &Viewer) -> Result<()> {
    let mut tx = app.db.begin(viewer.actor()).await?;
    avatar::remove(&mut tx, viewer.id, app.now()).await?;
    tx.commit().await?;
    Ok(())
}

async fn find(app: &App, viewer: &Viewer, id: UploadId) -> Result<AvatarUpload> {
    let mut tx = app.db.begin(viewer.actor()).await?;
    let upload = avatar::get(&mut tx, viewer.id, id).await?;
    tx.commit().await?;
    Ok(upload)
}

async fn shape(app: &App, upload: AvatarUpload) -> Result<AvatarUploadShape> {
    let put_url = match upload.state {
        UploadState::Created => {
            let size = upload.size_bytes.unsigned_abs();
            Some(app.storage.presign_put(&upload.key, &upload.content_type, size, VALID).await.map_err(away)?)
        }
        UploadState::Completed | UploadState::Aborted => None,
    };
    Ok(AvatarUploadShape {
        id: upload.id.0,
        state: upload.state,
        content_type: upload.content_type,
        size_bytes: upload.size_bytes,
        put_url,
        expires_in: VALID.as_secs(),
    })
}

/// How large what arrived is.
async fn arrived(app: &App, upload: &AvatarUpload) -> Result<i64> {
    let found = app.storage.head(&upload.key).await.map_err(away)?;
    let found =
        found.ok_or_else(|| Error::Conflict("Nothing has arrived yet. Send the picture, then declare it complete.".into()))?;
    i64::try_from(found.size).map_err(|_| Error::Conflict("The file is larger than anything we take.".into()))
}

fn away(error: StorageError) -> Error {
    tracing::warn!(%error, "the storage");
    Error::Upstream("The file storage did not answer as it should. Try again in a moment.".into())
}
