import type { {{ Entity }} } from "./{{ entity }}";

/** Everything as one JSON text that the owner can keep: a header that names the version, then the {{ entities_words }}. */
export function backup(items: {{ Entity }}[], at: Date): string {
  return JSON.stringify({ app: "{{ package }}", version: "{{ version }}", exportedAt: at.toISOString(), {{ entities }}: items }, null, 2);
}

/** The reverse; `null` when the text is no backup of this app. */
export function restore(text: string): {{ Entity }}[] | null {
  try {
    const parsed = JSON.parse(text) as { app?: string; {{ entities }}?: {{ Entity }}[] };
    return parsed.app === "{{ package }}" && Array.isArray(parsed.{{ entities }}) ? parsed.{{ entities }} : null;
  } catch {
    return null;
  }
}
