//! A person decides about a checked version (ADMIN-01): approve it, reject it with a reason, or ask for changes.
//!
//! The queue is the set of approval steps that are `running`, the oldest first. Two admins at once take turns at the product's
//! row, and the second finds the step decided. An approval names the state of the listing it was given for: when the seller
//! changed it meanwhile, the admin is asked to look again. Nobody approves a product of their own.

use super::check::{self, Finding, Severity, Step, StepState};
use super::image::{self, Image};
use super::licence::{self, Offer};
use super::product::{self, Product, ProductState, Transition};
use super::text::clean;
use super::version::{self, Version};
use super::workflow;
use super::{Error, Problems};
use crate::audit::{self, Origin};
use crate::db::Actor;
use crate::ids::{ProductId, UserId, VersionId};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::PgConnection;
use std::collections::BTreeMap;

/// A line of the queue.
#[derive(Clone, Debug, Serialize)]
pub struct Waiting {
    pub version_id: VersionId,
    pub product_id: ProductId,
    pub title: String,
    pub number: String,
    pub seller: String,
    /// The product was on sale before.
    pub is_update: bool,
    pub since: DateTime<Utc>,
    pub reviews: i64,
    pub infos: i64,
}

/// What waits for a decision, the oldest first, below `after`.
///
/// # Errors
/// When the database fails.
pub async fn queue(
    connection: &mut PgConnection,
    after: Option<(DateTime<Utc>, VersionId)>,
    limit: i64,
) -> Result<Vec<Waiting>, sqlx::Error> {
    sqlx::query_as!(
        Waiting,
        r#"SELECT
             v.id AS "version_id: VersionId",
             p.id AS "product_id: ProductId",
             p.title,
             v.number,
             u.username AS seller,
             p.current_version_id IS NOT NULL AS "is_update!",
             c.started_at AS "since!",
             (SELECT count(*) FROM findings f WHERE f.version_id = v.id AND f.severity = 'review') AS "reviews!",
             (SELECT count(*) FROM findings f WHERE f.version_id = v.id AND f.severity = 'info') AS "infos!"
           FROM version_checks c
           JOIN product_versions v ON v.id = c.version_id
           JOIN products p ON p.id = v.product_id
           JOIN users u ON u.id = p.seller_id
           WHERE c.step = 'approval'
             AND c.state = 'running'
             AND ($1::timestamptz IS NULL OR (c.started_at, c.version_id) > ($1, $2::uuid))
           ORDER BY c.started_at, c.version_id
           LIMIT $3"#,
        after.map(|(at, _)| at),
        after.map(|(_, id)| id.0),
        limit,
    )
    .fetch_all(connection)
    .await
}

/// How many wait.
///
/// # Errors
/// When the database fails.
pub async fn queue_length(connection: &mut PgConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM version_checks WHERE step = 'approval' AND state = 'running'"#)
        .fetch_one(connection)
        .await
}

/// Everything an admin needs to decide.
#[derive(Clone, Debug, Serialize)]
pub struct Case {
    pub product: Product,
    pub seller: String,
    pub category: Option<String>,
    pub version: Version,
    pub offers: Vec<Offer>,
    pub images: Vec<Image>,
    pub checks: Vec<check::Check>,
    pub findings: Vec<Finding>,
    pub contents: version::Contents,
    /// Against the version on sale; `None` for the first.
    pub diff: Option<Diff>,
    pub history: Vec<audit::Line>,
    /// A decision is wanted now.
    pub is_open: bool,
}

/// What changed in a package, by path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Diff {
    pub against: String,
    pub added: Vec<String>,
    pub removed: Vec<String>,
    pub changed: Vec<String>,
    pub unchanged: usize,
}

