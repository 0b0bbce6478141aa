import { expect, it } from "vitest";
import { fold, matches } from "./{{ entity }}";

const item = {
  id: "1",
{% for f in fields %}
  {{ f.camel }}: {{ f.ts_sample }},
{% endfor %}
};

it("finds without case and accents", () => {
  expect(fold("Zürich ÉTÉ")).toBe("zurich ete");
});

it("an empty query matches everything, a strange one nothing", () => {
  expect(matches(item, "")).toBe(true);
  expect(matches(item, "qqqq-not-there")).toBe(false);
});
