/** trouble: a banner while the daemon cannot write its database. */

import { get } from "../api/client";
import type { Self } from "../api/types";
import { h, setText } from "../dom";

const EVERY_MS = 5000;

export class Trouble {
    private readonly text = h("span", {});
    readonly element = h(
        "section",
        { class: "banner", role: "alert", "aria-label": "Trouble", hidden: true },
        this.text,
    );

    constructor() {
        void this.look();
        window.setInterval(() => void this.look(), EVERY_MS);
    }

    private async look(): Promise<void> {
        if (document.visibilityState === "hidden") {
            return;
        }
        try {
            this.show((await get<Self>("/api/v1/self")).problem);
        } catch {
            // Nobody answers: that is said elsewhere.
        }
    }

    private show(problem: string | null): void {
        this.element.hidden = problem === null;
        setText(
            this.text,
            problem === null
                ? ""
                : `▲ trajd is in trouble: ${problem}. Trainers keep what they record until it is taken.`,
        );
    }
}
