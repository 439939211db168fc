"use strict";
// Draws the figures in the reader's colours, and again when these change or the page is printed.
(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const CONFIG = {
    displaylogo: false,
    displayModeBar: false,
    responsive: true,
  };
  const PRINTED = { width: 660, height: 0.7 };

  function colours(isDark) {
    return isDark
      ? { ink: "#d5dadf", paper: "#15181b", grid: "rgba(170,180,190,0.17)", box: "#262b30" }
      : { ink: "#2b3137", paper: "#ffffff", grid: "rgba(90,100,110,0.16)", box: "#ffffff" };
  }

  function themed(layout, isDark) {
    const look = colours(isDark);
    const made = structuredClone(layout);
    made.font = { ...made.font, color: look.ink };
    made.hoverlabel = { ...made.hoverlabel, bgcolor: look.box, bordercolor: look.grid };
    made.hoverlabel.font = { ...made.hoverlabel.font, color: look.ink };
    for (const name of Object.keys(made)) {
      if (/^[xy]axis\d*$/.test(name)) {
        made[name] = { ...made[name], gridcolor: look.grid, linecolor: look.grid };
      }
    }
    for (const note of made.annotations || []) {
      note.bgcolor = isDark ? "rgba(21,24,27,0.72)" : "rgba(255,255,255,0.75)";
    }
    return made;
  }

  const plots = [...document.querySelectorAll(".plot")].map((place) => ({
    place,
    figure: JSON.parse(document.getElementById(place.dataset.figure).textContent),
  }));

  function draw(isDark, printed) {
    for (const { place, figure } of plots) {
      const layout = themed(figure.layout, isDark);
      if (printed) {
        layout.width = printed.width;
        layout.height = Math.round(printed.height * layout.height);
        layout.autosize = false;
      }
      place.style.height = `${layout.height}px`;
      if (place.clientWidth < 520 && !printed) {
        layout.margin = { ...layout.margin, l: 44, r: 8 };
        layout.legend = { ...layout.legend, font: { size: 11 } };
      }
      const bars = { line: { color: colours(isDark).paper, width: 1.5 } };
      const data = figure.data.map((trace) =>
        trace.type === "bar" ? { ...trace, marker: { ...trace.marker, ...bars } } : trace);
      Plotly.react(place, data, layout, CONFIG);
    }
    document.documentElement.dataset.drawn = String(plots.length);
  }

  draw(dark.matches);
  dark.addEventListener("change", () => draw(dark.matches));
  addEventListener("beforeprint", () => {
    for (const batch of document.querySelectorAll("details.batch")) batch.open = true;
    draw(false, PRINTED);
  });
  addEventListener("afterprint", () => draw(dark.matches));

  // A link to an example opens it.
  function open() {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target instanceof HTMLDetailsElement) {
      target.open = true;
      target.scrollIntoView();
    }
  }
  addEventListener("hashchange", open);
  open();

  // A click on a heading sorts its table, a second one the other way round.
  function sort(table, column, heading) {
    const rising = heading.getAttribute("aria-sort") !== "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", rising ? "ascending" : "descending");
    const value = (row) => row.cells[column].textContent.trim();
    const figure = (text) => parseFloat(text.replaceAll(",", ""));
    const rows = [...table.tBodies[0].rows].sort((one, other) => {
      const [a, b] = [value(one), value(other)];
      const [x, y] = [figure(a), figure(b)];
      const order = Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x - y;
      return rising ? order : -order;
    });
    table.tBodies[0].append(...rows);
  }
  for (const table of document.querySelectorAll("table.sortable")) {
    [...table.tHead.rows[0].cells].forEach((heading, column) => {
      const button = document.createElement("button");
      button.textContent = heading.textContent;
      heading.replaceChildren(button);
      button.addEventListener("click", () => sort(table, column, heading));
    });
  }
})();
