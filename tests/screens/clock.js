/**
 * Runs in a page before its own scripts: gives it a clock that stands still, ids in order, and answers of the gateway in which all
 * that differs from run to run is the same, as if the session had been kept at that clock.
 *
 * `settings`: {now: RFC 3339, today: its date as prompts tell it, ages: {session: minutes since its first event}, cast: [entries of the list of sessions], waited: minutes that each answer of a
 * person took}. A session without an age began a minute ago. Of the sessions of the server, only the `cast` are listed.
 */
(settings) => {
  const NOW = Date.parse(settings.now);
  /** Before an event, in milliseconds: before those that end something, and before others. */
  const TOOK = { 'step.finished': 1300, 'tool.finished': 800 };
  const SHORT_MS = 30;
  const TIMES = { first_token_ms: 480, total_ms: 1250, duration_ms: 760 };
  const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;
  /** In prompts. */
  const TODAY = /\b\w+day, \d{4}-\d\d-\d\d\b/g;
  const ANSWERS = ['approval.resolved', 'input.received', 'budget.raised'];
  const HOUR_MS = 3_600_000;
  const RealDate = Date;
  const began = RealDate.now();

  class StandingDate extends RealDate {
    constructor(...given) {
      if (given.length) super(...given);
      else super(NOW);
    }

    static now() {
      return NOW;
    }
  }
  globalThis.Date = StandingDate;

  crypto.randomUUID = () => {
    const count = Number(sessionStorage.getItem('screens.ids') ?? 0) + 1;
    sessionStorage.setItem('screens.ids', String(count));
    return `00000000-0000-4000-8000-${String(count).padStart(12, '0')}`;
  };

  /** By session: how long it took until an event, in milliseconds, by its `seq`. */
  const costs = new Map();
  const root = (session) => (session ?? '').split('~')[0];
  const beginning = (session) => NOW - (settings.ages[root(session)] ?? 1) * 60_000;

  function timeOf(session, { seq, type }) {
    const known = costs.get(session) ?? new Map();
    costs.set(session, known.set(seq, ANSWERS.includes(type) ? settings.waited * 60_000 : (TOOK[type] ?? SHORT_MS)));
    let time = beginning(session);
    for (let one = 1; one <= seq; one++) time += known.get(one) ?? SHORT_MS;
    return time;
  }

  function fixed(value, session, at) {
    if (Array.isArray(value)) return value.map((one) => fixed(one, session, at));
    if (value === null || typeof value !== 'object') return value;
    const here = value.session_id ?? session;
    if (Number.isInteger(value.seq) && value.type) at = timeOf(here, value);
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, member(key, one, here, at)]));
  }

  function member(key, value, session, at) {
    if (key in TIMES && value) return TIMES[key];
    if (key === 'request_sha256' && value) return '5c'.repeat(32);
    if (typeof value === 'string' && !ISO.test(value)) return value.replaceAll(TODAY, settings.today);
    if (typeof value !== 'string') return fixed(value, session, at);
    const ahead = RealDate.parse(value) - began;
    // What is to come is so many hours away.
    if (ahead > HOUR_MS / 2) return new RealDate(NOW + Math.round(ahead / HOUR_MS) * HOUR_MS).toISOString();
    return new RealDate(at ?? beginning(session) + SHORT_MS).toISOString();
  }

  /** The list of sessions: those of the pictures alone, which would else be among many. */
  function seen(answer, query) {
    if (!Array.isArray(answer.sessions)) return answer;
    const asked = [...query.keys()].some((name) => !['cursor', 'limit', 'active_after'].includes(name));
    const known = new Set(settings.cast.map((one) => one.session_id));
    const sessions = asked ? answer.sessions.filter((one) => known.has(one.session_id)) : settings.cast;
    return { ...answer, sessions, next_cursor: null };
  }

  function frames(body, session) {
    const line = (text) => (text.startsWith('data: ') ? `data: ${JSON.stringify(fixed(JSON.parse(text.slice(6)), session))}` : text);
    let kept = '';
    const rewriting = new TransformStream({
      transform(text, out) {
        const whole = (kept + text).split('\n');
        kept = whole.pop();
        if (whole.length) out.enqueue(`${whole.map(line).join('\n')}\n`);
      },
    });
    return body.pipeThrough(new TextDecoderStream()).pipeThrough(rewriting).pipeThrough(new TextEncoderStream());
  }

  const realFetch = globalThis.fetch;
  globalThis.fetch = async (target, options) => {
    const response = await realFetch(target, options);
    const { pathname: path, searchParams } = new URL(typeof target === 'string' ? target : target.url, location.href);
    const kind = response.headers.get('Content-Type') ?? '';
    if (!path.startsWith('/v1/') || !response.body) return response;
    const session = decodeURIComponent(/^\/v1\/sessions\/([^/]+)/.exec(path)?.[1] ?? '') || undefined;
    const { status, statusText, headers } = response;
    if (kind.startsWith('text/event-stream')) return new Response(frames(response.body, session), { status, statusText, headers });
    if (!kind.includes('json')) return response;
    const answer = await response.json();
    return new Response(JSON.stringify(fixed(seen(answer, searchParams), session)), { status, statusText, headers });
  };
};
