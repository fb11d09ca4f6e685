import { element, iconButton } from "./dom.js";
import { fileSize, fill } from "./format.js";
import { icon } from "./icons.js";
import { gettext } from "./text.js";

const isPicture = (file) => /^image\/(png|jpeg|gif|webp)$/.test(file.type);

/** The files that the next message takes along: how far each has come, and what can be done about it. */
export class FileTray extends HTMLElement {
  #uploads = null;
  #rows = new Map();
  #list = element("ul", {});
  #said = element("p", { class: "sr-only", role: "status" });

  connectedCallback() {
    if (!this.childElementCount) this.append(this.#list, this.#said);
    this.hidden = !this.#rows.size;
  }

  set uploads(uploads) {
    this.#uploads?.removeEventListener("change", this.#draw);
    this.#uploads = uploads;
    this.#rows.clear();
    this.#list.replaceChildren();
    uploads.addEventListener("change", this.#draw);
    this.#draw();
  }

  #draw = () => {
    const { items } = this.#uploads;
    for (const [item, row] of this.#rows) if (!items.includes(item)) this.#drop(item, row);
    for (const item of items) {
      if (!this.#rows.has(item)) this.#add(item);
      this.#show(item, this.#rows.get(item));
    }
    this.hidden = !items.length;
  };

  #add(item) {
    const picture = isPicture(item.file) ? thumbnail(item.preview) : icon("file");
    const name = element("span", { class: "file-name" }, item.name);
    const bar = element("progress", { max: 1, "aria-label": item.name });
    const about = element("span", { class: "file-about" });
    const again = iconButton("file-act", () => this.#uploads.retry(item), named(gettext("Upload %(name)s again"), item), icon("again"));
    const away = iconButton("file-act", () => this.#remove(item), named(gettext("Remove %(name)s"), item), icon("close"));
    const words = element("div", {}, name, about, bar);
    const node = element("li", {}, element("span", { class: "file-picture" }, picture), words, again, away);
    this.#rows.set(item, { node, bar, about, again });
    this.#list.append(node);
  }

  #show(item, { node, bar, about, again }) {
    bar.value = item.share;
    bar.hidden = item.status !== "sending" && item.status !== "waiting";
    again.hidden = item.status !== "failed" || item.isFinal;
    about.textContent = item.error || (item.status === "sending" ? percent(item.share) : fileSize(item.size));
    if (node.dataset.status === item.status) return;
    node.dataset.status = item.status;
    const said = { ready: gettext("%(name)s is uploaded"), failed: item.error && `%(name)s: ${item.error}` }[item.status];
    if (said) this.#said.textContent = named(said, item);
  }

  // Focus goes to the neighbour, not back to the top of the page.
  #remove(item) {
    const { node } = this.#rows.get(item);
    const neighbour = (node.nextElementSibling ?? node.previousElementSibling)?.querySelector("button:last-child");
    this.#uploads.remove(item);
    if (neighbour) neighbour.focus();
    else this.dispatchEvent(new CustomEvent("emptied", { bubbles: true }));
  }

  #drop(item, { node }) {
    node.remove();
    this.#rows.delete(item);
  }
}

// What only calls itself a picture is shown as any other file.
function thumbnail(address) {
  const image = element("img", { src: address, alt: "" });
  image.onerror = () => image.replaceWith(icon("file"));
  return image;
}

const named = (text, { name }) => fill(text, { name });
const percent = (share) => `${Math.floor(share * 100)} %`;

customElements.define("file-tray", FileTray);
