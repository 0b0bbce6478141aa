//! The people of the stories: how each comes to the site, and what they do there over and over.

use super::{person::Person, stage::Stage};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::Executor;

pub const PASSWORD: &str = "an unlikely phrase 42";
pub const CARD: &str = "4242424242424242";
pub const DECLINED_CARD: &str = "4000000000000002";

impl Stage {
    /// Signs up and confirms the address with the link that was mailed.
    pub async fn signs_up(&self, name: &str) -> Person {
        let person = self.person();
        let email = format!("{name}@example.com");
        let fields = [
            ("username", name),
            ("display_name", name),
            ("email", &email),
            ("password", PASSWORD),
            ("accept_terms", "on"),
            ("next", ""),
        ];
        person.sends("/sign-up", &fields).await.ok();
        self.work().await;
        let link = self.link_mailed_to(&email, "/verify-email?");
        let token = link.split_once("token=").expect("a token in the link").1.to_owned();
        person.opens(&link).await.ok();
        person.sends("/verify-email", &[("token", &token)]).await.ok();
        person
    }

    /// The first link to this page that was mailed to somebody, from its path on.
    #[track_caller]
    pub fn link_mailed_to(&self, email: &str, page: &str) -> String {
        let mails = self.sandbox.outbox().to(email);
        let mut words = mails.iter().filter_map(|mail| mail.text.as_deref()).flat_map(str::split_whitespace);
        let link = words.find(|word| word.contains(page)).unwrap_or_else(|| panic!("no link to {page} was mailed to {email}"));
        link.trim_start_matches(self.config.base_url.as_str().trim_end_matches('/')).to_owned()
    }

    pub async fn seller(&self, name: &str) -> Person {
        let seller = self.signs_up(name).await;
        seller.sends("/become-seller", &[("accept_terms", "on"), ("headline", "Makes things")]).await.ok();
        seller
    }

    pub async fn admin(&self, name: &str) -> Person {
        let admin = self.signs_up(name).await;
        let made = format!("UPDATE accounts SET is_admin = true WHERE email = '{name}@example.com'");
        self.look().await.execute(sqlx::AssertSqlSafe(made)).await.expect("an admin is made");
        admin
    }

    /// Fills in the wizard up to the files and returns the product's id.
    pub async fn drafts(&self, seller: &Person, title: &str, price: &str) -> String {
        let shelf = "INSERT INTO categories (id, kind, slug, name) VALUES (gen_random_uuid(), 'code', 'automation', 'Automation') ON CONFLICT DO NOTHING";
        self.look().await.execute(shelf).await.expect("a category");
        let basics = [("title", title), ("short_description", "Saves you an afternoon."), ("category", "automation")];
        let page = seller.sends("/dashboard/products/new", &basics).await.ok();
        let id = page.path.split('/').nth(3).expect("the draft's address").to_owned();
        let description =
            "It does one thing and does it well: it says hello to the world, in a hundred characters and a few more of them.";
        let details = [
            ("description", description),
            ("framework", ""),
            ("requirements", "Rust"),
            ("demo_url", ""),
            ("docs_url", ""),
            ("tech_stack", "rust, tokio"),
            ("tags", "hello"),
        ];
        seller.sends(&format!("/dashboard/products/{id}/edit?step=details"), &details).await.ok();
        let pricing = [("standard_offered", "on"), ("standard_price", price)];
        seller.sends(&format!("/dashboard/products/{id}/edit?step=pricing"), &pricing).await.ok();
        id
    }

    /// Uploads a package as the page's script does, straight to the storage, and returns the new version's id.
    pub async fn uploads(&self, seller: &Person, product: &str, number: &str, package: &[u8]) -> String {
        let upload = self.sends_package(seller, product, number, package).await;
        self.completes(seller, &upload, number).await
    }

    /// Brings a package to the storage and returns the upload's id; it is not declared complete yet.
    pub async fn sends_package(&self, seller: &Person, product: &str, number: &str, package: &[u8]) -> String {
        let begin = json!({ "product": product, "purpose": "package", "file_name": "starter.zip", "size_bytes": package.len(), "number": number });
        let (status, upload) = seller.calls(Method::POST, "/api/uploads", Some(&begin)).await;
        assert_eq!(status, StatusCode::CREATED, "{upload}");
        let put = reqwest::Client::new()
            .put(text(&upload, "put_url"))
            .header("content-type", text(&upload, "content_type"))
            .body(package.to_vec())
            .send()
            .await
            .expect("the storage answers");
        assert!(put.status().is_success(), "{}", put.text().await.unwrap_or_default());
        text(&upload, "id")
    }

    /// Declares a package complete and returns the new version's id.
    pub async fn completes(&self, seller: &Person, upload: &str, number: &str) -> String {
        let about = json!({ "version": { "number": number, "changelog": "The first one." } });
        let (status, done) = seller.calls(Method::POST, &format!("/api/uploads/{upload}/complete"), Some(&about)).await;
        assert!(status.is_success(), "{status} {done}");
        text(&done["version"], "id")
    }

    /// A product that is on sale: drafted, uploaded, checked, approved.
    pub async fn sells(&self, seller: &Person, admin: &Person, title: &str, price: &str, package: &[u8]) -> Listing {
        let product = self.drafts(seller, title, price).await;
        let version = self.uploads(seller, &product, "1.0.0", package).await;
        seller.sends(&format!("/dashboard/products/{product}/submit"), &[]).await.ok();
        self.work().await;
        self.approves(admin, &version).await;
        let slug = self.text(&format!("SELECT slug FROM products WHERE id = '{product}'")).await;
        Listing { product, version, slug }
    }

    pub async fn approves(&self, admin: &Person, version: &str) {
        let case = admin.opens(&format!("/admin/approvals/{version}")).await.ok();
        let seen = case.between("name=\"seen\" value=\"", "\"");
        admin.sends(&format!("/admin/approvals/{version}/approve"), &[("seen", &seen)]).await.ok();
        self.work().await;
    }

    /// Presses the button of the checkout page; returns the checkout's id and the payment intent's.
    pub async fn checks_out(&self, buyer: &Person, slug: &str) -> (String, String) {
        buyer.opens(&format!("/checkout/{slug}?licence=standard")).await.ok();
        buyer.sends(&format!("/checkout/{slug}"), &[("licence", "standard")]).await.ok();
        let mut look = self.look().await;
        sqlx::query_as("SELECT id::text, payment_intent_id FROM checkouts ORDER BY created_at DESC LIMIT 1")
            .fetch_one(&mut look)
            .await
            .expect("a checkout")
    }

    /// Pays by the card form, and waits until the webhook has arrived.
    pub async fn pays(&self, intent: &str, card: &str) -> Result<String, mywork_sandbox::stripe::NotPaid> {
        let before = self.events_received().await;
        let paid = self.sandbox.stripe().pay(intent, card);
        super::until("the webhook arrives", async || self.events_received().await > before).await;
        paid
    }

    pub async fn events_received(&self) -> i64 {
        self.count("SELECT count(*) FROM webhook_events").await
    }
}

/// What is on sale.
#[derive(Debug)]
pub struct Listing {
    pub product: String,
    pub version: String,
    pub slug: String,
}

/// A text of a JSON object.
#[track_caller]
pub fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_else(|| panic!("no {field} in {value}")).to_owned()
}
