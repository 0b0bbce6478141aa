//! A file on its way from a browser straight to storage (PROD-08): `created → completed | aborted`. It never passes through
//! the web process; this row says who may send what where, and the storage's signature holds them to it.
//!
//! Nothing here talks to storage. The web tier inserts the row, then signs addresses; when the browser is done it asks the
//! storage what it has, and only then calls [`complete`]. Files up to 64 MB go in one PUT, larger ones in parts of 16 MB that
//! can be sent again and in any order, so that an upload survives a closed laptop.
//!
//! Uploads of this room belong to a product; the rows without one are people's pictures of themselves (`identity`).

use super::jobs::DiscardObjects;
use super::product;
use super::{Error, Problems, version};
use crate::ids::{ProductId, UploadId, UserId};
use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use uuid::Uuid;

const MB: i64 = 1 << 20;
/// Up to here a file is sent in one PUT.
pub const SINGLE_PUT_LIMIT: i64 = 64 * MB;
/// Size of every part but the last.
pub const PART_SIZE: i64 = 16 * MB;
/// Largest package.
pub const MAX_PACKAGE: i64 = 500 * MB;
/// Largest picture.
pub const MAX_IMAGE: i64 = 10 * MB;
/// Pictures of one product, those on their way counted.
pub const MAX_IMAGES: i64 = 10;
/// Uploads one person may have open at a time.
pub const MAX_OPEN: i64 = 20;

/// An upload that was not finished by then is given up.
pub fn patience() -> Duration {
    Duration::hours(48)
}

/// What the file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    Package,
    Image,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum UploadState {
    Created,
    Completed,
    Aborted,
}

/// One file on its way.
#[derive(Clone, Debug, Serialize)]
pub struct Upload {
    pub id: UploadId,
    pub owner_id: UserId,
    pub purpose: Purpose,
    pub product_id: ProductId,
    /// Where it lands. Never shown but inside a signed address.
    #[serde(skip)]
    pub key: String,
    /// The storage's id of a multipart upload.
    #[serde(skip)]
    pub multipart_id: Option<String>,
    /// Size of a part; `None` for a single PUT.
    pub part_size: Option<i64>,
    pub file_name: String,
    pub content_type: String,
    pub size_bytes: i64,
    pub state: UploadState,
    pub created_at: DateTime<Utc>,
}

impl Upload {
    /// How many parts it comes in; one for a single PUT.
    pub fn part_count(&self) -> i64 {
        self.part_size.map_or(1, |size| (self.size_bytes + size - 1) / size)
    }

    /// Bytes of part `number`, counted from one.
    pub fn part_length(&self, number: i64) -> Option<i64> {
        let size = self.part_size?;
        (1..=self.part_count()).contains(&number).then(|| (self.size_bytes - (number - 1) * size).min(size))
    }
}

/// A file that somebody wants to send.
#[derive(Clone, Debug)]
pub struct NewUpload {
    pub product: ProductId,
    pub purpose: Purpose,
    pub file_name: String,
    pub size_bytes: i64,
    /// The number the package will get: checked now, before half a gigabyte is sent for nothing.
    pub number: Option<String>,
}

/// The content type a file of this name is stored under, or why it is not accepted. What a browser claims counts for nothing,
/// and neither does this in the end: the worker judges by content.
fn content_type(purpose: Purpose, file_name: &str) -> Result<&'static str, &'static str> {
    let name = file_name.to_ascii_lowercase();
    let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    match purpose {
        Purpose::Package if ends(&[".zip"]) => Ok("application/zip"),
        Purpose::Package if ends(&[".tar.gz", ".tgz"]) => Ok("application/gzip"),
        Purpose::Package => Err("Pack your project as a .zip or .tar.gz file."),
        Purpose::Image => picture_type(&name).ok_or("Choose a PNG, JPEG or WebP picture."),
    }
}

