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

  // Gives this page as it is now; null while the control plane is away. Whoever is known no more is asked who it is.
  async function looked() {
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" } });
      if (answer.status === 401) location.reload();
      return answer.ok ? new DOMParser().parseFromString(await answer.text(), "text/html") : null;
    } catch { return null; }
  }

  // Puts a part of the page as it is now in the place of the one that is shown: the page stays, with what is focused,
  // open and scrolled to elsewhere in it.
  function swap(shown, found) {
    const held = shown.contains(document.activeElement);
    shown.replaceWith(document.adoptNode(found));
    add(found);
    if (held) {
      found.tabIndex = -1;
      found.focus({ preventScroll: true });
    }
  }

  async function renew(id) {
    const page = await looked();
    const found = page?.getElementById(id);
    if (!found || isBusy()) return;
    if (found.dataset.live) swap(document.getElementById(id), found);
    else swap(document.querySelector("main"), page.querySelector("main")); // it is over: nothing is followed any more
  }

  function addLive() {
    const live = document.querySelector("[data-live]");
    if (!live || !window.EventSource) return;
    const tell = (text) => {
      const said = document.querySelector("[data-live-state]");
      if (said) said.textContent = text;
    };
    const source = new EventSource(live.dataset.live);
    const follow = async () => {
      await renew(live.id);
      if (!document.querySelector("[data-live]")) source.close();
    };
    let missed = false;
    source.addEventListener("change", follow);
    source.addEventListener("open", () => {
      tell("This page follows by itself.");
      if (missed) follow();
      missed = false;
    });
    source.addEventListener("error", () => {
      missed = true;
      tell("The control plane is away, or busy; this page looks again.");
      if (source.readyState === EventSource.CLOSED) setTimeout(() => { renew(live.id); addLive(); }, 5000);
    });
    addEventListener("pagehide", () => source.close());
  }

  function isBusy() {
    return leaving || document.querySelector("details.deed[open]") || document.activeElement?.matches("input, textarea, select");
  }

  // Fills in the parts that were still being made, one by one as they come.
  function addAgain() {
    let wait = 400;
    const waiting = () => [...document.querySelectorAll("[data-part]")].filter((part) => part.querySelector("[data-again]"));
    const look = async () => {
      const page = await looked();
      for (const part of waiting()) {
        const found = page?.getElementById(part.id);
        if (found && !found.querySelector("[data-again]")) swap(part, found);
      }
      wait = Math.min(1.5 * wait, 15000);
      if (waiting().length) setTimeout(look, wait);
    };
    if (waiting().length) setTimeout(look, wait);
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
