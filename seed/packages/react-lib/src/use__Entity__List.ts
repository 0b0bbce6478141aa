import { type KeyboardEvent, useMemo, useState } from "react";
import { type {{ Entity }}, matches } from "./{{ entity }}";

/** Filtering, the active entry and the keyboard, without any markup. */
export function use{{ Entity }}List(items: readonly {{ Entity }}[], onSelect: (item: {{ Entity }}) => void) {
  const [query, setQuery] = useState("");
  const [active, setActive] = useState(0);
  const visible = useMemo(() => items.filter((item) => matches(item, query)), [items, query]);
  const index = Math.min(active, Math.max(visible.length - 1, 0));

  function onKeyDown(event: KeyboardEvent) {
    const last = visible.length - 1;
    const moves: Record<string, number> = { ArrowDown: Math.min(index + 1, last), ArrowUp: Math.max(index - 1, 0), Home: 0, End: last };
    const target = moves[event.key];
    const chosen = visible[index];
    if (target !== undefined) {
      event.preventDefault();
      setActive(target);
    } else if (event.key === "Enter" && chosen) {
      event.preventDefault();
      onSelect(chosen);
    }
  }

  return { query, setQuery, visible, index, onKeyDown };
}
