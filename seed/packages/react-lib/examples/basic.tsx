import { createRoot } from "react-dom/client";
import { {{ Name }} } from "../src";

const items = [1, 2, 3].map((n) => ({
  id: String(n),
{% for f in fields %}
  {{ f.camel }}: {{ f.ts_sample }},
{% endfor %}
}));

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(<{{ Name }} {{ entities_attr }}={items} label="{{ Entities_words }}" onSelect={(item) => console.log("chosen", item.id)} />);
}
