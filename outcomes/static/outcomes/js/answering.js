// Saves each answer the moment it is tapped and moves on. The page works without this file, and
// every request that cannot be made here is made by the form itself. Answers stay in memory only.
(function () {
  "use strict";

  const form = document.getElementById("question");
  if (!form || !window.fetch || !window.AbortController) return;

  const MOVE_ON_AFTER = 350;
  const GIVE_UP_AFTER = 10000;
  const line = document.getElementById("saved");
  const help = document.getElementById("help");
  const revision = form.elements.namedItem("revision");
  const token = form.elements.namedItem("csrfmiddlewaretoken").value;
  const item = form.elements.namedItem("item").value;
  const language = form.querySelector("fieldset").lang;

  const radios = [...form.querySelectorAll("input[name=value]")];
  let stored = valueOf(radios.find((radio) => radio.defaultChecked)); // what the server has
  let sending = null; // the request under way
  let retryIn = 2000;
  let retryTimer = 0;
  let moveTimer = 0;
  let byFinger = false;
  let wanted = ""; // the button pressed while the line was down: followed once it is back
  let heardAt = 0; // when the server last answered

  function valueOf(radio) {
    return radio ? Number(radio.value) : null;
  }

  function picked() {
    return radios.find((radio) => radio.checked);
  }

  function chosen() {
    return valueOf(picked());
  }

  function say(state) {
    line.dataset.state = state;
    line.textContent = line.dataset[state];
  }

  // A page left while the line is down is a browser's error page, and what was tapped is gone.
  async function isReachable() {
    if (Date.now() - heardAt < 3000) return true;
    const control = new AbortController();
    const timer = setTimeout(() => control.abort(), GIVE_UP_AFTER);
    try {
      await fetch(form.dataset.onward, { method: "HEAD", credentials: "same-origin", signal: control.signal });
      heardAt = Date.now();
      return true;
    } catch {
      return false;
    } finally {
      clearTimeout(timer);
    }
  }

  async function follow() {
    if (!(await isReachable())) {
      wait();
    } else if (wanted === "next" && chosen() !== null) {
      window.location.assign(form.dataset.onward);
    } else {
      submitAs(wanted);
    }
  }

  function wait() {
    say("error");
    clearTimeout(retryTimer);
    retryTimer = setTimeout(save, retryIn);
    retryIn = Math.min(retryIn * 2, 30000);
  }

  function go(action) {
    wanted = action;
    return save();
  }

  function submitAs(action) {
    const field = document.createElement("input");
    field.type = "hidden";
    field.name = "action";
    field.value = action;
    form.append(field);
    form.submit();
  }

  async function put(value) {
    const control = new AbortController();
    const timer = setTimeout(() => control.abort(), GIVE_UP_AFTER);
    try {
      return await fetch(form.dataset.save, {
        method: "PUT",
        credentials: "same-origin",
        headers: { "Content-Type": "application/json", "X-CSRFToken": token },
        body: JSON.stringify({
          answers: { [item]: value },
          revision: Number(revision.value),
          language: language,
        }),
        signal: control.signal,
      });
    } finally {
      clearTimeout(timer);
    }
  }

  // Resolves to true once the chosen answer is stored. One request at a time: the last tap wins.
  async function saveOnce() {
    while (chosen() !== stored) {
      const value = chosen();
      say("saving");
      const reply = await put(value);
      if (reply.status === 409) {
        // Changed in another window: show what is stored there.
        window.location.reload();
        return false;
      }
      if (reply.status >= 400 && reply.status < 500 && reply.status !== 429) {
        // The ticket has ended, or the answer is refused: the form leads to a page that says so.
        submitAs("next");
        return false;
      }
      if (!reply.ok) throw new Error(String(reply.status));
      heardAt = Date.now();
      revision.value = (await reply.json()).revision;
      stored = value;
    }
    if (stored !== null) say("saved");
    retryIn = 2000;
    return true;
  }

  function save() {
    clearTimeout(retryTimer);
    if (!sending) {
      sending = saveOnce()
        .catch(async () => {
          heardAt = 0;
          // Where only saving fails, the form itself still gets through.
          if (wanted && (await isReachable())) submitAs(wanted);
          else wait();
          return false;
        })
        .finally(() => {
          sending = null;
        });
      sending.then((isSaved) => {
        if (isSaved && wanted) follow();
      });
    }
    return sending;
  }

  function pick(radio) {
    clearTimeout(moveTimer);
    wanted = "";
    const needsHelp = radio.hasAttribute("data-help");
    const isNew = help && help.hidden && needsHelp;
    if (help) help.hidden = !needsHelp;
    if (isNew && byFinger) {
      help.focus({ preventScroll: true });
      help.scrollIntoView({ block: "nearest" });
    }
    const moves = byFinger && !needsHelp;
    const tapped = Date.now();
    save().then((isSaved) => {
      if (!isSaved || !moves || picked() !== radio) return;
      moveTimer = setTimeout(() => go("next"), Math.max(0, MOVE_ON_AFTER - (Date.now() - tapped)));
    });
  }

  // A finger or a mouse moves on by itself; arrow keys only choose.
  form.addEventListener("pointerdown", () => { byFinger = true; });
  form.addEventListener("keydown", () => { byFinger = false; });
  form.addEventListener("click", (event) => {
    if (event.target.name === "value") pick(event.target);
  });

  form.addEventListener("submit", (event) => {
    const action = event.submitter ? event.submitter.value : "next";
    clearTimeout(moveTimer);
    event.preventDefault();
    go(action);
  });

  window.addEventListener("online", () => {
    if (line.dataset.state === "error") save();
  });

  // A tap may be quicker than this file over a slow line.
  if (chosen() !== stored) pick(picked());

  // A page brought back from memory may be older than what is stored.
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) window.location.reload();
  });
})();
