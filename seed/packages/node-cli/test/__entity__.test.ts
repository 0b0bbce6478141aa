import { expect, it } from "vitest";
import { explain, {{ entityCamel }} } from "../src/{{ entity }}.js";

const valid = {
{% for f in fields %}
  {{ f.camel }}: {{ f.ts_sample }},
{% endfor %}
};

it("accepts a complete {{ entity_words }}", () => {
  expect({{ entityCamel }}.parse(valid)).toEqual({{ entityCamel }}.parse(valid));
});

it("explains what is missing, with the file", () => {
  const result = {{ entityCamel }}.safeParse({});
  expect(result.success).toBe(false);
  if (!result.success) {
    expect(explain("a.json", result.error)[0]).toMatch(/^a\.json: {{ fields[0].camel }}: /);
  }
});
