//! How an admin arranges the categories (PROD-09): add one, rename and describe it, hang it elsewhere, move it among its
//! siblings, remove it when nothing is in it. A slug never changes, for addresses and filters have it; a category and all
//! below it hold one kind of product.
//!
//! Every act first takes the tree for itself, so that two admins at once neither tie a ring nor share a place, and leaves a
//! line in the audit log. Readers never wait.

use super::category::{self, Category};
use super::product::ProductKind;
use super::slug::slugify;
use super::text::clean;
use super::{Error, Problems};
use crate::audit::{self, Entry, Origin};
use crate::db::Actor;
use crate::ids::{CategoryId, UserId};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::PgConnection;
use std::collections::HashMap;

/// Deepest level: a main category is 0.
pub const MAX_DEPTH: u8 = 2;
/// Longest name, in characters.
pub const MAX_NAME: usize = 60;
/// Longest description, in characters.
pub const MAX_DESCRIPTION: usize = 300;
/// Longest slug.
pub const MAX_SLUG: usize = 80;

/// A category as an admin sees it.
#[derive(Clone, Debug, Serialize)]
pub struct Branch {
    #[serde(flatten)]
    pub category: Category,
    /// Products in the category itself, in whatever state but deleted.
    pub products: i64,
    /// Categories directly below.
    pub children: usize,
    pub is_first: bool,
    pub is_last: bool,
}

impl Branch {
    /// Nothing would be lost without it.
    pub fn is_empty(&self) -> bool {
        self.products == 0 && self.children == 0
    }
}

/// A category to be.
#[derive(Clone, Debug)]
pub struct NewCategory {
    pub name: String,
    /// Empty: made from the name.
    pub slug: String,
    pub description: String,
    pub parent: Option<CategoryId>,
    /// What a main category holds; others hold what their parent does.
    pub kind: ProductKind,
}

/// Everything about a category that can change.
#[derive(Clone, Debug)]
pub struct Edit {
    pub name: String,
    pub description: String,
    pub parent: Option<CategoryId>,
}

/// Which way among its siblings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    Up,
    Down,
}

/// Who acts, from where and when.
#[derive(Clone, Copy, Debug)]
pub struct By<'a> {
    pub admin: UserId,
    pub origin: &'a Origin,
    pub now: DateTime<Utc>,
}

impl By<'_> {
    fn entry(&self, action: &'static str, id: CategoryId) -> Entry {
        Entry::new(Actor::Admin(self.admin), action, "category", id).from(self.origin)
    }
}

/// All categories in the order of the tree, with what is in each. For admins: others do not see every product.
///
/// # Errors
/// When the database fails.
pub async fn branches(connection: &mut PgConnection) -> Result<Vec<Branch>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT category_id AS "category: CategoryId", count(*) AS "products!"
           FROM products
           WHERE state <> 'deleted'
           GROUP BY category_id"#
    )
    .fetch_all(&mut *connection)
    .await?;
    let products: HashMap<CategoryId, i64> = rows.into_iter().filter_map(|row| Some((row.category?, row.products))).collect();
    let tree = category::all(connection).await?;
    let branch = |category: &Category| {
        let siblings = below(&tree, category.parent_id);
        Branch {
            products: products.get(&category.id).copied().unwrap_or(0),
            children: below(&tree, Some(category.id)).len(),
            is_first: siblings.first() == Some(&category.id),
            is_last: siblings.last() == Some(&category.id),
            category: category.clone(),
        }
    };
    Ok(tree.iter().map(branch).collect())
}

/// Adds a category behind its siblings.
///
/// # Errors
/// [`Error::Invalid`] at `name`, `slug`, `description` or `parent`.
pub async fn add(connection: &mut PgConnection, new: &NewCategory, by: By<'_>) -> Result<CategoryId, Error> {
    let tree = hold(connection).await?;
    let (name, description) = (one_line(&new.name), clean(&new.description));
    let mut problems = check_words(&name, &description);
    let slug = if new.slug.trim().is_empty() { slugify(&name) } else { new.slug.trim().to_owned() };
    if let Err(why) = check_slug(&tree, &slug) {
        problems.add("slug", why);
    }
    let parent = new.parent.map(|id| tree.iter().find(|category| category.id == id).ok_or("There is no such category."));
    let parent = parent.transpose().unwrap_or_else(|why| {
        problems.add("parent", why);
        None
    });
    if parent.is_some_and(|parent| parent.depth >= MAX_DEPTH) {
        problems.add("parent", TOO_DEEP);
    }
    problems.into_result()?;
    let id = CategoryId::new();
    let kind = parent.map_or(new.kind, |parent| parent.kind);
    sqlx::query!(
        "INSERT INTO categories (id, parent_id, kind, slug, name, description, position)
         SELECT $1, $2, $3, $4, $5, $6, coalesce(max(position), 0) + 1
         FROM categories
         WHERE parent_id IS NOT DISTINCT FROM $2",
        id as CategoryId,
        new.parent as Option<CategoryId>,
        kind as ProductKind,
        slug,
        name,
        description,
    )
    .execute(&mut *connection)
    .await?;
    let after = json!({ "slug": slug, "name": name, "description": description, "parent": new.parent, "kind": kind });
    audit::record(connection, &Entry { after: Some(after), ..by.entry("category.add", id) }, by.now).await?;
    Ok(id)
}

