//! `/media/{key}`: pictures, streamed out of storage. Only keys under `public/` are ever served, and only as a picture: what
//! else might lie there is sent as a download that no browser runs. Keys are never written twice, so a copy lasts for ever.

use crate::{App, Error, Result, form::Path};
use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use mywork_vendors::storage::StorageError;

const PUBLIC: &str = "public/";
const PICTURES: [&str; 3] = ["image/webp", "image/jpeg", "image/png"];
const FOR_EVER: &str = "public, max-age=31536000, immutable";

pub(super) async fn show(State(app): State<App>, Path(key): Path<String>, headers: HeaderMap) -> Result<Response> {
    if !is_public(&key) {
        return Err(Error::NotFound("picture"));
    }
    let tag = HeaderValue::from_str(&format!("\"{}\"", key.rsplit('/').next().unwrap_or_default())).ok();
    // The key names the bytes, so whoever has the tag of this key has the picture, and storage need not be asked.
    let known = headers.get(header::IF_NONE_MATCH).filter(|known| tag.as_ref() == Some(*known));
    if known.is_some() {
        return Ok(with_headers(StatusCode::NOT_MODIFIED.into_response(), tag));
    }
    let object = app.storage.head(&key).await.map_err(unreachable)?.ok_or(Error::NotFound("picture"))?;
    let body = Body::from_stream(app.storage.get(&key).await.map_err(unreachable)?);
    let picture = object.content_type.as_deref().and_then(|kind| PICTURES.into_iter().find(|known| *known == kind));
    let mut response = with_headers(body.into_response(), tag);
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_LENGTH, HeaderValue::from(object.size));
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(picture.unwrap_or("application/octet-stream")));
    if picture.is_none() {
        fields.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    }
    Ok(response)
}

fn with_headers(mut response: Response, tag: Option<HeaderValue>) -> Response {
    let fields = response.headers_mut();
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static(FOR_EVER));
    fields.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    fields.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox"));
    fields.insert(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("cross-origin"));
    if let Some(tag) = tag {
        fields.insert(header::ETAG, tag);
    }
    response
}

/// Under `public/`, and written so that no reader of paths could see another place in it.
fn is_public(key: &str) -> bool {
    let plain = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains(['\\', '%', '\0']);
    key.starts_with(PUBLIC) && key.len() <= 512 && key.split('/').all(plain)
}

fn unreachable(error: StorageError) -> Error {
    if error.is_not_found() {
        return Error::NotFound("picture");
    }
    tracing::warn!(%error, "a picture could not be read from storage");
    Error::Upstream("Pictures cannot be read at the moment. Try again in a minute.".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_under_public_is_served() {
        assert!(is_public("public/images/0198c/card.webp"));
        for key in [
            "packages/0198c/app.zip",
            "quarantine/x",
            "public",
            "public/",
            "publicity/x",
            "public/../packages/x",
            "public/./x",
            "public//x",
            "public/..%2fpackages/x",
            "public/a\\..\\b",
            "/public/x",
            "",
        ] {
            assert!(!is_public(key), "{key}");
        }
    }
}
