/** Why a request is made again, in words. */

const TOO_MANY = {
  rate_limited: 'Too many requests',
  too_many_streams: 'Too many pages are open',
  too_many_turns: 'Too many sessions are at work',
};

/** `wait`: milliseconds until it is made again. Null where it was not one too many. */
export function tooMany(error, wait) {
  if (error?.status !== 429) return null;
  const left = Math.max(1, Math.ceil(wait / 1000));
  return `${TOO_MANY[error.code] ?? 'Too much at once'}, trying again in ${left} s`;
}
