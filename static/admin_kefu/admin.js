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

// A vendor that is chosen fills in what is known of its servers; an address that somebody typed stays.
document.addEventListener("change", ({ target }) => {
  const known = document.getElementById("kefu-presets");
  if (!known || target.name !== "vendor") return;
  const presets = JSON.parse(known.textContent);
  const { base_url: address, thinking_off: off, ...abilities } = presets[target.value];
  const { elements } = target.form;
  const typed = elements.base_url.value;
  if (!typed || Object.values(presets).some((preset) => preset.base_url === typed)) elements.base_url.value = address;
  elements.thinking_off.value = JSON.stringify(off);
  for (const [name, value] of Object.entries(abilities)) {
    elements[name][typeof value === "boolean" ? "checked" : "value"] = value;
  }
});
