//! The one place that turns what went wrong into an answer: `application/problem+json` (RFC 9457) for programs, a designed
//! page for people. Handlers return [`Error`]; areas add `From<TheirError> for Error` beside their handlers.
//!
//! Inside, every error answers as a problem. [`present`], a layer around all routes, shows it as a page where a page was asked
//! for, sends whoever has to sign in first to do so, and gives the bare refusals of the router (404, 405, 413 …) the same form.

use crate::{
    App,
    auth::Visitor,
    openapi::{Problem, ProblemField},
    page,
    request::Current,
};
use axum::{
    extract::{FromRequestParts, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde::Serialize;
use std::{collections::BTreeMap, time::Duration};

/// Why a request was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The named thing does not exist, or not for this person.
    #[error("There is no such {0}, or it is not yours to see.")]
    NotFound(&'static str),
    #[error("Sign in first.")]
    SignInRequired,
    /// Known, and still not allowed; says why.
    #[error("{0}")]
    Forbidden(String),
    /// What was sent cannot be accepted, field by field.
    #[error("{}", .0.summary())]
    Invalid(FieldErrors),
    /// It does not fit the state things are in.
    #[error("{0}")]
    Conflict(String),
    /// It was there and is no more.
    #[error("{0}")]
    Gone(String),
    /// The body is larger than any we read.
    #[error("That is more than one megabyte, more than we read.")]
    TooLarge,
    /// The body is not of the type that is read here; says which is.
    #[error("{0}")]
    OtherType(&'static str),
    /// Too often.
    #[error("Too many requests. Try again in {} s.", .retry_after.as_secs().max(1))]
    TooMany { retry_after: Duration },
    /// A vendor did not do its part.
    #[error("{0}")]
    Upstream(String),
    /// The database cannot be reached or is overwhelmed.
    #[error("The service is not available right now. Nothing was lost; try again in a moment.")]
    Unavailable,
    /// A fault of ours; the cause is logged and never shown.
    #[error("Something went wrong on our side. It has been recorded.")]
    Internal(anyhow::Error),
}

impl Error {
    /// One field that cannot be accepted.
    pub fn invalid(field: &str, message: impl Into<String>) -> Self {
        let mut errors = FieldErrors::default();
        errors.add(field, message);
        Self::Invalid(errors)
    }

    pub fn status(&self) -> StatusCode {
        match self {
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::SignInRequired => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::Gone(_) => StatusCode::GONE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::OtherType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Upstream(_) => StatusCode::BAD_GATEWAY,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl From<mywork::db::Error> for Error {
    fn from(error: mywork::db::Error) -> Self {
        use mywork::db::Error as Db;
        match error {
            Db::PoolTimedOut | Db::PoolClosed | Db::Io(_) => {
                tracing::error!(%error, "the database cannot be reached");
                Self::Unavailable
            }
            other => Self::Internal(anyhow::Error::new(other)),
        }
    }
}

impl From<anyhow::Error> for Error {
    fn from(error: anyhow::Error) -> Self {
        match error.downcast::<mywork::db::Error>() {
            Ok(error) => error.into(),
            Err(error) => Self::Internal(error),
        }
    }
}

impl From<FieldErrors> for Error {
    fn from(errors: FieldErrors) -> Self {
        Self::Invalid(errors)
    }
}

impl From<garde::Report> for Error {
    fn from(report: garde::Report) -> Self {
        Self::Invalid(report.into())
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        if let Self::Internal(error) = &self {
            tracing::error!(error = format!("{error:#}"), "internal error");
        }
        let mut problem = Problem::new(self.status(), self.to_string());
        let mut retry_after = None;
        match self {
            Self::Invalid(errors) => problem.errors = errors.into_problem(),
            Self::TooMany { retry_after: wait } => retry_after = Some(wait.as_secs().max(1)),
            Self::Unavailable => retry_after = Some(5),
            _ => {}
        }
        let mut response = problem.into_response();
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// What is wrong, field by field; the key `""` is for the form as a whole. Serialises to `{field: [sentence, …]}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct FieldErrors(BTreeMap<String, Vec<String>>);

impl FieldErrors {
    /// No errors yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a sentence a person can act on: `errors.add("title", "Give it at least 10 characters.")`.
    pub fn add(&mut self, field: impl Into<String>, message: impl Into<String>) -> &mut Self {
        self.0.entry(field.into()).or_default().push(message.into());
        self
    }

    /// The error, or `None` when it was added: `let cents = errors.ok("price", parse_dollars(&form.price));`
    pub fn ok<T, E: std::fmt::Display>(&mut self, field: &str, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.add(field, error.to_string())).ok()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes over what another check found.
    pub fn extend(&mut self, other: FieldErrors) {
        for (field, messages) in other.0 {
            self.0.entry(field).or_default().extend(messages);
        }
    }

    /// `Err` when there is any.
    ///
    /// # Errors
    /// Itself, as [`Error::Invalid`].
    pub fn into_result(self) -> Result<(), Error> {
        if self.is_empty() { Ok(()) } else { Err(Error::Invalid(self)) }
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().flat_map(|(field, messages)| messages.iter().map(move |m| (field.as_str(), m.as_str())))
    }

    fn summary(&self) -> String {
        match self.iter().count() {
            1 => self.iter().map(|(_, message)| message.to_owned()).collect(),
            n => format!("{n} fields need attention."),
        }
    }

    fn into_problem(self) -> Vec<ProblemField> {
        self.iter().map(|(field, detail)| ProblemField { field: field.to_owned(), detail: detail.to_owned() }).collect()
    }
}

impl From<garde::Report> for FieldErrors {
    fn from(report: garde::Report) -> Self {
        let mut errors = Self::default();
        for (path, error) in report.iter() {
            errors.add(path.to_string(), error.message());
        }
        errors
    }
}

/// Layer around all routes: problems for programs, pages for people.
pub(crate) async fn present(State(app): State<App>, request: Request, next: Next) -> Response {
    let asked = Asked::of(&request);
    let response = next.run(request).await;
    let problem = match response.extensions().get::<Problem>() {
        Some(problem) => problem.clone(),
        None => match bare(&response, &asked) {
            Some(problem) => problem,
            None => return response,
        },
    };
    if !asked.page {
        return keep_headers(&response, problem.into_response());
    }
    if problem.status == StatusCode::UNAUTHORIZED.as_u16() {
        return page::see_other(&asked.sign_in());
    }
    let page = asked.page(&app, &problem).await;
    keep_headers(&response, page)
}

/// A refusal by the router itself, in words.
fn bare(response: &Response, asked: &Asked) -> Option<Problem> {
    let status = response.status();
    let content_type = response.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if !(status.is_client_error() || status.is_server_error())
        || !(content_type.is_empty() || content_type.starts_with("text/plain"))
    {
        return None;
    }
    let detail = match status {
        // An address that does not parse names nothing.
        StatusCode::BAD_REQUEST if asked.reads && asked.page => return Some(Problem::new(StatusCode::NOT_FOUND, NO_PAGE)),
        StatusCode::BAD_REQUEST => "The request does not have the form this address expects.",
        StatusCode::NOT_FOUND if asked.page => NO_PAGE,
        StatusCode::NOT_FOUND => "There is nothing at this address.",
        StatusCode::METHOD_NOT_ALLOWED => "This address does not accept that method.",
        StatusCode::PAYLOAD_TOO_LARGE => "That is more than this address accepts.",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "This address does not accept that content type.",
        StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => "That took too long and was given up. Try again.",
        _ => status.canonical_reason().unwrap_or("The request was refused."),
    };
    Some(Problem::new(status, detail))
}

const NO_PAGE: &str = "There is no page at this address. It may have moved, or the link may be mistyped.";

fn keep_headers(from: &Response, mut to: Response) -> Response {
    for (name, value) in from.headers() {
        if name == header::SET_COOKIE {
            to.headers_mut().append(name, value.clone());
        } else if name != header::CONTENT_LENGTH {
            to.headers_mut().entry(name).or_insert_with(|| value.clone());
        }
    }
    to
}

/// What has to be remembered of a request to show its error.
struct Asked {
    page: bool,
    reads: bool,
    path_and_query: String,
    referer: Option<String>,
    identity: HeaderMap,
    visitor: Option<Visitor>,
}

impl Asked {
    fn of(request: &Request) -> Self {
        let path = request.uri().path();
        let accept = request.headers().get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let program =
            ["/api/", "/static/", "/media/", "/avatars/", "/.well-known/"].iter().any(|prefix| path.starts_with(prefix))
                || ["/health", "/ready", "/metrics"].contains(&path)
                || accept.contains("application/json")
                || accept.contains("text/event-stream");
        let mut identity = HeaderMap::new();
        for value in request.headers().get_all(header::COOKIE) {
            identity.append(header::COOKIE, value.clone());
        }
        Self {
            page: !program || path == "/api/docs",
            reads: matches!(*request.method(), Method::GET | Method::HEAD),
            path_and_query: request.uri().path_and_query().map_or_else(|| "/".to_owned(), |p| p.as_str().to_owned()),
            referer: request.headers().get(header::REFERER).and_then(|v| v.to_str().ok()).map(str::to_owned),
            identity,
            visitor: request.extensions().get::<Visitor>().cloned(),
        }
    }

    /// The sign-in page, which leads back here, or to the page whose form was sent.
    fn sign_in(&self) -> String {
        let back = if self.reads {
            Some(self.path_and_query.clone())
        } else {
            self.referer.as_ref().and_then(|r| url::Url::parse(r).ok()).map(|u| u[url::Position::BeforePath..].to_owned())
        };
        match back {
            Some(back) => {
                format!("/sign-in?{}", url::form_urlencoded::Serializer::new(String::new()).append_pair("next", &back).finish())
            }
            None => "/sign-in".to_owned(),
        }
    }

    async fn page(self, app: &App, problem: &Problem) -> Response {
        let visitor = match self.visitor {
            Some(visitor) => visitor,
            None => {
                let mut request = http::Request::new(());
                *request.headers_mut() = self.identity;
                let (mut parts, ()) = request.into_parts();
                Visitor::from_request_parts(&mut parts, app).await.unwrap_or(Visitor(None))
            }
        };
        let template = match problem.status {
            403 => "pages/errors/403.html",
            404 | 405 | 410 => "pages/errors/404.html",
            429 => "pages/errors/429.html",
            503 => "pages/errors/503.html",
            400..=499 => "pages/errors/refused.html",
            _ => "pages/errors/500.html",
        };
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let context =
            ErrorPage { problem, request_id: Current::get().map(|r| r.id().to_owned()).unwrap_or_default(), back: self.referer };
        match app.page_with(status, &visitor, template, &context) {
            Ok(page) => page,
            Err(error) => {
                tracing::error!(error = format!("{error:?}"), template, "an error page does not render");
                problem.clone().into_response()
            }
        }
    }
}

#[derive(Serialize)]
struct ErrorPage<'a> {
    problem: &'a Problem,
    request_id: String,
    back: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_fault_is_named_and_several_are_counted() {
        let mut errors = FieldErrors::new();
        errors.add("title", "Give it a title.");
        assert_eq!(Error::Invalid(errors.clone()).to_string(), "Give it a title.");
        errors.add("price", "Name a price.").add("price", "In dollars.");
        assert_eq!(Error::Invalid(errors).to_string(), "3 fields need attention.");
    }

    #[test]
    fn a_fault_of_ours_keeps_its_cause_to_itself() {
        let response = Error::Internal(anyhow::anyhow!("password of the database is hunter2")).into_response();
        let problem = response.extensions().get::<Problem>().expect("a problem");
        assert_eq!(problem.status, 500);
        assert!(!problem.detail.contains("hunter2"));
    }

    #[test]
    fn signing_in_leads_back_to_where_one_was() {
        let get = http::Request::get("/library?page=2").body(axum::body::Body::empty()).expect("a request");
        assert_eq!(Asked::of(&get).sign_in(), "/sign-in?next=%2Flibrary%3Fpage%3D2");
        let post =
            http::Request::post("/wishlist").header("referer", "https://mywork.test/products/x").body(axum::body::Body::empty());
        assert_eq!(Asked::of(&post.expect("a request")).sign_in(), "/sign-in?next=%2Fproducts%2Fx");
    }
}
