//! A person's picture of themselves (AUTH-03). It travels as the pictures of products do: straight from the browser to a
//! quarantine key, then a job decodes it and stores a small copy without its metadata under `public/`; only that copy is shown.
//!
//! One is on its way at a time: whoever begins another gives the earlier one up. The newest complete one wins, in whatever
//! order jobs get to them, and what it replaces is removed. The rows are those of `uploads` without a product.

use super::jobs::ProcessAvatar;
use crate::catalog::{
    jobs::DiscardObjects,
    upload::{UploadState, picture_type, safe_name},
};
use crate::ids::{UploadId, UserId};
use chrono::{DateTime, Utc};
use mywork_queue::EnqueueError;
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

/// Largest original.
pub const MAX_BYTES: i64 = 2 << 20;
/// Width and height of what is shown, in pixels.
pub const SIDE: u32 = 256;

/// An original on its way.
#[derive(Clone, Debug)]
pub struct AvatarUpload {
    pub id: UploadId,
    /// Where it lands. Never shown but inside a signed address.
    pub key: String,
    pub content_type: String,
    pub size_bytes: i64,
    pub state: UploadState,
}

/// How the newest picture stands that is not shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It has arrived, and its job has not.
    Preparing,
    /// Why it is not taken.
    Refused(String),
}

#[derive(Debug, thiserror::Error)]
pub enum AvatarError {
    #[error("Choose a PNG, JPEG or WebP picture.")]
    NotAPicture,
    #[error("This file is empty.")]
    Empty,
    #[error("Choose a picture of up to 2 MB.")]
    TooLarge,
    #[error("There is no such upload.")]
    NoSuchUpload,
    #[error("This upload was given up. Start it again.")]
    GivenUp,
    #[error("{arrived} bytes arrived where {announced} were announced. Upload the picture again.")]
    OtherSize { arrived: i64, announced: i64 },
    #[error("the picture could not be recorded")]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Enqueue(#[from] EnqueueError),
}

/// Opens an upload in place of any other that is open. The caller signs its address after this is committed.
///
/// # Errors
/// [`AvatarError::NotAPicture`], [`AvatarError::Empty`], [`AvatarError::TooLarge`].
pub async fn begin(
    connection: &mut PgConnection,
    owner: UserId,
    file_name: &str,
    size_bytes: i64,
    now: DateTime<Utc>,
) -> Result<AvatarUpload, AvatarError> {
    let file_name = safe_name(file_name);
    let content_type = picture_type(&file_name).ok_or(AvatarError::NotAPicture)?;
    if size_bytes < 1 {
        return Err(AvatarError::Empty);
    }
    if size_bytes > MAX_BYTES {
        return Err(AvatarError::TooLarge);
    }
    lock(connection, owner).await?;
    let given_up = sqlx::query_scalar!(
        "UPDATE uploads
         SET state = 'aborted'
         WHERE owner_id = $1 AND purpose = 'avatar' AND state = 'created'
         RETURNING key",
        owner as UserId,
    )
    .fetch_all(&mut *connection)
    .await?;
    discard(connection, given_up).await?;
    let id = UploadId::new();
    sqlx::query!(
        "INSERT INTO uploads (id, owner_id, purpose, key, file_name, content_type, size_bytes, created_at)
         VALUES ($1, $2, 'avatar', $3, $4, $5, $6, $7)",
        id as UploadId,
        owner as UserId,
        format!("quarantine/{id}/{}", Uuid::new_v4().simple()),
        file_name,
        content_type,
        size_bytes,
        now,
    )
    .execute(&mut *connection)
    .await?;
    get(connection, owner, id).await
}

