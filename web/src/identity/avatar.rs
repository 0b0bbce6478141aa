//! `/avatars/{username}.svg`: a picture for who has given none. Initials and colour follow from the username alone, so it needs
//! no database and may be cached for ever.

use crate::{Error, Result, form::Path};
use axum::response::{IntoResponse, Response};
use http::header;
use mywork::identity::username;
use sha2::{Digest, Sha256};

/// Grounds on which white letters have at least 4.5 : 1 contrast.
const GROUNDS: [(&str, &str); 8] = [
    ("#1d4ed8", "#3b5bdb"),
    ("#6d28d9", "#7c3aed"),
    ("#be185d", "#9d174d"),
    ("#b91c1c", "#991b1b"),
    ("#9a3412", "#b45309"),
    ("#15803d", "#166534"),
    ("#0f766e", "#115e59"),
    ("#0369a1", "#075985"),
];

pub async fn show(Path(file): Path<String>) -> Result<Response> {
    let name = file.strip_suffix(".svg").and_then(|name| username::well_formed(name).ok().filter(|normal| normal == name));
    let svg = draw(&name.ok_or(Error::NotFound("picture"))?);
    let headers = [
        (header::CONTENT_TYPE, "image/svg+xml"),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'"),
    ];
    Ok((headers, svg).into_response())
}

fn draw(username: &str) -> String {
    let (from, to) = GROUNDS[usize::from(Sha256::digest(username)[0]) % GROUNDS.len()];
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 96 96" width="96" height="96" role="img"><defs><linearGradient id="g" x1="0" y1="0" x2="1" y2="1"><stop offset="0" stop-color="{from}"/><stop offset="1" stop-color="{to}"/></linearGradient></defs><rect width="96" height="96" fill="url(#g)"/><text x="48" y="49" text-anchor="middle" dominant-baseline="central" font-family="Inter, system-ui, sans-serif" font-weight="600" font-size="38" fill="#fff">{}</text></svg>"##,
        initials(username)
    )
}

/// The first letters of the first two words, or the first two letters.
fn initials(username: &str) -> String {
    let mut words = username.split(['-', '_']).filter(|word| !word.is_empty());
    let first = words.next().unwrap_or("?");
    let letters = match words.next() {
        Some(second) => first.chars().take(1).chain(second.chars().take(1)).collect::<String>(),
        None => first.chars().take(2).collect(),
    };
    letters.to_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn initials_of_one_word_or_two() {
        assert_eq!(initials("ada-lovelace"), "AL");
        assert_eq!(initials("grace"), "GR");
        assert_eq!(initials("__7"), "7");
        assert_eq!(initials("---"), "?");
    }

    #[test]
    fn a_person_keeps_their_colour() {
        assert_eq!(draw("ada"), draw("ada"));
        assert!(draw("ada").contains(">AD</text>"));
    }
}
