//! A version: one package of a product under one number.
//!
//! ```text
//!   received ──quarantine──▶ quarantined ──validate, scan──▶ checked ──approval, release──▶ released
//!       └──────────────────────────┴───────────────────────────┴──▶ rejected
//! ```
//! Numbers only rise above what was released. At most one version of a product is on its way: a new upload replaces the one
//! before, unless an admin has already approved that. A rejected number may be used again.

use super::product::{self, Product};
use super::text::clean;
use super::upload::{self, Purpose, UploadState};
use super::{Error, Problems, check, workflow};
use crate::ids::{ProductId, UploadId, UserId, VersionId};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::PgConnection;
use std::{cmp::Ordering, fmt, str::FromStr};

/// How far a version has come; drawn above.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum VersionState {
    Received,
    Quarantined,
    Checked,
    Rejected,
    Released,
}

impl VersionState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Quarantined => "quarantined",
            Self::Checked => "checked",
            Self::Rejected => "rejected",
            Self::Released => "released",
        }
    }
}

/// One package of a product.
#[derive(Clone, Debug, Serialize)]
pub struct Version {
    pub id: VersionId,
    pub product_id: ProductId,
    pub number: String,
    /// Markdown.
    pub changelog: String,
    pub state: VersionState,
    pub file_name: String,
    pub size_bytes: Option<i64>,
    /// In hex.
    pub sha256: Option<String>,
    /// The immutable copy. Never shown: who has the key and a signature has the file.
    #[serde(skip)]
    pub object_key: Option<String>,
    pub detected_stack: Vec<String>,
    pub file_count: Option<i32>,
    pub unpacked_bytes: Option<i64>,
    /// Why it was refused or replaced.
    pub rejection: Option<String>,
    pub created_at: DateTime<Utc>,
    pub released_at: Option<DateTime<Utc>>,
}

macro_rules! select_version {
    ($tail:literal, $($argument:expr),*) => {
        sqlx::query_as!(
            Version,
            r#"SELECT
                 v.id AS "id: VersionId",
                 v.product_id AS "product_id: ProductId",
                 v.number,
                 v.changelog,
                 v.state AS "state: VersionState",
                 v.file_name,
                 v.size_bytes,
                 encode(v.sha256, 'hex') AS sha256,
                 v.object_key,
                 v.detected_stack,
                 v.file_count,
                 v.unpacked_bytes,
                 v.rejection,
                 v.created_at,
                 v.released_at
               FROM product_versions v "# + $tail,
            $($argument),*
        )
    };
}

/// The version, if it exists and the actor may see it.
///
/// # Errors
/// When the database fails.
pub async fn find(connection: &mut PgConnection, id: VersionId) -> Result<Option<Version>, sqlx::Error> {
    select_version!("WHERE v.id = $1", id as VersionId).fetch_optional(connection).await
}

/// What a buyer gets today.
///
/// # Errors
/// When the database fails.
pub async fn current_of(connection: &mut PgConnection, product: ProductId) -> Result<Option<Version>, sqlx::Error> {
    select_version!("JOIN products p ON p.current_version_id = v.id WHERE p.id = $1", product as ProductId)
        .fetch_optional(connection)
        .await
}

/// Every released version, the newest first.
///
/// # Errors
/// When the database fails.
pub async fn released_of(connection: &mut PgConnection, product: ProductId) -> Result<Vec<Version>, sqlx::Error> {
    select_version!(
        "WHERE v.product_id = $1 AND v.state = 'released' ORDER BY v.released_at DESC, v.id DESC",
        product as ProductId
    )
    .fetch_all(connection)
    .await
}

/// Every version the seller ever uploaded, the newest first.
///
/// # Errors
/// When the database fails.
pub async fn all_of(connection: &mut PgConnection, product: ProductId) -> Result<Vec<Version>, sqlx::Error> {
    select_version!("WHERE v.product_id = $1 ORDER BY v.created_at DESC, v.id DESC", product as ProductId)
        .fetch_all(connection)
        .await
}

/// The newest version, whatever became of it.
///
/// # Errors
/// When the database fails.
pub async fn newest_of(connection: &mut PgConnection, product: ProductId) -> Result<Option<Version>, sqlx::Error> {
    select_version!("WHERE v.product_id = $1 ORDER BY v.created_at DESC, v.id DESC LIMIT 1", product as ProductId)
        .fetch_optional(connection)
        .await
}

/// What is in a package: the CycloneDX document and the list of files with their sizes.
#[derive(Clone, Debug, Serialize)]
pub struct Contents {
    pub bill_of_materials: Option<Value>,
    /// `[{"path": "README.md", "size": 812}]`, in the order of the paths.
    pub files: Option<Value>,
}

