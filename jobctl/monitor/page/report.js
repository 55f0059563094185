"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  jobctlCharts.drawAll(data.charts);
  document.documentElement.dataset.ready = "charts";

  document.querySelectorAll(".picture").forEach((picture) => {
    const slider = picture.querySelector("input"), prediction = picture.querySelector(".prediction");
    if (slider) {
      const show = () => { prediction.style.opacity = slider.value / 100; };
      slider.addEventListener("input", show);
      show();
    }
    if (picture.classList.contains("classes")) {
      if (prediction.complete && prediction.naturalWidth) shares(picture, prediction);
      else prediction.addEventListener("load", () => shares(picture, prediction));
    }
  });

  // How much of the prediction each class is: its pixels are drawn in the palette, so they can be counted.
  function shares(picture, image) {
    const canvas = document.createElement("canvas");
    const scale = Math.min(1, 512 / image.naturalWidth);
    canvas.width = Math.round(image.naturalWidth * scale);
    canvas.height = Math.round(image.naturalHeight * scale);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.imageSmoothingEnabled = false;
    context.drawImage(image, 0, 0, canvas.width, canvas.height);
    const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
    const index = new Map(data.palette.map(([r, g, b], at) => [(r << 16) | (g << 8) | b, at]));
    const counts = new Array(data.palette.length).fill(0);
    for (let at = 0; at < pixels.length; at += 4) {
      const found = index.get((pixels[at] << 16) | (pixels[at + 1] << 8) | pixels[at + 2]);
      if (found !== undefined) counts[found]++;
    }
    picture.querySelectorAll("[data-class]").forEach((entry) => {
      const share = counts[Number(entry.dataset.class)] / (pixels.length / 4);
      entry.querySelector(".share").textContent = share ? (share < 0.001 ? "< 0.1 %" : (share * 100).toFixed(1) + " %") : "";
      entry.classList.toggle("absent", !share);
    });
  }
})();
