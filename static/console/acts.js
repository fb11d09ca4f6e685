import { ConfirmDialog } from "./elements/confirm-dialog.js";
import { HelpDialog } from "./elements/help-dialog.js";
import { offers } from "./elements/thread-header.js";
import { TransferDialog } from "./elements/transfer-dialog.js";

/** What buttons and keys do to the open conversation. A verb that its state does not offer does nothing. */
export function acts({ desk, verbs, list, thread }) {
  const help = new HelpDialog();
  const { body } = document;

  const open = (id) => (location.hash = id ?? "");
  const step = (by) => () => open(list.beside(by) ?? desk.current);
  const whenOffered = (verb, act) => () => offers(verb, desk.state(desk.current), desk) && act(desk.current);
  const write = (mode) => () => desk.current && thread.composer.write(mode);

  return {
    open,
    next: step(1),
    previous: step(-1),
    takeOver: whenOffered("takeOver", async (id) => (await verbs.takeOver(id)) && list.follow("waiting", "mine")),
    handBack: whenOffered("handBack", (id) => verbs.handBack(id)),
    close: whenOffered("close", (id) => askToClose(() => verbs.end(id))),
    transfer: whenOffered("transfer", async (id) => {
      await desk.readColleagues().catch(() => {}); // those known will do
      new TransferDialog(desk, (to, note) => verbs.transfer(id, to, note)).open();
    }),
    reply: write("reply"),
    note: write("note"),
    attach: () => thread.composer.attach(),
    help: () => help.open(),
    card: () => (body.dataset.page = body.dataset.page === "card" ? "thread" : "card"),
    back: () => (body.dataset.page === "card" ? (body.dataset.page = "thread") : open(null)),
  };
}

function askToClose(act) {
  const title = gettext("Close this conversation?");
  const text = gettext("The visitor is told, and may rate it. It cannot be reopened.");
  new ConfirmDialog({ title, text, yes: gettext("Close it"), act }).open();
}
