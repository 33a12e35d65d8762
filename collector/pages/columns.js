"use strict";
// The columns of the table of servers: what each is called, shows, and is sorted by.

const STATE_ORDER = [3, 2, 1, 4, 0]; // by phase: what failed first, what is here last

const COLUMNS = {
  name: { label: "Server", text: (run, server) => run.name[server], show: (run, server) => run.name[server], name: true },
  project: { label: "Project", text: (run, server) => run.projectName(server), show: (run, server) => run.projectName(server), name: true },
  state: { label: "State", key: (run, server) => STATE_ORDER[run.phase[server]], state: true },
  bytes: {
    label: "Size", number: true, largestFirst: true,
    key: (run, server) => run.bytes[server],
    show: (run, server) => (run.bytes[server] >= 0 ? words.size(run.bytes[server]) : ""),
  },
  export: {
    label: "Export", title: "how long the export took", number: true, largestFirst: true,
    key: (run, server) => run.exportSeconds(server),
    show: (run, server) => seconds(run.exportSeconds(server)),
  },
  download: {
    label: "Download", title: "how long the archive took to arrive, waiting included", number: true, largestFirst: true,
    key: (run, server) => run.downloadSeconds(server),
    show: (run, server) => seconds(run.downloadSeconds(server)),
  },
  requested: {
    label: "Asked at", number: true,
    key: (run, server) => run.requested[server],
    show: (run, server) => moment(run.requested[server]),
  },
  ended: {
    label: "Ended at", number: true,
    key: (run, server) => run.ended[server],
    show: (run, server) => moment(run.ended[server]),
  },
  attempts: {
    label: "Tries", title: "of its export or, if more, of what failed", number: true, largestFirst: true,
    key: (run, server) => run.tries(server),
    show: (run, server) => (run.tries(server) ? String(run.tries(server)) : ""),
  },
  message: {
    label: "Why", text: (run, server) => run.message(server), show: (run, server) => run.message(server), name: true,
  },
};

function seconds(value) {
  return Number.isNaN(value) ? "" : words.digits(Math.max(0, value));
}

function moment(value) {
  return Number.isNaN(value) ? "" : words.clock(value);
}
