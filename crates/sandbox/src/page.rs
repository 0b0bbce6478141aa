//! The frame of the sandbox's own pages: dark, plain HTML, one style sheet, no script.

use axum::{
    http::{HeaderValue, StatusCode, Uri, header},
    response::{Html, IntoResponse, Response},
};
use std::fmt::Write;

const STYLE: &str = include_str!("page.css");

/// A whole page around `content`, which is HTML.
pub(crate) fn page(title: &str, content: &str) -> Html<String> {
    Html(format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{title} · sandbox</title><link rel=\"icon\" href=\"data:,\">\
         <link rel=\"stylesheet\" href=\"/_sandbox/style.css\"></head><body>\
         <header><a class=\"brand\" href=\"/\">Sandbox</a><nav><a href=\"/outbox\">Outbox</a>\
         <a href=\"/_sandbox/stripe\">Payments</a><a href=\"/clerk/users\">Accounts</a></nav></header>\
         <main>{content}</main><footer>Stand-ins for Stripe, S3, Resend and Clerk. No real money, no real e-mail.</footer>\
         </body></html>",
        title = escape(title)
    ))
}

/// A page that says one thing, with a status.
pub(crate) fn message(status: StatusCode, title: &str, text: &str) -> Response {
    let content = format!("<h1>{}</h1><p class=\"muted\">{}</p>", escape(title), escape(text));
    (status, page(title, &content)).into_response()
}

pub(crate) async fn not_found(uri: Uri) -> Response {
    message(StatusCode::NOT_FOUND, "Not found", &format!("The sandbox has nothing at {}.", uri.path()))
}

pub(crate) async fn style() -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("text/css; charset=utf-8"))], STYLE).into_response()
}

/// Text for HTML, in elements and in quoted attributes.
pub(crate) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

/// Text for a query string's value.
pub(crate) fn query_value(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("writing to a string does not fail");
        }
    }
    encoded
}

/// `$12.99`
pub(crate) fn dollars(cents: i64) -> String {
    format!("{}${}.{:02}", if cents < 0 { "-" } else { "" }, cents.abs() / 100, cents.abs() % 100)
}

/// A moment, in seconds since the epoch, for people.
pub(crate) fn moment(seconds: i64) -> String {
    let shown = chrono::DateTime::from_timestamp(seconds, 0).unwrap_or_default();
    format!("<time datetime=\"{}\">{}</time>", shown.format("%Y-%m-%dT%H:%M:%SZ"), shown.format("%-d %b %Y, %H:%M:%S UTC"))
}

/// Now, in seconds since the epoch.
pub(crate) fn now() -> i64 {
    chrono::Utc::now().timestamp()
}
