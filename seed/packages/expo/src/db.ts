import * as SQLite from "expo-sqlite";
import type { {{ Entity }}, {{ Entity }}Draft } from "./{{ entity }}";

const opened = SQLite.openDatabaseAsync("{{ module }}.db").then(async (db) => {
  await db.execAsync(`
    PRAGMA journal_mode = WAL;
    CREATE TABLE IF NOT EXISTS {{ entities }} (
      id INTEGER PRIMARY KEY,
{% for f in fields %}
      {{ f.name }} {{ f.sqlite }} NOT NULL,
{% endfor %}
      changed_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
    );
  `);
  return db;
});

const COLUMNS = `id, {% for f in fields %}{{ f.name }} AS {{ f.camel }}{{ ", " if not loop.last }}{% endfor %}`;

export async function list(limit = 100): Promise<{{ Entity }}[]> {
  return (await opened).getAllAsync<{{ Entity }}>(`SELECT ${COLUMNS} FROM {{ entities }} ORDER BY id DESC LIMIT ?`, limit);
}

export async function find(id: number): Promise<{{ Entity }} | null> {
  return (await opened).getFirstAsync<{{ Entity }}>(`SELECT ${COLUMNS} FROM {{ entities }} WHERE id = ?`, id);
}

export async function save(draft: {{ Entity }}Draft): Promise<number> {
  const result = await (await opened).runAsync(
    "INSERT INTO {{ entities }} ({% for f in fields %}{{ f.name }}{{ ", " if not loop.last }}{% endfor %}) VALUES ({% for f in fields %}?{{ ", " if not loop.last }}{% endfor %})",
    {% for f in fields %}draft.{{ f.camel }}{{ ", " if not loop.last }}{% endfor %},
  );
  return result.lastInsertRowId;
}
