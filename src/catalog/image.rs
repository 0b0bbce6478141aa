//! A picture of a product (PROD-05): `received → ready | rejected`. The original stays in quarantine until a job has decoded it,
//! re-encoded it without its metadata, and stored the variants under `public/`; only variants are ever shown.
//!
//! The order of a gallery is `position`; the first picture is the one on cards.

use super::jobs::{DiscardObjects, ProcessImages};
use super::product;
use super::text::clean;
use super::upload::{MAX_IMAGES, Upload};
use super::{Error, Problems};
use crate::ids::{ImageId, ProductId, UploadId, UserId};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, types::Json};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum ImageState {
    Received,
    Ready,
    Rejected,
}

/// One size of a picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variant {
    /// `thumb` (160×100), `card` (640×400) or `full` (up to 1280 wide).
    pub name: String,
    pub key: String,
    pub width: u32,
    pub height: u32,
}

/// A picture in all its sizes.
#[derive(Clone, Debug, Serialize)]
pub struct Image {
    pub id: ImageId,
    pub product_id: ProductId,
    pub position: i32,
    pub state: ImageState,
    pub alt: String,
    pub width: Option<i32>,
    pub height: Option<i32>,
    pub variants: Vec<Variant>,
    /// Why it was refused.
    pub error: Option<String>,
}

impl Image {
    /// Key of the variant of this name.
    pub fn key(&self, name: &str) -> Option<&str> {
        self.variants.iter().find(|variant| variant.name == name).map(|variant| variant.key.as_str())
    }
}

/// Longest description of a picture.
pub const MAX_ALT: usize = 200;

/// The pictures of a product in their order, refused ones included.
///
/// # Errors
/// When the database fails.
pub async fn images_of(connection: &mut PgConnection, product: ProductId) -> Result<Vec<Image>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT
             id AS "id: ImageId",
             position,
             state AS "state: ImageState",
             alt,
             width,
             height,
             variants AS "variants: Json<Vec<Variant>>",
             error
           FROM product_images
           WHERE product_id = $1
           ORDER BY position, id"#,
        product as ProductId,
    )
    .fetch_all(connection)
    .await?;
    let images = rows.into_iter().map(|row| Image {
        id: row.id,
        product_id: product,
        position: row.position,
        state: row.state,
        alt: row.alt,
        width: row.width,
        height: row.height,
        variants: row.variants.0,
        error: row.error,
    });
    Ok(images.collect())
}

/// Pictures that count against the limit: refused ones do not.
pub(super) async fn count(connection: &mut PgConnection, product: ProductId) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM product_images WHERE product_id = $1 AND state <> 'rejected'"#,
        product as ProductId,
    )
    .fetch_one(connection)
    .await
}

/// A picture arrived. The caller holds the product's lock.
pub(super) async fn add(connection: &mut PgConnection, upload: &Upload, now: DateTime<Utc>) -> Result<ImageId, Error> {
    if count(connection, upload.product_id).await? >= MAX_IMAGES {
        return Err(Error::Conflict("A product has up to 10 pictures. Remove one first.".into()));
    }
    let id = ImageId::new();
    sqlx::query!(
        "INSERT INTO product_images (id, product_id, upload_id, position, state, created_at)
         SELECT $1, $2, $3, coalesce(max(position), 0) + 1, $4, $5
         FROM product_images
         WHERE product_id = $2",
        id as ImageId,
        upload.product_id as ProductId,
        upload.id as UploadId,
        ImageState::Received as ImageState,
        now,
    )
    .execute(&mut *connection)
    .await?;
    mywork_queue::enqueue(connection, &ProcessImages { image: id }).await?;
    Ok(id)
}

/// The picture an upload became.
///
/// # Errors
/// When the database fails.
pub async fn of_upload(connection: &mut PgConnection, upload: UploadId) -> Result<Option<ImageId>, sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT id AS "id: ImageId" FROM product_images WHERE upload_id = $1"#, upload as UploadId)
        .fetch_optional(connection)
        .await
}

