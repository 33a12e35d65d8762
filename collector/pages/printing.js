"use strict";
// Paper: light colours, and the rows that match as a plain table, up to a number.

const printing = (() => {
  const MOST = 300;
  const { byId, make, fill } = elements;
  const SHOWN = ["name", "project", "bytes", "export", "ended", "message"];

  function follow(view, redraw) {
    addEventListener("beforeprint", () => {
      document.documentElement.classList.add("paper");
      prepare(view);
      redraw();
    });
    addEventListener("afterprint", () => {
      document.documentElement.classList.remove("paper");
      fill(byId("printed"));
      redraw();
    });
  }

  function prepare(view) {
    const { run } = view;
    const rows = view.rows.subarray(0, MOST);
    const note = rows.length < view.rows.length
      ? `The first ${words.number(rows.length)} of ${words.count(view.rows.length, "server")}, the rest in manifest.json`
      : words.count(rows.length, "server");
    fill(byId("printed"), make("p", { class: "quiet" }, `${note}${view.filtered ? " (filtered)" : ""}. Times in ${words.zoneName()}.`),
      make("table", {}, make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "State"), SHOWN.map((column) => make("th", { scope: "col" }, COLUMNS[column].label)))),
        make("tbody", {}, Array.from(rows, (server) => make("tr", {}, make("td", {}, STATE_WORDS[run.state(server)]),
          SHOWN.map((column) => make("td", {}, make("bdi", {}, words.clipped(COLUMNS[column].show(run, server), 200)))))))));
  }

  return { follow };
})();
