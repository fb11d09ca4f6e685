import { element } from "../dom.js";

/**
 * The menu that `/` opens: filters as the agent types, arrow keys choose, Enter or Tab takes.
 * It never has focus; the composer's text area keeps it and hands its keys on.
 */
export class CannedReplies extends HTMLElement {
  #matches = [];
  #chosen = 0;

  constructor(take) {
    super();
    this.take = take;
    this.id = "canned-replies";
    this.setAttribute("role", "listbox");
    this.setAttribute("aria-label", gettext("Canned replies"));
    this.hidden = true;
  }

  get isOpen() {
    return !this.hidden;
  }

  /** The option a screen reader should be on, by id. */
  get activeOption() {
    return this.isOpen ? `canned-${this.#chosen}` : "";
  }

  /** Opens for a draft like "/ref", closes for anything else. */
  offer(replies, draft) {
    const wanted = /^\/(\S*)$/.exec(draft)?.[1].toLowerCase();
    this.#matches = wanted === undefined ? [] : replies.filter((reply) => matches(reply, wanted));
    this.#chosen = 0;
    this.hidden = wanted === undefined;
    this.#draw();
  }

  close() {
    this.hidden = true;
  }

  /** True when the key was the menu's. */
  handleKey(event) {
    const act = this.isOpen && this.#keys[event.key];
    if (!act || (act !== this.#dismiss && this.#matches.length === 0)) return false;
    event.preventDefault();
    act();
    return true;
  }

  #dismiss = () => this.close();
  #move = (step) => {
    this.#chosen = (this.#chosen + step + this.#matches.length) % this.#matches.length;
    this.#draw();
  };
  #accept = () => {
    this.close();
    this.take(this.#matches[this.#chosen]);
  };
  #keys = {
    ArrowDown: () => this.#move(1),
    ArrowUp: () => this.#move(-1),
    Enter: this.#accept,
    Tab: this.#accept,
    Escape: this.#dismiss,
  };

  #draw() {
    const options = this.#matches.map((reply, index) => this.#option(reply, index));
    const nothing = element("p", { class: "faint" }, gettext("No canned reply has this name."));
    this.replaceChildren(...(options.length ? options : [nothing]));
    this.children[this.#chosen]?.scrollIntoView({ block: "nearest" });
  }

  #option(reply, index) {
    return element(
      "div",
      {
        role: "option",
        id: `canned-${index}`,
        "aria-selected": String(index === this.#chosen),
        // Before the text area loses focus to the click.
        onpointerdown: (event) => {
          event.preventDefault();
          this.#chosen = index;
          this.#accept();
        },
      },
      element("kbd", {}, `/${reply.shortcut}`),
      element("strong", {}, reply.title),
      element("span", {}, reply.text),
    );
  }
}

/** Puts people's names into "Hello {name}"; a name nobody knows leaves no hole behind. */
export function fillReply(text, values) {
  return text.replace(/\{(\w+)\}/g, (hole, key) => values[key] ?? (key in values ? "" : hole));
}

function matches({ shortcut, title }, wanted) {
  return shortcut.toLowerCase().startsWith(wanted) || title.toLowerCase().includes(wanted);
}

customElements.define("canned-replies", CannedReplies);
