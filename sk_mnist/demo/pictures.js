
// ---------------------------------------------------------------------------------- pictures, read by the server

const LARGEST_SHOWN = 1024;
// The server reads these files as they are. Of others it gets what the browser shows.
const KINDS = ["image/png", "image/jpeg", "image/gif", "image/bmp", "image/tiff", "image/webp"];

async function read(signal) {
  const isUnchanged = picture && !strokes.length && KINDS.includes(picture.file.type);
  const body = isUnchanged ? picture.file : await new Promise((resolve) => paper.toBlob(resolve, "image/png"));
  const answer = await fetch("/predict", { method: "POST", body, signal }).catch(() => {
    throw new Error("The server does not answer. Is sk-mnist demo still running?");
  });
  const content = await answer.json();
  if (!answer.ok) throw new Error(content.error);
  return content;
}

async function openPicture(file) {
  letGo();
  const expected = expectAnswer();
  const image = await createImageBitmap(file).catch(() => null);
  if (expected !== version) return; // another drawing or picture has come
  if (!image) {
    show(failed(new Error(`The browser cannot show ${file.name || "this"} as a picture.`)));
    return;
  }
  strokes = [];
  picture = { file, image };
  const scale = Math.min(1, LARGEST_SHOWN / Math.max(image.width, image.height));
  const [width, height] = [image.width, image.height].map((length) => Math.max(1, Math.round(length * scale)));
  resize({ width, height });
  draw();
}

element("file").addEventListener("change", (event) => {
  if (event.target.files.length) openPicture(event.target.files[0]);
  event.target.value = "";
});
document.addEventListener("paste", (event) => {
  const file = [...event.clipboardData.files].find((item) => item.type.startsWith("image/"));
  if (file) openPicture(file);
});
document.addEventListener("dragover", () => element("frame").classList.add("over"));
document.addEventListener("dragleave", () => element("frame").classList.remove("over"));
document.addEventListener("drop", (event) => {
  element("frame").classList.remove("over");
  if (event.dataTransfer.files.length) openPicture(event.dataTransfer.files[0]);
});
