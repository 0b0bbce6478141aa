//! Resend's stand-in: takes e-mails by its API, sends none, and shows them all in an outbox.
//!
//! Idempotency by Resend's rules: for 24 hours the same key with the same e-mail answers the same id and keeps one e-mail; with
//! another e-mail it is refused with 409. Source: <https://resend.com/docs/dashboard/emails/idempotency-keys>.

use crate::{
    SandboxError, Secrets,
    faults::{self, Faults, Service},
    journal::Journal,
    page::{self, escape, message, moment, now},
};
use axum::{
    Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, Path, Query, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{Html, IntoResponse, Json, Response},
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::{
    path::Path as FilePath,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

const KEY_LIFE_SECONDS: i64 = 24 * 3600;
const LONGEST_KEY: usize = 256;
/// Resend takes 40 MB with attachments.
const LARGEST_REQUEST: usize = 40 << 20;

/// An e-mail that was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Email {
    pub id: String,
    pub from: String,
    pub to: Vec<String>,
    pub subject: String,
    pub text: Option<String>,
    pub html: Option<String>,
    pub headers: Vec<(String, String)>,
    pub idempotency_key: Option<String>,
    /// Seconds since the epoch.
    pub created: i64,
}

/// What is kept under a key.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Sent {
    id: String,
    payload: Value,
    created: i64,
}

struct Mail {
    emails: Journal<Email>,
    keys: Journal<Sent>,
}

/// Every e-mail that was sent, for pages and for tests in the same process.
#[derive(Clone)]
pub struct Outbox(Arc<Mutex<Mail>>);

impl Outbox {
    pub(crate) fn open(data: &FilePath) -> Result<Self, SandboxError> {
        let forgotten = now() - KEY_LIFE_SECONDS;
        let emails = Journal::open(&data.join("outbox.jsonl"), |_| true)?;
        let keys = Journal::open(&data.join("outbox-keys.jsonl"), |sent: &Sent| sent.created > forgotten)?;
        Ok(Self(Arc::new(Mutex::new(Mail { emails, keys }))))
    }

    /// Newest first.
    pub fn all(&self) -> Vec<Email> {
        self.lock().emails.iter().rev().cloned().collect()
    }

    /// Those with a recipient that contains `text`, newest first; case does not matter.
    pub fn to(&self, text: &str) -> Vec<Email> {
        let wanted = text.trim().to_lowercase();
        let fits = |email: &&Email| email.to.iter().any(|to| to.to_lowercase().contains(&wanted));
        self.lock().emails.iter().rev().filter(fits).cloned().collect()
    }

    pub fn get(&self, id: &str) -> Option<Email> {
        self.lock().emails.get(id).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Mail> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An error in Resend's form.
struct Refusal {
    status: StatusCode,
    name: &'static str,
    message: String,
}

impl Refusal {
    fn new(status: StatusCode, name: &'static str, message: impl Into<String>) -> Self {
        Self { status, name, message: message.into() }
    }

    fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "validation_error", message)
    }

    fn missing(field: &str) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "missing_required_field", format!("Missing `{field}` field."))
    }

    fn body(&self) -> Value {
        json!({ "statusCode": self.status.as_u16(), "name": self.name, "message": self.message })
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(self.body())).into_response()
    }
}

#[derive(Clone)]
struct Api {
    outbox: Outbox,
    api_key: Arc<str>,
    faults: Faults,
}

pub(crate) fn routes(outbox: Outbox, secrets: &Secrets, faults: Faults) -> Router {
    let api = Api { outbox: outbox.clone(), api_key: secrets.resend_api_key.as_str().into(), faults };
    let calls = Router::new()
        .route("/emails", post(send))
        .route("/emails/{id}", get(retrieve))
        .route("/domains", get(domains))
        .layer(DefaultBodyLimit::max(LARGEST_REQUEST))
        .layer(middleware::from_fn_with_state(api.clone(), guarded))
        .with_state(api);
    let pages = Router::new()
        .route("/outbox", get(list))
        .route("/outbox.json", get(list_json))
        .route("/outbox/{id}", get(show))
        .route("/outbox/{id}/html", get(show_html))
        .with_state(outbox);
    calls.merge(pages)
}

/// Checks the key, then the fault switches.
async fn guarded(State(api): State<Api>, request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    match given.and_then(|value| value.strip_prefix("Bearer ")) {
        None => return Refusal::new(StatusCode::UNAUTHORIZED, "missing_api_key", "Missing API Key").into_response(),
        Some(key) if key != &*api.api_key => {
            return Refusal::new(StatusCode::BAD_REQUEST, "validation_error", "API key is invalid").into_response();
        }
        Some(_) => {}
    }
    faults::apply(&api.faults, Service::Resend, request, next, |status| {
        let name = if status == StatusCode::TOO_MANY_REQUESTS { "rate_limit_exceeded" } else { "application_error" };
        Body::from(Refusal::new(status, name, "A fault switch of the sandbox is on.").body().to_string())
    })
    .await
}

