/** painter: paints what changed, in an animation frame, no more often than wanted; nothing while hidden. */

import { paintEveryMs } from "./theme";

export class Painter {
    private readonly dirty = new Set<() => void>();
    private last = 0;
    private timer = 0;
    private frame = 0;

    constructor() {
        document.addEventListener("visibilitychange", this.schedule);
    }

    /** Ask for paint to be called soon; once, however often it is asked. */
    ask(paint: () => void): void {
        this.dirty.add(paint);
        this.schedule();
    }

    /** Paint what was asked for, now. */
    flush(): void {
        window.clearTimeout(this.timer);
        cancelAnimationFrame(this.frame);
        this.paint();
    }

    close(): void {
        document.removeEventListener("visibilitychange", this.schedule);
        window.clearTimeout(this.timer);
        cancelAnimationFrame(this.frame);
        this.dirty.clear();
    }

    private readonly schedule = (): void => {
        if (this.timer !== 0 || this.dirty.size === 0 || document.visibilityState === "hidden") {
            return;
        }
        const wait = Math.max(0, this.last + paintEveryMs() - performance.now());
        this.timer = window.setTimeout(() => {
            this.frame = requestAnimationFrame(() => this.paint());
        }, wait);
    };

    private paint(): void {
        this.timer = 0;
        this.last = performance.now();
        const now = [...this.dirty];
        this.dirty.clear();
        now.forEach((paint) => paint());
    }
}
