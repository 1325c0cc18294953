// Charts that can be read, figures that can be enlarged, a page that prints whole.
"use strict";
(() => {
  const data = (id) => JSON.parse(document.getElementById(id).textContent);
  const minus = (text) => text.replace("-", "\u2212");
  const show = (value) => (value === null ? "\u2013" : minus(String(Number(value.toPrecision(5)))));

  // ---- charts: a slider, or the pointer, moves the cursor -------------------------------
  function chart(svg) {
    const name = svg.dataset.chart;
    const slider = document.getElementById(`${name}-cursor`);
    const out = document.getElementById(`${name}-at`);
    const line = svg.querySelector("g.cursor");
    let content = null;
    const read = () => (content ||= data(name));

    function put() {
      const { x, at, lines, title, unit, spans } = read();
      const k = Number(slider.value), value = x[k];
      line.hidden = false;
      line.removeAttribute("hidden");
      const place = at[0] + ((value - at[2]) / (at[3] - at[2])) * (at[1] - at[0]);
      line.setAttribute("transform", `translate(${place - at[0]} 0)`);
      const span = spans.find((s) => value >= s[1] && value <= s[2]);
      out.replaceChildren(
        item(title, show(value), unit, span ? ` (${span[0]})` : ""),
        ...lines.map((l) => item(l.title, show(l.y[k]), l.unit, "")));
      slider.setAttribute("aria-valuetext", `${title} ${show(value)} ${unit}`);
    }
    function item(title, value, unit, more) {
      const span = document.createElement("span"), b = document.createElement("b");
      b.textContent = value;
      span.append(`${title} `, b, ` ${unit}${more}`);
      return span;
    }
    slider.addEventListener("input", put);
    svg.addEventListener("pointermove", (event) => {
      const { x, at } = read();
      const box = svg.getBoundingClientRect();
      const inside = ((event.clientX - box.left) / box.width) * svg.viewBox.baseVal.width;
      const value = at[2] + ((inside - at[0]) / (at[1] - at[0])) * (at[3] - at[2]);
      let low = 0, high = x.length - 1;
      while (high - low > 1) {
        const middle = (low + high) >> 1;
        if (x[middle] < value) low = middle; else high = middle;
      }
      slider.value = value - x[low] < x[high] - value ? low : high;
      put();
    });
  }

  // ---- tables of many rows: a click on a title sorts by that column -----------------------
  function sortable(table) {
    const body = table.tBodies[0];
    if (!body || body.rows.length < 6) return;
    const key = (cell) => {
      const text = cell.textContent.trim(), number = Number(cell.dataset.value);
      return cell.dataset.value !== undefined && !Number.isNaN(number) ? number : text;
    };
    const compare = (a, b) => {
      if (a === "" || b === "") return (a === "") - (b === ""); // empty cells last
      if (typeof a === "number" && typeof b === "number") return a - b;
      return String(a).localeCompare(String(b), undefined, { numeric: true });
    };
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      if (!head.textContent.trim()) return;
      // A span, for browsers leave buttons out of a head that is repeated on the next sheet.
      const button = document.createElement("span");
      button.tabIndex = 0;
      button.setAttribute("role", "button");
      button.className = "sort";
      button.title = "Sort by this column";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        button.click();
      });
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const rows = [...body.rows].map((row) => [key(row.cells[column]), row]);
        rows.sort(([a], [b]) => (a === "" || b === "" || !down ? compare(a, b) : compare(b, a)));
        body.append(...rows.map(([, row]) => row));
      });
    });
  }

  // ---- figures: enlarged in a dialog, which keeps and gives back the focus ---------------
  function enlarge() {
    const dialog = document.getElementById("zoom");
    const field = dialog.querySelector(".zoomed");
    let image = null, scale = 1;
    const natural = () => [image.naturalWidth || 800, image.naturalHeight || 600];
    function size(next, x = 0.5, y = 0.5) {
      const old = [field.scrollLeft + x * field.clientWidth, field.scrollTop + y * field.clientHeight];
      const ratio = next / scale;
      scale = next;
      image.style.width = `${natural()[0] * scale}px`;
      field.scrollLeft = old[0] * ratio - x * field.clientWidth;
      field.scrollTop = old[1] * ratio - y * field.clientHeight;
    }
    const fit = () => {
      const [w, h] = natural();
      size(Math.min(field.clientWidth / w, field.clientHeight / h) * 0.98);
    };
    const act = {
      in: () => size(Math.min(scale * 1.4, 40)), out: () => size(Math.max(scale / 1.4, 0.1)),
      fit, close: () => dialog.close(),
    };
    dialog.addEventListener("click", (event) => {
      const key = event.target.dataset.zoom;
      if (key) act[key]();
      else if (event.target === dialog) dialog.close();
    });
    dialog.addEventListener("keydown", (event) => {
      const key = { "+": "in", "=": "in", "-": "out", 0: "fit" }[event.key];
      if (key) { act[key](); event.preventDefault(); }
    });
    field.addEventListener("wheel", (event) => {
      event.preventDefault();
      const box = field.getBoundingClientRect();
      size(Math.min(40, Math.max(0.1, scale * Math.exp(-event.deltaY / 400))),
        (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
    }, { passive: false });
    let held = null;
    field.addEventListener("pointerdown", (event) => {
      if (event.pointerType === "mouse") held = [event.clientX, event.clientY];
    });
    window.addEventListener("pointerup", () => { held = null; });
    field.addEventListener("pointermove", (event) => {
      if (!held) return;
      field.scrollBy(held[0] - event.clientX, held[1] - event.clientY);
      held = [event.clientX, event.clientY];
    });
    document.addEventListener("click", (event) => {
      const button = event.target.closest("button.enlarge");
      if (!button) return;
      const shown = button.querySelector("img");
      image = new Image();
      image.alt = shown.alt;
      image.draggable = false;
      image.src = shown.src;
      field.replaceChildren(image);
      dialog.showModal();
      image.decode().then(fit, fit);
    });
  }

  // ---- long parts: unpacked when they are opened -----------------------------------------
  async function unpack(fold) {
    const store = document.getElementById(fold.dataset.packed);
    delete fold.dataset.packed;
    const raw = Uint8Array.from(atob(store.textContent), (c) => c.charCodeAt(0));
    const stream = new Blob([raw]).stream().pipeThrough(new DecompressionStream("gzip"));
    store.outerHTML = await new Response(stream).text();
    bring(fold);
  }
  document.addEventListener("toggle", (event) => {
    const fold = event.target;
    if (fold.open && fold.dataset && fold.dataset.packed) {
      unpack(fold).catch(() => {
        const said = document.createElement("p");
        said.className = "inside";
        said.textContent = "This browser cannot unpack this part; a newer one can.";
        fold.append(said);
      });
    }
  }, { capture: true });

  // ---- paper: what is folded opens, unless it is long ------------------------------------
  function paper() {
    let opened = [];
    window.addEventListener("beforeprint", () => {
      opened = [...document.querySelectorAll("main details:not([open]):not(.long)")];
      for (const fold of opened) fold.open = true;
    });
    window.addEventListener("afterprint", () => {
      for (const fold of opened) fold.open = false;
    });
  }

  function bring(root) {
    root.querySelectorAll("svg.chart").forEach(chart);
    root.querySelectorAll("table").forEach(sortable);
    if (window.zifglassViewers) window.zifglassViewers(root);
  }
  enlarge();
  paper();
  bring(document);
})();
