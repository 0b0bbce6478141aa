//! Orders as templates and the API show them, with exactly the fields the reader may see: a buyer sees what they paid, a seller
//! also every share of it and never the buyer's address.

use crate::decimal::Dollars;
use chrono::{DateTime, Duration, Utc};
use mywork::{
    catalog::licence::LicenceKind,
    ids::{ActivationId, OrderId, ProductId, VersionId},
    money::Cents,
    orders::{
        REFUND_WINDOW_DAYS,
        activation::{Activation, Seats},
        download::Downloadable,
        licence::Licence,
        order::{Order, OrderState},
        timeline::Event,
    },
};
use serde::Serialize;
use utoipa::ToSchema;

/// What a person is called in public.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Person {
    pub username: String,
    pub display_name: String,
}

/// What was bought, as it was sold.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Bought {
    #[schema(value_type = Uuid)]
    pub id: ProductId,
    pub title: String,
    /// `null` when the product can no longer be seen.
    pub slug: Option<String>,
}

/// An order as its buyer sees it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct OrderSummary {
    #[schema(value_type = Uuid)]
    pub order_id: OrderId,
    #[schema(example = "MW-2026-00047")]
    pub order_number: String,
    /// `pending`, `paid`, `fulfilled`, `partially_refunded`, `refunded`, `disputed` or `failed`.
    #[schema(value_type = String, example = "fulfilled")]
    pub status: OrderState,
    pub product: Bought,
    pub seller: Person,
    #[schema(value_type = String, example = "standard")]
    pub license_type: LicenceKind,
    pub amount: Dollars,
    #[schema(value_type = i64)]
    pub amount_cents: Cents,
    pub currency: String,
    pub created_at: DateTime<Utc>,
    pub paid_at: Option<DateTime<Utc>>,
    pub fulfilled_at: Option<DateTime<Utc>>,
}

impl OrderSummary {
    pub fn of(order: &Order) -> Self {
        Self {
            order_id: order.id,
            order_number: order.number.clone(),
            status: order.state,
            product: Bought { id: order.product_id, title: order.product_title.clone(), slug: order.product_slug.clone() },
            seller: Person { username: order.seller_username.clone(), display_name: order.seller_name.clone() },
            license_type: order.licence,
            amount: order.amount.into(),
            amount_cents: order.amount,
            currency: order.currency.clone(),
            created_at: order.created_at,
            paid_at: order.paid_at,
            fulfilled_at: order.fulfilled_at,
        }
    }
}

/// A sale as its seller and admins see it: every share of the amount.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Sale {
    #[serde(flatten)]
    pub order: OrderSummary,
    pub buyer: Person,
    /// Hundredths of a per cent.
    #[schema(example = 1000)]
    pub commission_bps: i32,
    pub platform_fee: Dollars,
    #[schema(value_type = i64)]
    pub platform_fee_cents: Cents,
    pub seller_share: Dollars,
    #[schema(value_type = i64)]
    pub seller_share_cents: Cents,
    /// Borne by the platform.
    pub processor_fee: Dollars,
    #[schema(value_type = i64)]
    pub processor_fee_cents: Cents,
    /// Until then the seller's share is pending.
    pub hold_until: Option<DateTime<Utc>>,
    pub hold_released_at: Option<DateTime<Utc>>,
}

impl Sale {
    pub fn of(order: &Order) -> Self {
        Self {
            order: OrderSummary::of(order),
            buyer: Person { username: order.buyer_username.clone(), display_name: order.buyer_name.clone() },
            commission_bps: order.commission.0,
            platform_fee: order.platform_fee.into(),
            platform_fee_cents: order.platform_fee,
            seller_share: order.seller_share.into(),
            seller_share_cents: order.seller_share,
            processor_fee: order.processor_fee.into(),
            processor_fee_cents: order.processor_fee,
            hold_until: order.hold_until,
            hold_released_at: order.hold_released_at,
        }
    }
}

