//! The review form on a product's page: written, changed, taken back. A review and the rating change together, which is the
//! system's to do ([`mywork::catalog::review`]); who the author is comes from the session and nowhere else.

use super::product::{self, Place, Typed};
use crate::{
    App, Error, FieldErrors, Result,
    auth::{SignedIn, Viewer, Visitor},
    form::{Form, Path},
    page::{self, Flash},
};
use axum::{extract::State, response::Response};
use mywork::{
    catalog::review::{self, Opinion},
    db::Actor,
    ids::ReviewId,
};

pub(super) async fn write(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    Path(key): Path<String>,
    Form(typed): Form<Typed>,
) -> Result<Response> {
    let visitor = Visitor(Some(viewer.clone()));
    let view = product::find(&app, &visitor, &key).await?;
    let written = async {
        let opinion = opinion(&typed)?;
        let mut tx = app.db.begin(Actor::System).await?;
        review::write(&mut tx, viewer.id, view.id, &opinion, app.now()).await?;
        Ok(tx.commit().await?)
    };
    match written.await {
        Ok(()) => Ok(done(&view.slug, Flash::success("Thank you. Your review is on the page."))),
        Err(error) => product::answer(&app, &visitor, &view, &Place::default(), Some((typed, beside_field(error)?))).await,
    }
}

pub(super) async fn edit(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    Path((key, id)): Path<(String, ReviewId)>,
    Form(typed): Form<Typed>,
) -> Result<Response> {
    let visitor = Visitor(Some(viewer.clone()));
    let view = product::find(&app, &visitor, &key).await?;
    let changed = async {
        let opinion = opinion(&typed)?;
        let mut tx = app.db.begin(Actor::System).await?;
        review::edit(&mut tx, viewer.id, id, &opinion, app.now()).await?;
        Ok(tx.commit().await?)
    };
    match changed.await {
        Ok(()) => Ok(done(&view.slug, Flash::success("Your review was changed."))),
        Err(error) => product::answer(&app, &visitor, &view, &Place::default(), Some((typed, beside_field(error)?))).await,
    }
}

pub(super) async fn delete(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    Path((key, id)): Path<(String, ReviewId)>,
) -> Result<Response> {
    remove(&app, &viewer, id).await?;
    let view = product::find(&app, &Visitor(Some(viewer)), &key).await?;
    Ok(done(&view.slug, Flash::success("Your review was taken back.")))
}

/// Takes a review back, by page or by API.
pub(super) async fn remove(app: &App, viewer: &Viewer, id: ReviewId) -> Result<()> {
    let mut tx = app.db.begin(Actor::System).await?;
    review::delete(&mut tx, viewer.id, id).await?;
    Ok(tx.commit().await?)
}

fn opinion(typed: &Typed) -> Result<Opinion, review::Error> {
    Opinion::new(typed.rating.unwrap_or(0), &typed.title, &typed.body)
}

/// What the author can mend is said beside the field; everything else is an error of the page.
fn beside_field(error: review::Error) -> Result<FieldErrors> {
    match Error::from(error) {
        Error::Invalid(errors) => Ok(errors),
        other => Err(other),
    }
}

fn done(slug: &str, message: Flash) -> Response {
    page::flash(page::see_other(&format!("/products/{slug}#reviews")), message)
}
