//! `/products/{product}`: all a buyer needs to decide. An address the product once had leads to the one it has now, for good
//! (PROD-04). What is not on sale is shown to its seller and to whoever bought it, and to nobody else.

use super::browse::licence_label;
use crate::{
    App, Error, FieldErrors, Result,
    auth::{Viewer, Visitor},
    form::{Path, Query},
    openapi::{ByTime, Cursor},
    page::{self, Looker},
    templates,
};
use axum::{extract::State, response::Response};
use http::{HeaderMap, StatusCode};
use mywork::{
    catalog::{
        browse::{self, Card, Owned, View},
        licence::{LicenceKind, Offer, Rights},
        product::ProductState,
        review::{self, Distribution, Review},
    },
    db::Actor,
    ids::ReviewId,
    orders::REFUND_WINDOW_DAYS,
};
use serde::{Deserialize, Serialize};

const TEMPLATE: &str = "pages/discovery/product.html";
const REVIEWS: usize = 10;
const SIMILAR: i64 = 3;

/// What the address may say besides the product.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Place {
    /// Where the reviews go on.
    reviews: Option<String>,
    licence: Option<String>,
}

#[derive(Serialize)]
struct Page<'a> {
    product: &'a View,
    /// There is a licence that this viewer can buy: not of their own product, nor one no wider than what they have.
    is_for_sale: bool,
    is_own: bool,
    offers: Vec<Choice>,
    /// The licence that is ticked.
    chosen: Option<&'static str>,
    refund_days: i64,
    reviews: Vec<Review>,
    more_reviews: Option<String>,
    distribution: Vec<Bar>,
    similar: Vec<Card>,
    owned: Option<Owned>,
    own_review: Option<Review>,
    typed: Typed,
    errors: FieldErrors,
    url: String,
    picture: Option<String>,
    summary: String,
}

/// A licence with its rights, for the comparison.
#[derive(Serialize)]
struct Choice {
    offer: Offer,
    label: &'static str,
    hint: String,
    rights: Rights,
    is_for_sale: bool,
}

/// One line of the distribution of stars.
#[derive(Serialize)]
struct Bar {
    stars: usize,
    count: i64,
    percent: i64,
}

/// The review form as it was filled in.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Typed {
    #[serde(default)]
    pub rating: Option<i16>,
    #[serde(default)]
    pub title: String,
    #[serde(default)]
    pub body: String,
}

pub(super) async fn show(
    State(app): State<App>,
    visitor: Visitor,
    Path(key): Path<String>,
    Query(place): Query<Place>,
    headers: HeaderMap,
) -> Result<Response> {
    let view = find(&app, &visitor, &key).await?;
    if view.slug != key {
        return Ok(page::moved(&format!("/products/{}", view.slug)));
    }
    if visitor.viewer().is_none_or(|viewer| viewer.id != view.seller.id) {
        app.views.count(view.id, &headers);
    }
    answer(&app, &visitor, &view, &place, None).await
}

/// The product as this visitor may see it.
pub(super) async fn find(app: &App, visitor: &Visitor, key: &str) -> Result<View> {
    let seen = match (browse::find(app.db.public(), key).await?, &visitor.0) {
        (None, Some(viewer)) => {
            let actor = if viewer.is_admin { Actor::Admin(viewer.id) } else { viewer.actor() };
            let mut tx = app.db.begin(actor).await?;
            let seen = browse::find(&mut *tx, key).await?;
            tx.commit().await?;
            seen
        }
        (seen, _) => seen,
    };
    seen.ok_or(Error::NotFound("product"))
}

