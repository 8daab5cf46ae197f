/** facts: what is known of a run beside its numbers. */

import { address, runPath } from "../api/client";
import type { RunDetail } from "../api/types";
import { h } from "../dom";
import { counted, duration, grouped, moment, wallMs } from "../draw/format";
import { probesText } from "../model/counts";
import { completeBadge, stateBadge } from "./badge";

const KINDS = [
    ["step", "steps"],
    ["probe", "probes"],
    ["metric", "metrics"],
    ["event", "events"],
    ["sharpness", "operator norms"],
    ["group", "layers"],
] as const;

export class Facts {
    private readonly list = h("dl", { class: "facts tiles" });
    private readonly config = h("pre", {
        tabindex: 0,
        role: "region",
        "aria-label": "Configuration",
    });
    private readonly hello = h("pre", { tabindex: 0, role: "region", "aria-label": "Trainer" });
    readonly element: HTMLElement;

    constructor(id: string) {
        const link = (kind: string, format: string): HTMLElement =>
            h(
                "a",
                {
                    href: address(`${runPath(id)}/export`, { kind, format }),
                    download: `${id}-${kind}.${format}`,
                },
                format === "csv" ? "CSV" : "NDJSON",
            );
        const kinds = KINDS.map(([kind, many]) =>
            h("li", {}, `${many}: `, link(kind, "csv"), " ", link(kind, "ndjson")),
        );
        this.element = h(
            "section",
            { class: "run-facts", "aria-label": "Facts about the run" },
            h("h3", {}, "Run"),
            this.list,
            h("details", {}, h("summary", {}, "Configuration"), this.config),
            h("details", {}, h("summary", {}, "Trainer"), this.hello),
            h("h3", {}, "Export, every record"),
            h("ul", { class: "exports" }, ...kinds),
        );
    }

    private forkRow(run: RunDetail): [string, (Node | string)[]][] {
        if (run.fork === null) {
            return [];
        }
        const parent = h("a", { href: `/runs/${encodeURIComponent(run.fork.run)}` }, run.fork.run);
        return [["fork of", [parent, ` at step ${grouped(Number(run.fork.step))}`]]];
    }

    show(run: RunDetail): void {
        const created = wallMs(run.created_wall_ns);
        const updated = wallMs(run.updated_wall_ns);
        const { step, metric, event, sharpness, group } = run.records;
        const rows: [string, (Node | string)[]][] = [
            ["state", [stateBadge(run), " ", completeBadge(run)]],
            ["id", [h("code", {}, run.id)]],
            ["project", [run.project]],
            [
                "tags",
                run.tags.length > 0
                    ? run.tags.map((tag) => h("span", { class: "tag" }, tag))
                    : ["–"],
            ],
            ["started", [moment(created)]],
            ["last heard", [`${moment(updated)} (${duration(updated - created)} after the start)`]],
            ["last step", [run.last_step === null ? "–" : grouped(Number(run.last_step))]],
            ["attempts", [`${grouped(run.attempts)} (${counted(run.ranks, "rank")})`]],
            ...this.forkRow(run),
            [
                "records",
                [
                    `${counted(Number(step), "step")}, ${probesText(run)}, ` +
                        `${counted(Number(metric), "metric")}, ${counted(Number(event), "event")}, ` +
                        `${counted(Number(sharpness), "operator norm")}, ${grouped(Number(group))} of layers`,
                ],
            ],
            [
                "sent again, sent late",
                [`${grouped(Number(run.repeated_records))}, ${grouped(Number(run.late_records))}`],
            ],
        ];
        this.list.replaceChildren(
            ...rows.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, ...value))),
        );
        this.config.textContent = JSON.stringify(run.config, null, 2);
        this.hello.textContent = JSON.stringify(run.hello, null, 2);
    }
}
