//! The publish workflow as it is recorded: five steps for each version, in `version_checks`, with what they found.
//!
//! ```text
//!   quarantine ──▶ validate ──▶ scan ──▶ approval (a person) ──▶ release
//! ```
//! Each job of the workflow begins with [`begin`], which says whether there is still something to do, and ends with one act
//! here, which records the outcome; when the job then ends, the workflow begins the next step. A job that runs twice, late, or
//! for a version that was replaced finds its step done or the version gone, and changes nothing. Called by
//! `jobs/src/catalog/` and read by the seller's live page (SCAN-03) and the approval queue.

use super::Error;
use super::product::{self, Product, ProductState, Transition};
use super::version::VersionState;
use super::workflow;
use crate::audit::Origin;
use crate::db::Actor;
use crate::identity::account;
use crate::ids::{ProductId, UserId, VersionId};
use crate::notifications::email::{self, NewEmail};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

/// The steps, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Step {
    Quarantine,
    Validate,
    Scan,
    Approval,
    Release,
}

impl Step {
    pub const ALL: [Step; 5] = [Self::Quarantine, Self::Validate, Self::Scan, Self::Approval, Self::Release];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Quarantine => "quarantine",
            Self::Validate => "validate",
            Self::Scan => "scan",
            Self::Approval => "approval",
            Self::Release => "release",
        }
    }

    /// What the step does, as the seller reads it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Quarantine => "Received safely",
            Self::Validate => "Package is sound",
            Self::Scan => "Security scan",
            Self::Approval => "Approved by a person",
            Self::Release => "Released",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    Waiting,
    Running,
    Passed,
    Failed,
    Skipped,
}

/// One step of one version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    pub step: Step,
    pub state: StepState,
    /// What came of it, for the seller.
    pub detail: String,
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The version is rejected until it is mended.
    Blocker,
    /// An admin looks at it.
    Review,
    Info,
}

/// Something a step noticed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub severity: Severity,
    /// Stable name, `secret.aws-access-key`.
    pub rule: String,
    pub title: String,
    pub path: Option<String>,
    /// From one.
    pub line: Option<i32>,
    /// Secrets masked.
    pub excerpt: Option<String>,
    pub remedy: String,
}

/// The steps of a version, in their order.
///
/// # Errors
/// When the database fails.
pub async fn checks_of(connection: &mut PgConnection, version: VersionId) -> Result<Vec<Check>, sqlx::Error> {
    let mut checks = sqlx::query_as!(
        Check,
        r#"SELECT
             step AS "step: Step",
             state AS "state: StepState",
             detail,
             started_at,
             finished_at
           FROM version_checks
           WHERE version_id = $1"#,
        version as VersionId,
    )
    .fetch_all(connection)
    .await?;
    checks.sort_by_key(|check| check.step);
    Ok(checks)
}

/// What was noticed in a version, the gravest first.
///
/// # Errors
/// When the database fails.
pub async fn findings_of(connection: &mut PgConnection, version: VersionId) -> Result<Vec<Finding>, sqlx::Error> {
    sqlx::query_as!(
        Finding,
        r#"SELECT
             severity AS "severity: Severity",
             rule,
             title,
             path,
             line,
             excerpt,
             remedy
           FROM findings
           WHERE version_id = $1
           ORDER BY array_position(ARRAY['blocker', 'review', 'info'], severity), path NULLS FIRST, line, id"#,
        version as VersionId,
    )
    .fetch_all(connection)
    .await
}

