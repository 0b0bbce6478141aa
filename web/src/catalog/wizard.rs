//! `/dashboard/products/new` and `…/{product}/edit?step=`: the wizard. Each step is a form of its own that saves itself; a form that
//! cannot be saved comes back with everything that was typed and the errors beside the fields (PROD-16). Works without a
//! script, but for choosing files to upload.

use super::{field_errors, shapes::Labelled};
use crate::{
    App, FieldErrors, Result,
    auth::{SignedIn, Viewer},
    form::{Form, Path, Query},
    identity::origin,
    page::{Flash, flash, see_other},
};
use axum::{extract::State, response::Response};
use http::StatusCode;
use mywork::catalog::{
    self, category, check,
    image::{self, Image},
    licence::{self, LicenceKind, Offer, Rights},
    product::{self, Product, ProductKind},
    publish::{self, Missing},
    upload::{self, Upload},
    version::{self, Version},
    wizard::{self, Basics, Details, Step},
};
use mywork::db::Tx;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A form as it was typed, or as it is filled in from what is saved.
type Fields = BTreeMap<String, String>;

#[derive(Debug, Deserialize)]
pub(super) struct At {
    step: Option<Step>,
}

/// What every step shows around its form.
#[derive(Serialize)]
struct Frame {
    product: Option<Product>,
    step: Step,
    steps: Vec<Rung>,
    form: Fields,
    errors: FieldErrors,
}

/// A step in the header.
#[derive(Serialize)]
struct Rung {
    key: &'static str,
    label: &'static str,
    href: String,
    current: bool,
    done: bool,
}

#[derive(Serialize)]
struct BasicsPage {
    #[serde(flatten)]
    frame: Frame,
    categories: Vec<Choice>,
}

#[derive(Serialize)]
struct Choice {
    value: String,
    label: String,
}

#[derive(Serialize)]
struct DetailsPage {
    #[serde(flatten)]
    frame: Frame,
}

#[derive(Serialize)]
struct FilesPage {
    #[serde(flatten)]
    frame: Frame,
    images: Vec<Picture>,
    max_images: i64,
    versions: Vec<Version>,
    open_uploads: Vec<Upload>,
    suggested_number: String,
}

#[derive(Serialize)]
struct Picture {
    #[serde(flatten)]
    image: Image,
    card_key: Option<String>,
}

#[derive(Serialize)]
struct PricingPage {
    #[serde(flatten)]
    frame: Frame,
    licences: Vec<Row>,
}

/// One licence in the pricing form.
#[derive(Serialize)]
struct Row {
    licence: &'static str,
    rights: Rights,
    offered: bool,
    price: String,
    credits: String,
    downloads: String,
    updates: String,
    max_downloads: i32,
    max_updates: Option<i32>,
}

#[derive(Serialize)]
struct ReviewPage {
    #[serde(flatten)]
    frame: Frame,
    category: Option<String>,
    images: Vec<Picture>,
    offers: Vec<Offer>,
    newest: Option<Version>,
    checks: Vec<Labelled>,
    missing: Vec<Lack>,
    can_submit: bool,
}

#[derive(Serialize)]
struct Lack {
    sentence: String,
    href: String,
}

pub(super) async fn begin(State(app): State<App>, SignedIn(viewer): SignedIn) -> Result<Response> {
    if !viewer.is_seller {
        return Ok(see_other("/become-seller"));
    }
    new_page(&app, &viewer, StatusCode::OK, Fields::new(), FieldErrors::new()).await
}

pub(super) async fn create(State(app): State<App>, SignedIn(viewer): SignedIn, Form(fields): Form<Fields>) -> Result<Response> {
    let mut tx = app.db.begin(viewer.actor()).await?;
    let created = wizard::create(&mut tx, viewer.id, ProductKind::Code, &basics(&fields), &origin(), app.now()).await;
    match created {
        Ok(id) => {
            tx.commit().await?;
            let next = format!("/dashboard/products/{id}/edit?step={}", Step::Basics.next().as_str());
            Ok(flash(see_other(&next), Flash::success("Your draft is saved. Go on when you like.")))
        }
        Err(catalog::Error::Invalid(problems)) => {
            drop(tx);
            new_page(&app, &viewer, StatusCode::UNPROCESSABLE_ENTITY, fields, problems.into()).await
        }
        Err(error) => Err(error.into()),
    }
}

