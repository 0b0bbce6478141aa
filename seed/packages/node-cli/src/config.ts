import { readFile } from "node:fs/promises";
import { z } from "zod";
import { {{ entityCamel }} } from "./{{ entity }}.js";

const schema = z.object({
  source: z.string().min(1),
  pauseSeconds: z.number().min(0).max(3600).default(2),
  defaults: {{ entityCamel }}.partial().default({}),
});

export type Config = z.infer<typeof schema>;

export async function loadConfig(path: string): Promise<Config> {
  const text = await readFile(path, "utf8").catch(() => {
    throw new Error(`There is no ${path}. Copy {{ package }}.example.json to get started.`);
  });
  return schema.parse(JSON.parse(text));
}
