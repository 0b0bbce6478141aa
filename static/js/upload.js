// Files go from here straight to storage: in one piece up to 64 MB, else in parts, three at a time, each tried again by
// itself. An upload can be paused, and continued after a reload by choosing the same file: its id is remembered here, and the
// storage knows which parts it has. The server is told when all of it has arrived, and what it becomes.

const PARALLEL = 3;
const TRIES = 6;
const SIGN_AHEAD = 12;
// Uploads that would be interrupted if the page were left now.
const busy = new Set();

for (const notice of document.querySelectorAll("[data-without-script]")) notice.remove();
for (const uploader of document.querySelectorAll("[data-uploader]")) attach(uploader);

function attach(uploader) {
  const input = uploader.querySelector("[data-files]");
  const zone = uploader.querySelector("[data-drop]");
  input.addEventListener("change", () => {
    take(uploader, [...input.files]);
    input.value = "";
  });
  for (const type of ["dragenter", "dragover"]) {
    zone.addEventListener(type, (event) => {
      event.preventDefault();
      zone.classList.add("over");
    });
  }
  for (const type of ["dragleave", "drop"]) zone.addEventListener(type, () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    take(uploader, [...event.dataTransfer.files]);
  });
}

function take(uploader, files) {
  const chosen = uploader.dataset.uploader === "image" ? files : files.slice(0, 1);
  for (const file of chosen) {
    const row = new Row(uploader, file);
    new Upload(uploader, file, row).start();
  }
}

// What is seen of one file.
class Row {
  constructor(uploader, file) {
    this.item = document.createElement("li");
    this.item.className = "stack-small";
    const head = element("div", "split");
    this.name = element("span", "", `${file.name} `);
    this.name.append(element("span", "muted", size(file.size)));
    this.actions = element("span", "row");
    head.append(this.name, this.actions);
    this.bar = element("progress", "progress");
    this.bar.max = file.size || 1;
    this.bar.value = 0;
    this.bar.setAttribute("aria-label", file.name);
    this.line = element("p", "muted small", "Preparing…");
    this.item.append(head, this.bar, this.line);
    uploader.querySelector("[data-rows]").append(this.item);
  }

  show(done, text) {
    this.bar.value = done;
    if (text) this.say(text);
  }

  say(text, kind = "") {
    this.line.textContent = text;
    this.line.className = kind === "error" ? "field-error" : "muted small";
    this.bar.className = `progress${kind === "error" ? " progress-red" : kind === "done" ? " progress-green" : ""}`;
  }

  // Buttons, each with what it does.
  offer(...buttons) {
    this.actions.replaceChildren(
      ...buttons.map(([label, act]) => {
        const button = element("button", "btn btn-secondary btn-small", label);
        button.type = "button";
        button.addEventListener("click", act);
        return button;
      }),
    );
  }

  remove() {
    this.item.remove();
  }
}

class Upload {
  constructor(uploader, file, row) {
    this.uploader = uploader;
    this.purpose = uploader.dataset.uploader;
    this.product = uploader.dataset.product;
    // Where uploads of this kind are announced.
    this.uploads = uploader.dataset.uploads ?? "/api/uploads";
    this.file = file;
    this.row = row;
    this.memory = `mywork.upload.${this.product}.${this.purpose}.${file.name}.${file.size}.${file.lastModified}`;
    this.sent = new Map();
    this.requests = new Set();
    this.stopped = false;
  }

  async start() {
    this.stopped = false;
    busy.add(this);
    this.row.offer(["Pause", () => this.pause()], ["Remove", () => this.giveUp()]);
    try {
      this.upload = await this.open();
      remember(this.memory, this.upload.id);
      if (this.upload.state === "created") await (this.upload.part_size ? this.sendParts() : this.sendWhole());
      if (this.stopped) return;
      await this.complete();
    } catch (error) {
      if (this.stopped) return;
      this.fail(error);
    }
  }

