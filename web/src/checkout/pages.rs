//! `/checkout/{product}`: choose a licence, see every share, pay. `/checkout/success`: the confirmation, which waits for the
//! payment and never says more than the database knows.
//!
//! The pages work without JavaScript up to the card form, which is Stripe's. A press on "Continue to payment" is a form that
//! redirects to the same address with the checkout in it, so a reload repeats nothing.

use super::begin::{self, Refused};
use crate::{
    App, Error, Result,
    auth::{SignedIn, Viewer},
    form,
    library::view::{OrderCard, VersionLine, licence_label, percent},
    page::{self, Flash},
};
use axum::{extract::State, response::Response};
use chrono::{DateTime, Utc};
use http::{HeaderValue, StatusCode};
use mywork::{
    catalog::{
        licence::{LicenceKind, Offer, Rights, offers_of},
        product::{self, Product},
    },
    db::Actor,
    ids::{CheckoutId, OrderId, ProductId},
    money::Cents,
    orders::{
        REFUND_WINDOW_DAYS,
        checkout::{self, Checkout, CheckoutState, Preview, Quote},
        download, intent,
        licence::{self, Held},
        open::OpenError,
        order::Order,
    },
};
use serde::{Deserialize, Serialize};

const CHOOSE: &str = "pages/checkout/choose.html";
const SUCCESS: &str = "pages/checkout/success.html";
const SUCCESS_PART: &str = "pages/checkout/success_part.html";

#[derive(Debug, Default, Deserialize)]
pub(super) struct ChooseQuery {
    licence: Option<String>,
    checkout: Option<CheckoutId>,
}

