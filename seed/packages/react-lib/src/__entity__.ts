/** What the component shows. Add fields as you like; these are the ones it uses. */
export type {{ Entity }} = {
  id: string;
{% for f in fields %}
  {{ f.camel }}: {{ f.ts_plain }};
{% endfor %}
};

/** Folds case and accents, so that “Zürich” is found by “zurich”. */
export function fold(text: string): string {
  return text.normalize("NFD").replace(/\p{Diacritic}/gu, "").toLowerCase();
}

/** Whether the {{ entity_words }} answers to what was typed. */
export function matches(item: {{ Entity }}, query: string): boolean {
  const wanted = fold(query).split(/\s+/).filter(Boolean);
  const text = fold([{% for f in fields if f.ts_plain == "string" %}item.{{ f.camel }}{{ ", " if not loop.last }}{% endfor %}].join(" "));
  return wanted.every((word) => text.includes(word));
}
