//! The queue's own tables, in a schema and with a migrations table of their own, so that the product's migrations and ours
//! never count each other's versions.

use sqlx::{
    PgPool,
    migrate::{MigrateError, Migrator},
};

/// Brings the schema `queue` up to date. Run it before the product's own migrations, which may grant rights on it.
///
/// # Errors
/// When the database cannot be reached, or an applied migration has been edited since.
pub async fn migrate(pool: &PgPool) -> Result<(), MigrateError> {
    migrator().run(pool).await
}

/// The migrations themselves, for whoever runs or lists them in another way.
pub fn migrator() -> Migrator {
    let mut migrator = sqlx::migrate!("./migrations");
    migrator.dangerous_set_table_name("queue._migrations");
    migrator.create_schema("queue");
    migrator
}
