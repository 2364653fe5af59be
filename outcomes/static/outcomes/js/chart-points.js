// Arrow keys step through the scores of a chart; a click or a tap on one says what it is.
// The page works without this file: every number stands in the table under the chart.
(function () {
  "use strict";

  const said = document.getElementById("chart-said");
  if (!said) return;

  const language = document.documentElement.lang || "en";
  const day = new Intl.DateTimeFormat(language, {
    dateStyle: "medium",
    timeStyle: "short",
    timeZone: said.dataset.zone,
  });

  // The moments and values of one panel: see `traced` in review/charts/svg.py.
  function readPoints(group) {
    const [first, told] = group.dataset.points.split(";");
    let minutes = Number(first);
    return told.split(" ").map((pair) => {
      const [step, value] = pair.split(",").map(Number);
      minutes += step;
      return { at: new Date(minutes * 60000), value };
    });
  }

  // Where each score stands: its own mark, or its dot on the one path of a light layer.
  function readPlaces(group) {
    const marks = [...group.querySelectorAll(":scope > g")];
    if (marks.length) {
      return marks.map((mark) => {
        const box = mark.querySelector("circle, rect, path").getBBox();
        return [box.x + box.width / 2, box.y + box.height / 2];
      });
    }
    const dots = group.querySelector("path").getAttribute("d").match(/M[\d.]+ [\d.]+/g) || [];
    return dots.map((dot) => dot.slice(1).split(" ").map(Number));
  }

  function makeSteps(group) {
    const points = readPoints(group);
    const name = group.getAttribute("aria-label");
    let places = null;
    let ring = null;
    let at = points.length - 1;

    function words() {
      const mark = group.querySelectorAll(":scope > g")[at];
      const title = mark && mark.querySelector("title");
      return title ? title.textContent : `${day.format(points[at].at)}: ${points[at].value}`;
    }

    function show() {
      places = places || readPlaces(group);
      if (!ring) {
        ring = document.createElementNS("http://www.w3.org/2000/svg", "circle");
        ring.setAttribute("r", "7");
        ring.setAttribute("class", "chart-ring");
        group.append(ring);
      }
      ring.setAttribute("cx", places[at][0]);
      ring.setAttribute("cy", places[at][1]);
      group.setAttribute("aria-valuenow", String(at + 1));
      group.setAttribute("aria-valuetext", words());
      said.textContent = words();
    }

    const moves = {
      ArrowLeft: -1,
      ArrowDown: -1,
      ArrowRight: 1,
      ArrowUp: 1,
      PageDown: -10,
      PageUp: 10,
      Home: -points.length,
      End: points.length,
    };

    group.setAttribute("role", "slider");
    group.setAttribute("aria-label", name);
    group.setAttribute("aria-valuemin", "1");
    group.setAttribute("aria-valuemax", String(points.length));
    group.setAttribute("aria-valuenow", String(at + 1));
    group.setAttribute("aria-valuetext", words());
    group.addEventListener("focus", show);
    group.addEventListener("blur", () => {
      if (ring) ring.remove();
      ring = null;
    });
    group.addEventListener("keydown", (event) => {
      if (!(event.key in moves) || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      at = Math.min(points.length - 1, Math.max(0, at + moves[event.key]));
      show();
    });
  }

  document.querySelectorAll(".chart [data-points]").forEach(makeSteps);

  function tell(event) {
    const mark = event.target.closest(".chart svg g");
    const title = mark && mark.querySelector(":scope > title");
    if (title && !mark.dataset.points) said.textContent = title.textContent;
  }
  document.querySelectorAll(".chart svg").forEach((chart) => {
    chart.addEventListener("click", tell);
    chart.addEventListener("focusin", tell);
  });
})();
