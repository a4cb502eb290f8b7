// Reads the digits in a picture as sk_mnist does in Python: _ink.py, _split.py, _handwriting.py and the network's
// forward pass, step by step and with integer grey levels, so that both give the same image. tests/demo compares them.


// Grey levels: { width, height, data }, row by row.

function makeLevels(width, height, Kind = Uint8Array) {
  return { width, height, data: new Kind(width * height) };
}

// Pillow's weights for red, green and blue.
function greyLevels(imageData) {
  const { width, height, data } = imageData;
  const grey = makeLevels(width, height);
  for (let i = 0; i < grey.data.length; i++) {
    grey.data[i] = (data[4 * i] * 19595 + data[4 * i + 1] * 38470 + data[4 * i + 2] * 7471 + 32768) >> 16;
  }
  return grey;
}

// ---------------------------------------------------------------------------------------------- ink (_ink.py)

function shrink(levels, side) {
  const factor = Math.ceil(Math.max(levels.width, levels.height) / side);
  if (factor === 1) return [levels, 1];
  const small = makeLevels(Math.ceil(levels.width / factor), Math.ceil(levels.height / factor));
  const half = Math.floor((factor * factor) / 2);
  for (let row = 0; row < small.height; row++) {
    for (let column = 0; column < small.width; column++) {
      let sum = 0;
      for (let y = row * factor; y < (row + 1) * factor; y++) {
        const start = Math.min(y, levels.height - 1) * levels.width;
        for (let x = column * factor; x < (column + 1) * factor; x++) {
          sum += levels.data[start + Math.min(x, levels.width - 1)];
        }
      }
      small.data[row * small.width + column] = Math.floor((sum + half) / (factor * factor));
    }
  }
  return [small, factor];
}

// Calls combine(line) for each row, then for each column, and writes back what it returns.
function alongBothAxes(levels, combine, Kind) {
  const { width, height } = levels;
  const result = { width, height, data: Kind.from(levels.data) };
  for (const [n, length, step, stride] of [[height, width, width, 1], [width, height, 1, width]]) {
    for (let i = 0; i < n; i++) {
      const line = new Kind(length);
      for (let k = 0; k < length; k++) line[k] = result.data[i * step + k * stride];
      const combined = combine(line);
      for (let k = 0; k < length; k++) result.data[i * step + k * stride] = combined[k];
    }
  }
  return result;
}

// Extends a line at both ends with its outermost values.
function padded(line, margin) {
  const result = new line.constructor(line.length + 2 * margin);
  result.fill(line[0], 0, margin);
  result.set(line, margin);
  return result.fill(line.at(-1), margin + line.length);
}

// The minimum or maximum in the window around each position, from running values of two blocks, so that the time does
// not depend on the size of the window (van Herk 1992).
function extremes(line, size, choose) {
  const values = padded(line, (size - 1) / 2);
  const [fromStart, toEnd] = [values.slice(), values.slice()];
  for (let k = 1; k < values.length; k++) if (k % size) fromStart[k] = choose(fromStart[k - 1], values[k]);
  for (let k = values.length - 2; k >= 0; k--) if ((k + 1) % size) toEnd[k] = choose(toEnd[k + 1], values[k]);
  return line.map((_, k) => choose(toEnd[k], fromStart[k + size - 1]));
}

const windowed = (levels, size, choose) =>
  alongBothAxes(levels, (line) => extremes(line, size, choose), Uint8Array);

function means(line, size) {
  const values = padded(line, (size - 1) / 2);
  return line.map((_, k) => values.subarray(k, k + size).reduce((a, b) => a + b) / size);
}

function isDarkOnLight(levels) {
  const size = Math.floor(Math.max(levels.width, levels.height) / 2) | 1;
  const around = alongBothAxes(levels, (line) => means(line, size), Float64Array);
  let sum = 0;
  levels.data.forEach((level, i) => (sum += (level - around.data[i]) ** 3));
  return sum < 0;
}

