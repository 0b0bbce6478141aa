//! Clerk's pages and routes: sign up, sign in, the list of people with their webhooks, tokens and keys.

use super::{Clerk, Person, SESSION_SECONDS, TokenRequest, wire};
use crate::{
    faults::{self, Service},
    page::{escape, message, moment, page, query_value},
};
use axum::{
    Form, Json, Router,
    body::Body,
    extract::{Path, Query, Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

pub(super) fn routes(clerk: Clerk) -> Router {
    let published = Router::new()
        .route("/.well-known/jwks.json", get(jwks))
        .layer(middleware::from_fn_with_state(clerk.clone(), under_faults));
    Router::new()
        .merge(published)
        .route("/clerk/sign-up", get(sign_up_page).post(sign_up))
        .route("/clerk/sign-in", get(sign_in_page).post(sign_in))
        .route("/clerk/sign-out", post(sign_out))
        .route("/clerk/users", get(people_page))
        .route("/clerk/users.json", get(people_json))
        .route("/clerk/users/{id}/update", post(update))
        .route("/clerk/users/{id}/delete", post(delete))
        .route("/clerk/tokens", post(token))
        .route("/clerk/keys/rotate", post(rotate))
        .with_state(clerk)
}

async fn under_faults(State(clerk): State<Clerk>, request: Request, next: Next) -> Response {
    faults::apply(&clerk.0.faults, Service::Clerk, request, next, |_| {
        Body::from(
            json!({ "errors": [{ "message": "A fault switch of the sandbox is on.", "code": "internal_error" }] }).to_string(),
        )
    })
    .await
}

async fn jwks(State(clerk): State<Clerk>) -> Json<Value> {
    Json(clerk.0.keys.published())
}

#[derive(Deserialize)]
struct Return {
    #[serde(default)]
    redirect_url: String,
}

async fn sign_up_page(Query(Return { redirect_url }): Query<Return>) -> Html<String> {
    sign_up_form(&redirect_url, None)
}

fn sign_up_form(redirect_url: &str, error: Option<&str>) -> Html<String> {
    let error =
        error.map(|text| format!("<p role=\"alert\"><span class=\"badge bad\">{}</span></p>", escape(text))).unwrap_or_default();
    page(
        "Sign up",
        &format!(
            "<div class=\"card narrow\"><h1>Sign up</h1><p class=\"muted\">A stand-in for Clerk: no password, any address.</p>{error}\
             <form method=\"post\"><input type=\"hidden\" name=\"redirect_url\" value=\"{back}\">\
             <label>E-mail address<input name=\"email\" type=\"email\" autocomplete=\"email\" required></label>\
             <label>Username<input name=\"username\" autocomplete=\"username\"></label>\
             <label>First name<input name=\"first_name\" autocomplete=\"given-name\"></label>\
             <label>Last name<input name=\"last_name\" autocomplete=\"family-name\"></label>\
             <button class=\"wide\">Sign up</button></form>\
             <p>Already known? <a href=\"/clerk/sign-in?redirect_url={query}\">Sign in</a></p></div>",
            back = escape(redirect_url),
            query = query_value(redirect_url)
        ),
    )
}

#[derive(Deserialize)]
struct SignUp {
    email: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    first_name: String,
    #[serde(default)]
    last_name: String,
    #[serde(default)]
    redirect_url: String,
}

async fn sign_up(State(clerk): State<Clerk>, Form(form): Form<SignUp>) -> Response {
    match clerk.sign_up(&form.email, &form.username, &form.first_name, &form.last_name) {
        Ok(person) => begin_session(&clerk, &person, &form.redirect_url),
        Err(error) => {
            (StatusCode::UNPROCESSABLE_ENTITY, sign_up_form(&form.redirect_url, Some(&error.to_string()))).into_response()
        }
    }
}

async fn sign_in_page(State(clerk): State<Clerk>, Query(Return { redirect_url }): Query<Return>) -> Html<String> {
    sign_in_form(&clerk, &redirect_url, None)
}

fn sign_in_form(clerk: &Clerk, redirect_url: &str, error: Option<&str>) -> Html<String> {
    let error =
        error.map(|text| format!("<p role=\"alert\"><span class=\"badge bad\">{}</span></p>", escape(text))).unwrap_or_default();
    let known: String =
        clerk.everybody().iter().take(50).map(|person| format!("<option value=\"{}\">", escape(&person.email))).collect();
    page(
        "Sign in",
        &format!(
            "<div class=\"card narrow\"><h1>Sign in</h1><p class=\"muted\">A stand-in for Clerk: the address is enough.</p>{error}\
             <form method=\"post\"><input type=\"hidden\" name=\"redirect_url\" value=\"{back}\">\
             <label>E-mail address<input name=\"email\" type=\"email\" list=\"known\" autocomplete=\"email\" required></label>\
             <datalist id=\"known\">{known}</datalist><button class=\"wide\">Sign in</button></form>\
             <p>New here? <a href=\"/clerk/sign-up?redirect_url={query}\">Sign up</a></p></div>",
            back = escape(redirect_url),
            query = query_value(redirect_url)
        ),
    )
}

#[derive(Deserialize)]
struct SignIn {
    email: String,
    #[serde(default)]
    redirect_url: String,
}

async fn sign_in(State(clerk): State<Clerk>, Form(form): Form<SignIn>) -> Response {
    match clerk.find_by_email(&form.email) {
        Some(person) => begin_session(&clerk, &person, &form.redirect_url),
        None => {
            let text = "Nobody has signed up with this e-mail address.";
            (StatusCode::UNPROCESSABLE_ENTITY, sign_in_form(&clerk, &form.redirect_url, Some(text))).into_response()
        }
    }
}

/// Hands the browser its token in `__session` and sends it back. Cookies do not tell ports apart, so a site on another port
/// of the same host sees it, as with Clerk on a subdomain.
fn begin_session(clerk: &Clerk, person: &Person, redirect_url: &str) -> Response {
    let back = Url::parse(redirect_url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let azp = back.as_ref().map(|url| url.origin().ascii_serialization());
    let token = clerk.token(&TokenRequest { sub: person.id.clone(), azp, ..TokenRequest::default() });
    let cookie = format!("__session={token}; Path=/; Max-Age={SESSION_SECONDS}; SameSite=Lax");
    with_cookie(Redirect::to(back.as_ref().map_or("/clerk/users", Url::as_str)), &cookie)
}

async fn sign_out(Form(Return { redirect_url }): Form<Return>) -> Response {
    let back = Url::parse(&redirect_url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let target = Redirect::to(back.as_ref().map_or("/clerk/sign-in", Url::as_str));
    with_cookie(target, "__session=; Path=/; Max-Age=0; SameSite=Lax")
}

fn with_cookie(redirect: Redirect, cookie: &str) -> Response {
    let mut response = redirect.into_response();
    let value = HeaderValue::from_str(cookie).expect("a token is plain ASCII");
    response.headers_mut().insert(header::SET_COOKIE, value);
    response
}

async fn people_json(State(clerk): State<Clerk>) -> Json<Vec<Value>> {
    Json(clerk.everybody().iter().map(wire).collect())
}

async fn people_page(State(clerk): State<Clerk>) -> Html<String> {
    let rows: String = clerk
        .everybody()
        .iter()
        .map(|person| {
            format!(
                "<tr><td>{email}<br><span class=\"mono muted\">{id}</span></td><td>{name}</td><td>{when}</td>\
                 <td><form method=\"post\" action=\"/clerk/users/{id}/update\"><button class=\"quiet small\">Send user.updated</button></form></td>\
                 <td><form method=\"post\" action=\"/clerk/users/{id}/delete\"><button class=\"bad small\">Delete {email}</button></form></td></tr>",
                email = escape(&person.email),
                id = escape(&person.id),
                name = escape(&format!("{} {}", person.first_name, person.last_name)),
                when = moment(person.created),
            )
        })
        .collect();
    let list = if rows.is_empty() {
        "<p class=\"empty\">Nobody has signed up. <a href=\"/clerk/sign-up\">Be the first</a></p>".to_owned()
    } else {
        format!(
            "<div class=\"list\"><table><thead><tr><th>Person</th><th>Name</th><th>Since</th><th></th><th></th></tr></thead>\
             <tbody>{rows}</tbody></table></div>"
        )
    };
    page(
        "Accounts",
        &format!(
            "<div class=\"row\"><h1>Accounts</h1><span><a class=\"button\" href=\"/clerk/sign-up\">Sign up</a> \
             <a class=\"button\" href=\"/clerk/sign-in\">Sign in</a></span></div>{list}"
        ),
    )
}

#[derive(Default, Deserialize)]
struct Names {
    first_name: Option<String>,
    last_name: Option<String>,
}

async fn update(State(clerk): State<Clerk>, Path(id): Path<String>, Form(names): Form<Names>) -> Response {
    let Some(person) = clerk.everybody().into_iter().find(|person| person.id == id) else { return nobody() };
    let first = names.first_name.unwrap_or(person.first_name);
    let last = names.last_name.unwrap_or(person.last_name);
    match clerk.rename(&id, &first, &last) {
        Some(_) => Redirect::to("/clerk/users").into_response(),
        None => nobody(),
    }
}

async fn delete(State(clerk): State<Clerk>, Path(id): Path<String>) -> Response {
    match clerk.delete(&id) {
        Some(_) => Redirect::to("/clerk/users").into_response(),
        None => nobody(),
    }
}

fn nobody() -> Response {
    message(StatusCode::NOT_FOUND, "Nobody", "There is nobody of that id.")
}

async fn token(State(clerk): State<Clerk>, Json(request): Json<TokenRequest>) -> Json<Value> {
    Json(json!({ "jwt": clerk.token(&request) }))
}

async fn rotate(State(clerk): State<Clerk>) -> Json<Value> {
    clerk.rotate_keys();
    Json(clerk.0.keys.published())
}
