//! Taking what was bought (ORDER-03). A licence opens every released version within its time of updates, each a limited number
//! of times. [`take`] counts one download and names the object; the caller commits and then signs a link that lives fifteen
//! minutes. In this order a crash between the two costs the buyer one count, never us an uncounted link.
//! Belongs to the buyer's own transaction: row-level security shows only their licences.

use super::{
    licence::{self, Licence},
    order::Order,
    timeline::{self, Happened, Line},
};
use crate::ids::{LicenceId, VersionId};
use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use std::time::Duration;

/// How long a signed link opens the file (spec 3, "Licences").
pub const LINK_LIFE: Duration = Duration::from_secs(15 * 60);

/// A version that the licence opens.
#[derive(Clone, Debug)]
pub struct Downloadable {
    pub version: VersionId,
    /// `1.2.0`
    pub number: String,
    pub file_name: String,
    pub changelog: String,
    pub size_bytes: Option<i64>,
    /// In hexadecimal.
    pub sha256: Option<String>,
    pub released_at: Option<DateTime<Utc>>,
    /// Times it can still be downloaded.
    pub remaining: i32,
}

/// Leave to download one file once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub object_key: String,
    /// Name the browser saves it under.
    pub file_name: String,
    pub version_number: String,
    pub remaining: i32,
}

/// Why there is nothing to download. Each sentence is for the buyer.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    #[error("This order is not paid yet; the download opens as soon as the payment has arrived.")]
    NotPaid,
    #[error("This licence was revoked{}, so its downloads are closed.", .0.as_ref().map(|r| format!(" ({r})")).unwrap_or_default())]
    Revoked(Option<String>),
    #[error("This version is not part of your licence: it is not released, or it came after your time of updates.")]
    NotIncluded,
    #[error("You have used all {max} downloads of version {version}. Write to support to have the limit raised.")]
    LimitReached { version: String, max: i32 },
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Every version that the licence opens, newest first.
///
/// # Errors
/// When the database refuses.
pub async fn versions(conn: &mut PgConnection, order: &Order, licence: &Licence) -> Result<Vec<Downloadable>, sqlx::Error> {
    // The version that was current at the purchase is always included, whatever the time of updates says.
    let rows = sqlx::query!(
        r#"SELECT v.id AS "version: VersionId",
                  v.number,
                  v.file_name,
                  v.changelog,
                  v.size_bytes,
                  v.sha256,
                  v.released_at,
                  coalesce(d.count, 0) AS "used!"
             FROM product_versions v
             LEFT JOIN licence_downloads d ON d.licence_id = $1 AND d.version_id = v.id
            WHERE v.product_id = $2
              AND v.state = 'released'
              AND ($3::timestamptz IS NULL OR v.released_at <= $3 OR v.id = $4)
            ORDER BY v.released_at DESC NULLS LAST, v.id DESC"#,
        licence.id as LicenceId,
        licence.product_id.0,
        licence.updates_until,
        order.version_id as Option<VersionId>,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Downloadable {
            version: row.version,
            number: row.number,
            file_name: row.file_name,
            changelog: row.changelog,
            size_bytes: row.size_bytes,
            sha256: row.sha256.map(hex::encode),
            released_at: row.released_at,
            remaining: (licence.max_downloads - row.used).max(0),
        })
        .collect())
}

/// Takes one download of a version, or of the newest where none is named.
///
/// # Errors
/// See [`DownloadError`]; nothing is counted then.
pub async fn take(
    conn: &mut PgConnection,
    order: &Order,
    version: Option<VersionId>,
    now: DateTime<Utc>,
) -> Result<Grant, DownloadError> {
    let licence = licence::of_order(conn, order.id).await?.ok_or(DownloadError::NotPaid)?;
    if !licence.is_active() {
        return Err(DownloadError::Revoked(licence.revoked_reason));
    }
    let included = versions(conn, order, &licence).await?;
    let chosen = match version {
        Some(id) => included.into_iter().find(|v| v.version == id),
        None => included.into_iter().next(),
    }
    .ok_or(DownloadError::NotIncluded)?;
    let object_key = object_key(conn, chosen.version).await?.ok_or(DownloadError::NotIncluded)?;
    let used = count(conn, licence.id, chosen.version, licence.max_downloads, now)
        .await?
        .ok_or(DownloadError::LimitReached { version: chosen.number.clone(), max: licence.max_downloads })?;
    let detail = format!("Version {}, {used} of {}", chosen.number, licence.max_downloads);
    timeline::note(conn, order.id, Line { what: Happened::Downloaded, detail: &detail, once: None, by: None }, now).await?;
    Ok(Grant { object_key, file_name: chosen.file_name, version_number: chosen.number, remaining: licence.max_downloads - used })
}

async fn object_key(conn: &mut PgConnection, version: VersionId) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar!("SELECT object_key FROM product_versions WHERE id = $1", version as VersionId).fetch_one(conn).await
}

/// Counts one download in a single statement. Two clicks at once queue on the row, and the second evaluates the limit against
/// what the first has written: the last download cannot be taken twice. `None`: the limit is reached.
async fn count(
    conn: &mut PgConnection,
    licence: LicenceId,
    version: VersionId,
    max: i32,
    now: DateTime<Utc>,
) -> Result<Option<i32>, sqlx::Error> {
    sqlx::query_scalar!(
        "INSERT INTO licence_downloads AS d (licence_id, version_id, count, last_at)
         SELECT id, $2, 1, $3
           FROM licences
          WHERE id = $1
            AND state = 'active'
         ON CONFLICT ON CONSTRAINT licence_downloads_pkey DO UPDATE
            SET count = d.count + 1,
                last_at = $3
          WHERE d.count < $4
         RETURNING count",
        licence as LicenceId,
        version as VersionId,
        now,
        max,
    )
    .fetch_optional(conn)
    .await
}