function withoutPaper(levels) {
  let [coarse, factor] = shrink(levels, COARSE_SIDE);
  if (isDarkOnLight(coarse)) {
    const negative = ({ width, height, data }) => ({ width, height, data: data.map((level) => 255 - level) });
    [levels, coarse] = [negative(levels), negative(coarse)];
  }
  const size = Math.floor(WIDEST_STROKE * Math.max(coarse.width, coarse.height)) | 1;
  const paper = windowed(windowed(coarse, size, Math.min), size, Math.max);
  const plain = paper.data[0];
  const contrast = new Int16Array(levels.data);
  if (paper.data.every((level) => level === plain)) return contrast.map((level) => level - plain);
  const columns = Array.from({ length: levels.width }, (_, x) => between(x, factor, paper.width));
  for (let y = 0; y < levels.height; y++) {
    const [above, below, down] = between(y, factor, paper.height);
    const upper = paper.data.subarray(above * paper.width, (above + 1) * paper.width);
    const lower = paper.data.subarray(below * paper.width, (below + 1) * paper.width);
    columns.forEach(([left, right, beside], x) => {
      const level =
        (1 - down) * ((1 - beside) * upper[left] + beside * upper[right]) +
        down * ((1 - beside) * lower[left] + beside * lower[right]);
      contrast[y * levels.width + x] = levels.data[y * levels.width + x] - Math.floor(level + 0.5);
    });
  }
  return contrast;
}

// The two blocks whose centres enclose a pixel, and its distance from the first.
function between(position, factor, n) {
  const place = Math.min(Math.max((position + 0.5) / factor - 0.5, 0), n - 1);
  const first = Math.floor(place);
  return [first, Math.min(first + 1, n - 1), place - first];
}

// Distributions: counts of each value from -255 to 255.

function distribution(values) {
  const counts = new Float64Array(511);
  for (const value of values) counts[value + 255]++;
  return counts;
}

function changed(counts, change) {
  const result = new Float64Array(counts.length);
  counts.forEach((n, k) => n && (result[change(k - 255) + 255] += n));
  return result;
}

const only = (counts, isWanted) => counts.map((n, k) => (isWanted(k - 255) ? n : 0));
const size = (counts) => counts.reduce((a, b) => a + b, 0);
const average = (counts) => counts.reduce((sum, n, k) => sum + n * (k - 255), 0) / size(counts);

function otsu(counts) {
  const total = size(counts);
  const all = counts.reduce((sum, n, k) => sum + n * (k - 255), 0);
  let [best, first, last, below, sum] = [0, 0, 0, 0, 0];
  for (let level = 0; level < 256; level++) {
    below += counts[level + 255];
    sum += counts[level + 255] * level;
    const both = below * (total - below);
    const spread = both > 0 ? (all * below - total * sum) ** 2 / both : 0;
    if (spread > best) [best, first] = [spread, level];
    if (spread === best) last = level;
  }
  return best > 0 ? Math.floor((first + last) / 2) : null;
}

// The smallest value that at least this share of all values does not exceed.
function quantile(counts, share) {
  const least = share * size(counts);
  let index = 0;
  for (let sum = counts[0]; sum < least; sum += counts[index]) index++;
  return index - 255;
}

// The ink of a picture: { levels, labels, components, shrunk }, or null if there is none.
function findInk(grey) {
  const [levels, shrunk] = shrink(grey, FINE_SIDE);
  const { width, height } = levels;
  const contrast = withoutPaper(levels);
  const all = distribution(contrast);
  let threshold = otsu(changed(all, (value) => Math.max(value, 0)));
  if (threshold === null) return null;
  const paper = only(all, (value) => value <= threshold);
  const offset = quantile(paper, 0.5);
  const noise = 1.4826 * quantile(changed(paper, (value) => Math.abs(value - offset)), 0.5);
  threshold -= offset;
  const lifted = changed(all, (value) => Math.max(value - offset, 0));
  const strong = only(lifted, (value) => value > threshold);
  const weak = only(lifted, (value) => value <= threshold);
  if (average(strong) - average(weak) < Math.max(MIN_CONTRAST, MIN_CONTRAST_TO_NOISE * noise)) return null;
  const full = quantile(strong, 0.9);
  const weakest = noise ? Math.max(WEAKEST_TO_NOISE * noise, WEAKEST * full) : WEAKEST_ON_CLEAN * full;
  const inked = makeLevels(width, height);
  for (let i = 0; i < contrast.length; i++) {
    contrast[i] = Math.max(contrast[i] - offset, 0);
    inked.data[i] = Math.min(Math.floor((510 * contrast[i] + full) / (2 * full)), 255);
  }
  const labels = label(contrast, width, height, Math.min(weakest, threshold));
  const components = findComponents(inked, labels, (i) => contrast[i] > threshold);
  return { levels: inked, labels, components: withoutLinesAndSpecks(components, labels, width, height), shrunk };
}

