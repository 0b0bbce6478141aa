//! Templates: embedded in the binary, read from disk while developing, rendered strictly. A name that the context does not have
//! is an error and never an empty string; `none` prints as nothing.
//!
//! Filters: `money` (cents), `number`, `bytes`, `ago` and `exact` (times), `markdown` (sanitised), `media` (storage key),
//! `asset` (static file), `initials`.

use crate::assets::Assets;
use ammonia::Builder;
use chrono::{DateTime, Utc};
pub use minijinja::value::Serde;
use minijinja::{Environment, Error, ErrorKind, State, TemplateSource, UndefinedBehavior, Value, escape_formatter};
use mywork::money::Cents;
use rust_embed::Embed;
use std::{
    collections::HashSet,
    path::Path,
    sync::{Arc, LazyLock},
};

#[derive(Embed)]
#[folder = "../templates"]
struct Embedded;

/// Where the sources are while developing.
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../templates");

/// All templates, ready to render; cheap to clone.
#[derive(Clone, Debug)]
pub struct Templates(Arc<Environment<'static>>);

impl Templates {
    /// The templates of this build, with `assets` behind the filter `asset`.
    pub fn new(assets: Assets) -> Self {
        let mut environment = Environment::new();
        environment.set_loader(load);
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_formatter(|out, state, value| if value.is_none() { Ok(()) } else { escape_formatter(out, state, value) });
        environment.add_filter("asset", move |path: &str| {
            assets.url(path).map(Value::from_safe_string).ok_or_else(|| invalid(format!("there is no static/{path}")))
        });
        environment.add_filter("money", |cents: i64| Cents(cents).to_string());
        environment.add_filter("number", number);
        environment.add_filter("bytes", bytes);
        environment.add_filter("ago", ago);
        environment.add_filter("exact", exact);
        environment.add_filter("markdown", |source: &str| Value::from_safe_string(markdown(source)));
        environment.add_filter("media", |key: &str| Value::from_safe_string(media(key)));
        environment.add_filter("initials", initials);
        Self(Arc::new(environment))
    }

    /// Renders a template.
    ///
    /// # Errors
    /// When it is missing or uses a name that the context does not have; the error says where.
    pub fn render(&self, name: &str, context: Value) -> anyhow::Result<String> {
        let rendered = self.0.get_template(name).and_then(|template| template.render(context));
        rendered.map_err(|error| anyhow::anyhow!("{name}: {error:#}"))
    }

    /// A text that lies beside the templates, as the legal pages do.
    pub fn text(&self, name: &str) -> Option<String> {
        source(name)
    }
}

fn source(name: &str) -> Option<String> {
    if cfg!(debug_assertions) && !name.split('/').any(|part| part == "..") && Path::new(SOURCES).is_dir() {
        return std::fs::read_to_string(Path::new(SOURCES).join(name)).ok();
    }
    Embedded::get(name).and_then(|file| String::from_utf8(file.data.into_owned()).ok())
}

fn load(name: &str) -> Result<Option<TemplateSource>, Error> {
    let Some(text) = source(name) else { return Ok(None) };
    if !cfg!(debug_assertions) {
        return Ok(Some(TemplateSource::new(text)));
    }
    let (name, seen) = (name.to_owned(), text.clone());
    Ok(Some(TemplateSource::new(text).with_uptodate_check(move || source(&name).is_some_and(|now| now == seen))))
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}

/// `12,345`; `4.7` keeps its fraction.
fn number(value: &Value) -> Result<String, Error> {
    let text = value.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("−", digits));
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(invalid(format!("`{text}` is not a number")));
    }
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().filter_map(|chunk| std::str::from_utf8(chunk).ok()).collect();
    let fraction = if fraction.is_empty() || fraction == "0" { String::new() } else { format!(".{fraction}") };
    Ok(format!("{sign}{}{fraction}", groups.join(",")))
}

