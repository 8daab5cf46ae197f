/** ranks: the processes of a run, how far each is, and what is wrong with their norms. */

import { get, runPath } from "../api/client";
import type { RankRow, RanksReply, RunDetail } from "../api/types";
import { h } from "../dom";
import { grouped } from "../draw/format";
import { shownRanks, stepsText } from "../model/ranks";
import { lossText, stateBadge } from "./badge";
import { Drawer, figureTable } from "./drawer";

export function isOfSeveral({ ranks, hello }: RunDetail): boolean {
    return Math.max(ranks, Number(hello["world"] ?? 1)) > 1;
}

export function ranksDrawer(narrow: boolean): Drawer {
    return new Drawer("Ranks", !narrow, async (run, signal) => {
        const { data } = await get<RanksReply>(`${runPath(run.id)}/ranks`, {}, signal);
        const rows = shownRanks(data.ranks);
        const all = data.ranks.length;
        const of = rows.length < all ? ` ${grouped(rows.length)} of them, the worst first.` : "";
        const findings = data.findings.map(({ text }) => h("li", {}, text));
        return [
            h("p", { class: "caption" }, stepsText(data) + of),
            ...(findings.length > 0
                ? [h("ul", { class: "warnings", "aria-label": "Findings" }, ...findings)]
                : []),
            figureTable("Ranks", ["rank", "state", "last step", "behind"], rows.map(cells)),
        ];
    });
}

function cells(row: RankRow): (Node | string)[] {
    const lost = lossText(row);
    const state = h("span", {}, stateBadge({ state: row.state, exit_code: null }));
    if (lost !== null) {
        state.append(h("span", { class: "lost-note" }, ` ▲ ${lost}`));
    }
    const count = (value: RankRow["behind"]): string =>
        value === null ? "–" : grouped(Number(value));
    return [grouped(row.rank), state, count(row.last_step), count(row.behind)];
}
