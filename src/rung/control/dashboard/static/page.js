// Adds to what works without it: the theme, copying commands, finding rows, following a promotion. Loads nothing but
// this platform's own pages.
"use strict";
(() => {
  const THEME = "rung-theme";
  const root = document.documentElement;
  let leaving = false; // a form was sent: nothing may come between
  let theme = null;
  try { theme = localStorage.getItem(THEME); } catch { /* no storage: the system's theme */ }
  if (theme === "light" || theme === "dark") root.dataset.theme = theme;

  function quoted(text) {
    return "'" + text.replaceAll("'", "'\\''") + "'";
  }

  function isDark() {
    return root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  }

  function addTheme() {
    for (const button of document.querySelectorAll("[data-theme-button]")) {
      const name = () => { button.textContent = isDark() ? "Light" : "Dark"; };
      button.hidden = false;
      name();
      button.addEventListener("click", () => {
        root.dataset.theme = isDark() ? "light" : "dark";
        try { localStorage.setItem(THEME, root.dataset.theme); } catch { /* until the page is left */ }
        name();
      });
    }
  }

  function addCopies(part) {
    for (const button of part.querySelectorAll("[data-copy]")) {
      button.hidden = !navigator.clipboard;
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(button.parentElement.querySelector("code").textContent);
        button.textContent = "Copied";
        setTimeout(() => { button.textContent = "Copy"; }, 1500);
      });
    }
  }

  function addTwins(part) {
    for (const form of part.querySelectorAll("[data-deed]")) {
      const code = form.querySelector(".twin code");
      const tell = () => {
        const given = new FormData(form);
        code.textContent = form.dataset.command
          .replace("{because}", () => quoted(given.get("because") || "..."))
          .replace("{percent}", () => given.get("percent") || "0");
      };
      form.addEventListener("input", tell);
      form.addEventListener("submit", () => {
        leaving = true;
        form.querySelector("button:not(.copy)").disabled = true;
      });
    }
  }

  function addFinders() {
    for (const line of document.querySelectorAll("[data-find-for]")) {
      const rows = [...document.getElementById(line.dataset.findFor).tBodies[0].rows];
      const input = line.querySelector("input");
      const said = line.querySelector("[role=status]");
      line.hidden = rows.length < 8;
      input.addEventListener("input", () => {
        const sought = input.value.trim().toLowerCase().split(/\s+/);
        let shown = 0;
        for (const row of rows) {
          const text = row.textContent.toLowerCase();
          row.hidden = !sought.every((word) => text.includes(word));
          shown += row.hidden ? 0 : 1;
        }
        said.textContent = input.value ? `${shown} of ${rows.length}` : "";
      });
    }
  }

  async function renew(id) {
    const answer = await fetch(location.href, { headers: { accept: "text/html" } });
    if (!answer.ok) { location.reload(); return; }
    const found = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(id);
    const shown = document.getElementById(id);
    if (!found || isBusy()) return;
    shown.replaceWith(document.adoptNode(found));
    add(found);
    if (!found.dataset.live) location.reload();
  }

  function addLive() {
    const live = document.querySelector("[data-live]");
    if (!live || !window.EventSource) return;
    const said = document.querySelector("[data-live-state]");
    const source = new EventSource(live.dataset.live);
    source.addEventListener("change", () => renew(live.id));
    source.addEventListener("open", () => { if (said) said.textContent = "This page follows by itself."; });
    source.addEventListener("error", () => {
      if (said) said.textContent = "The control plane is away, or busy; this page looks again.";
      if (source.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 5000);
    });
    addEventListener("pagehide", () => source.close());
  }

  function isBusy() {
    return leaving || document.querySelector("details.deed[open]") || document.activeElement?.matches("input, textarea, select");
  }

  function addAgain() {
    if (!document.querySelector("[data-again]")) return;
    const look = () => (isBusy() ? setTimeout(look, 1500) : location.reload());
    setTimeout(look, 1500);
  }

  function add(part) {
    addCopies(part);
    addTwins(part);
  }

  document.addEventListener("DOMContentLoaded", () => {
    addTheme();
    add(document);
    addFinders();
    addLive();
    addAgain();
  });
})();
