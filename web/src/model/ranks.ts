/** ranks: the processes of a run in words, and which of very many are worth a line. Pure. */

import type { RankRow, Ranks } from "../api/types";
import { counted, grouped } from "../draw/format";

/** Of more, those that are behind or not well go first. */
const MOST = 256;

export function stepsText({ world, steps }: Ranks): string {
    const { from, to, complete, incomplete, open, last_complete } = steps;
    const last = last_complete === null ? "none" : `the last ${grouped(Number(last_complete))}`;
    return (
        `${counted(world, "process", "processes")}. Of steps ${grouped(Number(from))} to ${grouped(Number(to))}: ` +
        `${grouped(Number(complete))} complete (${last}), ${grouped(Number(incomplete))} incomplete, ` +
        `${grouped(Number(open))} still open.`
    );
}

const isWell = ({ state }: RankRow): boolean => state === "live" || state === "finished";

export function shownRanks(rows: readonly RankRow[]): readonly RankRow[] {
    if (rows.length <= MOST) {
        return rows;
    }
    const trouble = (row: RankRow): number =>
        isWell(row) ? Number(row.behind ?? 0) : Number.MAX_SAFE_INTEGER;
    return [...rows].sort((a, b) => trouble(b) - trouble(a) || a.rank - b.rank).slice(0, MOST);
}
