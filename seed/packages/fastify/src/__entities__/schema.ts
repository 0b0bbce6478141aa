import { z } from "zod";

/** What a {{ entity_words }} must be before it is stored. */
export const {{ entityCamel }}Input = z.object({
{% for f in fields %}
  {{ f.camel }}: {{ f.zod }},
{% endfor %}
});

export type {{ Entity }}Input = z.infer<typeof {{ entityCamel }}Input>;
export type {{ Entity }} = {{ Entity }}Input & { id: number; createdAt: Date };
