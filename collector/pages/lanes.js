"use strict";
// Draws a timeline: a lane a server, or several servers in a lane where there are more than fit.

const lanes = (() => {
  const SHADES = ["queued", "exporting", "downloading", "failed"];
  const AXIS = 22; // px, for times below
  const THIN = 4; // px: lanes that are lower are drawn as shares of their servers

  function colours() {
    const style = getComputedStyle(document.documentElement);
    const names = [...SHADES, "card", "ink", "quiet", "grid-line", "accent", "line"];
    return Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
  }

  /** From when to when a server was queued, exporting, downloading: four times, in order. */
  function times(run, server, into) {
    const now = run.until;
    const phase = run.phase[server];
    const ended = run.ended[server];
    const end = phase >= COLLECTED ? (ended === ended ? ended : now) : now;
    const requested = run.requested[server];
    const completed = run.completed[server];
    into[0] = 0;
    into[1] = requested === requested ? Math.min(Math.max(0, requested), end) : end;
    into[2] = completed === completed ? Math.min(Math.max(into[1], completed), end) : end;
    into[3] = end;
    return into;
  }

  /** How lanes share the room: `lanes` of them, `height` px each, over `each` servers. */
  function layout(servers, height) {
    const room = Math.max(1, height - AXIS);
    const count = Math.max(1, Math.min(servers, room));
    const each = Math.max(1, Math.ceil(servers / count));
    const many = Math.max(1, Math.ceil(servers / each));
    return { each, lanes: many, height: Math.min(18, room / many), room };
  }

  /**
   * rows: servers in order; from, to: which of them are drawn; start, end: which seconds.
   * current: the lane that has the cursor; opened: the server whose details are shown.
   */
  function draw(canvas, run, picture) {
    const scale = devicePixelRatio || 1;
    const width = canvas.clientWidth;
    const height = canvas.clientHeight;
    if (!width || !height) return;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    const context = canvas.getContext("2d");
    const paint = colours();
    context.scale(scale, scale);
    context.fillStyle = paint.card;
    context.fillRect(0, 0, width, height);
    const shape = layout(picture.to - picture.from, height);
    const x = (seconds) => ((seconds - picture.start) / (picture.end - picture.start)) * width;
    axis(context, picture, { width, height, x, paint });
    if (picture.to > picture.from) {
      if (shape.height < THIN || shape.each > 1) shares(context, run, picture, { shape, width, paint, scale });
      else bars(context, run, picture, { shape, width, x, paint });
    }
    cursor(context, picture, { shape, width, paint });
  }

  function bars(context, run, picture, { shape, width, x, paint }) {
    const at = [0, 0, 0, 0];
    const inset = shape.height > 8 ? 2 : shape.height > 5 ? 1 : 0;
    for (let lane = 0; lane < shape.lanes; lane += 1) {
      const server = picture.rows[picture.from + lane];
      times(run, server, at);
      const y = lane * shape.height + inset;
      const high = shape.height - 2 * inset;
      for (let part = 0; part < 3; part += 1) {
        const left = Math.max(0, x(at[part]));
        const right = Math.min(width, x(at[part + 1]));
        if (right <= left) continue;
        context.fillStyle = paint[SHADES[part]];
        const thin = part === 0 ? high / 3 : 0; // waiting is a thin line
        context.fillRect(left, y + thin, Math.max(right - left, 1), high - 2 * thin);
      }
      if (run.phase[server] === FAILED) cross(context, x(at[3]), y + high / 2, Math.min(4, high / 2), paint);
      if (shape.height >= 14) label(context, run, server, { y: y + high / 2, x: x(at[3]), width, paint });
    }
  }

  function cross(context, x, y, size, paint) {
    context.strokeStyle = paint.failed;
    context.lineWidth = 2;
    context.beginPath();
    for (const sign of [1, -1]) {
      context.moveTo(x - size, y - sign * size);
      context.lineTo(x + size, y + sign * size);
    }
    context.stroke();
  }

  function label(context, run, server, { y, x, width, paint }) {
    context.font = "11px system-ui, sans-serif";
    context.textBaseline = "middle";
    const text = words.clipped(run.name[server], 32);
    const wide = context.measureText(text).width;
    const right = x + 8 + wide < width;
    context.fillStyle = right ? paint.ink : paint.card;
    context.textAlign = right ? "left" : "right";
    context.fillText(text, right ? x + 8 : Math.min(width, x) - 6, y);
  }

  /** Where lanes are thin, each point shows how many of its servers are in which phase. */
  function shares(context, run, picture, { shape, width, paint, scale }) {
    const wide = Math.round(width * scale);
    const high = shape.lanes;
    const image = context.createImageData(wide, high);
    const shades = [...SHADES, "card"].map((name) => channels(paint[name]));
    const perSecond = wide / (picture.end - picture.start);
    const parts = 4; // queued, exporting, downloading, failed
    const steps = new Float32Array((wide + 1) * parts);
    const at = [0, 0, 0, 0];
    const place = (seconds) => Math.min(wide, Math.max(0, Math.round((seconds - picture.start) * perSecond)));
    for (let lane = 0; lane < high; lane += 1) {
      steps.fill(0);
      const first = picture.from + lane * shape.each;
      const last = Math.min(picture.to, first + shape.each);
      for (let row = first; row < last; row += 1) {
        const server = picture.rows[row];
        times(run, server, at);
        for (let part = 0; part < 3; part += 1) {
          const left = place(at[part]);
          const right = place(at[part + 1]);
          if (right <= left) continue;
          steps[left * parts + part] += 1;
          steps[right * parts + part] -= 1;
        }
        if (run.phase[server] === FAILED) {
          const left = place(at[3]) - 2;
          if (left < 0 || left >= wide) continue;
          steps[left * parts + 3] += 1;
          steps[Math.min(wide, left + Math.ceil(4 * scale)) * parts + 3] -= 1;
        }
      }
      blend(image.data, lane * wide * 4, wide, steps, shades, last - first);
    }
    const buffer = new OffscreenCanvas(wide, high);
    buffer.getContext("2d").putImageData(image, 0, 0);
    context.imageSmoothingEnabled = false;
    context.drawImage(buffer, 0, 0, width, shape.lanes * shape.height);
  }

  function blend(pixels, offset, wide, steps, shades, servers) {
    const inside = [0, 0, 0, 0];
    for (let x = 0; x < wide; x += 1) {
      for (let part = 0; part < 4; part += 1) inside[part] += steps[x * 4 + part];
      let rest = Math.max(0, servers - inside[0] - inside[1] - inside[2]);
      const failed = Math.min(1, (2 * inside[3]) / servers + (inside[3] > 0 ? 0.35 : 0)); // seldom, so drawn stronger
      for (let channel = 0; channel < 3; channel += 1) {
        const mixed = (inside[0] * shades[0][channel] + inside[1] * shades[1][channel] + inside[2] * shades[2][channel] +
          rest * shades[4][channel]) / Math.max(1, inside[0] + inside[1] + inside[2] + rest);
        pixels[offset + x * 4 + channel] = mixed * (1 - failed) + shades[3][channel] * failed;
      }
      pixels[offset + x * 4 + 3] = 255;
    }
  }

  function channels(hex) {
    const digits = hex.replace("#", "");
    return [0, 2, 4].map((at) => parseInt(digits.slice(at, at + 2), 16) || 0);
  }

  const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200];
  const DAY = 86400;

  function axis(context, picture, { width, height, x, paint }) {
    const wanted = Math.max(2, Math.floor(width / (words.zone.days ? 105 : 85)));
    const span = picture.end - picture.start;
    const step = STEPS.find((one) => span / one <= wanted) ?? DAY * 2 ** Math.max(0, Math.ceil(Math.log2(span / DAY / wanted)));
    const offset = (words.zone.origin / 1000) % step; // on full minutes, not minutes after the start
    context.font = "12px system-ui, sans-serif";
    context.textBaseline = "bottom";
    context.strokeStyle = paint["grid-line"];
    context.fillStyle = paint.quiet;
    context.lineWidth = 1;
    let right = -Infinity; // of the label before
    for (let at = Math.ceil((picture.start + offset) / step) * step - offset; at <= picture.end; at += step) {
      const left = Math.round(x(at)) + 0.5;
      context.beginPath();
      context.moveTo(left, 0);
      context.lineTo(left, height - AXIS + 4);
      context.stroke();
      const text = words.clock(at);
      const half = context.measureText(text).width / 2;
      const begin = Math.min(width - 2 * half, Math.max(0, left - half));
      if (begin < right + 6) continue;
      right = begin + 2 * half;
      context.textAlign = "left";
      context.fillText(text, begin, height - 2);
    }
  }

  function cursor(context, picture, { shape, width, paint }) {
    const frame = (lane, colour, thick) => {
      context.strokeStyle = colour;
      context.lineWidth = thick;
      const high = Math.max(shape.height, 5);
      context.strokeRect(1, lane * shape.height - (high - shape.height) / 2, width - 2, high);
    };
    if (picture.opened >= picture.from && picture.opened < picture.to) {
      frame(Math.floor((picture.opened - picture.from) / shape.each), paint.ink, 1);
    }
    if (picture.current >= 0 && picture.current < shape.lanes) frame(picture.current, paint.accent, 2);
    if (picture.drag) {
      context.fillStyle = paint.accent;
      context.globalAlpha = 0.2;
      context.fillRect(Math.min(...picture.drag), 0, Math.abs(picture.drag[1] - picture.drag[0]), shape.room);
      context.globalAlpha = 1;
    }
  }

  return { draw, layout, times };
})();
