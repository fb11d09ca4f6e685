import { element, outwardLink, webAddress } from "../shared/dom.js";
import { gettext } from "../shared/text.js";

/** Files of a message, by name: opened in a new page, never shown in this one. */
export class KefuAttachments extends HTMLElement {
  set attachments(attachments) {
    const files = (attachments ?? []).filter(({ url }) => webAddress(url));
    this.hidden = !files.length;
    const rows = files.map(({ url, name }) => element("li", {}, outwardLink(webAddress(url), name || gettext("File"))));
    this.replaceChildren(element("ul", {}, ...rows));
  }
}

customElements.define("kefu-attachments", KefuAttachments);
