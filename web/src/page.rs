//! Pages: a template, a context of its own, and who looks at it.
//!
//! ```ignore
//! async fn edit(State(app): State<App>, SignedIn(viewer): SignedIn, Path(id): Path<ProductId>) -> Result<Response> {
//!     …
//!     app.page(&viewer, "pages/catalog/edit.html", &Edit { product, errors: FieldErrors::new() })
//! }
//! ```
//! A layout finds `viewer`, `path`, `flash`, `now` and `base_url` beside the page's own context. Undefined names are errors.

use crate::{
    App, Error,
    auth::{AdminOnly, SignedIn, Viewer, Visitor},
    request::Current,
    templates::Serde,
};
use axum::response::{IntoResponse, Response};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use minijinja::{Value, context};
use serde::Serialize;

/// Whoever a page can be rendered for.
pub trait Looker {
    fn viewer(&self) -> Option<&Viewer>;
}

impl Looker for Viewer {
    fn viewer(&self) -> Option<&Viewer> {
        Some(self)
    }
}

impl Looker for Option<Viewer> {
    fn viewer(&self) -> Option<&Viewer> {
        self.as_ref()
    }
}

impl Looker for Visitor {
    fn viewer(&self) -> Option<&Viewer> {
        self.0.as_ref()
    }
}

impl Looker for SignedIn {
    fn viewer(&self) -> Option<&Viewer> {
        Some(&self.0)
    }
}

impl Looker for AdminOnly {
    fn viewer(&self) -> Option<&Viewer> {
        Some(&self.0)
    }
}

impl App {
    /// Renders a page.
    ///
    /// # Errors
    /// [`Error::Internal`] when the template is missing or uses a name that the context does not have.
    pub fn page(&self, who: &impl Looker, template: &str, context: &impl Serialize) -> Result<Response, Error> {
        self.page_with(StatusCode::OK, who, template, context)
    }

    /// Renders the page a form came from once more, with what was typed and the errors beside the fields: 422.
    ///
    /// # Errors
    /// As [`App::page`].
    pub fn page_again(&self, who: &impl Looker, template: &str, context: &impl Serialize) -> Result<Response, Error> {
        self.page_with(StatusCode::UNPROCESSABLE_ENTITY, who, template, context)
    }

    /// Renders a page with a status of its own.
    ///
    /// # Errors
    /// As [`App::page`].
    pub fn page_with(
        &self,
        status: StatusCode,
        who: &impl Looker,
        template: &str,
        context: &impl Serialize,
    ) -> Result<Response, Error> {
        let viewer = who.viewer();
        let html = self.templates.render(template, self.around(viewer, Value::from(Serde(context)))).map_err(Error::Internal)?;
        let headers = [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            // A shared cache must not keep what one person sees, and every cache asks before showing it again.
            (header::CACHE_CONTROL, if viewer.is_some() { "private, no-cache" } else { "no-cache" }),
            (header::VARY, "cookie"),
        ];
        Ok((status, headers, html).into_response())
    }

    /// Renders a part of a page, for a script that puts it in place.
    ///
    /// # Errors
    /// As [`App::page`].
    pub fn fragment(&self, who: &impl Looker, template: &str, context: &impl Serialize) -> Result<String, Error> {
        self.templates.render(template, self.around(who.viewer(), Value::from(Serde(context)))).map_err(Error::Internal)
    }

    fn around(&self, viewer: Option<&Viewer>, page: Value) -> Value {
        let request = Current::get();
        context! {
            viewer => Value::from(Serde(viewer.map(Shown::of))),
            path => request.as_ref().map(|r| r.path().to_owned()).unwrap_or_default(),
            flash => Value::from(Serde(request.and_then(|r| r.take_flash()))),
            now => self.now().to_rfc3339(),
            base_url => self.config.base_url.as_str().trim_end_matches('/'),
            ..page
        }
    }
}

/// What a layout shows of a viewer.
#[derive(Serialize)]
struct Shown<'a> {
    id: String,
    username: &'a str,
    display_name: &'a str,
    email: &'a str,
    email_verified: bool,
    avatar_url: Option<&'a str>,
    is_seller: bool,
    is_admin: bool,
}

impl<'a> Shown<'a> {
    fn of(viewer: &'a Viewer) -> Self {
        Self {
            id: viewer.id.to_string(),
            username: &viewer.username,
            display_name: &viewer.display_name,
            email: &viewer.email,
            email_verified: viewer.email_verified,
            avatar_url: viewer.avatar_url.as_deref(),
            is_seller: viewer.is_seller,
            is_admin: viewer.is_admin,
        }
    }
}

