/**
 * What the browser keeps for the pages. Where it keeps nothing, as where a person blocks cookies, or has no room left, the page
 * itself does, until it is left: no page may fail for that.
 */
class Store {
  #kept;
  #own = new Map();

  constructor(name) {
    try {
      this.#kept = window[name];
    } catch {
      this.#kept = null;
    }
  }

  getItem(key) {
    return this.#own.get(key) ?? this.#kept?.getItem(key) ?? null;
  }

  /** → whether the browser has taken it, so that it outlives the page. */
  setItem(key, value) {
    try {
      this.#kept.setItem(key, value);
      this.#own.delete(key);
      return true;
    } catch {
      this.#own.set(key, value);
      return false;
    }
  }

  removeItem(key) {
    this.#own.delete(key);
    this.#kept?.removeItem(key);
  }

  keys() {
    return [...new Set([...Object.keys(this.#kept ?? {}), ...this.#own.keys()])];
  }
}

/** For all tabs, and until it is removed. */
export const lasting = new Store('localStorage');
/** For this tab. */
export const ofTab = new Store('sessionStorage');