/// A version that can be downloaded.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct VersionLine {
    #[schema(value_type = Uuid)]
    pub version_id: VersionId,
    #[schema(example = "1.2.0")]
    pub number: String,
    pub file_name: String,
    /// Markdown.
    pub changelog: String,
    pub size_bytes: Option<i64>,
    /// SHA-256 in hexadecimal.
    pub sha256: Option<String>,
    pub released_at: Option<DateTime<Utc>>,
    pub remaining_downloads: i32,
}

impl VersionLine {
    pub fn of(version: Downloadable) -> Self {
        Self {
            version_id: version.version,
            number: version.number,
            file_name: version.file_name,
            changelog: version.changelog,
            size_bytes: version.size_bytes,
            sha256: version.sha256,
            released_at: version.released_at,
            remaining_downloads: version.remaining,
        }
    }
}

/// A line of an order's timeline.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct TimelineLine {
    pub at: DateTime<Utc>,
    /// `paid`, `fulfilled`, `downloaded`, …
    pub kind: String,
    pub title: String,
    pub detail: String,
    /// The job that did it.
    pub job_id: Option<i64>,
    pub job_kind: Option<String>,
}

impl TimelineLine {
    pub fn of(event: Event) -> Self {
        Self {
            at: event.at,
            title: event.title().to_owned(),
            kind: event.kind,
            detail: event.detail,
            job_id: event.job_id,
            job_kind: event.job_kind,
        }
    }
}

/// A licence held.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct LicenceCard {
    #[schema(value_type = String, example = "standard")]
    pub license_type: LicenceKind,
    #[schema(example = "MW-7K2QD-0V9XN-4TBRM-81HJC")]
    pub key: String,
    pub masked_key: String,
    pub active: bool,
    pub revoked_reason: Option<String>,
    pub max_downloads: i32,
    /// `null`: always.
    pub updates_until: Option<DateTime<Utc>>,
    pub granted_at: DateTime<Utc>,
}

impl LicenceCard {
    pub fn of(licence: &Licence) -> Self {
        Self {
            license_type: licence.kind,
            key: licence.key.clone(),
            masked_key: licence.masked_key(),
            active: licence.is_active(),
            revoked_reason: licence.revoked_reason.clone(),
            max_downloads: licence.max_downloads,
            updates_until: licence.updates_until,
            granted_at: licence.created_at,
        }
    }
}

/// A licence as its seller and admins see it: what it opens, never its key.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct LicenceStanding {
    #[schema(value_type = String, example = "standard")]
    pub license_type: LicenceKind,
    pub active: bool,
    pub revoked_reason: Option<String>,
    /// Of each version.
    pub max_downloads: i32,
    /// `null`: always.
    pub updates_until: Option<DateTime<Utc>>,
    pub granted_at: DateTime<Utc>,
}

impl LicenceStanding {
    pub fn of(licence: &Licence) -> Self {
        Self {
            license_type: licence.kind,
            active: licence.is_active(),
            revoked_reason: licence.revoked_reason.clone(),
            max_downloads: licence.max_downloads,
            updates_until: licence.updates_until,
            granted_at: licence.created_at,
        }
    }
}

/// A device on which the licence's key is active.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct DeviceLine {
    #[schema(value_type = Uuid)]
    pub id: ActivationId,
    /// The fingerprint the program sent.
    pub device: String,
    /// Empty when the program gave none.
    pub name: String,
    pub first_seen_at: DateTime<Utc>,
    pub last_seen_at: DateTime<Utc>,
}

impl DeviceLine {
    pub fn of(activation: Activation) -> Self {
        let Activation { id, device, name, first_seen_at, last_seen_at } = activation;
        Self { id, device, name, first_seen_at, last_seen_at }
    }
}

/// Devices on which a key is active, and may be.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(crate) struct SeatCount {
    pub used: i64,
    /// `null`: any number.
    #[schema(example = 10)]
    pub limit: Option<i64>,
}

