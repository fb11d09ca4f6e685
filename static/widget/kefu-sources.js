import { element, outwardLink, webAddress } from "../shared/dom.js";
import { icon } from "../shared/icons.js";
import { gettext } from "../shared/text.js";

/** Where an answer comes from: each source's title leads to it, its passage folds out. */
export class KefuSources extends HTMLElement {
  set sources(sources) {
    this.hidden = !sources?.length;
    const rows = (sources ?? []).map((source) => element("li", {}, row(source)));
    this.replaceChildren(element("span", { class: "label" }, gettext("Sources")), element("ol", {}, ...rows));
  }
}

function row({ title, url, quote }) {
  const address = webAddress(url);
  const name = [icon("source"), address ? outwardLink(address, title) : title];
  if (!quote) return element("span", { class: "source" }, ...name);
  const summary = element("summary", { class: "source", title: gettext("Show the passage") }, ...name);
  return element("details", {}, summary, element("blockquote", {}, quote));
}

customElements.define("kefu-sources", KefuSources);