async fn send(State(api): State<Api>, headers: HeaderMap, body: Bytes) -> Result<Json<Value>, Refusal> {
    let key = headers.get("idempotency-key").map(|value| value.to_str().unwrap_or_default());
    if key.is_some_and(|key| key.is_empty() || key.len() > LONGEST_KEY) {
        let message = format!("The key must be between 1-{LONGEST_KEY} chars.");
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "invalid_idempotency_key", message));
    }
    let payload: Value =
        serde_json::from_slice(&body).map_err(|error| Refusal::invalid(format!("The request body is not JSON: {error}.")))?;
    let mut mail = api.outbox.lock();
    if let Some(sent) = key.and_then(|key| mail.keys.get(key)).filter(|sent| sent.created > now() - KEY_LIFE_SECONDS) {
        if sent.payload != payload {
            let message = "Same idempotency key used with a different request payload.";
            return Err(Refusal::new(StatusCode::CONFLICT, "invalid_idempotent_request", message));
        }
        return Ok(Json(json!({ "id": sent.id })));
    }
    let email = read(&payload, key)?;
    let id = email.id.clone();
    if let Some(key) = key {
        mail.keys.put(key, Sent { id: id.clone(), payload, created: email.created });
    }
    mail.emails.put(&id, email);
    Ok(Json(json!({ "id": id })))
}

fn read(payload: &Value, key: Option<&str>) -> Result<Email, Refusal> {
    let fields = payload.as_object().ok_or_else(|| Refusal::invalid("The request body is not an object."))?;
    let text = |name: &str| fields.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    let from = text("from").ok_or_else(|| Refusal::missing("from"))?;
    let subject = text("subject").ok_or_else(|| Refusal::missing("subject"))?;
    let to = addresses(fields, "to");
    if to.is_empty() {
        return Err(Refusal::missing("to"));
    }
    if to.len() > 50 {
        return Err(Refusal::invalid("The `to` field takes at most 50 addresses."));
    }
    for (field, address) in to.iter().map(|to| ("to", to)).chain([("from", &from)]) {
        if !looks_like_an_address(address) {
            return Err(Refusal::invalid(format!(
                "Invalid `{field}` field. The email address needs to follow the `email@example.com` or `Name <email@example.com>` format."
            )));
        }
    }
    let (html, plain) = (text("html"), text("text"));
    if html.is_none() && plain.is_none() {
        return Err(Refusal::missing("html` or `text"));
    }
    let headers = fields.get("headers").and_then(Value::as_object).into_iter().flatten();
    Ok(Email {
        id: uuid::Uuid::now_v7().to_string(),
        from,
        to,
        subject,
        text: plain,
        html,
        headers: headers.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect(),
        idempotency_key: key.map(str::to_owned),
        created: now(),
    })
}

/// One address or several.
fn addresses(fields: &Map<String, Value>, name: &str) -> Vec<String> {
    match fields.get(name) {
        Some(Value::String(one)) if !one.is_empty() => vec![one.clone()],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

fn looks_like_an_address(text: &str) -> bool {
    let bare = text.rsplit_once('<').map_or(text, |(_, rest)| rest.trim_end().trim_end_matches('>'));
    bare.trim().split_once('@').is_some_and(|(name, domain)| {
        !name.is_empty()
            && !domain.starts_with('.')
            && !domain.is_empty()
            && !domain.contains(['@', ' ', ','])
            && !name.contains(' ')
    })
}

async fn retrieve(State(api): State<Api>, Path(id): Path<String>) -> Result<Json<Value>, Refusal> {
    let email = api.outbox.get(&id).ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, "not_found", "Email not found"))?;
    let created = chrono::DateTime::from_timestamp(email.created, 0).unwrap_or_default();
    Ok(Json(json!({
        "object": "email", "id": email.id, "from": email.from, "to": email.to, "subject": email.subject,
        "html": email.html, "text": email.text, "bcc": [], "cc": [], "reply_to": [], "last_event": "delivered",
        "created_at": created.to_rfc3339(), "scheduled_at": null,
    })))
}

async fn domains() -> Json<Value> {
    Json(json!({ "object": "list", "has_more": false, "data": [] }))
}

#[derive(Deserialize)]
struct Search {
    #[serde(default)]
    to: String,
}

async fn list_json(State(outbox): State<Outbox>, Query(search): Query<Search>) -> Json<Vec<Email>> {
    Json(outbox.to(&search.to))
}

