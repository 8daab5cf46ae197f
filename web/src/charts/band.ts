/** band: the interval of the fitted line, under its curve. */

import type { Plane } from "../draw/plane";
import type { Palette } from "../draw/theme";
import type { Band } from "../model/verdict";

const PIECES = 60;

export function drawBand(
    ctx: CanvasRenderingContext2D,
    plane: Plane,
    { x: [from, to], at }: Band,
    palette: Palette,
): void {
    const bottom = plane.top + plane.height;
    const up: [number, number][] = [];
    const down: [number, number][] = [];
    for (let i = 0; i <= PIECES; i++) {
        const x = from * Math.pow(to / from, i / PIECES);
        const [low, high] = at(x).map((y) => (y > 0 ? plane.toY(Math.log10(y)) : bottom)) as [number, number];
        up.push([plane.toX(Math.log10(x)), high]);
        down.unshift([plane.toX(Math.log10(x)), low]);
    }
    ctx.beginPath();
    [...up, ...down].forEach(([x, y], i) => (i === 0 ? ctx.moveTo(x, y) : ctx.lineTo(x, y)));
    ctx.closePath();
    ctx.globalAlpha = 0.25;
    ctx.fillStyle = palette.curve.relative;
    ctx.fill();
    ctx.globalAlpha = 1;
}
