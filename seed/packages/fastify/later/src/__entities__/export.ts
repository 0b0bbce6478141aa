import type { {{ Entity }} } from "./schema.js";

/** One {{ entity_words }} as a line of CSV; values that spreadsheets would run as formulas are defused. */
export function csvLine(row: {{ Entity }}): string {
  const values = [{% for f in fields %}row.{{ f.camel }}{{ ", " if not loop.last }}{% endfor %}];
  return values
    .map((value) => {
      const text = String(value);
      return `"${(/^[=+\-@]/.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`;
    })
    .join(",");
}
