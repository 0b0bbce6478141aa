//! All of the SQL.

use crate::{
    error::Error,
    {{ entity }}::{New{{ Entity }}, {{ Entity }}},
};
use sqlx::PgPool;

#[derive(Clone)]
pub struct Store {
    pool: PgPool,
}

impl Store {
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// The newest ones below `before`.
    pub async fn list(&self, limit: i64, before: Option<i64>) -> Result<Vec<{{ Entity }}>, Error> {
        let rows = sqlx::query_as(
            "SELECT * FROM {{ entities }} WHERE $2::bigint IS NULL OR id < $2 ORDER BY id DESC LIMIT $1",
        )
        .bind(limit)
        .bind(before)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows)
    }

    pub async fn get(&self, id: i64) -> Result<{{ Entity }}, Error> {
        let row = sqlx::query_as("SELECT * FROM {{ entities }} WHERE id = $1").bind(id).fetch_optional(&self.pool).await?;
        row.ok_or(Error::NotFound)
    }

    pub async fn add(&self, new: &New{{ Entity }}) -> Result<{{ Entity }}, Error> {
        let row = sqlx::query_as(
            "INSERT INTO {{ entities }} ({% for f in fields %}{{ f.name }}{{ ", " if not loop.last }}{% endfor %})
             VALUES ({% for f in fields %}${{ loop.index }}{{ ", " if not loop.last }}{% endfor %})
             RETURNING *",
        )
{% for f in fields %}
        .bind({{ "&" if f.rs == "String" }}new.{{ f.name }})
{% endfor %}
        .fetch_one(&self.pool)
        .await?;
        Ok(row)
    }
}
