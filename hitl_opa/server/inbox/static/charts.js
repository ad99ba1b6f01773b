// Puts charts that answer to a mouse in the place of the drawn ones; without it those stay.
"use strict";

const DAY = 86400;
const DASHES = [[], [6, 3], [2, 3]];
const dark = matchMedia("(prefers-color-scheme: dark)");

function colours() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(name).trim();
  return { ink: of("--ink"), line: of("--line"), kinds: dark.matches ? ["#7fa8d6", "#e0b04a", "#f0806f"] : ["#4c78a8", "#b07d00", "#c0392b"] };
}

function drawn(figure) {
  const { kind, unit, x, series } = JSON.parse(figure.dataset.chart);
  const { ink, line, kinds } = colours();
  series.forEach((one, at) => { one.colour = kinds[at % 3]; one.dash = DASHES[at % 3]; });
  const stacked = kind === "stacked";
  if (stacked) series.reverse();  // a column stands on those below it: the highest is drawn first
  const raw = series.map((one) => one.values);
  const values = stacked ? raw.map((_, at) => x.map((_, day) => raw.slice(at).reduce((sum, one) => sum + one[day], 0))) : raw;
  const axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } };
  const shown = (value) => (value === null || value === undefined ? "-" : `${value}${unit ? " " + unit : ""}`);
  return new uPlot({
    width: figure.clientWidth, height: 240, tzDate: (at) => uPlot.tzDate(new Date(at * 1000), "UTC"),
    cursor: { drag: { x: true, y: false } },
    scales: {
      x: { range: (_, low, high) => [low - DAY / 2, Math.min(high, x[x.length - 1]) + DAY / 2] },  // of one day uPlot makes a thousand
      y: { range: (_, low, high) => [0, unit === "%" ? 100 : Math.max(1, high * 1.05)] },
    },
    axes: [{ ...axis, incrs: [DAY, 2 * DAY, 7 * DAY, 30 * DAY, 90 * DAY, 365 * DAY], values: (_, at) => at.map((one) => new Date(one * 1000).toISOString().slice(5, 10)) }, { ...axis, size: 56 }],
    series: [
      { label: "day", value: (_, at) => (at === null ? "-" : new Date(at * 1000).toISOString().slice(0, 10)) },
      ...series.map((one) => ({
        label: one.label, stroke: one.colour, width: stacked ? 0 : 2, dash: stacked ? [] : one.dash, spanGaps: !stacked,
        ...(stacked ? { fill: one.colour, paths: uPlot.paths.bars({ size: [0.76, 60] }), points: { show: false } } : { points: { show: x.length < 60 } }),
        value: (_, value, number, day) => shown(day === null ? value : raw[number - 1][day]),
      })),
    ],
  }, [x, ...values], figure);
}

document.addEventListener("DOMContentLoaded", () => {
  for (const figure of document.querySelectorAll("[data-chart]")) {
    const title = document.createElement("h3");
    title.textContent = figure.dataset.title;
    figure.replaceChildren(title);
    let plot = drawn(figure);
    const canvas = () => { const one = plot.root.querySelector("canvas"); one.setAttribute("role", "img"); one.setAttribute("aria-label", `${figure.dataset.title}; the table has its numbers`); };
    canvas();
    new ResizeObserver(() => { if (plot.width !== figure.clientWidth) plot.setSize({ width: figure.clientWidth, height: 240 }); }).observe(figure);
    dark.addEventListener("change", () => { plot.destroy(); plot = drawn(figure); canvas(); });
  }
});
