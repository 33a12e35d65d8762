"use strict";
// Where the page begins: read the run, show it, and follow it if it is live.

(async () => {
  const { byId, say } = elements;
  const live = data.source();

  function fail(text) {
    byId("reading").setAttribute("role", "alert");
    say(byId("reading"), text);
  }

  let page;
  try {
    page = live ? await data.fetched(live.data) : await data.embedded();
  } catch (error) {
    fail(typeof DecompressionStream === "undefined"
      ? "This browser is too old for this page: it takes Chrome 80, Firefox 113 or Safari 16.4. The same is in manifest.json beside it."
      : `The run could not be read: ${error.message}. ${live ? "Load the page again." : "The file may be cut; make it anew: collector report."}`);
    return;
  }
  const run = new Run(page);
  words.begin(run.origin, run.origin + run.until * 1000);
  const view = new View(run);
  byId("reading").hidden = true;
  byId("main").hidden = false;
  verdict.show(run);
  reasons.showReasons(view);
  reasons.showChanges(view);
  const filters = new Filters(view);
  const table = new Table(view);
  const details = new Details(view);
  document.documentElement.dataset.ready = "table";
  performance.mark("collector-table");
  window.collector = { run, view, filters, table, details };
})();
