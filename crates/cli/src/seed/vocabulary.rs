//! What a product is about, in the words of each programming language: the context in which the templates of packages are
//! rendered.

use super::content::{Product, Seller};
use anyhow::{Context, bail};
use serde::Serialize;

/// Everything a template can say.
#[derive(Debug, Serialize)]
pub struct Vocabulary<'p> {
    pub name: &'p str,
    /// The name as an identifier of a type.
    #[serde(rename = "Name")]
    pub type_name: String,
    pub package: &'p str,
    /// The package as an identifier.
    pub module: String,
    /// The package as a CSS class.
    pub css: &'p str,
    pub title: &'p str,
    pub short: &'p str,
    pub stack: &'p str,
    pub tech: &'p [String],
    pub seller: &'p str,
    pub seller_slug: &'p str,
    pub year: i32,
    pub version: &'p str,
    pub changes: Vec<Change<'p>>,
    /// A version after the first.
    pub later: bool,
    pub runs_programs: bool,
    /// Bullets of the description, without their marks.
    pub features: Vec<String>,
    pub entity: &'p str,
    pub entities: &'p str,
    #[serde(rename = "entityCamel")]
    pub entity_camel: String,
    pub entities_attr: String,
    #[serde(rename = "Entity")]
    pub entity_type: String,
    #[serde(rename = "Entities")]
    pub entities_type: String,
    pub entity_words: String,
    pub entities_words: String,
    #[serde(rename = "Entities_words")]
    pub entities_title: String,
    pub fields: Vec<Field>,
    pub has_money: bool,
    pub port: u16,
    pub indent: u8,
    /// `#rrggbb`
    pub accent: String,
    /// `rrggbb`
    pub accent_hex: String,
}

/// One version's line in the change log.
#[derive(Debug, Serialize)]
pub struct Change<'p> {
    pub number: &'p str,
    pub text: &'p str,
}

/// One field of the entity.
#[derive(Debug, Serialize)]
pub struct Field {
    pub name: String,
    pub camel: String,
    pub pascal: String,
    pub label: String,
    /// How a row of SQLite becomes the value in Dart, and back.
    pub dart_read: String,
    pub dart_write: String,
    #[serde(flatten)]
    pub kind: &'static Kind,
}

/// A kind of value, in every language.
#[derive(Debug, Serialize)]
pub struct Kind {
    pub kind: &'static str,
    pub zod: &'static str,
    pub ts_plain: &'static str,
    pub ts_sample: &'static str,
    pub ts_empty: &'static str,
    pub json_sample: &'static str,
    pub prisma: &'static str,
    pub sql: &'static str,
    pub sqlite: &'static str,
    pub py: &'static str,
    pub py_row: &'static str,
    pub py_plain: &'static str,
    pub py_parser: &'static str,
    pub py_sample: &'static str,
    pub rs: &'static str,
    pub go: &'static str,
    pub go_json_sample: &'static str,
    pub php_doc: &'static str,
    pub php_cast: &'static str,
    pub php_rules: &'static str,
    pub php_column: &'static str,
    pub php_sample: &'static str,
    pub dart: &'static str,
    pub dart_sample: &'static str,
}

const TEXT: Kind = Kind {
    kind: "text",
    zod: "z.string().trim().min(1).max(200)",
    ts_plain: "string",
    ts_sample: "\"A first sample\"",
    ts_empty: "\"\"",
    json_sample: "\"A first sample\"",
    prisma: "String",
    sql: "text",
    sqlite: "TEXT",
    py: "str = Field(min_length=1, max_length=200)",
    py_row: "str",
    py_plain: "str",
    py_parser: "_text",
    py_sample: "\"A first sample\"",
    rs: "String",
    go: "string",
    go_json_sample: "\"A first sample\"",
    php_doc: "string",
    php_cast: "",
    php_rules: "['required', 'string', 'max:200']",
    php_column: "string",
    php_sample: "'A first sample'",
    dart: "String",
    dart_sample: "'A first sample'",
};

const INT: Kind = Kind {
    kind: "int",
    zod: "z.number().int().min(0)",
    ts_plain: "number",
    ts_sample: "12",
    ts_empty: "0",
    json_sample: "12",
    prisma: "Int",
    sql: "integer",
    sqlite: "INTEGER",
    py: "int = Field(ge=0)",
    py_row: "int",
    py_plain: "int",
    py_parser: "_whole",
    py_sample: "12",
    rs: "i32",
    go: "int",
    go_json_sample: "12",
    php_doc: "int",
    php_cast: "integer",
    php_rules: "['required', 'integer', 'min:0']",
    php_column: "integer",
    php_sample: "12",
    dart: "int",
    dart_sample: "12",
};

const MONEY: Kind = Kind {
    kind: "money",
    ts_sample: "129900",
    json_sample: "129900",
    sql: "bigint",
    py_sample: "129900",
    rs: "i64",
    go: "int64",
    go_json_sample: "129900",
    php_column: "bigInteger",
    php_sample: "129900",
    dart_sample: "129900",
    ..INT
};

const BOOL: Kind = Kind {
    kind: "bool",
    zod: "z.boolean()",
    ts_plain: "boolean",
    ts_sample: "false",
    ts_empty: "false",
    json_sample: "false",
    prisma: "Boolean",
    sql: "boolean",
    sqlite: "INTEGER",
    py: "bool",
    py_row: "bool",
    py_plain: "bool",
    py_parser: "_flag",
    py_sample: "False",
    rs: "bool",
    go: "bool",
    go_json_sample: "false",
    php_doc: "bool",
    php_cast: "boolean",
    php_rules: "['required', 'boolean']",
    php_column: "boolean",
    php_sample: "false",
    dart: "bool",
    dart_sample: "false",
};

