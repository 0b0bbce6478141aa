import { z } from "zod";

/** What makes a valid {{ entity_words }}. Forms, the interface and the tests all use this one definition. */
export const {{ entityCamel }}Schema = z.object({
{% for f in fields %}
  {{ f.camel }}: {{ f.zod }},
{% endfor %}
});

export type {{ Entity }}Input = z.infer<typeof {{ entityCamel }}Schema>;

export type {{ Entity }} = {{ Entity }}Input & { id: string; createdAt: Date };

export type Problems = Partial<Record<keyof {{ Entity }}Input, string[]>>;

/** Checks what somebody typed; the answer is either a clean value or a list of problems by field. */
export function parse{{ Entity }}(input: unknown): { ok: true; value: {{ Entity }}Input } | { ok: false; problems: Problems } {
  const result = {{ entityCamel }}Schema.safeParse(input);
  if (result.success) {
    return { ok: true, value: result.data };
  }
  return { ok: false, problems: result.error.flatten().fieldErrors };
}

/** Cents as people write them. */
export function formatMoney(cents: number, currency = "USD", locale = "en-US"): string {
  return new Intl.NumberFormat(locale, { style: "currency", currency }).format(cents / 100);
}