  // The upload begun earlier for the same file, or a new one.
  async open() {
    const known = recall(this.memory);
    if (known) {
      try {
        const upload = await api("GET", `${this.uploads}/${known}`);
        if (upload.state !== "aborted") return upload;
      } catch (error) {
        if (error.status !== 404) throw error;
      }
      forget(this.memory);
    }
    const input = { file_name: this.file.name, size_bytes: this.file.size };
    if (this.product) Object.assign(input, { product: this.product, purpose: this.purpose });
    const number = this.field("number");
    if (number) input.number = number;
    return api("POST", this.uploads, input);
  }

  async sendWhole() {
    await this.tryHard(async (attempt) => {
      if (attempt > 1) this.upload = await api("GET", `${this.uploads}/${this.upload.id}`);
      if (this.upload.state !== "created") return;
      await this.put(this.upload.put_url, this.file, 1, this.upload.content_type);
    });
  }

  async sendParts() {
    const { part_size, part_count } = this.upload;
    const length = (number) => Math.min(part_size, this.file.size - (number - 1) * part_size);
    for (const part of this.upload.parts) if (part.size === length(part.number)) this.sent.set(part.number, part.size);
    const waiting = [];
    for (let number = 1; number <= part_count; number += 1) if (!this.sent.has(number)) waiting.push(number);
    this.progress();
    const urls = new Map();
    let signing = null;

    const sign = async (number) => {
      if (urls.has(number)) return urls.get(number);
      // One request signs for all who wait, some parts ahead.
      signing ??= api("POST", `${this.uploads}/${this.upload.id}/parts`, { numbers: [number, ...waiting.slice(0, SIGN_AHEAD)] })
        .then(({ parts }) => parts.forEach((part) => urls.set(part.number, part.url)))
        .finally(() => (signing = null));
      await signing;
      return sign(number);
    };

    const work = async () => {
      while (waiting.length && !this.stopped) {
        const number = waiting.shift();
        await this.tryHard(async (attempt) => {
          if (attempt > 1) urls.delete(number);
          const from = (number - 1) * part_size;
          await this.put(await sign(number), this.file.slice(from, from + length(number)), number);
        });
      }
    };
    await Promise.all(Array.from({ length: PARALLEL }, work));
  }

  async tryHard(act) {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await act(attempt);
      } catch (error) {
        if (this.stopped || attempt >= TRIES || (error.status && error.status < 500 && ![403, 408, 429].includes(error.status))) throw error;
        this.row.say(`The connection failed; trying again (${attempt} of ${TRIES - 1})…`);
        await wait(Math.min(30_000, 500 * 2 ** attempt) * (0.5 + Math.random()));
      }
    }
  }

  put(url, body, number, type) {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      const over = (outcome) => (value) => {
        this.requests.delete(request);
        outcome(value);
      };
      request.open("PUT", url);
      if (type) request.setRequestHeader("content-type", type);
      request.timeout = 15 * 60_000;
      request.upload.addEventListener("progress", (event) => {
        this.sent.set(number, event.loaded);
        this.progress();
      });
      request.addEventListener("load", () => {
        if (request.status >= 200 && request.status < 300) {
          this.sent.set(number, body.size);
          this.progress();
          return over(resolve)();
        }
        this.sent.delete(number);
        over(reject)(failure("The storage did not take the file.", request.status));
      });
      for (const event of ["error", "timeout", "abort"]) {
        request.addEventListener(event, () => {
          this.sent.delete(number);
          over(reject)(failure("The connection failed.", 0));
        });
      }
      this.requests.add(request);
      request.send(body);
    });
  }

  progress() {
    const done = [...this.sent.values()].reduce((sum, part) => sum + part, 0);
    const now = performance.now();
    this.begun ??= { at: now, done };
    const seconds = (now - this.begun.at) / 1000;
    const speed = seconds > 1 ? (done - this.begun.done) / seconds : 0;
    const left = speed > 0 ? `, ${duration((this.file.size - done) / speed)} left` : "";
    this.row.show(done, `${Math.floor((100 * done) / Math.max(1, this.file.size))} %: ${size(done)} of ${size(this.file.size)}${left}`);
  }

  async complete() {
    this.row.offer();
    this.row.show(this.file.size, "Everything has arrived; finishing…");
    const input = {};
    if (this.purpose === "package") {
      input.version = { changelog: this.field("changelog") ?? "" };
      const number = this.field("number");
      if (number) input.version.number = number;
    }
    const completed = await this.tryOnceMore(() => api("POST", `${this.uploads}/${this.upload.id}/complete`, input));
    forget(this.memory);
    busy.delete(this);
    if (completed.version) {
      this.row.say("Uploaded. Its checks have begun.", "done");
      location.assign(`/dashboard/products/${this.product}/checks?version=${completed.version.id}`);
      return;
    }
    this.row.say("Uploaded.", "done");
    this.row.offer(["Hide", () => this.row.remove()]);
    gallery();
  }

  // Completing is asked of the server, and asking again is safe.
  async tryOnceMore(act) {
    try {
      return await act();
    } catch (error) {
      if (error.status && error.status < 500) throw error;
      await wait(2000);
      return act();
    }
  }

  pause() {
    this.stop();
    this.row.say("Paused. What has arrived is kept.");
    this.row.offer(["Continue", () => this.start()], ["Remove", () => this.giveUp()]);
  }

  stop() {
    this.stopped = true;
    busy.delete(this);
    this.begun = undefined;
    for (const request of [...this.requests]) request.abort();
  }

  async giveUp() {
    this.stop();
    forget(this.memory);
    try {
      if (this.upload) await api("DELETE", `${this.uploads}/${this.upload.id}`);
      this.row.remove();
    } catch (error) {
      this.fail(error);
    }
  }

  fail(error) {
    this.stop();
    const field = error.errors?.find(({ field }) => ["number", "version.number", "changelog"].includes(field));
    this.row.say(field?.detail ?? error.message, "error");
    if (field) this.uploader.querySelector(`[name="${field.field.split(".").pop()}"]`)?.focus();
    this.row.offer(["Try again", () => this.start()], ["Remove", () => this.giveUp()]);
  }

  field(name) {
    return this.uploader.querySelector(`[name="${name}"]`)?.value.trim() || undefined;
  }
}

