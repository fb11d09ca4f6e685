/** Django's JavaScript catalogue, or the English source where its script did not arrive. */
export const gettext = window.gettext ?? ((text) => text);
export const ngettext = window.ngettext ?? ((one, many, count) => (count === 1 ? one : many));
