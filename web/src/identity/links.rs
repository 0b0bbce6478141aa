//! Where the links of our e-mails lead (AUTH-09): confirm an address, choose a new password, agree to a change of address.
//! Opening a link changes nothing, because mail scanners open them too; the page says what it is about and has one button.

use super::{origin, passwords, session};
use crate::{
    App, Error, FieldErrors, Result,
    auth::Visitor,
    form::{Form, Query},
    page::{self, Flash},
};
use axum::{extract::State, response::Response};
use http::StatusCode;
use mywork::{
    db::Actor,
    identity::{
        change_email::{self, ChangeEmailError, Confirmed},
        password, reset_password,
        token::Purpose,
        verify_email,
    },
};
use serde::{Deserialize, Serialize};

#[derive(Debug, Deserialize)]
pub struct Secret {
    #[serde(default)]
    token: String,
}

/// A question with one button.
#[derive(Serialize)]
struct Ask<'a> {
    title: &'a str,
    text: String,
    action: &'a str,
    button: &'a str,
    token: &'a str,
}

/// A link that no longer works, and where to get another.
#[derive(Serialize)]
struct Dead<'a> {
    reason: String,
    again: &'a str,
    button: &'a str,
}

#[derive(Serialize)]
struct Forgot<'a> {
    email: &'a str,
    sent: bool,
    errors: FieldErrors,
}

#[derive(Serialize)]
struct Choose<'a> {
    email: &'a str,
    token: &'a str,
    min_password: usize,
    errors: FieldErrors,
}

#[derive(Debug, Deserialize)]
pub struct Address {
    #[serde(default)]
    email: String,
}

#[derive(Debug, Deserialize)]
pub struct NewPassword {
    #[serde(default)]
    token: String,
    #[serde(default)]
    password: String,
}

const ASK: &str = "pages/identity/ask.html";
const FORGOT: &str = "pages/identity/forgot_password.html";
const CHOOSE: &str = "pages/identity/reset_password.html";

pub async fn ask_verify(State(app): State<App>, visitor: Visitor, Query(secret): Query<Secret>) -> Result<Response> {
    let mut tx = app.db.begin(Actor::System).await?;
    let email = match verify_email::preview(&mut tx, &secret.token, app.now()).await.map_err(Error::from) {
        Ok(email) => email,
        Err(error) => return dead(&app, &visitor, error, "/dashboard/settings/security", "Go to your settings"),
    };
    let ask = Ask {
        title: "Confirm your address",
        text: format!("Is {email} your e-mail address?"),
        action: "/verify-email",
        button: "Yes, confirm it",
        token: &secret.token,
    };
    app.page(&visitor, ASK, &ask)
}

pub async fn verify(State(app): State<App>, visitor: Visitor, Form(secret): Form<Secret>) -> Result<Response> {
    let mut tx = app.db.begin(Actor::System).await?;
    if let Err(error) = verify_email::confirm(&mut tx, &secret.token, app.now()).await.map_err(Error::from) {
        return dead(&app, &visitor, error, "/dashboard/settings/security", "Go to your settings");
    }
    tx.commit().await?;
    Ok(page::flash(page::see_other("/"), Flash::success("Thank you, your address is confirmed.")))
}

pub async fn forgot(State(app): State<App>, visitor: Visitor) -> Result<Response> {
    let email = visitor.0.as_ref().map_or("", |viewer| &viewer.email);
    app.page(&visitor, FORGOT, &Forgot { email, sent: false, errors: FieldErrors::new() })
}

/// The answer is the same for every address, and takes as long.
pub async fn send_reset(State(app): State<App>, visitor: Visitor, Form(typed): Form<Address>) -> Result<Response> {
    let email = typed.email.trim();
    if !email.contains('@') || email.len() > 320 {
        let mut errors = FieldErrors::new();
        errors.add("email", "Enter the e-mail address of your account.");
        return app.page_again(&visitor, FORGOT, &Forgot { email, sent: false, errors });
    }
    let mut tx = app.db.begin(Actor::System).await?;
    reset_password::ask(&mut tx, email, app.now()).await.map_err(|error| Error::Internal(error.into()))?;
    tx.commit().await?;
    app.page(&visitor, FORGOT, &Forgot { email, sent: true, errors: FieldErrors::new() })
}