/// A product's own address leads to where its seller goes on.
pub(super) async fn enter(State(app): State<App>, SignedIn(viewer): SignedIn, Path(key): Path<String>) -> Result<Response> {
    let mut tx = app.db.begin(viewer.actor()).await?;
    let product = product::get_own(&mut tx, viewer.id, &key).await?;
    let missing = publish::missing(&mut tx, &product).await?;
    tx.commit().await?;
    let step = missing.first().map_or(Step::Review, |lack| lack.step);
    Ok(see_other(&step_address(&product, step)))
}

pub(super) async fn edit(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    Path(key): Path<String>,
    Query(at): Query<At>,
) -> Result<Response> {
    let mut tx = app.db.begin(viewer.actor()).await?;
    let product = product::get_own(&mut tx, viewer.id, &key).await?;
    show(&app, &viewer, tx, product, at.step.unwrap_or_default(), None, FieldErrors::new()).await
}

pub(super) async fn save(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    Path(key): Path<String>,
    Query(at): Query<At>,
    Form(fields): Form<Fields>,
) -> Result<Response> {
    let step = at.step.unwrap_or_default();
    let mut tx = app.db.begin(viewer.actor()).await?;
    let product = product::get_own(&mut tx, viewer.id, &key).await?;
    let errors = match step {
        Step::Basics => {
            let change_slug = fields.contains_key("change_slug");
            field_errors(wizard::save_basics(&mut tx, viewer.id, product.id, &basics(&fields), change_slug, app.now()).await)?
        }
        Step::Details => field_errors(wizard::save_details(&mut tx, viewer.id, product.id, &details(&fields), app.now()).await)?,
        Step::Pricing => match offers(&fields) {
            Ok(offers) => {
                field_errors(wizard::save_pricing(&mut tx, viewer.id, product.id, &offers, &origin(), app.now()).await)?
            }
            Err(errors) => errors,
        },
        Step::Files | Step::Review => FieldErrors::new(),
    };
    if errors.is_empty() {
        tx.commit().await?;
        let stay = fields.get("then").is_some_and(|then| then == "stay");
        let next = step_address(&product, if stay { step } else { step.next() });
        return Ok(flash(see_other(&next), Flash::success("Saved.")));
    }
    drop(tx);
    let tx = app.db.begin(viewer.actor()).await?;
    show(&app, &viewer, tx, product, step, Some(fields), errors).await
}

fn step_address(product: &Product, step: Step) -> String {
    format!("/dashboard/products/{}/edit?step={}", product.id, step.as_str())
}

async fn new_page(app: &App, viewer: &Viewer, status: StatusCode, form: Fields, errors: FieldErrors) -> Result<Response> {
    let mut tx = app.db.begin(viewer.actor()).await?;
    let categories = choices(&mut tx).await?;
    tx.commit().await?;
    let steps = Step::ALL.into_iter().map(|step| Rung {
        key: step.as_str(),
        label: step.label(),
        href: String::new(),
        current: step == Step::Basics,
        done: false,
    });
    let frame = Frame { product: None, step: Step::Basics, steps: steps.collect(), form, errors };
    app.page_with(status, viewer, "pages/catalog/edit_basics.html", &BasicsPage { frame, categories })
}