/// The five steps of a new version, all waiting.
pub(super) async fn lay_out(connection: &mut PgConnection, version: VersionId) -> Result<(), sqlx::Error> {
    let steps: Vec<String> = Step::ALL.iter().map(|step| step.as_str().to_owned()).collect();
    sqlx::query!(
        "INSERT INTO version_checks (version_id, step)
         SELECT $1, step
         FROM unnest($2::text[]) AS step",
        version as VersionId,
        &steps,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Nothing more happens to this version: its workflow is called off.
pub(super) async fn skip_rest(
    connection: &mut PgConnection,
    version: VersionId,
    why: &str,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE version_checks
         SET state = 'skipped', detail = $2, finished_at = $3
         WHERE version_id = $1 AND state IN ('waiting', 'running')",
        version as VersionId,
        why,
        now,
    )
    .execute(&mut *connection)
    .await?;
    workflow::call_off(connection, version, why).await?;
    Ok(())
}

pub(super) async fn set(
    connection: &mut PgConnection,
    version: VersionId,
    step: Step,
    state: StepState,
    detail: &str,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let over = matches!(state, StepState::Passed | StepState::Failed | StepState::Skipped);
    let changed = sqlx::query!(
        "UPDATE version_checks SET
           state = $3,
           detail = $4,
           started_at = CASE WHEN $3 = 'waiting' THEN NULL ELSE coalesce(started_at, $5) END,
           finished_at = CASE WHEN $6 THEN $5 END
         WHERE version_id = $1 AND step = $2",
        version as VersionId,
        step as Step,
        state as StepState,
        detail,
        now,
        over,
    )
    .execute(connection)
    .await?;
    match changed.rows_affected() {
        1 => Ok(()),
        _ => Err(sqlx::Error::RowNotFound),
    }
}

/// The package a step works on.
#[derive(Clone, Debug)]
pub struct Package {
    pub version: VersionId,
    pub product: ProductId,
    pub file_name: String,
    /// Where the seller's browser put it.
    pub quarantine_key: Option<String>,
    /// The immutable copy, from the end of quarantine on.
    pub object_key: Option<String>,
    pub sha256: Option<Vec<u8>>,
    /// As announced.
    pub announced_bytes: Option<i64>,
    /// As counted, from the end of quarantine on.
    pub size_bytes: Option<i64>,
    state: VersionState,
}

/// The version with its product locked, as the acts below need it.
pub(super) async fn lock(connection: &mut PgConnection, version: VersionId) -> Result<Option<(Product, Package)>, Error> {
    let product = sqlx::query_scalar!(
        r#"SELECT product_id AS "product_id: ProductId" FROM product_versions WHERE id = $1"#,
        version as VersionId
    )
    .fetch_optional(&mut *connection)
    .await?;
    let Some(product) = product else { return Ok(None) };
    let product = product::lock(connection, product).await?;
    let package = sqlx::query_as!(
        Package,
        r#"SELECT
             v.id AS "version: VersionId",
             v.product_id AS "product: ProductId",
             v.file_name,
             u.key AS "quarantine_key?",
             v.object_key,
             v.sha256,
             u.size_bytes AS "announced_bytes?",
             v.size_bytes,
             v.state AS "state: VersionState"
           FROM product_versions v
           LEFT JOIN uploads u ON u.id = v.upload_id
           WHERE v.id = $1"#,
        version as VersionId,
    )
    .fetch_one(&mut *connection)
    .await?;
    Ok(Some((product, package)))
}

/// Whether `step` is what comes next for the version.
pub(super) async fn is_due(connection: &mut PgConnection, package: &Package, step: Step) -> Result<bool, sqlx::Error> {
    let wanted = match step {
        Step::Quarantine => VersionState::Received,
        Step::Validate | Step::Scan => VersionState::Quarantined,
        Step::Approval | Step::Release => VersionState::Checked,
    };
    if package.state != wanted {
        return Ok(false);
    }
    let checks = checks_of(connection, package.version).await?;
    let due = checks.iter().find(|check| !matches!(check.state, StepState::Passed));
    Ok(due.is_some_and(|check| check.step == step && matches!(check.state, StepState::Waiting | StepState::Running)))
}

/// Marks the step as running and hands out its package; `None` when there is nothing left to do, because an earlier attempt
/// did it or the version was replaced.
///
/// # Errors
/// When the database fails.
pub async fn begin(
    connection: &mut PgConnection,
    version: VersionId,
    step: Step,
    now: DateTime<Utc>,
) -> Result<Option<Package>, Error> {
    let Some((_, package)) = lock(connection, version).await? else { return Ok(None) };
    if !is_due(connection, &package, step).await? {
        return Ok(None);
    }
    set(connection, version, step, StepState::Running, "", now).await?;
    Ok(Some(package))
}

/// The key in quarantine of a version whose copy is made, so that the original can be removed.
///
/// # Errors
/// When the database fails.
pub async fn quarantine_key(connection: &mut PgConnection, version: VersionId) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT u.key
         FROM product_versions v
         JOIN uploads u ON u.id = v.upload_id
         WHERE v.id = $1 AND v.state <> 'received'",
        version as VersionId,
    )
    .fetch_optional(connection)
    .await
}

/// The immutable copy, measured.
#[derive(Clone, Debug)]
pub struct Copy<'a> {
    pub key: &'a str,
    pub sha256: &'a [u8],
    pub size_bytes: i64,
}