/// The checkout page: before the press on the button, and, with a checkout in the address, the card form.
pub(super) async fn choose(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    form::Path(key): form::Path<String>,
    form::Query(query): form::Query<ChooseQuery>,
) -> Result<Response> {
    let listing = Listing::load(&app, &viewer, &key).await?;
    let Some(id) = query.checkout else {
        let wanted = query.licence.as_deref().and_then(|word| word.parse().ok());
        let choice = listing.choice(wanted);
        return listing.page(&app, &viewer, StatusCode::OK, choice, None, None).await;
    };
    let mut tx = app.db.begin(viewer.actor()).await?;
    let found = checkout::find_own(&mut tx, viewer.id, id).await?;
    tx.commit().await?;
    let (checkout, orders) = found.ok_or(Error::NotFound("checkout"))?;
    let order = orders.iter().find(|o| o.product_id == listing.product.id).ok_or(Error::NotFound("checkout"))?;
    match checkout.state {
        CheckoutState::Paid => Ok(page::see_other(&format!("/checkout/success?checkout={id}"))),
        CheckoutState::Expired => {
            let again = page::see_other(&format!("/checkout/{}?licence={}", listing.product.slug, order.licence.as_str()));
            let why = "That checkout was open for too long and has been closed; nothing was charged. Start again below.";
            Ok(page::flash(again, Flash::info(why)))
        }
        CheckoutState::Open | CheckoutState::Paying | CheckoutState::Failed => {
            let payment = PaymentForm::of(&app, &checkout, order);
            listing.page(&app, &viewer, StatusCode::OK, Some(order.licence), payment, None).await
        }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct BeginForm {
    licence: String,
}

/// The press on "Continue to payment".
pub(super) async fn begin(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    form::Path(key): form::Path<String>,
    form::Form(form): form::Form<BeginForm>,
) -> Result<Response> {
    let listing = Listing::load(&app, &viewer, &key).await?;
    let Some(licence) = form.licence.parse().ok().and_then(|kind| listing.choice(Some(kind)).filter(|c| *c == kind)) else {
        let refusal = Refusal::sentence("Choose one of the licences offered below.");
        let choice = listing.choice(None);
        return listing.page(&app, &viewer, StatusCode::UNPROCESSABLE_ENTITY, choice, None, Some(refusal)).await;
    };
    match begin::begin(&app, &viewer, listing.product.id, licence).await {
        Ok(ready) if ready.client_secret.is_none() => {
            Ok(page::see_other(&format!("/checkout/success?checkout={}", ready.checkout)))
        }
        Ok(ready) => Ok(page::see_other(&format!("/checkout/{}?checkout={}", listing.product.slug, ready.checkout))),
        Err(Refused::Provider(sentence)) => {
            let refusal = Refusal::sentence(sentence);
            listing.page(&app, &viewer, StatusCode::BAD_GATEWAY, Some(licence), None, Some(refusal)).await
        }
        Err(Refused::Rule(rule)) => match Refusal::of(&rule) {
            Some(refusal) => listing.page(&app, &viewer, StatusCode::CONFLICT, Some(licence), None, Some(refusal)).await,
            None => Err(rule.into()),
        },
        Err(Refused::Other(error)) => Err(error),
    }
}

/// A product with everything the checkout page shows of it.
struct Listing {
    product: Product,
    offers: Vec<Offer>,
    preview: Preview,
    held: Option<Held>,
}

impl Listing {
    async fn load(app: &App, viewer: &Viewer, key: &str) -> Result<Self> {
        let mut tx = app.db.begin(viewer.actor()).await?;
        let product = match key.parse::<ProductId>() {
            Ok(id) => product::find(&mut tx, id).await?,
            Err(_) => product::find_by_slug(&mut tx, key).await?,
        }
        .ok_or(Error::NotFound("product"))?;
        let offers = offers_of(&mut tx, product.id).await?;
        let preview = checkout::preview(&mut tx, product.id).await?;
        let held = licence::held(&mut tx, viewer.id, product.id).await?;
        tx.commit().await?;
        Ok(Self { product, offers, preview, held })
    }

    /// The wanted licence if it is offered; else the narrowest that would add to what the buyer has.
    fn choice(&self, wanted: Option<LicenceKind>) -> Option<LicenceKind> {
        let offered = |kind: LicenceKind| self.offers.iter().any(|offer| offer.licence == kind);
        let adds = |offer: &&Offer| self.held.as_ref().is_none_or(|held| offer.licence > held.kind);
        wanted
            .filter(|kind| offered(*kind))
            .or_else(|| self.offers.iter().find(adds).or(self.offers.first()).map(|offer| offer.licence))
    }

    async fn page(
        &self,
        app: &App,
        viewer: &Viewer,
        status: StatusCode,
        chosen: Option<LicenceKind>,
        payment: Option<PaymentForm>,
        refusal: Option<Refusal>,
    ) -> Result<Response> {
        let offer = chosen.and_then(|kind| self.offers.iter().find(|offer| offer.licence == kind));
        let summary = match (&payment, offer) {
            (Some(payment), _) => Some(payment.summary.clone()),
            (None, Some(offer)) => Some(self.quote(app, offer).await?),
            (None, None) => None,
        };
        let context = ChoosePage {
            product: Shown {
                slug: &self.product.slug,
                title: &self.product.title,
                short_description: &self.product.short_description,
                seller_username: &self.preview.seller_username,
                seller_name: &self.preview.seller_name,
                cover_key: self.preview.cover_key.as_deref(),
                version: self.preview.version.as_deref(),
            },
            choices: self.offers.iter().map(|offer| Choice::of(offer, chosen, self.held.as_ref())).collect(),
            chosen: chosen.map(LicenceKind::as_str),
            chosen_label: chosen.map(licence_label),
            owned: self.held.as_ref().filter(|held| chosen.is_some_and(|kind| kind <= held.kind)).map(Owned::of),
            is_own: self.product.seller_id == viewer.id,
            summary,
            payment,
            refusal,
            refund_days: REFUND_WINDOW_DAYS,
        };
        app.page_with(status, viewer, CHOOSE, &context)
    }

    async fn quote(&self, app: &App, offer: &Offer) -> Result<Summary> {
        // The seller's rate depends on what they sold to others, which only the system may read.
        let mut tx = app.db.begin(Actor::System).await?;
        let quote = checkout::quote(&mut tx, &self.product, offer, app.now()).await.map_err(OpenError::Commission)?;
        tx.commit().await?;
        Ok(Summary::of(&quote))
    }
}

#[derive(Serialize)]
struct ChoosePage<'a> {
    product: Shown<'a>,
    choices: Vec<Choice>,
    chosen: Option<&'static str>,
    chosen_label: Option<&'static str>,
    /// The buyer has this licence or a wider one.
    owned: Option<Owned>,
    is_own: bool,
    summary: Option<Summary>,
    payment: Option<PaymentForm>,
    refusal: Option<Refusal>,
    refund_days: i64,
}

#[derive(Serialize)]
struct Shown<'a> {
    slug: &'a str,
    title: &'a str,
    short_description: &'a str,
    seller_username: &'a str,
    seller_name: &'a str,
    cover_key: Option<&'a str>,
    version: Option<&'a str>,
}