/// The person's own upload, which must exist.
///
/// # Errors
/// [`AvatarError::NoSuchUpload`] when it does not.
pub async fn get(connection: &mut PgConnection, owner: UserId, id: UploadId) -> Result<AvatarUpload, AvatarError> {
    sqlx::query_as!(
        AvatarUpload,
        r#"SELECT id AS "id: UploadId", key, content_type, size_bytes, state AS "state: UploadState"
           FROM uploads
           WHERE id = $1 AND owner_id = $2 AND purpose = 'avatar'"#,
        id as UploadId,
        owner as UserId,
    )
    .fetch_optional(connection)
    .await?
    .ok_or(AvatarError::NoSuchUpload)
}

/// The storage has the whole file, of `size` bytes; a job takes it from there. Repeating it changes nothing.
///
/// # Errors
/// [`AvatarError::GivenUp`]; [`AvatarError::OtherSize`] when the size is not the announced one.
pub async fn complete(
    connection: &mut PgConnection,
    owner: UserId,
    id: UploadId,
    size: i64,
    now: DateTime<Utc>,
) -> Result<(), AvatarError> {
    lock(connection, owner).await?;
    let upload = get(connection, owner, id).await?;
    match upload.state {
        UploadState::Completed => return Ok(()),
        UploadState::Aborted => return Err(AvatarError::GivenUp),
        UploadState::Created => {}
    }
    if size != upload.size_bytes {
        return Err(AvatarError::OtherSize { arrived: size, announced: upload.size_bytes });
    }
    sqlx::query!("UPDATE uploads SET state = 'completed', completed_at = $2 WHERE id = $1", id as UploadId, now)
        .execute(&mut *connection)
        .await?;
    mywork_queue::enqueue(connection, &ProcessAvatar { upload: id }).await?;
    Ok(())
}

/// Gives an open upload up. Repeating it, or coming too late, changes nothing.
///
/// # Errors
/// [`AvatarError::NoSuchUpload`].
pub async fn abort(connection: &mut PgConnection, owner: UserId, id: UploadId) -> Result<(), AvatarError> {
    get(connection, owner, id).await?;
    let given_up = sqlx::query_scalar!(
        "UPDATE uploads SET state = 'aborted' WHERE id = $1 AND owner_id = $2 AND state = 'created' RETURNING key",
        id as UploadId,
        owner as UserId,
    )
    .fetch_all(&mut *connection)
    .await?;
    discard(connection, given_up).await
}

/// Goes back to initials: what is shown is removed, what is on its way or was refused is forgotten. Repeating it changes
/// nothing.
///
/// # Errors
/// When the database fails.
pub async fn remove(connection: &mut PgConnection, owner: UserId, now: DateTime<Utc>) -> Result<(), AvatarError> {
    let shown = lock(connection, owner).await?;
    sqlx::query!(
        "UPDATE uploads
         SET settled_at = coalesce(settled_at, $2), rejection = NULL
         WHERE owner_id = $1 AND purpose = 'avatar' AND state = 'completed'",
        owner as UserId,
        now,
    )
    .execute(&mut *connection)
    .await?;
    let Some(shown) = shown else { return Ok(()) };
    sqlx::query!("UPDATE users SET avatar_key = NULL, updated_at = $2 WHERE id = $1", owner as UserId, now)
        .execute(&mut *connection)
        .await?;
    discard(connection, vec![shown]).await
}

/// How the newest picture stands; nothing when it is shown, or there is none.
///
/// # Errors
/// When the database fails.
pub async fn standing(connection: &mut PgConnection, owner: UserId) -> Result<Option<Standing>, sqlx::Error> {
    let newest = sqlx::query!(
        r#"SELECT settled_at IS NOT NULL AS "settled!", rejection
           FROM uploads
           WHERE owner_id = $1 AND purpose = 'avatar' AND state = 'completed'
           ORDER BY id DESC
           LIMIT 1"#,
        owner as UserId,
    )
    .fetch_optional(connection)
    .await?;
    Ok(newest.and_then(|row| if row.settled { row.rejection.map(Standing::Refused) } else { Some(Standing::Preparing) }))
}

