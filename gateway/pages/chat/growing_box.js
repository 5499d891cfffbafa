/** A text box that is as high as its text. */

/** Keeps `box` so, up to `tallest` pixels, also where the window takes another width. → fit(), to be called where its text changed. */
export function growing(box, tallest) {
  let width = 0;
  const fit = () => {
    box.style.height = 'auto';
    box.style.height = `${Math.min(box.scrollHeight, tallest)}px`;
  };
  new ResizeObserver(([{ contentRect }]) => {
    if (!contentRect.width || contentRect.width === width) return;
    width = contentRect.width;
    // Not at once: another height within the observer's own round is a fault to browsers.
    requestAnimationFrame(fit);
  }).observe(box);
  return fit;
}
