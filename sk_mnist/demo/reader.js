// Reads the digits drawn on the page's own paper, where ink is exact: black strokes on white. Groups and cuts strokes
// like _split.py and normalises digits like _handwriting.py. tests/demo compares the answers with those of Python.

// Levels: { width, height, data }, row by row, from 0 for paper to 255 for ink. Boxes: { top, left, bottom, right }.

const heightOf = (box) => box.bottom - box.top;
const widthOf = (box) => box.right - box.left;
const sizeOf = (box) => Math.max(heightOf(box), widthOf(box));
const sum = (values) => values.reduce((a, b) => a + b, 0);
const mean = (values) => sum(values) / values.length;

function read() {
  const { width, height, data } = context.getImageData(0, 0, paper.width, paper.height);
  const levels = { width, height, data: Uint8Array.from({ length: width * height }, (_, i) => 255 - data[4 * i]) };
  const pieces = findDigits(levels).flatMap((line, number) =>
    line.map((piece) => (
      { ...answerTo(normalized(piece.levels)), line: number, height: piece.levels.height, whole: piece.whole })));
  const isDigit = (piece) => piece.confidence >= leastConfidence(piece, pieces);
  const isSure = (piece) => piece.is_sure && !isCutFromNoDigit(piece, pieces);
  const digits = pieces.filter(isDigit).map((piece) => ({ ...piece, is_sure: isSure(piece) }));
  const rejected = pieces.filter((piece) => !isDigit(piece)).map(({ image }) => ({ image }));
  return { digits, rejected, reason: digits.length ? null : NO_DIGIT };
}

// As in reading.py.
function isCutFromNoDigit({ whole }, pieces) {
  return pieces.some((other) => other.whole === whole && other.confidence < LEAST_CONFIDENCE);
}

// As in reading.py.
function leastConfidence({ line, height }, pieces) {
  const hasThisHeight = (other) => Math.max(height, other.height) <= SAME_HEIGHT * Math.min(height, other.height);
  const isLikely = pieces.length === 1 || pieces.some((other) => other.line === line && other.is_sure && hasThisHeight(other));
  return isLikely ? LEAST_IF_LIKELY : LEAST_CONFIDENCE;
}

function answerTo(image) {
  const forms = [image, ...FORMS.map((matrix) => inForm(image, matrix))].map((form) => probabilities(MODEL.layers, form));
  const values = forms[0].map((_, k) => mean(forms.map((form) => form[k])));
  const [first, second] = values.map((_, k) => k).sort((a, b) => values[b] - values[a]);
  return {
    label: MODEL.classes[first],
    confidence: values[first],
    is_sure: values[first] >= SURE,
    runner_up: MODEL.classes[second],
    probabilities: values.map((value, k) => [MODEL.classes[k], value]),
    image: [...image],
  };
}

// -------------------------------------------------------------------------------------------------------- digits

// The pieces of each line, { top, left, bottom, right, levels }, from left to right.
function findDigits(levels) {
  const pieces = joined(findComponents(levels)).map((components) => pieceOf(levels, components));
  const high = pieces.filter((piece) => heightOf(piece) > FLATTEST * widthOf(piece));
  return inLines((high.length ? high : pieces).flatMap((whole) => cut(whole).map((part) => ({ ...part, whole }))));
}

// Connected pixels with ink, { pixels, top, left, bottom, right }; diagonal neighbours are connected.
function findComponents({ width, height, data }) {
  const seen = new Uint8Array(data.length);
  const components = [];
  data.forEach((level, first) => {
    if (!level || seen[first]) return;
    const component = { pixels: [first], top: height, left: width, bottom: 0, right: 0 };
    seen[first] = 1;
    for (const i of component.pixels) { // grows meanwhile
      const [x, y] = [i % width, Math.floor(i / width)];
      extend(component, x, y);
      for (let v = Math.max(y - 1, 0); v <= Math.min(y + 1, height - 1); v++) {
        for (let u = Math.max(x - 1, 0); u <= Math.min(x + 1, width - 1); u++) {
          const j = v * width + u;
          if (!data[j] || seen[j]) continue;
          seen[j] = 1;
          component.pixels.push(j);
        }
      }
    }
    components.push(component);
  });
  return components;
}

function extend(box, x, y) {
  box.top = Math.min(box.top, y);
  box.left = Math.min(box.left, x);
  box.bottom = Math.max(box.bottom, y + 1);
  box.right = Math.max(box.right, x + 1);
}

// Groups of components that are parts of the same digit.
function joined(components) {
  let groups = [];
  for (const component of components) {
    const isPart = (group) => group.some((other) => belongTogether(component, other));
    groups = [...groups.filter((group) => !isPart(group)), [component, ...groups.filter(isPart).flat()]];
  }
  return groups;
}

