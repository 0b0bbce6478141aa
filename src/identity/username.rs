//! Usernames: what a person is called in addresses. 3 to 50 of `a-z 0-9 _ -`, unique, and none of the words that the site
//! needs for itself. A username that is given up is free for the next person at once (AUTH-03).

/// Words that stand in paths or would pass for the house.
const RESERVED: &[&str] = &[
    "about",
    "account",
    "accounts",
    "admin",
    "administrator",
    "api",
    "avatars",
    "billing",
    "brain",
    "cart",
    "checkout",
    "clerk",
    "contact",
    "credits",
    "dashboard",
    "deleted",
    "edit",
    "everyone",
    "health",
    "help",
    "info",
    "legal",
    "library",
    "login",
    "logout",
    "mail",
    "marketplace",
    "me",
    "media",
    "metrics",
    "moderator",
    "mywork",
    "new",
    "noreply",
    "null",
    "official",
    "orders",
    "payments",
    "payouts",
    "postmaster",
    "privacy",
    "products",
    "ready",
    "register",
    "root",
    "search",
    "security",
    "seller",
    "sellers",
    "settings",
    "sign-in",
    "sign-out",
    "sign-up",
    "signin",
    "signout",
    "signup",
    "staff",
    "static",
    "status",
    "stripe",
    "support",
    "system",
    "terms",
    "undefined",
    "user",
    "users",
    "webhooks",
    "www",
];

/// Why a username is refused before the database is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadUsername {
    #[error("Use 3 to 50 characters.")]
    Length,
    #[error("Use only letters a–z, digits, “-” and “_”.")]
    Characters,
    #[error("That name is reserved. Choose another one.")]
    Reserved,
}

/// The username as it is kept: trimmed and in lower case.
///
/// # Errors
/// When it is too short or long, has other characters, or is reserved.
pub fn normal(name: &str) -> Result<String, BadUsername> {
    let name = well_formed(name)?;
    if RESERVED.contains(&name.as_str()) {
        return Err(BadUsername::Reserved);
    }
    Ok(name)
}

/// The same without regard to reserved words, which the house itself may carry.
///
/// # Errors
/// When it is too short or long, or has other characters.
pub fn well_formed(name: &str) -> Result<String, BadUsername> {
    let name = name.trim().to_lowercase();
    if !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-') {
        return Err(BadUsername::Characters);
    }
    if !(3..=50).contains(&name.len()) {
        return Err(BadUsername::Length);
    }
    Ok(name)
}

/// A username made from whatever an outside provider knows of a person; `salt` tells two of the same name apart.
pub fn derived(hint: &str, salt: &str) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    let base: String = hint.to_lowercase().chars().filter(|c| plain(*c)).take(30).collect();
    let salt: String = salt.to_lowercase().chars().filter(|c| plain(*c)).rev().take(8).collect();
    if base.is_empty() { format!("user-{salt}") } else { format!("{base}-{salt}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lowered_and_bounded() {
        assert_eq!(normal(" Ada_Lovelace-1 "), Ok("ada_lovelace-1".into()));
        assert_eq!(normal("ab"), Err(BadUsername::Length));
        assert_eq!(normal(&"a".repeat(51)), Err(BadUsername::Length));
        assert_eq!(normal("ada love"), Err(BadUsername::Characters));
        assert_eq!(normal("żaba"), Err(BadUsername::Characters));
    }

    #[test]
    fn the_site_keeps_its_own_words() {
        assert_eq!(normal("me"), Err(BadUsername::Length));
        assert_eq!(normal("Admin"), Err(BadUsername::Reserved));
        assert_eq!(normal("sign-in"), Err(BadUsername::Reserved));
        assert_eq!(well_formed("admin"), Ok("admin".into()));
    }

    #[test]
    fn a_derived_name_is_always_valid() {
        for (hint, salt) in [("Ada Lovelace", "user_2abCDefGh1"), ("", "user_2abCDefGh1"), ("名前", "x9")] {
            let name = derived(hint, salt);
            assert_eq!(normal(&name), Ok(name.clone()));
        }
    }
}
