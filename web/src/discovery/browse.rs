//! `/products`: the catalogue. The address holds the whole question, so the back button, a bookmark and a shared link all
//! show the same. The filters are a form that works without a script; every filter in force is also a chip that takes it away.
//! A filter that makes no sense is left out and said, and an empty result offers ways on, each with what it would find.

use crate::{App, Result, auth::Visitor, page};
use axum::{
    extract::{RawQuery, State},
    response::Response,
};
use mywork::{
    catalog::{
        category::{self, Category, Shelf},
        licence::LicenceKind,
        product::ProductKind,
    },
    search::{Count, Facets, Filters, Hit, PAGE_MAX, PriceRange, Query, Sort},
};
use serde::Serialize;

#[derive(Serialize)]
struct Browse {
    heading: String,
    /// What the words were, for the search field.
    text: String,
    category: Option<Category>,
    items: Vec<Hit>,
    total: u64,
    first: u64,
    last: u64,
    groups: Vec<Group>,
    price: Price,
    credits: Credits,
    seller: Option<String>,
    sorts: Vec<Choice>,
    chips: Vec<Link>,
    notices: Vec<String>,
    /// This page without its place and order, for search engines.
    canonical: String,
    previous: Option<String>,
    next: Option<String>,
    /// Only where nothing was found.
    ways_on: Option<WaysOn>,
}

/// A filter of which values are chosen by ticking.
#[derive(Serialize)]
struct Group {
    name: &'static str,
    legend: &'static str,
    /// Any number of values, or one.
    many: bool,
    /// What to call having chosen none.
    any: &'static str,
    chosen: bool,
    choices: Vec<Choice>,
}

#[derive(Serialize)]
struct Choice {
    value: String,
    label: String,
    count: u64,
    depth: u8,
    chosen: bool,
}

#[derive(Serialize)]
struct Price {
    min: Option<String>,
    max: Option<String>,
    range: Option<PriceRange>,
}

#[derive(Serialize)]
struct Credits {
    chosen: bool,
    count: u64,
}

#[derive(Serialize)]
struct Link {
    label: String,
    href: String,
}

#[derive(Serialize)]
struct WaysOn {
    /// The same search with one filter less or with one of its words, and what that would find.
    loosened: Vec<Loosened>,
    shelves: Vec<Shelf>,
}

#[derive(Serialize)]
struct Loosened {
    label: String,
    href: String,
    total: u64,
}

pub(super) async fn show(State(app): State<App>, visitor: Visitor, RawQuery(raw): RawQuery) -> Result<Response> {
    let (mut query, notices) = Query::parse(raw.as_deref().unwrap_or_default());
    let mut notices: Vec<String> = notices.into_iter().map(|notice| notice.message).collect();
    // Pages of people are turned by number, in one size.
    (query.cursor, query.limit) = (None, mywork::search::PAGE_SIZE);
    let categories = category::all(app.db.public()).await?;
    let category = query.filters.category.as_deref().and_then(|slug| categories.iter().find(|c| c.slug == slug)).cloned();
    if query.filters.category.is_some() && category.is_none() {
        query.filters.category = None;
        notices.push("There is no such category, so we looked in all of them.".to_owned());
    }

    let hits = app.search.search(&query).await?;
    if hits.items.is_empty() && hits.total > 0 && query.page > 1 {
        let pages = u32::try_from(hits.total.div_ceil(u64::from(query.limit))).unwrap_or(PAGE_MAX);
        return Ok(page::see_other(&address(&Query { page: pages.min(PAGE_MAX), ..query })));
    }
    let ways_on = match hits.total {
        0 => Some(ways_on(&app, &query, &categories).await?),
        _ => None,
    };
    let first = u64::from(query.page - 1) * u64::from(query.limit) + 1;
    let shown = hits.items.len() as u64;
    let turned = |page: u32| address(&Query { page, ..query.clone() });
    let context = Browse {
        heading: heading(&query, category.as_ref()),
        text: query.text.clone(),
        category,
        first: if shown == 0 { 0 } else { first },
        last: if shown == 0 { 0 } else { first + shown - 1 },
        total: hits.total,
        groups: groups(&query.filters, &hits.facets),
        price: Price {
            min: query.filters.price_min.map(|cents| cents.decimal()),
            max: query.filters.price_max.map(|cents| cents.decimal()),
            range: hits.facets.price,
        },
        credits: Credits { chosen: query.filters.accepts_credits, count: hits.facets.accepts_credits },
        seller: query.filters.seller.clone(),
        sorts: sorts(&query),
        chips: chips(&query, &categories, &hits.facets)
            .into_iter()
            .map(|(label, less)| Link { label, href: address(&less) })
            .collect(),
        notices,
        canonical: app.url(&address(&Query { sort: query.default_sort(), ..query.from_start() })),
        previous: (query.page > 1).then(|| turned(query.page - 1)),
        next: (hits.next.is_some() && query.page < PAGE_MAX).then(|| turned(query.page + 1)),
        items: hits.items,
        ways_on,
    };
    app.page(&visitor, "pages/discovery/browse.html", &context)
}

