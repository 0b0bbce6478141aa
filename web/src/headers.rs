//! What browsers are told (SEC-04), and whom they may speak for.
//!
//! [`secure`] puts the policy on every answer: no inline script or style, scripts from here and from the card form's origin,
//! connections to here, to storage (uploads) and to the card form, never inside a frame of another site. [`same_origin`]
//! refuses an unsafe request that another site made with a person's cookie: what `Sec-Fetch-Site` or `Origin` says decides.

use crate::{App, Error};
use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use mywork::config::Config;
use url::Url;

/// The headers of every answer, composed once.
#[derive(Clone, Debug)]
pub(crate) struct Policy(Vec<(HeaderName, HeaderValue)>);

impl Policy {
    pub fn of(config: &Config) -> Self {
        let mut headers = vec![
            (header::CONTENT_SECURITY_POLICY, value(&content_security_policy(config))),
            (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
            (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
            (header::REFERRER_POLICY, HeaderValue::from_static("strict-origin-when-cross-origin")),
            (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
            (HeaderName::from_static("permissions-policy"), HeaderValue::from_static("camera=(), microphone=(), geolocation=()")),
        ];
        if config.base_url.scheme() == "https" {
            headers.push((header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=63072000; includeSubDomains")));
        }
        Self(headers)
    }
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("origins of parsed URLs are header text")
}

fn content_security_policy(config: &Config) -> String {
    let storage = origin(&config.storage.endpoint);
    let stripe_js = origin(&config.stripe.js_url);
    let stripe_api = origin(&config.stripe.api_base);
    [
        "default-src 'self'".to_owned(),
        format!("script-src 'self' {stripe_js}"),
        "style-src 'self'".to_owned(),
        "font-src 'self'".to_owned(),
        format!("img-src 'self' data: {storage}"),
        format!("media-src 'self' {storage}"),
        format!("connect-src 'self' {storage} {stripe_js} {stripe_api}"),
        format!("frame-src {stripe_js} https://hooks.stripe.com"),
        "object-src 'none'".to_owned(),
        "base-uri 'none'".to_owned(),
        // A form that takes a download is answered with a redirect to the file, and browsers hold redirects to this list too.
        format!("form-action 'self' {storage}"),
        "frame-ancestors 'none'".to_owned(),
    ]
    .join("; ")
}

fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// Layer: the policy on every answer, unless a handler has set a stricter one of its own.
pub(crate) async fn secure(State(policy): State<Policy>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in &policy.0 {
        response.headers_mut().entry(name).or_insert_with(|| value.clone());
    }
    response
}

/// Layer: an unsafe request of a browser comes from our own pages, or it is refused.
pub(crate) async fn same_origin(State(app): State<App>, request: Request, next: Next) -> Response {
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE);
    // Webhooks are signed; a bearer token is never sent by a browser of its own accord.
    let vouched = request.uri().path().starts_with("/api/webhooks/") || has_bearer(request.headers());
    if safe || vouched || is_ours(request.headers(), &app.config.base_url) {
        return next.run(request).await;
    }
    let refusal = "This request did not come from one of our pages, so it was not done. Open the page again and repeat it there. \
                   (A program signs in with a bearer token, or sends our address in the header `Origin`.)";
    Error::Forbidden(refusal.to_owned()).into_response()
}

fn has_bearer(headers: &HeaderMap) -> bool {
    let scheme = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()).and_then(|v| v.split(' ').next());
    scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("bearer"))
}

fn is_ours(headers: &HeaderMap, base_url: &Url) -> bool {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return matches!(site, "same-origin" | "none");
    }
    match text("origin") {
        Some(origin) => {
            let host = origin.split_once("://").map(|(_, host)| host);
            origin == base_url.origin().ascii_serialization() || (host.is_some() && host == text("host"))
        }
        // No browser: then there must be no cookie that it could be abusing.
        None => !headers.contains_key(header::COOKIE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    fn ours(pairs: &[(&'static str, &'static str)]) -> bool {
        is_ours(&headers(pairs), &"https://mywork.test/".parse().expect("a URL"))
    }

    #[test]
    fn our_own_pages_may_act() {
        assert!(ours(&[("sec-fetch-site", "same-origin"), ("cookie", "__session=x")]));
        assert!(ours(&[("origin", "https://mywork.test"), ("cookie", "__session=x")]));
        assert!(ours(&[("origin", "http://127.0.0.1:8080"), ("host", "127.0.0.1:8080")]));
        assert!(ours(&[]), "a program without a cookie speaks for itself");
    }

    #[test]
    fn other_sites_may_not() {
        assert!(!ours(&[("sec-fetch-site", "cross-site")]));
        assert!(!ours(&[("sec-fetch-site", "same-site"), ("origin", "https://mywork.test")]));
        assert!(!ours(&[("origin", "https://evil.test"), ("host", "mywork.test")]));
        assert!(!ours(&[("origin", "null")]));
        assert!(!ours(&[("cookie", "__session=x")]), "a cookie without an origin");
    }

    #[test]
    fn only_a_bearer_token_vouches() {
        assert!(has_bearer(&headers(&[("authorization", "Bearer abc")])));
        assert!(!has_bearer(&headers(&[("authorization", "Basic abc")])), "a browser sends these by itself");
    }

    #[test]
    fn the_policy_names_origins_only() {
        let js: Url = "https://js.stripe.com/v3/".parse().expect("a URL");
        assert_eq!(origin(&js), "https://js.stripe.com");
    }
}
