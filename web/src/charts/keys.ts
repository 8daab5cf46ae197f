/** keys: how the arrow keys move through the values of a chart. Pure. */

const MOVES: Record<string, number> = {
    ArrowLeft: -1,
    ArrowRight: 1,
    PageUp: -20,
    PageDown: 20,
    Home: -Infinity,
    End: Infinity,
};

/** Where a key leads from value `from` of n; null if it is none of these keys, or n is 0. */
export function movedTo(key: string, from: number, n: number): number | null {
    const move = MOVES[key];
    return move === undefined || n === 0 ? null : Math.max(0, Math.min(n - 1, from + move));
}
