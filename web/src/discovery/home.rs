//! `/`: what this is, what is on it, and why to sell here. The numbers are counted, never written by hand, and a part that
//! would be empty is left out.

use crate::{App, Result, auth::Visitor};
use axum::{extract::State, response::Response};
use mywork::catalog::{
    browse::{self, Card, Figures},
    category::{self, Shelf},
};
use serde::Serialize;

const ROW: i64 = 6;
const SHELVES: usize = 8;

#[derive(Serialize)]
struct Home {
    figures: Figures,
    /// Main categories that have something in them.
    shelves: Vec<Shelf>,
    featured: Vec<Card>,
    popular: Vec<Card>,
    newest: Vec<Card>,
}

pub(super) async fn show(State(app): State<App>, visitor: Visitor) -> Result<Response> {
    let pool = app.db.public();
    let (figures, shelves, featured, popular, newest) = tokio::try_join!(
        browse::figures(pool),
        category::shelves(pool),
        browse::featured(pool, app.now(), 3),
        browse::popular(pool, ROW),
        browse::newest(pool, ROW),
    )?;
    let shelves = shelves.into_iter().filter(|shelf| shelf.category.depth == 0 && shelf.products > 0).take(SHELVES).collect();
    app.page(&visitor, "pages/discovery/home.html", &Home { figures, shelves, featured, popular, newest })
}
