/**
 * What happens when the server no longer knows who calls: a new token is asked for, once, and what was refused is sent again.
 *
 * Rule: a request is sent again once. Whoever is still not known then is told so.
 */
export class Renewal {
  #renewing = null;
  #times = 0;

  /** `renew()` → a token, or nothing where a cookie has been set; null: there is no way to renew. */
  constructor(renew) {
    this.renew = renew;
  }

  /** The answer to `send()`, which is sent again if it was refused. A new token is put into `headers`. */
  async around(send, headers) {
    const times = this.#times;
    const answer = await send();
    if (answer.status !== 401 || !this.renew) return answer;
    // Another request may have seen to it while this one was on its way.
    if (times === this.#times) await (this.#renewing ??= this.#ask(headers).finally(() => (this.#renewing = null)));
    return send();
  }

  async #ask(headers) {
    const token = await this.renew();
    if (token) {
      // However the app spelt it: two spellings would be sent as two values.
      for (const name of Object.keys(headers)) if (name.toLowerCase() === 'authorization') delete headers[name];
      headers.Authorization = `Bearer ${token}`;
    }
    this.#times++;
  }
}
