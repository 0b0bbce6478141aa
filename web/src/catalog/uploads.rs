//! `/api/uploads`: a file goes from the browser straight to storage (PROD-08). Here it is announced, its addresses are signed, what
//! has arrived is listed so that it can be continued, and its end is declared.
//!
//! Rows first: the domain commits what may be sent, then an address is signed for it; at the end the storage is asked what it
//! has, and only then the domain records it. Every call can be repeated.

use super::shapes::VersionShape;
use crate::{
    App, Error, Result,
    auth::{SignedIn, Viewer},
    form::{Json, Path},
    openapi::Problem,
};
use axum::extract::State;
use http::StatusCode;
use mywork::catalog::{
    image, product,
    upload::{self, NewUpload, Purpose, Upload, UploadState},
    version::{self, NewVersion},
};
use mywork::ids::{ProductId, UploadId};
use mywork_vendors::storage::{Part, StorageError};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use url::Url;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

/// How long a signed address is good for.
const VALID: Duration = Duration::from_secs(3_600);
/// Parts signed at a time.
const MAX_NUMBERS: usize = 50;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(begin)).routes(routes!(show, abort)).routes(routes!(sign_parts)).routes(routes!(complete))
}

/// A file to be sent.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct UploadInput {
    product: Uuid,
    /// `package` or `image`.
    #[schema(value_type = String, example = "package")]
    purpose: Purpose,
    #[schema(example = "starter-1.2.0.zip")]
    file_name: String,
    /// Exactly; the storage refuses anything else.
    size_bytes: i64,
    /// Number of the version it will become, to hear now if it cannot.
    #[serde(default)]
    #[schema(example = "1.2.0")]
    number: Option<String>,
}

/// A file on its way.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UploadShape {
    id: Uuid,
    product: Uuid,
    #[schema(value_type = String, example = "package")]
    purpose: Purpose,
    /// `created`, `completed` or `aborted`.
    #[schema(value_type = String, example = "created")]
    state: UploadState,
    file_name: String,
    /// Send it as this type.
    content_type: String,
    size_bytes: i64,
    /// Where to PUT the whole file; absent for a file in parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    put_url: Option<Url>,
    /// Bytes of each part but the last; absent for a file in one piece.
    #[serde(skip_serializing_if = "Option::is_none")]
    part_size: Option<i64>,
    part_count: i64,
    /// Parts that have arrived.
    parts: Vec<PartShape>,
    /// Seconds the addresses are good for.
    expires_in: u64,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PartShape {
    number: i32,
    size: u64,
}

/// Parts to be sent.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct PartsInput {
    /// From one; at most 50 at a time.
    numbers: Vec<i64>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SignedParts {
    parts: Vec<SignedPart>,
    /// Seconds the addresses are good for.
    expires_in: u64,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SignedPart {
    number: i64,
    /// Bytes to send.
    size: i64,
    /// Where to PUT them.
    #[schema(value_type = String)]
    url: Url,
}

/// What becomes of a complete file.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(super) struct CompleteInput {
    /// Makes a package a version at once. Without it, `POST /api/products/{product}/versions` does.
    #[serde(default)]
    version: Option<VersionOf>,
}

#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct VersionOf {
    /// Absent: the next one.
    #[serde(default)]
    number: Option<String>,
    /// Markdown.
    #[serde(default)]
    changelog: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Completed {
    upload: Uuid,
    /// The version it became; its checks have begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<VersionShape>,
    /// The picture it became.
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<Uuid>,
}

/// Announce a file
///
/// Files up to 64 MB are sent to `put_url` in one piece, larger ones in parts.
#[utoipa::path(post, path = "/api/uploads", tag = "uploads", operation_id = "begin_upload", security(("bearer" = []), ("session" = [])),
    request_body = UploadInput,
    responses((status = 201, body = UploadShape), (status = 409, body = Problem), (status = 422, body = Problem)))]
async fn begin(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    Json(input): Json<UploadInput>,
) -> Result<(StatusCode, axum::Json<UploadShape>)> {
    let new = NewUpload {
        product: ProductId(input.product),
        purpose: input.purpose,
        file_name: input.file_name,
        size_bytes: input.size_bytes,
        number: input.number,
    };
    let mut tx = app.db.begin(viewer.actor()).await?;
    let upload = upload::begin(&mut tx, viewer.id, &new, app.now()).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, axum::Json(shape(&app, &viewer, upload).await?)))
}

/// How far a file has come
///
/// Lists the parts that have arrived and signs its address anew, so that it can be continued.
#[utoipa::path(get, path = "/api/uploads/{upload}", tag = "uploads", operation_id = "get_upload", security(("bearer" = []), ("session" = [])),
    params(("upload" = Uuid, Path)),
    responses((status = 200, body = UploadShape), (status = 404, body = Problem)))]
async fn show(State(app): State<App>, SignedIn(viewer): SignedIn, Path(id): Path<UploadId>) -> Result<axum::Json<UploadShape>> {
    let upload = find(&app, &viewer, id).await?;
    Ok(axum::Json(shape(&app, &viewer, upload).await?))
}

