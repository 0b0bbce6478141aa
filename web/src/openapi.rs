//! Shapes all of the API shares: lists by keyset, cursors, problems; and the OpenAPI 3.1 document, which is generated from the
//! handlers and served at `/api/openapi.json` with a reference page at `/api/docs`.

use crate::{App, Error, request::Current};
use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use http::{StatusCode, header};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::sync::Arc;
use utoipa::{
    ToSchema,
    openapi::{
        ContactBuilder, ContentBuilder, InfoBuilder, ObjectBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, ResponseBuilder, Type,
        path::{ParameterBuilder, ParameterIn},
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

/// One page of a list. `next_cursor` goes into `?cursor=` for the page after it and is absent on the last one.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct List<T> {
    pub data: Vec<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

impl<T> List<T> {
    /// A page of at most `limit` from a query that asked for `limit + 1`, the one too many telling that there is more.
    pub fn page<K: Serialize>(mut rows: Vec<T>, limit: usize, key: impl Fn(&T) -> K) -> Self {
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next_cursor = rows.last().filter(|_| more).map(|last| Cursor(key(last)).encode());
        Self { data: rows, next_cursor }
    }

    /// The list with every item changed.
    pub fn map<U>(self, f: impl FnMut(T) -> U) -> List<U> {
        List { data: self.data.into_iter().map(f).collect(), next_cursor: self.next_cursor }
    }
}

/// Where a list goes on: the sort key of the last row shown, as opaque text. Usual keys are [`ByTime`] and [`ByNumber`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor<K>(pub K);

/// Key of lists sorted by a time, newest first.
pub type ByTime = (DateTime<Utc>, Uuid);
/// Key of lists sorted by a number, as a price.
pub type ByNumber = (i64, Uuid);

impl<K: Serialize> Cursor<K> {
    /// The text of `next_cursor`.
    pub fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&self.0).expect("a key of times, numbers and ids is JSON"))
    }
}

impl<K: DeserializeOwned> Cursor<K> {
    /// Reads what [`Cursor::encode`] wrote.
    ///
    /// # Errors
    /// [`Error::Invalid`] on `cursor` for anything else.
    pub fn decode(text: &str) -> Result<Self, Error> {
        // A year with a sign is in no cursor of ours, and may be earlier than any that Postgres knows.
        let is_ours = |bytes: &Vec<u8>| !bytes.windows(2).any(|start| start == b"\"-" || start == b"\"+");
        let bytes = URL_SAFE_NO_PAD.decode(text).ok().filter(is_ours);
        let key = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        key.map(Self).ok_or_else(|| Error::invalid("cursor", "This cursor was not given out by this list. Start without one."))
    }
}

/// `?cursor=&limit=` of a list; take it as `Query<Paging>` or flatten it into a query of your own.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    /// `next_cursor` of the page before.
    #[serde(default)]
    pub cursor: Option<String>,
    /// How many, at most 100.
    #[serde(default)]
    #[param(minimum = 1, maximum = 100)]
    pub limit: Option<u32>,
}

impl Paging {
    /// How many rows a page has: 20 unless asked otherwise, 1 to 100.
    pub fn limit(&self) -> i64 {
        self.limit_or(20)
    }

    /// As [`Paging::limit`], with a default of the list's own.
    pub fn limit_or(&self, default: u32) -> i64 {
        i64::from(self.limit.unwrap_or(default).clamp(1, 100))
    }

    /// The row after which the page begins; `None` for the first page.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the cursor is not one of this list's.
    pub fn after<K: DeserializeOwned>(&self) -> Result<Option<K>, Error> {
        self.cursor.as_deref().filter(|c| !c.is_empty()).map(|c| Cursor::decode(c).map(|Cursor(key)| key)).transpose()
    }
}

/// What went wrong, as RFC 9457 has it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Problem {
    /// Stable name of the kind of problem; leads to its explanation.
    #[serde(rename = "type")]
    #[schema(example = "/api/docs#problem-not-found")]
    pub kind: String,
    #[schema(example = "Not Found")]
    pub title: String,
    #[schema(example = 404)]
    pub status: u16,
    /// A sentence to act on.
    #[schema(example = "There is no such product, or it is not yours to see.")]
    pub detail: String,
    /// Name it when you ask us about it; it is in the header `x-request-id` too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// One entry per field that cannot be accepted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ProblemField>,
}

/// What is wrong with one field.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ProblemField {
    /// Path of the field, as `licences[0].price`; empty for the request as a whole.
    pub field: String,
    pub detail: String,
}

/// Every kind of problem: status, stable name, title.
const PROBLEMS: [(u16, &str, &str); 13] = [
    (400, "bad-request", "Bad request"),
    (401, "sign-in-required", "Sign-in required"),
    (403, "forbidden", "Forbidden"),
    (404, "not-found", "Not found"),
    (405, "method-not-allowed", "Method not allowed"),
    (409, "conflict", "Conflict"),
    (410, "gone", "Gone"),
    (413, "too-large", "Too large"),
    (415, "other-type", "Not of this type"),
    (422, "invalid", "Invalid"),
    (429, "too-many-requests", "Too many requests"),
    (502, "upstream", "A vendor did not answer"),
    (503, "unavailable", "Unavailable"),
];