/// `303 See Other`: after a form was accepted, the page to look at. Only a path of ours is followed; anything else leads home.
pub fn see_other(path: &str) -> Response {
    let location = HeaderValue::from_str(local(path)).unwrap_or(HeaderValue::from_static("/"));
    (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response()
}

/// `308 Permanent Redirect` to a path of ours, as for a slug that changed.
pub fn moved(path: &str) -> Response {
    let location = HeaderValue::from_str(local(path)).unwrap_or(HeaderValue::from_static("/"));
    (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, location)]).into_response()
}

/// `path` if it stays on this site, else `/`. Browsers read `//host` and `/\host` as another site.
pub fn local(path: &str) -> &str {
    let mut bytes = path.bytes();
    let stays =
        bytes.next() == Some(b'/') && !matches!(bytes.next(), Some(b'/' | b'\\')) && !path.bytes().any(|b| b.is_ascii_control());
    if stays { path } else { "/" }
}

/// Leaves a message for the next page.
pub fn flash(mut response: Response, message: Flash) -> Response {
    let secure = Current::get().is_some_and(|r| r.is_https());
    response.headers_mut().append(header::SET_COOKIE, message.set(secure));
    response
}

/// A one-shot message on the next page. It travels in a cookie, unsigned: it is plain text that templates escape, and nobody
/// but the browser's owner can write it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Flash {
    /// `success`, `info`, `warning` or `error`: the class of the alert.
    pub kind: &'static str,
    pub message: String,
}

const FLASH: &str = "mywork_flash";
const KINDS: [&str; 4] = ["success", "info", "warning", "error"];
const FLASH_LENGTH: usize = 300;

impl Flash {
    pub fn success(message: impl Into<String>) -> Self {
        Self { kind: "success", message: message.into() }
    }

    pub fn info(message: impl Into<String>) -> Self {
        Self { kind: "info", message: message.into() }
    }

    pub fn warning(message: impl Into<String>) -> Self {
        Self { kind: "warning", message: message.into() }
    }

    pub fn error(message: impl Into<String>) -> Self {
        Self { kind: "error", message: message.into() }
    }

    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|v| v.to_str().ok()).flat_map(|line| line.split(';'));
        let value = cookies.filter_map(|c| c.trim().split_once('=')).find(|(name, _)| *name == FLASH)?.1;
        let (kind, message) = value.split_once('.')?;
        let kind = KINDS.into_iter().find(|k| *k == kind)?;
        let message = String::from_utf8(URL_SAFE_NO_PAD.decode(message).ok()?).ok()?;
        Some(Self { kind, message: message.chars().take(FLASH_LENGTH).collect() })
    }

    fn set(&self, secure: bool) -> HeaderValue {
        let message: String = self.message.chars().take(FLASH_LENGTH).collect();
        cookie(&format!("{}.{}", self.kind, URL_SAFE_NO_PAD.encode(message)), 60, secure)
    }

    pub(crate) fn clear(secure: bool) -> HeaderValue {
        cookie("", 0, secure)
    }
}

fn cookie(value: &str, max_age: u32, secure: bool) -> HeaderValue {
    let secure = if secure { "; Secure" } else { "" };
    HeaderValue::from_str(&format!("{FLASH}={value}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Lax{secure}"))
        .expect("base64 and constants are header text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_survives_the_way_through_the_browser() {
        let flash = Flash::success("„Grüße“ saved; <b>not bold</b>");
        let set = flash.set(true);
        let pair = set.to_str().expect("text").split(';').next().expect("a pair").to_owned();
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, HeaderValue::from_str(&format!("a=b; {pair}")).expect("text"));
        assert_eq!(Flash::of(&headers), Some(flash));
    }

    #[test]
    fn a_made_up_kind_is_no_message() {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, HeaderValue::from_static("mywork_flash=evil.aGk"));
        assert_eq!(Flash::of(&headers), None);
    }

    #[test]
    fn a_redirect_stays_on_the_site() {
        for elsewhere in ["https://evil.test", "//evil.test", "/\\evil.test", "javascript:x", "", "/a\r\nset-cookie: x"] {
            assert_eq!(local(elsewhere), "/", "{elsewhere}");
        }
        assert_eq!(local("/library?x=1"), "/library?x=1");
    }
}