/// Sign parts
#[utoipa::path(post, path = "/api/uploads/{upload}/parts", tag = "uploads", operation_id = "sign_upload_parts", security(("bearer" = []), ("session" = [])),
    params(("upload" = Uuid, Path)),
    request_body = PartsInput,
    responses((status = 200, body = SignedParts), (status = 409, body = Problem), (status = 422, body = Problem)))]
async fn sign_parts(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    Path(id): Path<UploadId>,
    Json(input): Json<PartsInput>,
) -> Result<axum::Json<SignedParts>> {
    if input.numbers.is_empty() || input.numbers.len() > MAX_NUMBERS {
        return Err(Error::invalid("numbers", "Ask for 1 to 50 parts at a time."));
    }
    let upload = find(&app, &viewer, id).await?;
    refuse_unless_open(&upload)?;
    let upload = with_multipart(&app, &viewer, upload).await?;
    let Some(multipart) = &upload.multipart_id else {
        return Err(Error::Conflict("This file is small enough for one piece; send it to its put_url.".into()));
    };
    let mut parts = Vec::new();
    for number in input.numbers {
        let size = upload
            .part_length(number)
            .ok_or_else(|| Error::invalid("numbers", format!("This file has the parts 1 to {}.", upload.part_count())))?;
        let small = i32::try_from(number).map_err(|_| Error::invalid("numbers", "There are not that many parts."))?;
        let url = app.storage.presign_part(&upload.key, multipart, small, size.unsigned_abs(), VALID).await.map_err(away)?;
        parts.push(SignedPart { number, size, url });
    }
    Ok(axum::Json(SignedParts { parts, expires_in: VALID.as_secs() }))
}

/// Declare a file complete
///
/// The storage is asked what has arrived. A package becomes a version when `version` is given, and its checks begin; a
/// picture is put into the gallery as soon as a job has made its sizes. Repeating it answers the same.
#[utoipa::path(post, path = "/api/uploads/{upload}/complete", tag = "uploads", operation_id = "complete_upload", security(("bearer" = []), ("session" = [])),
    params(("upload" = Uuid, Path)),
    request_body = CompleteInput,
    responses((status = 200, body = Completed), (status = 409, body = Problem), (status = 422, body = Problem)))]
async fn complete(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    Path(id): Path<UploadId>,
    Json(input): Json<CompleteInput>,
) -> Result<axum::Json<Completed>> {
    let upload = find(&app, &viewer, id).await?;
    let size = match upload.state {
        UploadState::Created => arrived(&app, &upload).await?,
        UploadState::Completed | UploadState::Aborted => upload.size_bytes,
    };
    let mut tx = app.db.begin(viewer.actor()).await?;
    let upload = upload::complete(&mut tx, viewer.id, id, size, app.now()).await?;
    let mut completed = Completed { upload: id.0, version: None, image: None };
    match (upload.purpose, input.version) {
        (Purpose::Image, _) => completed.image = image::of_upload(&mut tx, id).await?.map(|image| image.0),
        (Purpose::Package, Some(about)) => {
            let new = NewVersion { upload: id, number: about.number, changelog: about.changelog };
            let version = version::create(&mut tx, viewer.id, &new, app.now()).await?;
            completed.version = version::find(&mut tx, version).await?.map(Into::into);
        }
        (Purpose::Package, None) => {}
    }
    tx.commit().await?;
    Ok(axum::Json(completed))
}

/// Give a file up
#[utoipa::path(delete, path = "/api/uploads/{upload}", tag = "uploads", operation_id = "abort_upload", security(("bearer" = []), ("session" = [])),
    params(("upload" = Uuid, Path)),
    responses((status = 204), (status = 404, body = Problem), (status = 409, body = Problem)))]
