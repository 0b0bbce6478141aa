//! `/become-seller`: what selling here means, and one button (AUTH-04). Who sells already goes to their products.

use crate::{
    App, FieldErrors, Result,
    auth::SignedIn,
    form::Form,
    page::{self, Flash},
};
use axum::{extract::State, response::Response};
use mywork::{db::Actor, identity::seller};
use serde::{Deserialize, Serialize};

#[derive(Debug, Default, Deserialize)]
pub struct Typed {
    #[serde(default)]
    headline: String,
    #[serde(default)]
    accept_terms: bool,
}

#[derive(Serialize)]
struct Page<'a> {
    headline: &'a str,
    accept_terms: bool,
    errors: FieldErrors,
}

const TEMPLATE: &str = "pages/identity/become_seller.html";

pub async fn show(State(app): State<App>, SignedIn(viewer): SignedIn) -> Result<Response> {
    if viewer.is_seller {
        return Ok(page::see_other("/dashboard/products"));
    }
    app.page(&viewer, TEMPLATE, &Page { headline: "", accept_terms: false, errors: FieldErrors::new() })
}

pub async fn submit(State(app): State<App>, SignedIn(viewer): SignedIn, Form(typed): Form<Typed>) -> Result<Response> {
    let mut errors = FieldErrors::new();
    let headline = errors.ok("headline", seller::normal_headline(&typed.headline));
    if !typed.accept_terms {
        errors.add("accept_terms", "Please read and accept the sellers’ terms to go on.");
    }
    let Some(headline) = headline.filter(|_| errors.is_empty()) else {
        return app.page_again(&viewer, TEMPLATE, &Page { headline: &typed.headline, accept_terms: typed.accept_terms, errors });
    };
    // As the system: a seller's row decides what they may do, so nobody writes their own.
    let mut tx = app.db.begin(Actor::System).await?;
    seller::become_seller(&mut tx, viewer.id, &headline, app.now()).await?;
    tx.commit().await?;
    let message = Flash::success("You are a seller now. Draft your first product; nothing is public before you submit it.");
    Ok(page::flash(page::see_other("/dashboard/products"), message))
}
