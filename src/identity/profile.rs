//! The public half of a person: what stands on their page (AUTH-03). They change it themselves, under their own row-level
//! rights; a username given up is free for the next one at once, a username wanted by two goes to one.

use super::{sign_up::Fault, username};
use crate::ids::UserId;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, types::Json};
use url::Url;

/// Most links on a profile.
pub const MAX_LINKS: usize = 5;
const MAX_DISPLAY_NAME: usize = 100;
const MAX_BIO: usize = 2000;
const MAX_LABEL: usize = 40;
const MAX_URL: usize = 300;

/// A link on a profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    pub label: String,
    pub url: String,
}

/// What the world may see.
#[derive(Clone, Debug, Serialize)]
pub struct Profile {
    pub id: UserId,
    pub username: String,
    pub display_name: String,
    pub bio: String,
    pub avatar_key: Option<String>,
    pub links: Vec<Link>,
    pub created_at: DateTime<Utc>,
}

/// A changed profile as somebody typed it.
#[derive(Clone, Debug)]
pub struct Edit {
    pub username: String,
    pub display_name: String,
    pub bio: String,
    pub links: Vec<Link>,
}

#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    #[error("Somebody has this username already. Choose another one.")]
    UsernameTaken,
    #[error("the profile could not be read or written")]
    Database(#[from] sqlx::Error),
}

/// The profile of `user`, which must exist.
///
/// # Errors
/// When it does not, or the database fails.
pub async fn get(connection: &mut PgConnection, user: UserId) -> Result<Profile, sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT
             id AS "id: UserId",
             username,
             display_name,
             bio,
             avatar_key,
             links AS "links: Json<Vec<Link>>",
             created_at
           FROM users
           WHERE id = $1"#,
        user as UserId,
    )
    .fetch_one(connection)
    .await?;
    Ok(Profile {
        id: row.id,
        username: row.username,
        display_name: row.display_name,
        bio: row.bio,
        avatar_key: row.avatar_key,
        links: row.links.0,
        created_at: row.created_at,
    })
}

/// The edit in the form in which it is kept: trimmed, empty links dropped, a link without a label named by its host.
///
/// # Errors
/// With every fault at once.
pub fn check(edit: Edit) -> Result<Edit, Vec<Fault>> {
    let mut faults = Vec::new();
    let username = username::normal(&edit.username).map_err(|e| faults.push(Fault::new("username", e))).unwrap_or_default();
    let display_name =
        normal_display_name(&edit.display_name).map_err(|e| faults.push(Fault::new("display_name", e))).unwrap_or_default();
    let bio = edit.bio.replace("\r\n", "\n").trim().to_owned();
    if bio.chars().count() > MAX_BIO {
        faults.push(Fault::new("bio", format!("Use at most {MAX_BIO} characters; these are {}.", bio.chars().count())));
    }
    let mut links = Vec::new();
    for link in edit.links.iter().filter(|link| !link.label.trim().is_empty() || !link.url.trim().is_empty()) {
        match normal_link(link) {
            Ok(link) => links.push(link),
            Err(message) => faults.push(Fault::new("links", message)),
        }
    }
    if links.len() > MAX_LINKS {
        faults.push(Fault::new("links", format!("Use at most {MAX_LINKS} links.")));
    }
    if faults.is_empty() { Ok(Edit { username, display_name, bio, links }) } else { Err(faults) }
}

/// Replaces the profile of `user` by an edit that [`check`] has passed.
///
/// # Errors
/// [`ProfileError::UsernameTaken`] when somebody else has, or was faster to take, the name.
pub async fn update(connection: &mut PgConnection, user: UserId, edit: &Edit, now: DateTime<Utc>) -> Result<(), ProfileError> {
    let updated = sqlx::query!(
        "UPDATE users
         SET username = $2, display_name = $3, bio = $4, links = $5, updated_at = $6
         WHERE id = $1 AND deleted_at IS NULL",
        user as UserId,
        edit.username,
        edit.display_name,
        edit.bio,
        Json(&edit.links) as _,
        now,
    )
    .execute(connection)
    .await
    .map_err(|error| match error.as_database_error().and_then(|e| e.constraint()) {
        Some("users_username_key") => ProfileError::UsernameTaken,
        _ => ProfileError::Database(error),
    })?;
    if updated.rows_affected() == 0 {
        return Err(ProfileError::Database(sqlx::Error::RowNotFound));
    }
    Ok(())
}

/// A display name as it is kept: trimmed, inner whitespace single.
///
/// # Errors
/// When nothing is left, it is longer than 100 characters, or it has characters nobody sees.
pub fn normal_display_name(name: &str) -> Result<String, &'static str> {
    let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
    let hidden =
        |c: char| c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if name.is_empty() {
        return Err("Tell people what to call you.");
    }
    if name.chars().count() > MAX_DISPLAY_NAME {
        return Err("Use at most 100 characters.");
    }
    if name.chars().any(hidden) {
        return Err("Use only characters that can be seen.");
    }
    Ok(name)
}

fn normal_link(link: &Link) -> Result<Link, String> {
    let typed = link.url.trim();
    let shown = if typed.is_empty() { link.label.trim() } else { typed };
    let with_scheme = if typed.contains("://") { typed.to_owned() } else { format!("https://{typed}") };
    let url = Url::parse(&with_scheme).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.host_str().is_some_and(|host| host.contains('.'))
            && url.username().is_empty()
            && url.password().is_none()
    });
    let Some(url) = url.filter(|url| url.as_str().len() <= MAX_URL) else {
        return Err(format!("“{shown}” is not a web address. It should read like https://example.com."));
    };
    let label = link.label.split_whitespace().collect::<Vec<_>>().join(" ");
    if label.chars().count() > MAX_LABEL {
        return Err(format!("The label “{label}” is longer than {MAX_LABEL} characters."));
    }
    let host = || url.host_str().unwrap_or_default().trim_start_matches("www.").to_owned();
    Ok(Link { label: if label.is_empty() { host() } else { label }, url: url.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(links: &[(&str, &str)]) -> Edit {
        Edit {
            username: "ada".into(),
            display_name: "Ada\t Lovelace ".into(),
            bio: " Numbers.\r\nEngines. ".into(),
            links: links.iter().map(|(label, url)| Link { label: (*label).into(), url: (*url).into() }).collect(),
        }
    }

    #[test]
    fn a_profile_is_tidied() {
        let tidy =
            check(edit(&[("", ""), ("", "www.example.com/ada"), ("Code", "https://code.example/ada")])).expect("no faults");
        assert_eq!(tidy.display_name, "Ada Lovelace");
        assert_eq!(tidy.bio, "Numbers.\nEngines.");
        assert_eq!(tidy.links[0], Link { label: "example.com".into(), url: "https://www.example.com/ada".into() });
        assert_eq!(tidy.links.len(), 2);
    }

    #[test]
    fn links_lead_to_the_web_only() {
        for bad in [
            "javascript:alert(1)",
            "javascript://example.com/%0aalert(1)",
            "ftp://example.com",
            "https://u:p@example.com",
            "localhost",
        ] {
            let faults = check(edit(&[("x", bad)])).expect_err(bad);
            assert_eq!(faults[0].field, "links");
        }
        assert!(check(edit(&[("a", "a.example"); 6])).is_err(), "six links are one too many");
    }

    #[test]
    fn a_name_that_cannot_be_seen_is_none() {
        assert!(normal_display_name(" \u{a0} ").is_err());
        assert!(normal_display_name("Ada\u{202e}evil").is_err());
    }
}