/// # Errors
/// When the database fails.
pub async fn contents_of(connection: &mut PgConnection, id: VersionId) -> Result<Option<Contents>, sqlx::Error> {
    sqlx::query_as!(Contents, "SELECT bill_of_materials, files FROM product_versions WHERE id = $1", id as VersionId)
        .fetch_optional(connection)
        .await
}

/// `1.4.0` or `2.0.0-beta.1`, ordered as Semantic Versioning 2.0 orders them; build metadata is kept and ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number {
    core: [u32; 3],
    pre: Vec<Identifier>,
    text: String,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Identifier {
    // In this order: numeric identifiers come before words.
    Numeric(u64),
    Word(String),
}

impl Number {
    const MAX_LENGTH: usize = 40;

    /// What to suggest after this one.
    pub fn next_patch(&self) -> String {
        let [major, minor, patch] = self.core;
        // The release of a pre-release comes next, not the patch after it.
        let patch = if self.pre.is_empty() { patch.saturating_add(1) } else { patch };
        format!("{major}.{minor}.{patch}")
    }
}

impl FromStr for Number {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const SENTENCE: &str = "Write three numbers, like 1.2.0.";
        let text = text.trim();
        let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
        if text.len() > Self::MAX_LENGTH {
            return Err("Keep the number under 40 characters.");
        }
        let (version, build) = text.split_once('+').map_or((text, None), |(v, b)| (v, Some(b)));
        let (core, pre) = version.split_once('-').map_or((version, None), |(c, p)| (c, Some(p)));
        let word = |w: &str| !w.is_empty() && w.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if [pre, build].into_iter().flatten().any(|part| !part.split('.').all(word)) {
            return Err(SENTENCE);
        }
        let mut parts = core.split('.').map(|part| {
            let plain = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()) && (part == "0" || !part.starts_with('0'));
            if plain { part.parse::<u32>().map_err(|_| SENTENCE) } else { Err(SENTENCE) }
        });
        let mut next = || parts.next().unwrap_or(Err(SENTENCE));
        let core = [next()?, next()?, next()?];
        if parts.next().is_some() {
            return Err(SENTENCE);
        }
        let pre = pre.into_iter().flat_map(|pre| pre.split('.'));
        let pre = pre.map(|w| w.parse().map_or_else(|_| Identifier::Word(w.to_owned()), Identifier::Numeric)).collect();
        Ok(Self { core, pre, text: text.to_owned() })
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Number {
    /// Which of two numbers is the later one.
    pub fn precedence(&self, other: &Self) -> Ordering {
        self.core.cmp(&other.core).then_with(|| match (self.pre.is_empty(), other.pre.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => self.pre.cmp(&other.pre),
        })
    }
}

/// Longest changelog.
pub const MAX_CHANGELOG: usize = 5_000;

/// A package that was uploaded, and what the seller says of it.
#[derive(Clone, Debug)]
pub struct NewVersion {
    pub upload: UploadId,
    /// `None`: the next one.
    pub number: Option<String>,
    /// Markdown.
    pub changelog: String,
}

