/**
 * Runs an app's client tools: answers their questions with the return values of the app's functions.
 *
 * Rule 1: a function runs only for an open question of this session or a sub-agent, and once per page:
 * `tool(args, {callId, questionId, sessionId, signal})`.
 * Rule 2: a reloaded page, and other pages of the same session, run it again; the first answer counts. So a repeat must do no
 * harm. `signal` aborts when the question is settled elsewhere.
 * Rule 3: an exception, or a result that does not fit the tool's output schema, declines the call with that reason.
 */
import { openBelow, questionKey } from '../view/sub_views.js';
import { openQuestions } from '../view/view.js';

const MOST = 2000;
const PAUSE_MS = 2000;

export class ClientTools {
  #running = new Map();

  constructor(client, sessionId, tools) {
    Object.assign(this, { client, sessionId, tools });
  }

  /** Starts functions for questions that are new in `view`, and aborts those whose questions are gone. */
  look(view) {
    this.view = view;
    const open = [...openQuestions(view), ...openBelow(view)].filter((question) => this.#isOurs(question));
    const asked = new Set(open.map(questionKey));
    for (const [key, abort] of this.#running) if (!asked.has(key)) abort.abort();
    for (const question of open) if (!this.#running.has(questionKey(question))) this.#run(question);
  }

  close() {
    this.tools = {};
    for (const abort of this.#running.values()) abort.abort();
  }

  /** Whether the app can answer; it cannot know the outcome of a lost call. */
  #isOurs({ kind, name, form }) {
    return kind === 'input' && Object.hasOwn(this.tools, name) && ['result', 'fields'].includes(form);
  }

  async #run(question) {
    const { question_id: id, call_id: callId, name, args, session_id: sessionId = this.sessionId } = question;
    const abort = new AbortController();
    const { signal } = abort;
    this.#running.set(questionKey(question), abort);
    try {
      // Events that are read again may contain questions that were answered long ago.
      const { questions } = await this.client.session(sessionId, { messages: 0 });
      if (!questions.some((one) => one.question_id === id) || signal.aborted) return;
      const result = await this.#result(name, args, { callId, questionId: id, sessionId, signal });
      await this.#answer(sessionId, id, result, signal);
    } catch (error) {
      if (!signal.aborted && error.retryable !== false) setTimeout(() => this.#again(question), PAUSE_MS);
    }
  }

  /** The server did not respond, and the question may still be open. */
  #again(question) {
    this.#running.delete(questionKey(question));
    this.look(this.view);
  }

  async #result(name, args, context) {
    try {
      return { result: (await this.tools[name](args, context)) ?? null };
    } catch (error) {
      return declined(error?.message ?? String(error));
    }
  }

  async #answer(sessionId, id, answer, signal) {
    try {
      await this.client.answer(sessionId, id, answer, { signal });
    } catch (error) {
      if (error.status !== 422) throw error;
      await this.client.answer(sessionId, id, declined(`The app's answer was refused: ${error.message}`), { signal });
    }
  }
}

const declined = (reason) => ({ approved: false, reason: reason.slice(0, MOST) || 'The app failed.' });