/// Renames and describes a category, and hangs it where it belongs: behind its new siblings when those are others. Changing
/// nothing leaves no trace.
///
/// # Errors
/// [`Error::Invalid`] at `name`, `description` or `parent`; [`Error::NotFound`].
pub async fn change(connection: &mut PgConnection, id: CategoryId, edit: &Edit, by: By<'_>) -> Result<(), Error> {
    let tree = hold(connection).await?;
    let category = find(&tree, id)?;
    let (name, description) = (one_line(&edit.name), clean(&edit.description));
    let mut problems = check_words(&name, &description);
    if edit.parent != category.parent_id
        && let Err(why) = check_parent(&tree, category, edit.parent)
    {
        problems.add("parent", why);
    }
    problems.into_result()?;
    let shown = |name: &str, description: &str, parent: Option<CategoryId>| json!({ "name": name, "description": description, "parent": parent });
    let before = shown(&category.name, &category.description, category.parent_id);
    let after = shown(&name, &description, edit.parent);
    if before == after {
        return Ok(());
    }
    sqlx::query!(
        "UPDATE categories c SET
           name = $2,
           description = $3,
           parent_id = $4,
           position = CASE WHEN c.parent_id IS NOT DISTINCT FROM $4 THEN c.position
                      ELSE (SELECT coalesce(max(s.position), 0) + 1 FROM categories s WHERE s.parent_id IS NOT DISTINCT FROM $4) END
         WHERE c.id = $1",
        id as CategoryId,
        name,
        description,
        edit.parent as Option<CategoryId>,
    )
    .execute(&mut *connection)
    .await?;
    audit::record(connection, &by.entry("category.change", id).changed(before, after), by.now).await?;
    Ok(())
}

/// Lets a category change places with the sibling before or after it. At the end of the row it stays.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn shift(connection: &mut PgConnection, id: CategoryId, direction: Direction, by: By<'_>) -> Result<(), Error> {
    let tree = hold(connection).await?;
    let category = find(&tree, id)?;
    let mut siblings = below(&tree, category.parent_id);
    let from = siblings.iter().position(|sibling| *sibling == id).ok_or(Error::NotFound("category"))?;
    let to = match direction {
        Direction::Up => from.checked_sub(1),
        Direction::Down => Some(from + 1).filter(|to| *to < siblings.len()),
    };
    let Some(to) = to else { return Ok(()) };
    siblings.swap(from, to);
    let order: Vec<_> = siblings.into_iter().map(|sibling| sibling.0).collect();
    sqlx::query!(
        "UPDATE categories c
         SET position = s.place
         FROM unnest($1::uuid[]) WITH ORDINALITY AS s (id, place)
         WHERE c.id = s.id",
        &order,
    )
    .execute(&mut *connection)
    .await?;
    let entry = by.entry("category.move", id).changed(json!({ "place": from + 1 }), json!({ "place": to + 1 }));
    audit::record(connection, &entry, by.now).await?;
    Ok(())
}

/// Removes an empty category. Products that their sellers have deleted are no reason to keep it: they go to its parent.
///
/// # Errors
/// [`Error::Conflict`] when something is in it; [`Error::NotFound`].
pub async fn remove(connection: &mut PgConnection, id: CategoryId, by: By<'_>) -> Result<(), Error> {
    let tree = hold(connection).await?;
    let category = find(&tree, id)?;
    if !below(&tree, Some(id)).is_empty() {
        return Err(Error::Conflict(format!("“{}” has categories below it. Remove or move those first.", category.name)));
    }
    sqlx::query!(
        "UPDATE products SET category_id = $2 WHERE category_id = $1 AND state = 'deleted'",
        id as CategoryId,
        category.parent_id as Option<CategoryId>,
    )
    .execute(&mut *connection)
    .await?;
    // The foreign key is the judge: a product may be put in at this moment.
    let removed = sqlx::query!("DELETE FROM categories WHERE id = $1", id as CategoryId).execute(&mut *connection).await;
    removed.map_err(|error| match error.as_database_error().and_then(|e| e.constraint()) {
        Some("products_category_id_fkey") => {
            Error::Conflict(format!("There are products in “{}”. It can be removed when it is empty.", category.name))
        }
        _ => error.into(),
    })?;
    let before = json!({
        "slug": category.slug, "name": category.name, "description": category.description, "parent": category.parent_id,
        "kind": category.kind,
    });
    audit::record(connection, &Entry { before: Some(before), ..by.entry("category.remove", id) }, by.now).await?;
    Ok(())
}

