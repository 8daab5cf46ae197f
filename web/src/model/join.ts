/** join: the lines of one panel, which have buckets of their own, at common x values. Pure. */

import type { Buckets } from "./buckets";

export interface Joined {
    x: number[];
    /** Of each line: the index of its bucket at each x, -1 where it has none. */
    at: number[][];
}

/** Buckets of the same place stand at one x: the last step of any of them. */
export function join(lines: readonly Buckets[]): Joined {
    const widest = Math.max(1, ...lines.map((b) => b.steps));
    const aligned = lines.every((b) => b.steps === widest);
    const place = (b: Buckets, i: number): number =>
        aligned ? Math.floor(b.first[i]! / widest) : b.last[i]!;
    const next = lines.map(() => 0);
    const out: Joined = { x: [], at: lines.map(() => []) };
    for (;;) {
        let least = Infinity;
        lines.forEach((b, k) => {
            least = next[k]! < b.first.length ? Math.min(least, place(b, next[k]!)) : least;
        });
        if (least === Infinity) {
            return out;
        }
        let x = -Infinity;
        lines.forEach((b, k) => {
            const i = next[k]!;
            const here = i < b.first.length && place(b, i) === least;
            out.at[k]!.push(here ? i : -1);
            if (here) {
                x = Math.max(x, b.last[i]!);
                next[k] = i + 1;
            }
        });
        out.x.push(x);
    }
}
