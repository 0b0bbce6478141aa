//! `/dashboard/settings/security`: password, e-mail address, and where one is signed in (AUTH-06's list, AUTH-09). One page
//! with three forms; an error shows the page again with the form it belongs to.

use super::{origin, passwords};
use crate::{
    App, Error, FieldErrors, Result,
    auth::{SignedIn, Viewer},
    form::{Form, Path},
    page::{self, Flash},
};
use axum::{extract::State, response::Response};
use chrono::{DateTime, Utc};
use http::StatusCode;
use mywork::{
    db::Actor,
    identity::{
        account,
        change_email::{self, ChangeEmailError, Pending},
        change_password, password,
        session::{self, Session},
        verify_email,
    },
    ids::SessionId,
};
use serde::{Deserialize, Serialize};

#[derive(Serialize)]
struct Page {
    has_password: bool,
    min_password: usize,
    email: String,
    email_verified: bool,
    pending: Option<Pending>,
    new_email: String,
    sessions: Vec<Row>,
    errors: FieldErrors,
}

/// A session as the list shows it.
#[derive(Serialize)]
struct Row {
    id: String,
    device: String,
    ip: String,
    created_at: DateTime<Utc>,
    last_seen_at: DateTime<Utc>,
    current: bool,
}

#[derive(Debug, Deserialize)]
pub struct Passwords {
    #[serde(default)]
    current_password: String,
    #[serde(default)]
    new_password: String,
}

#[derive(Debug, Deserialize)]
pub struct NewEmail {
    #[serde(default)]
    new_email: String,
    #[serde(default)]
    email_password: String,
}

const HERE: &str = "/dashboard/settings/security";

pub async fn show(State(app): State<App>, SignedIn(viewer): SignedIn) -> Result<Response> {
    render(&app, &viewer, StatusCode::OK, String::new(), FieldErrors::new()).await
}

async fn render(app: &App, viewer: &Viewer, status: StatusCode, new_email: String, errors: FieldErrors) -> Result<Response> {
    // As the system, because links that wait for confirmation are nobody's to read; everything asked for is the viewer's own.
    let mut tx = app.db.begin(Actor::System).await?;
    let account = account::get(&mut tx, viewer.id).await?;
    let pending = change_email::pending(&mut tx, viewer.id, app.now()).await?;
    let sessions = session::list(&mut tx, viewer.id, app.now()).await?;
    tx.commit().await?;
    let page = Page {
        has_password: account.has_password,
        min_password: password::MIN_CHARS,
        email: account.email,
        email_verified: account.email_verified_at.is_some(),
        pending,
        new_email,
        sessions: sessions.into_iter().map(|session| row(session, viewer.session)).collect(),
        errors,
    };
    app.page_with(status, viewer, "pages/settings/security.html", &page)
}

fn row(session: Session, current: Option<SessionId>) -> Row {
    Row {
        id: session.id.to_string(),
        device: device(&session.user_agent),
        ip: session.ip,
        created_at: session.created_at,
        last_seen_at: session.last_seen_at,
        current: Some(session.id) == current,
    }
}

/// What people call the device behind a user agent.
fn device(user_agent: &str) -> String {
    let first =
        |names: &[(&'static str, &'static str)]| names.iter().find(|(mark, _)| user_agent.contains(mark)).map(|(_, name)| *name);
    // Order matters: every browser claims to be the ones before it.
    let browser = first(&[
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
    ]);
    let system = first(&[
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
    ]);
    match (browser, system) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(name), None) | (None, Some(name)) => name.to_owned(),
        (None, None) if user_agent.is_empty() => "Unknown device".to_owned(),
        (None, None) => user_agent.chars().take(40).collect(),
    }
}

pub async fn change_password(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    Form(typed): Form<Passwords>,
) -> Result<Response> {
    let again = |errors| render(&app, &viewer, StatusCode::UNPROCESSABLE_ENTITY, String::new(), errors);
    let mut errors = FieldErrors::new();
    let Some(old_hash) = proved(&app, &viewer, typed.current_password).await? else {
        errors.add("current_password", "This is not your current password.");
        return again(errors).await;
    };
    if let Err(weak) = password::check(&typed.new_password, &[&viewer.username, &viewer.email]) {
        errors.add("new_password", weak.to_string());
        return again(errors).await;
    }
    let new_hash = passwords::hash(typed.new_password).await?;
    let mut tx = app.db.begin(Actor::System).await?;
    change_password::change(&mut tx, viewer.id, &old_hash, &new_hash, viewer.session, &origin(), app.now()).await?;
    tx.commit().await?;
    Ok(page::flash(page::see_other(HERE), Flash::success("Your password is changed. You are signed out everywhere else.")))
}

