// Comfort for pages that work without it: buttons that say what they are doing, times that stay true, copying, menus that
// close. Everything is found by an attribute; docs/design.md lists them.

const on = (type, handler, options) => document.addEventListener(type, handler, options);

// A button disables itself while its form is on the way, so that nothing is sent twice. It does so after the form has
// been read, since a disabled button's own name and value would be left out.
on("submit", (event) => {
  const form = event.target;
  if (form.dataset.sent) return event.preventDefault();
  const button = event.submitter ?? form.querySelector("button[type=submit]");
  setTimeout(() => {
    if (event.defaultPrevented) return;
    form.dataset.sent = "yes";
    for (const each of form.querySelectorAll("button[type=submit]")) each.disabled = true;
    if (!button?.dataset.busy) return;
    button.setAttribute("aria-busy", "true");
    const label = button.querySelector("span") ?? button;
    button.dataset.label = label.textContent;
    label.textContent = button.dataset.busy;
  });
});

// Back from the next page, the browser may show this one as it was left: in the middle of being sent.
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  for (const form of document.querySelectorAll("form[data-sent]")) {
    delete form.dataset.sent;
    for (const button of form.querySelectorAll("button[type=submit]")) {
      button.disabled = false;
      button.removeAttribute("aria-busy");
      if (button.dataset.label) (button.querySelector("span") ?? button).textContent = button.dataset.label;
    }
  }
});

on("click", async (event) => {
  const copy = event.target.closest("[data-copy], [data-copy-text]");
  if (copy) {
    const source = copy.dataset.copy && document.querySelector(copy.dataset.copy);
    const text = copy.dataset.copyText ?? (source?.value || source?.dataset.value || source?.textContent.trim()) ?? "";
    const label = copy.querySelector("span") ?? copy;
    const before = label.textContent;
    try {
      await navigator.clipboard.writeText(text);
      label.textContent = "Copied";
    } catch {
      label.textContent = "Select and copy it by hand";
    }
    setTimeout(() => (label.textContent = before), 2000);
    return;
  }
  const close = event.target.closest("[data-close]");
  if (close) return closeDetails(close.closest("details"));
  for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
});

on("keydown", (event) => {
  if (event.key === "Escape") closeDetails(document.querySelector("details.menu[open]") ?? event.target.closest?.("details.confirm[open]"));
});

function closeDetails(details) {
  if (!details) return;
  details.open = false;
  details.querySelector("summary")?.focus();
}

on("change", (event) => {
  if (event.target.matches("[data-autosubmit]")) event.target.form?.requestSubmit();
});

// Relative times as the server wrote them go stale on a page left open; exact ones are shown in the reader's own zone.
const relative = new Intl.RelativeTimeFormat("en", { numeric: "always" });
const local = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const units = [["year", 31_536_000], ["month", 2_592_000], ["day", 86_400], ["hour", 3_600], ["minute", 60]];

function ago(date) {
  const seconds = Math.round((date - Date.now()) / 1000);
  const [unit, length] = units.find(([, length]) => Math.abs(seconds) >= length * 0.75) ?? [];
  return unit ? relative.format(Math.sign(seconds) * Math.max(1, Math.round(Math.abs(seconds) / length)), unit) : "just now";
}

export function refresh(root = document) {
  for (const time of root.querySelectorAll("time[data-time]")) {
    const date = new Date(time.dateTime);
    if (Number.isNaN(date.getTime())) continue;
    time.title = local.format(date);
    time.textContent = time.dataset.time === "relative" ? ago(date) : local.format(date);
  }
  for (const button of root.querySelectorAll("[data-close][hidden]")) button.hidden = false;
  for (const area of root.querySelectorAll("textarea[data-count]:not([data-counted])")) count(area);
}

function count(area) {
  area.dataset.counted = "yes";
  const counter = document.createElement("span");
  counter.className = "counter";
  counter.setAttribute("aria-hidden", "true");
  const show = () => (counter.textContent = `${area.value.length.toLocaleString("en")} / ${Number(area.maxLength).toLocaleString("en")}`);
  area.addEventListener("input", show);
  area.after(counter);
  show();
}

refresh();
setInterval(() => refresh(), 30_000);
document.querySelector("[data-focus]")?.focus();