/// Makes a completed package upload a version of its product and starts its checks. Repeating it returns the version made the
/// first time.
///
/// # Errors
/// [`Error::Invalid`] at `number` or `changelog`; [`Error::Conflict`] when the upload is not there yet, or an approved version
/// is about to be released.
pub async fn create(
    connection: &mut PgConnection,
    seller: UserId,
    new: &NewVersion,
    now: DateTime<Utc>,
) -> Result<VersionId, Error> {
    let upload = upload::find(connection, seller, new.upload).await?.ok_or(Error::NotFound("upload"))?;
    let product = product::lock_editable(connection, seller, upload.product_id).await?;
    let existing =
        sqlx::query_scalar!(r#"SELECT id AS "id: VersionId" FROM product_versions WHERE upload_id = $1"#, upload.id as UploadId)
            .fetch_optional(&mut *connection)
            .await?;
    if let Some(existing) = existing {
        return Ok(existing);
    }
    if upload.purpose != Purpose::Package || upload.state != UploadState::Completed {
        return Err(Error::Conflict("Upload the package to the end first, then make it a version.".into()));
    }
    let number = check_number(connection, &product, new.number.as_deref()).await?;
    let changelog = clean(&new.changelog);
    if changelog.chars().count() > MAX_CHANGELOG {
        return Err(Error::Invalid(Problems::of("changelog", "Keep the changelog under 5,000 characters.")));
    }
    replace_unreleased(connection, &product, "Replaced by a newer upload.", now).await?;

    let id = VersionId::new();
    sqlx::query!(
        "INSERT INTO product_versions (id, product_id, upload_id, number, changelog, state, file_name, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        id as VersionId,
        product.id as ProductId,
        upload.id as UploadId,
        number.to_string(),
        changelog,
        VersionState::Received as VersionState,
        upload.file_name,
        now,
    )
    .execute(&mut *connection)
    .await?;
    check::lay_out(connection, id).await?;
    sqlx::query!("UPDATE products SET updated_at = $2 WHERE id = $1", product.id as ProductId, now)
        .execute(&mut *connection)
        .await?;
    workflow::start(connection, id).await?;
    Ok(id)
}

/// The number the seller wants, or the next one; above everything released.
///
/// # Errors
/// [`Error::Invalid`] at `number`.
pub async fn check_number(connection: &mut PgConnection, product: &Product, wanted: Option<&str>) -> Result<Number, Error> {
    let highest = highest_released(connection, product.id).await?;
    let wanted = wanted.map(str::trim).filter(|text| !text.is_empty());
    let number = match (wanted, &highest) {
        (Some(text), _) => text.parse(),
        (None, Some(highest)) => highest.next_patch().parse(),
        (None, None) => "1.0.0".parse(),
    };
    let number: Number = number.map_err(|sentence| Error::Invalid(Problems::of("number", sentence)))?;
    match highest {
        Some(highest) if number.precedence(&highest) != Ordering::Greater => Err(Error::Invalid(Problems::of(
            "number",
            format!("Version {highest} is already released; choose a higher number, like {}.", highest.next_patch()),
        ))),
        _ => Ok(number),
    }
}

/// What to write into an empty field for the number.
///
/// # Errors
/// When the database fails.
pub async fn suggest_number(connection: &mut PgConnection, product: ProductId) -> Result<String, sqlx::Error> {
    Ok(highest_released(connection, product).await?.map_or_else(|| "1.0.0".to_owned(), |highest| highest.next_patch()))
}

async fn highest_released(connection: &mut PgConnection, product: ProductId) -> Result<Option<Number>, sqlx::Error> {
    let numbers = sqlx::query_scalar!(
        "SELECT number FROM product_versions WHERE product_id = $1 AND state = 'released'",
        product as ProductId
    )
    .fetch_all(connection)
    .await?;
    Ok(numbers.iter().filter_map(|n| n.parse::<Number>().ok()).max_by(Number::precedence))
}

/// Takes whatever version is on its way out of it. The caller holds the product's lock.
///
/// # Errors
/// [`Error::Conflict`] when an admin has approved it and its release is only a job away.
pub(super) async fn replace_unreleased(
    connection: &mut PgConnection,
    product: &Product,
    why: &str,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    if let Some(number) = check::approved_of(connection, product.id).await? {
        return Err(Error::Conflict(format!("Version {number} was just approved and is being released. Try again in a minute.")));
    }
    let replaced = sqlx::query_scalar!(
        r#"UPDATE product_versions
           SET state = 'rejected', rejection = $2
           WHERE product_id = $1 AND state IN ('received', 'quarantined', 'checked')
           RETURNING id AS "id: VersionId""#,
        product.id as ProductId,
        why,
    )
    .fetch_all(&mut *connection)
    .await?;
    for version in replaced {
        check::skip_rest(connection, version, why, now).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        text.parse().expect(text)
    }

    #[test]
    fn numbers_rise_as_semver_says() {
        let rising = [
            "0.9.9",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0",
            "1.0.1",
            "1.10.0",
            "2.0.0",
        ];
        for pair in rising.windows(2) {
            assert_eq!(number(pair[0]).precedence(&number(pair[1])), Ordering::Less, "{pair:?}");
        }
        assert_eq!(number("1.0.0+build.7").precedence(&number("1.0.0")), Ordering::Equal);
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for wrong in
            ["", "1", "1.2", "1.2.3.4", "1.2.x", "01.2.3", "1.2.3-", "1.2.3-a..b", "1.2.3+ä", "99999999999.0.0", "-1.0.0"]
        {
            assert!(wrong.parse::<Number>().is_err(), "{wrong}");
        }
        assert_eq!(number("v1.2.3").to_string(), "1.2.3");
    }

    #[test]
    fn the_next_number_is_a_patch_later() {
        assert_eq!(number("1.2.9").next_patch(), "1.2.10");
        assert_eq!(number("2.0.0-rc.1").next_patch(), "2.0.0");
    }
}