function mean(values) {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}

// Labels connected pixels above a level with 1, 2, ...; diagonal neighbours are connected.
function label(values, width, height, least) {
  const labels = new Int32Array(values.length);
  let n = 0;
  for (let first = 0; first < values.length; first++) {
    if (labels[first] || values[first] <= least) continue;
    n++;
    labels[first] = n;
    const open = [first];
    while (open.length) {
      const i = open.pop();
      const [x, y] = [i % width, Math.floor(i / width)];
      for (let v = Math.max(y - 1, 0); v <= Math.min(y + 1, height - 1); v++) {
        for (let u = Math.max(x - 1, 0); u <= Math.min(x + 1, width - 1); u++) {
          const j = v * width + u;
          if (!labels[j] && values[j] > least) {
            labels[j] = n;
            open.push(j);
          }
        }
      }
    }
  }
  return labels;
}

function findComponents(levels, labels, isStrong) {
  const found = new Map();
  labels.forEach((label, i) => {
    if (!label) return;
    const [x, y] = [i % levels.width, Math.floor(i / levels.width)];
    if (!found.has(label)) {
      found.set(label, { label, top: y, bottom: y + 1, left: x, right: x + 1, ink: 0, strong: false });
    }
    const component = found.get(label);
    component.bottom = Math.max(component.bottom, y + 1);
    component.left = Math.min(component.left, x);
    component.right = Math.max(component.right, x + 1);
    component.ink += levels.data[i];
    component.strong ||= isStrong(i);
  });
  return [...found.values()].filter((component) => component.strong);
}

const heightOf = (box) => box.bottom - box.top;
const widthOf = (box) => box.right - box.left;
const sizeOf = (box) => Math.max(heightOf(box), widthOf(box));

function withoutLinesAndSpecks(components, labels, width, height) {
  const runs = new Map(components.map((c) => [c, runAlongTheBorder(c, labels, width, height)]));
  const least = INNER_SIZE * Math.min(width, height);
  const mayBeALine = (c) => isThin(c) && (runs.get(c) > 0 || widthOf(c) > heightOf(c));
  const others = components.filter((c) => !mayBeALine(c) && sizeOf(c) >= least);
  const longest = others.length ? LINE_LENGTH * greatest(others.map(sizeOf)) : Infinity;
  let kept = components.filter((c) => !(mayBeALine(c) && sizeOf(c) >= longest));
  if (kept.some((c) => !runs.get(c) && sizeOf(c) >= least)) kept = kept.filter((c) => runs.get(c) < EDGE_RUN);
  const largest = greatest(kept.map(sizeOf));
  const most = greatest(kept.map((c) => c.ink));
  return kept.filter((c) => sizeOf(c) >= SPECK_SIZE * largest || c.ink >= SPECK_INK * most);
}

const greatest = (values) => values.reduce((a, b) => Math.max(a, b), 0);
const isThin = (box) => Math.min(heightOf(box), widthOf(box)) <= LINE_WIDTH * sizeOf(box);

function runAlongTheBorder(component, labels, width, height) {
  const along = { top: 0, bottom: 0, left: 0, right: 0 };
  for (let x = component.left; x < component.right; x++) {
    along.top += labels[x] === component.label;
    along.bottom += labels[(height - 1) * width + x] === component.label;
  }
  for (let y = component.top; y < component.bottom; y++) {
    along.left += labels[y * width] === component.label;
    along.right += labels[y * width + width - 1] === component.label;
  }
  return Math.max(along.top / width, along.bottom / width, along.left / height, along.right / height);
}

// ------------------------------------------------------------------------------------------- digits (_split.py)

// Pieces: { top, left, bottom, right, levels }.

function findDigits(ink) {
  const pieces = joined(ink.components).map((components) => pieceOf(ink, components));
  const high = pieces.filter((piece) => heightOf(piece) > FLATTEST * widthOf(piece));
  return inReadingOrder((high.length ? high : pieces).flatMap(cut));
}

