import { expect, it } from "vitest";
import { empty{{ Entity }}, problems } from "./{{ entity }}";

it("accepts a complete {{ entity_words }}", () => {
  const draft = {
{% for f in fields %}
    {{ f.camel }}: {{ f.ts_sample }},
{% endfor %}
  };
  expect(problems(draft)).toEqual({});
});

it("says what is missing", () => {
  expect(Object.keys(problems(empty{{ Entity }})).length).toBeGreaterThan(0);
});
