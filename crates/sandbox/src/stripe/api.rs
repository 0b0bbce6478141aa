//! `/v1/…`: who calls, under which idempotency key, which act, and the answer in Stripe's form.
//!
//! A key's first finished outcome is kept for a day and replayed for the same request, a decline included; the same key with
//! other parameters is refused. Publishable keys reach one payment by its client secret, from any page.

use super::{
    Stripe,
    book::{Book, Origin, Reply},
    error::ApiError,
    form::Params,
    objects::{self, API_VERSION},
};
use crate::{
    faults::{self, Service},
    page::now,
};
use axum::{
    Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::any,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tower_http::cors::{Any, CorsLayer};

/// Expansions follow at most so many steps.
const DEEPEST_EXPANSION: usize = 4;

pub(super) fn routes(stripe: Stripe) -> Router {
    // Pages of any site confirm payments with their publishable key, as at Stripe.
    let from_pages = CorsLayer::new().allow_origin(Any).allow_methods([Method::GET, Method::POST]).allow_headers(Any);
    Router::new()
        .route("/v1/{*path}", any(answer))
        .layer(DefaultBodyLimit::max(1 << 20))
        .layer(middleware::from_fn_with_state(stripe.clone(), under_faults))
        .layer(from_pages)
        .with_state(stripe)
}

async fn under_faults(State(stripe): State<Stripe>, request: Request, next: Next) -> Response {
    if request.method() == Method::OPTIONS {
        return next.run(request).await;
    }
    faults::apply(&stripe.0.faults, Service::Stripe, request, next, |status| {
        let kind = if status == StatusCode::TOO_MANY_REQUESTS { "rate_limit_error" } else { "api_error" };
        Body::from(json!({ "error": { "type": kind, "message": "A fault switch of the sandbox is on." } }).to_string())
    })
    .await
}

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Caller {
    Secret,
    Publishable,
}

async fn answer(State(stripe): State<Stripe>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let request_id = format!("req_{}", objects::random(14));
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok()).filter(|_| method == Method::POST);
    let mut params = if method == Method::GET || body.is_empty() {
        Params::parse(uri.query().unwrap_or_default().as_bytes())
    } else {
        Params::parse(&body)
    };
    let (status, body, replayed) = match authorize(&stripe, &headers, &mut params).and_then(|caller| {
        check_version(&headers)?;
        Ok(caller)
    }) {
        Err(error) => (error.status, error.body(), false),
        Ok(caller) => {
            let origin = Origin { request: Some(request_id.clone()), idempotency_key: key.map(str::to_owned) };
            once_per_key(&stripe, caller, &method, uri.path(), &params, &origin)
        }
    };
    let mut response = (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response();
    let told = response.headers_mut();
    for (name, value) in
        [("request-id", Some(request_id.as_str())), ("stripe-version", Some(API_VERSION)), ("idempotency-key", key)]
    {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            told.insert(name, value);
        }
    }
    if replayed {
        told.insert("idempotent-replayed", HeaderValue::from_static("true"));
    }
    response
}

/// By `Authorization: Bearer …`, basic authentication with the key as name, or, for browsers, `key=…`.
fn authorize(stripe: &Stripe, headers: &HeaderMap, params: &mut Params) -> Result<Caller, ApiError> {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let key = match given.and_then(|value| value.split_once(' ')) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Some(token.trim().to_owned()),
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("basic") => STANDARD
            .decode(token.trim())
            .ok()
            .and_then(|pair| String::from_utf8(pair).ok())
            .map(|pair| pair.split(':').next().unwrap_or_default().to_owned()),
        _ => params.take("key"),
    };
    match key {
        Some(key) if key == stripe.0.secret_key => Ok(Caller::Secret),
        Some(key) if key == stripe.0.publishable_key => Ok(Caller::Publishable),
        Some(_) => Err(ApiError::unauthorized("Invalid API Key provided.")),
        None => Err(ApiError::unauthorized(
            "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth \
             (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
        )),
    }
}

/// `2026-09-30.endive`; any well-formed version is answered in ours.
fn check_version(headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(version) = headers.get("stripe-version").and_then(|value| value.to_str().ok()) else { return Ok(()) };
    let date = version.split('.').next().unwrap_or_default();
    if chrono::NaiveDate::parse_from_str(date, "%Y-%m-%d").is_err() {
        return Err(ApiError::invalid(format!("Invalid Stripe API version: {version}")));
    }
    Ok(())
}

