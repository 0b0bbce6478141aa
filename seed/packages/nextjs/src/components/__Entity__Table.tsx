import type { {{ Entity }} } from "@/lib/{{ entity }}";
{% if has_money %}
import { formatMoney } from "@/lib/{{ entity }}";
{% endif %}

/** A plain table: it prints, it can be read aloud, and it needs no script. */
export function {{ Entity }}Table({ rows }: { rows: {{ Entity }}[] }) {
  return (
    <table>
      <caption>{{ Entities_words }}, newest first</caption>
      <thead>
        <tr>
{% for f in fields %}
          <th scope="col">{{ f.label }}</th>
{% endfor %}
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={row.id}>
{% for f in fields %}
{% if f.kind == "money" %}
            <td>{formatMoney(row.{{ f.camel }})}</td>
{% elif f.kind == "bool" %}
            <td>{row.{{ f.camel }} ? "yes" : "no"}</td>
{% elif f.kind == "date" %}
            <td>{row.{{ f.camel }}.toISOString().slice(0, 10)}</td>
{% else %}
            <td>{row.{{ f.camel }}}</td>
{% endif %}
{% endfor %}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