/// The content type a picture of this name is stored under; nothing for what is no picture of ours.
pub(crate) fn picture_type(file_name: &str) -> Option<&'static str> {
    let (_, ending) = file_name.rsplit_once('.')?;
    match ending.to_ascii_lowercase().as_str() {
        "png" => Some("image/png"),
        "jpg" | "jpeg" => Some("image/jpeg"),
        "webp" => Some("image/webp"),
        _ => None,
    }
}

/// The last part of a path, shortened, with what a file system or a header could stumble over replaced.
pub(crate) fn safe_name(file_name: &str) -> String {
    let base = file_name.rsplit(['/', '\\']).next().unwrap_or_default().trim();
    let cleaned: String = base.chars().map(|c| if c.is_control() || "\"<>|:*?".contains(c) { '_' } else { c }).collect();
    // The ending stays whatever is cut.
    let excess = cleaned.chars().count().saturating_sub(120);
    cleaned.chars().skip(excess).collect()
}

/// Opens an upload. The caller signs its address after this is committed.
///
/// # Errors
/// [`Error::Invalid`] at `file_name`, `size_bytes` or `number`; [`Error::Conflict`] with too many open uploads or pictures.
pub async fn begin(connection: &mut PgConnection, owner: UserId, new: &NewUpload, now: DateTime<Utc>) -> Result<Upload, Error> {
    let product = product::lock_editable(connection, owner, new.product).await?;
    let file_name = safe_name(&new.file_name);
    let mut problems = Problems::default();
    let content_type = content_type(new.purpose, &file_name).unwrap_or_else(|sentence| {
        problems.add("file_name", sentence);
        ""
    });
    let (limit, words) = match new.purpose {
        Purpose::Package => (MAX_PACKAGE, "A package may have up to 500 MB."),
        Purpose::Image => (MAX_IMAGE, "A picture may have up to 10 MB."),
    };
    if new.size_bytes < 1 {
        problems.add("size_bytes", "This file is empty.");
    } else if new.size_bytes > limit {
        problems.add("size_bytes", words);
    }
    problems.into_result()?;
    if new.purpose == Purpose::Package {
        version::check_number(connection, &product, new.number.as_deref()).await?;
    }
    give_up_stale(connection, owner, now).await?;
    // Under the person's own row their open uploads are counted, so that two tabs do not both take the last place.
    sqlx::query_scalar!("SELECT id FROM users WHERE id = $1 FOR NO KEY UPDATE", owner as UserId)
        .fetch_one(&mut *connection)
        .await?;
    let counts = sqlx::query!(
        r#"SELECT
             count(*) AS "open!",
             count(*) FILTER (WHERE purpose = 'image' AND product_id = $2) AS "images!"
           FROM uploads
           WHERE owner_id = $1 AND state = 'created' AND product_id IS NOT NULL"#,
        owner as UserId,
        product.id as ProductId,
    )
    .fetch_one(&mut *connection)
    .await?;
    if counts.open >= MAX_OPEN {
        return Err(Error::Conflict("You have 20 unfinished uploads. Finish or remove some of them first.".into()));
    }
    if new.purpose == Purpose::Image && counts.images + super::image::count(connection, product.id).await? >= MAX_IMAGES {
        return Err(Error::Conflict("A product has up to 10 pictures. Remove one first.".into()));
    }
    let id = UploadId::new();
    let key = format!("quarantine/{id}/{}", Uuid::new_v4().simple());
    let part_size = (new.size_bytes > SINGLE_PUT_LIMIT).then_some(PART_SIZE);
    sqlx::query!(
        "INSERT INTO uploads (id, owner_id, purpose, product_id, key, part_size, file_name, content_type, size_bytes, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        id as UploadId,
        owner as UserId,
        new.purpose as Purpose,
        product.id as ProductId,
        key,
        part_size,
        file_name,
        content_type,
        new.size_bytes,
        now,
    )
    .execute(&mut *connection)
    .await?;
    find(connection, owner, id).await?.ok_or(Error::NotFound("upload"))
}

