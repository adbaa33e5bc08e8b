"use strict";

// Tables: a click on a head sorts; another turns the order round. Gaps stay last.
function compare(a, b) {
  if (a === "" || b === "") return a === b ? 0 : a === "" ? 2 : -2;
  const [x, y] = [Number(a), Number(b)];
  if (Number.isNaN(x) || Number.isNaN(y)) return Math.sign(a.localeCompare(b));
  return Math.sign(x - y);
}

function sort(head) {
  const table = head.closest("table");
  const column = head.cellIndex;
  const key = (row) => row.cells[column].dataset.sort;
  const first = head.classList.contains("number") ? "descending" : "ascending";
  const other = first === "ascending" ? "descending" : "ascending";
  const order = head.getAttribute("aria-sort") === first ? other : first;
  const sign = order === "ascending" ? 1 : -1;
  const rows = [...table.tBodies[0].rows].sort((a, b) => {
    const found = compare(key(a), key(b));
    return Math.abs(found) === 2 ? found : sign * found;
  });
  table.tBodies[0].append(...rows);
  for (const cell of head.parentNode.cells) cell.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", order);
}

for (const button of document.querySelectorAll("thead button"))
  button.addEventListener("click", () => sort(button.closest("th")));

// Values on hover: of cells that carry a text, and of what a drawing shows.
const hover = document.getElementById("hover");

function show(text, x, y) {
  hover.textContent = text;
  hover.hidden = false;
  const box = hover.getBoundingClientRect();
  hover.style.left = `${Math.max(4, Math.min(x + 12, innerWidth - box.width - 4))}px`;
  hover.style.top = `${y + 18 + box.height > innerHeight ? y - box.height - 8 : y + 18}px`;
}

document.addEventListener("pointerover", (event) => {
  const cell = event.target.closest("[data-hover]");
  if (cell) show(cell.dataset.hover, event.clientX, event.clientY);
  else if (!event.target.closest(".marked")) hover.hidden = true;
});

// A mark is {box: [left, top, right, bottom], text} in parts of the drawing.
function cellAt(grid, row, column) {
  const [left, top, right, bottom] = grid.box;
  const width = (right - left) / grid.columns.length;
  const height = (bottom - top) / grid.rows.length;
  const value = grid.values[row][column].toFixed(2).replace("-", "\u2212");
  return {
    box: [left + column * width, top + row * height,
      left + (column + 1) * width, top + (row + 1) * height],
    text: `${grid.rows[row]} \u2013 ${grid.columns[column]}: ${value}`,
  };
}

function pointAt([x, y, text]) {
  return { box: [x, y, x, y], text };
}

function markNear(marks, x, y, width, height) {
  for (const grid of marks.grids) {
    const [left, top, right, bottom] = grid.box;
    const row = Math.floor(((y - top) / (bottom - top)) * grid.rows.length);
    const column = Math.floor(((x - left) / (right - left)) * grid.columns.length);
    if (grid.values[row]?.[column] !== undefined) return cellAt(grid, row, column);
  }
  const far = (point) => Math.hypot((point[0] - x) * width, (point[1] - y) * height);
  let nearest = null;
  for (const point of marks.points)
    if (far(point) < (nearest ? far(nearest) : 14)) nearest = point;
  return nearest && pointAt(nearest);
}

function marking(drawing) {
  const place = drawing.querySelector(".marked");
  const marks = JSON.parse(drawing.querySelector("script").textContent);
  const frame = document.createElement("i");
  frame.hidden = true;
  place.append(frame);

  function mark(found) {
    frame.hidden = !found;
    if (!found) return (hover.hidden = true);
    const [left, top, right, bottom] = found.box;
    const area = place.getBoundingClientRect();
    frame.className = left === right ? "point" : "";
    frame.style.left = `${100 * left}%`;
    frame.style.top = `${100 * top}%`;
    frame.style.width = left === right ? "" : `${100 * (right - left)}%`;
    frame.style.height = left === right ? "" : `${100 * (bottom - top)}%`;
    show(found.text, area.left + right * area.width, area.top + bottom * area.height);
  }

  place.addEventListener("pointermove", (event) => {
    const area = place.getBoundingClientRect();
    const x = (event.clientX - area.left) / area.width;
    const y = (event.clientY - area.top) / area.height;
    mark(markNear(marks, x, y, area.width, area.height));
  });
  place.addEventListener("pointerleave", () => mark(null));

  // The arrow keys walk over the cells of a grid, or over the points in their order.
  const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  const region = drawing.querySelector(".scroll");
  let [row, column] = [0, -1];
  region.addEventListener("keydown", (event) => {
    const step = steps[event.key];
    if (!step) return;
    event.preventDefault();
    const grid = marks.grids[0];
    const last = grid ? grid.columns.length - 1 : marks.points.length - 1;
    const bottom = grid ? grid.rows.length - 1 : 0;
    row = Math.max(0, Math.min(bottom, row + step[0]));
    column = Math.max(0, Math.min(last, column + step[1] + (grid ? 0 : step[0])));
    mark(grid ? cellAt(grid, row, column) : pointAt(marks.points[column]));
  });
  region.addEventListener("blur", () => mark(null));
}

document.querySelectorAll("figure.drawing").forEach(marking);
