// Keys for the caseload, and marking a line as seen without leaving it.
// The page works without this file. A key counts only while the list has the focus.
(function () {
  "use strict";

  const list = document.getElementById("caseload-list");
  const said = document.getElementById("caseload-said");
  if (!list || !said || !window.fetch) return;

  const links = () => Array.from(list.querySelectorAll("tbody th a"));
  const lineOf = (element) => element.closest("tbody tr");

  function step(by) {
    const all = links();
    const line = lineOf(document.activeElement);
    const at = line ? all.findIndex((link) => line.contains(link)) : -1;
    const next = at < 0 ? (by > 0 ? 0 : all.length - 1) : at + by;
    if (all[next]) {
      all[next].focus();
      lineOf(all[next]).scrollIntoView({ block: "nearest" });
    }
  }

  // The answer is the line anew: what it says now is what was stored.
  async function mark(form) {
    const line = lineOf(form);
    form.querySelector("button").disabled = true;
    try {
      const reply = await fetch(form.action, {
        method: "POST",
        credentials: "same-origin",
        headers: { "X-Fragment": "line" },
        body: new FormData(form),
      });
      const table = document.createElement("table");
      if (reply.ok && !reply.redirected) table.innerHTML = await reply.text();
      const fresh = table.querySelector("tr");
      if (!fresh) throw new Error("no line");
      line.replaceWith(fresh);
      fresh.querySelector("th a").focus();
      const words = fresh.querySelector("[data-seen-words]");
      said.textContent = `${fresh.querySelector("th a").textContent}: ${words ? words.textContent : ""}`;
    } catch {
      form.querySelector("button").disabled = false;
      said.textContent = said.dataset.failed;
    }
  }

  const keys = {
    j: () => step(1),
    ArrowDown: () => step(1),
    k: () => step(-1),
    ArrowUp: () => step(-1),
    s: () => {
      const line = lineOf(document.activeElement);
      const form = line && line.querySelector("form[data-seen]");
      if (form) mark(form);
    },
    "/": () => document.getElementById("id_text").focus(),
    "?": () => {
      const group = document.getElementById("caseload-keys-group");
      group.open = true;
      group.querySelector("summary").focus();
    },
  };

  list.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act = keys[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });

  list.addEventListener("submit", (event) => {
    if (!event.target.matches("form[data-seen]")) return;
    event.preventDefault();
    mark(event.target);
  });
})();
