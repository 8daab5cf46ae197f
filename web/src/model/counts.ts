/** counts: how many probes a run has, of all parameters and of single layers. Pure. */

import type { Run } from "../api/types";
import { counted, grouped } from "../draw/format";

type Counts = Pick<Run, "records" | "group_probes">;

/** Those of all parameters. */
export function probesOf({ records, group_probes }: Counts): number {
    return Number(records.probe) - Number(group_probes);
}

export function probesText(run: Counts): string {
    const more = Number(run.group_probes);
    return counted(probesOf(run), "probe") + (more > 0 ? ` (and ${grouped(more)} of single layers)` : "");
}
