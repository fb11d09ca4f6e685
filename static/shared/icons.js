/** Line icons on a 24 by 24 grid. `icon("send")` is hidden from screen readers: name the button itself. */
const SPACE = "http://www.w3.org/2000/svg";
const PATHS = {
  close: "M6 6l12 12M18 6L6 18",
  minimise: "M6 9.5l6 6 6-6",
  send: "M4.5 12L20 4.5 15.5 20l-4-6.5zM11.5 13.5L20 4.5",
  person: "M12 12a4 4 0 100-8 4 4 0 000 8zM4.5 20.5c.8-4 3.6-6 7.5-6s6.7 2 7.5 6",
  stop: "M7.5 7.5h9v9h-9z",
  again: "M19.5 12a7.5 7.5 0 11-2.2-5.3M19.5 3.5v4.5H15",
  up: "M7.5 11v9H4v-9zM7.5 11l4-7.5c1.6 0 2.6 1.1 2.3 2.7L13.2 9.5h5.3c1.3 0 2.2 1.2 1.9 2.5l-1.4 6.3c-.2 1-1.1 1.7-2.1 1.7H7.5",
  down: "M16.5 13V4H20v9zM16.5 13l-4 7.5c-1.6 0-2.6-1.1-2.3-2.7l.6-3.3H5.5c-1.3 0-2.2-1.2-1.9-2.5l1.4-6.3C5.2 4.7 6.1 4 7.1 4h9.4",
  source: "M7 3.5h7.5L19 8v12.5H7zM14 3.5V8.5h5M10 13h6M10 16.5h6",
  end: "M14 4H6v16h8M10.5 12H20.5M17 8.5l3.5 3.5-3.5 3.5",
  offline: "M4 4l16 16M3 9a14 14 0 014-2.5M21 9a14 14 0 00-10-3.5M6.5 12.8a9 9 0 013-1.8M17.5 12.8a9 9 0 00-2.5-1.6M12 18.5h.01",
  clip: "M20 11.5l-8 8a5 5 0 01-7-7l8.5-8.5a3.4 3.4 0 014.8 4.8l-8.5 8.5a1.7 1.7 0 01-2.4-2.4l7.6-7.6",
  file: "M7 3.5h7.5L19 8v12.5H7zM14 3.5V8.5h5",
  save: "M12 4v11M7 10.5l5 5 5-5M5 19.5h14",
  down_arrow: "M12 5v14M6 13l6 6 6-6",
  star: "M12 3.5l2.6 5.4 5.9.8-4.3 4.1 1.1 5.9L12 16.9l-5.3 2.8 1.1-5.9L3.5 9.7l5.9-.8z",
};

export function icon(name) {
  const picture = document.createElementNS(SPACE, "svg");
  const path = document.createElementNS(SPACE, "path");
  path.setAttribute("d", PATHS[name]);
  picture.setAttribute("viewBox", "0 0 24 24");
  picture.setAttribute("aria-hidden", "true");
  picture.setAttribute("class", "icon");
  picture.append(path);
  return picture;
}
