// Everything here is comfort: without it, links and forms do the same.
"use strict";

htmx.config.includeIndicatorStyles = false;
htmx.config.allowEval = false;
htmx.config.selfRequestsOnly = true;

const shortcuts = () => localStorage.getItem("shortcuts") !== "off";
const typing = (target) => target.closest("input, textarea, select, [contenteditable]");

// on a phone the pages are wider than the screen: the one that is shown is in sight
document.addEventListener("DOMContentLoaded", () => {
  const here = document.querySelector("nav [aria-current]");
  if (here) here.parentElement.scrollLeft = here.offsetLeft - here.parentElement.offsetLeft - 16;
});

function rows() { return [...document.querySelectorAll(".queue > li")]; }

function select(step) {
  const all = rows();
  if (!all.length) return;
  const now = all.findIndex((row) => row.getAttribute("aria-selected") === "true");
  const next = all[Math.min(Math.max(now + step, 0), all.length - 1)];
  all.forEach((row) => row.setAttribute("aria-selected", row === next));
  next.querySelector("a.call").focus();
  next.scrollIntoView({ block: "nearest" });
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
  const help = document.getElementById("keys");
  if (event.key === "?" && help) { event.preventDefault(); help.showModal(); return; }
  if (!shortcuts()) return;
  const key = event.key.toLowerCase();
  if (key === "j") select(1);
  else if (key === "k") select(-1);
  else if (key === "x") {
    const box = document.querySelector('.queue > li[aria-selected="true"] input[type=checkbox]');
    if (box) { box.checked = !box.checked; box.dispatchEvent(new Event("change", { bubbles: true })); }
  } else {
    const button = document.querySelector(`[data-key="${CSS.escape(key)}"]`);
    if (!button) return;
    event.preventDefault();
    const details = button.closest("details");
    if (button.tagName === "SUMMARY") { details.open = true; (details.querySelector("textarea, input, select") || button).focus(); }
    else button.focus();  // a key never decides by itself: Enter does
  }
});

// What is of high risk is approved only once its exact input has been on the screen.
function watch() {
  const end = document.getElementById("input-end");
  const yes = document.querySelector("button[data-after-reading]");
  if (!end || !yes || yes.dataset.read) return;
  const note = document.getElementById("read-first");
  yes.setAttribute("aria-disabled", "true");
  note.hidden = false;
  const bar = document.querySelector(".decide");
  const covered = getComputedStyle(bar).position === "sticky" ? Math.min(bar.offsetHeight, innerHeight / 2) : 0;
  const observer = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    yes.removeAttribute("aria-disabled");
    yes.dataset.read = "yes";
    note.hidden = true;
    observer.disconnect();
  }, { rootMargin: `0px 0px -${covered}px 0px` });
  observer.observe(end);
}
document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button && button.getAttribute("aria-disabled") === "true") {
    event.preventDefault();
    document.getElementById("input-end").scrollIntoView({ block: "center" });
  }
  if (button && button.dataset.closes) button.closest("dialog").close();
});

document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll(".nojs-hidden").forEach((one) => one.classList.remove("nojs-hidden"));
  watch();
  const toggle = document.getElementById("shortcuts");
  if (toggle) {
    toggle.checked = shortcuts();
    toggle.addEventListener("change", () => localStorage.setItem("shortcuts", toggle.checked ? "on" : "off"));
  }
});
