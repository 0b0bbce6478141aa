//! What an admin does to an account (ADMIN-02, AUTH-04): suspend, reinstate, grant and revoke the admin role, verify a
//! seller. What a suspended seller has on sale goes with them and comes back with them.
//!
//! Each act names a reason, is written to the audit log in the same transaction, and cannot be done to oneself: no admin
//! locks themselves out, and there is always one left.

use super::{account::Status, seller::Verification, session};
use crate::{
    audit::{self, Entry, Origin},
    catalog::{self, withhold},
    db::Actor,
    ids::UserId,
    notifications::email::{self, NewEmail, QueueError},
};
use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgConnection;

/// Longest reason, in characters.
const MAX_REASON: usize = 500;

#[derive(Debug, thiserror::Error)]
pub enum AdministerError {
    #[error("There is no such person.")]
    NoSuchPerson,
    #[error("You cannot do this to your own account. Ask another admin.")]
    Oneself,
    #[error("Say why, in 3 to 500 characters; the reason is kept in the audit log.")]
    NoReason,
    #[error("{0}")]
    Already(&'static str),
    #[error("This person does not sell.")]
    NoSeller,
    #[error("the account could not be changed")]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Email(#[from] QueueError),
    #[error("what they sell could not be changed")]
    Products(#[from] catalog::Error),
}

/// Who acts, why, and from where.
#[derive(Clone, Copy, Debug)]
pub struct Act<'a> {
    pub admin: UserId,
    pub reason: &'a str,
    pub origin: &'a Origin,
    pub now: DateTime<Utc>,
}

impl Act<'_> {
    fn reason(&self) -> Result<&str, AdministerError> {
        let reason = self.reason.trim();
        if (3..=MAX_REASON).contains(&reason.chars().count()) { Ok(reason) } else { Err(AdministerError::NoReason) }
    }

    fn entry(&self, action: &'static str, user: UserId) -> Result<Entry, AdministerError> {
        Ok(Entry::new(Actor::Admin(self.admin), action, "user", user).because(self.reason()?).from(self.origin))
    }
}

/// Keeps somebody out: their sessions end, what they sell is withheld, and they are told why.
///
/// # Errors
/// [`AdministerError::Already`] when they are suspended or gone, and those every act here has.
pub async fn suspend(connection: &mut PgConnection, user: UserId, act: Act<'_>) -> Result<(), AdministerError> {
    let entry = act.entry("user.suspend", user)?;
    let before = standing(connection, user, &act).await?;
    if before.status != Status::Active {
        return Err(AdministerError::Already("This account is not active: there is nothing to suspend."));
    }
    set_status(connection, user, Status::Suspended, Some(act.reason()?), act.now).await?;
    session::revoke_others(connection, user, None, act.now).await?;
    let withheld = withhold::withhold(connection, user, Actor::Admin(act.admin), act.origin, act.now).await?;
    let message = NewEmail {
        dedupe_key: format!("user/{user}/suspended/{}", act.now.timestamp_micros()),
        template: "account_suspended",
        to: &before.email,
        user: Some(user),
        context: json!({ "display_name": before.display_name, "reason": act.reason()? }),
    };
    email::queue(connection, &message, act.now).await?;
    let entry =
        entry.changed(json!({ "status": before.status }), json!({ "status": Status::Suspended, "products_withheld": withheld }));
    Ok(audit::record(connection, &entry, act.now).await?)
}

/// Lets a suspended person in again, and puts back on sale what their suspension had withheld.
///
/// # Errors
/// [`AdministerError::Already`] when they are not suspended, and those every act here has.
pub async fn reinstate(connection: &mut PgConnection, user: UserId, act: Act<'_>) -> Result<(), AdministerError> {
    let entry = act.entry("user.reinstate", user)?;
    let before = standing(connection, user, &act).await?;
    if before.status != Status::Suspended {
        return Err(AdministerError::Already("This account is not suspended."));
    }
    set_status(connection, user, Status::Active, None, act.now).await?;
    let restored = withhold::restore(connection, user, Actor::Admin(act.admin), act.origin, act.now).await?;
    let after = json!({ "status": Status::Active, "products_restored": restored });
    let entry = entry.changed(json!({ "status": before.status }), after);
    Ok(audit::record(connection, &entry, act.now).await?)
}

/// Gives or takes the admin role.
///
/// # Errors
/// [`AdministerError::Already`] when nothing would change or a new admin is not active, and those every act here has.
pub async fn set_admin(connection: &mut PgConnection, user: UserId, is_admin: bool, act: Act<'_>) -> Result<(), AdministerError> {
    let entry = act.entry(if is_admin { "user.grant_admin" } else { "user.revoke_admin" }, user)?;
    let before = standing(connection, user, &act).await?;
    if before.is_admin == is_admin {
        return Err(AdministerError::Already(if is_admin {
            "This person is an admin already."
        } else {
            "This person is no admin."
        }));
    }
    if is_admin && before.status != Status::Active {
        return Err(AdministerError::Already("Only an active account can become an admin."));
    }
    sqlx::query!("UPDATE accounts SET is_admin = $2, updated_at = $3 WHERE user_id = $1", user as UserId, is_admin, act.now,)
        .execute(&mut *connection)
        .await?;
    let entry = entry.changed(json!({ "is_admin": before.is_admin }), json!({ "is_admin": is_admin }));
    Ok(audit::record(connection, &entry, act.now).await?)
}

/// Says how well a seller is known to us (SELLER-07).
///
/// # Errors
/// [`AdministerError::NoSeller`], [`AdministerError::Already`] when nothing would change, and those every act here has.
pub async fn set_verification(
    connection: &mut PgConnection,
    user: UserId,
    verification: Verification,
    act: Act<'_>,
) -> Result<(), AdministerError> {
    let entry = act.entry("seller.verify", user)?;
    standing(connection, user, &act).await?;
    let before = sqlx::query_scalar!(
        r#"SELECT verification AS "verification: Verification" FROM sellers WHERE user_id = $1 FOR UPDATE"#,
        user as UserId,
    )
    .fetch_optional(&mut *connection)
    .await?
    .ok_or(AdministerError::NoSeller)?;
    if before == verification {
        return Err(AdministerError::Already("This seller has that verification already."));
    }
    sqlx::query!("UPDATE sellers SET verification = $2 WHERE user_id = $1", user as UserId, verification as Verification)
        .execute(&mut *connection)
        .await?;
    let entry = entry.changed(json!({ "verification": before }), json!({ "verification": verification }));
    Ok(audit::record(connection, &entry, act.now).await?)
}

struct Standing {
    status: Status,
    is_admin: bool,
    email: String,
    display_name: String,
}

/// How somebody stands, held until the act is done; two admins acting at once come one after the other.
async fn standing(connection: &mut PgConnection, user: UserId, act: &Act<'_>) -> Result<Standing, AdministerError> {
    if user == act.admin {
        return Err(AdministerError::Oneself);
    }
    sqlx::query_as!(
        Standing,
        r#"SELECT a.status AS "status: Status", a.is_admin, a.email, u.display_name
           FROM accounts a
           JOIN users u ON u.id = a.user_id
           WHERE a.user_id = $1
           FOR UPDATE OF a"#,
        user as UserId,
    )
    .fetch_optional(connection)
    .await?
    .ok_or(AdministerError::NoSuchPerson)
}

async fn set_status(
    connection: &mut PgConnection,
    user: UserId,
    status: Status,
    reason: Option<&str>,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE accounts SET status = $2, status_reason = $3, updated_at = $4 WHERE user_id = $1",
        user as UserId,
        status as Status,
        reason,
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}
