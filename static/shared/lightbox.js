import { element, iconButton, keep } from "./dom.js";
import { fileSize } from "./format.js";
import { icon } from "./icons.js";
import { gettext } from "./text.js";

/** A picture in front of everything. Esc and a click beside it close it; focus stays inside and goes back where it was. */
export class Lightbox extends HTMLElement {
  #dialog;

  constructor({ name, size, width, height }, address) {
    super();
    const image = element("img", { src: address, alt: name, width, height });
    const zoom = element("button", { type: "button", class: "lightbox-picture", title: gettext("Actual size, or fitted") }, image);
    zoom.onclick = (event) => event.target === image && zoom.toggleAttribute("data-large");
    const save = iconButton("lightbox-act", () => keep(address, name), gettext("Save"), icon("save"));
    const close = iconButton("lightbox-act", () => this.#dialog.close(), gettext("Close"), icon("close"));
    const words = element("p", {}, element("span", { class: "file-name" }, name), element("small", {}, fileSize(size)));
    this.#dialog = element("dialog", { class: "lightbox", "aria-label": name }, element("header", {}, words, save, close), zoom);
    zoom.addEventListener("click", (event) => event.target === zoom && this.#dialog.close());
    this.#dialog.addEventListener("close", () => this.remove());
    this.append(this.#dialog);
  }

  open() {
    document.body.append(this);
    this.#dialog.showModal();
  }
}

customElements.define("kefu-lightbox", Lightbox);
