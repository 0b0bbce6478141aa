//! Half a year of sales and opinions: who bought what, when, and what some of them wrote about it. Made from the content by
//! chance with a fixed start, so that every fresh marketplace tells the same story up to today.

use super::content::{Content, Phrases, Product};
use chrono::{DateTime, Duration, Utc};
use mywork::catalog::{licence::LicenceKind, review::Opinion};
use rand::{
    Rng, SeedableRng,
    rngs::StdRng,
    seq::{IndexedRandom, SliceRandom},
};
use std::collections::HashSet;

/// The life of one product.
#[derive(Debug)]
pub struct Life {
    pub created_at: DateTime<Utc>,
    /// When each version was uploaded, oldest first.
    pub versions: Vec<DateTime<Utc>>,
    pub views: i64,
    pub sales: Vec<Bought>,
}

/// One sale.
#[derive(Debug)]
pub struct Bought {
    /// Which of the buyers.
    pub buyer: usize,
    pub licence: LicenceKind,
    pub at: DateTime<Utc>,
    pub opinion: Option<(DateTime<Utc>, Opinion)>,
}

/// The lives of all products, in the order of the content.
pub fn lives(content: &Content, now: DateTime<Utc>) -> anyhow::Result<Vec<Life>> {
    let mut chance = StdRng::seed_from_u64(0x6d79_776f_726b);
    content.products.iter().map(|product| life(content, product, now, &mut chance)).collect()
}

fn life(content: &Content, product: &Product, now: DateTime<Utc>, chance: &mut StdRng) -> anyhow::Result<Life> {
    let joined = content.seller(product)?.days;
    if product.awaiting {
        let created_at = now - Duration::hours(chance.random_range(5..30));
        return Ok(Life { created_at, versions: vec![created_at + Duration::hours(1)], views: 0, sales: Vec::new() });
    }
    let age = chance.random_range(24..(joined - 6).max(26));
    let created_at = now - Duration::days(age) + Duration::minutes(chance.random_range(0..600));
    // The last version came when two thirds of the time were over, the others evenly before it.
    let last = i32::try_from(product.changes.len())? - 1;
    let uploaded = |n| created_at + Duration::hours(1) + Duration::days(age * 2 / 3) * n / last.max(1);
    let versions: Vec<_> = (0..=last).map(uploaded).collect();
    let sales = sales(content, product, created_at + Duration::days(2), now, chance)?;
    let views = i64::try_from(sales.len())? * chance.random_range(24..70) + chance.random_range(40..400);
    Ok(Life { created_at, versions, views, sales })
}

fn sales(
    content: &Content,
    product: &Product,
    from: DateTime<Utc>,
    now: DateTime<Utc>,
    chance: &mut StdRng,
) -> anyhow::Result<Vec<Bought>> {
    let reviews: usize = chance.random_range(3..=if product.featured { 12 } else { 9 });
    let quiet: usize = chance.random_range(3..=9);
    let mut buyers: Vec<usize> = (0..content.people.buyers.names.len()).collect();
    buyers.shuffle(chance);
    let span = (now - from).num_minutes();
    // How a product is liked: most well, a few less so.
    let liked = *[0.62, 0.72, 0.8, 0.85, 0.9].choose(chance).unwrap_or(&0.8);
    let mut told = HashSet::new();
    let mut sales = Vec::new();
    for (n, buyer) in buyers.into_iter().take(reviews + quiet).enumerate() {
        // Later is likelier: a product becomes known.
        let when = chance.random_range(0.0..1.0_f64).powf(0.7);
        let mut at = from + Duration::minutes((span as f64 * when) as i64);
        let written = n < reviews;
        if written {
            at = at.min(now - Duration::days(5));
        }
        let opinion = if written {
            let later = at + Duration::hours(chance.random_range(30..(now - at).num_hours().clamp(40, 400)));
            Some((later.min(now - Duration::hours(2)), opinion(content, product, liked, &mut told, chance)?))
        } else {
            None
        };
        sales.push(Bought { buyer, licence: licence(chance), at: at.min(now - Duration::minutes(30)), opinion });
    }
    Ok(sales)
}