impl Problem {
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let known = PROBLEMS.iter().find(|(code, ..)| *code == status.as_u16());
        let (name, title) =
            known.map_or(("internal", status.canonical_reason().unwrap_or("Error")), |(_, name, title)| (*name, *title));
        Self {
            kind: format!("/api/docs#problem-{name}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            request_id: Current::get().map(|r| r.id().to_owned()),
            errors: Vec::new(),
        }
    }
}

impl IntoResponse for Problem {
    /// The problem as JSON; it also stays in the extensions, from where it may become a page.
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(&self)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static("application/problem+json"));
        response.headers_mut().insert(header::CACHE_CONTROL, http::HeaderValue::from_static("no-store"));
        response.extensions_mut().insert(self);
        response
    }
}

/// Splits the API into routes and their document, and serves the document beside them.
pub(crate) fn assemble(api: OpenApiRouter<App>) -> axum::Router<App> {
    let (routes, paths) = OpenApiRouter::with_openapi(frame()).merge(api).split_for_parts();
    let mut paths = paths;
    describe_what_is_common(&mut paths);
    let document = Arc::new(paths);
    let json = serde_json::to_string(document.as_ref()).expect("the document is JSON");
    let json = bytes::Bytes::from(json);
    routes
        .route(
            "/api/openapi.json",
            axum::routing::get(move || async move {
                ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "public, max-age=300")], json)
            }),
        )
        .route(
            "/api/docs",
            axum::routing::get(|State(app): State<App>, visitor: crate::auth::Visitor| async move {
                app.page(&visitor, "pages/ops/reference.html", &crate::ops::reference::Reference::of(&document, &PROBLEMS))
            }),
        )
}

/// What holds for every operation and no handler repeats: problems, and `Idempotency-Key` on mutations.
fn describe_what_is_common(document: &mut OpenApi) {
    let problem = ResponseBuilder::new()
        .description("A problem; `type` and `detail` say which.")
        .content("application/problem+json", ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build())
        .build();
    let key = ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .description(Some("Repeat the request safely under a key of your choice, such as a UUID."))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String).max_length(Some(255)).build()))
        .build();
    for (path, item) in &mut document.paths.paths {
        let (reads, mutations) = ([&mut item.get], [&mut item.post, &mut item.put, &mut item.patch, &mut item.delete]);
        for operation in mutations.into_iter().flatten() {
            if path.starts_with("/api/") && !path.starts_with("/api/webhooks/") {
                operation.parameters.get_or_insert_with(Vec::new).push(RefOr::T(key.clone()));
            }
            operation.responses.responses.entry("default".to_owned()).or_insert_with(|| problem.clone().into());
        }
        for operation in reads.into_iter().flatten() {
            operation.responses.responses.entry("default".to_owned()).or_insert_with(|| problem.clone().into());
        }
    }
}

fn frame() -> OpenApi {
    let mut document = OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("MyWork Marketplace")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(
                    "Browse, buy and sell software. Errors are problem+json with a sentence to act on. Lists go on with \
                     `?cursor=`. A mutation may carry `Idempotency-Key`: the same key with the same body is answered as the \
                     first time, with another body it is refused. Too many requests are answered 429 with `Retry-After`.",
                ))
                .contact(Some(ContactBuilder::new().name(Some("MyWork")).url(Some("/legal/terms")).build()))
                .build(),
        )
        .build();
    let components = document.components.get_or_insert_with(Default::default);
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new("__session"))));
    components.schemas.insert("Problem".to_owned(), <Problem as utoipa::PartialSchema>::schema());
    components.schemas.insert("ProblemField".to_owned(), <ProblemField as utoipa::PartialSchema>::schema());
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_what_it_wrote() {
        let time = "2026-03-01T12:00:00.123456Z".parse::<DateTime<Utc>>().expect("a time");
        let key: ByTime = (time, Uuid::from_u128(7));
        let text = Cursor(key).encode();
        assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
        assert_eq!(Cursor::<ByTime>::decode(&text).expect("its own text"), Cursor(key));
    }

    #[test]
    fn a_cursor_of_another_list_is_refused() {
        let text = Cursor::<ByNumber>((29_900, Uuid::from_u128(7))).encode();
        assert!(matches!(Cursor::<ByTime>::decode(&text), Err(Error::Invalid(_))));
        assert!(matches!(Cursor::<ByTime>::decode("???"), Err(Error::Invalid(_))));
        let ancient = URL_SAFE_NO_PAD.encode(r#"["-200000-01-01T00:00:00Z","00000000-0000-0000-0000-000000000007"]"#);
        assert!(matches!(Cursor::<ByTime>::decode(&ancient), Err(Error::Invalid(_))));
    }

    #[test]
    fn only_a_full_page_has_a_next_one() {
        let list = List::page(vec![1, 2, 3], 2, |n| (*n, Uuid::nil()));
        assert_eq!(list.data, [1, 2]);
        assert_eq!(list.next_cursor, Some(Cursor((2, Uuid::nil())).encode()));
        assert_eq!(List::page(vec![1, 2], 2, |n| *n).next_cursor, None);
    }

    #[test]
    fn a_page_has_one_to_a_hundred_rows() {
        for (asked, given) in [(None, 20), (Some(0), 1), (Some(50), 50), (Some(5_000), 100)] {
            assert_eq!(Paging { cursor: None, limit: asked }.limit(), given);
        }
    }
}