function belongTogether(a, b) {
  const below = Math.max(a.top, b.top) - Math.min(a.bottom, b.bottom);
  const beside = Math.max(a.left, b.left) - Math.min(a.right, b.right);
  const [smaller, larger] = [sizeOf(a), sizeOf(b)].sort((m, n) => m - n);
  const distance = Math.hypot(Math.max(below, 0), Math.max(beside, 0));
  if (smaller < PART_SIZE * larger && distance <= PART_DISTANCE * larger) return true;
  const together = Math.max(a.bottom, b.bottom) - Math.min(a.top, b.top);
  return -beside >= HALF_OVERLAP * Math.min(widthOf(a), widthOf(b)) && below <= HALF_GAP * together;
}

function pieceOf(levels, components) {
  const least = (side) => Math.min(...components.map((component) => component[side]));
  const most = (side) => Math.max(...components.map((component) => component[side]));
  const box = { top: least("top"), left: least("left"), bottom: most("bottom"), right: most("right") };
  const [width, height] = [widthOf(box), heightOf(box)];
  const data = new Uint8Array(width * height);
  for (const i of components.flatMap((component) => component.pixels)) {
    const [x, y] = [i % levels.width, Math.floor(i / levels.width)];
    data[(y - box.top) * width + x - box.left] = levels.data[i];
  }
  return { ...box, levels: { width, height, data } };
}

// Touching digits, cut apart where a single thin stroke connects them.
function cut(piece) {
  const { width, height } = piece.levels;
  const margin = Math.max(1, Math.floor(LEAST_WIDTH * height));
  if (width <= Math.max(TOUCHING_WIDTH * height, 2 * margin)) return [piece];
  const thickness = thicknessOfCuts(piece.levels).slice(margin, width - margin);
  const least = Math.min(...thickness);
  if (least > CUT_INK * height) return [piece];
  const thinnest = thickness.flatMap((value, k) => (value === least ? [k] : []));
  const column = margin + thinnest[Math.floor(thinnest.length / 2)];
  return [...cut(tight(piece, 0, column)), ...cut(tight(piece, column, width))];
}

// The ink in each column; the full height where a cut would not give two digits.
function thicknessOfCuts({ width, height, data }) {
  const columns = Array.from({ length: width }, (_, x) => {
    const inked = Array.from({ length: height }, (_, y) => data[y * width + x] > 127);
    const runs = inked.filter((is, y) => is && !inked[y - 1]).length;
    return { runs, ink: inked.filter(Boolean).length, top: inked.indexOf(true), bottom: inked.lastIndexOf(true) + 1 };
  });
  const before = heightsBefore(columns);
  const after = heightsBefore([...columns].reverse()).reverse();
  const isTall = (x) => Math.min(before[x], after[x]) >= LEAST_HEIGHT * height;
  return columns.map(({ runs, ink }, x) => (runs <= 1 && isTall(x) ? ink : height));
}

function heightsBefore(columns) {
  let [top, bottom] = [Infinity, 0];
  return columns.map((column) => {
    if (column.ink) [top, bottom] = [Math.min(top, column.top), Math.max(bottom, column.bottom)];
    return Math.max(bottom - top, 0);
  });
}

// The part of a piece between two columns.
function tight({ top, left, levels }, from, to) {
  const box = { top: levels.height, left: to, bottom: 0, right: from };
  const pixels = [];
  levels.data.forEach((level, i) => {
    const [x, y] = [i % levels.width, Math.floor(i / levels.width)];
    if (!level || x < from || x >= to) return;
    extend(box, x, y);
    pixels.push(i);
  });
  const part = pieceOf(levels, [{ ...box, pixels }]);
  return { top: top + box.top, left: left + box.left, bottom: top + box.bottom, right: left + box.right, levels: part.levels };
}

function inLines(pieces) {
  const lines = [];
  for (const piece of [...pieces].sort((a, b) => a.top + a.bottom - b.top - b.bottom)) {
    const line = lines.at(-1);
    if (line && shareALine(line, piece)) line.push(piece);
    else lines.push([piece]);
  }
  return lines.map((line) => line.sort((a, b) => a.left + a.right - b.left - b.right));
}

function shareALine(line, piece) {
  const top = mean(line.map((other) => other.top));
  const bottom = mean(line.map((other) => other.bottom));
  const overlap = Math.min(bottom, piece.bottom) - Math.max(top, piece.top);
  return overlap >= LINE_OVERLAP * Math.min(bottom - top, heightOf(piece));
}

// -------------------------------------------------------------------------------------------------- MNIST's form

// 28 x 28 levels: scaled into a box of 20 x 20, with the centre of mass in the middle.
function normalized(levels) {
  const { width, height, data } = scaled(withWideStrokes(levels));
  const most = data.reduce((a, b) => Math.max(a, b));
  const pixels = data.map((level) => Math.floor((255 * level) / most + 0.5));
  const rows = Array.from({ length: height }, (_, y) => sum(pixels.slice(y * width, (y + 1) * width)));
  const columns = Array.from({ length: width }, (_, x) => sum(pixels.filter((_, i) => i % width === x)));
  const image = new Uint8Array(SIDE * SIDE);
  const [top, left] = [start(rows), start(columns)];
  pixels.forEach((level, i) => (image[(top + Math.floor(i / width)) * SIDE + left + (i % width)] = level));
  return image;
}