pub async fn change_email(State(app): State<App>, SignedIn(viewer): SignedIn, Form(typed): Form<NewEmail>) -> Result<Response> {
    let mut errors = FieldErrors::new();
    if proved(&app, &viewer, typed.email_password).await?.is_none() {
        errors.add("email_password", "This is not your current password.");
        return render(&app, &viewer, StatusCode::UNPROCESSABLE_ENTITY, typed.new_email, errors).await;
    }
    let mut tx = app.db.begin(Actor::System).await?;
    match change_email::ask(&mut tx, viewer.id, &typed.new_email, app.now()).await {
        Ok(new_email) => {
            tx.commit().await?;
            let message = if viewer.email_verified {
                format!("We have written to {} and to {new_email}: open both links to make the change.", viewer.email)
            } else {
                format!("We have written to {new_email}: open the link to make the change.")
            };
            Ok(page::flash(page::see_other(HERE), Flash::info(message)))
        }
        Err(ChangeEmailError::Database(error)) => Err(error.into()),
        Err(ChangeEmailError::Email(error)) => Err(error.into()),
        Err(refusal) => {
            drop(tx);
            errors.add("new_email", refusal.to_string());
            render(&app, &viewer, StatusCode::UNPROCESSABLE_ENTITY, typed.new_email, errors).await
        }
    }
}

pub async fn withdraw_email_change(State(app): State<App>, SignedIn(viewer): SignedIn) -> Result<Response> {
    let mut tx = app.db.begin(Actor::System).await?;
    change_email::withdraw(&mut tx, viewer.id, app.now()).await?;
    tx.commit().await?;
    Ok(page::flash(page::see_other(HERE), Flash::success("Your address stays as it is.")))
}

pub async fn verify_again(State(app): State<App>, SignedIn(viewer): SignedIn) -> Result<Response> {
    let mut tx = app.db.begin(Actor::System).await?;
    let message = match verify_email::ask_again(&mut tx, viewer.id, app.now()).await.map_err(Error::from) {
        Ok(()) => Flash::success(format!("We have sent another link to {}.", viewer.email)),
        Err(Error::Conflict(reason)) => Flash::info(reason),
        Err(error) => return Err(error),
    };
    tx.commit().await?;
    Ok(page::flash(page::see_other(HERE), message))
}

pub async fn revoke(State(app): State<App>, SignedIn(viewer): SignedIn, Path(id): Path<SessionId>) -> Result<Response> {
    let mut tx = app.db.begin(viewer.actor()).await?;
    let ended = session::revoke(&mut tx, viewer.id, id, app.now()).await?;
    tx.commit().await?;
    if !ended {
        return Err(Error::NotFound("session"));
    }
    Ok(page::flash(page::see_other(HERE), Flash::success("That session has ended.")))
}

pub async fn revoke_others(State(app): State<App>, SignedIn(viewer): SignedIn) -> Result<Response> {
    let mut tx = app.db.begin(viewer.actor()).await?;
    let ended = session::revoke_others(&mut tx, viewer.id, viewer.session, app.now()).await?;
    tx.commit().await?;
    let message = match ended {
        0 => Flash::info("You are signed in nowhere else."),
        1 => Flash::success("One other session has ended."),
        n => Flash::success(format!("{n} other sessions have ended.")),
    };
    Ok(page::flash(page::see_other(HERE), message))
}

/// The viewer's password hash, if `password` is theirs.
async fn proved(app: &App, viewer: &Viewer, password: String) -> Result<Option<String>> {
    let mut tx = app.db.begin(viewer.actor()).await?;
    let hash = account::password_hash_of(&mut tx, viewer.id).await?;
    tx.commit().await?;
    let Some(hash) = hash else {
        return Err(Error::Conflict(
            "Your password and address are kept by the service you sign in with. Change them there.".into(),
        ));
    };
    Ok(passwords::verify(password, hash.clone()).await?.then_some(hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_have_names_people_use() {
        let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0";
        let chrome = "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0 Mobile Safari/537.36";
        let safari = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1 Version/17.5 Mobile Safari/604.1";
        assert_eq!(device(firefox), "Firefox on Linux");
        assert_eq!(device(chrome), "Chrome on Android");
        assert_eq!(device(safari), "Safari on iPhone");
        assert_eq!(device("curl/8.5.0"), "curl");
        assert_eq!(device(""), "Unknown device");
        assert_eq!(device("my-integration/1.0"), "my-integration/1.0");
    }
}