// Pictures are prepared by a job: the gallery is fetched again until all of them are.
let looking = false;
async function gallery() {
  if (looking) return;
  looking = true;
  try {
    for (let tries = 0; tries < 120; tries += 1) {
      const page = await fetch(location.href, { headers: { accept: "text/html" } });
      if (page.ok) {
        const next = new DOMParser().parseFromString(await page.text(), "text/html").querySelector("[data-gallery]");
        const now = document.querySelector("[data-gallery]");
        // What somebody is typing into is left alone.
        if (next && now && !now.contains(document.activeElement)) now.replaceWith(next);
        if (next && !next.querySelector("[data-unfinished]")) return;
      }
      await wait(1000);
    }
  } finally {
    looking = false;
  }
}
if (document.querySelector("[data-gallery] [data-unfinished]")) gallery();

async function api(method, path, body) {
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: { accept: "application/json", ...(body && { "content-type": "application/json" }) },
      body: body && JSON.stringify(body),
    });
  } catch {
    throw failure("The connection failed.", 0);
  }
  if (response.status === 204) return null;
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  if (response.status === 401) location.assign(`/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`);
  throw failure(answer.errors?.[0]?.detail ?? answer.detail ?? "Something went wrong. Try again.", response.status, answer.errors);
}

function failure(message, status, errors = []) {
  return Object.assign(new Error(message), { status, errors });
}

function remember(key, id) {
  try {
    localStorage.setItem(key, id);
  } catch {
    // Without storage an upload cannot be continued after a reload; everything else works.
  }
}

function recall(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function forget(key) {
  try {
    localStorage.removeItem(key);
  } catch {
    // Nothing was kept.
  }
}

function element(tag, classes, text) {
  const made = document.createElement(tag);
  if (classes) made.className = classes;
  if (text !== undefined) made.textContent = text;
  return made;
}

function wait(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

function size(bytes) {
  const units = ["B", "KB", "MB", "GB"];
  const step = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  const number = bytes / 1000 ** step;
  return `${number >= 100 || step === 0 ? Math.round(number) : number.toFixed(1)} ${units[step]}`;
}

function duration(seconds) {
  if (seconds < 60) return `${Math.ceil(seconds)} s`;
  if (seconds < 3600) return `${Math.ceil(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

addEventListener("beforeunload", (event) => {
  if (busy.size) event.preventDefault();
});
