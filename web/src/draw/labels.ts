/** labels: texts at the ends of curves, moved apart so that all can be read. Pure. */

/**
 * Where to put the middles of texts of this height that want to stand at
 * `wanted`, inside lo..hi: in the same order, none over another, as near as
 * that allows.
 */
export function spread(
    wanted: readonly number[],
    height: number,
    lo: number,
    hi: number,
): number[] {
    const order = wanted.map((_, i) => i).sort((a, b) => wanted[a]! - wanted[b]!);
    const placed: number[] = new Array<number>(wanted.length).fill(0);
    let next = lo + height / 2;
    for (const i of order) {
        placed[i] = Math.max(wanted[i]!, next);
        next = placed[i]! + height;
    }
    let last = hi - height / 2;
    for (const i of [...order].reverse()) {
        placed[i] = Math.min(placed[i]!, last);
        last = placed[i]! - height;
    }
    return placed;
}
