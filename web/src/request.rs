//! What the frame knows about the request at hand: its id, path, address and the message left by the one before. It is kept in
//! a task-local, so that pages and errors can show it without every handler passing it along.
//!
//! [`observe`] is the outermost layer. It opens the span that puts the request id on every log line, answers with
//! `x-request-id`, counts the request by route template and writes one line when it is done.

use crate::{App, address, page::Flash};
use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::Response,
};
use http::{HeaderValue, header};
use mywork_queue::trace;
use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};
use tracing::Instrument;
use uuid::Uuid;

/// The request at hand.
#[derive(Clone, Debug)]
pub struct Current(Arc<Details>);

#[derive(Debug)]
struct Details {
    id: String,
    path: String,
    query: Option<String>,
    https: bool,
    address: IpAddr,
    flash: Option<Flash>,
    flash_shown: AtomicBool,
}

tokio::task_local! {
    static CURRENT: Current;
}

impl Current {
    /// The request this task is answering; `None` outside a request, as in tests and tasks spawned apart.
    pub fn get() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// What is on every log line and in `x-request-id`.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// Path without the query.
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// Path with the query, as the way back to this page.
    pub fn path_and_query(&self) -> String {
        match &self.0.query {
            Some(query) => format!("{}?{query}", self.0.path),
            None => self.0.path.clone(),
        }
    }

    /// Where the request comes from, behind trusted proxies.
    pub fn address(&self) -> IpAddr {
        self.0.address
    }

    /// Whether the site is reached over TLS.
    pub(crate) fn is_https(&self) -> bool {
        self.0.https
    }

    /// The message left for this page; showing it uses it up.
    pub(crate) fn take_flash(&self) -> Option<Flash> {
        let flash = self.0.flash.clone()?;
        (!self.0.flash_shown.swap(true, Ordering::Relaxed)).then_some(flash)
    }

    fn flash_was_shown(&self) -> bool {
        self.0.flash_shown.load(Ordering::Relaxed)
    }
}

/// The id of the request at hand, for the audit log.
pub fn id() -> Option<String> {
    Current::get().map(|request| request.id().to_owned())
}

/// The address the request at hand comes from, for the audit log.
pub fn address() -> Option<IpAddr> {
    Current::get().map(|request| request.address())
}

/// Outermost layer: request id, span, metrics, log line, and the request's details for everything inside.
pub(crate) async fn observe(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let address = address::of(&request, &app.config.web.trusted_proxies);
    request.extensions_mut().insert(address);
    let id =
        address::forwarded_id(&request, &app.config.web.trusted_proxies).unwrap_or_else(|| Uuid::now_v7().simple().to_string());
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or_else(|| "unmatched".to_owned(), |p| p.as_str().to_owned());
    let current = Current(Arc::new(Details {
        id: id.clone(),
        path: request.uri().path().to_owned(),
        query: request.uri().query().map(str::to_owned),
        https: app.is_https(),
        address: address.0,
        flash: Flash::of(request.headers()),
        flash_shown: AtomicBool::new(false),
    }));

    let span = tracing::info_span!("request", request_id = %id, %method, %route);
    let answer = CURRENT.scope(current.clone(), next.run(request));
    let mut response = trace::with(traceparent(&id), None, answer.instrument(span.clone())).await;

    if current.flash_was_shown() {
        response.headers_mut().append(header::SET_COOKIE, Flash::clear(app.is_https()));
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert("x-request-id", value);
    }
    let status = response.status();
    let elapsed = started.elapsed();
    crate::ops::metrics::record_request(&method, &route, status, elapsed);
    span.in_scope(|| {
        let milliseconds = elapsed.as_secs_f64() * 1_000.0;
        if status.is_server_error() {
            tracing::error!(status = status.as_u16(), milliseconds, path = current.path(), "answered");
        } else {
            tracing::info!(status = status.as_u16(), milliseconds, path = current.path(), "answered");
        }
    });
    response
}
/// The W3C trace of a request, which its jobs carry on: named after the request's id wherever that is one of ours.
fn traceparent(id: &str) -> String {
    let is_trace = id.len() == 32 && id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let trace = if is_trace { id.to_owned() } else { Uuid::now_v7().simple().to_string() };
    let span = &Uuid::new_v4().simple().to_string()[..16];
    format!("00-{trace}-{span}-01")
}
