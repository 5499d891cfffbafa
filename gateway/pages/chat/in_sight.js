/**
 * Draws what is in sight at once, and the rest of a long conversation when the browser has time for it.
 *
 * Rule: whatever was asked to be drawn is drawn in the end, so that a search of the browser finds it; only the last word on a node counts.
 */

/** How far beyond what is in sight a node has to be ready. */
const MARGIN = '1200px 0px';
/** Milliseconds that a slice of idle work takes at most, and waits at most. */
const SLICE = 8;
const LATEST = 500;

const whenIdle = globalThis.requestIdleCallback ?? ((act) => setTimeout(() => act({ timeRemaining: () => SLICE }), 20));

export class InSight {
  /** What is still to be done, by node, in the order in which it was asked. */
  #due = new Map();
  #asked = false;

  /** `scroll`: the element in which nodes are in sight or not. */
  constructor(scroll) {
    // Only nodes with something to do are looked after: a browser looks at each of them for every frame.
    this.observer = new IntersectionObserver((seen) => seen.forEach((one) => one.isIntersecting && this.#do(one.target)), { root: scroll, rootMargin: MARGIN });
  }

  /** Calls `act`: at once where it is `urgent` or the node has the focus, else in a moment, unless another one takes its place. */
  draw(node, act, urgent) {
    if (urgent || node.contains(document.activeElement)) return void (this.forget(node), act());
    if (!this.#due.has(node)) this.observer.observe(node);
    this.#due.set(node, act);
    this.#ask();
  }

  /** Nothing is to be done with the node any more. */
  forget(node) {
    if (this.#due.delete(node)) this.observer.unobserve(node);
  }

  /** Does at once what is still to be done. */
  now(node) {
    if (this.#due.has(node)) this.#do(node);
  }

  #do(node) {
    const act = this.#due.get(node);
    this.forget(node);
    if (node.isConnected) act?.();
  }

  #ask() {
    if (this.#asked) return;
    this.#asked = true;
    whenIdle((deadline) => this.#work(deadline), { timeout: LATEST });
  }

  #work(deadline) {
    this.#asked = false;
    const end = performance.now() + SLICE;
    do {
      const [node] = this.#due.keys();
      if (node === undefined) return;
      this.#do(node);
    } while (performance.now() < end && deadline.timeRemaining() > 1);
    if (this.#due.size) this.#ask();
  }
}
