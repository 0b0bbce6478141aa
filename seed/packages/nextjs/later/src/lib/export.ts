import type { {{ Entity }} } from "./{{ entity }}";

const COLUMNS = [{% for f in fields %}"{{ f.camel }}"{{ ", " if not loop.last }}{% endfor %}] as const;

/** Spreadsheets run what begins like a formula; such a value gets a quote in front. */
function cell(value: unknown): string {
  const text = value instanceof Date ? value.toISOString().slice(0, 10) : String(value ?? "");
  const safe = /^[=+\-@\t]/.test(text) ? `'${text}` : text;
  return `"${safe.replaceAll('"', '""')}"`;
}

/** {{ Entities_words }} as CSV, one line each, with a header. */
export function toCsv(rows: {{ Entity }}[]): string {
  const lines = rows.map((row) => COLUMNS.map((column) => cell(row[column])).join(","));
  return [COLUMNS.join(","), ...lines].join("\r\n") + "\r\n";
}
