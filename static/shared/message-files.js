import { button, element, keep } from "./dom.js";
import { fileSize, fill } from "./format.js";
import { icon } from "./icons.js";
import { Lightbox } from "./lightbox.js";
import { gettext } from "./text.js";
import { ownFiles } from "./uploads.js";

const PICTURES = new Set(["image/png", "image/jpeg", "image/gif", "image/webp"]);
const TALLEST = 220; // px

/** The files of one message: pictures as thumbnails that open large, everything else by name, to be saved. */
export class MessageFiles extends HTMLElement {
  #addressOf;
  #shown = "";

  /** `addressOf(attachment)`: (a promise of) an address that an element can load. */
  constructor(addressOf) {
    super();
    this.#addressOf = addressOf;
  }

  set attachments(attachments) {
    const files = attachments ?? [];
    this.hidden = !files.length;
    const shown = files.map(({ id }) => id).join();
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.replaceChildren(...files.map((file) => (PICTURES.has(file.type) ? this.#picture(file) : this.#file(file))));
  }

  async #address(file) {
    return ownFiles.get(file.id) ?? this.#addressOf(file);
  }

  #picture(file) {
    const image = element("img", { alt: file.name });
    const open = button("file-thumbnail", () => this.#open(file), { title: file.name }, image);
    reserve(open, file);
    whenSeen(open, async () => {
      try {
        image.src = await this.#address(file);
      } catch {
        open.replaceWith(this.#file(file));
      }
    });
    image.addEventListener("error", () => open.replaceWith(this.#file(file)), { once: true });
    return open;
  }

  async #open(file) {
    new Lightbox(file, await this.#address(file)).open();
  }

  #file(file) {
    const about = element("span", { class: "file-about" }, fileSize(file.size));
    const name = element("span", { class: "file-name" }, file.name);
    const label = fill(gettext("Save %(name)s"), { name: file.name });
    const save = button("file-save", null, { "aria-label": label, title: label }, icon("file"), name, about);
    save.onclick = async () => {
      save.disabled = true;
      try {
        keep(await this.#address(file), file.name);
      } catch {
        about.textContent = gettext("This file could not be fetched.");
      }
      save.disabled = false;
    };
    return save;
  }
}

// The room that a picture will take: nothing moves when it comes.
function reserve(node, { width, height }) {
  if (!width || !height) return;
  node.style.setProperty("--file-ratio", `${width} / ${height}`);
  node.style.setProperty("--file-width", `${Math.max(48, Math.min(width, Math.round((TALLEST * width) / height)))}px`);
}

function whenSeen(node, act) {
  const watch = new IntersectionObserver(
    (entries) => {
      if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
      watch.disconnect();
      act();
    },
    { rootMargin: "300px" },
  );
  watch.observe(node);
}

customElements.define("message-files", MessageFiles);
