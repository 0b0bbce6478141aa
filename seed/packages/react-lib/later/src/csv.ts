import type { {{ Entity }} } from "./{{ entity }}";

/** What is shown, as CSV; nothing in it is run by a spreadsheet. */
export function toCsv(items: readonly {{ Entity }}[]): string {
  const header = ["id"{% for f in fields %}, "{{ f.camel }}"{% endfor %}] as const;
  const lines = items.map((item) =>
    header
      .map((column) => {
        const text = String(item[column]);
        return `"${(/^[=+\-@]/.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`;
      })
      .join(","),
  );
  return [header.join(","), ...lines].join("\r\n");
}
