// Saves each answer the moment it is tapped; where a page asks one question, a tap moves on. The
// page works without this file, and every request that cannot be made here is made by the form
// itself. Answers stay in memory only.
(function () {
  "use strict";

  const form = document.getElementById("question");
  if (!form || !window.fetch || !window.AbortController) return;

  const MOVE_ON_AFTER = 350;
  const GIVE_UP_AFTER = 10000;
  const line = document.getElementById("saved");
  const onward = form.dataset.onward; // only where a tap moves on
  const revision = form.elements.namedItem("revision"); // where the page asks one question
  const token = form.elements.namedItem("csrfmiddlewaretoken").value;

  let questions = collect();
  let sending = null; // the requests under way
  let retryIn = 2000;
  let retryTimer = 0;
  let moveTimer = 0;
  let byFinger = false;
  let pressed = null; // the button clicked last, if the last click was on one
  let wanted = ""; // the button pressed while the line was down: followed once it is back
  let heardAt = 0; // when the server last answered
  let isHelpMet = false; // whether a finger has brought the focus to the crisis text
  let isStale = false; // whether an answer opened or closed questions that are not shown yet

  function collect() {
    return [...form.querySelectorAll("[data-item]")].map((box) => {
      const place = box.closest("[data-save]");
      const radios = [...box.querySelectorAll("input[type=radio]")];
      return {
        box,
        place,
        radios,
        revision: Number(place.dataset.revision), // in which its answer was seen
        stored: valueOf(radios.find((radio) => radio.defaultChecked)), // what the server has
        sent: undefined, // what it was sent and has not answered for: it may have that instead
        line: box.querySelector(".saved") || line,
        help: box.querySelector(".crisis"),
      };
    });
  }

  function valueOf(radio) {
    return radio ? Number(radio.value) : null;
  }

  function picked(question) {
    return question.radios.find((radio) => radio.checked);
  }

  function chosen(question) {
    return valueOf(picked(question));
  }

  function unsaved() {
    return questions.filter(
      (question) => question.sent !== undefined || chosen(question) !== question.stored,
    );
  }

  function say(where, state, words) {
    where.dataset.state = state;
    where.textContent = form.dataset[state].replace(/\{(\w+)\}/g, (_, name) => words[name]);
  }

  // The server has answered for what it was sent.
  function settle(question, newest, value) {
    heardAt = Date.now();
    question.sent = undefined;
    question.stored = value;
    question.revision = newest;
    if (revision) revision.value = newest;
    isStale = isStale || question.place.hasAttribute("data-branches");
  }

  // Answered differently in another window: that is shown, and what was chosen here is named.
  function showOther(question, error) {
    const kept = error.stored[question.box.dataset.item];
    const mine = picked(question);
    const theirs = question.radios.find((radio) => valueOf(radio) === kept);
    settle(question, error.revision, kept);
    if (mine === theirs) {
      say(question.line, "saved");
      return;
    }
    const words = (radio) => (radio ? radio.nextElementSibling.textContent : form.dataset.open);
    mine.checked = false;
    if (theirs) theirs.checked = true;
    if (theirs && theirs.hasAttribute("data-help")) question.help.hidden = false;
    say(question.line, "changed", { theirs: words(theirs), mine: words(mine) });
    question.line.scrollIntoView({ block: "nearest" });
    wanted = "";
  }

  // Rejects when no answer comes in time, or not all of it.
  async function ask(address, options) {
    const control = new AbortController();
    const timer = setTimeout(() => control.abort(), GIVE_UP_AFTER);
    try {
      const reply = await fetch(address, {
        ...options,
        credentials: "same-origin",
        signal: control.signal,
      });
      return { ok: reply.ok, status: reply.status, text: await reply.text() };
    } finally {
      clearTimeout(timer);
    }
  }

  // A page left while the line is down is a browser's error page, and what was tapped is gone.
  async function isReachable() {
    if (Date.now() - heardAt < 3000) return true;
    try {
      await ask(onward || window.location.href, { method: "HEAD" });
      heardAt = Date.now();
      return true;
    } catch {
      return false;
    }
  }

  // Shown without the focus on it, the crisis text may be neither seen nor heard: then the form
  // leads to the page that holds nothing else.
  function isHelpUnmet() {
    const { help } = questions[0];
    return Boolean(help) && !help.hidden && !isHelpMet;
  }

  async function follow() {
    if (!(await isReachable())) {
      wait();
    } else if (wanted === "next" && onward && chosen(questions[0]) !== null && !isHelpUnmet()) {
      window.location.assign(onward);
    } else {
      submitAs(wanted);
    }
  }

  function wait() {
    const lines = unsaved().map((question) => question.line);
    new Set([...lines, line]).forEach((where) => say(where, "error"));
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

  function put(question, value) {
    return ask(question.place.dataset.save, {
      method: "PUT",
      headers: { "Content-Type": "application/json", "X-CSRFToken": token },
      body: JSON.stringify({
        answers: { [question.box.dataset.item]: value },
        revision: question.revision,
        language: (question.box.querySelector("fieldset[lang]") || question.place).lang,
      }),
    });
  }

  // Resolves to true once every chosen answer is stored. One request at a time: the last tap wins.
  async function saveAll() {
    for (let [question] = unsaved(); question; [question] = unsaved()) {
      // What may have arrived is sent again until it is answered for, whatever was tapped since:
      // only then is it known in which revision it stands, and that it comes no more.
      const value = question.sent === undefined ? chosen(question) : question.sent;
      question.sent = value;
      say(question.line, "saving");
      const reply = await put(question, value);
      const error = reply.status === 409 && JSON.parse(reply.text).error;
      if (error && error.code === "stale_revision") {
        showOther(question, error);
        continue;
      }
      if (reply.status >= 400 && reply.status < 500 && reply.status !== 429) {
        // The ticket has ended, or the answer is refused: the form leads to a page that says so.
        submitAs("next");
        return false;
      }
      if (!reply.ok) throw new Error(String(reply.status));
      settle(question, JSON.parse(reply.text).revision, value);
      say(question.line, "saved");
    }
    if (line.dataset.state === "error") say(line, "saved");
    retryIn = 2000;
    if (isStale && !wanted) await showBranches();
    return unsaved().length ? saveAll() : true;
  }

  // What an answer opened or closed, on a page that asks everything.
  async function showBranches() {
    const reply = await ask(window.location.href);
    if (!reply.ok) throw new Error(String(reply.status));
    const page = new DOMParser().parseFromString(reply.text, "text/html");
    const fresh = page.getElementById("questions");
    const items = (all) => [...all.querySelectorAll("[data-item]")].map((box) => box.dataset.item);
    const shown = document.getElementById("questions");
    if (unsaved().length) return; // tapped meanwhile: saved first, then looked at again
    isStale = false;
    if (!fresh || String(items(fresh)) === String(items(shown))) return;
    const focused = document.activeElement.id;
    shown.replaceWith(fresh);
    questions = collect();
    const again = focused && document.getElementById(focused);
    if (again) again.focus({ preventScroll: true });
  }

  function save() {
    clearTimeout(retryTimer);
    if (!sending) {
      sending = saveAll()
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

  function pick(question) {
    const radio = picked(question);
    const help = question.help;
    clearTimeout(moveTimer);
    wanted = "";
    const needsHelp = radio.hasAttribute("data-help");
    const isNew = help && help.hidden && needsHelp;
    if (help) help.hidden = !needsHelp;
    if (needsHelp && (isNew || byFinger)) isHelpMet = byFinger;
    if (isNew && byFinger) {
      help.focus({ preventScroll: true });
      help.scrollIntoView({ block: "nearest" });
    }
    const moves = onward && byFinger && !needsHelp;
    const tapped = Date.now();
    save().then((isSaved) => {
      if (!isSaved || !moves || picked(question) !== radio) return;
      moveTimer = setTimeout(() => go("next"), Math.max(0, MOVE_ON_AFTER - (Date.now() - tapped)));
    });
  }

  // A finger or a mouse moves on by itself; arrow keys only choose.
  form.addEventListener("pointerdown", () => { byFinger = true; });
  form.addEventListener("keydown", () => { byFinger = false; });
  form.addEventListener("click", (event) => {
    if (event.target.type !== "radio") return;
    pick(questions.find((question) => question.box.contains(event.target)));
  });

  // iOS up to 15.3 and Chrome up to 80 do not say which button sends a form. A click comes just
  // before, the Enter key's too; one button of the form stands outside it.
  document.addEventListener("click", (event) => {
    pressed = event.target.closest("button[name=action]");
  });

  form.addEventListener("submit", (event) => {
    const button = event.submitter || pressed;
    clearTimeout(moveTimer);
    event.preventDefault();
    go(button ? button.value : "next");
  });

  window.addEventListener("online", () => {
    if (line.dataset.state === "error") save();
  });

  // A tap may be quicker than this file over a slow line.
  unsaved().forEach(pick);

  // A page brought back from memory may be older than what is stored.
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) window.location.reload();
  });
})();
