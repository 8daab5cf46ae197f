/** cuts: where phases of the run begin, as numbered lines over the steps. */

import type { Palette } from "../draw/theme";
import type { Cut } from "../model/verdict";

/** Nearer than this to the cursor, CSS pixels, a cut is told. */
const NEAR = 4;
const NUMBER_ROOM = 8;

/** toX: of a step, in pixels of the canvas. */
export function drawCuts(
    ctx: CanvasRenderingContext2D,
    cuts: readonly Cut[],
    toX: (step: number) => number,
    box: { top: number; height: number },
    palette: Palette,
): void {
    const ratio = devicePixelRatio;
    ctx.save();
    ctx.strokeStyle = ctx.fillStyle = palette.dim;
    ctx.lineWidth = ratio;
    ctx.setLineDash([2 * ratio, 3 * ratio]);
    ctx.font = `600 ${11 * ratio}px system-ui, sans-serif`;
    ctx.textBaseline = "top";
    let free = -Infinity;
    for (const { step, number } of cuts) {
        const x = Math.round(toX(step)) + (ratio % 2) / 2; // on a pixel, not between two
        ctx.beginPath();
        ctx.moveTo(x, box.top);
        ctx.lineTo(x, box.top + box.height);
        ctx.stroke();
        if (x >= free) {
            ctx.fillText(String(number), x + 3 * ratio, box.top + ratio);
            free = x + NUMBER_ROOM * ratio;
        }
    }
    ctx.restore();
}

/** What is marked between two neighbouring steps of a chart, or near the later one; "" where nothing is. */
export function markText(
    marks: readonly { step: number; text: string }[],
    before: number,
    step: number,
    toX: (step: number) => number,
): string {
    const near = marks.find((mark) => mark.step > before && mark.step <= step);
    return (near ?? marks.find((mark) => Math.abs(toX(mark.step) - toX(step)) <= NEAR))?.text ?? "";
}
