//! Our own css, scripts, fonts and images: embedded in the binary, served under `/static/<hash>/…` where `<hash>` is that of all
//! files together. A page of one release never gets a script of another, `url(../fonts/…)` in a style sheet stays inside its own
//! release, and browsers may keep a file for ever. While developing, files are read from disk and asked for every time.

use crate::Error;
use axum::{
    Router,
    extract::Path,
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use rust_embed::Embed;
use sha2::{Digest, Sha256};
use std::{borrow::Cow, path::Path as FilePath, sync::Arc};

#[derive(Embed)]
#[folder = "../static"]
struct Embedded;

/// Where the sources are while developing.
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../static");
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// The static files of this build; cheap to clone.
#[derive(Clone, Debug)]
pub struct Assets {
    release: Arc<str>,
}

impl Default for Assets {
    fn default() -> Self {
        Self::new()
    }
}

impl Assets {
    pub fn new() -> Self {
        if from_disk() {
            return Self { release: "dev".into() };
        }
        let mut names: Vec<Cow<'static, str>> = Embedded::iter().collect();
        names.sort_unstable();
        let mut hash = Sha256::new();
        for name in names {
            hash.update(name.as_bytes());
            hash.update(Embedded::get(&name).map(|file| file.metadata.sha256_hash()).unwrap_or_default());
        }
        Self { release: hex::encode(&hash.finalize()[..8]).into() }
    }

    /// Address of a file under `static/`, or `None` when there is no such file.
    pub fn url(&self, path: &str) -> Option<String> {
        exists(path).then(|| format!("/static/{}/{path}", self.release))
    }

    /// Routes of the static files, and of the few that browsers look for at fixed addresses.
    pub fn routes<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        let assets = self.clone();
        Router::new()
            .route(
                "/static/{release}/{*path}",
                get(move |Path((release, path)): Path<(String, String)>, headers: HeaderMap| async move {
                    // An old page may still ask for the file of its release; it gets today's, without a promise.
                    let lasting = *release == *assets.release && !from_disk();
                    file(&path, &headers, if lasting { FOR_EVER } else { "no-cache" })
                }),
            )
            .route(
                "/favicon.ico",
                get(|headers: HeaderMap| async move { file("img/favicon.svg", &headers, "public, max-age=86400") }),
            )
            .route("/robots.txt", get(|headers: HeaderMap| async move { file("robots.txt", &headers, "public, max-age=86400") }))
    }
}

fn from_disk() -> bool {
    cfg!(debug_assertions) && FilePath::new(SOURCES).is_dir()
}

fn exists(path: &str) -> bool {
    if from_disk() { is_plain(path) && FilePath::new(SOURCES).join(path).is_file() } else { Embedded::get(path).is_some() }
}

fn is_plain(path: &str) -> bool {
    !path.split('/').any(|part| part == ".." || part.is_empty())
}

fn read(path: &str) -> Option<(Bytes, String)> {
    if from_disk() {
        if !is_plain(path) {
            return None;
        }
        let content = std::fs::read(FilePath::new(SOURCES).join(path)).ok()?;
        let tag = hex::encode(&Sha256::digest(&content)[..8]);
        return Some((content.into(), tag));
    }
    let file = Embedded::get(path)?;
    let tag = hex::encode(&file.metadata.sha256_hash()[..8]);
    let content = match file.data {
        Cow::Borrowed(content) => Bytes::from_static(content),
        Cow::Owned(content) => content.into(),
    };
    Some((content, tag))
}

fn file(path: &str, headers: &HeaderMap, cache: &'static str) -> Response {
    let Some((content, tag)) = read(path) else { return Error::NotFound("file").into_response() };
    // Weak, since the same file is also sent compressed.
    let tag = format!("W/\"{tag}\"");
    let known = headers.get(header::IF_NONE_MATCH).and_then(|v| v.to_str().ok()).is_some_and(|known| known.contains(&tag));
    let mut response = if known { StatusCode::NOT_MODIFIED.into_response() } else { content.into_response() };
    let kind = mime_guess::from_path(path).first_or_octet_stream();
    let kind = if kind.type_() == "text" || kind.subtype() == "javascript" {
        format!("{kind}; charset=utf-8")
    } else {
        kind.to_string()
    };
    for (name, value) in [(header::CONTENT_TYPE, kind.as_str()), (header::CACHE_CONTROL, cache), (header::ETAG, tag.as_str())] {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_an_address_and_nothing_else_does() {
        let assets = Assets::new();
        assert!(assets.url("css/app.css").is_some_and(|url| url.starts_with("/static/") && url.ends_with("/css/app.css")));
        assert_eq!(assets.url("css/absent.css"), None);
        assert_eq!(assets.url("../Cargo.toml"), None);
    }

    #[test]
    fn what_is_known_already_is_not_sent_again() {
        let first = file("css/app.css", &HeaderMap::new(), FOR_EVER);
        assert_eq!(first.status(), StatusCode::OK);
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_NONE_MATCH, first.headers()[header::ETAG].clone());
        assert_eq!(file("css/app.css", &headers, FOR_EVER).status(), StatusCode::NOT_MODIFIED);
    }
}
