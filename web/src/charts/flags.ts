/** flags: where alerts were raised, at the foot of charts over steps: full for an error, hollow for a warning. */

import type { Palette } from "../draw/theme";
import type { Flag } from "../model/alerts";

/** CSS pixels, half of the width; the height is twice that. */
const HALF = 5;

/** toX: of a step, in pixels of the canvas. Of those that would lie over each other one is drawn, of errors first. */
export function drawFlags(
    ctx: CanvasRenderingContext2D,
    flags: readonly Flag[],
    toX: (step: number) => number,
    box: { left: number; width: number; top: number; height: number },
    palette: Palette,
): void {
    const half = HALF * devicePixelRatio;
    const foot = box.top + box.height;
    const drawn: number[] = [];
    ctx.save();
    ctx.fillStyle = ctx.strokeStyle = palette.bad;
    ctx.lineWidth = 1.5 * devicePixelRatio;
    ctx.setLineDash([]);
    for (const error of [true, false]) {
        for (const { step, level } of flags) {
            const x = toX(step);
            const fits = x >= box.left && x <= box.left + box.width && drawn.every((at) => Math.abs(at - x) > 2 * half);
            if ((level === "error") === error && fits) {
                drawn.push(x);
                ctx.beginPath();
                ctx.moveTo(x, foot - 2 * half);
                ctx.lineTo(x + half, foot - 1);
                ctx.lineTo(x - half, foot - 1);
                ctx.closePath();
                ctx.stroke();
                if (error) {
                    ctx.fill();
                }
            }
        }
    }
    ctx.restore();
}
