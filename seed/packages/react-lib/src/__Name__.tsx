import { useId } from "react";
import type { {{ Entity }} } from "./{{ entity }}";
import { use{{ Entity }}List } from "./use{{ Entity }}List";
import "./style.css";

export type {{ Name }}Props = {
  {{ entities_attr }}: readonly {{ Entity }}[];
  onSelect: (item: {{ Entity }}) => void;
  /** What the list is about, for people who cannot see it. */
  label: string;
};

export function {{ Name }}({ {{ entities_attr }}, onSelect, label }: {{ Name }}Props) {
  const id = useId();
  const list = use{{ Entity }}List({{ entities_attr }}, onSelect);
  return (
    <div className="{{ css }}">
      <input
        role="combobox"
        aria-label={label}
        aria-expanded="true"
        aria-controls={`${id}-list`}
        aria-activedescendant={list.visible.length > 0 ? `${id}-${list.index}` : undefined}
        value={list.query}
        onChange={(event) => list.setQuery(event.target.value)}
        onKeyDown={list.onKeyDown}
      />
      <ul role="listbox" id={`${id}-list`} aria-label={label}>
        {list.visible.map((item, index) => (
          <li key={item.id} id={`${id}-${index}`} role="option" aria-selected={index === list.index} onClick={() => onSelect(item)}>
            <strong>{String(item.{{ fields[0].camel }})}</strong>
            <small>{String(item.{{ fields[1].camel }})}</small>
          </li>
        ))}
      </ul>
      <p role="status">{list.visible.length === 1 ? "One result" : `${list.visible.length} results`}</p>
    </div>
  );
}
