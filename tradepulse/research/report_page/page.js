// Reads the curves under the pointer, and fits them to what is in view. The page is whole
// without this script.
"use strict";
(() => {
  const ROOM = 0.05;
  const HINT = "Point at the curves to read them; with the keyboard, use ← and →.";
  const SVG = "http://www.w3.org/2000/svg";
  const report = JSON.parse(document.getElementById("report").textContent);
  const { equity, price, trades } = report;
  const { start, end, split } = report.ranges;
  if (equity.close_time.length === 0) return;
  const curves = document.querySelector(".curves");
  const [drawn, view, cursor, readout] = [".drawn", ".view", ".cursor", ".readout"].map((name) =>
    curves.querySelector(name),
  );
  let at = null;

  const time = (ms) => new Date(ms).toISOString().slice(0, 16).replace("T", " ");
  const number = (value, digits) =>
    value === null || value === undefined
      ? "–"
      : value
          .toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits })
          .replace("-", "−");
  const size = (value) => (Math.abs(value) >= 1000 ? 2 : Math.abs(value) >= 1 ? 4 : 8);
  const plain = (value) => number(value, size(value));

  // index of the last time at or before ms, at least 0
  function last(times, ms) {
    let [low, high] = [0, times.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (times[middle] <= ms) low = middle + 1;
      else high = middle;
    }
    return Math.max(low - 1, 0);
  }

  // what is said of a moment: [name, value] each
  function said(i) {
    const ms = equity.close_time[i];
    const held = trades.find((one) => one.entry_time <= ms && ms < one.exit_time);
    return [
      [time(ms), split == null ? "" : ms <= split ? "in-sample" : "out-of-sample"],
      ["equity", number(equity.equity[i], 2)],
      ...(equity.buy_and_hold ? [["bought and held", number(equity.buy_and_hold[i], 2)]] : []),
      ["drawdown", `${number(equity.drawdown_pct[i], 2)} %`],
      ["close", plain(price.close[last(price.close_time, ms)])],
      ...(held
        ? [
            [
              `${held.side} since ${time(held.entry_time)} at`,
              `${plain(held.entry_price)}, ends by ${held.exit_reason} with ${number(held.profit, 2)}`,
            ],
          ]
        : []),
    ];
  }

  function show(i) {
    at = i;
    const x = `${(100 * (equity.close_time[i] - start)) / (end - start)}%`;
    cursor.setAttribute("x1", x);
    cursor.setAttribute("x2", x);
    cursor.setAttribute("visibility", "visible");
    const parts = said(i).flatMap(([name, value]) => {
      const bold = document.createElement("b");
      bold.textContent = value;
      return [" · ", `${name} `, bold];
    });
    readout.replaceChildren(...parts.slice(1));
  }

  function rest() {
    cursor.setAttribute("visibility", "hidden");
    readout.textContent = HINT;
  }

  const values = [
    [equity.close_time, [equity.equity, equity.buy_and_hold ?? []]],
    [equity.close_time, [equity.drawdown_pct.map((fall) => (fall === null ? null : -fall))]],
    [price.close_time, [price.close, price.high ?? [], price.low ?? []]],
  ];
  const panels = [...curves.querySelectorAll(".panel")].map((panel, i) => {
    const labels = curves.querySelectorAll(".labels")[i];
    const levels = curves.querySelectorAll(".levels")[i];
    const { top, height, unit } = labels.dataset;
    const [times, figures] = values[i];
    const more = i === 2 ? trades : [];
    const whole = range(times, figures, more, start, end, i === 1);
    return { panel, labels, levels, top: +top, height: +height, unit, times, figures, more, whole };
  });

  // lowest and highest value between two times, with room around them
  function range(times, figures, more, from, to, isFall) {
    const rows = [last(times, from), last(times, to) + 2];
    const seen = figures.flatMap((one) => one.slice(...rows));
    for (const one of more) {
      if (one.entry_time >= from && one.entry_time <= to) seen.push(one.entry_price);
      if (one.exit_time >= from && one.exit_time <= to) seen.push(one.exit_price);
    }
    const found = seen.filter((value) => value !== null);
    if (isFall || found.length === 0) found.push(0);
    const [low, high] = [Math.min(...found), Math.max(...found)];
    const room = ROOM * (high - low) || ROOM * Math.abs(high) || 1;
    const endsAtZero = isFall && low < high;
    return [low - room, endsAtZero && high === 0 ? high : high + room];
  }

  function ticks(low, high) {
    const rough = (high - low) / 4;
    const unit = 10 ** Math.floor(Math.log10(rough));
    const nice = [1, 2, 2.5, 5, 10].find((one) => one * unit >= rough * (1 - 1e-9));
    const step = nice * unit;
    const digits = Math.max(0, Math.ceil(-Math.log10(step) - 1e-9) + (nice === 2.5 ? 1 : 0));
    const found = [];
    for (let n = Math.ceil(low / step); n <= Math.floor(high / step); n += 1) {
      found.push([n * step, number(n * step, digits)]);
    }
    return found;
  }

  function element(name, attributes, text = "") {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.textContent = text;
    return made;
  }

  // let the values in view fill each panel: its inner drawing is stretched, its levels drawn anew
  function fit() {
    const width = drawn.getBoundingClientRect().width;
    const from = start + (view.scrollLeft / width) * (end - start);
    const to = from + (view.clientWidth / width) * (end - start);
    panels.forEach(({ panel, labels, levels, top, height, unit, times, figures, more, whole }, i) => {
      const [low, high] = range(times, figures, more, from, to, i === 1);
      const scale = height / (whole[1] - whole[0]);
      panel.setAttribute(
        "viewBox",
        `0 ${(whole[1] - high) * scale} 1000 ${(high - low) * scale}`,
      );
      const marks = ticks(low, high).map(([value, text]) => [
        top + (height * (high - value)) / (high - low),
        text,
      ]);
      levels.replaceChildren(
        ...marks.map(([y]) => element("line", { class: "grid", x1: 0, x2: "100%", y1: y, y2: y })),
      );
      labels.replaceChildren(
        ...marks.map(([y, text]) =>
          element("text", { class: "tick", x: 56, y: y + 4, "text-anchor": "end" }, text + unit),
        ),
      );
    });
  }

  let isFitting = false;
  function fitSoon() {
    if (isFitting) return;
    isFitting = true;
    requestAnimationFrame(() => {
      isFitting = false;
      fit();
    });
  }

  readout.hidden = false;
  rest();
  view.addEventListener("scroll", fitSoon, { passive: true });
  window.addEventListener("resize", fitSoon);
  // a zoom keeps the middle of what was in view
  let middle = 0.5;
  view.addEventListener("scroll", () => {
    middle = (view.scrollLeft + view.clientWidth / 2) / drawn.getBoundingClientRect().width;
  });
  curves.addEventListener("change", () => {
    view.scrollLeft = middle * drawn.getBoundingClientRect().width - view.clientWidth / 2;
    fitSoon();
  });
  window.addEventListener("beforeprint", () => {
    curves.querySelector("input").checked = true;
    fit();
  });
  drawn.addEventListener("pointermove", (event) => {
    const box = drawn.getBoundingClientRect();
    const share = Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1);
    show(last(equity.close_time, start + share * (end - start)));
  });
  drawn.addEventListener("pointerleave", rest);
  view.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const next = (at ?? -1) + step * (event.shiftKey ? 20 : 1);
    show(Math.min(Math.max(next, 0), equity.close_time.length - 1));
    const x = ((equity.close_time[at] - start) / (end - start)) * drawn.getBoundingClientRect().width;
    if (x < view.scrollLeft || x > view.scrollLeft + view.clientWidth) {
      view.scrollLeft = x - view.clientWidth / 2;
    }
  });
})();