function start(profile) {
  const moment = sum(profile.map((mass, k) => mass * (2 * k + 1)));
  const first = Math.floor(SIDE / 2 + 1 - moment / (2 * sum(profile)));
  return Math.min(Math.max(first, 0), SIDE - profile.length);
}

// A stroke has an edge on both sides, so its width is twice its area divided by the length of its edges.
function withWideStrokes(levels) {
  const { width, height, data } = levels;
  const at = (x, y) => (x < 0 || y < 0 || x >= width || y >= height ? 0 : data[y * width + x]);
  let edges = 0;
  for (let y = -1; y < height; y++) {
    for (let x = -1; x < width; x++) edges += Math.hypot(at(x + 1, y) - at(x, y), at(x, y + 1) - at(x, y));
  }
  const missing = (LEAST_STROKE * Math.max(width, height)) / DIGIT_SIDE - (2 * sum(data)) / edges;
  const margin = Math.floor(missing / 2 + 0.5);
  return margin > 0 ? widened(transposed(widened(transposed(levels), margin)), margin) : levels;
}

// Each pixel of a row becomes the largest within a distance.
function widened({ width, height, data }, margin) {
  const wide = { width: width + 2 * margin, height, data: new Uint8Array((width + 2 * margin) * height) };
  data.forEach((level, i) => {
    const first = i + 2 * margin * Math.floor(i / width);
    for (let j = first; level && j <= first + 2 * margin; j++) wide.data[j] = Math.max(wide.data[j], level);
  });
  return wide;
}

function transposed({ width, height, data }) {
  return { width: height, height: width, data: data.map((_, i) => data[(i % height) * width + Math.floor(i / height)]) };
}

// Averages of blocks of pixels, as Pillow's box filter computes them.
function scaled(levels) {
  const scale = DIGIT_SIDE / Math.max(levels.width, levels.height);
  const [width, height] = [levels.width, levels.height].map((n) => Math.max(1, Math.floor(n * scale + 0.5)));
  const blocks = (n, length) => {
    const edges = Array.from({ length: n + 1 }, (_, k) => Math.floor((k * length) / n + 0.5));
    return edges.slice(0, n).map((edge, k) => [edge, Math.max(edges[k + 1], edge + 1)]);
  };
  const columns = blocks(width, levels.width);
  const rows = blocks(height, levels.height);
  const average = ([top, bottom], [left, right]) => {
    let total = 0;
    for (let y = top; y < bottom; y++) for (let x = left; x < right; x++) total += levels.data[y * levels.width + x];
    return total / ((bottom - top) * (right - left));
  };
  return { width, height, data: rows.flatMap((row) => columns.map((column) => average(row, column))) };
}

// An image turned or stretched around its middle, with bilinear interpolation.
function inForm(image, [[a, b], [c, d]]) {
  const level = (y, x) => (y < 0 || x < 0 || y >= SIDE || x >= SIDE ? 0 : image[y * SIDE + x]);
  const middle = (SIDE - 1) / 2;
  return Array.from(image, (_, i) => {
    const [v, u] = [Math.floor(i / SIDE) - middle, (i % SIDE) - middle];
    const [y, x] = [a * v + b * u + middle, c * v + d * u + middle];
    const [top, left] = [Math.floor(y), Math.floor(x)];
    const across = (row) => (left + 1 - x) * level(row, left) + (x - left) * level(row, left + 1);
    return (top + 1 - y) * across(top) + (y - top) * across(top + 1);
  });
}

// --------------------------------------------------------------------------------------------------- the network

// Layers: [{ weights, biases }], weights row by row, one row per input.
function probabilities(layers, image) {
  let values = Float64Array.from(image, (level) => level / 255);
  layers.forEach(({ weights, biases }, depth) => {
    const next = Float64Array.from(biases);
    values.forEach((value, i) => {
      if (value === 0) return;
      for (let j = 0; j < next.length; j++) next[j] += value * weights[i * next.length + j];
    });
    values = depth < layers.length - 1 ? next.map((value) => Math.max(value, 0)) : next;
  });
  const most = Math.max(...values);
  const exponentials = Array.from(values, (value) => Math.exp(value - most));
  return exponentials.map((value) => value / sum(exponentials));
}

// Weights are float32 in base64.
function decoded(model) {
  const floats = (text) => new Float32Array(Uint8Array.from(atob(text), (character) => character.charCodeAt(0)).buffer);
  const layers = model.layers.map(({ weights, biases }) => ({ weights: floats(weights), biases: floats(biases) }));
  return { ...model, layers };
}
