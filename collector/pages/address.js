"use strict";
// The filter as a part of the page's address, so that what one sees can be kept and sent on.

const address = (() => {
  const SOON_MS = 300;

  function follow(view) {
    let timer = 0;
    const write = () => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        const text = written(view);
        if (text !== location.hash.slice(1)) history.replaceState(null, "", `#${text}`);
      }, SOON_MS);
    };
    read(view);
    view.addEventListener("change", write);
    view.addEventListener("open", write);
    addEventListener("hashchange", () => read(view));
  }

  function written({ filter, run, opened }) {
    const members = new URLSearchParams();
    if (filter.text.trim()) members.set("find", filter.text.trim());
    if (filter.state !== "all") members.set("state", filter.state);
    if (filter.project >= 0) members.set("project", filter.project);
    if (filter.reason >= 0) members.set("reason", filter.reason);
    if (opened >= 0) members.set("server", opened);
    return members.toString();
  }

  /** What an address asks for, as far as this run has it: servers, projects and reasons by their place. */
  function read(view) {
    const members = new URLSearchParams(location.hash.slice(1));
    if (!["find", "state", "project", "reason", "server"].some((name) => members.has(name))) return;
    const { page, size } = view.run;
    const place = (name, end) => {
      const at = Number(members.get(name) ?? -1);
      return Number.isInteger(at) && at >= 0 && at < end ? at : -1;
    };
    view.narrow({
      text: (members.get("find") ?? "").slice(0, 1000),
      state: Object.hasOwn(STATES, members.get("state") ?? "") ? members.get("state") : "all",
      project: place("project", page.projects.length),
      reason: place("reason", page.reasons.length),
    });
    if (members.has("server")) view.open(place("server", size));
  }

  return { follow };
})();
