//! People at the door and in their settings: sign-in and sign-up, the links of our e-mails, profile and security, becoming a
//! seller; and the same for programs ([`api`]). Every page works without JavaScript, keeps what was typed, and says what is
//! wrong beside the field. Rules are in `src/identity`; here they are asked, in order, around the slow password hash.

mod api;
mod avatar;
mod avatar_upload;
mod become_seller;
mod links;
mod passwords;
mod profile;
mod security;
mod session;
mod sign_in;
mod sign_up;

use crate::{App, Error, FieldErrors, auth::Keys, request};
use axum::{
    Json, Router,
    extract::State,
    response::IntoResponse,
    routing::{get, post},
};
use http::header;
use mywork::{
    audit::Origin,
    identity::{
        administer::AdministerError, change_email::ChangeEmailError, change_password::ChangePasswordError, profile::ProfileError,
        reset_password::ResetError, sign_up::Fault, verify_email::VerifyError,
    },
    notifications::email::QueueError,
};

pub use api::routes as api;

/// Pages of this area.
pub fn pages() -> Router<App> {
    Router::new()
        .route("/sign-in", get(sign_in::show).post(sign_in::submit))
        .route("/sign-up", get(sign_up::show).post(sign_up::submit))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/forgot-password", get(links::forgot).post(links::send_reset))
        .route("/reset-password", get(links::choose_password).post(links::reset_password))
        .route("/verify-email", get(links::ask_verify).post(links::verify))
        .route("/confirm-email", get(links::ask_change).post(links::confirm_change))
        .route("/become-seller", get(become_seller::show).post(become_seller::submit))
        .route("/dashboard/settings", get(profile::show).post(profile::submit))
        .route("/dashboard/settings/avatar/remove", post(avatar_upload::remove_on_page))
        .route("/dashboard/settings/security", get(security::show))
        .route("/dashboard/settings/password", post(security::change_password))
        .route("/dashboard/settings/email", post(security::change_email))
        .route("/dashboard/settings/email/withdraw", post(security::withdraw_email_change))
        .route("/dashboard/settings/email/verify", post(security::verify_again))
        .route("/dashboard/settings/sessions/others/revoke", post(security::revoke_others))
        .route("/dashboard/settings/sessions/{session}/revoke", post(security::revoke))
        .route("/avatars/{file}", get(avatar::show))
        .route("/.well-known/jwks.json", get(published_keys))
}

/// The public halves of the keys that sign our session tokens.
async fn published_keys(State(app): State<App>) -> impl IntoResponse {
    let keys: &Keys = &app.auth;
    ([(header::CACHE_CONTROL, "public, max-age=300")], Json(keys.public()))
}

/// Where the request at hand comes from, for the audit log.
pub(crate) fn origin() -> Origin {
    Origin { ip: request::address().map(|ip| ip.to_string()), request_id: request::id() }
}

/// The domain's findings as the form shows them.
fn beside_fields(faults: Vec<Fault>) -> FieldErrors {
    let mut errors = FieldErrors::new();
    for fault in faults {
        errors.add(fault.field, fault.message);
    }
    errors
}

impl From<QueueError> for Error {
    fn from(error: QueueError) -> Self {
        Error::Internal(error.into())
    }
}

impl From<ProfileError> for Error {
    fn from(error: ProfileError) -> Self {
        match error {
            ProfileError::UsernameTaken => Error::invalid("username", error.to_string()),
            ProfileError::Database(error) => error.into(),
        }
    }
}

impl From<VerifyError> for Error {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::DeadLink => Error::Gone(error.to_string()),
            VerifyError::AlreadyVerified | VerifyError::TooOften => Error::Conflict(error.to_string()),
            VerifyError::Database(error) => error.into(),
            VerifyError::Email(error) => error.into(),
        }
    }
}

impl From<ResetError> for Error {
    fn from(error: ResetError) -> Self {
        match error {
            ResetError::DeadLink => Error::Gone(error.to_string()),
            ResetError::Database(error) => error.into(),
            ResetError::Email(error) => error.into(),
        }
    }
}

impl From<ChangePasswordError> for Error {
    fn from(error: ChangePasswordError) -> Self {
        match error {
            ChangePasswordError::Overtaken => Error::Conflict(error.to_string()),
            ChangePasswordError::Database(error) => error.into(),
            ChangePasswordError::Email(error) => error.into(),
        }
    }
}

impl From<ChangeEmailError> for Error {
    fn from(error: ChangeEmailError) -> Self {
        match error {
            ChangeEmailError::BadEmail(_) | ChangeEmailError::Same | ChangeEmailError::Taken | ChangeEmailError::TooOften => {
                Error::invalid("new_email", error.to_string())
            }
            ChangeEmailError::DeadLink => Error::Gone(error.to_string()),
            ChangeEmailError::Database(error) => error.into(),
            ChangeEmailError::Email(error) => error.into(),
        }
    }
}

impl From<AdministerError> for Error {
    fn from(error: AdministerError) -> Self {
        match error {
            AdministerError::NoSuchPerson => Error::NotFound("person"),
            AdministerError::Oneself => Error::Forbidden(error.to_string()),
            AdministerError::NoReason => Error::invalid("reason", error.to_string()),
            AdministerError::Already(_) | AdministerError::NoSeller => Error::Conflict(error.to_string()),
            AdministerError::Database(error) => error.into(),
            AdministerError::Email(error) => error.into(),
            AdministerError::Products(error) => error.into(),
        }
    }
}
