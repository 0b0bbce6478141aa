/** A {{ entity_words }} as it is kept on the device. */
export type {{ Entity }} = {
  id: number;
{% for f in fields %}
  {{ f.camel }}: {{ f.ts_plain }};
{% endfor %}
};

export type {{ Entity }}Draft = Omit<{{ Entity }}, "id">;

export const empty{{ Entity }}: {{ Entity }}Draft = {
{% for f in fields %}
  {{ f.camel }}: {{ f.ts_empty }},
{% endfor %}
};

/** What is wrong with a draft, by field; nothing when it can be saved. */
export function problems(draft: {{ Entity }}Draft): Partial<Record<keyof {{ Entity }}Draft, string>> {
  const found: Partial<Record<keyof {{ Entity }}Draft, string>> = {};
{% for f in fields %}
{% if f.kind in ["text", "email", "url"] %}
  if (draft.{{ f.camel }}.trim() === "") found.{{ f.camel }} = "Please fill in “{{ f.label }}”.";
{% elif f.kind in ["int", "money"] %}
  if (!Number.isInteger(draft.{{ f.camel }}) || draft.{{ f.camel }} < 0) found.{{ f.camel }} = "“{{ f.label }}” should be a whole number.";
{% endif %}
{% endfor %}
  return found;
}
