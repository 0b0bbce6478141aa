export { {{ Name }}, type {{ Name }}Props } from "./{{ Name }}";
export { use{{ Entity }}List } from "./use{{ Entity }}List";
export type { {{ Entity }} } from "./{{ entity }}";
{% if later %}
export { toCsv } from "./csv";
{% endif %}
