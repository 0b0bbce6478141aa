//! Handing a product in for approval, and taking it back (PROD-03). A draft or a rejected product becomes `pending` when nothing
//! is missing; what is missing is told all at once, each with the step where it is mended.
//!
//! The checks of a package begin when it arrives, not here, so that a seller learns what is wrong with it while still writing.
//! Handing in therefore needs a package that has not been refused; when its checks are already passed it goes straight
//! into the approval queue, otherwise `check.rs` puts it there.

use super::check;
use super::licence;
use super::product::{self, Product, ProductState, Transition};
use super::version::{self, Version, VersionState};
use super::wizard::Step;
use super::{Error, Problems};
use crate::audit::Origin;
use crate::db::Actor;
use crate::ids::{ProductId, UserId};
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;

/// Something that has to be there first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// Where to mend it.
    pub step: Step,
    /// The field of that step.
    pub field: &'static str,
    pub sentence: String,
}

/// What a product lacks to be handed in; nothing when it is complete.
///
/// # Errors
/// When the database fails.
pub async fn missing(connection: &mut PgConnection, product: &Product) -> Result<Vec<Missing>, sqlx::Error> {
    let newest = version::newest_of(connection, product.id).await?;
    let offers = licence::offers_of(connection, product.id).await?;
    let offers_hold = licence::check(&offers).is_empty();
    Ok(judge(product, newest.as_ref(), !offers.is_empty(), offers_hold))
}

fn judge(product: &Product, newest: Option<&Version>, has_offers: bool, offers_hold: bool) -> Vec<Missing> {
    let mut missing = Vec::new();
    let mut add = |step, field, sentence: &str| missing.push(Missing { step, field, sentence: sentence.to_owned() });
    if product.category_id.is_none() {
        add(Step::Basics, "category", "Choose a category.");
    }
    if product.description.is_empty() {
        add(Step::Details, "description", "Describe it in at least 100 characters.");
    }
    match newest.map(|version| (version.state, version.number.as_str())) {
        None => add(Step::Files, "package", "Upload the package."),
        Some((VersionState::Rejected, number)) => {
            add(Step::Files, "package", &format!("Version {number} was refused; upload a mended package."));
        }
        Some(_) => {}
    }
    if !has_offers {
        add(Step::Pricing, "standard_price", "Set a price for at least one licence.");
    } else if !offers_hold {
        add(Step::Pricing, "standard_price", "Look at the prices again: one of them is not accepted.");
    }
    missing
}

/// Hands the product in. Repeating it while it is pending changes nothing.
///
/// # Errors
/// [`Error::Invalid`] with everything that is missing, by field; [`Error::WrongState`] from any state but draft and rejected.
pub async fn submit(
    connection: &mut PgConnection,
    seller: UserId,
    id: ProductId,
    origin: &Origin,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let product = product::lock_editable(connection, seller, id).await?;
    if product.state == ProductState::Pending {
        return Ok(());
    }
    if !product.state.is_submittable() {
        return Err(Error::WrongState { state: product.state, act: "submitted" });
    }
    let mut problems = Problems::default();
    for lack in missing(connection, &product).await? {
        problems.add(lack.field, lack.sentence);
    }
    problems.into_result()?;
    let to = Transition { to: ProductState::Pending, reason: None, actor: Actor::User(seller), action: "product.submit", origin };
    product::transition(connection, &product, to, now).await?;
    let newest = version::newest_of(connection, id).await?;
    if let Some(checked) = newest.filter(|version| version.state == VersionState::Checked) {
        let pending = Product { state: ProductState::Pending, ..product };
        check::open_approval(connection, &pending, checked.id, now).await?;
    }
    Ok(())
}

/// Takes the product back out of the queue, to go on writing.
///
/// # Errors
/// [`Error::WrongState`] when it is not pending; [`Error::Conflict`] when it was approved a moment ago.
pub async fn withdraw(
    connection: &mut PgConnection,
    seller: UserId,
    id: ProductId,
    origin: &Origin,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let product = product::lock_editable(connection, seller, id).await?;
    if product.state != ProductState::Pending {
        return Err(Error::WrongState { state: product.state, act: "taken back" });
    }
    if check::approved_of(connection, id).await?.is_some() {
        return Err(Error::Conflict("It was just approved and is being released. Pause it in a minute instead.".into()));
    }
    let to = Transition { to: ProductState::Draft, reason: None, actor: Actor::User(seller), action: "product.withdraw", origin };
    product::transition(connection, &product, to, now).await?;
    let newest = version::newest_of(connection, id).await?;
    if let Some(checked) = newest.filter(|version| version.state == VersionState::Checked) {
        let draft = Product { state: ProductState::Draft, ..product };
        check::open_approval(connection, &draft, checked.id, now).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{CategoryId, VersionId};
    use crate::money::Cents;
    use product::ProductKind;

    fn draft() -> Product {
        Product {
            id: ProductId::new(),
            seller_id: UserId::new(),
            kind: ProductKind::Code,
            state: ProductState::Draft,
            slug: "a-draft-product".into(),
            title: "A draft product".into(),
            short_description: String::new(),
            description: String::new(),
            category_id: None,
            framework: String::new(),
            requirements: String::new(),
            demo_url: None,
            docs_url: None,
            tech_stack: Vec::new(),
            tags: Vec::new(),
            price_cents: Cents::ZERO,
            currency: "usd".into(),
            current_version_id: None,
            rejection_reason: None,
            created_at: DateTime::UNIX_EPOCH,
            updated_at: DateTime::UNIX_EPOCH,
            submitted_at: None,
            published_at: None,
        }
    }

    fn version(state: VersionState) -> Version {
        Version {
            id: VersionId::new(),
            product_id: ProductId::new(),
            number: "1.0.0".into(),
            changelog: String::new(),
            state,
            file_name: "a.zip".into(),
            size_bytes: None,
            sha256: None,
            object_key: None,
            detected_stack: Vec::new(),
            file_count: None,
            unpacked_bytes: None,
            rejection: None,
            created_at: DateTime::UNIX_EPOCH,
            released_at: None,
        }
    }

    #[test]
    fn everything_missing_is_told_at_once() {
        let fields: Vec<_> = judge(&draft(), None, false, false).into_iter().map(|lack| lack.field).collect();
        assert_eq!(fields, ["category", "description", "package", "standard_price"]);
    }

    #[test]
    fn a_complete_draft_lacks_nothing_while_its_checks_still_run() {
        let complete = Product { category_id: Some(CategoryId::new()), description: "x".repeat(100), ..draft() };
        assert_eq!(judge(&complete, Some(&version(VersionState::Received)), true, true), []);
        let refused = judge(&complete, Some(&version(VersionState::Rejected)), true, true);
        assert_eq!(refused[0].sentence, "Version 1.0.0 was refused; upload a mended package.");
    }
}