/// `4.2 MB`, in powers of 1,000 as shops and file managers show it.
fn bytes(size: u64) -> String {
    const UNITS: [&str; 4] = ["KB", "MB", "GB", "TB"];
    if size < 1_000 {
        return format!("{size} B");
    }
    let mut tenths = size / 100;
    let mut unit = 0;
    while tenths >= 10_000 && unit + 1 < UNITS.len() {
        tenths /= 1_000;
        unit += 1;
    }
    if tenths.is_multiple_of(10) || tenths >= 1_000 {
        format!("{} {}", tenths / 10, UNITS[unit])
    } else {
        format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
    }
}

fn time(value: &Value) -> Result<DateTime<Utc>, Error> {
    let text = value.as_str().ok_or_else(|| invalid(format!("`{value}` is not a time")))?;
    DateTime::parse_from_rfc3339(text).map(|t| t.to_utc()).map_err(|_| invalid(format!("`{text}` is not a time")))
}

/// `<time>3 hours ago</time>`, with the exact time on hover.
fn ago(state: &State, value: &Value) -> Result<Value, Error> {
    let at = time(value)?;
    let now = state.lookup("now").map_or_else(|| Ok(at), |now| time(&now))?;
    Ok(element(at, "relative", &relative(at, now)))
}

/// `<time>1 Mar 2026, 14:05 UTC</time>`.
fn exact(value: &Value) -> Result<Value, Error> {
    let at = time(value)?;
    Ok(element(at, "exact", &written(at)))
}

