/** gradient: the norm of the gradient over steps, and where it is clipped. */

import type { PanelContext } from "./loss";
import { Panel } from "./panel";

export function gradientPanel(context: PanelContext): Panel {
    return new Panel({
        ...context,
        name: "Gradient norm ‖g‖",
        what: "norm of the gradient before clipping, over steps, with the clip threshold dashed",
        lines: [
            { metric: "grad_norm", label: "‖g‖", colour: (p) => p.series.grad },
            {
                metric: "clip_threshold",
                label: "clip at",
                colour: (p) => p.series.clip,
                dash: [6, 4],
                band: false,
            },
        ],
        empty: "No gradient norm recorded yet.",
    });
}
