import Fastify from "fastify";
import rateLimit from "@fastify/rate-limit";
import pg from "pg";
import { readConfig } from "./config.js";
import { {{ entityCamel }}Routes } from "./{{ entities }}/routes.js";
import { {{ Entity }}Store } from "./{{ entities }}/store.js";

const config = readConfig(process.env);
const pool = new pg.Pool({ connectionString: config.DATABASE_URL, max: 10 });
const app = Fastify({ logger: { level: config.LOG_LEVEL }, bodyLimit: 256 * 1024 });

await app.register(rateLimit, { max: 300, timeWindow: "1 minute" });
await app.register({{ entityCamel }}Routes, { prefix: "/{{ entities }}", store: new {{ Entity }}Store(pool) });

app.get("/health", async () => {
  await pool.query("SELECT 1");
  return { status: "ok" };
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, async () => {
    await app.close();
    await pool.end();
  });
}

await app.listen({ port: config.PORT, host: "0.0.0.0" });
