/** Requests that fail: the error that says so, and how long to wait before the next attempt. */

const RETRIED = new Set([408, 429, 502, 503, 504]);

/** An error response of the server. `status` is HTTP's, `code` is stable, `message` is for people. */
export class PerdureError extends Error {
  constructor(status, problem = {}, retryAfter = null) {
    super(problem.detail || problem.title || (status ? `The server answered ${status}.` : 'The server could not be reached.'));
    // `errors`: for a 422, [{field, message}].
    const { code = null, errors = [] } = problem;
    Object.assign(this, { name: 'PerdureError', status, code, errors, retryAfter });
  }

  get retryable() {
    return RETRIED.has(this.status);
  }

  /** There were too many at once: nothing of this request was done. */
  get limited() {
    return this.status === 429;
  }
}

/** The seconds of a header `Retry-After`; null where it has none. */
export const seconds = (header) => Number(header) || null;

const mayPass = (error) => !(error instanceof PerdureError) || error.retryable;
/** Of failures: that it was one too many, for requests that are repeated after nothing else. */
export const isLimited = (error) => error instanceof PerdureError && error.limited;

/**
 * The result of `attempt`, repeated after each failure that may pass, at most `tries` times. `onRetry` gets the error, and
 * the milliseconds until the next attempt.
 */
export async function retrying(attempt, { signal, onRetry = () => {}, tries = Infinity, when = mayPass } = {}) {
  for (let failures = 0; ; failures++) {
    try {
      return await attempt();
    } catch (error) {
      if (signal?.aborted || failures + 1 >= tries || !when(error)) throw error;
      const wait = backoff(failures, error.retryAfter);
      onRetry(error, wait);
      await new Promise((resolve) => setTimeout(resolve, wait));
      if (signal?.aborted) throw error;
    }
  }
}

/** Milliseconds before attempt `failures` + 2: 250 ms, doubling up to 4 s, with jitter. */
export function backoff(failures, retryAfter = null) {
  if (retryAfter) return retryAfter * 1000;
  return Math.min(4000, 250 * 2 ** failures) * (0.75 + Math.random() / 4);
}
