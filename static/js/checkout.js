// The two places where buying needs a script: Stripe's card form, and the confirmation that waits for the payment.

// The colours of our own forms; Stripe's frame does not see our style sheet.
const APPEARANCE = {
  theme: "night",
  variables: { colorPrimary: "#2563eb", colorBackground: "#111827", colorText: "#ffffff", colorTextSecondary: "#d1d5db", colorDanger: "#f87171", borderRadius: "8px" },
};

const payment = document.querySelector("[data-payment]");
if (payment) mountCardForm(payment);

const confirmation = document.querySelector("[data-wait]");
if (confirmation) wait(confirmation);

function mountCardForm(form) {
  const button = form.querySelector("#payment-submit");
  const label = button.querySelector("span");
  const pay = label.textContent;
  const problem = form.querySelector("#payment-error");
  const loading = document.querySelector("#payment-loading");

  const show = (message) => {
    problem.hidden = !message;
    problem.querySelector("p").textContent = message ?? "";
  };
  const busy = (yes) => {
    button.disabled = yes;
    button.toggleAttribute("aria-busy", yes);
    label.textContent = yes ? "Paying…" : pay;
  };

  form.hidden = false;
  if (!window.Stripe) {
    return show("The card form could not be loaded. Check your connection or your script blocker, and reload this page. Nothing was charged.");
  }
  loading.hidden = false;
  const stripe = window.Stripe(form.dataset.key);
  const elements = stripe.elements({ clientSecret: form.dataset.clientSecret, appearance: APPEARANCE });
  const card = elements.create("payment");
  card.on("ready", () => {
    loading.hidden = true;
    button.disabled = false;
  });
  card.on("loaderror", () => {
    loading.hidden = true;
    show("The card form could not be loaded. Reload this page; nothing was charged.");
  });
  card.mount("#payment-element");

  // The page's own handler marks a form as sent and disables it for good; a declined card has to leave this one usable.
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    event.stopPropagation();
    if (button.disabled) return;
    show();
    busy(true);
    try {
      // On success the browser leaves for the return address; only a refusal comes back here.
      const { error } = await stripe.confirmPayment({ elements, confirmParams: { return_url: form.dataset.returnUrl } });
      if (!error) return;
      show(error.message ?? "The payment was not accepted. Nothing was charged.");
    } catch {
      show("The connection was lost. Before you pay again, look into your library: the payment may have arrived.");
    }
    busy(false);
  });
}

// Asks for the changing part of the page until it is settled, ever more slowly, and puts it in place without a redraw.
async function wait(place) {
  const started = Date.now();
  for (let pause = 400; Date.now() - started < 5 * 60_000; pause = Math.min(pause * 1.3, 5_000)) {
    await new Promise((resolve) => setTimeout(resolve, pause));
    if (document.hidden) continue;
    try {
      const answer = await fetch(place.dataset.wait, { credentials: "same-origin", headers: { accept: "text/html" } });
      if (!answer.ok || answer.headers.get("x-checkout") !== "settled") continue;
      const part = new DOMParser().parseFromString(await answer.text(), "text/html");
      place.replaceChildren(...part.body.childNodes);
      delete place.dataset.wait;
      const heading = place.querySelector("h1");
      if (heading) {
        document.title = `${heading.textContent.trim()} · MyWork`;
        heading.tabIndex = -1;
        heading.focus();
      }
      return;
    } catch {
      // Offline for a moment: the next round asks again, and "Look again" is there for whoever does not want to wait.
    }
  }
}
