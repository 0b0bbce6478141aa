//! The database as one of three roles (SEC-02), and who acts in a transaction.
//!
//! The web tier connects as `mywork_web`: every query about somebody's rows runs in a transaction begun for an [`Actor`],
//! and row-level security shows and accepts only what that actor may see and write. The worker connects as
//! `mywork_worker` and passes by its own policy. Forgetting to name the actor shows nothing, rather than everything.

use crate::ids::UserId;
use sqlx::{
    Executor, PgPool, Postgres,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use std::{str::FromStr, time::Duration};

/// What a query can end in, for those above who name it and know no SQL.
pub use sqlx::Error;

/// The marketplace's migrations, to be run after the queue's own.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!();

/// A transaction begun for an actor.
pub type Tx = sqlx::Transaction<'static, Postgres>;

/// Which of the three roles a pool takes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Owns the tables; for migrations and the seed.
    Migrate,
    /// Row-level security applies.
    Web,
    /// Sees everything, by a policy of its own.
    Worker,
}

impl Role {
    fn set(self) -> &'static str {
        match self {
            Role::Migrate => "SET ROLE mywork_migrate",
            Role::Web => "SET ROLE mywork_web",
            Role::Worker => "SET ROLE mywork_worker",
        }
    }
}

/// On whose behalf a transaction reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// Nobody is signed in: public rows only.
    Anonymous,
    /// A person, and what is theirs.
    User(UserId),
    /// An admin, who sees everything; the id is for the audit log.
    Admin(UserId),
    /// The program itself, before anybody is known: sign-in, webhooks, jobs.
    System,
}

impl Actor {
    /// The person behind the act, if there is one.
    pub fn user(self) -> Option<UserId> {
        match self {
            Actor::User(id) | Actor::Admin(id) => Some(id),
            Actor::Anonymous | Actor::System => None,
        }
    }

    fn role(self) -> &'static str {
        match self {
            Actor::Anonymous | Actor::User(_) => "user",
            Actor::Admin(_) => "admin",
            Actor::System => "system",
        }
    }
}

/// A pool of connections that all have taken on one role.
#[derive(Clone, Debug)]
pub struct Db {
    pool: PgPool,
    role: Role,
}

impl Db {
    /// Opens a pool whose connections take on `role`. The login in `url` must be a member of it.
    ///
    /// # Errors
    /// When `url` is not a Postgres address or no connection can be made within five seconds.
    pub async fn connect(url: &str, role: Role, max_connections: u32) -> Result<Self, sqlx::Error> {
        let options = PgConnectOptions::from_str(url)?.application_name(match role {
            Role::Migrate => "mywork-migrate",
            Role::Web => "mywork-web",
            Role::Worker => "mywork-worker",
        });
        let pool = PgPoolOptions::new()
            .max_connections(max_connections)
            .acquire_timeout(Duration::from_secs(5))
            .after_connect(move |connection, _| Box::pin(async move { connection.execute(role.set()).await.map(drop) }))
            .connect_with(options)
            .await?;
        Ok(Self { pool, role })
    }

    /// Begins a transaction in which `actor` acts.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn begin(&self, actor: Actor) -> Result<Tx, sqlx::Error> {
        let mut tx = self.pool.begin().await?;
        if self.role == Role::Web && actor != Actor::Anonymous {
            sqlx::query("SELECT set_config('app.user_id', $1, true), set_config('app.role', $2, true)")
                .bind(actor.user().map(|id| id.to_string()).unwrap_or_default())
                .bind(actor.role())
                .execute(&mut *tx)
                .await?;
        }
        Ok(tx)
    }

    /// Asks the database for a sign of life.
    ///
    /// # Errors
    /// When it gives none.
    pub async fn ping(&self) -> Result<(), sqlx::Error> {
        self.pool.execute("SELECT 1").await.map(drop)
    }

    /// The pool itself, for what is public to everybody and needs no transaction: catalogue pages, the health check.
    pub fn public(&self) -> &PgPool {
        &self.pool
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_migrations_have_one_number() {
        let numbers: BTreeSet<i64> = MIGRATOR.iter().map(|m| m.version).collect();
        assert_eq!(numbers.len(), MIGRATOR.iter().count());
    }
}
