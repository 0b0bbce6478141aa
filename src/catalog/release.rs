//! The end of the publish workflow: an approved version becomes what buyers get, and those who own an earlier one hear of it
//! (PROD-07). Both acts are done by jobs; running one twice changes nothing.

use super::Error;
use super::check::{self, Step, StepState};
use super::jobs::AnnounceVersion;
use super::product::{self, ProductState, Transition};
use crate::audit::Origin;
use crate::db::Actor;
use crate::ids::{ProductId, UserId, VersionId};
use crate::notifications::email::{self, NewEmail};
use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgConnection;

/// Puts an approved version on the shelf: it becomes what buyers get, its product goes on sale unless the seller paused it,
/// and the seller hears of it. False when there was nothing left to release.
///
/// # Errors
/// When the database fails.
pub async fn release(connection: &mut PgConnection, version: VersionId, now: DateTime<Utc>) -> Result<bool, Error> {
    let Some((product, package)) = check::lock(connection, version).await? else { return Ok(false) };
    if !check::is_due(connection, &package, Step::Release).await? {
        return Ok(false);
    }
    if !matches!(product.state, ProductState::Pending | ProductState::Active | ProductState::Paused) {
        let why = "The product was withdrawn before this version was released.";
        check::reject_version(connection, version, why).await?;
        check::skip_rest(connection, version, why, now).await?;
        return Ok(false);
    }
    sqlx::query!("UPDATE product_versions SET state = 'released', released_at = $2 WHERE id = $1", version as VersionId, now)
        .execute(&mut *connection)
        .await?;
    sqlx::query!(
        "UPDATE products SET
           current_version_id = $2,
           published_at = coalesce(published_at, $3),
           rejection_reason = NULL,
           updated_at = $3
         WHERE id = $1",
        product.id as ProductId,
        version as VersionId,
        now,
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "INSERT INTO product_stats (product_id) VALUES ($1) ON CONFLICT (product_id) DO NOTHING",
        product.id as ProductId
    )
    .execute(&mut *connection)
    .await?;
    if product.state == ProductState::Pending {
        let on_sale = Transition {
            to: ProductState::Active,
            reason: None,
            actor: Actor::System,
            action: "product.publish",
            origin: &Origin::default(),
        };
        product::transition(connection, &product, on_sale, now).await?;
    }
    check::set(connection, version, Step::Release, StepState::Passed, "On the shelf.", now).await?;
    let number = check::number_of(connection, version).await?;
    check::tell_seller(
        connection,
        &product,
        "product_approved",
        format!("version/{version}/released"),
        json!({
            "version": number,
            "first": product.current_version_id.is_none(),
            "paused": product.state == ProductState::Paused,
        }),
        now,
    )
    .await?;
    Ok(true)
}

/// People told in one transaction.
const ANNOUNCE_PAGE: i64 = 200;

/// Tells the next owners of earlier versions about this one (PROD-07) and arranges for the rest; how many were told. Owners
/// whose licence no longer includes updates are not told of what they could not have.
///
/// # Errors
/// When the database fails.
pub async fn announce(
    connection: &mut PgConnection,
    version: VersionId,
    after: Option<UserId>,
    now: DateTime<Utc>,
) -> Result<usize, Error> {
    let news = sqlx::query!(
        r#"SELECT p.title, p.slug, v.number, v.changelog
           FROM product_versions v
           JOIN products p ON p.id = v.product_id
           WHERE v.id = $1 AND v.state = 'released' AND p.state <> 'deleted'"#,
        version as VersionId,
    )
    .fetch_optional(&mut *connection)
    .await?;
    let Some(news) = news else { return Ok(0) };
    let owners = sqlx::query!(
        r#"SELECT DISTINCT ON (l.owner_id)
             l.owner_id AS "id: UserId",
             a.email,
             u.display_name,
             o.id AS order_id
           FROM product_versions v
           JOIN licences l ON l.product_id = v.product_id
           JOIN orders o ON o.id = l.order_id
           JOIN users u ON u.id = l.owner_id AND u.deleted_at IS NULL
           JOIN accounts a ON a.user_id = l.owner_id AND a.status = 'active'
           WHERE v.id = $1
             AND l.state = 'active'
             AND (l.updates_until IS NULL OR l.updates_until >= v.released_at)
             AND l.created_at < v.released_at
             AND ($2::uuid IS NULL OR l.owner_id > $2)
           ORDER BY l.owner_id, l.created_at DESC
           LIMIT $3"#,
        version as VersionId,
        after.map(|id| id.0),
        ANNOUNCE_PAGE,
    )
    .fetch_all(&mut *connection)
    .await?;
    for owner in &owners {
        let message = NewEmail {
            dedupe_key: format!("version/{version}/new/{}", owner.id),
            template: "product_new_version",
            to: &owner.email,
            user: Some(owner.id),
            context: json!({
                "name": owner.display_name,
                "title": news.title,
                "slug": news.slug,
                "version": news.number,
                "changelog": news.changelog,
                "order_id": owner.order_id,
            }),
        };
        email::queue(connection, &message, now).await?;
    }
    if let Some(last) = owners.last().filter(|_| i64::try_from(owners.len()) == Ok(ANNOUNCE_PAGE)) {
        mywork_queue::enqueue(connection, &AnnounceVersion { version, after: Some(last.id) }).await?;
    }
    Ok(owners.len())
}