const TOO_DEEP: &str = "Categories have at most three levels. Choose one further up.";

/// The whole tree, which nobody else changes until the transaction ends.
async fn hold(connection: &mut PgConnection) -> Result<Vec<Category>, sqlx::Error> {
    sqlx::query!("LOCK TABLE categories IN SHARE ROW EXCLUSIVE MODE").execute(&mut *connection).await?;
    category::all(connection).await
}

fn find(tree: &[Category], id: CategoryId) -> Result<&Category, Error> {
    tree.iter().find(|category| category.id == id).ok_or(Error::NotFound("category"))
}

/// What hangs directly below, in order.
fn below(tree: &[Category], parent: Option<CategoryId>) -> Vec<CategoryId> {
    tree.iter().filter(|category| category.parent_id == parent).map(|category| category.id).collect()
}

fn one_line(typed: &str) -> String {
    clean(typed).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn check_words(name: &str, description: &str) -> Problems {
    let mut problems = Problems::default();
    if !(2..=MAX_NAME).contains(&name.chars().count()) {
        problems.add("name", format!("Name it in 2 to {MAX_NAME} characters."));
    }
    if description.chars().count() > MAX_DESCRIPTION {
        problems.add("description", format!("Describe it in up to {MAX_DESCRIPTION} characters."));
    }
    problems
}

fn check_slug(tree: &[Category], slug: &str) -> Result<(), &'static str> {
    let plain = slug.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if !plain || !(2..=MAX_SLUG).contains(&slug.len()) || slug.starts_with('-') || slug.ends_with('-') {
        return Err("Use 2 to 80 small letters, digits and hyphens between them.");
    }
    if tree.iter().any(|category| category.slug == slug) {
        return Err("Another category has this address. It stays with that one for good; choose another.");
    }
    Ok(())
}

/// Whether `category`, with all below it, may hang below `parent`.
fn check_parent(tree: &[Category], category: &Category, parent: Option<CategoryId>) -> Result<(), &'static str> {
    let Some(parent) = parent else { return Ok(()) };
    let parent = tree.iter().find(|other| other.id == parent).ok_or("There is no such category.")?;
    let moved = category::branch(tree, &category.slug);
    if moved.contains(&parent.id) {
        return Err("A category cannot hang below itself.");
    }
    if parent.kind != category.kind {
        return Err("It holds another kind of product than that category.");
    }
    let lowest = tree.iter().filter(|other| moved.contains(&other.id)).map(|other| other.depth).max().unwrap_or(category.depth);
    if parent.depth + 1 + (lowest - category.depth) > MAX_DEPTH {
        return Err(TOO_DEEP);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn category(slug: &str, depth: u8, parent: Option<&Category>) -> Category {
        Category {
            id: CategoryId::new(),
            parent_id: parent.map(|parent| parent.id),
            kind: ProductKind::Code,
            slug: slug.to_owned(),
            name: slug.to_owned(),
            description: String::new(),
            depth,
        }
    }

    /// saas > crm > small-crm; apis
    fn tree() -> Vec<Category> {
        let saas = category("saas", 0, None);
        let crm = category("crm", 1, Some(&saas));
        let small = category("small-crm", 2, Some(&crm));
        vec![saas, crm, small, category("apis", 0, None)]
    }

    #[test]
    fn a_branch_never_hangs_below_itself_nor_too_deep() {
        let tree = tree();
        let [saas, crm, small, apis] = tree.as_slice() else { panic!("four of them") };
        assert!(check_parent(&tree, crm, Some(apis.id)).is_ok());
        assert!(check_parent(&tree, crm, None).is_ok());
        assert!(check_parent(&tree, crm, Some(small.id)).is_err());
        assert!(check_parent(&tree, crm, Some(crm.id)).is_err());
        assert_eq!(check_parent(&tree, saas, Some(apis.id)), Err(TOO_DEEP), "its lowest would be a fourth level");
        assert_eq!(check_parent(&tree, apis, Some(small.id)), Err(TOO_DEEP));
    }

    #[test]
    fn a_branch_stays_with_its_kind() {
        let mut tree = tree();
        tree[3].kind = ProductKind::Prompt;
        assert!(check_parent(&tree, &tree[2], Some(tree[3].id)).is_err());
    }

    #[test]
    fn an_address_is_plain_and_nobody_elses() {
        let tree = tree();
        assert!(check_slug(&tree, "mobile-apps").is_ok());
        for bad in ["", "x", "Crm", "c r m", "-x", "x-", "crm", "größe", &"x".repeat(81)] {
            assert!(check_slug(&tree, bad).is_err(), "{bad}");
        }
    }
}
