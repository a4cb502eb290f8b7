const PEN = 22; // width of a stroke on paper, in pixels of the canvas
const STEP = 12; // of the pen for each arrow key, in pixels of the canvas
const PAUSE = 40; // before each reading, in milliseconds
const NO_DIGIT = "no digit: looks like something else";

const element = (id) => document.getElementById(id);
const paper = element("paper");
const context = paper.getContext("2d", { willReadFrequently: true });
const blank = { width: paper.width, height: paper.height };

let strokes = []; // each a list of { x, y, width }
let picture = null; // the opened picture, under the strokes
let version = 0; // of what is on the paper
let request = new AbortController(); // of the reading that is under way
let pieces = []; // digits, then what is no digit
let chosen = 0;

// Drawing

function draw() {
  // Transparent pixels of a picture stay transparent.
  context.clearRect(0, 0, paper.width, paper.height);
  context.fillStyle = "white";
  context.imageSmoothingQuality = "high";
  if (picture) context.drawImage(picture.image, 0, 0, paper.width, paper.height);
  else context.fillRect(0, 0, paper.width, paper.height);
  context.strokeStyle = context.fillStyle = "black";
  context.lineCap = context.lineJoin = "round";
  for (const stroke of strokes) {
    const [first, ...others] = stroke;
    context.beginPath();
    context.arc(first.x, first.y, first.width / 2, 0, 2 * Math.PI);
    context.fill();
    let last = first;
    for (const point of others) {
      context.lineWidth = point.width;
      context.beginPath();
      context.moveTo(last.x, last.y);
      context.lineTo(point.x, point.y);
      context.stroke();
      last = point;
    }
  }
  paper.classList.toggle("picture", picture !== null);
  element("undo").disabled = !strokes.length;
  element("clear").disabled = isEmpty();
  readSoon();
}

const isEmpty = () => !strokes.length && !picture;

// Only pens report their pressure, not mice and fingers.
function pointOf(event) {
  const box = paper.getBoundingClientRect();
  const pressure = event.pointerType === "pen" ? 0.5 + event.pressure : 1;
  return {
    x: ((event.clientX - box.left) * paper.width) / box.width,
    y: ((event.clientY - box.top) * paper.height) / box.height,
    width: penWidth() * pressure,
  };
}

const penWidth = () => (PEN * paper.width) / blank.width;

let pointer = null; // the one that draws; a second finger or a resting palm does not

paper.addEventListener("pointerdown", (event) => {
  if (event.button !== 0 || pointer !== null) return;
  pointer = event.pointerId;
  paper.setPointerCapture(pointer);
  liftPen();
  strokes.push([pointOf(event)]);
  draw();
});
paper.addEventListener("pointermove", (event) => {
  if (event.pointerId !== pointer) return;
  const events = event.getCoalescedEvents?.() ?? [];
  strokes.at(-1).push(...(events.length ? events : [event]).map(pointOf));
  draw();
});
for (const type of ["pointerup", "pointercancel"]) {
  paper.addEventListener(type, (event) => {
    if (event.pointerId === pointer) pointer = null;
  });
}

function undo() {
  letGo();
  strokes.pop();
  draw();
}

function clear() {
  letGo();
  strokes = [];
  picture = null;
  resize(blank);
  draw();
}

// A pointer that is still down must not continue a deleted stroke.
function letGo() {
  pointer = null;
  liftPen();
}

function resize({ width, height }) {
  Object.assign(paper, { width, height });
  [pen.x, pen.y] = [width / 2, height / 2];
}

element("undo").addEventListener("click", undo);
element("clear").addEventListener("click", clear);
document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key === "z") undo();
  else if (event.key === "Escape") clear();
  else return;
  event.preventDefault();
});

// The keyboard's pen

const pen = { x: blank.width / 2, y: blank.height / 2, isDown: false };
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function showPen() {
  const cursor = element("cursor");
  cursor.hidden = document.activeElement !== paper || !paper.matches(":focus-visible");
  cursor.classList.toggle("down", pen.isDown);
  cursor.style.left = `${(100 * pen.x) / paper.width}%`;
  cursor.style.top = `${(100 * pen.y) / paper.height}%`;
}

function liftPen() {
  pen.isDown = false;
  showPen();
}

paper.addEventListener("keydown", (event) => {
  if (event.key === " ") {
    pen.isDown = !pen.isDown;
    if (pen.isDown) strokes.push([{ x: pen.x, y: pen.y, width: penWidth() }]);
  } else if (event.key in ARROWS) {
    const [right, down] = ARROWS[event.key];
    pen.x = Math.min(Math.max(pen.x + right * STEP, 0), paper.width);
    pen.y = Math.min(Math.max(pen.y + down * STEP, 0), paper.height);
    if (pen.isDown) strokes.at(-1).push({ x: pen.x, y: pen.y, width: penWidth() });
  } else return;
  event.preventDefault();
  showPen();
  if (pen.isDown) draw();
});
paper.addEventListener("focus", showPen);
paper.addEventListener("blur", liftPen);

