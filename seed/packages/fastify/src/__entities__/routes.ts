import type { FastifyPluginAsync } from "fastify";
import { z } from "zod";
import { {{ entityCamel }}Input } from "./schema.js";
import type { {{ Entity }}Store } from "./store.js";

const page = z.object({ limit: z.coerce.number().int().min(1).max(100).default(50), before: z.coerce.number().int().optional() });

export const {{ entityCamel }}Routes: FastifyPluginAsync<{ store: {{ Entity }}Store }> = async (app, { store }) => {
  app.get("/", async (request) => {
    const { limit, before } = page.parse(request.query);
    const data = await store.list(limit, before);
    return { data, nextCursor: data.length === limit ? data.at(-1)?.id : null };
  });

  app.get<{ Params: { id: string } }>("/:id", async (request, reply) => {
    const found = await store.find(Number(request.params.id));
    return found ?? reply.code(404).send({ title: "There is no such {{ entity_words }}." });
  });

  app.post("/", async (request, reply) => {
    const parsed = {{ entityCamel }}Input.safeParse(request.body);
    if (!parsed.success) {
      return reply.code(422).send({ title: "Some fields need attention.", problems: parsed.error.flatten().fieldErrors });
    }
    return reply.code(201).send(await store.add(parsed.data));
  });
};
