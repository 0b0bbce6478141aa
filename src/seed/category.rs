//! The shelves (PROD-09). An installation may have made some before; those of the same slug are kept as they are.

use crate::{catalog::product::ProductKind, ids::CategoryId};
use sqlx::PgConnection;

/// A shelf, or one inside another.
#[derive(Clone, Debug)]
pub struct Category<'a> {
    pub slug: &'a str,
    pub name: &'a str,
    pub description: &'a str,
    pub kind: ProductKind,
    pub parent: Option<CategoryId>,
    pub position: i32,
}

/// Puts it up, or finds the one that is there.
///
/// # Errors
/// When the database refuses.
pub async fn add(conn: &mut PgConnection, category: &Category<'_>) -> Result<CategoryId, sqlx::Error> {
    sqlx::query!(
        "INSERT INTO categories (id, parent_id, kind, slug, name, description, position)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT ON CONSTRAINT categories_slug_key DO NOTHING",
        CategoryId::new() as CategoryId,
        category.parent as Option<CategoryId>,
        category.kind as ProductKind,
        category.slug,
        category.name,
        category.description,
        category.position,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query_scalar!(r#"SELECT id AS "id: CategoryId" FROM categories WHERE slug = $1"#, category.slug).fetch_one(conn).await
}
