// A download's form leads to a file, not to a page, so the page stays: its button has to come back, and its count to go down.

document.addEventListener("submit", (event) => {
  const form = event.target.closest("[data-download]");
  if (!form) return;
  setTimeout(() => {
    const button = form.querySelector("button[type=submit]");
    const remaining = form.closest("article")?.querySelector("[data-remaining]");
    const left = remaining ? Math.max(0, Number(remaining.textContent.replaceAll(",", "")) - 1) : 1;
    if (remaining) remaining.textContent = String(left);
    delete form.dataset.sent;
    button.disabled = left === 0;
    button.removeAttribute("aria-busy");
    if (button.dataset.label) button.querySelector("span").textContent = button.dataset.label;
  }, 2_500);
});
