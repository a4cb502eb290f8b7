
// ------------------------------------------------------------------------------------------------------ the page

const PEN = 22; // width of a stroke on paper, in pixels of the canvas
const STEP = 12; // of the pen for each arrow key, in pixels of the canvas
const PAUSE = 40; // before each reading, in milliseconds
const LARGEST_PICTURE = 1024;

const element = (id) => document.getElementById(id);
const paper = element("paper");
const context = paper.getContext("2d", { willReadFrequently: true });
const blank = { width: paper.width, height: paper.height };

let strokes = []; // each a list of { x, y, width }
let picture = null; // the opened picture, under the strokes
let colours = { paper: "white", ink: "black" };
let readings = [];
let chosen = 0;

// Drawing

function draw() {
  context.fillStyle = colours.paper;
  context.fillRect(0, 0, paper.width, paper.height);
  context.imageSmoothingQuality = "high";
  if (picture) context.drawImage(picture, 0, 0, paper.width, paper.height);
  context.strokeStyle = context.fillStyle = colours.ink;
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
  const empty = !strokes.length && !picture;
  element("undo").disabled = !strokes.length;
  element("clear").disabled = empty;
  readSoon();
}

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
  colours = { paper: "white", ink: "black" };
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
  draw();
});
paper.addEventListener("focus", showPen);
paper.addEventListener("blur", liftPen);

// Pictures

async function openPicture(file) {
  let image;
  try {
    image = await createImageBitmap(file);
  } catch {
    say(`${file.name || "This"} is not a picture that the browser can show.`);
    return;
  }
  letGo();
  const scale = Math.min(1, LARGEST_PICTURE / Math.max(image.width, image.height));
  const [width, height] = [image.width, image.height].map((length) => Math.max(1, Math.round(length * scale)));
  strokes = [];
  picture = image;
  resize({ width, height });
  colours = coloursFor(image);
  draw();
}

// Transparent pixels are paper, which is black if the other pixels are bright on average.
function coloursFor(image) {
  context.clearRect(0, 0, paper.width, paper.height);
  context.drawImage(image, 0, 0, paper.width, paper.height);
  const pixels = context.getImageData(0, 0, paper.width, paper.height);
  const levels = greyLevels(pixels).data.filter((_, i) => pixels.data[4 * i + 3] > 0);
  const isTransparent = pixels.data.some((value, i) => i % 4 === 3 && value < 255);
  const isBright = isTransparent && levels.length > 0 && mean(levels) > 127;
  return isBright ? { paper: "black", ink: "white" } : { paper: "white", ink: "black" };
}

element("file").addEventListener("change", (event) => {
  if (event.target.files.length) openPicture(event.target.files[0]);
  event.target.value = "";
});
document.addEventListener("paste", (event) => {
  const file = [...event.clipboardData.files].find((item) => item.type.startsWith("image/"));
  if (file) openPicture(file);
});
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  element("frame").classList.add("over");
});
document.addEventListener("dragleave", () => element("frame").classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  element("frame").classList.remove("over");
  if (event.dataTransfer.files.length) openPicture(event.dataTransfer.files[0]);
});

// Reading: one picture at a time, and always the latest

let isReading = false;
let hasChanged = false;

async function readSoon() {
  hasChanged = true;
  if (isReading) return;
  isReading = true;
  while (hasChanged) {
    hasChanged = false;
    // Drawing has priority: reading takes longer than the time between two events of a pen.
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
    try {
      show(!strokes.length && !picture ? [] : await read());
    } catch (error) {
      show([]);
      say(error.message);
    }
  }
  isReading = false;
}

const read = () => (MODEL ? readHere() : readThere());

function readHere() {
  const ink = findInk(greyLevels(context.getImageData(0, 0, paper.width, paper.height)));
  return ink ? findDigits(ink).map(({ levels }) => reading(normalized(levels))) : [];
}

function reading(image) {
  const values = probabilities(MODEL.layers, image);
  const order = values.map((_, k) => k).sort((a, b) => values[b] - values[a]);
  return {
    label: MODEL.classes[order[0]],
    confidence: values[order[0]],
    runner_up: MODEL.classes[order[1]],
    sure: values[order[0]] >= MODEL.sure,
    probabilities: values.map((value, k) => [MODEL.classes[k], value]),
    image: [...image],
  };
}

async function readThere() {
  const body = await new Promise((resolve) => paper.toBlob(resolve, "image/png"));
  const answer = await fetch("/predict", { method: "POST", body }).catch(() => {
    throw new Error("The server does not answer. Is sk-mnist demo still running?");
  });
  const content = await answer.json();
  if (!answer.ok) throw new Error(content.error);
  return content.digits;
}

// Showing

const percent = (share) => `${(100 * share).toFixed(1)} %`;

function say(text) {
  element("answer").textContent = text;
}

function show(digits) {
  readings = digits;
  chosen = Math.min(chosen, Math.max(digits.length - 1, 0));
  const answer = element("answer");
  if (!digits.length) {
    say(picture || strokes.length ? "No digit found." : "Nothing to read yet.");
  } else {
    const text = document.createElement("strong");
    text.textContent = digits.map((digit) => digit.label + (digit.sure ? "" : "?")).join(" ");
    answer.replaceChildren(text, document.createElement("br"), explanation(digits));
  }
  showDigits();
  showDetails();
}

function explanation(digits) {
  if (digits.length === 1) {
    const { confidence, runner_up, sure } = digits[0];
    return `${sure ? "" : "Not sure: "}${percent(confidence)}, second choice ${runner_up}`;
  }
  const n_unsure = digits.filter((digit) => !digit.sure).length;
  return n_unsure ? `${digits.length} digits, not sure of ${n_unsure}` : `${digits.length} digits`;
}

function showDigits() {
  const buttons = readings.length < 2 ? [] : readings.map((digit, k) => {
    const button = document.createElement("button");
    button.type = "button";
    button.setAttribute("aria-pressed", k === chosen);
    const canvas = document.createElement("canvas");
    paint(canvas, digit.image);
    const label = document.createElement("span");
    label.textContent = digit.label + (digit.sure ? "" : "?");
    button.append(canvas, label);
    button.addEventListener("click", () => {
      chosen = k;
      showDigits();
      showDetails();
      element("digits").children[k].focus();
    });
    return button;
  });
  element("digits").replaceChildren(...buttons);
}

function showDetails() {
  const digit = readings[chosen];
  element("details").hidden = !digit;
  if (!digit) return;
  paint(element("seen"), digit.image);
  element("bars").replaceChildren(...digit.probabilities.map(([label, value]) => {
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

function paint(canvas, image) {
  canvas.width = canvas.height = SIDE;
  const pixels = new ImageData(SIDE, SIDE);
  image.forEach((level, i) => pixels.data.set([level, level, level, 255], 4 * i));
  canvas.getContext("2d").putImageData(pixels, 0, 0);
}

draw();
