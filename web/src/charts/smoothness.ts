/** smoothness: the local smoothness along the update, over steps. */

import type { PanelContext } from "./loss";
import { Panel } from "./panel";

export function smoothnessPanel(context: PanelContext): Panel {
    return new Panel({
        ...context,
        name: "Smoothness L̂",
        what: "measured local smoothness over steps",
        lines: [{ metric: "smoothness", label: "L̂", colour: (p) => p.series.smoothness }],
        empty: "No smoothness yet: it needs two gradients on the same batch, and an update between.",
    });
}
