/** loss: the training loss over steps. */

import { Panel, type PanelOptions } from "./panel";

export type PanelContext = Omit<PanelOptions, "name" | "what" | "lines" | "empty">;

export function lossPanel(context: PanelContext): Panel {
    return new Panel({
        ...context,
        name: "Loss",
        what: "training loss over steps",
        lines: [{ metric: "loss", label: "loss", colour: (p) => p.series.loss }],
        empty: "No loss recorded yet.",
    });
}