macro_rules! select_upload {
    ($tail:literal, $($argument:expr),*) => {
        sqlx::query_as!(
            Upload,
            r#"SELECT
                 id AS "id: UploadId",
                 owner_id AS "owner_id: UserId",
                 purpose AS "purpose: Purpose",
                 product_id AS "product_id!: ProductId",
                 key,
                 multipart_id,
                 part_size,
                 file_name,
                 content_type,
                 size_bytes,
                 state AS "state: UploadState",
                 created_at
               FROM uploads "# + $tail,
            $($argument),*
        )
    };
}

/// The person's own upload.
///
/// # Errors
/// When the database fails.
pub async fn find(connection: &mut PgConnection, owner: UserId, id: UploadId) -> Result<Option<Upload>, sqlx::Error> {
    select_upload!("WHERE id = $1 AND owner_id = $2 AND product_id IS NOT NULL", id as UploadId, owner as UserId)
        .fetch_optional(connection)
        .await
}

/// The person's own upload, which must exist.
///
/// # Errors
/// [`Error::NotFound`] when it does not.
pub async fn get(connection: &mut PgConnection, owner: UserId, id: UploadId) -> Result<Upload, Error> {
    find(connection, owner, id).await?.ok_or(Error::NotFound("upload"))
}

/// Uploads of a product that can be continued, the newest first.
///
/// # Errors
/// When the database fails.
pub async fn open_of(connection: &mut PgConnection, owner: UserId, product: ProductId) -> Result<Vec<Upload>, sqlx::Error> {
    select_upload!(
        "WHERE owner_id = $1 AND product_id = $2 AND state = 'created' ORDER BY id DESC",
        owner as UserId,
        product as ProductId
    )
    .fetch_all(connection)
    .await
}

/// Notes the storage's id of a multipart upload. False when another request was first: the caller then aborts its own.
///
/// # Errors
/// When the database fails.
pub async fn attach_multipart(
    connection: &mut PgConnection,
    owner: UserId,
    id: UploadId,
    multipart_id: &str,
) -> Result<bool, sqlx::Error> {
    let changed = sqlx::query!(
        "UPDATE uploads
         SET multipart_id = $3
         WHERE id = $1 AND owner_id = $2 AND state = 'created' AND multipart_id IS NULL",
        id as UploadId,
        owner as UserId,
        multipart_id,
    )
    .execute(connection)
    .await?;
    Ok(changed.rows_affected() == 1)
}

/// The storage has the whole file, of `size` bytes. Repeating it changes nothing.
///
/// # Errors
/// [`Error::Conflict`] when it was given up, or the size is not the announced one.
pub async fn complete(
    connection: &mut PgConnection,
    owner: UserId,
    id: UploadId,
    size: i64,
    now: DateTime<Utc>,
) -> Result<Upload, Error> {
    let upload = get(connection, owner, id).await?;
    product::lock_editable(connection, owner, upload.product_id).await?;
    // Read again under the lock: two completions at once take turns here.
    let mut upload = get(connection, owner, id).await?;
    match upload.state {
        UploadState::Completed => return Ok(upload),
        UploadState::Aborted => return Err(Error::Conflict("This upload was given up. Start it again.".into())),
        UploadState::Created => {}
    }
    if size != upload.size_bytes {
        return Err(Error::Conflict(format!(
            "{size} bytes arrived where {} were announced. Upload the file again.",
            upload.size_bytes
        )));
    }
    sqlx::query!("UPDATE uploads SET state = 'completed', completed_at = $2 WHERE id = $1", id as UploadId, now)
        .execute(&mut *connection)
        .await?;
    if upload.purpose == Purpose::Image {
        super::image::add(connection, &upload, now).await?;
    }
    upload.state = UploadState::Completed;
    Ok(upload)
}

