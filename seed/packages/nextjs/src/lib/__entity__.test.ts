import { describe, expect, it } from "vitest";
import { formatMoney, parse{{ Entity }} } from "./{{ entity }}";

const valid = {
{% for f in fields %}
  {{ f.camel }}: {{ f.ts_sample }},
{% endfor %}
};

describe("parse{{ Entity }}", () => {
  it("accepts a complete {{ entity_words }}", () => {
    expect(parse{{ Entity }}(valid).ok).toBe(true);
  });

{% for f in fields %}
  it("names {{ f.camel }} when it is missing", () => {
    const { {{ f.camel }}: _, ...rest } = valid;
    const result = parse{{ Entity }}(rest);
    expect(result.ok === false && result.problems).toHaveProperty("{{ f.camel }}");
  });

{% endfor %}
});

it("writes money for people", () => {
  expect(formatMoney(129900)).toBe("$1,299.00");
});
