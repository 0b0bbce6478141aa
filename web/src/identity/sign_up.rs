//! `/sign-up`: a built-in account in one form. Everything wrong is said at once, beside its field; what was typed stays, the
//! password excepted. Whoever signs up is signed in, and finds a link in their mail that confirms the address.

use super::{beside_fields, passwords, session, sign_in};
use crate::{
    App, FieldErrors, Result,
    auth::Visitor,
    form::{Form, Query},
    page::{self, Flash},
};
use axum::{extract::State, response::Response};
use http::HeaderMap;
use mywork::{
    db::Actor,
    identity::{
        password,
        sign_up::{self, SignUpError},
    },
};
use serde::{Deserialize, Serialize};

#[derive(Debug, Default, Deserialize)]
pub struct Typed {
    #[serde(default)]
    username: String,
    #[serde(default)]
    display_name: String,
    #[serde(default)]
    email: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    accept_terms: bool,
    #[serde(default)]
    next: String,
}

#[derive(Serialize)]
struct Page<'a> {
    next: &'a str,
    username: &'a str,
    display_name: &'a str,
    email: &'a str,
    accept_terms: bool,
    min_password: usize,
    errors: FieldErrors,
}

impl<'a> Page<'a> {
    fn new(typed: &'a Typed, errors: FieldErrors) -> Self {
        Self {
            next: sign_in::destination(&typed.next),
            username: &typed.username,
            display_name: &typed.display_name,
            email: &typed.email,
            accept_terms: typed.accept_terms,
            min_password: password::MIN_CHARS,
            errors,
        }
    }
}

const TEMPLATE: &str = "pages/identity/sign_up.html";

pub async fn show(State(app): State<App>, visitor: Visitor, Query(asked): Query<sign_in::Next>) -> Result<Response> {
    let next = sign_in::destination(&asked.next);
    if visitor.0.is_some() {
        return Ok(page::see_other(next));
    }
    if let Some(elsewhere) = sign_in::provider(&app, next) {
        return Ok(elsewhere);
    }
    let typed = Typed { next: next.to_owned(), ..Typed::default() };
    app.page(&visitor, TEMPLATE, &Page::new(&typed, FieldErrors::new()))
}

pub async fn submit(
    State(app): State<App>,
    visitor: Visitor,
    headers: HeaderMap,
    Form(mut typed): Form<Typed>,
) -> Result<Response> {
    if let Some(elsewhere) = sign_in::provider(&app, sign_in::destination(&typed.next)) {
        return Ok(elsewhere);
    }
    let form = sign_up::Form {
        username: &typed.username,
        display_name: &typed.display_name,
        email: &typed.email,
        password: &typed.password,
        accepts_terms: typed.accept_terms,
    };
    let person = match sign_up::check(&form) {
        Ok(person) => person,
        Err(faults) => return app.page_again(&visitor, TEMPLATE, &Page::new(&typed, beside_fields(faults))),
    };
    let hash = passwords::hash(std::mem::take(&mut typed.password)).await?;
    let mut tx = app.db.begin(Actor::System).await?;
    let user = match sign_up::create(&mut tx, &person, &hash, app.now()).await {
        Ok(user) => user,
        Err(refusal) => {
            let field = match refusal {
                SignUpError::UsernameTaken => "username",
                SignUpError::EmailTaken => "email",
                SignUpError::Database(error) => return Err(error.into()),
                SignUpError::Email(error) => return Err(error.into()),
            };
            let mut errors = FieldErrors::new();
            errors.add(field, refusal.to_string());
            return app.page_again(&visitor, TEMPLATE, &Page::new(&typed, errors));
        }
    };
    let opened = session::open(&mut tx, &app, user, &headers).await?;
    tx.commit().await?;
    let welcome =
        format!("Welcome, {}! We have sent a link to {}: open it to confirm your address.", person.display_name, person.email);
    let response = page::flash(page::see_other(sign_in::destination(&typed.next)), Flash::success(welcome));
    session::with_cookies(&app, user, &opened, response).await
}
