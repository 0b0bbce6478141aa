//! Moving an account to another address, confirmed at both (AUTH-09). Two links go out as a pair, told by their common time;
//! whichever is confirmed second makes the change. A new request puts the earlier pair out of use.
//!
//! An old address that was never confirmed has no say: else a typing error at sign-up could never be mended.

use super::{
    account::{self, BadEmail},
    token::{self, Link, Purpose},
};
use crate::{
    audit,
    db::Actor,
    ids::UserId,
    notifications::email::{self, NewEmail, QueueError},
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::json;
use sqlx::PgConnection;

const BOTH: &[Purpose] = &[Purpose::ChangeOld, Purpose::ChangeNew];
/// Most changes one person can ask for in an hour.
const MOST_PER_HOUR: i64 = 4;

#[derive(Debug, thiserror::Error)]
pub enum ChangeEmailError {
    #[error(transparent)]
    BadEmail(#[from] BadEmail),
    #[error("This is your address already.")]
    Same,
    #[error("There is another account with this address.")]
    Taken,
    #[error("You have asked several times within the hour. Try again later.")]
    TooOften,
    #[error("This link has been used, has expired or was replaced by a newer one. Ask for the change again in your settings.")]
    DeadLink,
    #[error("the address could not be changed")]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Email(#[from] QueueError),
}

/// A change that waits for confirmation.
#[derive(Clone, Debug, Serialize)]
pub struct Pending {
    pub new_email: String,
    pub old_confirmed: bool,
    pub new_confirmed: bool,
    pub expires_at: DateTime<Utc>,
}

/// What came of a confirmation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Confirmed {
    /// The other address has to agree too.
    HalfWay {
        waiting_for: String,
    },
    Changed {
        email: String,
    },
}

/// Asks both addresses. Runs as the system, the links being nobody's to read.
///
/// # Errors
/// [`ChangeEmailError::BadEmail`], [`ChangeEmailError::Same`], [`ChangeEmailError::Taken`], [`ChangeEmailError::TooOften`].
pub async fn ask(
    connection: &mut PgConnection,
    user: UserId,
    new_email: &str,
    now: DateTime<Utc>,
) -> Result<String, ChangeEmailError> {
    let new_email = account::normal_email(new_email)?;
    let person = sqlx::query!(
        r#"SELECT
             a.email,
             a.email_verified_at,
             u.display_name,
             EXISTS (SELECT FROM accounts b WHERE lower(b.email) = lower($2) AND b.user_id <> $1) AS "taken!"
           FROM accounts a
           JOIN users u ON u.id = a.user_id
           WHERE a.user_id = $1
           FOR UPDATE OF a"#,
        user as UserId,
        new_email,
    )
    .fetch_one(&mut *connection)
    .await?;
    if person.email == new_email {
        return Err(ChangeEmailError::Same);
    }
    if person.taken {
        return Err(ChangeEmailError::Taken);
    }
    if token::sent_since(connection, user, Purpose::ChangeNew, now - TimeDelta::hours(1)).await? >= MOST_PER_HOUR {
        return Err(ChangeEmailError::TooOften);
    }
    token::withdraw(connection, user, Purpose::ChangeOld, now).await?;
    let old = person.email_verified_at.map(|_| (Purpose::ChangeOld, "email_change_old", person.email.as_str()));
    let new = (Purpose::ChangeNew, "email_change_new", new_email.as_str());
    for (purpose, template, to) in old.into_iter().chain([new]) {
        let token = token::issue(connection, user, purpose, to, now).await?;
        let message = NewEmail {
            dedupe_key: format!("user/{user}/{template}/{}", now.timestamp_micros()),
            template,
            to,
            user: Some(user),
            context: json!({
                "display_name": person.display_name,
                "old_email": person.email,
                "new_email": new_email,
                "secret": { "token": token.reveal() },
            }),
        };
        email::queue(connection, &message, now).await?;
    }
    Ok(new_email)
}

/// The change `user` has asked for and not finished, if any.
///
/// # Errors
/// When the database fails.
pub async fn pending(connection: &mut PgConnection, user: UserId, now: DateTime<Utc>) -> Result<Option<Pending>, sqlx::Error> {
    sqlx::query_as!(
        Pending,
        r#"SELECT
             n.email AS new_email,
             o.id IS NULL OR o.used_at IS NOT NULL AS "old_confirmed!",
             n.used_at IS NOT NULL AS "new_confirmed!",
             n.expires_at
           FROM email_tokens n
           LEFT JOIN email_tokens o
             ON o.user_id = n.user_id AND o.purpose = 'change_old' AND o.created_at = n.created_at
           WHERE n.user_id = $1
             AND n.purpose = 'change_new'
             AND n.expires_at > $2
             AND NOT (n.used_at IS NOT NULL AND (o.id IS NULL OR o.used_at IS NOT NULL))
             AND (o.id IS NULL OR o.expires_at > $2)
           ORDER BY n.created_at DESC
           LIMIT 1"#,
        user as UserId,
        now,
    )
    .fetch_optional(connection)
    .await
}

/// Gives up a change that was asked for.
///
/// # Errors
/// When the database fails.
pub async fn withdraw(connection: &mut PgConnection, user: UserId, now: DateTime<Utc>) -> Result<(), sqlx::Error> {
    for purpose in BOTH {
        token::withdraw(connection, user, *purpose, now).await?;
    }
    Ok(())
}

/// The link, without using it up, for the page that asks whether to go on.
///
/// # Errors
/// [`ChangeEmailError::DeadLink`].
pub async fn preview(connection: &mut PgConnection, secret: &str, now: DateTime<Utc>) -> Result<Link, ChangeEmailError> {
    token::find(connection, secret, BOTH, now).await?.ok_or(ChangeEmailError::DeadLink)
}

/// One address agrees; the second to do so makes the change.
///
/// # Errors
/// [`ChangeEmailError::DeadLink`], or [`ChangeEmailError::Taken`] when somebody else took the address in the meantime.
pub async fn confirm(
    connection: &mut PgConnection,
    secret: &str,
    origin: &audit::Origin,
    now: DateTime<Utc>,
) -> Result<Confirmed, ChangeEmailError> {
    let link = preview(connection, secret, now).await?;
    // Both links confirmed at once would each find the other open; the account's row lets one pass first.
    sqlx::query!("SELECT user_id FROM accounts WHERE user_id = $1 FOR UPDATE", link.user_id as UserId)
        .fetch_one(&mut *connection)
        .await?;
    let link = token::redeem(connection, secret, BOTH, now).await?.ok_or(ChangeEmailError::DeadLink)?;
    let other = if link.purpose == Purpose::ChangeNew { Purpose::ChangeOld } else { Purpose::ChangeNew };
    let sibling = sqlx::query!(
        "SELECT email, used_at FROM email_tokens WHERE user_id = $1 AND purpose = $2 AND created_at = $3",
        link.user_id as UserId,
        other as Purpose,
        link.created_at,
    )
    .fetch_optional(&mut *connection)
    .await?;
    if let Some(open) = sibling.as_ref().filter(|other| other.used_at.is_none()) {
        return Ok(Confirmed::HalfWay { waiting_for: open.email.clone() });
    }
    let email = match (link.purpose, sibling) {
        (Purpose::ChangeNew, _) => link.email,
        (_, Some(new)) => new.email,
        (_, None) => return Err(ChangeEmailError::DeadLink),
    };
    sqlx::query!(
        "UPDATE accounts SET email = $2, email_verified_at = $3, updated_at = $3 WHERE user_id = $1",
        link.user_id as UserId,
        email,
        now,
    )
    .execute(&mut *connection)
    .await
    .map_err(|error| match error.as_database_error().and_then(|e| e.constraint()) {
        Some("accounts_email_key") => ChangeEmailError::Taken,
        _ => ChangeEmailError::Database(error),
    })?;
    for purpose in [Purpose::Verify, Purpose::Reset] {
        token::withdraw(connection, link.user_id, purpose, now).await?;
    }
    let entry = audit::Entry::new(Actor::User(link.user_id), "account.change_email", "user", link.user_id).from(origin);
    audit::record(connection, &entry, now).await?;
    Ok(Confirmed::Changed { email })
}
