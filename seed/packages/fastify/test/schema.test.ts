import { expect, it } from "vitest";
import { {{ entityCamel }}Input } from "../src/{{ entities }}/schema.js";

const valid = {
{% for f in fields %}
  {{ f.camel }}: {{ f.ts_sample }},
{% endfor %}
};

it("accepts a complete {{ entity_words }}", () => {
  expect({{ entityCamel }}Input.safeParse(valid).success).toBe(true);
});

it("refuses what has the wrong shape", () => {
  expect({{ entityCamel }}Input.safeParse({ ...valid, {{ fields[0].camel }}: { nested: true } }).success).toBe(false);
});
