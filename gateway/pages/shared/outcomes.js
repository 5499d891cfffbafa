/** What became of questions, in words. Pure. */
import { amount, limitName } from './limits.js';

/** A question's outcome, in words. */
export function becameOf({ state, kind, subject, reason, by, raised }, edited = false) {
  const who = by ? ` by ${by.subject ?? by}` : '';
  switch (state) {
    case 'open':
      if (kind === 'budget') return 'Waits for a decision';
      return kind === 'approval' ? 'Waits for an approval' : 'Waits for an answer';
    case 'approved':
      if (subject === 'rewind') return `Taken back, as allowed${who}`;
      if (reason === 'expired') return 'Allowed, for nobody answered in time';
      return `Approved${who}${edited ? ', with changed arguments' : ''}`;
    case 'denied':
      if (subject === 'rewind') return `Left as it was${who}`;
      return reason ? `Denied${who}: ${reason}` : `Denied${who}`;
    case 'answered':
      return 'Answered';
    case 'declined':
      return kind === 'budget' ? `Ended here${who}${reason ? `: ${reason}` : ''}` : 'Declined';
    case 'raised':
      if (raised?.lifted) return `${limitName(raised.scope, raised.limit)} lifted${who}: there is no cap any more`;
      return raised?.value == null ? `Allowed for this turn${who}` : `${limitName(raised.scope, raised.limit)} raised to ${amount(raised.limit, raised.value)}${who}`;
    case 'superseded':
      return 'Taken back: a newer message came instead';
    case 'expired':
      return 'Nobody answered in time';
    default:
      return 'Taken back: the turn was stopped';
  }
}
