// Perceptually uniform colour maps (viridis and magma, matplotlib, CC0), and a field as pixels.

// 33 colours of each, evenly spaced; between them is interpolated, within 3/255 of the original.
const ANCHORS = {
  viridis:
    "440154470d6048186a482374472d7b4537814240863e49893b528b375b8d33638d2f6b8e2c728e297a8e26828e23898e" +
    "21918c1f988b1fa08822a78528ae8032b67a3fbc734ec36b5ec96270cf5784d44b98d83eaddc30c2df23d8e219ece51bfde725",
  magma:
    "0000040303120a0822130d341d114729115a36106b440f7651127c5d177f6a1c81762181832681902a819c2e7faa337d" +
    "b73779c43c75d0416fdc4869e75263ef5d5ef56b5cf9795dfc8961fd9869fea772feb67cfec488fed395fde2a3fcf0b2fcfdbf",
};

/** 256 opaque colours as 32-bit pixels, in the byte order that canvases use. */
export function palette(name) {
  const hex = ANCHORS[name];
  const anchor = (index, channel) => parseInt(hex.substr(6 * index + 2 * channel, 2), 16);
  const bytes = new Uint8ClampedArray(4 * 256);
  for (let i = 0; i < 256; i++) {
    const place = (i / 255) * 32;
    const left = Math.min(Math.floor(place), 31);
    for (let c = 0; c < 3; c++) {
      const from = anchor(left, c);
      bytes[4 * i + c] = Math.round(from + (place - left) * (anchor(left + 1, c) - from));
    }
    bytes[4 * i + 3] = 255;
  }
  return new Uint32Array(bytes.buffer);
}

/** Draw a field of height × width bytes on a canvas, one pixel a cell. */
export function draw(canvas, bytes, [height, width], colours) {
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  for (let i = 0; i < pixels.length; i++) pixels[i] = colours[bytes[i]];
  context.putImageData(image, 0, 0);
}

/** Draw the palette itself, as a bar. */
export function drawBar(canvas, colours) {
  draw(canvas, Uint8Array.from({ length: 256 }, (_, i) => i), [1, 256], colours);
}
