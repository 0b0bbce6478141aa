//! `/legal/…`: texts an operator edits as Markdown in `templates/legal/`. The first line is the title, the second says when it
//! was last changed.

use crate::{App, Error, Result, auth::Visitor, form::Path, templates::markdown};
use axum::{Router, extract::State, response::Response, routing::get};
use serde::Serialize;

/// The texts there are: file, and name in the list beside them.
const TEXTS: [(&str, &str); 6] = [
    ("terms", "Terms of service"),
    ("privacy", "Privacy"),
    ("sellers", "For sellers"),
    ("credits", "Credits"),
    ("refunds", "Refunds"),
    ("dmca", "Copyright"),
];

pub fn pages() -> Router<App> {
    Router::new().route("/legal/{text}", get(show))
}

#[derive(Serialize)]
struct Page<'a> {
    name: &'a str,
    title: &'a str,
    changed: &'a str,
    html: String,
    texts: [(&'static str, &'static str); 6],
}

async fn show(State(app): State<App>, visitor: Visitor, Path(name): Path<String>) -> Result<Response> {
    let (file, title) = TEXTS.into_iter().find(|(file, _)| *file == name).ok_or(Error::NotFound("text"))?;
    let text = app.templates.text(&format!("legal/{file}.md")).ok_or(Error::NotFound("text"))?;
    let (changed, body) = split(&text);
    app.page(&visitor, "pages/ops/legal.html", &Page { name: file, title, changed, html: markdown(body), texts: TEXTS })
}

/// The line that says when the text was changed, and the text below it.
fn split(text: &str) -> (&str, &str) {
    let below = text.split_once('\n').map_or("", |(_title, below)| below).trim_start();
    below.split_once('\n').map_or((below, ""), |(changed, body)| (changed.trim(), body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{assets::Assets, templates::Templates};

    #[test]
    fn every_text_is_there_and_begins_as_it_should() {
        let templates = Templates::new(Assets::new());
        for (file, _) in TEXTS {
            let text = templates.text(&format!("legal/{file}.md")).unwrap_or_else(|| panic!("legal/{file}.md is missing"));
            assert!(text.starts_with("# "), "{file}");
            let (changed, body) = split(&text);
            assert!(changed.starts_with("Last changed"), "{file}");
            assert!(body.len() > 400, "{file} says something");
        }
    }
}
