/**
 * The page that embeds the panel, reached through its loader. Only the window that really is our parent, on an origin
 * the tenant allows, is heard; only that origin is spoken to; and no word of a conversation ever leaves this way.
 *
 * Events: "init" {identity, attributes, page}, "show", "hide", "user" {identity}, "attributes" {attributes}, "reset".
 * `tell`: "ready", "unread" {count}, "close".
 */
const HEARD = new Set(["init", "show", "hide", "user", "attributes", "reset"]);

export class Host extends EventTarget {
  #origin = null;

  /** `allowed`: origins; ["*"] for any. The panel's own origin always is. */
  constructor(allowed) {
    super();
    const origin = parentOrigin();
    if (!this.isEmbedded || !origin) return;
    if (origin !== location.origin && !allowed.includes(origin) && !allowed.includes("*")) return;
    this.#origin = origin;
    window.addEventListener("message", (event) => this.#hear(event));
  }

  get isEmbedded() {
    return window.parent !== window;
  }

  get isTrusted() {
    return this.#origin !== null;
  }

  tell(type, fields = {}) {
    if (this.#origin) window.parent.postMessage({ kefu: 1, type, ...fields }, this.#origin);
  }

  #hear({ source, origin, data }) {
    if (source !== window.parent || origin !== this.#origin || data?.kefu !== 1 || !HEARD.has(data.type)) return;
    this.dispatchEvent(new CustomEvent(data.type, { detail: data }));
  }
}

function parentOrigin() {
  if (location.ancestorOrigins) return location.ancestorOrigins[0] ?? null;
  return URL.canParse(document.referrer) ? new URL(document.referrer).origin : null;
}
