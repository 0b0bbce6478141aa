//! Finding things: forty products whose every property the story knows, so that what a search must find, in which order and with
//! which counts beside the filters, is worked out here from the same list and compared with the pages and with the API. Products
//! that are not on sale lie among them with the same words, and never appear.
//!
//! Proves: SEARCH-01 (words, beginnings of words, highlighting), SEARCH-02, SEARCH-03, SEARCH-04
//! Proves: PROD-04 (old addresses redirect), PROD-09 (a branch holds what is below it)

mod catalogue;
mod reviews;

use crate::support::{
    person::{Page, Person},
    stage::Stage,
};
use catalogue::{Item, ON_SALE, catalogue, expected, expected_counts, item, lists};
use mywork::search::{Query, Sort};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use std::collections::BTreeMap;

#[tokio::test(flavor = "multi_thread")]
async fn filters_find_what_they_say_and_count_it() {
    let stage = Stage::open().await;
    let items = catalogue(&stage).await;
    let visitor = stage.person();
    for raw in [
        "",
        "q=invoice",
        "q=calen",
        "q=documenta",
        "q=booking+serv",
        "category=saas-starters",
        "category=b2b-starters",
        "category=coding-prompts",
        "price_min=19&price_max=49.50",
        "price_max=0",
        "tech=rust",
        "tech=postgresql&tech=Rust",
        "kind=prompt",
        "kind=bundle",
        "licence=extended",
        "licence=enterprise&price_min=20",
        "rating=4",
        "rating=1&sort=rating",
        "credits=1",
        "seller=ben",
        "q=toolkit&tech=rust&sort=price_down",
        "category=saas-starters&tech=rust&price_max=50&licence=standard",
        "q=invoice&kind=code&rating=2&credits=1&sort=popular",
        "category=api-services&kind=prompt",
    ] {
        let (asked, notices) = Query::parse(raw);
        assert_eq!(notices, [], "{raw}");
        let counts = expected_counts(&items, &asked);
        let mut slugs = expected(&items, &asked);
        let mut shown = turns_pages(&visitor, &format!("/products?{raw}")).await;
        let (status, answer) = visitor.calls(Method::GET, &format!("/api/search?{raw}&limit=100"), None).await;
        assert_eq!(status, StatusCode::OK, "{raw}: {answer}");
        let mut found = slugs_in(&answer);
        if asked.sort == Sort::Relevance {
            [&mut slugs, &mut shown, &mut found].into_iter().for_each(|list| list.sort());
        }
        assert_eq!((&shown, &found), (&slugs, &slugs), "{raw}");
        assert_eq!(answer["total"], slugs.len(), "{raw}");
        assert_eq!(counts_in(&answer["facets"]), counts, "{raw}");
        assert_eq!(counts_on(&visitor.opens(&format!("/products?{raw}")).await.ok()), counts, "{raw}");
        let any_price = Query::parse(&raw.replace("price_", "no_price_")).0;
        let prices = || items.iter().filter(|item| item.answers(&any_price)).map(|item| item.price);
        let range = serde_json::json!([prices().min(), prices().max()]);
        assert_eq!(serde_json::json!([answer["facets"]["price_min_cents"], answer["facets"]["price_max_cents"]]), range, "{raw}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn words_are_found_by_their_beginning_and_marked() {
    let stage = Stage::open().await;
    let items = catalogue(&stage).await;
    let visitor = stage.person();
    for (typed, marked) in [
        ("invo", "Invoice"),
        ("invoices", "Invoice"),
        ("INVOICE", "Invoice"),
        // Between its stem, "document", and its end.
        ("documenta", "Documentation"),
        ("bookings serv", "service"),
    ] {
        let mark = format!("<mark>{marked}</mark>");
        let page = visitor.opens(&format!("/products?q={typed}")).await.ok();
        assert!(page.text.contains(&mark), "{typed} does not mark {marked}");
        let (_, answer) = visitor.calls(Method::GET, &format!("/api/search?q={typed}"), None).await;
        let pieces = answer["data"][0]["title_highlight"].as_array().unwrap_or_else(|| panic!("{typed}: {answer}")).clone();
        assert!(pieces.iter().any(|piece| piece["text"] == marked && piece["hit"] == true), "{typed}: {pieces:?}");
    }
    let toolkits = |asked: &str| expected(&items, &Query::parse(asked).0).len();
    for (typed, many) in [("%22booking+toolkit%22", toolkits("q=booking+toolkit")), ("%22toolkit+booking%22", 0), ("zebra", 0)] {
        let (_, answer) = visitor.calls(Method::GET, &format!("/api/search?q={typed}"), None).await;
        assert_eq!(answer["total"], many, "{typed}");
    }
    let (_, answer) = visitor.calls(Method::GET, "/api/search?q=booking+-toolkit", None).await;
    assert_eq!(answer["total"], toolkits("q=booking") - toolkits("q=booking+toolkit"));

    // Title over tags over summary over text, whatever sells.
    let says =
        ["title = 'A lantern <b>kit</b>'", "tags = '{lantern}'", "short_description = 'Lantern'", "description = 'Lantern'"];
    for (said, item) in says.into_iter().zip(&items) {
        let say = format!("UPDATE products SET {said} WHERE id = '{}'", item.id);
        sqlx::raw_sql(sqlx::AssertSqlSafe(say)).execute(&mut stage.look().await).await.expect("the word is there");
    }
    let best_first: Vec<&str> = items[..4].iter().map(|item| item.slug.as_str()).collect();
    assert_eq!(turns_pages(&visitor, "/products?q=lantern").await, best_first);
    let page = visitor.opens("/products?q=lantern").await.ok();
    assert!(page.text.contains("<mark>lantern</mark> &lt;b&gt;kit"), "what a seller wrote is text, marked or not");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_order_holds_from_page_to_page_and_in_the_address() {
    let stage = Stage::open().await;
    let items = catalogue(&stage).await;
    let visitor = stage.person();
    for sort in Sort::ALL {
        let raw = format!("sort={}", sort.as_str());
        let slugs = expected(&items, &Query::parse(&raw).0);
        assert_eq!(turns_pages(&visitor, &format!("/products?{raw}")).await, slugs, "{raw}");
        assert_eq!(walks(&visitor, &format!("/api/products?{raw}"), async || {}).await, slugs, "{raw}");
    }

    // A page is its address: the same to somebody else, by the form with its empty fields, and back from the page after it.
    let first = visitor.opens("/products?q=&category=&kind=&price_min=&price_max=&sort=price_up").await.ok();
    let first = first.shows("1–24 of 40 products");
    let second = link(&first, "next").expect("a second page");
    assert_eq!(second, "/products?sort=price_up&page=2");
    let shown = visitor.opens(&second).await.ok().shows("25–40 of 40 products");
    assert_eq!(cards(&stage.person().opens(&second).await.ok()), cards(&shown));
    assert_eq!(cards(&visitor.opens(&link(&shown, "prev").expect("the way back")).await.ok()), cards(&first));
    assert_eq!(link(&shown, "next"), None);
    visitor.opens("/products?page=99").await.ok().shows("25–40 of 40 products");

    // A list walked by cursor shows each exactly once, also when others are put in front of the place meanwhile.
    let mut added = ON_SALE + 10..;
    for (sort, price, sales) in [("newest", 4_900, 5), ("price_up", 0, 5), ("price_down", 999_900, 5), ("popular", 4_900, 999)] {
        let before = walks(&visitor, &format!("/api/products?sort={sort}"), async || {}).await;
        let mut put_in_front = async || {
            let new = item(added.next().expect("numbers do not end"));
            lists(&stage, &Item { age: -(new.sales as i32 + 100), price, sales, ..new }).await;
        };
        let seen = walks(&visitor, &format!("/api/products?sort={sort}"), &mut put_in_front).await;
        assert_eq!(seen, before, "{sort}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_found_offers_ways_on_and_nonsense_is_said() {
    let stage = Stage::open().await;
    let items = catalogue(&stage).await;
    let visitor = stage.person();
    let page = visitor.opens("/products?q=invoice+zebra&category=b2b-starters&price_min=9000").await.ok();
    let page = page.shows("Nothing matches “invoice zebra”").shows("Close to it").shows("Only “invoice”");
    let ways = page.text.split("<ul><li>").skip(1).flat_map(|list| list.split("<a class=\"chip\" href=\"").skip(1));
    let ways: Vec<(String, usize)> = ways
        .map(|way| {
            let count = way.split_once("<span class=\"muted\">").expect("what it would find").1;
            (
                plain(way.split('"').next().unwrap_or_default()),
                count.split('<').next().unwrap_or_default().parse().expect("a count"),
            )
        })
        .collect();
    assert!(ways.iter().any(|(href, _)| href == "/products?q=invoice"), "{ways:?}");
    assert!(ways.iter().any(|(href, _)| href.starts_with("/products?category=saas-starters")), "{ways:?}");
    for (href, count) in ways {
        assert_eq!(turns_pages(&visitor, &href).await.len(), count, "{href}");
    }

    for (raw, field, notice) in [
        ("price_min=50&price_max=10", "price_min", "so we swapped them"),
        ("price_max=cheap", "price_max", "“cheap” is not a price"),
        ("sort=random", "sort", "Sort by one of relevance, newest"),
        ("category=nowhere", "category", "There is no such category"),
        ("rating=6", "rating", "from 1 to 5"),
        ("kind=car", "kind", "not a kind of product"),
        ("licence=gpl", "licence", "not a licence"),
        ("page=0", "page", "A page is a number"),
    ] {
        visitor.opens(&format!("/products?{raw}")).await.ok().shows(notice);
        let (status, problem) = visitor.calls(Method::GET, &format!("/api/search?{raw}"), None).await;
        assert_eq!((status, &problem["errors"][0]["field"]), (StatusCode::UNPROCESSABLE_ENTITY, &field.into()), "{problem}");
    }
    let swapped = turns_pages(&visitor, "/products?price_min=50&price_max=10").await;
    assert_eq!(swapped, expected(&items, &Query::parse("price_min=10&price_max=50").0));
    let (_, page) = visitor.calls(Method::GET, "/api/products?sort=price_up&limit=2", None).await;
    let foreign = format!("/api/products?sort=newest&cursor={}", page["next_cursor"].as_str().expect("more to come"));
    let (status, problem) = visitor.calls(Method::GET, &foreign, None).await;
    assert_eq!((status, &problem["errors"][0]["field"]), (StatusCode::UNPROCESSABLE_ENTITY, &"cursor".into()), "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_typed_is_an_answer_and_no_fault() {
    let stage = Stage::open().await;
    catalogue(&stage).await;
    let visitor = stage.person();
    let long = "x".repeat(5_000);
    let typed = [
        "'",
        "\"",
        "%",
        "_",
        "\\",
        "\0",
        "a & | ! <-> :* (",
        "'); DROP TABLE products; --",
        "\u{E000}💥\u{202E}",
        "-9223372036854775808",
        &long,
    ];
    // Cursors nobody gave out: a time before the world, the greatest price, the last row there can be, no key at all.
    let forged = [
        "dC4tODAwMDAwMDAwMDAwMDAwMDAwMC4wMDAwMDAwMC0wMDAwLTQwMDAtODAwMC0wMDAwMDAwMDAwMDE",
        "cC45MjIzMzcyMDM2ODU0Nzc1ODA3LjAwMDAwMDAwLTAwMDAtNDAwMC04MDAwLTAwMDAwMDAwMDAwMQ",
        "by40Mjk0OTY3Mjk1",
        "cy54Lnk",
    ];
    let names = [
        "q",
        "category",
        "tech",
        "kind",
        "price_min",
        "price_max",
        "licence",
        "rating",
        "credits",
        "seller",
        "sort",
        "page",
        "limit",
        "cursor",
    ];
    let pairs = names.iter().flat_map(|name| typed.map(|value| [(*name, value)]));
    let queries =
        pairs.chain(forged.map(|cursor| [("cursor", cursor)])).map(|pair| serde_urlencoded::to_string(pair).expect("pairs"));
    for raw in queries.chain(["q=%ff%fe".to_owned(), "q=%&%=&&==".to_owned()]) {
        visitor.opens(&format!("/products?{raw}")).await.ok();
        for path in ["/api/products", "/api/search"] {
            let (status, answer) = visitor.calls(Method::GET, &format!("{path}?{raw}"), None).await;
            assert!(status == StatusCode::OK || status == StatusCode::UNPROCESSABLE_ENTITY, "{path}?{raw}: {status} {answer}");
        }
    }
    for value in typed {
        let key = serde_urlencoded::to_string([("", value)]).expect("a pair").split_off(1).replace('+', "%20");
        for path in ["/products/", "/sellers/", "/api/products/", "/api/reviews/product/"] {
            let (status, answer) = visitor.calls(Method::GET, &format!("{path}{key}"), None).await;
            assert!(status.is_client_error(), "{path}{key}: {status} {answer}");
        }
    }
    let ancient = "WyItMjAwMDAwLTAxLTAxVDAwOjAwOjAwWiIsIjAwMDAwMDAwLTAwMDAtNDAwMC04MDAwLTAwMDAwMDAwMDAwMSJd";
    let reviews = format!("/api/reviews/product/{}?cursor={ancient}", item(0).slug);
    assert_eq!(visitor.calls(Method::GET, &reviews, None).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    // No wildcard of another language matches everything, and everything is still there.
    for raw in ["q=%25", "q=_", "q=*", "tech=%25", "seller=_"] {
        assert_eq!(visitor.calls(Method::GET, &format!("/api/search?{raw}"), None).await.1["total"], 0, "{raw}");
    }
    assert_eq!(turns_pages(&visitor, "/products").await.len(), ON_SALE);
}

#[tokio::test(flavor = "multi_thread")]
async fn old_addresses_lead_on_and_what_is_not_on_sale_has_none() {
    let stage = Stage::open().await;
    let items = catalogue(&stage).await;
    let visitor = stage.person();
    let slug = &items[7].slug;
    let renamed = "INSERT INTO product_slugs (slug, product_id, created_at) SELECT 'once-' || slug, id, now() FROM products";
    sqlx::raw_sql(renamed).execute(&mut stage.look().await).await.expect("they had other names");
    let (status, _) = visitor.calls(Method::GET, &format!("/products/once-{slug}"), None).await;
    assert_eq!(status, StatusCode::PERMANENT_REDIRECT);
    let page = visitor.opens(&format!("/products/once-{slug}")).await.ok().shows(&items[7].title);
    assert_eq!(page.path, format!("/products/{slug}"));
    let (_, product) = visitor.calls(Method::GET, &format!("/api/products/once-{slug}"), None).await;
    assert_eq!(product["slug"], *slug);

    for n in ON_SALE..ON_SALE + 4 {
        let Item { id, slug, title, .. } = item(n);
        for key in [&slug, &id, &format!("once-{slug}")] {
            assert_eq!(visitor.opens(&format!("/products/{key}")).await.hides(&title).status, StatusCode::NOT_FOUND);
            for path in ["/api/products", "/api/reviews/product", "/api/marketplace/listings"] {
                let (status, _) = visitor.calls(Method::GET, &format!("{path}/{key}"), None).await;
                assert_eq!(status, StatusCode::NOT_FOUND, "{path}/{key}");
            }
        }
        for page in ["/", "/sitemap.xml", &format!("/sellers/{}", item(n).seller), &format!("/products?q={n}")] {
            let page = visitor.opens(page).await.ok().hides(&title);
            assert!(!page.text.contains(&slug), "{} names {slug}", page.path);
        }
    }
}

/// Slugs of all that the pages show, from this one to the last, each of which says rightly where it is.
async fn turns_pages(person: &Person, address: &str) -> Vec<String> {
    let (mut slugs, mut next) = (Vec::new(), Some(address.to_owned()));
    while let Some(address) = next {
        let mut page = person.opens(&address).await.ok();
        let shown = cards(&page);
        next = link(&page, "next");
        if next.is_some() || !slugs.is_empty() {
            page = page.shows(&format!("{}–{} of ", slugs.len() + 1, slugs.len() + shown.len()));
        }
        assert!(shown.len() <= 24, "{} shows {}", page.path, shown.len());
        slugs.extend(shown);
    }
    slugs
}

/// Slugs of a list of the API, from cursor to cursor; something may happen between two answers.
async fn walks(person: &Person, address: &str, mut meanwhile: impl AsyncFnMut()) -> Vec<String> {
    let (mut slugs, mut cursor) = (Vec::new(), String::new());
    loop {
        let (status, page) = person.calls(Method::GET, &format!("{address}&limit=7{cursor}"), None).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        slugs.extend(slugs_in(&page));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return slugs,
        }
        meanwhile().await;
    }
}

fn slugs_in(answer: &Value) -> Vec<String> {
    let found = answer["data"].as_array().unwrap_or_else(|| panic!("no data in {answer}")).iter();
    found.map(|product| product["slug"].as_str().expect("a slug").to_owned()).collect()
}

fn cards(page: &Page) -> Vec<String> {
    let titles = page.text.split("<h3><a href=\"/products/").skip(1);
    titles.map(|title| title.split('"').next().unwrap_or_default().to_owned()).collect()
}

/// The page before or after, as the head of this one names it.
fn link(page: &Page, rel: &str) -> Option<String> {
    let (_, rest) = page.text.split_once(&format!("<link rel=\"{rel}\" href=\""))?;
    Some(plain(rest.split('"').next()?))
}

fn plain(attribute: &str) -> String {
    attribute.replace("&#x2f;", "/").replace("&amp;", "&")
}

fn counts_in(facets: &Value) -> BTreeMap<String, u64> {
    let groups = ["category", "tech", "kind", "licence", "rating"].into_iter();
    let values = groups.flat_map(|name| facets[name].as_array().into_iter().flatten().map(move |count| (name, count)));
    let values = values.map(|(name, c)| (format!("{name} {}", c["value"].as_str().unwrap_or_default()), c["count"].as_u64()));
    let all = values.chain([("credits 1".to_owned(), facets["credits"].as_u64())]);
    all.filter_map(|(value, count)| Some((value, count.filter(|count| *count > 0)?))).collect()
}

fn counts_on(page: &Page) -> BTreeMap<String, u64> {
    let inputs = page.text.split("<label class=\"filter").skip(1).filter_map(|label| {
        let (input, _) = label.split_once("</small>")?;
        let part = |name: &str| input.split_once(&format!("{name}=\""))?.1.split('"').next();
        let count: u64 = input.rsplit('>').next()?.parse().ok()?;
        Some((format!("{} {}", part(" name")?, part(" value")?), count))
    });
    inputs.filter(|(_, count)| *count > 0).collect()
}
