import { PrismaClient } from "@prisma/client";

// One client for the life of the process; in development it survives a reload.
const holder = globalThis as unknown as { client?: PrismaClient };

export const db = holder.client ?? new PrismaClient();

if (process.env.NODE_ENV !== "production") {
  holder.client = db;
}
