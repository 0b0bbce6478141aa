// The dashboard of the job system, live: each event of the stream is a page's changing parts as HTML, put in place of those
// that are there. A part in which somebody types or has opened a question is left alone. Without a script the page is reloaded.

const page = document.querySelector("[data-live]");
if (page) {
  const shown = new Map();
  const events = new EventSource(page.dataset.live);
  const sign = document.querySelector("[data-live-sign]");
  const say = (live) => sign && (sign.hidden = !live);
  events.addEventListener("open", () => say(true));
  events.addEventListener("error", () => say(false));
  events.addEventListener("parts", (event) => put(event.data, shown));
  events.addEventListener("over", (event) => {
    put(event.data, shown);
    events.close();
    say(false);
  });
}

function put(html, shown) {
  const fresh = document.createElement("template");
  fresh.innerHTML = html;
  for (const part of fresh.content.querySelectorAll("[data-part]")) {
    const name = part.dataset.part;
    const there = document.querySelector(`[data-part="${CSS.escape(name)}"]`);
    if (!there || shown.get(name) === part.innerHTML || isBusy(there)) continue;
    shown.set(name, part.innerHTML);
    const logs = new Map([...there.querySelectorAll(".log")].map((log) => [log.id, atEnd(log)]));
    const open = new Set([...there.querySelectorAll("details[id][open]")].map((details) => details.id));
    there.replaceChildren(...part.childNodes);
    for (const id of open) {
      const details = document.getElementById(id);
      if (details) details.open = true;
    }
    for (const log of there.querySelectorAll(".log[data-follow]")) if (logs.get(log.id) ?? true) log.scrollTop = log.scrollHeight;
  }
}

const isBusy = (part) => part.querySelector("details.confirm[open]") !== null || document.activeElement?.form && part.contains(document.activeElement);
const atEnd = (log) => log.scrollHeight - log.scrollTop - log.clientHeight < 24;

for (const log of document.querySelectorAll(".log[data-follow]")) log.scrollTop = log.scrollHeight;

// How long there is to undo something.
for (const clock of document.querySelectorAll("[data-countdown]")) {
  const until = Date.parse(clock.dataset.countdown);
  const tick = () => {
    const left = Math.max(0, Math.ceil((until - Date.now()) / 1000));
    clock.textContent = `${left} s`;
    if (left > 0) setTimeout(tick, 250);
  };
  tick();
}