const DATE: Kind = Kind {
    kind: "date",
    zod: "z.coerce.date()",
    ts_sample: "\"2025-03-14\"",
    json_sample: "\"2025-03-14\"",
    prisma: "DateTime",
    sql: "date",
    py: "date",
    py_row: "date",
    py_plain: "date",
    py_parser: "_day",
    py_sample: "\"2025-03-14\"",
    rs: "NaiveDate",
    go: "time.Time",
    go_json_sample: "\"2025-03-14T00:00:00Z\"",
    php_doc: "\\Illuminate\\Support\\Carbon",
    php_cast: "date",
    php_rules: "['required', 'date']",
    php_column: "date",
    php_sample: "'2025-03-14'",
    dart_sample: "'2025-03-14'",
    ..TEXT
};

const EMAIL: Kind = Kind {
    kind: "email",
    zod: "z.string().email()",
    ts_sample: "\"ana@example.com\"",
    json_sample: "\"ana@example.com\"",
    py: "EmailStr",
    py_sample: "\"ana@example.com\"",
    go_json_sample: "\"ana@example.com\"",
    php_rules: "['required', 'email']",
    php_sample: "'ana@example.com'",
    dart_sample: "'ana@example.com'",
    ..TEXT
};

const URL: Kind = Kind {
    kind: "url",
    zod: "z.string().url()",
    ts_sample: "\"https://example.com/a\"",
    json_sample: "\"https://example.com/a\"",
    py: "HttpUrl",
    py_sample: "\"https://example.com/a\"",
    go_json_sample: "\"https://example.com/a\"",
    php_rules: "['required', 'url']",
    php_sample: "'https://example.com/a'",
    dart_sample: "'https://example.com/a'",
    ..TEXT
};

static KINDS: [Kind; 7] = [TEXT, INT, MONEY, BOOL, DATE, EMAIL, URL];

const ACCENTS: [&str; 8] = ["6366f1", "0ea5e9", "f43f5e", "10b981", "f59e0b", "8b5cf6", "14b8a6", "ec4899"];

impl<'p> Vocabulary<'p> {
    /// The words of one version of a product.
    pub fn of(product: &'p Product, seller: &'p Seller, version: usize) -> anyhow::Result<Self> {
        let fields = product.fields.iter().map(|field| Field::read(field)).collect::<anyhow::Result<Vec<_>>>()?;
        let sum = product.package.bytes().map(u16::from).sum::<u16>();
        let accent_hex = ACCENTS[usize::from(sum) % ACCENTS.len()].to_owned();
        let (number, _) = product.changes.get(version).with_context(|| format!("{} has no version {version}", product.name))?;
        Ok(Self {
            name: &product.name,
            type_name: pascal(&product.name),
            package: &product.package,
            module: product.package.replace('-', "_"),
            css: &product.package,
            title: &product.title,
            short: &product.short,
            stack: &product.stack,
            tech: &product.tech,
            seller: &seller.name,
            seller_slug: &seller.username,
            year: 2025,
            version: number,
            changes: product.changes[..=version].iter().map(|(number, text)| Change { number, text }).collect(),
            later: version > 0,
            runs_programs: product.runs_programs,
            features: product.description.lines().filter_map(|line| line.strip_prefix("- ")).map(str::to_owned).collect(),
            entity: &product.entity,
            entities: &product.entities,
            entity_camel: camel(&product.entity),
            entities_attr: camel(&product.entities),
            entity_type: pascal(&product.entity),
            entities_type: pascal(&product.entities),
            entity_words: words(&product.entity),
            entities_words: words(&product.entities),
            entities_title: capitalised(&words(&product.entities)),
            has_money: fields.iter().any(|field| field.kind.kind == "money"),
            fields,
            port: 3_000 + sum % 5_000,
            indent: if ["fastapi", "python-cli", "axum", "laravel"].contains(&product.stack.as_str()) { 4 } else { 2 },
            accent: format!("#{accent_hex}"),
            accent_hex,
        })
    }
}

impl Field {
    fn read(text: &str) -> anyhow::Result<Self> {
        let Some((name, kind)) = text.split_once(':') else { bail!("{text} should read name:kind") };
        let kind = KINDS.iter().find(|known| known.kind == kind).with_context(|| format!("{text}: unknown kind"))?;
        let camel = camel(name);
        let (dart_read, dart_write) = match kind.kind {
            "bool" => (format!("row['{name}'] == 1"), format!("{camel} ? 1 : 0")),
            _ => (format!("row['{name}']! as {}", kind.dart), camel.clone()),
        };
        Ok(Self {
            name: name.to_owned(),
            pascal: pascal(name),
            label: capitalised(&words(name)),
            camel,
            dart_read,
            dart_write,
            kind,
        })
    }
}

fn words(snake: &str) -> String {
    snake.replace('_', " ")
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// `trial_ends_on`, `Quiet UI` → `TrialEndsOn`, `QuietUI`
fn pascal(text: &str) -> String {
    text.split(['_', ' ', '-']).map(capitalised).collect()
}

/// `trial_ends_on` → `trialEndsOn`
fn camel(snake: &str) -> String {
    let pascal = pascal(snake);
    let mut chars = pascal.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_in_every_dress() {
        let field = Field::read("trial_ends_on:date").expect("valid");
        assert_eq!(
            (field.camel.as_str(), field.pascal.as_str(), field.label.as_str()),
            ("trialEndsOn", "TrialEndsOn", "Trial ends on")
        );
        assert_eq!(Field::read("is_open:bool").expect("valid").dart_read, "row['is_open'] == 1");
        assert!(Field::read("x:colour").is_err());
    }
}
