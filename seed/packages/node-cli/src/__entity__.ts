import { z } from "zod";

/** What a {{ entity_words }} is; files, tests and the planner share it. */
export const {{ entityCamel }} = z.object({
{% for f in fields %}
  {{ f.camel }}: {{ f.zod }},
{% endfor %}
});

export type {{ Entity }} = z.infer<typeof {{ entityCamel }}>;

/** The file's name, the field and what is wrong with it, as one line a person can act on. */
export function explain(file: string, error: z.ZodError): string[] {
  return error.issues.map((issue) => `${file}: ${issue.path.join(".") || "the file"}: ${issue.message}`);
}