/// The package lies under its immutable key, hashed; validation is next. False when the version no longer waited for this: the
/// caller then removes the copy it made.
///
/// # Errors
/// When the database fails.
pub async fn record_quarantined(
    connection: &mut PgConnection,
    version: VersionId,
    copy: &Copy<'_>,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let Some((_, package)) = lock(connection, version).await? else { return Ok(false) };
    if !is_due(connection, &package, Step::Quarantine).await? {
        return Ok(false);
    }
    sqlx::query!(
        "UPDATE product_versions SET
           state = 'quarantined',
           object_key = $2,
           sha256 = $3,
           size_bytes = $4
         WHERE id = $1",
        version as VersionId,
        copy.key,
        copy.sha256,
        copy.size_bytes,
    )
    .execute(&mut *connection)
    .await?;
    set(connection, version, Step::Quarantine, StepState::Passed, "Copied, measured and hashed.", now).await?;
    Ok(true)
}

/// What validation learned about a package.
#[derive(Clone, Debug)]
pub struct Facts {
    pub bill_of_materials: Value,
    /// `[{"path": …, "size": …}]`
    pub files: Value,
    pub detected_stack: Vec<String>,
    pub file_count: i32,
    pub unpacked_bytes: i64,
    /// One sentence for the seller.
    pub summary: String,
}

/// The package is sound; the scan is next. False when the version no longer waited for this.
///
/// # Errors
/// When the database fails.
pub async fn record_validated(
    connection: &mut PgConnection,
    version: VersionId,
    facts: &Facts,
    findings: &[Finding],
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let Some((_, package)) = lock(connection, version).await? else { return Ok(false) };
    if !is_due(connection, &package, Step::Validate).await? {
        return Ok(false);
    }
    sqlx::query!(
        "UPDATE product_versions SET
           bill_of_materials = $2,
           files = $3,
           detected_stack = $4,
           file_count = $5,
           unpacked_bytes = $6
         WHERE id = $1",
        version as VersionId,
        facts.bill_of_materials,
        facts.files,
        &facts.detected_stack,
        facts.file_count,
        facts.unpacked_bytes,
    )
    .execute(&mut *connection)
    .await?;
    replace_findings(connection, version, Step::Validate, findings).await?;
    set(connection, version, Step::Validate, StepState::Passed, &facts.summary, now).await?;
    Ok(true)
}

/// The scan found nothing that forbids selling; a person decides next, as soon as the product is handed in. False when the
/// version no longer waited for this.
///
/// # Errors
/// When the database fails.
pub async fn record_scanned(
    connection: &mut PgConnection,
    version: VersionId,
    findings: &[Finding],
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let Some((product, package)) = lock(connection, version).await? else { return Ok(false) };
    if !is_due(connection, &package, Step::Scan).await? {
        return Ok(false);
    }
    sqlx::query!("UPDATE product_versions SET state = 'checked' WHERE id = $1", version as VersionId)
        .execute(&mut *connection)
        .await?;
    replace_findings(connection, version, Step::Scan, findings).await?;
    let to_review = findings.iter().filter(|finding| finding.severity == Severity::Review).count();
    let detail = match to_review {
        0 => "Nothing suspicious found.".to_owned(),
        1 => "One place for a person to look at.".to_owned(),
        n => format!("{n} places for a person to look at."),
    };
    set(connection, version, Step::Scan, StepState::Passed, &detail, now).await?;
    open_approval(connection, &product, version, now).await?;
    Ok(true)
}

/// Puts a checked version into the approval queue when its product is handed in, or was approved before. The caller holds the
/// product's lock.
pub(super) async fn open_approval(
    connection: &mut PgConnection,
    product: &Product,
    version: VersionId,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    if product.state == ProductState::Pending || product.state.is_approved() {
        set(connection, version, Step::Approval, StepState::Running, "Waiting for a person to look at it.", now).await
    } else {
        let detail = "Submit the product and a person will look at it.";
        set(connection, version, Step::Approval, StepState::Waiting, detail, now).await
    }
}

/// The number of a version that an admin has approved and whose release is only a job away.
///
/// # Errors
/// When the database fails.
pub async fn approved_of(connection: &mut PgConnection, product: ProductId) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT v.number
         FROM product_versions v
         JOIN version_checks c ON c.version_id = v.id AND c.step = 'approval'
         WHERE v.product_id = $1 AND v.state = 'checked' AND c.state = 'passed'",
        product as ProductId,
    )
    .fetch_optional(connection)
    .await
}

/// Why a package was turned away.
#[derive(Clone, Debug)]
pub struct Refused<'a> {
    pub step: Step,
    /// What is wrong.
    pub sentence: &'a str,
    /// How to mend it.
    pub remedy: &'a str,
    pub findings: &'a [Finding],
}

