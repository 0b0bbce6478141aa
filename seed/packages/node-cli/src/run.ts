import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Config } from "./config.js";
import { type {{ Entity }}, explain, {{ entityCamel }} } from "./{{ entity }}.js";

export type Step = { file: string; item: {{ Entity }} };
export type Plan = { steps: Step[]; problems: string[] };

/** Reads everything first: nothing is done while anything is wrong. */
export async function plan(config: Config): Promise<Plan> {
  const result: Plan = { steps: [], problems: [] };
  const files = (await readdir(config.source)).filter((name) => name.endsWith(".json")).sort();
  for (const file of files) {
    const raw: unknown = JSON.parse(await readFile(join(config.source, file), "utf8"));
    const parsed = {{ entityCamel }}.safeParse({ ...config.defaults, ...(raw as object) });
    if (parsed.success) {
      result.steps.push({ file, item: parsed.data });
    } else {
      result.problems.push(...explain(file, parsed.error));
    }
  }
  return result;
}

/** Carries out a plan step by step; what failed is reported and does not stop the rest. */
export async function carryOut(steps: Step[], act: (item: {{ Entity }}) => Promise<void>, pauseSeconds: number): Promise<string[]> {
  const failures: string[] = [];
  for (const step of steps) {
    try {
      await act(step.item);
    } catch (error) {
      failures.push(`${step.file}: ${error instanceof Error ? error.message : String(error)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, pauseSeconds * 1000));
  }
  return failures;
}