// Reading

// Call this as soon as the paper will change: an old answer must not stay.
function expectAnswer() {
  version++;
  request.abort();
  request = new AbortController();
  if (element("reading").getAttribute("aria-busy") !== "true") say("reading \u2026");
  element("reading").setAttribute("aria-busy", "true");
  return version;
}

async function readSoon() {
  const expected = expectAnswer();
  if (isEmpty()) {
    show({ digits: [], rejected: [], reason: "Nothing to read yet." });
    return;
  }
  await new Promise((resolve) => setTimeout(resolve, PAUSE));
  if (expected !== version) return;
  const reading = await Promise.resolve().then(() => read(request.signal)).catch(failed);
  if (expected === version) show(reading);
}

const failed = (error) => ({ digits: [], rejected: [], reason: error.message });

// Showing

const percent = (share) => `${(100 * share).toFixed(1)} %`;
const isDigit = (piece) => "label" in piece;
const nameOf = (piece) => (isDigit(piece) ? piece.label + (piece.is_sure ? "" : "?") : "no digit");

function say(text) {
  element("answer").textContent = text;
}

function show({ digits, rejected, reason }) {
  element("reading").setAttribute("aria-busy", "false");
  pieces = [...digits, ...rejected];
  chosen = Math.min(chosen, Math.max(pieces.length - 1, 0));
  if (digits.length) showText(digits, rejected);
  else say(asSentence(reason));
  showPieces();
  showDetails();
}

const asSentence = (text) => text[0].toUpperCase() + text.slice(1) + (/[.?!]$/.test(text) ? "" : ".");

function showText(digits, rejected) {
  const text = document.createElement("strong");
  const gap = (k) => (k === 0 ? "" : digits[k].line === digits[k - 1].line ? " " : "\n");
  text.textContent = digits.map((digit, k) => gap(k) + nameOf(digit)).join("");
  element("answer").replaceChildren(text, explanation(digits, rejected));
}

function explanation(digits, rejected) {
  const { confidence, runner_up, is_sure } = digits[0];
  const nUnsure = digits.filter((digit) => !digit.is_sure).length;
  const one = `${is_sure ? "" : "not sure: "}${percent(confidence)}, second choice ${runner_up}`;
  const parts = digits.length === 1 ? [one] : [`${digits.length} digits`];
  if (digits.length > 1 && nUnsure) parts.push(`not sure of ${nUnsure}`);
  if (rejected.length) parts.push(`${rejected.length} ${rejected.length > 1 ? "pieces are" : "piece is"} no digit`);
  return parts.join(", ");
}

function showPieces() {
  const buttons = pieces.length < 2 ? [] : pieces.map((piece, k) => {
    const button = document.createElement("button");
    button.type = "button";
    button.setAttribute("aria-pressed", k === chosen);
    const canvas = document.createElement("canvas");
    paint(canvas, piece.image);
    const label = document.createElement("span");
    label.textContent = nameOf(piece);
    button.append(canvas, label);
    button.addEventListener("click", () => {
      chosen = k;
      showPieces();
      showDetails();
      element("pieces").children[k].focus();
    });
    return button;
  });
  element("pieces").replaceChildren(...buttons);
}

function showDetails() {
  const piece = pieces[chosen];
  element("details").hidden = !piece;
  if (!piece) return;
  paint(element("seen"), piece.image);
  element("verdict").textContent = isDigit(piece) ? "" : asSentence(NO_DIGIT);
  element("shares").hidden = !isDigit(piece);
  element("bars").replaceChildren(...(piece.probabilities ?? []).map(([label, value]) => {
    const row = document.createElement("tr");
    const head = document.createElement("th");
    head.scope = "row";
    head.textContent = label;
    const bar = document.createElement("span");
    bar.style.width = percent(value).replace(" ", "");
    const cells = [document.createElement("td"), document.createElement("td")];
    cells[0].className = "bar";
    cells[0].append(bar);
    cells[1].textContent = percent(value);
    row.append(head, ...cells);
    return row;
  }));
}

// A picture that is dropped must not replace the page.
for (const type of ["dragover", "drop"]) document.addEventListener(type, (event) => event.preventDefault());

function paint(canvas, image) {
  canvas.width = canvas.height = SIDE;
  const pixels = new ImageData(SIDE, SIDE);
  image.forEach((level, i) => pixels.data.set([level, level, level, 255], 4 * i));
  canvas.getContext("2d").putImageData(pixels, 0, 0);
}