impl From<Seats> for SeatCount {
    fn from(Seats { used, limit }: Seats) -> Self {
        Self { used, limit }
    }
}

/// An order as every page of orders shows it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct OrderCard {
    pub id: OrderId,
    pub number: String,
    pub title: String,
    pub slug: Option<String>,
    pub cover_key: Option<String>,
    pub licence: &'static str,
    pub state: &'static str,
    pub state_label: &'static str,
    /// Colour of the badge.
    pub state_color: &'static str,
    pub was_paid: bool,
    pub seller_username: String,
    pub seller_name: String,
    pub buyer_username: String,
    pub buyer_name: String,
    pub amount: Cents,
    /// `10 %`
    pub commission: String,
    pub platform_fee: Cents,
    pub seller_share: Cents,
    pub processor_fee: Cents,
    pub created_at: DateTime<Utc>,
    pub paid_at: Option<DateTime<Utc>>,
    pub refundable_until: Option<DateTime<Utc>>,
    pub hold_until: Option<DateTime<Utc>>,
    pub hold_released_at: Option<DateTime<Utc>>,
}

impl OrderCard {
    pub fn of(order: &Order) -> Self {
        Self {
            id: order.id,
            number: order.number.clone(),
            title: order.product_title.clone(),
            slug: order.product_slug.clone(),
            cover_key: order.cover_key.clone(),
            licence: licence_label(order.licence),
            state: order.state.as_str(),
            state_label: order.state.label(),
            state_color: color(order.state),
            was_paid: order.state.was_paid(),
            seller_username: order.seller_username.clone(),
            seller_name: order.seller_name.clone(),
            buyer_username: order.buyer_username.clone(),
            buyer_name: order.buyer_name.clone(),
            amount: order.amount,
            commission: percent(order.commission.0),
            platform_fee: order.platform_fee,
            seller_share: order.seller_share,
            processor_fee: order.processor_fee,
            created_at: order.created_at,
            paid_at: order.paid_at,
            refundable_until: order
                .paid_at
                .filter(|_| order.amount > Cents::ZERO)
                .map(|at| at + Duration::days(REFUND_WINDOW_DAYS)),
            hold_until: order.hold_until,
            hold_released_at: order.hold_released_at,
        }
    }
}

/// A choice of a filter.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct StateChoice {
    pub value: &'static str,
    pub label: &'static str,
    pub chosen: bool,
}

impl StateChoice {
    /// Every state that `admits` lets through, the chosen one marked.
    pub fn all(chosen: Option<OrderState>, admits: impl Fn(OrderState) -> bool) -> Vec<Self> {
        OrderState::ALL
            .into_iter()
            .filter(|state| admits(*state))
            .map(|state| Self { value: state.as_str(), label: state.label(), chosen: chosen == Some(state) })
            .collect()
    }
}

pub(crate) fn licence_label(kind: LicenceKind) -> &'static str {
    match kind {
        LicenceKind::Standard => "Standard",
        LicenceKind::Extended => "Extended",
        LicenceKind::Enterprise => "Enterprise",
    }
}

/// `10 %`, `12.5 %`
pub(crate) fn percent(basis_points: i32) -> String {
    let (whole, rest) = (basis_points / 100, basis_points % 100);
    if rest == 0 { format!("{whole} %") } else { format!("{whole}.{} %", format!("{rest:02}").trim_end_matches('0')) }
}

fn color(state: OrderState) -> &'static str {
    match state {
        OrderState::Fulfilled => "green",
        OrderState::Paid => "blue",
        OrderState::Pending | OrderState::PartiallyRefunded => "yellow",
        OrderState::Disputed => "red",
        OrderState::Refunded | OrderState::Failed => "gray",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_written_without_idle_zeros() {
        assert_eq!((percent(1_000), percent(1_250), percent(5)), ("10 %".into(), "12.5 %".into(), "0.05 %".into()));
    }
}