/// Gives an open upload up; a job removes what was already sent. Repeating it changes nothing.
///
/// # Errors
/// [`Error::Conflict`] when it is already complete.
pub async fn abort(connection: &mut PgConnection, owner: UserId, id: UploadId) -> Result<(), Error> {
    let given_up = sqlx::query!(
        "UPDATE uploads
         SET state = 'aborted'
         WHERE id = $1 AND owner_id = $2 AND state = 'created' AND product_id IS NOT NULL
         RETURNING key, multipart_id",
        id as UploadId,
        owner as UserId,
    )
    .fetch_optional(&mut *connection)
    .await?;
    match given_up {
        Some(row) => discard(connection, row.key, row.multipart_id).await,
        None => match get(connection, owner, id).await?.state {
            UploadState::Completed => {
                Err(Error::Conflict("This upload is complete; remove the picture or version instead.".into()))
            }
            UploadState::Created | UploadState::Aborted => Ok(()),
        },
    }
}

/// Whoever begins another upload clears away their own that nobody came back to.
async fn give_up_stale(connection: &mut PgConnection, owner: UserId, now: DateTime<Utc>) -> Result<(), Error> {
    let stale = sqlx::query!(
        "UPDATE uploads
         SET state = 'aborted'
         WHERE owner_id = $1 AND state = 'created' AND product_id IS NOT NULL AND created_at < $2
         RETURNING key, multipart_id",
        owner as UserId,
        now - patience(),
    )
    .fetch_all(&mut *connection)
    .await?;
    for row in stale {
        discard(connection, row.key, row.multipart_id).await?;
    }
    Ok(())
}

async fn discard(connection: &mut PgConnection, key: String, multipart_id: Option<String>) -> Result<(), Error> {
    let multipart = multipart_id.map(|id| (key.clone(), id));
    mywork_queue::enqueue(connection, &DiscardObjects { keys: vec![key], multipart }).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upload(size_bytes: i64, part_size: Option<i64>) -> Upload {
        Upload {
            id: UploadId::new(),
            owner_id: UserId::new(),
            purpose: Purpose::Package,
            product_id: ProductId::new(),
            key: String::new(),
            multipart_id: None,
            part_size,
            file_name: "a.zip".into(),
            content_type: "application/zip".into(),
            size_bytes,
            state: UploadState::Created,
            created_at: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn parts_add_up_to_the_file() {
        let file = upload(100 * MB + 7, Some(PART_SIZE));
        assert_eq!(file.part_count(), 7);
        assert_eq!((1..=7).filter_map(|n| file.part_length(n)).sum::<i64>(), file.size_bytes);
        assert_eq!(file.part_length(7), Some(4 * MB + 7));
        assert_eq!(file.part_length(0), None);
        assert_eq!(file.part_length(8), None);
        assert_eq!(upload(32 * MB, Some(PART_SIZE)).part_count(), 2);
        assert_eq!(upload(5, None).part_count(), 1);
    }

    #[test]
    fn names_are_judged_by_their_ending() {
        assert_eq!(content_type(Purpose::Package, "App.ZIP"), Ok("application/zip"));
        assert_eq!(content_type(Purpose::Package, "app-1.0.tar.gz"), Ok("application/gzip"));
        assert!(content_type(Purpose::Package, "app.rar").is_err());
        assert_eq!(content_type(Purpose::Image, "shot.JPEG"), Ok("image/jpeg"));
        assert!(content_type(Purpose::Image, "shot.svg").is_err());
    }

    #[test]
    fn names_lose_their_folders_and_keep_their_ending() {
        assert_eq!(safe_name(r"C:\Users\me\app.zip"), "app.zip");
        assert_eq!(safe_name("../../etc/pa\"ss.zip"), "pa_ss.zip");
        let long = safe_name(&format!("{}.tar.gz", "x".repeat(300)));
        assert_eq!(long.chars().count(), 120);
        assert!(long.ends_with(".tar.gz"));
    }
}
