/** stepsize: the learning rate over steps beside the step that the measured smoothness allows. */

import type { PanelContext } from "./loss";
import { Panel } from "./panel";

export function stepsizePanel(context: PanelContext): Panel {
    return new Panel({
        ...context,
        name: "Step size",
        what: "learning rate over steps, with 2 over the measured smoothness as its limit",
        lines: [
            { metric: "step_limit", label: "2/L̂", colour: (p) => p.series.limit, width: 1 },
            {
                metric: "lr",
                label: "lr",
                colour: (p) => p.series.lr,
                dash: [6, 3],
                width: 2,
                band: false,
            },
        ],
        empty: "No learning rate recorded yet.",
    });
}
