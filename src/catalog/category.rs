//! The branches of the catalogue (PROD-09): a small tree that everybody may read and admins change. It is read whole and
//! walked in memory; a branch holds its own products and those of everything below it.

use super::product::ProductKind;
use crate::ids::CategoryId;
use serde::Serialize;
use sqlx::PgExecutor;
use std::collections::HashMap;

/// A branch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Category {
    pub id: CategoryId,
    pub parent_id: Option<CategoryId>,
    /// Kind of product it holds.
    pub kind: ProductKind,
    pub slug: String,
    pub name: String,
    pub description: String,
    /// Steps from the top; 0 for a main category.
    pub depth: u8,
}

/// A branch and how many products are on sale in it and below it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shelf {
    #[serde(flatten)]
    pub category: Category,
    pub products: i64,
}

/// All categories in the order of the tree: each parent is followed by what is below it.
///
/// # Errors
/// When the database fails.
pub async fn all(executor: impl PgExecutor<'_>) -> Result<Vec<Category>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT
             id AS "id: CategoryId",
             parent_id AS "parent_id: CategoryId",
             kind AS "kind: ProductKind",
             slug,
             name,
             description
           FROM categories
           ORDER BY position, name"#
    )
    .fetch_all(executor)
    .await?;
    let categories = rows.into_iter().map(|row| Category {
        id: row.id,
        parent_id: row.parent_id,
        kind: row.kind,
        slug: row.slug,
        name: row.name,
        description: row.description,
        depth: 0,
    });
    Ok(in_tree_order(categories.collect()))
}

/// All categories with the number of products on sale in each.
///
/// # Errors
/// When the database fails.
pub async fn shelves(pool: &sqlx::PgPool) -> Result<Vec<Shelf>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT category_id AS "category: CategoryId", count(*) AS "products!"
           FROM active_products
           GROUP BY category_id"#
    )
    .fetch_all(pool)
    .await?;
    let own = rows.into_iter().filter_map(|row| Some((row.category?, row.products))).collect();
    let categories = all(pool).await?;
    let sums = add_up(&categories, &own);
    Ok(categories.into_iter().map(|category| Shelf { products: sums[&category.id], category }).collect())
}

/// The category of this slug and everything below it; empty when there is none.
pub fn branch(categories: &[Category], slug: &str) -> Vec<CategoryId> {
    let mut rest = categories.iter().skip_while(|category| category.slug != slug);
    let Some(top) = rest.next() else { return Vec::new() };
    std::iter::once(top.id).chain(rest.take_while(|below| below.depth > top.depth).map(|below| below.id)).collect()
}

/// What each category has of its own and all that is below it, together.
pub fn add_up(categories: &[Category], own: &HashMap<CategoryId, i64>) -> HashMap<CategoryId, i64> {
    let mut sums: HashMap<CategoryId, i64> = HashMap::with_capacity(categories.len());
    // Backwards, children come before their parents.
    for category in categories.iter().rev() {
        let below = sums.get(&category.id).copied().unwrap_or(0);
        let sum = below + own.get(&category.id).copied().unwrap_or(0);
        sums.insert(category.id, sum);
        if let Some(parent) = category.parent_id {
            *sums.entry(parent).or_default() += sum;
        }
    }
    sums
}

/// Puts each category behind its parent and notes how deep it is. A category whose parent does not exist is left out, and so
/// is a ring: the database allows one for as long as an admin's edit takes to be mended, and no page may hang on it.
fn in_tree_order(categories: Vec<Category>) -> Vec<Category> {
    fn hang(
        parent: Option<CategoryId>,
        depth: u8,
        below: &mut HashMap<Option<CategoryId>, Vec<Category>>,
        tree: &mut Vec<Category>,
    ) {
        for mut category in below.remove(&parent).unwrap_or_default() {
            let id = category.id;
            category.depth = depth;
            tree.push(category);
            hang(Some(id), depth.saturating_add(1), below, tree);
        }
    }
    let mut below: HashMap<Option<CategoryId>, Vec<Category>> = HashMap::new();
    for category in categories {
        below.entry(category.parent_id).or_default().push(category);
    }
    let mut tree = Vec::new();
    hang(None, 0, &mut below, &mut tree);
    tree
}

#[cfg(test)]
mod tests {
    use super::*;

    fn category(slug: &str, parent: Option<CategoryId>) -> Category {
        Category {
            id: CategoryId::new(),
            parent_id: parent,
            kind: ProductKind::Code,
            slug: slug.to_owned(),
            name: slug.to_owned(),
            description: String::new(),
            depth: 0,
        }
    }

    fn tree() -> Vec<Category> {
        let saas = category("saas", None);
        let crm = category("crm", Some(saas.id));
        let small_crm = category("small-crm", Some(crm.id));
        let apis = category("apis", None);
        in_tree_order(vec![small_crm, saas, apis, crm])
    }

    #[test]
    fn children_follow_their_parents() {
        let drawn: Vec<_> = tree().into_iter().map(|c| (c.slug, c.depth)).collect();
        let expected = [("saas", 0), ("crm", 1), ("small-crm", 2), ("apis", 0)];
        assert_eq!(drawn, expected.map(|(slug, depth)| (slug.to_owned(), depth)));
    }

    #[test]
    fn a_branch_is_what_hangs_below_it() {
        let tree = tree();
        assert_eq!(branch(&tree, "crm"), [tree[1].id, tree[2].id]);
        assert_eq!(branch(&tree, "apis"), [tree[3].id]);
        assert_eq!(branch(&tree, "nothing"), []);
    }

    #[test]
    fn counts_rise_to_the_top() {
        let tree = tree();
        let sums = add_up(&tree, &HashMap::from([(tree[1].id, 2), (tree[2].id, 3), (tree[3].id, 5)]));
        assert_eq!(tree.iter().map(|c| sums[&c.id]).collect::<Vec<_>>(), [5, 5, 3, 5]);
    }

    #[test]
    fn a_ring_hangs_nothing() {
        let mut a = category("a", None);
        let b = category("b", Some(a.id));
        a.parent_id = Some(b.id);
        assert_eq!(in_tree_order(vec![a, b]), []);
    }
}