/// Removes a picture of the seller's; a job removes its files.
///
/// # Errors
/// [`Error::NotFound`] when there is none.
pub async fn remove(connection: &mut PgConnection, seller: UserId, product: ProductId, id: ImageId) -> Result<(), Error> {
    product::lock_editable(connection, seller, product).await?;
    let row = sqlx::query!(
        r#"DELETE FROM product_images i
           USING uploads u
           WHERE i.id = $1 AND i.product_id = $2 AND u.id = i.upload_id
           RETURNING i.variants AS "variants: Json<Vec<Variant>>", u.key"#,
        id as ImageId,
        product as ProductId,
    )
    .fetch_optional(&mut *connection)
    .await?;
    let row = match row {
        Some(row) => row,
        None => return remove_without_upload(connection, product, id).await,
    };
    let mut keys: Vec<String> = row.variants.0.into_iter().map(|variant| variant.key).collect();
    keys.push(row.key);
    mywork_queue::enqueue(connection, &DiscardObjects { keys, multipart: None }).await?;
    Ok(())
}

/// A picture that never was an upload (imported, seeded): only its variants exist.
async fn remove_without_upload(connection: &mut PgConnection, product: ProductId, id: ImageId) -> Result<(), Error> {
    let variants = sqlx::query_scalar!(
        r#"DELETE FROM product_images
           WHERE id = $1 AND product_id = $2
           RETURNING variants AS "variants: Json<Vec<Variant>>""#,
        id as ImageId,
        product as ProductId,
    )
    .fetch_optional(&mut *connection)
    .await?
    .ok_or(Error::NotFound("picture"))?;
    let keys = variants.0.into_iter().map(|variant| variant.key).collect();
    mywork_queue::enqueue(connection, &DiscardObjects { keys, multipart: None }).await?;
    Ok(())
}

/// Describes a picture for who cannot see it, and puts it first where that is asked for.
///
/// # Errors
/// [`Error::Invalid`] at `alt`; [`Error::NotFound`] when there is no such picture.
pub async fn edit(
    connection: &mut PgConnection,
    seller: UserId,
    product: ProductId,
    id: ImageId,
    alt: &str,
    first: bool,
) -> Result<(), Error> {
    product::lock_editable(connection, seller, product).await?;
    let alt = clean(alt);
    if alt.chars().count() > MAX_ALT {
        return Err(Error::Invalid(Problems::of("alt", "Describe the picture in up to 200 characters.")));
    }
    let changed = sqlx::query!(
        "UPDATE product_images SET
           alt = $3,
           position = CASE WHEN $4 THEN (SELECT min(position) - 1 FROM product_images WHERE product_id = $2) ELSE position END
         WHERE id = $1 AND product_id = $2",
        id as ImageId,
        product as ProductId,
        alt,
        first,
    )
    .execute(connection)
    .await?;
    if changed.rows_affected() == 0 {
        return Err(Error::NotFound("picture"));
    }
    Ok(())
}

/// What the job needs to know of a picture.
#[derive(Clone, Debug)]
pub struct Original {
    pub id: ImageId,
    /// Quarantine key.
    pub key: String,
    pub state: ImageState,
}

/// The original of a picture, unless it was removed in the meantime.
///
/// # Errors
/// When the database fails.
pub async fn original(connection: &mut PgConnection, id: ImageId) -> Result<Option<Original>, sqlx::Error> {
    sqlx::query_as!(
        Original,
        r#"SELECT i.id AS "id: ImageId", u.key, i.state AS "state: ImageState"
           FROM product_images i
           JOIN uploads u ON u.id = i.upload_id
           WHERE i.id = $1"#,
        id as ImageId,
    )
    .fetch_optional(connection)
    .await
}

/// The variants are stored. False when the picture was removed or judged in the meantime: the caller then removes them again.
///
/// # Errors
/// When the database fails.
pub async fn record_ready(
    connection: &mut PgConnection,
    id: ImageId,
    (width, height): (u32, u32),
    variants: &[Variant],
) -> Result<bool, sqlx::Error> {
    let changed = sqlx::query!(
        "UPDATE product_images SET
           state = 'ready',
           width = $2,
           height = $3,
           variants = $4
         WHERE id = $1 AND state = 'received'",
        id as ImageId,
        i32::try_from(width).ok(),
        i32::try_from(height).ok(),
        Json(variants) as _,
    )
    .execute(connection)
    .await?;
    Ok(changed.rows_affected() == 1)
}

/// The picture is none, or none we take; `why` is for the seller.
///
/// # Errors
/// When the database fails.
pub async fn record_rejected(connection: &mut PgConnection, id: ImageId, why: &str) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE product_images SET state = 'rejected', error = $2 WHERE id = $1 AND state = 'received'",
        id as ImageId,
        why,
    )
    .execute(connection)
    .await?;
    Ok(())
}
