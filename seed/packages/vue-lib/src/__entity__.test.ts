import { expect, it } from "vitest";
import { rank, score } from "./{{ entity }}";

it("prefers letters that are close together", () => {
  expect(score("open file", "of")).toBeLessThan(score("offer", "of"));
  expect(score("anything", "zzz")).toBe(0);
  expect(score("anything", "")).toBe(1);
});

it("ranks what matches and drops the rest", () => {
  const item = {
    id: "1",
{% for f in fields %}
    {{ f.camel }}: {{ f.ts_sample }},
{% endfor %}
  };
  expect(rank([item], "")).toEqual([item]);
  expect(rank([item], "§§")).toEqual([]);
});