fn licence(chance: &mut StdRng) -> LicenceKind {
    match chance.random_range(0..100) {
        0..78 => LicenceKind::Standard,
        78..95 => LicenceKind::Extended,
        _ => LicenceKind::Enterprise,
    }
}

fn rating(liked: f64, chance: &mut StdRng) -> i16 {
    let luck: f64 = chance.random_range(0.0..1.0);
    match luck {
        l if l < liked * 0.78 => 5,
        l if l < liked => 4,
        l if l < liked + (1.0 - liked) * 0.75 => 3,
        _ => 2,
    }
}

/// A review put together from its parts; nobody repeats the title or the detail of somebody else on the same product.
fn opinion(
    content: &Content,
    product: &Product,
    liked: f64,
    told: &mut HashSet<String>,
    chance: &mut StdRng,
) -> anyhow::Result<Opinion> {
    let wanted = rating(liked, chance);
    let phrases = content.reviews.iter().find(|phrases| phrases.rating == wanted).or(content.reviews.first());
    let phrases: &Phrases = phrases.ok_or_else(|| anyhow::anyhow!("there are no phrases for reviews"))?;
    let mut fresh = |of: &[String], chance: &mut StdRng| -> String {
        let unused: Vec<&String> = of.iter().filter(|phrase| !told.contains(*phrase)).collect();
        let phrase =
            unused.choose(chance).map(|phrase| (*phrase).clone()).or_else(|| of.choose(chance).cloned()).unwrap_or_default();
        told.insert(phrase.clone());
        phrase
    };
    let title = fresh(&phrases.titles, chance);
    let mut parts = vec![fresh(&phrases.openings, chance), fresh(&phrases.details, chance)];
    if chance.random_bool(0.4) {
        parts.push(fresh(&phrases.details, chance));
    }
    parts.push(phrases.endings.choose(chance).cloned().unwrap_or_default());
    parts.retain(|part| !part.is_empty());
    let word = |text: &str| {
        text.replace("{entity}", &product.entity.replace('_', " ")).replace("{entities}", &product.entities.replace('_', " "))
    };
    Ok(Opinion::new(phrases.rating, &title, &word(&parts.join(" ")))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_past_is_believable() {
        let content = Content::load().expect("valid");
        let now = DateTime::from_timestamp(1_760_000_000, 0).expect("a time");
        let lives = lives(&content, now).expect("made");
        for (product, life) in content.products.iter().zip(&lives).filter(|(product, _)| !product.awaiting) {
            let reviews: Vec<_> = life.sales.iter().filter_map(|sale| Some((sale.at, sale.opinion.as_ref()?))).collect();
            assert!((3..=12).contains(&reviews.len()), "{}", product.name);
            assert!(
                life.versions.is_sorted()
                    && life.versions.len() == product.changes.len()
                    && life.versions.iter().all(|at| *at < now)
            );
            assert!(life.sales.iter().all(|sale| sale.at > life.versions[0] && sale.at < now), "{}", product.name);
            assert!(reviews.iter().all(|(bought, (written, _))| written > bought && *written < now), "{}", product.name);
            let buyers: HashSet<_> = life.sales.iter().map(|sale| sale.buyer).collect();
            assert_eq!(buyers.len(), life.sales.len(), "{}: nobody buys twice", product.name);
            let bodies: HashSet<_> = reviews.iter().map(|(_, (_, opinion))| &opinion.body).collect();
            assert_eq!(bodies.len(), reviews.len(), "{}: nobody repeats another", product.name);
        }
        let total: usize = lives.iter().map(|life| life.sales.len()).sum();
        assert!((500..900).contains(&total), "{total} sales");
        assert!(lives.iter().flat_map(|life| &life.sales).any(|sale| sale.buyer == 0), "the first buyer bought something");
    }
}