pub async fn choose_password(State(app): State<App>, visitor: Visitor, Query(secret): Query<Secret>) -> Result<Response> {
    let mut tx = app.db.begin(Actor::System).await?;
    let email = match reset_password::preview(&mut tx, &secret.token, app.now()).await.map_err(Error::from) {
        Ok(email) => email,
        Err(error) => return dead(&app, &visitor, error, "/forgot-password", "Send a new link"),
    };
    let page = Choose { email: &email, token: &secret.token, min_password: password::MIN_CHARS, errors: FieldErrors::new() };
    app.page(&visitor, CHOOSE, &page)
}

pub async fn reset_password(State(app): State<App>, visitor: Visitor, Form(typed): Form<NewPassword>) -> Result<Response> {
    let mut tx = app.db.begin(Actor::System).await?;
    let email = match reset_password::preview(&mut tx, &typed.token, app.now()).await.map_err(Error::from) {
        Ok(email) => email,
        Err(error) => return dead(&app, &visitor, error, "/forgot-password", "Send a new link"),
    };
    tx.commit().await?;
    if let Err(weak) = password::check(&typed.password, &[&email]) {
        let mut errors = FieldErrors::new();
        errors.add("password", weak.to_string());
        let page = Choose { email: &email, token: &typed.token, min_password: password::MIN_CHARS, errors };
        return app.page_again(&visitor, CHOOSE, &page);
    }
    let hash = passwords::hash(typed.password).await?;
    let mut tx = app.db.begin(Actor::System).await?;
    if let Err(error) = reset_password::reset(&mut tx, &typed.token, &hash, &origin(), app.now()).await.map_err(Error::from) {
        return dead(&app, &visitor, error, "/forgot-password", "Send a new link");
    }
    tx.commit().await?;
    let message = Flash::success("Your password is changed and every session has ended. Sign in with the new one.");
    Ok(session::without_cookies(&app, page::flash(page::see_other("/sign-in"), message)))
}

pub async fn ask_change(State(app): State<App>, visitor: Visitor, Query(secret): Query<Secret>) -> Result<Response> {
    let mut tx = app.db.begin(Actor::System).await?;
    let link = match change_email::preview(&mut tx, &secret.token, app.now()).await.map_err(Error::from) {
        Ok(link) => link,
        Err(error) => return dead(&app, &visitor, error, "/dashboard/settings/security", "Go to your settings"),
    };
    let text = match link.purpose {
        Purpose::ChangeOld => format!("Shall your account leave the address {}?", link.email),
        _ => format!("Is {} to become the e-mail address of your account?", link.email),
    };
    let ask = Ask {
        title: "Change your e-mail address",
        text,
        action: "/confirm-email",
        button: "Yes, change it",
        token: &secret.token,
    };
    app.page(&visitor, ASK, &ask)
}

pub async fn confirm_change(State(app): State<App>, visitor: Visitor, Form(secret): Form<Secret>) -> Result<Response> {
    let mut tx = app.db.begin(Actor::System).await?;
    let confirmed = match change_email::confirm(&mut tx, &secret.token, &origin(), app.now()).await {
        Ok(confirmed) => confirmed,
        Err(ChangeEmailError::Taken) => return Err(Error::Conflict(ChangeEmailError::Taken.to_string())),
        Err(error) => return dead(&app, &visitor, error.into(), "/dashboard/settings/security", "Go to your settings"),
    };
    tx.commit().await?;
    let message = match confirmed {
        Confirmed::HalfWay { waiting_for } => Flash::info(format!("Thank you. Now open the link we sent to {waiting_for}.")),
        Confirmed::Changed { email } => Flash::success(format!("Your account's address is {email} from now on.")),
    };
    Ok(page::flash(page::see_other("/"), message))
}

/// A link that has gone gets a page that helps; other faults are faults.
fn dead(app: &App, visitor: &Visitor, error: Error, again: &str, button: &str) -> Result<Response> {
    match error {
        Error::Gone(reason) => {
            app.page_with(StatusCode::GONE, visitor, "pages/identity/dead_link.html", &Dead { reason, again, button })
        }
        other => Err(other),
    }
}