/// The case of one version.
///
/// # Errors
/// [`Error::NotFound`] when there is no such version.
pub async fn case(connection: &mut PgConnection, id: VersionId) -> Result<Case, Error> {
    let version = version::find(connection, id).await?.ok_or(Error::NotFound("version"))?;
    let product = product::get(connection, version.product_id).await?;
    let names = sqlx::query!(
        r#"SELECT u.username, c.name AS "category?"
           FROM products p
           JOIN users u ON u.id = p.seller_id
           LEFT JOIN categories c ON c.id = p.category_id
           WHERE p.id = $1"#,
        product.id as ProductId,
    )
    .fetch_one(&mut *connection)
    .await?;
    let contents = version::contents_of(connection, id).await?.ok_or(Error::NotFound("version"))?;
    let diff = match version::current_of(connection, product.id).await?.filter(|current| current.id != id) {
        None => None,
        Some(current) => {
            let before = version::contents_of(connection, current.id).await?.and_then(|contents| contents.files);
            Some(compare(current.number, before.as_ref(), contents.files.as_ref()))
        }
    };
    let checks = check::checks_of(connection, id).await?;
    let is_open = checks.iter().any(|check| check.step == Step::Approval && check.state == StepState::Running);
    Ok(Case {
        seller: names.username,
        category: names.category,
        offers: licence::offers_of(connection, product.id).await?,
        images: image::images_of(connection, product.id).await?,
        findings: check::findings_of(connection, id).await?,
        history: audit::about(connection, "product", &product.id.to_string(), 20).await?,
        product,
        version,
        checks,
        contents,
        diff,
        is_open,
    })
}

/// Two lists of files against each other. A file is the same when everything noted of it is.
fn compare(against: String, before: Option<&Value>, after: Option<&Value>) -> Diff {
    let index = |files: Option<&Value>| -> BTreeMap<String, Value> {
        let files = files.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        files.iter().filter_map(|file| Some((file.get("path")?.as_str()?.to_owned(), file.clone()))).collect()
    };
    let (before, after) = (index(before), index(after));
    let mut diff = Diff { against, ..Diff::default() };
    for (path, file) in &after {
        match before.get(path) {
            None => diff.added.push(path.clone()),
            Some(old) if old != file => diff.changed.push(path.clone()),
            Some(_) => diff.unchanged += 1,
        }
    }
    diff.removed = before.into_keys().filter(|path| !after.contains_key(path)).collect();
    diff
}

/// Who decides, and from where.
#[derive(Clone, Copy, Debug)]
pub struct Decider<'a> {
    pub admin: UserId,
    pub origin: &'a Origin,
}

/// Approves the version; a job releases it. `seen` is `updated_at` of the product as the admin saw it.
///
/// # Errors
/// [`Error::Conflict`] when somebody decided first or the listing changed; [`Error::Forbidden`] for one's own product.
pub async fn approve(
    connection: &mut PgConnection,
    by: Decider<'_>,
    id: VersionId,
    seen: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let product = open_case(connection, id).await?;
    if product.seller_id == by.admin {
        return Err(Error::Forbidden("This product is your own; another admin has to approve it.".into()));
    }
    if seen.is_some_and(|seen| seen != product.updated_at) {
        return Err(Error::Conflict("The seller changed the listing while you were looking. Read it again, then decide.".into()));
    }
    check::set(connection, id, Step::Approval, StepState::Passed, "Approved.", now).await?;
    check::set(connection, id, Step::Release, StepState::Running, "", now).await?;
    let number = check::number_of(connection, id).await?;
    let entry = audit::Entry::new(Actor::Admin(by.admin), "product.approve", "product", product.id)
        .changed(json!({"state": product.state}), json!({"version": number}))
        .from(by.origin);
    audit::record(connection, &entry, now).await?;
    workflow::approved(connection, id, by.admin).await
}

/// Rejects the version with a reason the seller reads. A product that was handed in is rejected with it; one on sale stays.
///
/// # Errors
/// [`Error::Invalid`] at `reason`; [`Error::Conflict`] when somebody decided first.
pub async fn reject(
    connection: &mut PgConnection,
    by: Decider<'_>,
    id: VersionId,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let reason = &check_reason(reason)?;
    let product = open_case(connection, id).await?;
    check::reject_version(connection, id, reason).await?;
    check::set(connection, id, Step::Approval, StepState::Failed, reason, now).await?;
    check::skip_rest(connection, id, "Not reached.", now).await?;
    let to = if product.state == ProductState::Pending { ProductState::Rejected } else { product.state };
    close(connection, by, &product, (id, reason), (to, "product.reject", "product_rejected"), now).await
}