/// Shows one step, filled in from what is saved or with what was typed.
async fn show(
    app: &App,
    viewer: &Viewer,
    mut tx: Tx,
    product: Product,
    step: Step,
    typed: Option<Fields>,
    errors: FieldErrors,
) -> Result<Response> {
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let missing = publish::missing(&mut tx, &product).await?;
    let id = product.id;
    let mut frame =
        Frame { step, steps: rungs(&product, step, &missing), form: Fields::new(), errors, product: Some(product.clone()) };
    match step {
        Step::Basics => {
            let all = category::all(&mut *tx).await?;
            let saved = all.iter().find(|category| Some(category.id) == product.category_id);
            let saved = saved.map(|category| category.slug.clone()).unwrap_or_default();
            frame.form = typed.unwrap_or_else(|| filled_basics(&product, saved));
            let page = BasicsPage { frame, categories: choices(&mut tx).await? };
            tx.commit().await?;
            app.page_with(status, viewer, "pages/catalog/edit_basics.html", &page)
        }
        Step::Details => {
            tx.commit().await?;
            frame.form = typed.unwrap_or_else(|| filled_details(&product));
            app.page_with(status, viewer, "pages/catalog/edit_details.html", &DetailsPage { frame })
        }
        Step::Files => {
            let page = FilesPage {
                frame,
                images: pictures(image::images_of(&mut tx, id).await?),
                max_images: upload::MAX_IMAGES,
                versions: version::all_of(&mut tx, id).await?,
                open_uploads: upload::open_of(&mut tx, viewer.id, id).await?,
                suggested_number: version::suggest_number(&mut tx, id).await?,
            };
            tx.commit().await?;
            app.page_with(status, viewer, "pages/catalog/edit_files.html", &page)
        }
        Step::Pricing => {
            let saved = licence::offers_of(&mut tx, id).await?;
            tx.commit().await?;
            let licences = match &typed {
                Some(typed) => rows_as_typed(typed),
                None => rows_as_saved(&saved),
            };
            app.page_with(status, viewer, "pages/catalog/edit_pricing.html", &PricingPage { frame, licences })
        }
        Step::Review => {
            let newest = version::newest_of(&mut tx, id).await?;
            let all = category::all(&mut *tx).await?;
            let page = ReviewPage {
                frame,
                category: all.into_iter().find(|c| Some(c.id) == product.category_id).map(|c| c.name),
                images: pictures(image::images_of(&mut tx, id).await?),
                offers: licence::offers_of(&mut tx, id).await?,
                checks: match &newest {
                    Some(newest) => check::checks_of(&mut tx, newest.id).await?.into_iter().map(Labelled::from).collect(),
                    None => Vec::new(),
                },
                newest,
                can_submit: missing.is_empty() && product.state.is_submittable(),
                missing: missing
                    .into_iter()
                    .map(|lack| Lack {
                        href: format!("{}#{}", step_address(&product, lack.step), lack.field),
                        sentence: lack.sentence,
                    })
                    .collect(),
            };
            tx.commit().await?;
            app.page_with(status, viewer, "pages/catalog/edit_review.html", &page)
        }
    }
}

fn rungs(product: &Product, current: Step, missing: &[Missing]) -> Vec<Rung> {
    let rung = |step: Step| Rung {
        key: step.as_str(),
        label: step.label(),
        href: step_address(product, step),
        current: step == current,
        done: match step {
            Step::Review => !product.state.is_submittable(),
            step => missing.iter().all(|lack| lack.step != step),
        },
    };
    Step::ALL.into_iter().map(rung).collect()
}

fn pictures(images: Vec<Image>) -> Vec<Picture> {
    images.into_iter().map(|image| Picture { card_key: image.key("card").map(str::to_owned), image }).collect()
}

async fn choices(tx: &mut Tx) -> Result<Vec<Choice>> {
    let categories = category::all(&mut **tx).await?;
    let code = categories.into_iter().filter(|category| category.kind == ProductKind::Code);
    let choice = |category: category::Category| Choice {
        label: format!("{}{}", "– ".repeat(category.depth.into()), category.name),
        value: category.slug,
    };
    Ok(code.map(choice).collect())
}

fn text(fields: &Fields, name: &str) -> String {
    fields.get(name).cloned().unwrap_or_default()
}

fn basics(fields: &Fields) -> Basics {
    Basics {
        title: text(fields, "title"),
        short_description: text(fields, "short_description"),
        category: text(fields, "category"),
    }
}

fn details(fields: &Fields) -> Details {
    Details {
        description: text(fields, "description"),
        framework: text(fields, "framework"),
        requirements: text(fields, "requirements"),
        demo_url: text(fields, "demo_url"),
        docs_url: text(fields, "docs_url"),
        tech_stack: wizard::split_list(&text(fields, "tech_stack")),
        tags: wizard::split_list(&text(fields, "tags")),
    }
}