function pieceOf(ink, components) {
  const box = {
    top: Math.min(...components.map((c) => c.top)),
    left: Math.min(...components.map((c) => c.left)),
    bottom: Math.max(...components.map((c) => c.bottom)),
    right: Math.max(...components.map((c) => c.right)),
  };
  const wanted = new Set(components.map((c) => c.label));
  const levels = makeLevels(widthOf(box), heightOf(box));
  for (let y = box.top; y < box.bottom; y++) {
    for (let x = box.left; x < box.right; x++) {
      const i = y * ink.levels.width + x;
      if (wanted.has(ink.labels[i])) levels.data[(y - box.top) * levels.width + x - box.left] = ink.levels.data[i];
    }
  }
  return { ...box, levels };
}

function joined(components) {
  if (components.length > MAX_COMPONENTS) throw new Error("The picture has too many separate strokes to be digits.");
  const group = components.map((_, i) => i);
  components.forEach((a, i) => {
    components.slice(0, i).forEach((b, j) => {
      if (!belongTogether(a, b)) return;
      const [kept, given] = [group[i], group[j]];
      if (kept === given) return;
      group.forEach((number, k) => number === given && (group[k] = kept));
    });
  });
  const groups = new Map();
  components.forEach((component, i) => groups.set(group[i], [...(groups.get(group[i]) ?? []), component]));
  return [...groups.values()];
}

function belongTogether(a, b) {
  const below = Math.max(a.top, b.top) - Math.min(a.bottom, b.bottom);
  const beside = Math.max(a.left, b.left) - Math.min(a.right, b.right);
  const larger = Math.max(sizeOf(a), sizeOf(b));
  const smaller = Math.min(sizeOf(a), sizeOf(b));
  const distance = Math.hypot(Math.max(below, 0), Math.max(beside, 0));
  if (smaller < PART_SIZE * larger && distance <= PART_DISTANCE * larger) return true;
  const together = Math.max(a.bottom, b.bottom) - Math.min(a.top, b.top);
  return -beside >= HALF_OVERLAP * Math.min(widthOf(a), widthOf(b)) && below <= HALF_GAP * together;
}

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

// The part of a piece between two columns, cropped to its bounding box.
function tight(piece, from, to) {
  const { width, height, data } = piece.levels;
  const box = { top: height, left: to, bottom: 0, right: from };
  for (let y = 0; y < height; y++) {
    for (let x = from; x < to; x++) {
      if (!data[y * width + x]) continue;
      box.top = Math.min(box.top, y);
      box.left = Math.min(box.left, x);
      box.bottom = Math.max(box.bottom, y + 1);
      box.right = Math.max(box.right, x + 1);
    }
  }
  const levels = makeLevels(widthOf(box), heightOf(box));
  levels.data.forEach((_, i) => {
    const [x, y] = [i % levels.width, Math.floor(i / levels.width)];
    levels.data[i] = data[(box.top + y) * width + box.left + x];
  });
  const { top, left } = piece;
  return { top: top + box.top, left: left + box.left, bottom: top + box.bottom, right: left + box.right, levels };
}

function inReadingOrder(pieces) {
  const lines = [];
  for (const piece of [...pieces].sort((a, b) => a.top + a.bottom - b.top - b.bottom)) {
    const line = lines.at(-1);
    if (line && shareALine(line, piece)) line.push(piece);
    else lines.push([piece]);
  }
  return lines.flatMap((line) => line.sort((a, b) => a.left + a.right - b.left - b.right));
}

function shareALine(line, piece) {
  const top = mean(line.map((other) => other.top));
  const bottom = mean(line.map((other) => other.bottom));
  const overlap = Math.min(bottom, piece.bottom) - Math.max(top, piece.top);
  return overlap >= LINE_OVERLAP * Math.min(bottom - top, heightOf(piece));
}

// -------------------------------------------------------------------------------- MNIST's form (_handwriting.py)

function normalized(levels) {
  const strokes = scaled(withWideStrokes(levels));
  const most = strokes.data.reduce((a, b) => Math.max(a, b), 0);
  const pixels = Array.from(strokes.data, (value) => Math.floor(255 * (value / most) + 0.5));
  const rows = Array(strokes.height).fill(0);
  const columns = Array(strokes.width).fill(0);
  pixels.forEach((value, i) => {
    rows[Math.floor(i / strokes.width)] += value;
    columns[i % strokes.width] += value;
  });
  const image = new Uint8Array(SIDE * SIDE);
  const [top, left] = [start(rows), start(columns)];
  pixels.forEach((value, i) => {
    image[(top + Math.floor(i / strokes.width)) * SIDE + left + (i % strokes.width)] = value;
  });
  return image;
}

