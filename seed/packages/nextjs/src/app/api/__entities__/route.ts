import { NextResponse } from "next/server";
import { db } from "@/lib/db";
import { parse{{ Entity }} } from "@/lib/{{ entity }}";

export async function GET() {
  const data = await db.{{ entityCamel }}.findMany({ take: 100, orderBy: { createdAt: "desc" } });
  return NextResponse.json({ data });
}

export async function POST(request: Request) {
  const body: unknown = await request.json().catch(() => null);
  const parsed = parse{{ Entity }}(body);
  if (!parsed.ok) {
    return NextResponse.json({ title: "Some fields need attention.", problems: parsed.problems }, { status: 422 });
  }
  const created = await db.{{ entityCamel }}.create({ data: parsed.value });
  return NextResponse.json({ data: created }, { status: 201 });
}
