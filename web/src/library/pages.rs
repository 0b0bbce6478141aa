//! `/library`: everything bought. `/library/orders/{order}`: one order with its files, licence, receipt and timeline; printable.

use super::{
    api,
    view::{DeviceLine, LicenceCard, OrderCard, SeatCount, StateChoice, TimelineLine, VersionLine},
};
use crate::{
    App, Error, Result,
    auth::SignedIn,
    form,
    page::{self, Flash},
};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use mywork::{
    catalog::licence::Rights,
    ids::VersionId,
    orders::{
        activation, download, licence,
        order::{self, LIBRARY_PAGE, LibraryFilter, OrderKey, OrderState},
        timeline,
    },
};
use serde::{Deserialize, Serialize};

#[derive(Debug, Default, Deserialize)]
pub(super) struct LibraryQuery {
    q: Option<String>,
    state: Option<String>,
    page: Option<i64>,
}

#[derive(Serialize)]
struct LibraryPage {
    orders: Vec<OrderCard>,
    q: String,
    states: Vec<StateChoice>,
    is_filtered: bool,
    total: i64,
    first: i64,
    last: i64,
    previous: Option<String>,
    next: Option<String>,
}

/// What I own.
pub(super) async fn library(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    form::Query(query): form::Query<LibraryQuery>,
) -> Result<Response> {
    let filter = LibraryFilter {
        text: query.q.clone().filter(|q| !q.trim().is_empty()),
        state: query.state.as_deref().and_then(|word| word.parse().ok()),
        page: query.page.unwrap_or(1).max(1),
    };
    let mut tx = app.db.begin(viewer.actor()).await?;
    let found = order::library(&mut tx, viewer.id, &filter).await?;
    tx.commit().await?;
    let shown = i64::try_from(found.orders.len()).unwrap_or(LIBRARY_PAGE);
    let before = (filter.page - 1).saturating_mul(LIBRARY_PAGE);
    let last = if shown == 0 { 0 } else { before.saturating_add(shown) };
    let address = |page: i64| library_address(&filter, page);
    let context = LibraryPage {
        orders: found.orders.iter().map(OrderCard::of).collect(),
        q: query.q.unwrap_or_default(),
        states: StateChoice::all(filter.state, |_| true),
        is_filtered: filter.text.is_some() || filter.state.is_some(),
        total: found.total,
        first: if shown == 0 { 0 } else { before + 1 },
        last,
        previous: (filter.page > 1).then(|| address(filter.page - 1)),
        next: (shown > 0 && last < found.total).then(|| address(filter.page + 1)),
    };
    app.page(&viewer, "pages/library/library.html", &context)
}

fn library_address(filter: &LibraryFilter, page: i64) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    if let Some(text) = &filter.text {
        query.append_pair("q", text);
    }
    if let Some(state) = filter.state {
        query.append_pair("state", state.as_str());
    }
    if page > 1 {
        query.append_pair("page", &page.to_string());
    }
    match query.finish() {
        query if query.is_empty() => "/library".into(),
        query => format!("/library?{query}"),
    }
}

#[derive(Serialize)]
struct OrderPage {
    order: OrderCard,
    licence: Option<LicenceCard>,
    rights: Rights,
    versions: Vec<VersionLine>,
    devices: Vec<DeviceLine>,
    /// With a licence.
    seats: Option<SeatCount>,
    timeline: Vec<TimelineLine>,
    /// Where an unpaid order can still be paid.
    pay_path: Option<String>,
}

/// One order.
pub(super) async fn order(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    form::Path(key): form::Path<String>,
) -> Result<Response> {
    let mut tx = app.db.begin(viewer.actor()).await?;
    let order = order::find_bought(&mut tx, viewer.id, &OrderKey::from(key.as_str())).await?.ok_or(Error::NotFound("order"))?;
    let licence = licence::of_order(&mut tx, order.id).await?;
    let (mut versions, mut devices, mut seats) = (Vec::new(), Vec::new(), None);
    if let Some(licence) = &licence {
        versions = download::versions(&mut tx, &order, licence).await?;
        devices = activation::of_licence(&mut tx, licence.id).await?;
        seats = Some(activation::seats(&mut tx, licence).await?.into());
    }
    let timeline = timeline::of(&mut tx, order.id).await?;
    tx.commit().await?;
    let product = order.product_slug.clone().unwrap_or_else(|| order.product_id.to_string());
    let context = OrderPage {
        order: OrderCard::of(&order),
        rights: order.licence.rights(),
        licence: licence.as_ref().map(LicenceCard::of),
        versions: versions.into_iter().map(VersionLine::of).collect(),
        devices: devices.into_iter().map(DeviceLine::of).collect(),
        seats,
        timeline: timeline.into_iter().map(TimelineLine::of).collect(),
        pay_path: (order.state == OrderState::Pending).then(|| format!("/checkout/{product}?checkout={}", order.checkout_id)),
    };
    app.page(&viewer, "pages/library/order.html", &context)
}