function start(profile) {
  let [moment, mass] = [0, 0];
  profile.forEach((sum, k) => {
    moment += sum * (2 * k + 1);
    mass += sum;
  });
  const first = Math.floor(SIDE / 2 + 1 - moment / (2 * mass));
  return Math.min(Math.max(first, 0), SIDE - profile.length);
}

function withWideStrokes(levels) {
  const { width, height, data } = levels;
  const at = (y, x) => (y < 0 || x < 0 || y >= height || x >= width ? 0 : data[y * width + x] / 255);
  let [area, edges] = [0, 0];
  for (let y = -1; y <= height; y++) {
    for (let x = -1; x <= width; x++) {
      area += at(y, x);
      edges += Math.hypot(slope(at, y, x, 1, 0, height), slope(at, y, x, 0, 1, width));
    }
  }
  const missing = (LEAST_STROKE * Math.max(width, height)) / DIGIT_SIDE - (2 * area) / edges;
  const margin = Math.floor(missing / 2 + 0.5);
  if (margin <= 0) return levels;
  const wide = makeLevels(width + 2 * margin, height + 2 * margin);
  for (let y = 0; y < height; y++) {
    wide.data.set(data.subarray(y * width, (y + 1) * width), (y + margin) * wide.width + margin);
  }
  return windowed(wide, 2 * margin + 1, Math.max);
}

// The derivative as in np.gradient: one-sided at the ends, which are -1 and n.
function slope(at, y, x, down, right, n) {
  const position = down ? y : x;
  if (position === -1) return at(y + down, x + right) - at(y, x);
  if (position === n) return at(y, x) - at(y - down, x - right);
  return (at(y + down, x + right) - at(y - down, x - right)) / 2;
}

// Scales as Pillow does: with a box filter to shrink, and linearly to enlarge.
function scaled(levels) {
  const scale = DIGIT_SIDE / Math.max(levels.width, levels.height);
  const [width, height] = [levels.width, levels.height].map((n) => Math.max(1, Math.floor(n * scale + 0.5)));
  if (width === levels.width && height === levels.height) return levels;
  const filter = scale < 1 ? [(x) => +(x > -0.5 && x <= 0.5), 0.5] : [(x) => Math.max(0, 1 - Math.abs(x)), 1];
  const acrossRows = resample(levels, width, ...filter);
  return transposed(resample(transposed(acrossRows), height, ...filter));
}

function transposed({ width, height, data }) {
  const result = { width: height, height: width, data: new Float64Array(data.length) };
  data.forEach((value, i) => (result.data[(i % width) * height + Math.floor(i / width)] = value));
  return result;
}

function resample(levels, width, filter, support) {
  const result = makeLevels(width, levels.height, Float64Array);
  const ratio = levels.width / width;
  const stretch = Math.max(ratio, 1);
  for (let x = 0; x < width; x++) {
    const middle = (x + 0.5) * ratio;
    const first = Math.max(0, Math.floor(middle - support * stretch + 0.5));
    const end = Math.min(levels.width, Math.floor(middle + support * stretch + 0.5));
    const weights = Array.from({ length: end - first }, (_, k) => filter((first + k - middle + 0.5) / stretch));
    const total = weights.reduce((a, b) => a + b, 0);
    for (let y = 0; y < levels.height; y++) {
      let sum = 0;
      weights.forEach((weight, k) => (sum += weight * levels.data[y * levels.width + first + k]));
      result.data[y * width + x] = sum / total;
    }
  }
  return result;
}

// -------------------------------------------------------------------------------------------------- the network

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
  const total = exponentials.reduce((a, b) => a + b, 0);
  return exponentials.map((value) => value / total);
}

// Weights are float32 in base64.
function decoded(model) {
  const floats = (text) => new Float32Array(Uint8Array.from(atob(text), (character) => character.charCodeAt(0)).buffer);
  const layers = model.layers.map(({ weights, biases }) => ({ weights: floats(weights), biases: floats(biases) }));
  return { ...model, layers };
}
