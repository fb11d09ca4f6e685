/**
 * Files on their way up, until a message takes them along. Knows nothing of elements.
 *
 *   const uploads = new Uploads({ limits: () => policy.uploads, address: () => "/api/v1/...", headers: () => ({}) });
 *   uploads.add(files);      uploads.retry(item);      uploads.remove(item);      // remove: also cancels
 *   uploads.take()           // what is ready, as messages show it; it is forgotten here
 *   uploads.isBusy           uploads.ready             uploads.items
 *
 * An item: { name, size, preview, status: "waiting" | "sending" | "ready" | "failed", share: 0 to 1, error, isFinal, attachment }.
 * Event: "change".
 */
import { fileSize, fill } from "./format.js";
import { gettext } from "./text.js";

const AT_ONCE = 2;

/** Object URLs of the files that were uploaded from this page, by the server's id: nobody has to fetch those. */
export const ownFiles = new Map();

export class Uploads extends EventTarget {
  items = [];

  #limits;
  #address;
  #headers;

  constructor({ limits, address, headers = () => ({}) }) {
    super();
    this.#limits = limits;
    this.#address = address;
    this.#headers = headers;
  }

  get isBusy() {
    return this.items.some(({ status }) => status === "waiting" || status === "sending");
  }

  get ready() {
    return this.items.filter(({ status }) => status === "ready");
  }

  add(files) {
    for (const file of files) {
      const item = { file, name: file.name, size: file.size, preview: URL.createObjectURL(file), share: 0 };
      const refusal = this.#refusal(file);
      Object.assign(item, refusal ? { status: "failed", error: refusal, isFinal: true } : { status: "waiting" });
      this.items.push(item);
    }
    this.#goOn();
  }

  retry(item) {
    Object.assign(item, { status: "waiting", error: null, share: 0 });
    this.#goOn();
  }

  remove(item) {
    item.request?.abort();
    URL.revokeObjectURL(item.preview);
    this.items = this.items.filter((other) => other !== item);
    this.#goOn();
  }

  take() {
    const taken = this.ready;
    this.items = this.items.filter((item) => !taken.includes(item));
    for (const { attachment, preview } of taken) ownFiles.set(attachment.id, preview);
    this.#changed();
    return taken.map(({ attachment }) => attachment);
  }

  // What the server would refuse is not even sent.
  #refusal({ name, size }) {
    const { max_bytes: most, max_files: count, ends } = this.#limits();
    const end = /\.([^.]+)$/.exec(name)?.[1].toLowerCase();
    if (this.items.filter(({ isFinal }) => !isFinal).length >= count) {
      return fill(gettext("A message may have at most %(n)s files."), { n: count });
    }
    if (!size) return gettext("This file is empty.");
    if (size > most) return fill(gettext("Too large: at most %(size)s."), { size: fileSize(most) });
    return end && !ends.includes(end) ? gettext("Files of this kind cannot be sent.") : null;
  }

  #goOn() {
    const sending = this.items.filter(({ status }) => status === "sending").length;
    const waiting = this.items.filter(({ status }) => status === "waiting");
    for (const item of waiting.slice(0, AT_ONCE - sending)) this.#send(item);
    this.#changed();
  }

  // XMLHttpRequest, because fetch does not tell how far an upload has come.
  #send(item) {
    const request = new XMLHttpRequest();
    Object.assign(item, { status: "sending", request });
    request.open("POST", this.#address());
    const known = { "Content-Type": "application/octet-stream", "Content-Disposition": disposition(item.name) };
    for (const [name, value] of Object.entries({ ...known, ...this.#headers() })) request.setRequestHeader(name, value);
    request.upload.onprogress = ({ loaded }) => {
      item.share = Math.min(1, loaded / item.size);
      this.#changed();
    };
    request.onload = () => this.#answered(item, request);
    request.onerror = () => this.#failed(item, gettext("The upload broke off."));
    request.send(item.file);
  }

  #answered(item, { status, responseText }) {
    const answer = parsed(responseText);
    if (status !== 201) return this.#failed(item, answer.message || gettext("This file could not be uploaded."), answer);
    Object.assign(item, { status: "ready", attachment: answer, request: null });
    return this.#goOn();
  }

  #failed(item, error, { temporary: isTemporary = true } = {}) {
    Object.assign(item, { status: "failed", error, request: null, isFinal: !isTemporary });
    this.#goOn();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}

/** What can be chosen, for an input's `accept`. */
export const accepted = ({ ends }) => ends.map((end) => `.${end}`).join(",");

/** The limits, in a sentence. */
export function limitsInWords({ max_bytes: most, max_files: count, ends }) {
  const kinds = ends.filter((end) => end !== "jpeg").map((end) => end.toUpperCase()); // JPG says it
  const values = { n: count, size: fileSize(most), kinds: kinds.join(", ") };
  return fill(gettext("Up to %(n)s files of %(size)s: %(kinds)s"), values);
}

// RFC 8187: what encodeURIComponent leaves as it is, and a header does not.
function disposition(name) {
  const wellFormed = name.toWellFormed?.() ?? name.replace(/[\ud800-\udfff]/gu, "");
  const coded = encodeURIComponent(wellFormed).replace(/['()*]/g, (letter) => `%${letter.charCodeAt(0).toString(16)}`);
  return `attachment; filename*=UTF-8''${coded}`;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}
