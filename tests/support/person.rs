//! Somebody with a browser that has no script: keeps cookies, follows redirects, fills in forms; and the same person as a
//! program that speaks the JSON API.

use reqwest::{Method, Response, StatusCode, header, redirect};
use serde_json::Value;
use std::{collections::BTreeMap, sync::Mutex, time::Duration};

#[derive(Debug)]
pub struct Person {
    http: reqwest::Client,
    base: String,
    cookies: Mutex<BTreeMap<String, String>>,
}

/// A page as it came, after redirects.
#[derive(Debug)]
pub struct Page {
    pub status: StatusCode,
    /// Where the redirects ended.
    pub path: String,
    pub text: String,
}

impl Page {
    /// The page, when it is one that was asked for and not an error.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert!(self.status.is_success(), "{} answered {}:\n{}", self.path, self.status, words(&self.text));
        self
    }

    /// The page, when it shows `text`.
    #[track_caller]
    pub fn shows(self, text: &str) -> Self {
        assert!(
            words(&self.text).contains(text),
            "{} ({}) does not show {text:?}:\n{}",
            self.path,
            self.status,
            words(&self.text)
        );
        self
    }

    #[track_caller]
    pub fn hides(self, text: &str) -> Self {
        assert!(!words(&self.text).contains(text), "{} shows {text:?}:\n{}", self.path, words(&self.text));
        self
    }

    /// What stands between `before` and `after` in the source.
    #[track_caller]
    pub fn between(&self, before: &str, after: &str) -> String {
        let rest = self.text.split_once(before).unwrap_or_else(|| panic!("{} has no {before:?}:\n{}", self.path, self.text)).1;
        rest.split_once(after).expect("the end follows the start").0.to_owned()
    }

    /// The target of the first link or form that begins with `prefix`.
    #[track_caller]
    pub fn address(&self, prefix: &str) -> String {
        format!("{prefix}{}", self.between(&format!("\"{prefix}"), "\"")).replace("&amp;", "&").replace("&#x2f;", "/")
    }
}

impl Person {
    pub fn at(base: &str) -> Self {
        let http = reqwest::Client::builder().redirect(redirect::Policy::none()).build().expect("a client");
        Self { http, base: base.trim_end_matches('/').to_owned(), cookies: Mutex::default() }
    }

    /// Opens a page, a path or a whole address of the site.
    pub async fn opens(&self, path: &str) -> Page {
        self.walk(Method::GET, path, None).await
    }

    /// Sends a form.
    pub async fn sends(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        let body = serde_urlencoded::to_string(fields).expect("pairs of text");
        self.walk(Method::POST, path, Some(body)).await
    }

    /// Sends a form to a web process that dies before it answers.
    pub async fn sends_in_vain(&self, path: &str, fields: &[(&str, &str)]) {
        let body = serde_urlencoded::to_string(fields).expect("pairs of text");
        let request =
            self.request(Method::POST, path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(body);
        let answer = request.send().await;
        assert!(answer.is_err(), "{path} was answered all the same: {answer:?}");
    }

    /// Signs in by the form.
    pub async fn signs_in(&self, email: &str, password: &str) {
        let page = self.sends("/sign-in", &[("email", email), ("password", password), ("next", "/dashboard")]).await.ok();
        assert_eq!(page.path, "/dashboard", "{}", words(&page.text));
    }

    /// Calls the API with this browser's session.
    pub async fn calls(&self, method: Method, path: &str, body: Option<&Value>) -> (StatusCode, Value) {
        let mut request = self.request(method, path).header(header::ACCEPT, "application/json");
        if let Some(body) = body {
            request = request.header(header::CONTENT_TYPE, "application/json").body(body.to_string());
        }
        let response = request.send().await.expect("the web answers");
        self.keep(&response);
        let status = response.status();
        let text = response.text().await.expect("a whole answer");
        (status, if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap_or(Value::String(text)) })
    }

    /// Listens to a stream of events until it ends; `then` happens when the first of them has come.
    pub async fn hears(&self, path: &str, then: impl Future<Output = ()>) -> String {
        let whole = async {
            let mut response = self.request(Method::GET, path).send().await.expect("the web answers");
            let mut heard = Vec::new();
            let mut then = Some(then);
            while let Some(bytes) = response.chunk().await.expect("the stream goes on") {
                heard.extend(bytes);
                if heard.windows(2).any(|end| end == b"\n\n")
                    && let Some(then) = then.take()
                {
                    then.await;
                }
            }
            assert!(then.is_none(), "{path} ended without an event");
            String::from_utf8(heard).expect("text")
        };
        tokio::time::timeout(Duration::from_secs(60), whole).await.unwrap_or_else(|_| panic!("{path} has no end"))
    }

    async fn walk(&self, mut method: Method, path: &str, mut body: Option<String>) -> Page {
        let mut path = path.to_owned();
        for _ in 0..10 {
            let mut request = self.request(method.clone(), &path);
            if let Some(body) = body.take() {
                request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(body);
            }
            let response = request.send().await.expect("the web answers");
            self.keep(&response);
            let status = response.status();
            match response.headers().get(header::LOCATION).filter(|_| status.is_redirection()) {
                Some(next) => {
                    let next = next.to_str().expect("an address").to_owned();
                    let local = next.strip_prefix(&self.base).map(str::to_owned).unwrap_or(next);
                    if !local.starts_with('/') {
                        return Page { status, path: local, text: String::new() };
                    }
                    if status != StatusCode::TEMPORARY_REDIRECT && status != StatusCode::PERMANENT_REDIRECT {
                        method = Method::GET;
                    }
                    path = local;
                }
                None => {
                    return Page {
                        status,
                        path: path.split('?').next().unwrap_or_default().to_owned(),
                        text: response.text().await.expect("a whole page"),
                    };
                }
            }
        }
        panic!("{path} redirects in a circle");
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.base) };
        let cookies = self.cookies.lock().expect("no story panics here");
        let cookies = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
        self.http.request(method, url).header(header::COOKIE, cookies).header(header::ORIGIN, &self.base)
    }

    fn keep(&self, response: &Response) {
        let mut cookies = self.cookies.lock().expect("no story panics here");
        for cookie in response.headers().get_all(header::SET_COOKIE) {
            let cookie = cookie.to_str().expect("a cookie of text");
            let (name, rest) = cookie.split_once('=').expect("a cookie has a name");
            let value = rest.split(';').next().unwrap_or_default();
            if value.is_empty() || cookie.to_ascii_lowercase().contains("max-age=0") {
                cookies.remove(name);
            } else {
                cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

/// What a page says, without its tags.
pub fn words(html: &str) -> String {
    let mut text = String::new();
    let mut inside = false;
    for c in html.chars() {
        match c {
            '<' => inside = true,
            '>' => {
                inside = false;
                text.push(' ');
            }
            c if !inside => text.push(c),
            _ => {}
        }
    }
    let text = text
        .replace("&#x27;", "'")
        .replace("&amp;", "&")
        .replace("&quot;", "\"")
        .replace("&#x2f;", "/")
        .replace("&lt;", "<")
        .replace("&gt;", ">");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