fn once_per_key(
    stripe: &Stripe,
    caller: Caller,
    method: &Method,
    path: &str,
    params: &Params,
    origin: &Origin,
) -> (StatusCode, Value, bool) {
    let mut replayed = false;
    let outcome = stripe.act(|book| {
        let endpoint = format!("{method} {path}");
        if let Some(key) = origin.idempotency_key.as_deref()
            && let Some(kept) = book.reply(key).cloned()
        {
            if kept.endpoint != endpoint {
                return Err(ApiError::other_endpoint(key));
            }
            if kept.fingerprint != params.fingerprint() {
                return Err(ApiError::other_parameters(key));
            }
            replayed = true;
            return Ok((StatusCode::from_u16(kept.status).unwrap_or(StatusCode::OK), kept.body));
        }
        let (status, body, kept) = match call(book, caller, method, path, params, origin) {
            Ok(object) => (StatusCode::OK, expanded(book, object, params), true),
            Err(error) => (error.status, error.body(), error.is_kept()),
        };
        if let Some(key) = origin.idempotency_key.as_deref().filter(|_| kept) {
            let reply = Reply {
                endpoint,
                fingerprint: params.fingerprint(),
                status: status.as_u16(),
                body: body.clone(),
                created: now(),
            };
            book.keep_reply(key, reply);
        }
        Ok((status, body))
    });
    match outcome {
        Ok((status, body)) => (status, body, replayed),
        Err(error) => (error.status, error.body(), false),
    }
}

/// The route table.
fn call(
    book: &mut Book,
    caller: Caller,
    method: &Method,
    path: &str,
    params: &Params,
    origin: &Origin,
) -> Result<Value, ApiError> {
    let steps: Vec<&str> = path.trim_start_matches("/v1/").split('/').filter(|step| !step.is_empty()).collect();
    if caller == Caller::Publishable {
        return call_from_page(book, method, &steps, params, origin);
    }
    match (method.as_str(), steps.as_slice()) {
        ("POST", ["customers"]) => {
            known(params, &["email", "name", "phone", "description", "metadata", "address"])?;
            Ok(book.create_customer(params, origin))
        }
        ("GET", ["customers"]) => list(book, "customer", path, params, |customer| matches(customer, params, &["email"])),
        ("GET", ["customers", id]) => book.get("customer", id),
        ("POST", ["customers", id]) => book.update_customer(id, params, origin),
        ("DELETE", ["customers", id]) => book.delete_customer(id, origin),

        ("POST", ["payment_methods"]) => book.create_payment_method(params),
        ("GET", ["payment_methods", id]) => book.get("payment_method", id),

        ("POST", ["payment_intents"]) => {
            known(params, &[CREATE_INTENT, CONFIRM_INTENT].concat())?;
            book.create_payment_intent(params, origin)
        }
        ("GET", ["payment_intents"]) => {
            list(book, "payment_intent", path, params, |intent| matches(intent, params, &["customer"]))
        }
        ("GET", ["payment_intents", id]) => book.get("payment_intent", id),
        ("POST", ["payment_intents", id]) => {
            known(params, CREATE_INTENT)?;
            book.update_payment_intent(id, params)
        }
        ("POST", ["payment_intents", id, "confirm"]) => {
            known(params, CONFIRM_INTENT)?;
            book.confirm(id, params, origin)
        }
        ("POST", ["payment_intents", id, "cancel"]) => {
            known(params, &["cancellation_reason"])?;
            book.cancel(id, params, origin)
        }

        ("GET", ["charges"]) => {
            list(book, "charge", path, params, |charge| matches(charge, params, &["payment_intent", "transfer_group"]))
        }
        ("GET", ["charges", id]) => book.get("charge", id),
        ("GET", ["balance_transactions"]) => {
            list(book, "balance_transaction", path, params, |transaction| matches(transaction, params, &["source", "type"]))
        }
        ("GET", ["balance_transactions", id]) => book.get("balance_transaction", id),
        ("GET", ["events"]) => list(book, "event", path, params, |event| matches(event, params, &["type"])),
        ("GET", ["events", id]) => book.get("event", id),
        (method, _) => Err(ApiError::no_route(method, path)),
    }
}

const CREATE_INTENT: &[&str] = &[
    "amount",
    "currency",
    "automatic_payment_methods",
    "capture_method",
    "confirm",
    "customer",
    "description",
    "metadata",
    "payment_method_types",
    "receipt_email",
    "setup_future_usage",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_group",
];