/// The package is at fault: the version is rejected, and the product with it if it was handed in; the seller is told why and
/// how to mend it. False when the version no longer waited for this.
///
/// # Errors
/// When the database fails.
pub async fn record_refused(
    connection: &mut PgConnection,
    version: VersionId,
    refused: &Refused<'_>,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let Some((product, package)) = lock(connection, version).await? else { return Ok(false) };
    if !is_due(connection, &package, refused.step).await? {
        return Ok(false);
    }
    let rejection = format!("{} {}", refused.sentence, refused.remedy);
    reject_version(connection, version, &rejection).await?;
    replace_findings(connection, version, refused.step, refused.findings).await?;
    set(connection, version, refused.step, StepState::Failed, &rejection, now).await?;
    skip_rest(connection, version, "Not reached.", now).await?;
    if product.state == ProductState::Pending {
        let rejected = Transition {
            to: ProductState::Rejected,
            reason: Some(&rejection),
            actor: Actor::System,
            action: "product.checks_failed",
            origin: &Origin::default(),
        };
        product::transition(connection, &product, rejected, now).await?;
    }
    let number = number_of(connection, version).await?;
    tell_seller(
        connection,
        &product,
        "product_checks_failed",
        format!("version/{version}/checks_failed"),
        json!({
            "version": number,
            "step": refused.step.label(),
            "sentence": refused.sentence,
            "remedy": refused.remedy,
            "findings": refused.findings.iter().take(10).collect::<Vec<_>>(),
            "more": refused.findings.len().saturating_sub(10),
        }),
        now,
    )
    .await?;
    Ok(true)
}

pub(super) async fn reject_version(connection: &mut PgConnection, version: VersionId, why: &str) -> Result<(), sqlx::Error> {
    sqlx::query!("UPDATE product_versions SET state = 'rejected', rejection = $2 WHERE id = $1", version as VersionId, why)
        .execute(connection)
        .await?;
    Ok(())
}

/// Writes to the seller; what every such message needs is added to `context`.
pub(super) async fn tell_seller(
    connection: &mut PgConnection,
    product: &Product,
    template: &str,
    dedupe_key: String,
    mut context: Value,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let to = account::email_of(connection, product.seller_id).await?;
    let name = sqlx::query_scalar!("SELECT display_name FROM users WHERE id = $1", product.seller_id as UserId)
        .fetch_one(&mut *connection)
        .await?;
    context["name"] = json!(name);
    context["title"] = json!(product.title);
    context["slug"] = json!(product.slug);
    context["product_id"] = json!(product.id);
    let message = NewEmail { dedupe_key, template, to: &to, user: Some(product.seller_id), context };
    email::queue(connection, &message, now).await?;
    Ok(())
}

pub(super) async fn number_of(connection: &mut PgConnection, version: VersionId) -> Result<String, sqlx::Error> {
    sqlx::query_scalar!("SELECT number FROM product_versions WHERE id = $1", version as VersionId).fetch_one(connection).await
}

/// A step's findings are replaced as a whole, so that a step that runs twice does not double them.
async fn replace_findings(
    connection: &mut PgConnection,
    version: VersionId,
    step: Step,
    findings: &[Finding],
) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM findings WHERE version_id = $1 AND step = $2", version as VersionId, step as Step)
        .execute(&mut *connection)
        .await?;
    let column = |pick: fn(&Finding) -> String| findings.iter().map(pick).collect::<Vec<_>>();
    let ids: Vec<Uuid> = findings.iter().map(|_| Uuid::now_v7()).collect();
    let severities: Vec<String> = findings.iter().map(|finding| severity_word(finding.severity).to_owned()).collect();
    let paths: Vec<Option<String>> = findings.iter().map(|finding| finding.path.clone()).collect();
    let lines: Vec<Option<i32>> = findings.iter().map(|finding| finding.line).collect();
    let excerpts: Vec<Option<String>> = findings.iter().map(|finding| finding.excerpt.clone()).collect();
    sqlx::query!(
        "INSERT INTO findings (id, version_id, step, severity, rule, title, path, line, excerpt, remedy)
         SELECT f.id, $1, $2, f.severity, f.rule, f.title, f.path, f.line, f.excerpt, f.remedy
         FROM unnest($3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::int[], $9::text[], $10::text[])
           AS f (id, severity, rule, title, path, line, excerpt, remedy)",
        version as VersionId,
        step as Step,
        &ids,
        &severities,
        &column(|finding| finding.rule.clone()),
        &column(|finding| finding.title.clone()),
        &paths as &[Option<String>],
        &lines as &[Option<i32>],
        &excerpts as &[Option<String>],
        &column(|finding| finding.remedy.clone()),
    )
    .execute(connection)
    .await?;
    Ok(())
}

fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Blocker => "blocker",
        Severity::Review => "review",
        Severity::Info => "info",
    }
}
