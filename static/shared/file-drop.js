/** Files that come by the clipboard or are dropped; `take(files)` gets them while `mayTake()` is so. */
const hasFiles = ({ dataTransfer }) => dataTransfer?.types.includes("Files");

/** While files hang over `zone` it has `data-dropping`, and styles show the hint in `data-drop-hint`. */
export function takeDropped(zone, mayTake, take) {
  let depth = 0; // a drag enters each child before it leaves the one before
  const over = (by) => (event) => {
    if (!hasFiles(event) || !mayTake()) return;
    event.preventDefault();
    depth = Math.max(0, depth + by);
    zone.toggleAttribute("data-dropping", depth > 0);
  };
  const end = () => {
    depth = 0;
    zone.removeAttribute("data-dropping");
  };
  zone.addEventListener("dragenter", over(1));
  zone.addEventListener("dragleave", over(-1));
  zone.addEventListener("dragover", over(0));
  zone.addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault(); // or the browser would open the file in place of the page
    end();
    if (mayTake()) take([...event.dataTransfer.files]);
  });
}

/** Text that comes with a picture of itself, as from a word processor, stays text. */
export function takePasted(field, mayTake, take) {
  field.addEventListener("paste", (event) => {
    const { files, types } = event.clipboardData;
    if (!files.length || types.includes("text/plain") || !mayTake()) return;
    event.preventDefault();
    take([...files].map(named));
  });
}

// Browsers call every pasted picture the same.
function named(file) {
  if (!/^image\.\w+$/.test(file.name)) return file;
  const stamp = new Date().toISOString().slice(0, 19).replace(/\D/g, "");
  return new File([file], file.name.replace("image", `image-${stamp}`), { type: file.type });
}
