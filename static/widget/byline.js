import { element } from "../shared/dom.js";
import { gettext } from "../shared/text.js";

/** Whose words these are; what a machine wrote says so. */
export function byline(name, isAi) {
  const title = gettext("Written by artificial intelligence");
  const badge = isAi && element("abbr", { class: "badge", title }, gettext("AI"));
  return [element("span", { class: "name" }, name), badge || ""];
}