const CONFIRM_INTENT: &[&str] =
    &["client_secret", "payment_method", "payment_method_data", "receipt_email", "return_url", "use_stripe_sdk"];

/// With a publishable key: one payment, by its client secret.
fn call_from_page(book: &mut Book, method: &Method, steps: &[&str], params: &Params, origin: &Origin) -> Result<Value, ApiError> {
    let (act, id) = match (method.as_str(), steps) {
        ("GET", ["payment_intents", id]) => ("retrieve", id),
        ("POST", ["payment_intents", id, "confirm"]) => ("confirm", id),
        _ => return Err(ApiError::secret_key_required()),
    };
    let intent = book.get("payment_intent", id)?;
    if params.text("client_secret").is_none_or(|given| intent["client_secret"] != given) {
        return Err(ApiError::invalid("The client_secret provided does not match any associated PaymentIntent on this account.")
            .param("client_secret"));
    }
    if act == "retrieve" {
        return Ok(objects::public_view(&intent));
    }
    known(params, CONFIRM_INTENT)?;
    match book.confirm(id, params, origin) {
        Ok(confirmed) => Ok(objects::public_view(&confirmed)),
        Err(error) => {
            let after = objects::public_view(&book.get("payment_intent", id)?);
            Err(error.with("payment_intent", after))
        }
    }
}

fn known(params: &Params, names: &[&str]) -> Result<(), ApiError> {
    match params.names().find(|name| *name != "expand" && !names.contains(name)) {
        Some(unknown) => Err(ApiError::unknown_param(unknown)),
        None => Ok(()),
    }
}

fn matches(object: &Value, params: &Params, names: &[&str]) -> bool {
    names.iter().all(|name| params.text(name).is_none_or(|wanted| object[*name] == wanted))
}

/// A page of objects, youngest first: `limit`, `starting_after`, `created[gte]` and kin.
fn list(book: &Book, kind: &str, path: &str, params: &Params, wanted: impl Fn(&Value) -> bool) -> Result<Value, ApiError> {
    let limit =
        match params.text("limit") {
            None => 10,
            Some(text) => text.parse().ok().filter(|limit| (1..=100).contains(limit)).ok_or_else(|| {
                ApiError::invalid(format!("Invalid limit: {text}. It is a number from 1 to 100.")).param("limit")
            })?,
        };
    let mut objects = book.all(kind).filter(|object| wanted(object) && in_time(object, params));
    if let Some(after) = params.text("starting_after") {
        book.get(kind, after)?;
        objects.by_ref().take_while(|object| object["id"] != after).for_each(drop);
    }
    let data: Vec<&Value> = objects.by_ref().take(limit).collect();
    let has_more = objects.next().is_some();
    Ok(json!({ "object": "list", "url": path, "has_more": has_more, "data": data }))
}

fn in_time(object: &Value, params: &Params) -> bool {
    let Some(range) = params.value("created") else { return true };
    let created = object["created"].as_i64().unwrap_or_default();
    let number = |value: &Value| value.as_str().and_then(|text| text.parse::<i64>().ok());
    if let Some(exactly) = number(range) {
        return created == exactly;
    }
    let holds = |name: &str, test: fn(i64, i64) -> bool| number(&range[name]).is_none_or(|bound| test(created, bound));
    holds("gt", |a, b| a > b) && holds("gte", |a, b| a >= b) && holds("lt", |a, b| a < b) && holds("lte", |a, b| a <= b)
}

/// `expand[]=latest_charge.balance_transaction` puts objects where their ids were.
fn expanded(book: &Book, mut object: Value, params: &Params) -> Value {
    for path in params.value("expand").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        let steps: Vec<&str> = path.split('.').take(DEEPEST_EXPANSION).collect();
        expand(book, &mut object, &steps);
    }
    object
}

fn expand(book: &Book, object: &mut Value, steps: &[&str]) {
    let Some((first, rest)) = steps.split_first() else { return };
    if let Value::Array(list) = object {
        list.iter_mut().for_each(|one| expand(book, one, steps));
        return;
    }
    let Some(field) = object.get_mut(*first) else { return };
    if let Some(found) = field.as_str().and_then(|id| book.find(id)) {
        *field = found.clone();
    }
    expand(book, field, rest);
}
