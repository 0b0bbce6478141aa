//! Orders to render pages with in tests: a template is strict, so every page of this area is rendered once in each of its states.

use crate::{
    assets::Assets,
    templates::{Serde, Templates},
};
use chrono::{DateTime, Duration, Utc};
use minijinja::{Value, context};
use mywork::{
    catalog::licence::LicenceKind,
    ids::{ActivationId, CheckoutId, LicenceId, OrderId, ProductId, UserId, VersionId},
    money::{BasisPoints, Cents},
    orders::{
        activation::Activation,
        download::Downloadable,
        licence::{Licence, LicenceState},
        order::{Order, OrderState},
        timeline::Event,
    },
};
use serde::Serialize;

pub(crate) fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_770_000_000, 0).expect("a time")
}

/// An order of $299.00 in the given state.
pub(crate) fn order(state: OrderState) -> Order {
    let paid = state.was_paid();
    Order {
        id: OrderId::new(),
        number: "MW-2026-00047".into(),
        checkout_id: CheckoutId::new(),
        buyer_id: UserId::new(),
        buyer_username: "ada".into(),
        buyer_name: "Ada <Lovelace>".into(),
        seller_id: UserId::new(),
        seller_username: "grace".into(),
        seller_name: "Grace Hopper".into(),
        product_id: ProductId::new(),
        product_title: "A starter for shops & stalls".into(),
        product_slug: Some("a-starter".into()),
        cover_key: None,
        version_id: None,
        licence: LicenceKind::Standard,
        state,
        currency: "usd".into(),
        amount: Cents(29_900),
        commission_schedule: 1,
        commission: BasisPoints(1_000),
        platform_fee: Cents(2_990),
        seller_share: Cents(26_910),
        processor_fee: Cents(897),
        created_at: now(),
        paid_at: paid.then(now),
        fulfilled_at: paid.then(now),
        hold_until: paid.then(|| now() + Duration::days(7)),
        hold_released_at: None,
    }
}

pub(crate) fn licence(order: &Order) -> Licence {
    Licence {
        id: LicenceId::new(),
        order_id: order.id,
        owner_id: order.buyer_id,
        product_id: order.product_id,
        kind: order.licence,
        key: "MW-11111-22222-33333-ABCDE".into(),
        state: LicenceState::Active,
        max_downloads: 10,
        updates_until: Some(now() + Duration::days(365)),
        created_at: now(),
        revoked_reason: None,
        revoked_by: None,
    }
}

pub(crate) fn version() -> Downloadable {
    Downloadable {
        version: VersionId::new(),
        number: "1.2.0".into(),
        file_name: "starter.zip".into(),
        changelog: "- *faster*".into(),
        size_bytes: Some(4_200_000),
        sha256: Some("ab".repeat(32)),
        released_at: Some(now()),
        remaining: 9,
    }
}

pub(crate) fn activation() -> Activation {
    Activation {
        id: ActivationId::new(),
        device: "4c4c4544-0042".into(),
        name: "Ada's laptop".into(),
        first_seen_at: now(),
        last_seen_at: now(),
    }
}

pub(crate) fn events() -> Vec<Event> {
    let event = |kind: &str, job: Option<i64>| Event {
        at: now(),
        kind: kind.into(),
        detail: "A detail".into(),
        job_id: job,
        job_kind: job.map(|_| "orders.fulfil".into()),
    };
    vec![event("ordered", None), event("payment_failed", Some(6)), event("fulfilled", Some(7))]
}

/// The page as a signed-in person gets it, its slashes written plainly.
pub(crate) fn render(template: &str, page: &impl Serialize) -> String {
    let viewer = context! {
        id => "1", username => "ada", display_name => "Ada", email => "ada@example.test", email_verified => true,
        avatar_url => (), is_seller => true, is_admin => true,
    };
    let around = context! {
        viewer => viewer, path => "/", flash => (), now => now().to_rfc3339(), base_url => "http://localhost:8080",
        ..Value::from(Serde(page))
    };
    let html = Templates::new(Assets::new()).render(template, around).unwrap_or_else(|error| panic!("{error:#}"));
    html.replace("&#x2f;", "/")
}
