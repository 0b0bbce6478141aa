//! Signing in with a password, in two steps around the slow hash, which must not run while a transaction is open:
//! [`begin`] counts the attempt and fetches the hash, the caller verifies it, [`conclude`] decides.
//!
//! From the fifth wrong password on the account pauses, each time for longer. A paused account and an unknown address look
//! the same from outside, in words and in time: the caller verifies against [`password::decoy`] where [`begin`] has no hash.

use super::{account::Status, password};
use crate::ids::UserId;
use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

/// Wrong passwords that cost nothing.
const FREE_ATTEMPTS: i32 = 4;
/// After this long without a pause, old mistakes are forgotten.
const FORGET_AFTER: TimeDelta = TimeDelta::days(1);

/// An attempt that has been counted.
#[derive(Clone, Debug)]
pub struct Attempt {
    user: Option<UserId>,
    password_hash: Option<String>,
}

impl Attempt {
    /// What to verify the given password against.
    pub fn password_hash(&self) -> &str {
        self.password_hash.as_deref().unwrap_or_else(|| password::decoy())
    }
}

#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// Also for an unknown address and for a paused account.
    #[error(
        "That e-mail address and password do not match. After five wrong attempts an account pauses for a while; \
         if you have forgotten the password, reset it."
    )]
    NoMatch,
    #[error("This account is suspended: {0} Write to support if you think this is a mistake.")]
    Suspended(String),
    #[error("signing in failed because the database did")]
    Database(#[from] sqlx::Error),
}

/// Counts an attempt to sign in as `email`, in a transaction that the caller commits whatever comes of it. An attempt is
/// counted before it is judged and forgiven when it was right: a burst in parallel gains nothing.
///
/// # Errors
/// When the database fails.
pub async fn begin(connection: &mut PgConnection, email: &str, now: DateTime<Utc>) -> Result<Attempt, sqlx::Error> {
    // The row lock lets attempts on one account pass one at a time: a hundred in parallel are a hundred, not one.
    let account = sqlx::query!(
        r#"SELECT user_id AS "user_id: UserId", password_hash, failed_sign_ins, locked_until
           FROM accounts
           WHERE lower(email) = lower($1) AND status <> 'deleted'
           FOR UPDATE"#,
        email.trim(),
    )
    .fetch_optional(&mut *connection)
    .await?;
    let nobody = Attempt { user: None, password_hash: None };
    let Some(account) = account else {
        return Ok(nobody);
    };
    if account.locked_until.is_some_and(|until| until > now) {
        return Ok(nobody);
    }
    let forgotten = account.locked_until.is_some_and(|until| until + FORGET_AFTER < now);
    let failures = if forgotten { 1 } else { account.failed_sign_ins.saturating_add(1) };
    sqlx::query!(
        "UPDATE accounts SET failed_sign_ins = $2, locked_until = $3 WHERE user_id = $1",
        account.user_id as UserId,
        failures,
        pause_after(failures).map(|pause| now + pause),
    )
    .execute(connection)
    .await?;
    Ok(Attempt { user: Some(account.user_id), password_hash: account.password_hash })
}

/// Decides the attempt, `matched` being whether the password was right; who has signed in.
///
/// # Errors
/// [`SignInError::NoMatch`], or [`SignInError::Suspended`] for somebody who proved to be the owner of a suspended account.
pub async fn conclude(connection: &mut PgConnection, attempt: &Attempt, matched: bool) -> Result<UserId, SignInError> {
    let (Some(user), true) = (attempt.user, matched) else {
        return Err(SignInError::NoMatch);
    };
    let account = sqlx::query!(
        r#"UPDATE accounts
           SET failed_sign_ins = 0, locked_until = NULL
           WHERE user_id = $1
           RETURNING status AS "status: Status", status_reason"#,
        user as UserId,
    )
    .fetch_one(connection)
    .await?;
    match account.status {
        Status::Active => Ok(user),
        Status::Suspended => Err(SignInError::Suspended(account.status_reason.unwrap_or_default())),
        Status::Deleted => Err(SignInError::NoMatch),
    }
}

/// How long the account pauses after this many wrong passwords: 15 seconds from the fifth, doubling up to 15 minutes.
fn pause_after(failures: i32) -> Option<TimeDelta> {
    let beyond = failures.checked_sub(FREE_ATTEMPTS + 1).filter(|n| *n >= 0)?;
    Some(TimeDelta::seconds((15_i64 << beyond.min(6)).min(900)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_quarter_of_an_hour() {
        assert_eq!(pause_after(4), None);
        let seconds: Vec<i64> = (5..=13).filter_map(pause_after).map(|d| d.num_seconds()).collect();
        assert_eq!(seconds, [15, 30, 60, 120, 240, 480, 900, 900, 900]);
        assert_eq!(pause_after(i32::MAX), Some(TimeDelta::minutes(15)));
    }
}
