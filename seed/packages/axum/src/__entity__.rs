//! What a {{ entity_words }} is.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

/// As it is sent to us.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct New{{ Entity }} {
{% for f in fields %}
    pub {{ f.name }}: {{ f.rs }},
{% endfor %}
}

/// As it is kept.
#[derive(Clone, Debug, Serialize, sqlx::FromRow)]
pub struct {{ Entity }} {
    pub id: i64,
{% for f in fields %}
    pub {{ f.name }}: {{ f.rs }},
{% endfor %}
    pub created_at: DateTime<Utc>,
}

impl New{{ Entity }} {
    /// Everything that is wrong with it, each in a sentence.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
{% for f in fields %}
{% if f.kind in ["text", "email", "url"] %}
        if self.{{ f.name }}.trim().is_empty() {
            problems.push("`{{ f.name }}` is empty.".to_owned());
        }
{% elif f.kind in ["int", "money"] %}
        if self.{{ f.name }} < 0 {
            problems.push("`{{ f.name }}` is negative.".to_owned());
        }
{% endif %}
{% endfor %}
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn valid() -> serde_json::Value {
        serde_json::json!({
{% for f in fields %}
            "{{ f.name }}": {{ f.json_sample }}{{ "," if not loop.last }}
{% endfor %}
        })
    }

    #[test]
    fn a_complete_one_has_no_problems() {
        let new: New{{ Entity }} = serde_json::from_value(valid()).expect("all fields are there");
        assert!(new.problems().is_empty());
    }

    #[test]
    fn unknown_fields_are_refused() {
        let mut value = valid();
        value["surprise"] = true.into();
        assert!(serde_json::from_value::<New{{ Entity }}>(value).is_err());
    }
}