/// What the job needs to know.
#[derive(Clone, Debug)]
pub struct Original {
    /// Quarantine key.
    pub key: String,
    /// The job has been here, or the person wants it no more.
    pub is_settled: bool,
}

impl Original {
    /// Where the picture is shown from: a name that nobody guesses, and the same one however often the job runs.
    pub fn public_key(&self, ending: &str) -> String {
        let secret = self.key.rsplit('/').next().unwrap_or_default();
        format!("public/avatars/{secret}.{ending}")
    }
}

/// The original of a complete upload.
///
/// # Errors
/// When the database fails.
pub async fn original(connection: &mut PgConnection, id: UploadId) -> Result<Option<Original>, sqlx::Error> {
    sqlx::query_as!(
        Original,
        r#"SELECT key, settled_at IS NOT NULL AS "is_settled!"
           FROM uploads
           WHERE id = $1 AND purpose = 'avatar' AND state = 'completed'"#,
        id as UploadId,
    )
    .fetch_optional(connection)
    .await
}

/// The picture is stored at `key`: from now on it is shown, unless a newer one is complete or the person is gone. Says whether
/// it is shown; when not, nothing refers to it and the caller removes it.
///
/// # Errors
/// When the database fails.
pub async fn record_ready(
    connection: &mut PgConnection,
    id: UploadId,
    key: &str,
    now: DateTime<Utc>,
) -> Result<bool, AvatarError> {
    // The person before the upload, as everywhere here.
    let person = sqlx::query!(
        r#"SELECT u.id AS "id: UserId", u.avatar_key, u.deleted_at IS NOT NULL AS "gone!"
           FROM users u
           WHERE u.id = (SELECT owner_id FROM uploads WHERE id = $1)
           FOR NO KEY UPDATE"#,
        id as UploadId,
    )
    .fetch_one(&mut *connection)
    .await?;
    let settled = sqlx::query!(
        r#"UPDATE uploads f
           SET settled_at = $2
           WHERE f.id = $1 AND f.settled_at IS NULL
           RETURNING EXISTS (SELECT FROM uploads newer
                             WHERE newer.owner_id = f.owner_id AND newer.purpose = 'avatar' AND newer.state = 'completed'
                               AND newer.id > f.id) AS "is_old!""#,
        id as UploadId,
        now,
    )
    .fetch_optional(&mut *connection)
    .await?;
    if settled.is_none_or(|row| row.is_old) || person.gone {
        return Ok(person.avatar_key.as_deref() == Some(key));
    }
    sqlx::query!("UPDATE users SET avatar_key = $2, updated_at = $3 WHERE id = $1", person.id as UserId, key, now)
        .execute(&mut *connection)
        .await?;
    discard(connection, person.avatar_key.into_iter().collect()).await?;
    Ok(true)
}

/// The file is no picture, or none we take; `why` is for its owner. What is shown stays.
///
/// # Errors
/// When the database fails.
pub async fn record_refused(
    connection: &mut PgConnection,
    id: UploadId,
    why: &str,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE uploads SET settled_at = $3, rejection = $2 WHERE id = $1 AND settled_at IS NULL",
        id as UploadId,
        why,
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The person's row, held: whatever is done about their picture takes turns. Answers the key of what is shown.
async fn lock(connection: &mut PgConnection, owner: UserId) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar!("SELECT avatar_key FROM users WHERE id = $1 FOR NO KEY UPDATE", owner as UserId)
        .fetch_one(connection)
        .await
}

async fn discard(connection: &mut PgConnection, keys: Vec<String>) -> Result<(), AvatarError> {
    if !keys.is_empty() {
        mywork_queue::enqueue(connection, &DiscardObjects { keys, multipart: None }).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_shown_under_the_same_secret_name_every_time() {
        let original = Original { key: "quarantine/0198c0de/5ec2e7".into(), is_settled: false };
        assert_eq!(original.public_key("jpg"), "public/avatars/5ec2e7.jpg");
    }
}