fn filled_basics(product: &Product, category: String) -> Fields {
    let fields =
        [("title", product.title.clone()), ("short_description", product.short_description.clone()), ("category", category)];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn filled_details(product: &Product) -> Fields {
    let fields = [
        ("description", product.description.clone()),
        ("framework", product.framework.clone()),
        ("requirements", product.requirements.clone()),
        ("demo_url", product.demo_url.clone().unwrap_or_default()),
        ("docs_url", product.docs_url.clone().unwrap_or_default()),
        ("tech_stack", product.tech_stack.join(", ")),
        ("tags", product.tags.join(", ")),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The offers of the form: a licence is offered when its box is ticked.
fn offers(fields: &Fields) -> Result<Vec<Offer>, FieldErrors> {
    let mut errors = FieldErrors::new();
    let mut offers = Vec::new();
    for kind in LicenceKind::ALL {
        let name = |part: &str| format!("{}_{part}", kind.as_str());
        if !fields.contains_key(&name("offered")) {
            continue;
        }
        let price = errors.ok(&name("price"), licence::parse_dollars(&text(fields, &name("price"))));
        let mut whole = |part: &str, sentence: &str| -> Option<i64> {
            let typed = text(fields, &name(part));
            match typed.trim() {
                "" => None,
                digits => errors.ok(&name(part), digits.parse::<i64>().map_err(|_| sentence)),
            }
        };
        let credits = whole("credits", "Write a whole number of credits.");
        let downloads = whole("downloads", "Write a whole number of downloads.");
        let updates = whole("updates", "Write a whole number of months.");
        let standard = Offer::at(kind, price.unwrap_or_default());
        let small = |number: i64| i32::try_from(number).unwrap_or(i32::MAX);
        offers.push(Offer {
            price_credits: credits,
            max_downloads: downloads.map_or(standard.max_downloads, small),
            update_months: updates.map(small).or(standard.update_months),
            ..standard
        });
    }
    if errors.is_empty() { Ok(offers) } else { Err(errors) }
}

fn rows_as_saved(offers: &[Offer]) -> Vec<Row> {
    let row = |kind: LicenceKind| {
        let saved = offers.iter().find(|offer| offer.licence == kind);
        let offer = saved.cloned().unwrap_or_else(|| Offer::at(kind, mywork::money::Cents::ZERO));
        Row {
            // What most products begin with.
            offered: saved.is_some() || (offers.is_empty() && kind == LicenceKind::Standard),
            price: saved.map(|offer| offer.price_cents.decimal()).unwrap_or_default(),
            credits: offer.price_credits.map(|credits| credits.to_string()).unwrap_or_default(),
            downloads: offer.max_downloads.to_string(),
            updates: offer.update_months.map(|months| months.to_string()).unwrap_or_default(),
            ..Row::of(kind)
        }
    };
    LicenceKind::ALL.into_iter().map(row).collect()
}

fn rows_as_typed(fields: &Fields) -> Vec<Row> {
    let row = |kind: LicenceKind| {
        let name = |part: &str| format!("{}_{part}", kind.as_str());
        Row {
            offered: fields.contains_key(&name("offered")),
            price: text(fields, &name("price")),
            credits: text(fields, &name("credits")),
            downloads: text(fields, &name("downloads")),
            updates: text(fields, &name("updates")),
            ..Row::of(kind)
        }
    };
    LicenceKind::ALL.into_iter().map(row).collect()
}

impl Row {
    fn of(kind: LicenceKind) -> Self {
        Self {
            licence: kind.as_str(),
            rights: kind.rights(),
            offered: false,
            price: String::new(),
            credits: String::new(),
            downloads: String::new(),
            updates: String::new(),
            max_downloads: kind.max_downloads(),
            max_updates: kind.update_months(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mywork::money::Cents;

    fn typed(pairs: &[(&str, &str)]) -> Fields {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn ticked_licences_are_offered_with_defaults_where_nothing_is_typed() {
        let form = typed(&[("standard_offered", "on"), ("standard_price", "49"), ("extended_price", "199")]);
        assert_eq!(offers(&form), Ok(vec![Offer::at(LicenceKind::Standard, Cents(4_900))]));
        let form = typed(&[
            ("enterprise_offered", "on"),
            ("enterprise_price", "$1,299.00"),
            ("enterprise_downloads", "100"),
            ("enterprise_updates", ""),
            ("enterprise_credits", "130000"),
        ]);
        let offer = offers(&form).expect("an offer").remove(0);
        assert_eq!((offer.price_cents, offer.max_downloads, offer.update_months), (Cents(129_900), 100, None));
        assert_eq!(offer.price_credits, Some(130_000));
    }

    #[test]
    fn what_is_no_number_is_told_beside_its_field() {
        let form = typed(&[("standard_offered", "on"), ("standard_price", "free"), ("standard_downloads", "many")]);
        let errors = offers(&form).expect_err("errors");
        let fields: Vec<_> = errors.iter().map(|(field, _)| field.to_owned()).collect();
        assert_eq!(fields, ["standard_downloads", "standard_price"]);
    }

    #[test]
    fn a_form_that_failed_shows_what_was_typed() {
        let rows = rows_as_typed(&typed(&[("standard_offered", "on"), ("standard_price", "forty")]));
        assert_eq!((rows[0].offered, rows[0].price.as_str()), (true, "forty"));
        assert!(!rows[1].offered);
    }
}
