//! `/dashboard/settings`: the public profile, edited in place (AUTH-03).

use super::beside_fields;
use crate::{
    App, FieldErrors, Result,
    auth::{SignedIn, Viewer},
    form::Form,
    page::{self, Flash},
};
use axum::{extract::State, response::Response};
use http::StatusCode;
use mywork::{
    db::Actor,
    identity::{
        avatar::{self, Standing},
        profile::{self, Edit, Link, MAX_LINKS, ProfileError},
    },
};
use serde::{Deserialize, Serialize};

#[derive(Debug, Deserialize)]
pub struct Typed {
    #[serde(default)]
    username: String,
    #[serde(default)]
    display_name: String,
    #[serde(default)]
    bio: String,
    #[serde(default)]
    link_label_1: String,
    #[serde(default)]
    link_url_1: String,
    #[serde(default)]
    link_label_2: String,
    #[serde(default)]
    link_url_2: String,
    #[serde(default)]
    link_label_3: String,
    #[serde(default)]
    link_url_3: String,
    #[serde(default)]
    link_label_4: String,
    #[serde(default)]
    link_url_4: String,
    #[serde(default)]
    link_label_5: String,
    #[serde(default)]
    link_url_5: String,
}

impl From<Typed> for Edit {
    fn from(typed: Typed) -> Self {
        let pairs = [
            (typed.link_label_1, typed.link_url_1),
            (typed.link_label_2, typed.link_url_2),
            (typed.link_label_3, typed.link_url_3),
            (typed.link_label_4, typed.link_url_4),
            (typed.link_label_5, typed.link_url_5),
        ];
        let links = pairs.into_iter().map(|(label, url)| Link { label, url }).collect();
        Self { username: typed.username, display_name: typed.display_name, bio: typed.bio, links }
    }
}

#[derive(Serialize)]
struct Page<'a> {
    username: &'a str,
    display_name: &'a str,
    bio: &'a str,
    /// As many rows as there may be links, the rest empty.
    links: Vec<Link>,
    /// They gave a picture, and may take it away.
    has_avatar: bool,
    /// What there is to say about a picture that is not shown.
    standing: Option<Standing>,
    errors: FieldErrors,
}

const TEMPLATE: &str = "pages/settings/profile.html";

pub async fn show(State(app): State<App>, SignedIn(viewer): SignedIn) -> Result<Response> {
    render(&app, &viewer, None).await
}

/// The profile as it is, or as it was typed with what is wrong with it.
async fn render(app: &App, viewer: &Viewer, refused: Option<(Edit, FieldErrors)>) -> Result<Response> {
    let mut tx = app.db.begin(viewer.actor()).await?;
    let known = profile::get(&mut tx, viewer.id).await?;
    let standing = avatar::standing(&mut tx, viewer.id).await?;
    tx.commit().await?;
    let has_avatar = known.avatar_key.is_some();
    let status = if refused.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let (Edit { username, display_name, bio, mut links }, errors) = refused.unwrap_or_else(|| {
        let edit = Edit { username: known.username, display_name: known.display_name, bio: known.bio, links: known.links };
        (edit, FieldErrors::new())
    });
    links.resize(MAX_LINKS.max(links.len()), Link { label: String::new(), url: String::new() });
    let page = Page { username: &username, display_name: &display_name, bio: &bio, links, has_avatar, standing, errors };
    app.page_with(status, viewer, TEMPLATE, &page)
}

pub async fn submit(State(app): State<App>, SignedIn(viewer): SignedIn, Form(typed): Form<Typed>) -> Result<Response> {
    let typed = Edit::from(typed);
    let edit = match profile::check(typed.clone()) {
        Ok(edit) => edit,
        Err(faults) => return render(&app, &viewer, Some((typed, beside_fields(faults)))).await,
    };
    let mut tx = app.db.begin(Actor::User(viewer.id)).await?;
    match profile::update(&mut tx, viewer.id, &edit, app.now()).await {
        Ok(()) => tx.commit().await?,
        Err(ProfileError::Database(error)) => return Err(error.into()),
        Err(refusal) => {
            drop(tx);
            let mut errors = FieldErrors::new();
            errors.add("username", refusal.to_string());
            return render(&app, &viewer, Some((typed, errors))).await;
        }
    }
    Ok(page::flash(page::see_other("/dashboard/settings"), Flash::success("Your profile is saved.")))
}
