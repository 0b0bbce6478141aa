//! Cross-origin rules of buckets, by S3's rules: the first rule that allows origin, method and headers answers a preflight
//! and adds `Access-Control-…` to the real answer; without one a page is told nothing, and its browser refuses.
//! Source: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/cors.html>.

use super::header;
use crate::SandboxError;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri, header as names};
use s3s::{Body, dto::CORSRule};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    io,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// One rule of a bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rule {
    origins: Vec<String>,
    methods: Vec<String>,
    headers: Vec<String>,
    exposed: Vec<String>,
    max_age: Option<i32>,
}

/// The rules of all buckets, kept in a file.
#[derive(Clone)]
pub(super) struct Rules {
    by_bucket: Arc<Mutex<BTreeMap<String, Vec<Rule>>>>,
    file: PathBuf,
}

impl Rules {
    pub fn open(file: PathBuf) -> Result<Self, SandboxError> {
        let failed = |source| SandboxError::File { path: file.clone(), act: "read", source };
        let by_bucket = match std::fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| failed(error.into()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(failed(error)),
        };
        Ok(Self { by_bucket: Arc::new(Mutex::new(by_bucket)), file })
    }

    pub fn of(&self, bucket: &str) -> Vec<Rule> {
        self.lock().get(bucket).cloned().unwrap_or_default()
    }

    /// Replaces the rules of a bucket; none removes them.
    pub fn set(&self, bucket: &str, rules: Vec<Rule>) -> io::Result<()> {
        let mut by_bucket = self.lock();
        if rules.is_empty() {
            by_bucket.remove(bucket);
        } else {
            by_bucket.insert(bucket.to_owned(), rules);
        }
        let half = self.file.with_extension("new");
        std::fs::write(&half, serde_json::to_vec_pretty(&*by_bucket)?)?;
        std::fs::rename(&half, &self.file)
    }

    /// What a page at the request's `Origin` may see of the answer; none when it is not from a page of an allowed origin.
    pub fn allowed(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<HeaderMap> {
        let origin = header(headers, "origin")?;
        let rule = self.of(bucket(uri)).into_iter().find(|rule| rule.allows(origin, method.as_str()))?;
        Some(rule.headers_for(origin))
    }

    /// Answers `OPTIONS`, with which a browser asks before it sends.
    pub fn preflight(&self, uri: &Uri, headers: &HeaderMap) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        let asked = (header(headers, "origin"), header(headers, "access-control-request-method"));
        let (Some(origin), Some(method)) = asked else {
            *response.status_mut() = StatusCode::BAD_REQUEST;
            return response;
        };
        let wanted: Vec<&str> = header(headers, "access-control-request-headers")
            .map(|list| list.split(',').map(str::trim).filter(|name| !name.is_empty()).collect())
            .unwrap_or_default();
        let rules = self.of(bucket(uri));
        let Some(rule) = rules.iter().find(|rule| rule.allows(origin, method) && rule.takes(&wanted)) else {
            *response.status_mut() = StatusCode::FORBIDDEN;
            *response.body_mut() = Body::from("CORSResponse: This CORS request is not allowed.".to_owned());
            return response;
        };
        let answer = response.headers_mut();
        answer.extend(rule.headers_for(origin));
        put(answer, names::ACCESS_CONTROL_ALLOW_METHODS, &rule.methods.join(", "));
        put(answer, names::ACCESS_CONTROL_ALLOW_HEADERS, &wanted.join(", "));
        if let Some(seconds) = rule.max_age {
            put(answer, names::ACCESS_CONTROL_MAX_AGE, &seconds.to_string());
        }
        response
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Vec<Rule>>> {
        self.by_bucket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rule {
    fn allows(&self, origin: &str, method: &str) -> bool {
        self.origins.iter().any(|pattern| fits(pattern, origin)) && self.methods.iter().any(|allowed| allowed == method)
    }

    fn takes(&self, wanted: &[&str]) -> bool {
        let taken =
            |name: &str| self.headers.iter().any(|pattern| fits(&pattern.to_ascii_lowercase(), &name.to_ascii_lowercase()));
        wanted.iter().all(|name| taken(name))
    }

    fn headers_for(&self, origin: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let anyone = self.origins.iter().any(|pattern| pattern == "*");
        put(&mut headers, names::ACCESS_CONTROL_ALLOW_ORIGIN, if anyone { "*" } else { origin });
        if !self.exposed.is_empty() {
            put(&mut headers, names::ACCESS_CONTROL_EXPOSE_HEADERS, &self.exposed.join(", "));
        }
        put(&mut headers, names::VARY, "Origin, Access-Control-Request-Headers, Access-Control-Request-Method");
        headers
    }
}

impl From<CORSRule> for Rule {
    fn from(rule: CORSRule) -> Self {
        Self {
            origins: rule.allowed_origins,
            methods: rule.allowed_methods,
            headers: rule.allowed_headers.unwrap_or_default(),
            exposed: rule.expose_headers.unwrap_or_default(),
            max_age: rule.max_age_seconds,
        }
    }
}

impl From<Rule> for CORSRule {
    fn from(rule: Rule) -> Self {
        Self {
            allowed_headers: Some(rule.headers),
            allowed_methods: rule.methods,
            allowed_origins: rule.origins,
            expose_headers: Some(rule.exposed),
            id: None,
            max_age_seconds: rule.max_age,
        }
    }
}

/// The bucket of a path-style address.
fn bucket(uri: &Uri) -> &str {
    uri.path().trim_start_matches('/').split('/').next().unwrap_or_default()
}

/// A pattern has at most one `*`, which stands for anything.
fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => text.len() >= before.len() + after.len() && text.starts_with(before) && text.ends_with(after),
    }
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> (tempfile::TempDir, Rules) {
        let folder = tempfile::tempdir().unwrap();
        let rules = Rules::open(folder.path().join("cors.json")).unwrap();
        let rule = Rule {
            origins: vec!["http://localhost:8080".into(), "https://*.example.com".into()],
            methods: vec!["GET".into(), "PUT".into()],
            headers: vec!["Content-*".into()],
            exposed: vec!["ETag".into()],
            max_age: Some(60),
        };
        rules.set("files", vec![rule]).unwrap();
        (folder, rules)
    }

    fn asked(origin: &str, method: &str, wanted: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("origin", origin.parse().unwrap());
        headers.insert("access-control-request-method", method.parse().unwrap());
        headers.insert("access-control-request-headers", wanted.parse().unwrap());
        headers
    }

    #[test]
    fn a_preflight_is_answered_by_the_rules_of_its_bucket() {
        let (_folder, rules) = rules();
        let uri: Uri = "/files/a/b".parse().unwrap();
        let answer = rules.preflight(&uri, &asked("https://shop.example.com", "PUT", "content-type"));
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["access-control-allow-origin"], "https://shop.example.com");
        assert_eq!(answer.headers()["access-control-expose-headers"], "ETag");
        for refused in [
            asked("https://example.com", "PUT", "content-type"),
            asked("http://localhost:8080", "DELETE", "content-type"),
            asked("http://localhost:8080", "PUT", "content-type, x-evil"),
        ] {
            assert_eq!(rules.preflight(&uri, &refused).status(), 403);
        }
        let other: Uri = "/other/a".parse().unwrap();
        assert_eq!(rules.preflight(&other, &asked("http://localhost:8080", "PUT", "content-type")).status(), 403);
    }

    #[test]
    fn rules_are_there_after_a_restart() {
        let (_folder, rules) = rules();
        assert_eq!(Rules::open(rules.file.clone()).unwrap().of("files"), rules.of("files"));
    }
}
