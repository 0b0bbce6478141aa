//! The buttons of the seller's pages: hand in, take back, pause, resume, delete, and the small acts on pictures and uploads. Each
//! acts, leaves a message and leads back.

use crate::{
    App, Error, Result,
    auth::{SignedIn, Viewer},
    form::{Form, Path},
    identity::origin,
    page::{Flash, flash, see_other},
};
use axum::{extract::State, response::Response};
use mywork::catalog::{self, delete as deletion, image, pause as pausing, product, publish, upload};
use mywork::db::Tx;
use mywork::ids::{ImageId, ProductId, UploadId};
use serde::Deserialize;

pub(super) async fn submit(State(app): State<App>, SignedIn(viewer): SignedIn, Path(key): Path<String>) -> Result<Response> {
    let (mut tx, id) = begin(&app, &viewer, &key).await?;
    match publish::submit(&mut tx, viewer.id, id, &origin(), app.now()).await {
        Err(catalog::Error::Invalid(_)) => {
            let message = Flash::error("Something is still missing; it is listed below.");
            return Ok(flash(see_other(&format!("/dashboard/products/{id}/edit?step=review")), message));
        }
        outcome => outcome?,
    }
    tx.commit().await?;
    let message = Flash::success("Submitted. You can leave this page; we write to you when it is decided.");
    Ok(flash(see_other(&format!("/dashboard/products/{id}/checks")), message))
}

pub(super) async fn withdraw(State(app): State<App>, SignedIn(viewer): SignedIn, Path(key): Path<String>) -> Result<Response> {
    let (mut tx, id) = begin(&app, &viewer, &key).await?;
    let outcome = publish::withdraw(&mut tx, viewer.id, id, &origin(), app.now()).await;
    finish(tx, outcome, &format!("/dashboard/products/{id}/edit?step=review"), "Taken back. It is a draft again.").await
}

pub(super) async fn pause(State(app): State<App>, SignedIn(viewer): SignedIn, Path(key): Path<String>) -> Result<Response> {
    let (mut tx, id) = begin(&app, &viewer, &key).await?;
    let outcome = pausing::pause(&mut tx, viewer.id, id, &origin(), app.now()).await;
    finish(tx, outcome, "/dashboard/products", "Paused. Nobody can buy it until you resume it.").await
}

pub(super) async fn resume(State(app): State<App>, SignedIn(viewer): SignedIn, Path(key): Path<String>) -> Result<Response> {
    let (mut tx, id) = begin(&app, &viewer, &key).await?;
    let outcome = pausing::resume(&mut tx, viewer.id, id, &origin(), app.now()).await;
    finish(tx, outcome, "/dashboard/products", "On sale again.").await
}

pub(super) async fn delete(State(app): State<App>, SignedIn(viewer): SignedIn, Path(key): Path<String>) -> Result<Response> {
    let (mut tx, id) = begin(&app, &viewer, &key).await?;
    let outcome = deletion::delete(&mut tx, viewer.id, id, &origin(), app.now()).await;
    finish(tx, outcome, "/dashboard/products", "Deleted. Whoever bought it keeps it.").await
}

#[derive(Debug, Deserialize)]
pub(super) struct ImageForm {
    #[serde(default)]
    alt: String,
    #[serde(default)]
    first: bool,
}

pub(super) async fn edit_image(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    Path((key, id)): Path<(String, ImageId)>,
    Form(form): Form<ImageForm>,
) -> Result<Response> {
    let (mut tx, product) = begin(&app, &viewer, &key).await?;
    let outcome = image::edit(&mut tx, viewer.id, product, id, &form.alt, form.first).await;
    finish(tx, outcome, &files(product), if form.first { "This picture now comes first." } else { "Description saved." }).await
}

pub(super) async fn remove_image(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    Path((key, id)): Path<(String, ImageId)>,
) -> Result<Response> {
    let (mut tx, product) = begin(&app, &viewer, &key).await?;
    let outcome = image::remove(&mut tx, viewer.id, product, id).await;
    finish(tx, outcome, &files(product), "Picture removed.").await
}

pub(super) async fn abort_upload(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    Path((key, id)): Path<(String, UploadId)>,
) -> Result<Response> {
    let (mut tx, product) = begin(&app, &viewer, &key).await?;
    let outcome = upload::abort(&mut tx, viewer.id, id).await;
    finish(tx, outcome, &files(product), "Upload removed.").await
}

fn files(product: ProductId) -> String {
    format!("/dashboard/products/{product}/edit?step=files")
}

/// A transaction of the seller's, and which of their products the address names.
async fn begin(app: &App, viewer: &Viewer, key: &str) -> Result<(Tx, ProductId)> {
    let mut tx = app.db.begin(viewer.actor()).await?;
    let product = product::get_own(&mut tx, viewer.id, key).await?;
    Ok((tx, product.id))
}

/// Commits what was done and says so; a refusal is said on the same page, where the seller can act on it.
async fn finish(tx: Tx, outcome: Result<(), catalog::Error>, back: &str, done: &str) -> Result<Response> {
    match outcome.map_err(Error::from) {
        Ok(()) => {
            tx.commit().await?;
            Ok(flash(see_other(back), Flash::success(done)))
        }
        Err(error @ (Error::Conflict(_) | Error::Invalid(_))) => Ok(flash(see_other(back), Flash::error(error.to_string()))),
        Err(error) => Err(error),
    }
}
