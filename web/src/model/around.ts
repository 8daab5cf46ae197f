/** around: the steps around one, to look at them alone. Pure. */

/** Before and after: a spike is one against the median of so many. */
const REACH = 128;

type Range = readonly [number, number];

/** last: of the run, beyond which there is nothing to see. */
export function aroundOf(step: number, last: number): [number, number] {
    return [Math.max(0, step - REACH), Math.max(step + 1, Math.min(step + REACH, last))];
}

/** Also where the run has gone on since. */
export function isAround(range: Range | null, step: number): boolean {
    return range !== null && range[0] === aroundOf(step, 0)[0] && range[1] > step && range[1] <= step + REACH;
}