fn element(at: DateTime<Utc>, kind: &str, text: &str) -> Value {
    let machine = at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    Value::from_safe_string(format!(r#"<time datetime="{machine}" title="{}" data-time="{kind}">{text}</time>"#, written(at)))
}

fn written(at: DateTime<Utc>) -> String {
    at.format("%-d %b %Y, %H:%M UTC").to_string()
}

fn relative(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let seconds = (now - at).num_seconds();
    let distance = seconds.unsigned_abs();
    let (count, unit) = match distance {
        0..45 => return if seconds >= 0 { "just now".to_owned() } else { "in a moment".to_owned() },
        45..3_600 => ((distance + 30) / 60, "minute"),
        3_600..86_400 => ((distance + 1_800) / 3_600, "hour"),
        86_400..2_592_000 => ((distance + 43_200) / 86_400, "day"),
        2_592_000..31_536_000 => (distance / 2_592_000, "month"),
        _ => (distance / 31_536_000, "year"),
    };
    let count = count.max(1);
    let plural = if count == 1 { "" } else { "s" };
    if seconds >= 0 { format!("{count} {unit}{plural} ago") } else { format!("in {count} {unit}{plural}") }
}

/// Where a public stored object is shown; nothing in it needs escaping.
pub(crate) fn media(key: &str) -> String {
    let encoded: Vec<String> = key
        .split('/')
        .map(|part| url::form_urlencoded::byte_serialize(part.as_bytes()).collect::<String>().replace('+', "%20"))
        .collect();
    format!("/media/{}", encoded.join("/"))
}

/// `AL` of `Ada Lovelace`, for people without a picture.
fn initials(name: &str) -> String {
    let words: Vec<&str> = name.split_whitespace().collect();
    let picked = match words.as_slice() {
        [] => return "?".to_owned(),
        [one] => vec![*one],
        [first, .., last] => vec![*first, *last],
    };
    picked.iter().filter_map(|word| word.chars().next()).flat_map(char::to_uppercase).collect()
}

/// Markdown as people write it, in HTML that can do no harm: no scripts, styles, frames or handlers; links of others tell
/// search engines and the linked site nothing.
pub fn markdown(source: &str) -> String {
    use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};
    static SANITISER: LazyLock<Builder<'static>> = LazyLock::new(|| {
        let mut builder = Builder::default();
        builder
            .rm_tags(["img", "map", "area", "article", "aside", "header", "footer", "nav", "hgroup", "center"])
            .add_tags(["input"])
            .add_tag_attributes("input", ["type", "checked", "disabled"])
            .add_tag_attribute_values("code", "class", std::iter::empty::<&str>())
            .url_schemes(HashSet::from(["http", "https", "mailto"]))
            .link_rel(Some("nofollow noopener noreferrer ugc"));
        builder
    });
    // A text is part of a page that has its own title: its headings begin below.
    let lower = |level: HeadingLevel| match level {
        HeadingLevel::H1 | HeadingLevel::H2 => HeadingLevel::H3,
        HeadingLevel::H3 => HeadingLevel::H4,
        HeadingLevel::H4 => HeadingLevel::H5,
        HeadingLevel::H5 | HeadingLevel::H6 => HeadingLevel::H6,
    };
    let events = Parser::new_ext(source, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS).map(
        |event| match event {
            Event::Start(Tag::Heading { level, .. }) => {
                Event::Start(Tag::Heading { level: lower(level), id: None, classes: vec![], attrs: vec![] })
            }
            Event::End(TagEnd::Heading(level)) => Event::End(TagEnd::Heading(lower(level))),
            // Written HTML is shown as text, not taken for markup.
            Event::Html(raw) | Event::InlineHtml(raw) => Event::Text(raw),
            other => other,
        },
    );
    let mut rendered = String::with_capacity(source.len() * 2);
    html::push_html(&mut rendered, events);
    SANITISER.clean(&rendered).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use minijinja::context;

    fn templates() -> Templates {
        Templates::new(Assets::new())
    }

    #[test]
    fn every_template_compiles() {
        let templates = templates();
        let mut faults = Vec::new();
        let names: Vec<_> = Embedded::iter().filter(|name| name.ends_with(".html") && !name.starts_with("emails/")).collect();
        assert!(names.len() > 10, "the templates are embedded");
        for name in names {
            if let Err(error) = templates.0.get_template(&name) {
                faults.push(format!("{name}: {error:#}"));
            }
        }
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }

    #[test]
    fn pages_of_errors_render_for_everybody() {
        let templates = templates();
        let person = context! {
            id => "1", username => "ada", display_name => "Ada Lovelace", email => "ada@example.com", email_verified => true,
            avatar_url => "/avatars/ada.svg", is_seller => true, is_admin => true,
        };
        let problem = context! { status => 404, title => "T", detail => "D.", errors => vec![context! { field => "title", detail => "Too short." }] };
        for viewer in [Value::from(()), person] {
            for page in ["403", "404", "429", "500", "503", "refused"] {
                let context = context! {
                    viewer => viewer.clone(), problem => problem.clone(), path => "/x",
                    flash => context! { kind => "success", message => "<b>Saved</b>" },
                    now => "2026-03-01T12:00:00Z", base_url => "", request_id => "0123", back => "/y",
                };
                let html =
                    templates.render(&format!("pages/errors/{page}.html"), context).unwrap_or_else(|error| panic!("{error:#}"));
                assert!(html.contains("<h1>") && html.contains("&lt;b&gt;Saved&lt;"), "{page}");
                assert!(
                    !html.contains(" style=") && !html.contains("<script>") && !html.contains(" onclick"),
                    "{page} breaks the policy"
                );
            }
        }
    }

    #[test]
    fn the_parts_render_with_what_they_must_be_given() {
        let source = r#"
            {% from "parts/forms.html" import field, textarea, select, checkbox, radio_cards, submit, form_errors %}
            {% from "parts/badge.html" import badge, status %}
            {% from "parts/pager.html" import pager %}
            {% from "parts/empty.html" import empty %}
            {% from "parts/confirm.html" import confirm %}
            {% from "parts/stars.html" import stars %}
            {% from "parts/avatar.html" import avatar %}
            {{ form_errors(errors) }}{{ field("title", "Title", none, errors, hint="Short.", required=true) }}{{ field("p", "P", type="password", value="secret") }}
            {{ textarea("body", "Body", "<x>", errors) }}{{ select("kind", "Kind", [["a", "A"], {"value": "b", "label": "B"}], "b", errors) }}
            {{ checkbox("ok", "OK") }}{{ radio_cards("l", "L", [{"value": 1, "label": "One"}], 1) }}{{ submit("Go") }}
            {{ status("partially_refunded") }}{{ status("never_heard_of") }}{{ badge("x") }}{{ pager(next="/n", first=1, last=9, total=60) }}
            {{ empty("None") }}{{ confirm("/d", "Delete", "“It”") }}{% call confirm("/d", "Refuse", "it") %}why{% endcall %}
            {{ stars(4.3, 1) }}{{ stars(none) }}{{ avatar("Ada Lovelace") }}
        "#;
        let environment = &templates().0;
        let html = environment
            .template_from_named_str("sample.html", source)
            .and_then(|template| template.render(context! { errors => context! { title => vec!["Too short.", "Too plain."] } }));
        let html = html.unwrap_or_else(|error| panic!("{error:#}"));
        assert!(
            html.contains(r#"aria-describedby="title-hint title-error""#)
                && html.contains(r##"<a href="#title">Too plain.</a>"##),
            "{html}"
        );
        assert!(
            html.contains("&lt;x&gt;") && !html.contains("secret"),
            "what was typed is escaped, and a password is not repeated"
        );
        assert!(
            html.contains(r#"<option value="b" selected>"#)
                && html.contains("Partly refunded")
                && html.contains("Never heard of"),
            "{html}"
        );
        assert!(html.contains("4.3 of 5 stars, 1 review\"") && html.contains("No reviews yet") && html.contains("why"), "{html}");
    }

    #[test]
    fn a_name_the_context_does_not_have_is_an_error() {
        let environment = &templates().0;
        assert!(environment.render_str("{{ absent }}", context! {}).is_err());
        assert!(environment.render_str("{% if absent %}{% endif %}", context! {}).is_err());
        assert_eq!(environment.render_str("[{{ nothing }}]", context! { nothing => () }).expect("renders"), "[]");
    }

    #[test]
    fn amounts_and_sizes_are_written_for_people() {
        assert_eq!(number(&Value::from(1_234_567)).expect("a number"), "1,234,567");
        assert_eq!(number(&Value::from(4.5)).expect("a number"), "4.5");
        assert_eq!(number(&Value::from(-1_000)).expect("a number"), "−1,000");
        assert_eq!(
            [0, 999, 1_000, 4_200_000, 123_456_789, 5_000_000_000].map(bytes),
            ["0 B", "999 B", "1 KB", "4.2 MB", "123 MB", "5 GB"]
        );
        assert_eq!(initials("Ada King Lovelace"), "AL");
        assert_eq!(media("public/a b.webp"), "/media/public/a%20b.webp");
    }

    #[test]
    fn times_are_relative_to_the_page() {
        let now: DateTime<Utc> = "2026-03-01T12:00:00Z".parse().expect("a time");
        let at = |minutes: i64| now - chrono::Duration::minutes(minutes);
        assert_eq!(relative(at(0), now), "just now");
        assert_eq!(relative(at(1), now), "1 minute ago");
        assert_eq!(relative(at(90), now), "2 hours ago");
        assert_eq!(relative(at(60 * 24 * 45), now), "1 month ago");
        assert_eq!(relative(at(-60 * 24 * 3), now), "in 3 days");
    }

    #[test]
    fn markdown_keeps_words_and_drops_what_acts() {
        let html = markdown(
            "# Hi\n\n<script>alert(1)</script>\n\n\
             a <img src=x onerror=alert(1)> [x](javascript:alert(1)) ![p](http://a/b.png) **bold** [ok](https://a.test)",
        );
        assert!(html.contains("<h3>Hi</h3>") && html.contains("<strong>bold</strong>"), "{html}");
        assert!(!html.contains("<script") && !html.contains("javascript:") && !html.contains("<img"), "{html}");
        assert!(html.contains(r#"href="https://a.test" rel="nofollow noopener noreferrer ugc""#), "{html}");
    }
}
