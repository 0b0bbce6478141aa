// Follows the checks of a version: each event carries the part of the page that changed. The server ends the stream when
// nothing more will happen by itself; until then a broken connection is taken up again by the browser.

const target = document.querySelector("[data-checks][data-events]");
if (target) {
  document.querySelector("[data-refresh]")?.remove();
  target.setAttribute("aria-live", "polite");
  const events = new EventSource(target.dataset.events);
  const show = (event) => (target.innerHTML = event.data);
  events.addEventListener("checks", show);
  events.addEventListener("settled", (event) => {
    show(event);
    events.close();
  });
}
