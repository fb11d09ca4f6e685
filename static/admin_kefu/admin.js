// The few things that the admin's own pages do in the browser.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const line = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(line.textContent.trim());
    button.textContent = button.dataset.copied;
  } catch {
    getSelection().selectAllChildren(line); // no clipboard without TLS: selected, it can be copied by hand
  }
});

// The theme names the first of several chosen files only.
document.addEventListener("change", ({ target }) => {
  if (!target.matches("input[type=file][multiple]")) return;
  const shown = target.closest("label")?.querySelector("input[type=text]");
  if (shown) shown.value = Array.from(target.files, (file) => file.name).join(", ");
});
