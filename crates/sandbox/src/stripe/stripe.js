/* The sandbox's stand-in for Stripe.js: the part of its surface that a checkout page with a Payment Element uses.
 * It draws a card form into the page itself, confirms with the publishable key, and never lets the page's form carry a card
 * number: the fields have no names. Styles are set through the object model, so no inline style needs a policy's leave. */
(() => {
  "use strict";

  const base = new URL(document.currentScript.src).origin;
  const RULES = `
    .sbx { --sbx-primary: #2563eb; --sbx-ground: #1f2937; --sbx-text: #ffffff; --sbx-muted: #9ca3af; --sbx-danger: #f87171; --sbx-radius: 6px;
      display: grid; grid-template-columns: 1fr 1fr; gap: 16px; color: var(--sbx-text); font: inherit; }
    .sbx-field { min-width: 0; } .sbx-wide { grid-column: 1 / -1; }
    .sbx-field label { display: block; margin: 0 0 4px; font-size: 14px; font-weight: 500; color: var(--sbx-text); }
    .sbx-field input { box-sizing: border-box; width: 100%; padding: 12px; border: 1px solid #6b7280; border-radius: var(--sbx-radius);
      background: var(--sbx-ground); color: var(--sbx-text); font: inherit; font-size: 16px; line-height: 1.25; font-variant-numeric: tabular-nums; }
    .sbx-field input::placeholder { color: var(--sbx-muted); opacity: 1; }
    .sbx-field input:focus { outline: 2px solid var(--sbx-primary); outline-offset: 1px; border-color: var(--sbx-primary); }
    .sbx-field input[aria-invalid="true"] { border-color: var(--sbx-danger); }
    .sbx-error { margin: 4px 0 0; font-size: 14px; color: var(--sbx-danger); }
    .sbx-cards { grid-column: 1 / -1; margin: 0; font-size: 14px; color: var(--sbx-muted); }
    .sbx-cards summary { cursor: pointer; } .sbx-cards ul { list-style: none; display: flex; flex-wrap: wrap; gap: 8px; margin: 8px 0 0; padding: 0; }
    .sbx-cards button { padding: 6px 12px; border: 1px solid #4b5563; border-radius: 999px; background: transparent; color: var(--sbx-text); font: inherit; cursor: pointer; }
    .sbx-cards button:hover, .sbx-cards button:focus-visible { border-color: var(--sbx-primary); }
  `;
  const TEST_CARDS = [
    ["Pays", "4242424242424242"],
    ["Declined", "4000000000000002"],
    ["Insufficient funds", "4000000000009995"],
    ["3-D Secure", "4000002760003184"],
  ];
  const VARIABLES = {
    colorPrimary: "--sbx-primary", colorBackground: "--sbx-ground", colorText: "--sbx-text",
    colorTextSecondary: "--sbx-muted", colorDanger: "--sbx-danger", borderRadius: "--sbx-radius",
  };

  function addStyles() {
    if (addStyles.done) return;
    addStyles.done = true;
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(RULES);
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  }

  function make(tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  }

  const digits = (text) => text.replace(/\D/g, "");

  function passesLuhn(number) {
    let sum = 0;
    [...number].reverse().forEach((digit, place) => {
      let value = Number(digit);
      if (place % 2) { value *= 2; if (value > 9) value -= 9; }
      sum += value;
    });
    return sum % 10 === 0;
  }

  const FIELDS = {
    number: {
      label: "Card number", autocomplete: "cc-number", placeholder: "1234 1234 1234 1234", longest: 23,
      shape: (text) => (digits(text).slice(0, 19).match(/.{1,4}/g) || []).join(" "),
      fault: (text) => {
        const number = digits(text);
        if (!number) return ["incomplete_number", "Your card number is incomplete."];
        if (number.length < 12) return ["incomplete_number", "Your card number is incomplete."];
        return passesLuhn(number) ? null : ["invalid_number", "Your card number is invalid."];
      },
    },
    expiry: {
      label: "Expiry", autocomplete: "cc-exp", placeholder: "MM / YY", longest: 7,
      shape: (text) => {
        let value = digits(text);
        if (/^[2-9]/.test(value)) value = "0" + value;
        if (/^\d\d20\d\d/.test(value)) value = value.slice(0, 2) + value.slice(4);
        value = value.slice(0, 4);
        return value.length > 2 ? value.slice(0, 2) + " / " + value.slice(2) : value;
      },
      fault: (text) => {
        const value = digits(text);
        if (value.length < 4) return ["incomplete_expiry", "Your card's expiration date is incomplete."];
        const month = Number(value.slice(0, 2)), year = 2000 + Number(value.slice(2));
        if (month < 1 || month > 12) return ["invalid_expiry_month", "Your card's expiration date is invalid."];
        const now = new Date();
        const past = year < now.getFullYear() || (year === now.getFullYear() && month < now.getMonth() + 1);
        return past ? ["invalid_expiry_year_past", "Your card's expiration year is in the past."] : null;
      },
    },
    cvc: {
      label: "CVC", autocomplete: "cc-csc", placeholder: "CVC", longest: 4,
      shape: (text) => digits(text).slice(0, 4),
      fault: (text) => (text.length < 3 ? ["incomplete_cvc", "Your card's security code is incomplete."] : null),
    },
  };

  let forms = 0;

  /** The card form: three fields with their errors. */
  class PaymentElement {
    constructor(elements) {
      this.elements = elements;
      this.listeners = {};
      this.inputs = {};
      this.root = null;
    }

    mount(target) {
      const place = typeof target === "string" ? document.querySelector(target) : target;
      if (!place) throw new Error(`The sandbox's card form found no element ${target} to mount in.`);
      addStyles();
      const form = ++forms;
      this.root = make("div", { class: "sbx", role: "group", "aria-label": "Card" });
      for (const [name, field] of Object.entries(FIELDS)) this.root.append(this.draw(name, field, form));
      this.root.append(this.drawTestCards());
      const variables = (this.elements.appearance || {}).variables || {};
      for (const [name, property] of Object.entries(VARIABLES)) {
        if (variables[name]) this.root.style.setProperty(property, variables[name]);
      }
      place.replaceChildren(this.root);
      queueMicrotask(() => this.emit("ready", { elementType: "payment" }));
    }

    draw(name, field, form) {
      const id = `sbx-${name}-${form}`;
      const input = make("input", {
        id, type: "text", inputmode: "numeric", autocomplete: field.autocomplete, placeholder: field.placeholder,
        maxlength: field.longest, "aria-describedby": `${id}-error`, "data-sandbox-field": name,
      });
      const error = make("p", { id: `${id}-error`, class: "sbx-error", role: "alert" });
      error.hidden = true;
      input.addEventListener("input", () => {
        const atEnd = input.selectionStart === input.value.length;
        const shaped = field.shape(input.value);
        if (shaped !== input.value) {
          const before = digits(input.value.slice(0, input.selectionStart)).length;
          input.value = shaped;
          let place = shaped.length;
          if (!atEnd) for (place = 0; place < shaped.length && digits(shaped.slice(0, place)).length < before; place++);
          input.setSelectionRange(place, place);
        }
        this.tell(name, null);
        const complete = Object.keys(FIELDS).every((other) => !this.fault(other));
        this.emit("change", { elementType: "payment", empty: !input.value, complete, value: { type: "card" } });
      });
      input.addEventListener("blur", () => { if (input.value) this.tell(name, this.fault(name)); });
      this.inputs[name] = { input, error };
      const wide = name === "number" ? " sbx-wide" : "";
      const label = make("label", { for: id }, field.label);
      return make("div", { class: `sbx-field${wide}` }, label, input, error);
    }

    drawTestCards() {
      const list = make("ul", {});
      for (const [name, number] of TEST_CARDS) {
        const button = make("button", { type: "button" }, name);
        button.addEventListener("click", () => this.fill(number));
        list.append(make("li", {}, button));
      }
      return make("details", { class: "sbx-cards" }, make("summary", {}, "Sandbox: fill in a test card"), list);
    }

    fill(number) {
      const values = { number, expiry: "1234", cvc: "123" };
      for (const [name, value] of Object.entries(values)) {
        this.inputs[name].input.value = value;
        this.inputs[name].input.dispatchEvent(new Event("input", { bubbles: true }));
      }
    }

    fault(name) {
      return FIELDS[name].fault(this.inputs[name].input.value.trim());
    }

    tell(name, fault) {
      const { input, error } = this.inputs[name];
      error.textContent = fault ? fault[1] : "";
      error.hidden = !fault;
      if (fault) input.setAttribute("aria-invalid", "true"); else input.removeAttribute("aria-invalid");
    }

    /** Shows every fault, goes to the first one and returns it. */
    check() {
      let first = null;
      for (const name of Object.keys(FIELDS)) {
        const fault = this.fault(name);
        this.tell(name, fault);
        if (fault && !first) { first = { name, fault }; this.inputs[name].input.focus(); }
      }
      return first && { type: "validation_error", code: first.fault[0], message: first.fault[1] };
    }

    card() {
      const expiry = digits(this.inputs.expiry.input.value);
      return {
        number: digits(this.inputs.number.input.value), exp_month: expiry.slice(0, 2), exp_year: expiry.slice(2),
        cvc: this.inputs.cvc.input.value,
      };
    }

    /** A card error of the issuer belongs to a field. */
    show(error) {
      const field = { number: "number", exp_month: "expiry", exp_year: "expiry", cvc: "cvc" }[error.param];
      if (field) { this.tell(field, [error.code, error.message]); this.inputs[field].input.focus(); }
    }

    on(event, listener) { (this.listeners[event] = this.listeners[event] || []).push(listener); return this; }
    off(event, listener) { this.listeners[event] = (this.listeners[event] || []).filter((one) => one !== listener); return this; }
    once(event, listener) {
      const first = (...values) => { this.off(event, first); listener(...values); };
      return this.on(event, first);
    }
    emit(event, value) { (this.listeners[event] || []).forEach((listener) => listener(value)); }
    update() {}
    focus() { this.inputs.number.input.focus(); }
    blur() { if (this.root && this.root.contains(document.activeElement)) document.activeElement.blur(); }
    clear() { for (const name of Object.keys(FIELDS)) { this.inputs[name].input.value = ""; this.tell(name, null); } }
    unmount() { if (this.root) this.root.remove(); this.root = null; }
    destroy() { this.unmount(); this.elements.payment = null; }
  }

  class Elements {
    constructor(options) {
      this.clientSecret = options.clientSecret;
      this.appearance = options.appearance;
      this.payment = null;
    }

    create(kind) {
      if (kind !== "payment") throw new Error(`The sandbox draws the 'payment' element and no '${kind}'.`);
      if (this.payment) throw new Error("Can only create one Element of type payment through the same Elements instance.");
      this.payment = new PaymentElement(this);
      return this.payment;
    }

    getElement(kind) { return kind === "payment" ? this.payment : null; }
    update(options) { Object.assign(this, options); }
    async fetchUpdates() { return {}; }

    async submit() {
      const error = this.payment && this.payment.check();
      return error ? { error } : { selectedPaymentMethod: "card" };
    }
  }

  /** One call of the API with the publishable key; the answer is the object or `{error}`. */
  async function call(method, path, key, fields) {
    const form = new URLSearchParams({ key, ...fields });
    try {
      const response = method === "GET"
        ? await fetch(`${base}${path}?${form}`)
        : await fetch(`${base}${path}`, { method, body: form });
      const answer = await response.json();
      return answer.error ? { error: answer.error } : { paymentIntent: answer };
    } catch {
      return { error: { type: "api_connection_error", message: "We could not reach the payment service. Check your connection and try again." } };
    }
  }

  const intentOf = (clientSecret) => String(clientSecret).split("_secret_")[0];

  function returnTo(address, intent, outcome) {
    const url = new URL(address, location.href);
    url.searchParams.append("payment_intent", intent.id);
    url.searchParams.append("payment_intent_client_secret", intent.client_secret);
    url.searchParams.append("redirect_status", outcome);
    location.assign(url);
    return new Promise(() => {}); // the page is leaving
  }

  function Stripe(key) {
    if (!/^pk_/.test(String(key))) throw new Error("Stripe() takes a publishable key, which begins with pk_.");
    return {
      elements: (options = {}) => new Elements(options),

      async confirmPayment({ elements, clientSecret, confirmParams = {}, redirect = "always" }) {
        const secret = clientSecret || (elements && elements.clientSecret);
        const element = elements && elements.getElement("payment");
        const fault = element && element.check();
        if (fault) return { error: fault };
        const fields = { client_secret: secret, use_stripe_sdk: "true" };
        if (confirmParams.return_url) fields.return_url = new URL(confirmParams.return_url, location.href).href;
        if (confirmParams.receipt_email) fields.receipt_email = confirmParams.receipt_email;
        if (element) {
          fields["payment_method_data[type]"] = "card";
          for (const [name, value] of Object.entries(element.card())) fields[`payment_method_data[card][${name}]`] = value;
        } else if (confirmParams.payment_method) {
          fields.payment_method = confirmParams.payment_method;
        }
        const answer = await call("POST", `/v1/payment_intents/${intentOf(secret)}/confirm`, key, fields);
        if (answer.error) {
          if (element) element.show(answer.error);
          return answer;
        }
        const intent = answer.paymentIntent;
        if (intent.status === "requires_action") {
          location.assign(intent.next_action.redirect_to_url.url);
          return new Promise(() => {});
        }
        if (redirect === "always" && confirmParams.return_url) return returnTo(confirmParams.return_url, intent, "succeeded");
        return answer;
      },

      retrievePaymentIntent: (clientSecret) =>
        call("GET", `/v1/payment_intents/${intentOf(clientSecret)}`, key, { client_secret: clientSecret }),

      async handleNextAction({ clientSecret }) {
        const answer = await this.retrievePaymentIntent(clientSecret);
        const next = answer.paymentIntent && answer.paymentIntent.next_action;
        if (!next) return answer;
        location.assign(next.redirect_to_url.url);
        return new Promise(() => {});
      },
    };
  }

  Stripe.version = "sandbox";
  window.Stripe = Stripe;
})();
