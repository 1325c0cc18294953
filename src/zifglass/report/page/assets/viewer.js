// The 3D view: 3Dmol.js draws; this file says what. Nothing is set up before it is in sight.
"use strict";
{
  const COLOURS = { Zn: "#0072B2", N: "#56B4E9", C: "#555555", H: "#D0D0D0", Co: "#CC79A7" };
  const OTHER = "#E69F00", BROKEN = "#D55E00", LOOSE = "#E69F00";
  const RINGS = { 4: "#CC79A7", 5: "#E69F00", 6: "#009E73", 7: "#56B4E9", 8: "#D55E00" };
  const RADII = { H: 0.2, C: 0.28, N: 0.3, Zn: 0.48 };
  const COVALENT = { H: 0.31, C: 0.76, N: 0.71, O: 0.66, Cl: 1.02, Br: 1.2 };
  let alive = null; // browsers allow few WebGL contexts: one viewer at a time

  function library() {
    if (window.$3Dmol) return;
    const script = document.createElement("script");
    script.textContent = document.getElementById("vendor-3dmol-min-js").textContent;
    document.head.append(script);
  }

  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

  function unpack(raw) {
    const symbols = raw.symbols.flatMap(([symbol, n]) => Array(n).fill(symbol));
    const buffer = bytes(raw.positions).buffer;
    return { ...raw, symbols, whole: new Uint16Array(buffer) };
  }

  const cellOf = (model, frame) => model.cells[model.cells.length > 1 ? frame : 0];
  const along = (c, f) => [
    f[0] * c[0] + f[1] * c[3] + f[2] * c[6],
    f[0] * c[1] + f[1] * c[4] + f[2] * c[7],
    f[0] * c[2] + f[1] * c[5] + f[2] * c[8],
  ];

  function positions(model, frame) {
    const [low, width] = model.scale, c = cellOf(model, frame), n = model.atoms;
    const found = new Float64Array(3 * n);
    for (let a = 0; a < n; a++) {
      const k = 3 * (frame * n + a);
      const f = [0, 1, 2].map((i) => low + (width * model.whole[k + i]) / 65535);
      found.set(along(c, f), 3 * a);
    }
    return found;
  }

  // Pairs of listed points closer than `reach`: cells of that size, so large models stay quick.
  function near(points, indices, others, reach, use) {
    const box = new Map(), key = (x, y, z) => `${x},${y},${z}`;
    const at = (i) => [0, 1, 2].map((k) => Math.floor(points[3 * i + k] / reach));
    for (const j of others) {
      const name = key(...at(j));
      if (!box.has(name)) box.set(name, []);
      box.get(name).push(j);
    }
    for (const i of indices) {
      const [x, y, z] = at(i);
      for (let a = -1; a < 2; a++) for (let b = -1; b < 2; b++) for (let d = -1; d < 2; d++) {
        for (const j of box.get(key(x + a, y + b, z + d)) || []) {
          const u = points[3 * i] - points[3 * j], v = points[3 * i + 1] - points[3 * j + 1];
          const w = points[3 * i + 2] - points[3 * j + 2];
          const r = Math.sqrt(u * u + v * v + w * w);
          if (i !== j && r < reach && r > 0.1) use(i, j, r);
        }
      }
    }
  }

  // Atoms with bonds, and the corners of the tetrahedra; donors across a face come as images.
  function assemble(model, frame) {
    const n = model.atoms, c = cellOf(model, frame), home = positions(model, frame);
    const symbols = [...model.symbols], points = [...home], source = [...Array(n).keys()];
    const metals = [], donors = [];
    for (let a = 0; a < n; a++) {
      if (symbols[a] === model.metal) metals.push(a);
      if (symbols[a] === model.donor) donors.push(a);
    }
    const image = [];
    for (let x = -1; x < 2; x++) for (let y = -1; y < 2; y++) for (let z = -1; z < 2; z++) {
      if (x || y || z) {
        const s = along(c, [x, y, z]);
        for (const a of donors) {
          image.push(points.length / 3);
          source.push(a);
          symbols.push(symbols[a]);
          points.push(home[3 * a] + s[0], home[3 * a + 1] + s[1], home[3 * a + 2] + s[2]);
        }
      }
    }
    const bonds = points.length ? Array.from({ length: points.length / 3 }, () => []) : [];
    const corners = new Map(metals.map((m) => [m, []]));
    near(points, metals, [...donors, ...image], model.cutoff, (m, d) => {
      bonds[m].push(d); bonds[d].push(m);
      corners.get(m).push([points[3 * d], points[3 * d + 1], points[3 * d + 2]]);
    });
    const light = [];
    for (let a = 0; a < n; a++) if (symbols[a] !== model.metal) light.push(a);
    near(points, light, light, 1.95, (a, b, r) => {
      const limit = 1.2 * ((COVALENT[symbols[a]] || 0.75) + (COVALENT[symbols[b]] || 0.75));
      if (a < b && r < limit && !(symbols[a] === "H" && symbols[b] === "H")) {
        bonds[a].push(b); bonds[b].push(a);
      }
    });
    return { symbols, points, source, bonds, metals, corners, home: n };
  }

  const vector = (p) => new $3Dmol.Vector3(p[0], p[1], p[2]);
  const minus = (a, b) => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
  const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];

  class Mesh {
    constructor() { this.vertexArr = []; this.normalArr = []; this.faceArr = []; }
    triangle(a, b, c) {
      let n = cross(minus(b, a), minus(c, a));
      const length = Math.hypot(...n) || 1;
      n = n.map((x) => x / length);
      const k = this.vertexArr.length;
      this.vertexArr.push(vector(a), vector(b), vector(c));
      for (let i = 0; i < 3; i++) this.normalArr.push(vector(n));
      this.faceArr.push(k, k + 1, k + 2);
    }
    add(viewer, color, opacity) {
      if (this.faceArr.length) viewer.addCustom({ ...this, color, opacity });
    }
  }

  function start(figure) {
    const name = figure.dataset.viewer;
    const stage = figure.querySelector(".stage"), status = document.getElementById(`${name}-at`);
    const still = stage.querySelector(".still");
    const find = (action) => figure.querySelector(`[data-do=${action}]`);
    const slider = find("frame"), play = find("play"), ringsize = find("ringsize");
    const shown = (key) => figure.querySelector(`[data-show=${key}]`).checked;
    const models = new Map();
    let viewer = null, model = null, frame = 0, timer = null, first = true;

    function load(k) {
      if (!models.has(k)) {
        const raw = document.getElementById(`${name}-model-${k}`).textContent;
        models.set(k, unpack(JSON.parse(raw)));
      }
      model = models.get(k);
      slider.max = model.frames - 1;
      slider.value = frame = model.frames - 1;
      figure.querySelector(".player").hidden = model.frames < 2;
      const known = (list) => list.some((one) => one && (one.length || one.size));
      offer("rings", known(model.rings));
      offer("pores", known(model.pores));
      offer("broken", true);
      first = true;
      draw();
    }
    function offer(key, there) {
      const box = figure.querySelector(`[data-show=${key}]`);
      box.disabled = !there;
      if (!there) box.checked = false;
      box.parentElement.title = there ? "" : "not computed for this model";
    }

    function draw() {
      if (!viewer) return;
      const view = first ? null : viewer.getView();
      viewer.removeAllModels();
      viewer.removeAllShapes();
      const scene = assemble(model, frame);
      const broken = new Set(model.broken[frame] || []);
      if (shown("atoms")) atoms(scene, broken);
      else if (shown("broken") && broken.size) atoms(scene, broken, true);
      if (shown("cell")) cell();
      if (shown("tetrahedra")) tetrahedra(scene);
      if (shown("rings")) rings();
      if (shown("pores")) pores();
      tell(broken, scene);
      if (first) { home(); first = false; } else viewer.setView(view, true);
      viewer.render();
    }

    function atoms(scene, broken, only = false) {
      const keep = new Map(), list = [], marked = shown("broken");
      const wanted = (a) => {
        if (only) return a < scene.home && broken.has(a);
        if (scene.symbols[a] === "H" && !shown("hydrogen")) return false;
        return a < scene.home || scene.bonds[a].length > 0;
      };
      scene.symbols.forEach((symbol, a) => { if (wanted(a)) { keep.set(a, list.length); list.push(a); } });
      const specs = list.map((a, index) => {
        const bonds = scene.bonds[a].filter((b) => keep.has(b)).map((b) => keep.get(b));
        const hot = marked && broken.has(scene.source[a]);
        const four = scene.corners.get(a);
        const colour = hot ? BROKEN : four && four.length !== 4 ? LOOSE : COLOURS[scene.symbols[a]] || OTHER;
        return {
          elem: scene.symbols[a], x: scene.points[3 * a], y: scene.points[3 * a + 1], z: scene.points[3 * a + 2],
          serial: index, index, bonds, bondOrder: bonds.map(() => 1), properties: {}, color: colour,
          style: {
            sphere: { radius: (RADII[scene.symbols[a]] || 0.4) * (hot ? 1.5 : 1), color: colour },
            stick: { radius: hot ? 0.16 : 0.1, color: colour },
          },
        };
      });
      viewer.addModel().addAtoms(specs);
    }

    function cell() {
      const c = cellOf(model, frame);
      const corner = (k) => along(c, [k & 1, (k >> 1) & 1, (k >> 2) & 1]);
      const shape = viewer.addShape({ color: "#333333" });
      for (let a = 0; a < 8; a++) for (const bit of [1, 2, 4]) {
        if (!(a & bit)) {
          shape.addCylinder({
            start: vector(corner(a)), end: vector(corner(a | bit)), radius: 0.06, color: "#333333",
            fromCap: 1, toCap: 1,
          });
        }
      }
    }

    function tetrahedra(scene) {
      const mesh = new Mesh();
      for (const corners of scene.corners.values()) {
        if (corners.length !== 4) continue;
        for (const [a, b, c] of [[0, 1, 2], [0, 1, 3], [0, 2, 3], [1, 2, 3]]) mesh.triangle(corners[a], corners[b], corners[c]);
      }
      mesh.add(viewer, COLOURS.Zn, 0.55);
    }

    function rings() {
      const list = model.rings[frame] || [], size = Number(ringsize.value);
      const mesh = new Mesh();
      for (const flat of list) {
        if (flat.length / 3 !== size) continue;
        const points = [], centre = [0, 0, 0];
        for (let k = 0; k < flat.length; k += 3) points.push(flat.slice(k, k + 3));
        for (const p of points) for (let i = 0; i < 3; i++) centre[i] += p[i] / points.length;
        points.forEach((p, k) => mesh.triangle(p, points[(k + 1) % points.length], centre));
      }
      mesh.add(viewer, RINGS[size] || OTHER, 0.45);
    }

    function pores() {
      const pore = model.pores[frame];
      if (!pore) return;
      const raw = bytes(pore.values), c = cellOf(model, frame), [a, b, d] = pore.size;
      const data = Float32Array.from(raw, (v) => pore.low + ((pore.high - pore.low) * v) / 255);
      const m = [
        c[0] / (a - 1), c[3] / (b - 1), c[6] / (d - 1), 0,
        c[1] / (a - 1), c[4] / (b - 1), c[7] / (d - 1), 0,
        c[2] / (a - 1), c[5] / (b - 1), c[8] / (d - 1), 0, 0, 0, 0, 1,
      ];
      viewer.addIsosurface(
        { data, size: { x: a, y: b, z: d }, unit: { x: 1, y: 1, z: 1 }, origin: { x: 0, y: 0, z: 0 }, matrix: new $3Dmol.Matrix4(...m) },
        { isoval: pore.probe, color: "#E69F00", opacity: 0.6, smoothness: 2 });
    }

    function ringsizes() {
      const list = model.rings[frame] || [], counts = new Map();
      for (const flat of list) counts.set(flat.length / 3, (counts.get(flat.length / 3) || 0) + 1);
      const sizes = [...counts.keys()].sort((a, b) => a - b), old = ringsize.value;
      ringsize.replaceChildren(...sizes.map((s) => new Option(`${s} (${counts.get(s)})`, s)));
      if (sizes.includes(Number(old))) ringsize.value = old;
      figure.querySelector("[data-for=rings]").hidden = !shown("rings") || !sizes.length;
    }

    function tell(broken, scene) {
      figure.querySelector("[data-shows=frame]").textContent = model.labels[frame] || `frame ${frame + 1}`;
      slider.setAttribute("aria-valuetext", model.labels[frame] || "");
      let odd = 0;
      for (const corners of scene.corners.values()) if (corners.length !== 4) odd += 1;
      const said = [model.name];
      if (model.labels[frame]) said.push(model.labels[frame]);
      said.push(broken.size ? `${broken.size} atoms of broken linkers` : "no broken linker");
      if (scene.metals.length) said.push(`${odd} of ${scene.metals.length} ${model.metal} not four-coordinated`);
      for (const [key, list] of [["rings", model.rings], ["pores", model.pores]]) {
        if (shown(key) && !list[frame]) said.push(`${key}: computed for the last frame only`);
      }
      if (model.note) said.push(model.note);
      status.textContent = said.join(" · ");
    }

    function home() {
      viewer.zoomTo();
      const view = viewer.getView(); // place, distance, and a quaternion: straight ahead again
      viewer.setView([...view.slice(0, 4), 0, 0, 0, 1]);
      viewer.rotate(18, "y");
      viewer.rotate(14, "x");
      viewer.zoom(1.15);
    }

    function to(next) {
      frame = Math.min(model.frames - 1, Math.max(0, next));
      slider.value = frame;
      ringsizes();
      draw();
    }
    function stop() {
      clearTimeout(timer);
      timer = null;
      play.textContent = "Play";
      play.setAttribute("aria-pressed", "false");
    }
    function step() {
      to((frame + 1) % model.frames);
      timer = setTimeout(step, 80);
    }

    const moves = {
      left: () => viewer.rotate(-12, "y"), right: () => viewer.rotate(12, "y"),
      up: () => viewer.rotate(-12, "x"), down: () => viewer.rotate(12, "x"),
      closer: () => viewer.zoom(1.2), away: () => viewer.zoom(1 / 1.2),
      reset: () => home(),
    };
    const keys = { ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down", "+": "closer", "=": "closer", "-": "away", 0: "reset" };

    function wake() {
      if (viewer) return true;
      try {
        library();
        if (alive) alive();
        const canvas = document.createElement("div");
        canvas.style.cssText = "position:absolute;inset:0";
        stage.append(canvas);
        viewer = $3Dmol.createViewer(canvas, { backgroundColor: "white", antialias: true, disableFog: false });
        if (!viewer) throw new Error("no WebGL");
        alive = () => { stop(); canvas.remove(); stage.classList.remove("live"); viewer = null; };
        stage.classList.add("live");
        load(Number(find("model")?.value || 0));
        ringsizes();
      } catch (error) {
        viewer = null;
        const said = document.createElement("p");
        said.className = "failed";
        said.textContent = "This browser shows no 3D here (WebGL is off or missing): a still is shown instead.";
        stage.append(said);
        for (const control of figure.querySelectorAll(".controls input, .controls button, .controls select")) control.disabled = true;
        return false;
      }
      return true;
    }

    figure.addEventListener("click", (event) => {
      const key = event.target.dataset.do;
      if (!key || !wake()) return;
      if (moves[key]) { moves[key](); viewer.render(); }
      if (key === "play") {
        if (timer) stop();
        else { play.textContent = "Pause"; play.setAttribute("aria-pressed", "true"); step(); }
      }
    });
    figure.addEventListener("input", (event) => {
      if (!wake()) return;
      if (event.target === slider) { stop(); to(Number(slider.value)); }
      else if (event.target.dataset.do === "model") { stop(); load(Number(event.target.value)); ringsizes(); }
      else { ringsizes(); draw(); }
    });
    stage.addEventListener("keydown", (event) => {
      const key = keys[event.key];
      if (!key || event.ctrlKey || event.metaKey || !wake()) return;
      moves[key]();
      viewer.render();
      event.preventDefault();
    });
    // The wheel scrolls the page until the view is chosen by a click or the Tab key.
    stage.addEventListener("wheel", (event) => {
      if (!stage.contains(document.activeElement) && !event.ctrlKey) event.stopPropagation();
    }, { capture: true });
    stage.addEventListener("pointerdown", () => stage.focus({ preventScroll: true }), { capture: true });
    window.addEventListener("beforeprint", () => {
      if (viewer) still.src = viewer.pngURI();
    });
    new IntersectionObserver((entries, observer) => {
      if (entries.some((entry) => entry.isIntersecting)) { observer.disconnect(); wake(); }
    }, { rootMargin: "200px" }).observe(stage);
  }

  window.zifglassViewers = (root) => root.querySelectorAll("figure.viewer").forEach(start);
}