/// Where a question is answered.
pub(super) fn address(query: &Query) -> String {
    match query.to_query_string() {
        string if string.is_empty() => "/products".to_owned(),
        string => format!("/products?{string}"),
    }
}

fn heading(query: &Query, category: Option<&Category>) -> String {
    match (&query.text, category) {
        (text, _) if !text.is_empty() => format!("Results for “{text}”"),
        (_, Some(category)) => category.name.clone(),
        _ => "All products".to_owned(),
    }
}

fn sorts(query: &Query) -> Vec<Choice> {
    let offered = Sort::ALL.into_iter().filter(|sort| *sort != Sort::Relevance || !query.text.is_empty());
    let choice = |sort: Sort| Choice {
        value: sort.as_str().to_owned(),
        label: sort.label().to_owned(),
        count: 0,
        depth: 0,
        chosen: sort == query.sort,
    };
    offered.map(choice).collect()
}

fn groups(filters: &Filters, facets: &Facets) -> Vec<Group> {
    let group = |name, legend, any, many, counts: &[Count], chosen: Vec<String>| {
        let mut choices: Vec<Choice> = counts
            .iter()
            .filter(|count| count.count > 0 || chosen.contains(&count.value))
            .map(|count| Choice {
                value: count.value.clone(),
                label: count.label.clone(),
                count: count.count,
                depth: count.depth,
                chosen: chosen.contains(&count.value),
            })
            .collect();
        // What is chosen stays in sight, also when nothing carries it.
        for value in chosen.iter().filter(|value| counts.iter().all(|count| count.value != **value)) {
            choices.push(Choice { value: value.clone(), label: value.clone(), count: 0, depth: 0, chosen: true });
        }
        Group { name, legend, any, many, chosen: !chosen.is_empty(), choices }
    };
    let kind = filters.kind.map(|kind| kind_word(kind).to_owned());
    let licence = filters.licence.map(|licence| licence.as_str().to_owned());
    let rating = filters.rating_min.map(|stars| stars.to_string());
    let groups = [
        group("category", "Category", "All categories", false, &facets.category, filters.category.clone().into_iter().collect()),
        group("kind", "Kind", "Any kind", false, &facets.kind, kind.into_iter().collect()),
        group("tech", "Built with", "", true, &facets.tech_stack, filters.tech_stack.clone()),
        group("licence", "Licence", "Any licence", false, &facets.licence, licence.into_iter().collect()),
        group("rating", "Rating", "Any rating", false, &facets.rating, rating.into_iter().collect()),
    ];
    groups.into_iter().filter(|group| !group.choices.is_empty()).collect()
}

/// Each filter in force, as a person reads it, with the question that does without it.
fn chips(query: &Query, categories: &[Category], facets: &Facets) -> Vec<(String, Query)> {
    let filters = &query.filters;
    let mut chips = Vec::new();
    let mut chip = |label: String, remove: &dyn Fn(&mut Filters)| {
        let mut less = query.from_start();
        remove(&mut less.filters);
        chips.push((label, less));
    };
    if let Some(slug) = &filters.category {
        let name = categories.iter().find(|category| category.slug == *slug).map_or(slug.as_str(), |category| &category.name);
        chip(name.to_owned(), &|f| f.category = None);
    }
    if let Some(kind) = filters.kind {
        chip(kind_label(kind).to_owned(), &|f| f.kind = None);
    }
    for tech in &filters.tech_stack {
        let label = facets.tech_stack.iter().find(|count| count.value == *tech).map_or(tech, |count| &count.label);
        chip(label.clone(), &|f| f.tech_stack.retain(|other| other != tech));
    }
    match (filters.price_min, filters.price_max) {
        (None, None) => {}
        (min, max) => {
            let label = match (min, max) {
                (Some(min), Some(max)) => format!("{min} to {max}"),
                (Some(min), None) => format!("From {min}"),
                (_, max) => format!("Up to {}", max.unwrap_or_default()),
            };
            chip(label, &|f| (f.price_min, f.price_max) = (None, None));
        }
    }
    if let Some(licence) = filters.licence {
        chip(format!("{} licence", licence_label(licence)), &|f| f.licence = None);
    }
    if let Some(stars) = filters.rating_min {
        chip(format!("{stars} stars and up"), &|f| f.rating_min = None);
    }
    if filters.accepts_credits {
        chip("Accepts credits".to_owned(), &|f| f.accepts_credits = false);
    }
    if let Some(seller) = &filters.seller {
        chip(format!("By {seller}"), &|f| f.seller = None);
    }
    chips
}

