"use strict";
// Where the page begins: read the run, show it, and follow it if it is live.

class App {
  constructor(run) {
    this.run = run;
    this.view = new View(run);
    this.clock();
    verdict.show(run);
    reasons.showReasons(this.view);
    reasons.showChanges(this.view);
    this.filters = new Filters(this.view);
    this.table = new Table(this.view);
    this.details = new Details(this.view);
    this.timeline = new Timeline(this.view);
    this.view.addEventListener("change", () => reasons.press(this.view));
  }

  /** What is further down the page: made after what is seen first. */
  rest() {
    this.plots = new Plots(this.view);
    projects.show(this.view);
    printing.follow(this.view, () => {
      this.timeline.draw();
      this.plots.redraw();
    });
    address.follow(this.view);
    elements.byId("zone").addEventListener("click", () => {
      words.zone.local = !words.zone.local;
      this.clock();
      verdict.show(this.run);
      reasons.showChanges(this.view);
      this.view.refresh();
      this.plots.build();
    });
  }

  clock() {
    words.begin(this.run.origin, this.run.origin + this.run.until * 1000);
    document.documentElement.classList.toggle("days", words.zone.days);
    elements.say(elements.byId("zone"), `Times in ${words.zone.local ? `local time (${words.zoneName()})` : "UTC"}`);
  }

  /** Some of the run has changed: show it, and leave the reader where they are. */
  changed() {
    const { run, view } = this;
    this.clock();
    verdict.show(run);
    const now = performance.now();
    const reasonsNow = JSON.stringify(run.page.reasons);
    if (reasonsNow !== this.reasonsShown) {
      this.reasonsShown = reasonsNow;
      reasons.showReasons(view);
      this.filters.build();
    }
    view.changed();
    if (run.page.series !== this.seriesShown) {
      this.seriesShown = run.page.series;
      this.plots?.build();
    }
    if (!(now - this.projectsShown < 10000) || !run.running) { // costs more than the others, and changes slowly
      this.projectsShown = now;
      projects.show(view);
    }
  }

  /** The same run, as it is now. */
  replace(run) {
    this.run = run;
    this.view.adopt(run);
    reasons.showReasons(this.view);
    reasons.showChanges(this.view);
    this.filters.build();
    this.changed();
  }
}

(async () => {
  const { byId, say } = elements;
  const live = data.source();
  let page;
  let revision = "";
  try {
    if (live) ({ page, revision } = await data.fetched(live.data));
    else page = await data.embedded();
  } catch (error) {
    byId("reading").setAttribute("role", "alert");
    say(byId("reading"), typeof DecompressionStream === "undefined"
      ? "This browser is too old for this page: it takes Chrome 80, Firefox 113 or Safari 16.4. The same is in manifest.json beside it."
      : `The run could not be read: ${error.message}. ${live ? "Load the page again." : "The file may be cut; make it anew: collector report."}`);
    return;
  }
  byId("reading").hidden = true;
  byId("main").hidden = false;
  const app = new App(new Run(page));
  document.documentElement.dataset.ready = "table";
  performance.mark("collector-table");
  await new Promise((resolve) => { setTimeout(resolve); });
  app.rest();
  if (live) app.live = new Live(live, app, revision);
  document.documentElement.dataset.ready = "all";
  performance.mark("collector-all");
})();
