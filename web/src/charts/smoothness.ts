/** smoothness: the local smoothness along the update, over steps, and the operator norm of the Hessian. */

import type { PanelContext } from "./loss";
import { Panel } from "./panel";

export function smoothnessPanel(context: PanelContext): Panel {
    return new Panel({
        ...context,
        name: "Smoothness L̂",
        what: "measured local smoothness over steps, with the operator norm of the Hessian as diamonds",
        lines: [
            { metric: "smoothness", label: "L̂", colour: (p) => p.series.smoothness },
            { metric: "operator_norm", label: "‖H‖", colour: (p) => p.ink, marks: true },
        ],
        empty: "No smoothness yet: it needs two gradients on the same batch, and an update between.",
    });
}
