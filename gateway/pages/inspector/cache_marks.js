/** Where a request marks what the provider is to keep in its cache: Anthropic's `cache_control`, Bedrock's `cachePoint`. Pure. */

/** Places in words, in the order of the request: `tool 3 of 3`, `message 9 of 11`, `the whole request`; empty where it has no marks. */
export function cacheMarks(request) {
  const found = [];
  if (isMark(request)) found.push('the whole request');
  for (const [list, noun] of [['tools', 'tool'], ['system', 'block'], ['messages', 'message']]) {
    const items = Array.isArray(request?.[list]) ? request[list] : [];
    items.forEach((item, index) => {
      const inside = [item, ...(Array.isArray(item?.content) ? item.content : [])];
      if (!inside.some(isMark)) return;
      const place = `${noun} ${index + 1} of ${items.length}`;
      found.push(list === 'system' ? `${place} of the system text` : place);
    });
  }
  return found;
}

const isMark = (value) => value !== null && typeof value === 'object' && ('cache_control' in value || 'cachePoint' in value);
