// Asks for a call without leaving the page, so that the crisis text stays while the line is down.
// The page works without this file.
(function () {
  "use strict";

  const form = document.getElementById("call-me");
  if (!form || !window.fetch || !window.AbortController) return;

  // A page with several safety questions has several of these, which say the same.
  function every(selector, change) {
    document.querySelectorAll(`[data-call-me] ${selector}`).forEach(change);
  }

  const GIVE_UP_AFTER = 10000;

  // Answered by a page of the same address, whose words replace the button.
  async function send() {
    const control = new AbortController();
    const timer = setTimeout(() => control.abort(), GIVE_UP_AFTER);
    try {
      const reply = await fetch(form.action, {
        method: "POST",
        credentials: "same-origin",
        body: new FormData(form),
        signal: control.signal,
      });
      const page = new DOMParser().parseFromString(await reply.text(), "text/html");
      return page.getElementById("call-me-done") ? page.querySelector("h1").textContent : "";
    } finally {
      clearTimeout(timer);
    }
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    every("button", (button) => { button.disabled = true; });
    every("[aria-live]", (line) => { line.textContent = line.dataset.sending; });
    try {
      const said = await send();
      // The ticket has ended, say: the form itself leads to a page that tells.
      if (!said) return form.submit();
      every("button", (button) => { button.hidden = true; });
      every("[aria-live]", (line) => {
        line.textContent = said;
        line.className = "notice notice-success";
      });
    } catch {
      every("button", (button) => { button.disabled = false; });
      every("[aria-live]", (line) => { line.textContent = line.dataset.error; });
    }
  });
})();
