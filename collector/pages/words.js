"use strict";
// Numbers, sizes, durations and times as people read them.

const words = (() => {
  const grouped = new Intl.NumberFormat("en-US");
  const UNITS = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];

  const number = (value) => grouped.format(value);

  const count = (value, noun, plural = `${noun}s`) => `${number(value)} ${value === 1 ? noun : plural}`;

  /** `0.25`, `14.2`, `1,250`. */
  const rate = (value) =>
    value >= 100 || Number.isInteger(value) ? number(Math.round(value)) : String(+value.toFixed(value < 1 ? 2 : 1));

  const percent = (part, whole) => {
    if (!whole) return "0 %";
    const share = (100 * part) / whole;
    if (share > 99 && part < whole) return `${(Math.floor(share * 10) / 10).toFixed(1)} %`;
    if (part && share < 0.05) return "under 0.1 %";
    return `${share < 10 && part ? share.toFixed(1) : Math.round(share)} %`;
  };

  function size(bytes) {
    let amount = bytes;
    let unit = 0;
    for (; amount >= 999.95 && unit < UNITS.length - 1; unit += 1) amount /= 1000;
    return unit ? `${amount.toFixed(1)} ${UNITS[unit]}` : `${Math.round(amount)} B`;
  }

  /** `2 h 5 min`, `3 min 20 s`, `4.2 s`: two parts at most. */
  function duration(seconds) {
    if (seconds < 10) return `${+seconds.toFixed(1)} s`;
    const whole = Math.round(seconds);
    const hours = Math.floor(whole / 3600);
    const minutes = Math.floor((whole % 3600) / 60);
    const rest = whole % 60;
    if (hours >= 48) return `${Math.floor(hours / 24)} d ${hours % 24} h`;
    if (hours) return minutes ? `${hours} h ${minutes} min` : `${hours} h`;
    if (minutes) return rest ? `${minutes} min ${rest} s` : `${minutes} min`;
    return `${rest} s`;
  }

  /** The shortest form, for columns: `14 d`, `2:05:10`, `3:20`, `0:04`. */
  function digits(seconds) {
    const whole = Math.round(seconds);
    const two = (value) => String(value).padStart(2, "0");
    const hours = Math.floor(whole / 3600);
    const minutes = Math.floor((whole % 3600) / 60);
    if (hours >= 100) return `${Math.floor(hours / 24)} d`;
    return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
  }

  /** Times of day. `setLocal` turns from UTC to this browser's own time zone and back. */
  const zone = { local: false, origin: 0, days: false };
  const made = new Map();

  function formatter(options) {
    const key = `${zone.local} ${options}`;
    if (!made.has(key)) {
      const parts = { hourCycle: "h23", timeZone: zone.local ? undefined : "UTC" };
      for (const part of options.split(" ")) parts[part] = "2-digit";
      if (parts.year) parts.year = "numeric";
      made.set(key, new Intl.DateTimeFormat("en-CA", parts));
    }
    return made.get(key);
  }

  const DATE = "year month day";
  const CLOCK = "hour minute second";

  function begin(originMs, endMs) {
    zone.origin = originMs;
    const date = formatter(DATE);
    zone.days = date.format(originMs) !== date.format(Math.max(originMs, endMs));
  }

  const atMs = (milliseconds) => formatter(CLOCK).format(milliseconds);
  const dayMs = (milliseconds) => formatter(DATE).format(milliseconds);
  const zoneName = () => {
    if (!zone.local) return "UTC";
    const minutes = -new Date(zone.origin).getTimezoneOffset();
    const hours = String(Math.floor(Math.abs(minutes) / 60)).padStart(2, "0");
    return `UTC${minutes < 0 ? "−" : "+"}${hours}:${String(Math.abs(minutes) % 60).padStart(2, "0")}`;
  };

  /** A time of the run, given in seconds since its origin: with its day where the run has several. */
  function clock(seconds) {
    const milliseconds = zone.origin + seconds * 1000;
    return zone.days ? `${dayMs(milliseconds).slice(5)} ${atMs(milliseconds)}` : atMs(milliseconds);
  }

  /** A time in ISO 8601, in full: `2026-11-23 08:41:03 UTC`. */
  function stamp(iso) {
    const milliseconds = Date.parse(iso);
    return Number.isNaN(milliseconds) ? String(iso) : `${dayMs(milliseconds)} ${atMs(milliseconds)} ${zoneName()}`;
  }

  /** From one such time to another: the day once, where it is one. */
  function between(one, other) {
    const [from, to] = [Date.parse(one), Date.parse(other)];
    if (Number.isNaN(from) || Number.isNaN(to)) return `${one} – ${other}`;
    const day = dayMs(to) === dayMs(from) ? "" : `${dayMs(to)} `;
    return `${dayMs(from)} ${atMs(from)} – ${day}${atMs(to)} ${zoneName()}`;
  }

  /** A path or a value as a shell takes it. */
  const quoted = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);

  const clipped = (text, most) => (text.length > most ? `${text.slice(0, most)}…` : text);

  const listed = (texts) =>
    texts.length < 2 ? texts.join("") : `${texts.slice(0, -1).join(", ")} and ${texts[texts.length - 1]}`;

  return {
    number, count, rate, percent, size, duration, digits, clock, stamp, between, atMs, dayMs, begin, zone, zoneName,
    quoted, clipped, listed,
  };
})();
