import { {{ Entity }}Table } from "@/components/{{ Entity }}Table";
import { db } from "@/lib/db";

const PAGE_SIZE = 50;

export default async function {{ Entities }}Page({ searchParams }: { searchParams: Promise<{ after?: string }> }) {
  const { after } = await searchParams;
  const rows = await db.{{ entityCamel }}.findMany({
    take: PAGE_SIZE + 1,
    orderBy: { createdAt: "desc" },
    ...(after ? { cursor: { id: after }, skip: 1 } : {}),
  });
  const next = rows.length > PAGE_SIZE ? rows[PAGE_SIZE - 1]?.id : undefined;
  return (
    <section>
      <h1>{{ Entities_words }}</h1>
      {rows.length === 0 ? <p>Nothing here yet.</p> : <{{ Entity }}Table rows={rows.slice(0, PAGE_SIZE)} />}
      {next ? <a href={`?after=${next}`}>Older</a> : null}
    </section>
  );
}