#[derive(Serialize)]
struct CertificatePage {
    order: OrderCard,
    licence: LicenceCard,
    rights: Rights,
    holder: String,
}

/// The certificate of a licence, made to be printed.
pub(super) async fn certificate(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    form::Path(key): form::Path<String>,
) -> Result<Response> {
    let mut tx = app.db.begin(viewer.actor()).await?;
    let order = order::find_bought(&mut tx, viewer.id, &OrderKey::from(key.as_str())).await?.ok_or(Error::NotFound("order"))?;
    let licence = licence::of_order(&mut tx, order.id).await?.ok_or(Error::NotFound("licence"))?;
    tx.commit().await?;
    let context = CertificatePage {
        order: OrderCard::of(&order),
        licence: LicenceCard::of(&licence),
        rights: licence.kind.rights(),
        holder: viewer.display_name.clone(),
    };
    app.page(&viewer, "pages/library/certificate.html", &context)
}

#[derive(Debug, Deserialize)]
pub(super) struct DownloadForm {
    version: Option<VersionId>,
}

/// Takes one download and sends the browser to the file. A form, not a link: it counts, so nothing that merely follows links
/// may trigger it.
pub(super) async fn download(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    form::Path(key): form::Path<String>,
    form::Form(form): form::Form<DownloadForm>,
) -> Result<Response> {
    match api::sign(&app, &viewer, &key, form.version).await {
        Ok(link) => {
            let location = HeaderValue::from_str(link.url()).map_err(|error| Error::Internal(error.into()))?;
            let headers = [(header::LOCATION, location), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
            Ok((StatusCode::SEE_OTHER, headers).into_response())
        }
        // The sentence belongs beside the buttons.
        Err(error @ (Error::Conflict(_) | Error::Gone(_))) => {
            let back = page::see_other(&format!("/library/orders/{key}"));
            Ok(page::flash(back, Flash::error(error.to_string())))
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::library::sample;

    #[test]
    fn the_filters_travel_with_the_page() {
        let filter = LibraryFilter { text: Some("a & b".into()), state: Some(OrderState::Refunded), page: 1 };
        assert_eq!(library_address(&filter, 2), "/library?q=a+%26+b&state=refunded&page=2");
        assert_eq!(library_address(&LibraryFilter::default(), 1), "/library");
    }

    #[test]
    fn the_library_shows_where_in_it_one_is() {
        let page = |orders: Vec<OrderCard>, is_filtered| LibraryPage {
            first: i64::from(!orders.is_empty()),
            last: 9,
            total: 23,
            orders,
            q: "shop".into(),
            states: StateChoice::all(None, |_| true),
            is_filtered,
            previous: None,
            next: Some("/library?page=2".into()),
        };
        let html = sample::render(
            "pages/library/library.html",
            &page(vec![OrderCard::of(&sample::order(OrderState::Fulfilled))], false),
        );
        assert!(html.contains("1–9 of 23") && html.contains("/library?page=2"));
        assert!(sample::render("pages/library/library.html", &page(vec![], true)).contains("Nothing in your library fits"));
        assert!(sample::render("pages/library/library.html", &page(vec![], false)).contains("Nothing here yet"));
    }

    #[test]
    fn an_order_is_shown_in_every_state() {
        for state in OrderState::ALL {
            let order = sample::order(state);
            let licence = state.was_paid().then(|| sample::licence(&order));
            let html = sample::render(
                "pages/library/order.html",
                &OrderPage {
                    order: OrderCard::of(&order),
                    licence: licence.as_ref().map(LicenceCard::of),
                    rights: order.licence.rights(),
                    versions: licence.iter().map(|_| VersionLine::of(sample::version())).collect(),
                    devices: licence.iter().map(|_| DeviceLine::of(sample::activation())).collect(),
                    seats: licence.as_ref().map(|_| SeatCount { used: 1, limit: Some(1) }),
                    timeline: sample::events().into_iter().map(TimelineLine::of).collect(),
                    pay_path: (state == OrderState::Pending).then(|| "/checkout/a-starter?checkout=1".into()),
                },
            );
            assert_eq!(html.contains("4.2 MB"), state.was_paid(), "{state:?}");
            assert_eq!(html.contains("Ada&#x27;s laptop") && html.contains("1 of 1"), state.was_paid(), "{state:?}");
            assert!(html.contains("orders.fulfil #7") && html.contains("$299.00"));
        }
    }

    #[test]
    fn the_certificate_names_holder_and_key() {
        let order = sample::order(OrderState::Fulfilled);
        let licence = sample::licence(&order);
        let html = sample::render(
            "pages/library/certificate.html",
            &CertificatePage {
                order: OrderCard::of(&order),
                licence: LicenceCard::of(&licence),
                rights: licence.kind.rights(),
                holder: "Ada <Lovelace>".into(),
            },
        );
        assert!(html.contains("Ada &lt;Lovelace&gt;") && html.contains(&licence.key));
    }
}
