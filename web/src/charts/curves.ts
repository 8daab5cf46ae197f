/** curves: the fitted laws over the points: distinct dashes, a halo, a label at the end. */

import { spread } from "../draw/labels";
import type { Plane } from "../draw/plane";
import type { Palette } from "../draw/theme";
import type { Curve } from "../model/fits";

export interface Laws {
    curves: readonly Curve[];
    /** The gradient norms that were fitted: a law is not drawn beyond them. */
    x: readonly [number, number] | null;
}

interface Place {
    x: number;
    y: number;
}

interface CurvePath {
    curve: Curve;
    path: readonly Place[];
    end: Place;
}

const PIECES = 100;
const LABEL_HEIGHT = 15;
const DASHES: Record<Curve["key"], readonly number[]> = {
    relative: [],
    median: [9, 5],
    q95: [3, 4],
    envelope: [12, 4, 2, 4],
};

export function dashOf(key: Curve["key"]): readonly number[] {
    return DASHES[key];
}

/** inside: labels on the curves, where there is no room beside the plane. */
export function drawLaws(
    ctx: CanvasRenderingContext2D,
    plane: Plane,
    laws: Laws,
    palette: Palette,
    inside: boolean,
): void {
    const paths = laws.curves
        .map((curve) => pathOf(curve, laws.x, plane))
        .filter((path): path is CurvePath => path !== null);
    plane.clipped(ctx, () => paths.forEach((path) => drawCurve(ctx, path, palette)));
    drawLabels(ctx, plane, paths, palette, inside);
}

function pathOf(curve: Curve, range: Laws["x"], plane: Plane): CurvePath | null {
    const path: Place[] = [];
    for (let i = 0; range !== null && i <= PIECES; i++) {
        const x = range[0] * Math.pow(range[1] / range[0], i / PIECES);
        const y = curve.L0 + curve.L1 * x;
        if (x > 0 && y > 0) {
            path.push({ x: plane.toX(Math.log10(x)), y: plane.toY(Math.log10(y)) });
        }
    }
    const end = path[path.length - 1];
    return path.length < 2 || end === undefined ? null : { curve, path, end };
}

function drawCurve(
    ctx: CanvasRenderingContext2D,
    { curve, path }: CurvePath,
    palette: Palette,
): void {
    const ratio = devicePixelRatio;
    ctx.beginPath();
    path.forEach(({ x, y }, i) => (i === 0 ? ctx.moveTo(x, y) : ctx.lineTo(x, y)));
    ctx.lineJoin = "round";
    ctx.setLineDash([]);
    ctx.strokeStyle = palette.paper;
    ctx.lineWidth = 4 * ratio;
    ctx.globalAlpha = 0.6;
    ctx.stroke();
    ctx.globalAlpha = 1;
    ctx.strokeStyle = palette.curve[curve.key];
    ctx.lineWidth = 2 * ratio;
    ctx.setLineDash(DASHES[curve.key].map((v) => v * ratio));
    ctx.stroke();
    ctx.setLineDash([]);
}

function drawLabels(
    ctx: CanvasRenderingContext2D,
    plane: Plane,
    paths: readonly CurvePath[],
    palette: Palette,
    inside: boolean,
): void {
    const ratio = devicePixelRatio;
    const bottom = plane.top + plane.height;
    const right = plane.left + plane.width;
    const lift = inside ? 10 * ratio : 0;
    const wanted = paths.map(({ end }) => Math.max(plane.top, Math.min(bottom, end.y - lift)));
    const placed = spread(wanted, LABEL_HEIGHT * ratio, plane.top - 6 * ratio, bottom);
    ctx.save();
    ctx.font = `600 ${12 * ratio}px system-ui, sans-serif`;
    ctx.textAlign = inside ? "right" : "left";
    ctx.textBaseline = "middle";
    ctx.lineJoin = "round";
    paths.forEach(({ curve, end }, i) => {
        const at = {
            x: inside ? Math.min(end.x, right) - 4 * ratio : right + 8 * ratio,
            y: placed[i]!,
        };
        const colour = palette.curve[curve.key];
        if (!inside) {
            drawLeader(ctx, { x: Math.min(end.x, right), y: wanted[i]! }, at, colour);
        }
        ctx.lineWidth = 4 * ratio;
        ctx.strokeStyle = palette.paper;
        ctx.strokeText(curve.label, at.x, at.y);
        ctx.fillStyle = colour;
        ctx.fillText(curve.label, at.x, at.y);
    });
    ctx.restore();
}

/** From the end of a curve to its label. */
function drawLeader(ctx: CanvasRenderingContext2D, from: Place, to: Place, colour: string): void {
    ctx.strokeStyle = colour;
    ctx.globalAlpha = 0.6;
    ctx.lineWidth = devicePixelRatio;
    ctx.beginPath();
    ctx.moveTo(from.x, from.y);
    ctx.lineTo(to.x - 2 * devicePixelRatio, to.y);
    ctx.stroke();
    ctx.globalAlpha = 1;
}
