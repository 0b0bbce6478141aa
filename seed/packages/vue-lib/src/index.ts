export { default as {{ Name }} } from "./{{ Name }}.vue";
export { rank, type {{ Entity }} } from "./{{ entity }}";
{% if later %}
export { remember, recent } from "./history";
{% endif %}
