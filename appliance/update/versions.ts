/**
 * Versions of the appliance, compared as the boot loader and systemd-sysupdate compare them (UAPI version format): which slot starts next hangs
 * on that order, so ours must be the same. Pure.
 */

/** Fits a partition label and the name of a kernel file: no `_` and no `+`, which part names from versions and tries. */
export const versionPattern = /^[0-9][0-9A-Za-z.~^-]{0,23}$/;

const isDigit = (text: string) => text >= '0' && text <= '9';
const sign = (difference: number) => Math.sign(difference);

/** Below zero when `a` is older than `b`, above when it is newer, 0 when they are the same. */
export function compareVersions(a: string, b: string): number {
  let [left, right] = [a, b];
  for (;;) {
    [left, right] = [left.replace(/^[^0-9A-Za-z~^.-]+/, ''), right.replace(/^[^0-9A-Za-z~^.-]+/, '')];
    const marked = compareMark(left, right);
    if (marked !== undefined && marked !== 0) return marked;
    if (marked === 0) {
      [left, right] = [left.slice(1), right.slice(1)];
      continue;
    }
    if (left === '' || right === '') return sign(left.length - right.length);
    const [first, second] = segments(left, right);
    const order = compareSegments(first, second);
    if (order !== 0) return order;
    [left, right] = [left.slice(first.length), right.slice(second.length)];
  }
}

/**
 * `~` comes before everything, even the end; then the end; then `-`, `^` and `.` before any letter or digit. 0: both have the same mark;
 * `undefined`: neither has one.
 */
function compareMark(left: string, right: string): number | undefined {
  for (const mark of ['~', 'end', '-', '^', '.']) {
    if (mark === 'end') {
      if (left === '' || right === '') return undefined;
      continue;
    }
    const [hasLeft, hasRight] = [left.startsWith(mark), right.startsWith(mark)];
    if (hasLeft || hasRight) return hasLeft && hasRight ? 0 : hasLeft ? -1 : 1;
  }
  return undefined;
}

/** Leading digits of both where either begins with one, else leading letters. */
function segments(left: string, right: string): [string, string] {
  const pattern = isDigit(left.charAt(0)) || isDigit(right.charAt(0)) ? /^[0-9]*/ : /^[A-Za-z]*/;
  return [pattern.exec(left)?.[0] ?? '', pattern.exec(right)?.[0] ?? ''];
}

function compareSegments(left: string, right: string): number {
  if (!isDigit(left.charAt(0)) && !isDigit(right.charAt(0))) return left === right ? 0 : left < right ? -1 : 1;
  if (left === '' || right === '') return sign(left.length - right.length);
  const [first, second] = [left.replace(/^0+/, ''), right.replace(/^0+/, '')];
  return first.length !== second.length ? sign(first.length - second.length) : first === second ? 0 : first < second ? -1 : 1;
}
