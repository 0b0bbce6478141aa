//! E-mail templates: `templates/emails/<name>.{subject,txt,html}`, compiled into the program and all parsed at start. A name
//! that the context does not have is an error, not a gap in somebody's mail. Text and subject are not escaped, HTML is.
//! Templates know each other as `emails/<file>`: an HTML one extends `emails/layout.html`, which has the blocks and macros.
//!
//! Beside each stands `<name>.sample.json`, a context such as the domain gives it; the test below renders every template with
//! its sample.

use chrono::{DateTime, Datelike, Utc};
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, context, syntax::SyntaxConfig, value::Serde};
use rust_embed::RustEmbed;
use serde_json::Value as Json;
use std::{borrow::Cow, sync::Arc};

#[derive(RustEmbed)]
#[folder = "../templates/emails"]
struct Files;

/// The templates; cheap to clone.
#[derive(Clone)]
pub struct EmailTemplates {
    environment: Arc<Environment<'static>>,
    base_url: String,
}

/// An e-mail ready to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    pub subject: String,
    pub text: String,
    pub html: String,
}

#[derive(Debug, thiserror::Error)]
#[error("the e-mail template {file} cannot be used: {reason}")]
pub struct TemplateError {
    file: String,
    reason: String,
}

impl TemplateError {
    fn new(file: &str, error: impl std::fmt::Display) -> Self {
        Self { file: file.to_owned(), reason: error.to_string() }
    }
}

impl EmailTemplates {
    /// Parses every template; links in them begin with `base_url`.
    ///
    /// # Errors
    /// When one of them is no template.
    pub fn new(base_url: &str) -> Result<Self, TemplateError> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|name| if name.ends_with(".html") { AutoEscape::Html } else { AutoEscape::None });
        // A tag on a line of its own leaves no empty line in a text.
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.map_err(|error| TemplateError::new("emails", error))?);
        environment.add_filter("money", money);
        for file in Files::iter().filter(|file| is_template(file)) {
            let source = source_of(&file)?;
            environment.add_template_owned(format!("emails/{file}"), source).map_err(|error| TemplateError::new(&file, error))?;
        }
        Ok(Self { environment: Arc::new(environment), base_url: base_url.trim_end_matches('/').to_owned() })
    }

    /// The e-mail `name` for this `context`, an object whose fields are the template's variables.
    ///
    /// # Errors
    /// When there is no such template, or it names something the context does not have.
    pub fn render(&self, name: &str, context: &Json, now: DateTime<Utc>) -> Result<Rendered, TemplateError> {
        let around = context! { base_url => self.base_url.as_str(), year => now.year(), ..Value::from(Serde(context)) };
        let part = |extension: &str| {
            let file = format!("emails/{name}.{extension}");
            let template = self.environment.get_template(&file).map_err(|error| TemplateError::new(&file, error))?;
            template.render(around.clone()).map_err(|error| TemplateError::new(&file, format!("{error:#}")))
        };
        let subject = part("subject")?.split_whitespace().collect::<Vec<_>>().join(" ");
        Ok(Rendered { subject, text: format!("{}\n", part("txt")?.trim()), html: part("html")? })
    }
}

/// Cents as `$1,299.00`.
fn money(cents: i64) -> String {
    mywork::money::Cents(cents).to_string()
}

fn is_template(file: &str) -> bool {
    [".subject", ".txt", ".html"].iter().any(|extension| file.ends_with(extension))
}

fn source_of(file: &str) -> Result<String, TemplateError> {
    let data = Files::get(file).map(|found| found.data).unwrap_or(Cow::Borrowed(b""));
    String::from_utf8(data.into_owned()).map_err(|error| TemplateError::new(file, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn names() -> Vec<String> {
        let mut names: Vec<String> = Files::iter().filter_map(|file| file.strip_suffix(".subject").map(str::to_owned)).collect();
        names.sort();
        names
    }

    #[test]
    fn every_template_renders_with_its_sample() {
        let templates = EmailTemplates::new("https://mywork.test/").expect("all parse");
        let names = names();
        assert!(names.iter().any(|name| name == "verify"));
        for name in names {
            let sample = source_of(&format!("{name}.sample.json")).expect("text");
            let sample: Json = serde_json::from_str(&sample).unwrap_or_else(|e| panic!("{name}.sample.json: {e}"));
            let email = templates.render(&name, &sample, Utc::now()).unwrap_or_else(|e| panic!("{e}"));
            assert!((5..=90).contains(&email.subject.chars().count()), "subject of {name}: {}", email.subject);
            assert!(email.text.contains("https://mywork.test/"), "{name}.txt leads nowhere");
            assert!(email.html.contains("<html") && email.html.trim_end().ends_with("</html>"), "{name}.html is no page");
            assert!(!email.text.contains("<p") && !email.text.contains("&amp;"), "{name}.txt has HTML in it");
        }
    }

    #[test]
    fn what_people_wrote_is_escaped_in_html_only() {
        let templates = EmailTemplates::new("https://mywork.test").expect("all parse");
        let context = json!({ "display_name": "<b>Ada & Co</b>", "secret": { "token": "t" } });
        let email = templates.render("verify", &context, Utc::now()).expect("rendered");
        assert!(email.text.contains("<b>Ada & Co</b>"));
        assert!(email.html.contains("&lt;b&gt;Ada &amp; Co") && !email.html.contains("<b>Ada"));
    }

    #[test]
    fn a_missing_name_is_an_error() {
        let templates = EmailTemplates::new("https://mywork.test").expect("all parse");
        let error = templates.render("verify", &json!({}), Utc::now()).expect_err("strict");
        assert!(error.to_string().contains("verify."), "{error}");
        assert!(templates.render("no_such_template", &json!({}), Utc::now()).is_err());
    }
}
