/** What the component works with. */
export type {{ Entity }} = {
  id: string;
{% for f in fields %}
  {{ f.camel }}: {{ f.ts_plain }};
{% endfor %}
};

/** How well a text answers a query: 0 is not at all, 1 is exactly. Letters must come in order, close together counts more. */
export function score(text: string, query: string): number {
  const haystack = text.toLowerCase();
  const needle = query.toLowerCase().trim();
  if (needle === "") return 1;
  let at = -1;
  let gaps = 0;
  for (const letter of needle) {
    const next = haystack.indexOf(letter, at + 1);
    if (next < 0) return 0;
    gaps += at < 0 ? next : next - at - 1;
    at = next;
  }
  return needle.length / (needle.length + gaps);
}

/** Those that answer the query, best first. */
export function rank(items: readonly {{ Entity }}[], query: string): {{ Entity }}[] {
  return items
    .map((item) => ({ item, value: score(String(item.{{ fields[0].camel }}), query) }))
    .filter((scored) => scored.value > 0)
    .sort((a, b) => b.value - a.value)
    .map((scored) => scored.item);
}