/// Asks for changes. A product that was handed in goes back to its seller as a draft, its checked package kept: when only the
/// listing is mended, nothing is checked again. The new version of a product on sale has no listing of its own to mend, so it
/// is turned away and a mended package is asked for.
///
/// # Errors
/// [`Error::Invalid`] at `reason`; [`Error::Conflict`] when somebody decided first.
pub async fn request_changes(
    connection: &mut PgConnection,
    by: Decider<'_>,
    id: VersionId,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let reason = &check_reason(reason)?;
    let product = open_case(connection, id).await?;
    if product.state == ProductState::Pending {
        check::set(connection, id, Step::Approval, StepState::Waiting, &format!("Changes asked for: {reason}"), now).await?;
        let draft = (ProductState::Draft, "product.request_changes", "product_changes_requested");
        return close(connection, by, &product, (id, reason), draft, now).await;
    }
    check::reject_version(connection, id, reason).await?;
    check::set(connection, id, Step::Approval, StepState::Failed, reason, now).await?;
    check::skip_rest(connection, id, "Not reached.", now).await?;
    let same = (product.state, "product.request_changes", "product_changes_requested");
    close(connection, by, &product, (id, reason), same, now).await
}

/// The product of a version that waits for a decision, locked.
async fn open_case(connection: &mut PgConnection, id: VersionId) -> Result<Product, Error> {
    let (product, package) = check::lock(connection, id).await?.ok_or(Error::NotFound("version"))?;
    if !check::is_due(connection, &package, Step::Approval).await? {
        return Err(Error::Conflict(
            "This version no longer waits for a decision: somebody was first, or the seller replaced it.".into(),
        ));
    }
    if product.state != ProductState::Pending && !product.state.is_approved() {
        return Err(Error::Conflict(product.state.why_not("decided about")));
    }
    Ok(product)
}

async fn close(
    connection: &mut PgConnection,
    by: Decider<'_>,
    product: &Product,
    (id, reason): (VersionId, &str),
    (to, action, template): (ProductState, &'static str, &str),
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let actor = Actor::Admin(by.admin);
    // A product on sale keeps its state, and no reason is shown on it: the version carries it.
    let shown = if to == product.state { None } else { Some(reason) };
    if to == product.state {
        let entry = audit::Entry::new(actor, action, "product", product.id).because(reason).from(by.origin);
        audit::record(connection, &entry, now).await?;
    } else {
        let transition = Transition { to, reason: shown, actor, action, origin: by.origin };
        product::transition(connection, product, transition, now).await?;
    }
    let number = check::number_of(connection, id).await?;
    let context = json!({"version": number, "reason": reason, "on_sale": product.state.is_approved()});
    // The same version may be sent back more than once, so the moment is part of the message's name.
    let key = format!("version/{id}/{template}/{}", now.timestamp_micros());
    check::tell_seller(connection, product, template, key, context, now).await
}

fn check_reason(reason: &str) -> Result<String, Error> {
    let reason = clean(reason);
    match reason.chars().count() {
        0..=9 => Err(Error::Invalid(Problems::of("reason", "Tell the seller why, in at least 10 characters."))),
        10..=2_000 => Ok(reason),
        _ => Err(Error::Invalid(Problems::of("reason", "Keep the reason under 2,000 characters."))),
    }
}

/// How many findings of each severity there are.
pub fn count(findings: &[Finding], severity: Severity) -> usize {
    findings.iter().filter(|finding| finding.severity == severity).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_path() {
        let before = json!([{"path": "a", "size": 1}, {"path": "b", "size": 1}, {"path": "c", "size": 1}]);
        let after = json!([{"path": "a", "size": 1}, {"path": "b", "size": 2}, {"path": "d", "size": 1}]);
        let diff = compare("1.0.0".into(), Some(&before), Some(&after));
        assert_eq!(diff.added, ["d"]);
        assert_eq!(diff.removed, ["c"]);
        assert_eq!(diff.changed, ["b"]);
        assert_eq!(diff.unchanged, 1);
        assert_eq!(compare("1.0.0".into(), None, None), Diff { against: "1.0.0".into(), ..Diff::default() });
    }

    #[test]
    fn a_reason_has_something_to_say() {
        assert!(check_reason("no").is_err());
        assert_eq!(check_reason("  The README promises tests.  ").ok().as_deref(), Some("The README promises tests."));
        assert!(check_reason(&"x".repeat(2_001)).is_err());
    }
}
