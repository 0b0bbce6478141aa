const KEY = "{{ package }}.recent";
const KEPT = 20;

/** Ids chosen lately, newest first. Storage may be full or forbidden; then nothing is remembered. */
export function recent(storage: Storage): string[] {
  try {
    const parsed: unknown = JSON.parse(storage.getItem(KEY) ?? "[]");
    return Array.isArray(parsed) ? parsed.filter((id): id is string => typeof id === "string") : [];
  } catch {
    return [];
  }
}

export function remember(storage: Storage, id: string): void {
  const ids = [id, ...recent(storage).filter((known) => known !== id)].slice(0, KEPT);
  try {
    storage.setItem(KEY, JSON.stringify(ids));
  } catch {
    // A full storage is no reason to fail.
  }
}