/// The page, or the page once more with what was typed into the review and what is wrong with it.
pub(super) async fn answer(
    app: &App,
    visitor: &Visitor,
    view: &View,
    place: &Place,
    again: Option<(Typed, FieldErrors)>,
) -> Result<Response> {
    let pool = app.db.public();
    let after = place.reviews.as_deref().map(Cursor::<ByTime>::decode).transpose()?.map(|Cursor((at, id))| (at, ReviewId(id)));
    let (mut reviews, distribution, similar) = tokio::try_join!(
        review::list(pool, view.id, after, REVIEWS as i64 + 1),
        review::distribution(pool, view.id),
        browse::similar(pool, view.id, SIMILAR),
    )?;
    let has_more = reviews.len() > REVIEWS;
    reviews.truncate(REVIEWS);
    let more_reviews = reviews.last().filter(|_| has_more).map(|last| {
        let cursor = Cursor::<ByTime>((last.created_at, last.id.0)).encode();
        format!("/products/{}?reviews={cursor}#reviews", view.slug)
    });
    let (owned, own_review) = match visitor.viewer() {
        Some(viewer) => of_viewer(app, viewer, view).await?,
        None => (None, None),
    };
    let is_own = visitor.viewer().is_some_and(|viewer| viewer.id == view.seller.id);
    let on_sale = view.state == ProductState::Active && !view.versions.is_empty() && !is_own;
    let held = owned.as_ref().map(|owned| owned.licence);
    let offers: Vec<Choice> = view.offers.iter().map(|offer| Choice::of(offer, on_sale, held)).collect();
    let wanted = place.licence.as_deref().and_then(|word| word.parse::<LicenceKind>().ok());
    let mut buyable = offers.iter().filter(|choice| choice.is_for_sale).map(|choice| choice.offer.licence);
    let chosen = buyable.clone().find(|licence| Some(*licence) == wanted).or(buyable.next());
    let status = if again.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let (typed, errors) = again.unwrap_or_else(|| (Typed::of(own_review.as_ref()), FieldErrors::new()));
    let context = Page {
        is_for_sale: chosen.is_some(),
        is_own,
        chosen: chosen.map(LicenceKind::as_str),
        offers,
        refund_days: REFUND_WINDOW_DAYS,
        reviews,
        more_reviews,
        distribution: bars(&distribution),
        similar,
        owned,
        own_review,
        typed,
        errors,
        url: app.url(&format!("/products/{}", view.slug)),
        picture: view.images.first().and_then(|image| image.at_least(1200)).map(|v| app.url(&templates::media(&v.key))),
        summary: summary(view),
        product: view,
    };
    app.page_with(status, visitor, TEMPLATE, &context)
}

async fn of_viewer(app: &App, viewer: &Viewer, view: &View) -> Result<(Option<Owned>, Option<Review>)> {
    let mut tx = app.db.begin(viewer.actor()).await?;
    let owned = browse::owned(&mut *tx, viewer.id, view.id).await?;
    let review = review::find_own(&mut *tx, viewer.id, view.id).await?;
    tx.commit().await?;
    Ok((owned, review))
}

/// One or two sentences about the product, for search engines and link previews.
fn summary(view: &View) -> String {
    let text = if view.short_description.is_empty() { &view.description } else { &view.short_description };
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", line[..end].trim_end()),
        None => line,
    }
}

fn bars(distribution: &Distribution) -> Vec<Bar> {
    let bar = |stars| Bar { stars, count: distribution.counts[stars - 1], percent: distribution.percent(stars) };
    (1..=5).rev().map(bar).collect()
}

impl Choice {
    fn of(offer: &Offer, on_sale: bool, held: Option<LicenceKind>) -> Self {
        let rights = offer.licence.rights();
        let sold_on = if rights.in_products_sold { ", also in products you sell" } else { "" };
        Self {
            label: licence_label(offer.licence),
            hint: format!("{}, {}{sold_on}", rights.projects, rights.seats),
            rights,
            // A wider licence may follow a narrower one; the same or a narrower one would buy nothing.
            is_for_sale: on_sale && held.is_none_or(|held| offer.licence > held),
            offer: offer.clone(),
        }
    }
}

impl Typed {
    fn of(review: Option<&Review>) -> Self {
        review.map_or_else(Self::default, |review| Self {
            rating: Some(review.rating),
            title: review.title.clone(),
            body: review.body.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mywork::money::Cents;

    #[test]
    fn only_a_wider_licence_is_offered_to_who_has_one() {
        let for_sale = |on_sale, held| {
            LicenceKind::ALL.map(|licence| Choice::of(&Offer::at(licence, Cents(4_900)), on_sale, held).is_for_sale)
        };
        assert_eq!(for_sale(true, None), [true; 3]);
        assert_eq!(for_sale(true, Some(LicenceKind::Standard)), [false, true, true]);
        assert_eq!(for_sale(true, Some(LicenceKind::Enterprise)), [false; 3]);
        assert_eq!(for_sale(false, None), [false; 3]);
    }

    #[test]
    fn stars_are_listed_from_the_most() {
        let bars = bars(&Distribution { counts: [1, 0, 0, 0, 3] });
        let drawn: Vec<_> = bars.iter().map(|bar| (bar.stars, bar.count, bar.percent)).collect();
        assert_eq!(drawn, [(5, 3, 75), (4, 0, 0), (3, 0, 0), (2, 0, 0), (1, 1, 25)]);
    }
}
