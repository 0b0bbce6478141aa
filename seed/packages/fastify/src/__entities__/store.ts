import type pg from "pg";
import type { {{ Entity }}, {{ Entity }}Input } from "./schema.js";

const COLUMNS = `id, {% for f in fields %}{{ f.name }} AS "{{ f.camel }}", {% endfor %}created_at AS "createdAt"`;

/** {{ Entities_words }} in Postgres. No other file knows SQL. */
export class {{ Entity }}Store {
  constructor(private readonly pool: pg.Pool) {}

  /** The newest ones below `before`, at most `limit`. */
  async list(limit: number, before?: number): Promise<{{ Entity }}[]> {
    const result = await this.pool.query<{{ Entity }}>(
      `SELECT ${COLUMNS} FROM {{ entities }} WHERE $2::bigint IS NULL OR id < $2 ORDER BY id DESC LIMIT $1`,
      [limit, before ?? null],
    );
    return result.rows;
  }

  async find(id: number): Promise<{{ Entity }} | undefined> {
    const result = await this.pool.query<{{ Entity }}>(`SELECT ${COLUMNS} FROM {{ entities }} WHERE id = $1`, [id]);
    return result.rows[0];
  }

  async add(input: {{ Entity }}Input): Promise<{{ Entity }}> {
    const result = await this.pool.query<{{ Entity }}>(
      `INSERT INTO {{ entities }} ({% for f in fields %}{{ f.name }}{{ ", " if not loop.last }}{% endfor %})
       VALUES ({% for f in fields %}${{ loop.index }}{{ ", " if not loop.last }}{% endfor %}) RETURNING ${COLUMNS}`,
      [{% for f in fields %}input.{{ f.camel }}{{ ", " if not loop.last }}{% endfor %}],
    );
    const row = result.rows[0];
    if (!row) throw new Error("the database returned no row");
    return row;
  }
}