async fn ways_on(app: &App, query: &Query, categories: &[Category]) -> Result<WaysOn> {
    let mut less: Vec<(String, Query)> = chips(query, categories, &Facets::default())
        .into_iter()
        .map(|(label, less)| (format!("Without “{label}”"), less))
        .collect();
    let anew = |text: &str| Query { text: text.to_owned(), sort: Sort::Relevance, ..Query::default() };
    if !query.text.is_empty() && !less.is_empty() {
        less.push((format!("“{}” with no filter", query.text), anew(&query.text)));
    }
    let words: Vec<&str> =
        query.text.split([' ', '"']).filter(|word| word.chars().count() > 2 && !word.starts_with('-')).collect();
    if words.len() > 1 {
        less.extend(words.iter().take(4).map(|word| (format!("Only “{word}”"), anew(word))));
    }
    let mut loosened = Vec::new();
    for (label, less) in less.into_iter().take(8) {
        let total = app.search.search(&Query { limit: 1, ..less.clone() }).await?.total;
        if total > 0 {
            loosened.push(Loosened { label, href: address(&less), total });
        }
    }
    let mut shelves = category::shelves(app.db.public()).await?;
    shelves.retain(|shelf| shelf.products > 0);
    shelves.sort_by_key(|shelf| std::cmp::Reverse(shelf.products));
    shelves.truncate(6);
    Ok(WaysOn { loosened, shelves })
}

fn kind_word(kind: ProductKind) -> &'static str {
    match kind {
        ProductKind::Code => "code",
        ProductKind::Prompt => "prompt",
        ProductKind::Bundle => "bundle",
    }
}

fn kind_label(kind: ProductKind) -> &'static str {
    match kind {
        ProductKind::Code => "Code",
        ProductKind::Prompt => "Prompts",
        ProductKind::Bundle => "Bundles",
    }
}

pub(super) fn licence_label(licence: LicenceKind) -> &'static str {
    match licence {
        LicenceKind::Standard => "Standard",
        LicenceKind::Extended => "Extended",
        LicenceKind::Enterprise => "Enterprise",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_filter_in_force_can_be_taken_away_by_itself() {
        let raw = "q=auth&category=apis&kind=code&tech=rust&tech=axum&price_min=10&price_max=90&licence=extended&rating=4\
                   &credits=1&seller=ada&page=3";
        let (query, notices) = Query::parse(raw);
        assert_eq!(notices, []);
        let chips = chips(&query, &[], &Facets::default());
        let labels: Vec<_> = chips.iter().map(|(label, _)| label.as_str()).collect();
        assert_eq!(
            labels,
            [
                "apis",
                "Code",
                "rust",
                "axum",
                "$10.00 to $90.00",
                "Extended licence",
                "4 stars and up",
                "Accepts credits",
                "By ada"
            ]
        );
        for (label, less) in &chips {
            assert_eq!(less.page, 1, "{label}");
            assert_eq!(less.text, "auth", "{label}");
            assert_ne!(less.filters, query.filters, "{label}");
        }
        assert_eq!(chips[2].1.filters.tech_stack, ["axum"]);
    }

    #[test]
    fn what_is_chosen_stays_in_sight_when_nothing_carries_it() {
        let (query, _) = Query::parse("tech=cobol");
        let groups = groups(&query.filters, &Facets::default());
        assert_eq!(groups.len(), 1);
        assert!(groups[0].choices[0].chosen && groups[0].choices[0].count == 0);
    }

    #[test]
    fn the_whole_catalogue_has_a_plain_address() {
        assert_eq!(address(&Query::default()), "/products");
        assert_eq!(address(&Query::parse("sort=popular&page=2").0), "/products?sort=popular&page=2");
    }
}