/// A licence to choose.
#[derive(Serialize)]
struct Choice {
    value: &'static str,
    label: &'static str,
    price: Cents,
    rights: Rights,
    max_downloads: i32,
    update_months: Option<i32>,
    chosen: bool,
    owned: bool,
}

impl Choice {
    fn of(offer: &Offer, chosen: Option<LicenceKind>, held: Option<&Held>) -> Self {
        Self {
            value: offer.licence.as_str(),
            label: licence_label(offer.licence),
            price: offer.price_cents,
            rights: offer.licence.rights(),
            max_downloads: offer.max_downloads,
            update_months: offer.update_months,
            chosen: chosen == Some(offer.licence),
            owned: held.is_some_and(|held| offer.licence <= held.kind),
        }
    }
}

#[derive(Serialize)]
struct Owned {
    order: OrderId,
    number: String,
    licence: &'static str,
}

impl Owned {
    fn of(held: &Held) -> Self {
        Self { order: held.order, number: held.order_number.clone(), licence: licence_label(held.kind) }
    }
}

/// The total and every share of it.
#[derive(Clone, Serialize)]
struct Summary {
    amount: Cents,
    commission: String,
    platform_fee: Cents,
    seller_share: Cents,
    processor_fee: Cents,
}

impl Summary {
    fn of(quote: &Quote) -> Self {
        Self {
            amount: quote.amount,
            commission: percent(quote.commission.0),
            platform_fee: quote.platform_fee,
            seller_share: quote.seller_share,
            processor_fee: quote.processor_fee,
        }
    }
}

/// What the card form is given.
#[derive(Serialize)]
struct PaymentForm {
    checkout: CheckoutId,
    order_number: String,
    client_secret: String,
    publishable_key: String,
    js_url: String,
    /// Where Stripe sends the buyer back to.
    return_url: String,
    /// What the issuer said of the last card.
    failure_message: Option<String>,
    expires_at: DateTime<Utc>,
    /// As frozen on the order, whatever the product costs by now.
    summary: Summary,
}

impl PaymentForm {
    /// `None` while Stripe has not been asked for an intent: the page then shows the button that does.
    fn of(app: &App, checkout: &Checkout, order: &Order) -> Option<Self> {
        let client_secret = checkout.client_secret.clone()?;
        Some(Self {
            checkout: checkout.id,
            order_number: order.number.clone(),
            client_secret,
            publishable_key: app.config.stripe.publishable_key.clone(),
            js_url: app.config.stripe.js_url.to_string(),
            return_url: app.url(&format!("/checkout/success?checkout={}", checkout.id)),
            failure_message: checkout.failure_message.clone().filter(|_| checkout.state == CheckoutState::Failed),
            expires_at: checkout.expires_at,
            summary: Summary {
                amount: checkout.total,
                commission: percent(order.commission.0),
                platform_fee: order.platform_fee,
                seller_share: order.seller_share,
                processor_fee: checkout.processor_fee,
            },
        })
    }
}

/// Why the press on the button led nowhere, and where to go instead.
#[derive(Serialize)]
struct Refusal {
    sentence: String,
    link: Option<String>,
    link_label: &'static str,
}

impl Refusal {
    fn sentence(sentence: &str) -> Self {
        Self { sentence: sentence.into(), link: None, link_label: "" }
    }

