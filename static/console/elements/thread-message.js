import { clock, fill, moment } from "../../shared/format.js";
import { MessageFiles } from "../../shared/message-files.js";
import { button, element, icon, webLink } from "../dom.js";
import { senderName } from "../labels.js";

/** One message, from "sending" or streaming until it is committed and read; the same element all the way. */
export class ThreadMessage extends HTMLElement {
  #shown = null;

  constructor({ retry, discard, addressOf }) {
    super();
    this.retry = retry;
    this.discard = discard;
    this.files = new MessageFiles(addressOf);
  }

  /** `item` is one of the store's; `isRead`: the visitor has seen it; `isFirst`: the first of its sender in a row. */
  show(item, { isRead, isFirst }) {
    Object.assign(this.dataset, { kind: item.sender.kind, status: item.status });
    this.toggleAttribute("data-first", isFirst);
    if (this.#shown === item && this.isRead === isRead && this.isFirst === isFirst) return;
    Object.assign(this, { isRead, isFirst });
    this.#shown = item;
    this.files.attachments = item.attachments;
    this.replaceChildren(...this.#parts(item).filter(Boolean));
  }

  #parts(item) {
    if (item.sender.kind === "system") return [element("p", { class: "system" }, item.text, " ", time(item))];
    return [
      this.isFirst && byline(item),
      hasWords(item) && bubble(item),
      this.files,
      item.sources?.length > 0 && sources(item.sources),
      item.status === "failed" ? this.#failure(item) : this.#receipt(item),
    ];
  }

  #receipt(item) {
    if (item.status === "streaming") return null;
    const tick = item.sender.kind === "agent" && receiptIcon(item, this.isRead);
    return element("footer", {}, time(item), tick);
  }

  #failure(item) {
    return element(
      "footer",
      { class: "failed", role: "alert" },
      icon("warning"),
      element("span", {}, item.error?.message || gettext("Not sent")),
      button("link", () => this.retry(item), gettext("Try again")),
      button("link", () => this.discard(item), gettext("Discard")),
    );
  }
}

function byline({ sender, ai }) {
  const badge = ai && element("abbr", { class: "ai", title: gettext("Written by AI") }, "AI");
  return element("header", {}, element("strong", {}, senderName(sender)), badge);
}

const hasWords = ({ html, text, attachments }) => html || text || !attachments?.length;

// `html` is rendered and sanitised on the server; what it has not seen yet is plain text.
function bubble({ html, text, status }) {
  const body = element("div", { class: "bubble" });
  if (html) body.innerHTML = html;
  else body.append(element("p", {}, text));
  if (status === "streaming") body.append(dots(gettext("The AI is writing")));
  return body;
}

export function dots(label) {
  return element("span", { class: "dots", role: "img", "aria-label": label }, element("i"), element("i"), element("i"));
}

function sources(list) {
  const count = fill(ngettext("%(n)s source", "%(n)s sources", list.length), { n: list.length });
  const rows = list.map(source);
  return element("details", { class: "sources" }, element("summary", {}, count), element("ol", {}, rows));
}

function source({ title, url, quote }) {
  return element("li", {}, webLink(url, title), quote && element("q", {}, quote));
}

function time({ at }) {
  return at && element("time", { datetime: at, title: moment(at) }, clock(at));
}

function receiptIcon({ status }, isRead) {
  const [name, label] = {
    sending: ["clock", gettext("On its way")],
    sent: isRead ? ["read", gettext("Read")] : ["done", gettext("Sent")],
  }[status];
  const words = { role: "img", "aria-label": label, title: label };
  return element("span", { class: "receipt", "data-read": isRead, ...words }, icon(name));
}

customElements.define("thread-message", ThreadMessage);