async fn abort(State(app): State<App>, SignedIn(viewer): SignedIn, Path(id): Path<UploadId>) -> Result<StatusCode> {
    let mut tx = app.db.begin(viewer.actor()).await?;
    upload::abort(&mut tx, viewer.id, id).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The caller's upload, whose product they may still change.
async fn find(app: &App, viewer: &Viewer, id: UploadId) -> Result<Upload> {
    let mut tx = app.db.begin(viewer.actor()).await?;
    let upload = upload::get(&mut tx, viewer.id, id).await?;
    product::get(&mut tx, upload.product_id).await?;
    tx.commit().await?;
    Ok(upload)
}

fn refuse_unless_open(upload: &Upload) -> Result<()> {
    match upload.state {
        UploadState::Created => Ok(()),
        UploadState::Completed => Err(Error::Conflict("This file is complete.".into())),
        UploadState::Aborted => Err(Error::Conflict("This upload was given up. Start it again.".into())),
    }
}

/// The upload with the storage's id of it, which is asked for after the row is committed: at first, or later if the process
/// died between the two.
async fn with_multipart(app: &App, viewer: &Viewer, mut upload: Upload) -> Result<Upload> {
    if upload.part_size.is_none() || upload.multipart_id.is_some() || upload.state != UploadState::Created {
        return Ok(upload);
    }
    let multipart = app.storage.create_multipart(&upload.key, &upload.content_type).await.map_err(away)?;
    let mut tx = app.db.begin(viewer.actor()).await?;
    let attached = upload::attach_multipart(&mut tx, viewer.id, upload.id, &multipart).await?;
    tx.commit().await?;
    if attached {
        upload.multipart_id = Some(multipart);
        return Ok(upload);
    }
    app.storage.abort_multipart(&upload.key, &multipart).await.map_err(away)?;
    find(app, viewer, upload.id).await
}

async fn shape(app: &App, viewer: &Viewer, upload: Upload) -> Result<UploadShape> {
    let upload = with_multipart(app, viewer, upload).await?;
    let open = upload.state == UploadState::Created;
    let put_url = match upload.part_size {
        None if open => {
            let size = upload.size_bytes.unsigned_abs();
            Some(app.storage.presign_put(&upload.key, &upload.content_type, size, VALID).await.map_err(away)?)
        }
        _ => None,
    };
    let parts = match &upload.multipart_id {
        Some(multipart) if open => match app.storage.list_parts(&upload.key, multipart).await {
            // The storage has already made one file of them; only its record is missing.
            Err(error) if error.is_not_found() => Vec::new(),
            outcome => outcome.map_err(away)?,
        },
        _ => Vec::new(),
    };
    Ok(UploadShape {
        id: upload.id.0,
        product: upload.product_id.0,
        purpose: upload.purpose,
        state: upload.state,
        part_count: upload.part_count(),
        part_size: upload.part_size,
        file_name: upload.file_name,
        content_type: upload.content_type,
        size_bytes: upload.size_bytes,
        put_url,
        parts: parts.into_iter().map(|part| PartShape { number: part.number, size: part.size }).collect(),
        expires_in: VALID.as_secs(),
    })
}

/// Makes one file of the parts where there are parts, and says how large what arrived is.
async fn arrived(app: &App, upload: &Upload) -> Result<i64> {
    if let Some(multipart) = &upload.multipart_id {
        match app.storage.list_parts(&upload.key, multipart).await {
            Ok(parts) => {
                check_parts(upload, &parts)?;
                app.storage.complete_multipart(&upload.key, multipart, &parts).await.map_err(away)?;
            }
            // An earlier call got this far and was cut off before it was recorded.
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(away(error)),
        }
    }
    let found = app.storage.head(&upload.key).await.map_err(away)?;
    let found =
        found.ok_or_else(|| Error::Conflict("Nothing has arrived yet. Send the file, then declare it complete.".into()))?;
    i64::try_from(found.size).map_err(|_| Error::Conflict("The file is larger than anything we take.".into()))
}

fn check_parts(upload: &Upload, parts: &[Part]) -> Result<()> {
    let whole = |number: i64| {
        parts.iter().any(|part| i64::from(part.number) == number && i64::try_from(part.size).ok() == upload.part_length(number))
    };
    let lacking: Vec<String> = (1..=upload.part_count()).filter(|number| !whole(*number)).map(|n| n.to_string()).collect();
    match lacking.len() {
        0 => Ok(()),
        n => {
            let shown = lacking.iter().take(10).cloned().collect::<Vec<_>>().join(", ");
            let more = if n > 10 { " and more" } else { "" };
            Err(Error::Conflict(format!("Still missing: part {shown}{more}. Send it, then declare the file complete.")))
        }
    }
}

fn away(error: StorageError) -> Error {
    tracing::warn!(%error, "the storage");
    Error::Upstream("The file storage did not answer as it should. Try again in a moment; what was sent is kept.".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use mywork::ids::UserId;

    fn upload() -> Upload {
        Upload {
            id: UploadId::new(),
            owner_id: UserId::new(),
            purpose: Purpose::Package,
            product_id: ProductId::new(),
            key: String::new(),
            multipart_id: Some("m".into()),
            part_size: Some(upload::PART_SIZE),
            file_name: "a.zip".into(),
            content_type: "application/zip".into(),
            size_bytes: upload::PART_SIZE * 4 + 1,
            state: UploadState::Created,
            created_at: DateTime::UNIX_EPOCH,
        }
    }

    fn part(number: i32, size: i64) -> Part {
        Part { number, etag: String::new(), size: size.unsigned_abs() }
    }

    #[test]
    fn a_file_is_whole_when_every_part_is() {
        let mut parts: Vec<_> = (1..=4).map(|number| part(number, upload::PART_SIZE)).collect();
        let error = check_parts(&upload(), &parts).expect_err("the last is missing");
        assert!(error.to_string().contains("part 5."), "{error}");
        parts.push(part(5, 1));
        assert!(check_parts(&upload(), &parts).is_ok());
        parts[1].size = 3;
        assert!(check_parts(&upload(), &parts).is_err(), "a part that was cut off does not count");
    }
}
