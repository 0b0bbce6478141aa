//! Becoming a member with a built-in account. [`check`] reads everything that was typed and names every fault at once; the
//! caller hashes the password; [`create`] writes both halves of the person, and the e-mail that asks them to confirm their
//! address. Two people who want one username at once: the unique index gives it to one.

use super::{TERMS_VERSION, account, password, profile, username, verify_email};
use crate::{ids::UserId, notifications::email::QueueError};
use chrono::{DateTime, Utc};
use sqlx::PgConnection;

/// What a visitor typed.
#[derive(Clone, Copy, Debug)]
pub struct Form<'a> {
    pub username: &'a str,
    pub display_name: &'a str,
    pub email: &'a str,
    pub password: &'a str,
    pub accepts_terms: bool,
}

/// The same, in the form in which it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPerson {
    pub username: String,
    pub display_name: String,
    pub email: String,
}

/// What is wrong with one field, for the person who filled it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub field: &'static str,
    pub message: String,
}

impl Fault {
    pub(super) fn new(field: &'static str, message: impl ToString) -> Self {
        Self { field, message: message.to_string() }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum SignUpError {
    #[error("Somebody has this username already. Choose another one.")]
    UsernameTaken,
    #[error("There is an account with this e-mail address already. Sign in, or reset its password.")]
    EmailTaken,
    #[error("the account could not be written")]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Email(#[from] QueueError),
}

/// Whether what was typed can become an account, as far as that can be told without the database.
///
/// # Errors
/// With every fault, in the order of the fields.
pub fn check(form: &Form<'_>) -> Result<NewPerson, Vec<Fault>> {
    let mut faults = Vec::new();
    let username = username::normal(form.username).map_err(|e| faults.push(Fault::new("username", e))).unwrap_or_default();
    let display_name = profile::normal_display_name(form.display_name)
        .map_err(|e| faults.push(Fault::new("display_name", e)))
        .unwrap_or_default();
    let email = account::normal_email(form.email).map_err(|e| faults.push(Fault::new("email", e))).unwrap_or_default();
    if let Err(weak) = password::check(form.password, &[form.username.trim(), form.email.trim()]) {
        faults.push(Fault::new("password", weak));
    }
    if !form.accepts_terms {
        faults.push(Fault::new("accept_terms", "Please read and accept the terms to go on."));
    }
    if faults.is_empty() { Ok(NewPerson { username, display_name, email }) } else { Err(faults) }
}

/// Writes the account and asks its owner to confirm the address. Runs as the system: nobody is known yet.
///
/// # Errors
/// [`SignUpError::UsernameTaken`], [`SignUpError::EmailTaken`].
pub async fn create(
    connection: &mut PgConnection,
    person: &NewPerson,
    password_hash: &str,
    now: DateTime<Utc>,
) -> Result<UserId, SignUpError> {
    let user = UserId::new();
    sqlx::query!(
        "INSERT INTO users (id, username, display_name, created_at, updated_at) VALUES ($1, $2, $3, $4, $4)",
        user as UserId,
        person.username,
        person.display_name,
        now,
    )
    .execute(&mut *connection)
    .await
    .map_err(taken)?;
    sqlx::query!(
        "INSERT INTO accounts (user_id, email, password_hash, terms_version, terms_accepted_at, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $5, $5)",
        user as UserId,
        person.email,
        password_hash,
        TERMS_VERSION,
        now,
    )
    .execute(&mut *connection)
    .await
    .map_err(taken)?;
    verify_email::ask(connection, user, &person.email, &person.display_name, now).await?;
    Ok(user)
}

fn taken(error: sqlx::Error) -> SignUpError {
    match error.as_database_error().and_then(|e| e.constraint()) {
        Some("users_username_key") => SignUpError::UsernameTaken,
        Some("accounts_email_key") => SignUpError::EmailTaken,
        _ => SignUpError::Database(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filled_form_becomes_a_person() {
        let form = Form {
            username: " Ada ",
            display_name: " Ada Lovelace ",
            email: "ada@Example.com",
            password: "four lamps on a boat",
            accepts_terms: true,
        };
        let person = check(&form).expect("no faults");
        assert_eq!(
            person,
            NewPerson { username: "ada".into(), display_name: "Ada Lovelace".into(), email: "ada@example.com".into() }
        );
    }

    #[test]
    fn an_empty_form_names_every_field_at_once() {
        let form = Form { username: "", display_name: "", email: "", password: "", accepts_terms: false };
        let fields: Vec<_> = check(&form).expect_err("faults").iter().map(|f| f.field).collect();
        assert_eq!(fields, ["username", "display_name", "email", "password", "accept_terms"]);
    }
}
