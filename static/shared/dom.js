/** `element("a", { class: "x", href, onclick }, "text", node)`: properties where the node has them, else attributes. */
export function element(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined) continue;
    if (name === "class") node.className = value;
    else if (name in node) node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** A button that does `act`: `button("quiet", act, { title }, icon("close"))`. */
export function button(look, act, properties, ...children) {
  return element("button", { type: "button", class: look, onclick: act, ...properties }, ...children);
}

/** A button whose picture needs a name. */
export function iconButton(look, act, label, picture) {
  return button(look, act, { title: label, "aria-label": label }, picture);
}

/** One line of text to fill in, named by `label`. */
export function lineField(label, placeholder, properties = {}) {
  return element("input", { type: "text", maxLength: 500, placeholder, "aria-label": label, ...properties });
}

/** The address, if it leads to a web page; anything else (javascript:, data:, broken) is null. */
export function webAddress(address) {
  if (!address || !URL.canParse(address, location.href)) return null;
  const url = new URL(address, location.href);
  return ["https:", "http:"].includes(url.protocol) ? url.href : null;
}

export function outwardLink(address, ...children) {
  return element("a", { href: address, target: "_blank", rel: "noopener noreferrer" }, ...children);
}

/** Saves what lies at an address, under a name. */
export function keep(address, name) {
  const link = element("a", { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
}

const FETCHING = "img, picture, video, audio, iframe, object, embed, svg, script, style, link";

/**
 * The server's sanitised html as a fragment. It is parsed in an inert template, so that nothing is fetched: links open
 * in a new page, and images are left as their words (an answer must not be able to call home).
 */
export function rich(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  for (const link of template.content.querySelectorAll("a")) {
    const address = webAddress(link.getAttribute("href"));
    if (address) Object.assign(link, { href: address, target: "_blank", rel: "noopener noreferrer" });
    else link.replaceWith(...link.childNodes);
  }
  for (const node of template.content.querySelectorAll(FETCHING)) node.replaceWith(node.getAttribute("alt") ?? "");
  return template.content;
}