    /// `None` for what is not the buyer's to mend.
    fn of(rule: &OpenError) -> Option<Self> {
        match rule {
            OpenError::AlreadyOwned(held) => Some(Self {
                sentence: rule.to_string(),
                link: Some(format!("/library/orders/{}", held.order)),
                link_label: "Open it in your library",
            }),
            OpenError::NotForSale
            | OpenError::OwnProduct
            | OpenError::Closed
            | OpenError::LicenceNotOffered(_)
            | OpenError::TooSmallForACard(_) => Some(Self::sentence(&rule.to_string())),
            OpenError::ProductNotFound
            | OpenError::Commission(_)
            | OpenError::Settle(_)
            | OpenError::Queue(_)
            | OpenError::Database(_) => None,
        }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct SuccessQuery {
    checkout: CheckoutId,
    /// What Stripe says when it sends the buyer back; a hint for the words of the page, never a fact.
    redirect_status: Option<String>,
}

/// The confirmation.
pub(super) async fn success(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    form::Query(query): form::Query<SuccessQuery>,
) -> Result<Response> {
    let confirmation = Confirmation::load(&app, &viewer, &query).await?;
    if confirmation.is_waiting {
        // The webhook may have been lost; should it be on its way, this look changes nothing.
        let mut tx = app.db.begin(Actor::System).await?;
        intent::look_soon(&mut tx, query.checkout, app.now()).await.map_err(|e| Error::Internal(e.into()))?;
        tx.commit().await?;
    }
    app.page(&viewer, SUCCESS, &confirmation)
}

/// The part of the confirmation that changes, for the script that waits.
pub(super) async fn success_part(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    form::Query(query): form::Query<SuccessQuery>,
) -> Result<Response> {
    let confirmation = Confirmation::load(&app, &viewer, &query).await?;
    let waiting = confirmation.is_waiting;
    let mut response = app.page(&viewer, SUCCESS_PART, &confirmation)?;
    let word = if waiting { "waiting" } else { "settled" };
    response.headers_mut().insert("x-checkout", HeaderValue::from_static(word));
    Ok(response)
}

#[derive(Serialize)]
struct Confirmation {
    checkout: CheckoutId,
    /// `paid`, `waiting`, `declined` or `expired`.
    outcome: &'static str,
    is_waiting: bool,
    total: Cents,
    failure_message: Option<String>,
    /// Where another card can be tried.
    retry_path: String,
    /// This page, for the refresh without a script.
    here: String,
    part_url: String,
    paid_at: Option<DateTime<Utc>>,
    orders: Vec<Delivered>,
    refund_days: i64,
}

/// A bought product with its files.
#[derive(Serialize)]
struct Delivered {
    order: OrderCard,
    versions: Vec<VersionLine>,
}

impl Confirmation {
    async fn load(app: &App, viewer: &Viewer, query: &SuccessQuery) -> Result<Self> {
        let mut tx = app.db.begin(viewer.actor()).await?;
        let found = checkout::find_own(&mut tx, viewer.id, query.checkout).await?;
        let (checkout, orders) = found.ok_or(Error::NotFound("checkout"))?;
        let mut delivered = Vec::with_capacity(orders.len());
        for order in &orders {
            let versions = match licence::of_order(&mut tx, order.id).await? {
                Some(licence) => download::versions(&mut tx, order, &licence).await?,
                None => Vec::new(),
            };
            let versions = versions.into_iter().take(1).map(VersionLine::of).collect();
            delivered.push(Delivered { order: OrderCard::of(order), versions });
        }
        tx.commit().await?;
        let outcome = outcome(checkout.state, query.redirect_status.as_deref());
        let product = orders.first().map(|o| o.product_slug.clone().unwrap_or_else(|| o.product_id.to_string()));
        let hint = query.redirect_status.as_deref().filter(|word| word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
        let parameters = match hint {
            Some(word) => format!("checkout={}&redirect_status={word}", checkout.id),
            None => format!("checkout={}", checkout.id),
        };
        Ok(Self {
            checkout: checkout.id,
            outcome,
            is_waiting: outcome == "waiting",
            total: checkout.total,
            failure_message: checkout.failure_message,
            retry_path: format!("/checkout/{}?checkout={}", product.unwrap_or_default(), checkout.id),
            here: format!("/checkout/success?{parameters}"),
            part_url: format!("/checkout/success/part?{parameters}"),
            paid_at: checkout.paid_at,
            orders: delivered,
            refund_days: REFUND_WINDOW_DAYS,
        })
    }
}

/// What the confirmation says. A checkout marked as declined whose buyer comes back from a successful card form waits: the
/// refusal is of an earlier card, and the news of the success is on its way.
fn outcome(state: CheckoutState, redirect_status: Option<&str>) -> &'static str {
    match (state, redirect_status) {
        (CheckoutState::Paid, _) => "paid",
        (CheckoutState::Expired, _) => "expired",
        (CheckoutState::Failed, Some("succeeded" | "processing")) => "waiting",
        (CheckoutState::Failed, _) => "declined",
        (CheckoutState::Open | CheckoutState::Paying, Some("failed")) => "declined",
        (CheckoutState::Open | CheckoutState::Paying, _) => "waiting",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::library::sample;
    use mywork::orders::order::OrderState;

    #[test]
    fn only_the_database_can_say_paid() {
        for state in [CheckoutState::Open, CheckoutState::Paying, CheckoutState::Failed, CheckoutState::Expired] {
            assert_ne!(outcome(state, Some("succeeded")), "paid");
        }
        assert_eq!(outcome(CheckoutState::Paid, None), "paid");
        assert_eq!(outcome(CheckoutState::Failed, Some("succeeded")), "waiting");
        assert_eq!(outcome(CheckoutState::Failed, None), "declined");
    }

    fn summary() -> Summary {
        Summary {
            amount: Cents(29_900),
            commission: "10 %".into(),
            platform_fee: Cents(2_990),
            seller_share: Cents(26_910),
            processor_fee: Cents(897),
        }
    }

    fn choose_page(payment: Option<PaymentForm>, owned: Option<Owned>, refusal: Option<Refusal>) -> String {
        let offers = [Offer::at(LicenceKind::Standard, Cents(29_900)), Offer::at(LicenceKind::Enterprise, Cents(99_900))];
        sample::render(
            CHOOSE,
            &ChoosePage {
                product: Shown {
                    slug: "a-starter",
                    title: "A starter for shops & stalls",
                    short_description: "Everything a shop needs",
                    seller_username: "grace",
                    seller_name: "Grace Hopper",
                    cover_key: None,
                    version: Some("1.2.0"),
                },
                choices: offers.iter().map(|offer| Choice::of(offer, Some(LicenceKind::Standard), None)).collect(),
                chosen: Some("standard"),
                chosen_label: Some("Standard"),
                owned,
                is_own: false,
                summary: Some(summary()),
                payment,
                refusal,
                refund_days: REFUND_WINDOW_DAYS,
            },
        )
    }

    #[test]
    fn every_share_and_the_refund_policy_are_shown_before_paying() {
        let html = choose_page(None, None, None);
        for part in ["$299.00", "$269.10", "$29.90", "$8.97", "$999.00", "/legal/refunds", "Continue to payment"] {
            assert!(html.contains(part), "{part}");
        }
        assert!(!html.contains("js/checkout"), "no script before there is a card form");
    }

    #[test]
    fn the_card_form_is_given_what_it_needs() {
        let payment = PaymentForm {
            checkout: CheckoutId::new(),
            order_number: "MW-2026-00047".into(),
            client_secret: "pi_1_secret_2".into(),
            publishable_key: "pk_test_1".into(),
            js_url: "https://js.stripe.com/v3/".into(),
            return_url: "http://localhost:8080/checkout/success?checkout=1".into(),
            failure_message: Some("Your card was declined.".into()),
            expires_at: sample::now(),
            summary: summary(),
        };
        let html = choose_page(Some(payment), None, None);
        for part in ["pi_1_secret_2", "pk_test_1", "Your card was declined.", "Pay $299.00", "<noscript>"] {
            assert!(html.contains(part), "{part}");
        }
    }

    #[test]
    fn who_owns_it_is_led_to_it() {
        let owned = Owned { order: OrderId::new(), number: "MW-2026-00001".into(), licence: "Standard" };
        let refusal =
            Refusal { sentence: "You already own this.".into(), link: Some("/library/orders/1".into()), link_label: "Open it" };
        let html = choose_page(None, Some(owned), Some(refusal));
        assert!(html.contains("MW-2026-00001") && html.contains("/library/orders/1") && !html.contains("Continue to payment"));
    }

    #[test]
    fn the_confirmation_says_what_is_known() {
        let order = sample::order(OrderState::Paid);
        for (outcome, sentence) in [
            ("paid", "Thank you"),
            ("waiting", "Please do not pay a second time"),
            ("declined", "Nothing was charged"),
            ("expired", "has expired"),
        ] {
            let confirmation = Confirmation {
                checkout: CheckoutId::new(),
                outcome,
                is_waiting: outcome == "waiting",
                total: Cents(29_900),
                failure_message: None,
                retry_path: "/checkout/a-starter?checkout=1".into(),
                here: "/checkout/success?checkout=1".into(),
                part_url: "/checkout/success/part?checkout=1".into(),
                paid_at: Some(sample::now()),
                orders: vec![Delivered { order: OrderCard::of(&order), versions: vec![VersionLine::of(sample::version())] }],
                refund_days: REFUND_WINDOW_DAYS,
            };
            let html = sample::render(SUCCESS, &confirmation);
            assert!(html.contains(sentence), "{outcome}");
            assert_eq!(html.contains("data-wait"), outcome == "waiting");
        }
    }
}