async fn list(State(outbox): State<Outbox>, Query(search): Query<Search>) -> Html<String> {
    let emails = outbox.to(&search.to);
    let rows: String = emails
        .iter()
        .map(|email| {
            format!(
                "<a class=\"mail\" href=\"/outbox/{}\"><span>{}</span><strong>{}</strong><span class=\"muted\">{}</span></a>",
                email.id,
                escape(&email.to.join(", ")),
                escape(&email.subject),
                moment(email.created)
            )
        })
        .collect();
    let found = match (rows.is_empty(), search.to.is_empty()) {
        (false, _) => format!("<div class=\"list\">{rows}</div>"),
        (true, true) => {
            "<p class=\"empty\">No e-mail was sent yet. Sign up on the site, and its message appears here.</p>".to_owned()
        }
        (true, false) => {
            format!("<p class=\"empty\">No e-mail to “{}”. <a href=\"/outbox\">Show all</a></p>", escape(&search.to))
        }
    };
    page::page(
        "Outbox",
        &format!(
            "<div class=\"row\"><h1>Outbox</h1><form class=\"inline\" role=\"search\"><input name=\"to\" type=\"search\" \
             aria-label=\"Recipient\" placeholder=\"Recipient\" value=\"{}\"><button>Search</button></form></div>{found}",
            escape(&search.to)
        ),
    )
}

#[derive(Deserialize)]
struct View {
    #[serde(default)]
    view: String,
}

async fn show(State(outbox): State<Outbox>, Path(id): Path<String>, Query(View { view }): Query<View>) -> Response {
    let Some(email) = outbox.get(&id) else { return no_such_email() };
    let view = match view.as_str() {
        "text" | "headers" => view.as_str(),
        _ if email.html.is_some() => "html",
        _ => "text",
    };
    let tab = |name: &str, label: &str| {
        let current = if name == view { " aria-current=\"page\"" } else { "" };
        format!("<a href=\"/outbox/{id}?view={name}\"{current}>{label}</a>", id = email.id)
    };
    let body = match view {
        "html" => format!(
            "<iframe title=\"The e-mail\" sandbox=\"allow-popups allow-popups-to-escape-sandbox\" src=\"/outbox/{}/html\"></iframe>",
            email.id
        ),
        "headers" => format!("<pre>{}</pre>", escape(&headers_of(&email))),
        _ => format!("<pre>{}</pre>", linked(email.text.as_deref().unwrap_or("This e-mail has no text."))),
    };
    let content = format!(
        "<p><a href=\"/outbox\">← Outbox</a></p><h1>{subject}</h1>\
         <dl><dt>From</dt><dd>{from}</dd><dt>To</dt><dd>{to}</dd><dt>Sent</dt><dd>{when}</dd></dl>\
         <nav class=\"tabs\" aria-label=\"Views\">{html}{text}{headers}</nav>{body}",
        subject = escape(&email.subject),
        from = escape(&email.from),
        to = escape(&email.to.join(", ")),
        when = moment(email.created),
        html = if email.html.is_some() { tab("html", "HTML") } else { String::new() },
        text = tab("text", "Text"),
        headers = tab("headers", "Headers"),
    );
    page::page(&email.subject, &content).into_response()
}

/// The e-mail's own HTML; links open beside it, scripts do not run.
async fn show_html(State(outbox): State<Outbox>, Path(id): Path<String>) -> Response {
    let Some(html) = outbox.get(&id).and_then(|email| email.html) else { return no_such_email() };
    let policy = "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src * data:; font-src *";
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy)),
    ];
    (headers, format!("<base target=\"_blank\">{html}")).into_response()
}

fn no_such_email() -> Response {
    message(StatusCode::NOT_FOUND, "No such e-mail", "The outbox has no e-mail of that number.")
}

fn headers_of(email: &Email) -> String {
    let own = email.headers.iter().map(|(name, value)| format!("{name}: {value}\n"));
    let key = email.idempotency_key.iter().map(|key| format!("Idempotency-Key (of the request): {key}\n"));
    own.chain(key).chain([format!("Id: {}\n", email.id)]).collect()
}

/// Escaped text whose addresses can be followed.
fn linked(text: &str) -> String {
    text.split_inclusive(char::is_whitespace)
        .map(|piece| {
            let word = piece.trim_end();
            let space = &piece[word.len()..];
            if word.starts_with("http://") || word.starts_with("https://") {
                let word = escape(word);
                return format!("<a href=\"{word}\">{word}</a>{space}");
            }
            escape(piece)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_name_and_a_domain() {
        for good in ["a@b.c", "MyWork <hello@example.com>", "x+y@localhost"] {
            assert!(looks_like_an_address(good), "{good}");
        }
        for bad in ["", "a", "@b.c", "a@", "a b@c.d", "a@b,c@d", "Name <a>"] {
            assert!(!looks_like_an_address(bad), "{bad}");
        }
    }

    #[test]
    fn links_are_followed_and_text_is_escaped() {
        assert_eq!(
            linked("<b> http://x/?a=1&b=2\nend"),
            "&lt;b&gt; <a href=\"http://x/?a=1&amp;b=2\">http://x/?a=1&amp;b=2</a>\nend"
        );
    }
}
